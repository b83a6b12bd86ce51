/* SPDX-License-Identifier: MIT
 *
 * made_file.h - bytes of a file that a test makes.
 */
#ifndef COVEY_TESTS_APPS_MADE_FILE_H
#define COVEY_TESTS_APPS_MADE_FILE_H

#include <stddef.h>
#include <stdint.h>

struct made_file {
    uint8_t bytes[1 << 16];
    size_t len;
};

/* Fails the test when they do not fit. */
void made_add(struct made_file *f, const void *bytes, size_t len);
/* Most significant byte first. */
void made_add_big(struct made_file *f, uint32_t v);

#endif /* COVEY_TESTS_APPS_MADE_FILE_H */
