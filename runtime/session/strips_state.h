/* SPDX-License-Identifier: MIT
 *
 * strips_state.h - the inside of strips: strips.c fills, strips_compute.c computes.
 */
#ifndef COVEY_SESSION_STRIPS_STATE_H
#define COVEY_SESSION_STRIPS_STATE_H

#include "strips.h"

struct covey_strips {
    struct covey_network *network;
    struct covey_plan plan;
    unsigned device;
    bool *reads; /* by value */
};

/* The segment's cells; its rows are the caller's to say. */
void covey__strips_like(const struct covey_strips *s, unsigned run, unsigned segment,
                        struct strip_model *out);

#endif /* COVEY_SESSION_STRIPS_STATE_H */
