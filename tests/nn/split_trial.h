/* SPDX-License-Identifier: MIT
 *
 * split_trial.h - products of a group's units and parities, to be lost and rebuilt.
 */
#ifndef COVEY_TESTS_SPLIT_TRIAL_H
#define COVEY_TESTS_SPLIT_TRIAL_H

#include "covey/split.h"

enum {
    SPLIT_TRIAL_ROWS = 4,
    SPLIT_TRIAL_DEPTH = 256,
    SPLIT_TRIAL_COLUMNS = 16,
    SPLIT_TRIAL_FLOATS = SPLIT_TRIAL_ROWS * SPLIT_TRIAL_COLUMNS,
    SPLIT_TRIAL_ANSWERS = COVEY_GROUP_UNITS_MAX + COVEY_PARITY_MAX,
};

struct split_trial {
    unsigned count;
    float answer[SPLIT_TRIAL_ANSWERS][SPLIT_TRIAL_FLOATS]; /* units, then all four parities */
    double exact[COVEY_GROUP_UNITS_MAX][SPLIT_TRIAL_FLOATS];
};

covey_err split_trial_fill(struct split_trial *t, unsigned count, uint64_t seed);
/* Error of a unit's block as it was computed, by norms. */
double split_trial_plain(const struct split_trial *t, unsigned unit);
/* The answers of `lost` (bits: units, then parities) did not come: all units rebuilt. The worst
 * error of a lost one; infinite when one that came is not what it was. */
covey_err split_trial_rebuild(const struct split_trial *t, unsigned r, uint32_t lost,
                              double *out_error);

#endif /* COVEY_TESTS_SPLIT_TRIAL_H */
