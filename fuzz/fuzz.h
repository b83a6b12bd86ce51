/* SPDX-License-Identifier: MIT
 *
 * fuzz.h - what every harness declares: the entry that libFuzzer and replay.c call.
 */
#ifndef COVEY_FUZZ_H
#define COVEY_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* COVEY_FUZZ_H */
