/* SPDX-License-Identifier: MIT
 *
 * scratch.h - folders for the stores of the session's tests, gone when the tests end.
 */
#ifndef COVEY_TESTS_SESSION_SCRATCH_H
#define COVEY_TESTS_SESSION_SCRATCH_H

enum { SCRATCH_PATH = 64 };

/* Of a group of tests: the state is the folder that holds all others. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
/* A new folder in it. */
void scratch_folder(void **state, char out[static SCRATCH_PATH]);

#endif /* COVEY_TESTS_SESSION_SCRATCH_H */
