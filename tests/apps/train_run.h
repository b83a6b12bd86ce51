/* SPDX-License-Identifier: MIT
 *
 * train_run.h - runs the real covey beside a test.
 */
#ifndef COVEY_TESTS_APPS_TRAIN_RUN_H
#define COVEY_TESTS_APPS_TRAIN_RUN_H

#include <sys/types.h>

#include "fixture.h"

#define TRAIN_DIGITS "digits:" COVEY_SOURCE_DIR "/apps/demo-data/digits.csv.gz"

enum { TRAIN_TEXT = 1 << 16 };

/* One running program. Its output comes through a pipe that is full after some fifty lines: it
 * cannot end before they are read. */
struct child {
    pid_t pid;
    FILE *out;
};

/* What it said, all of it. */
struct said {
    int code; /* exit code, or 256 and the signal that ended it */
    char out[TRAIN_TEXT], errors[TRAIN_TEXT];
};

/* Runs "covey train --local" and the words of the line, those that begin with @ being files of the
 * scratch folder. */
void child_start(void **state, struct child *c, const char *line);
/* The same with any command. */
void child_start_covey(void **state, struct child *c, const char *line);
/* Waits for a line that begins so. */
void child_wait_line(struct child *c, const char *start);
void child_end(void **state, struct child *c, struct said *out);

/* From start to end. */
void train(void **state, const char *line, struct said *out);
/* Ends with the code, and one line on standard error that has the words. */
void expect_said(const struct said *s, int code, const char *words);

bool scratch_has(void **state, const char *name);
void scratch_remove(void **state, const char *name);
/* Heap, the caller's. */
uint8_t *scratch_read(void **state, const char *name, size_t *out_len);
bool scratch_same(void **state, const char *a, const char *b);

#endif /* COVEY_TESTS_APPS_TRAIN_RUN_H */
