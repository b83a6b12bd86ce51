/* SPDX-License-Identifier: MIT
 *
 * half.h - rows of floats to float16 (IEEE 754 binary16, to nearest, ties to even) and back.
 */
#ifndef COVEY_NN_HALF_H
#define COVEY_NN_HALF_H

#include <stddef.h>
#include <stdint.h>

void covey__half_from_floats(const float *in, uint16_t *out, size_t count);
void covey__half_to_floats(const uint16_t *in, float *out, size_t count);

#endif /* COVEY_NN_HALF_H */
