/* SPDX-License-Identifier: MIT
 *
 * choice.h - all choices of so many among so many, ascending, one after the other.
 */
#ifndef COVEY_TESTS_CHOICE_H
#define COVEY_TESTS_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

/* The first `size` of 0..: the next choice among `of` afterwards. False: that was the last. */
void choice_first(uint32_t size, uint32_t *choice);
bool choice_next(uint32_t size, uint32_t of, uint32_t *choice);

#endif /* COVEY_TESTS_CHOICE_H */
