/* SPDX-License-Identifier: MIT
 *
 * tally.h - what many answers come to.
 */
#ifndef COVEY_CLI_TALLY_H
#define COVEY_CLI_TALLY_H

#include "infer_target.h"

/* Zeroed, then add. */
struct covey__tally {
    size_t count, lost, labelled, right;
    uint64_t recovered_dead, recovered_late;
    bool unmatched;           /* classes of a folder that are none of the model's: no accuracy */
    unsigned devices;         /* of the last answer */
    size_t checked, believed; /* answers of several devices */
    struct covey_node_id liar[COVEY_CONTROL_LIARS_MAX];
    size_t liars;
    double *ms;
    size_t capacity;
};

/* label -1: unknown. */
covey_err covey__tally_add(struct covey__tally *t, const struct covey__answer *answer,
                           size_t floats, int32_t label) COVEY_CHECK;
void covey__tally_done(struct covey__tally *t);

double covey__tally_accuracy(const struct covey__tally *t); /* 0 where nothing is labelled */
double covey__tally_median_ms(struct covey__tally *t);      /* sorts */
double covey__tally_max_ms(const struct covey__tally *t);
/* Other devices took part, and all that they answered was checked. */
bool covey__tally_checked(const struct covey__tally *t);

size_t covey__argmax(const float *values, size_t count);

#endif /* COVEY_CLI_TALLY_H */
