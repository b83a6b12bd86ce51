/* SPDX-License-Identifier: MIT
 *
 * fixture.h - what the tests of the readers share: shared data, scratch files, running a model.
 */
#ifndef COVEY_TESTS_APPS_FIXTURE_H
#define COVEY_TESTS_APPS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "covey/graph.h"
#include "wire.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIXTURE_SANITIZED 1
#else
#define FIXTURE_SANITIZED 0
#endif

enum { FIXTURE_PATH = 4096 };

/* The path of a file of the shared data; skips the test when the data is not there. */
void data_path(char out[FIXTURE_PATH], const char *file);

/* A folder for the test's files, and a file in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);
void scratch_path(void **state, const char *name, char out[FIXTURE_PATH]);
void scratch_write(void **state, const char *name, const void *bytes, size_t len,
                   char out[FIXTURE_PATH]);

/* Fails the test with the reason. */
void expect_ok(covey_err err, const struct covey_nn_error *why);
/* The reason is one printable line, not empty. */
void expect_line(covey_err err, const struct covey_nn_error *why);

/* Imports the model and runs one input; fails unless there are count results, each within
 * tolerance (of the largest magnitude). With and without optimising. */
void expect_run(const struct wire *model, const float *input, const float *expected, size_t count);
/* The import fails, and the reason contains the words. */
void expect_refused(const struct wire *model, const char *words);

#endif /* COVEY_TESTS_APPS_FIXTURE_H */
