/* SPDX-License-Identifier: MIT
 *
 * strips_state.h - the inside of strips: strips.c makes models, strips_compute.c computes.
 */
#ifndef COVEY_SESSION_STRIPS_STATE_H
#define COVEY_SESSION_STRIPS_STATE_H

#include <pthread.h>

#include "strips.h"

enum {
    STRIP_MODELS = 64,   /* segments of the plan's own rows, and of some shared out anew */
    STRIP_IDLE_RUNS = 4, /* of each model: requests in flight */
};

/* The model of one strip of one segment. */
struct strip_model {
    unsigned run, segment;
    struct covey_rows in, out;
    struct covey_graph *graph;
    struct covey_model *model; /* NULL: vacant */
    uint64_t run_bytes;
    uint64_t used_at;
    unsigned users; /* runs that are out */
    unsigned idle_count;
    struct covey_kept *idle;
};

/* A run that is out: being computed, or its result is kept. */
struct covey_kept {
    struct covey_strips *strips;
    struct strip_model *model;
    struct covey_run *run;
    struct covey_kept *next;
};

struct covey_strips {
    const struct covey_graph *graph;
    struct covey_plan plan;
    unsigned device;
    struct covey_cell *cell;
    size_t cells;
    bool *needs; /* by value */
    struct covey_layouts *layouts;
    _Atomic uint64_t *used_bytes;
    uint64_t limit;
    uint64_t bytes; /* added to *used_bytes; under the lock once filled */
    pthread_mutex_t lock;
    uint64_t used_at;
    struct strip_model model[STRIP_MODELS];
};

/* A run of the model of these rows (run, segment, in, out of like). */
covey_err covey__strips_take(struct covey_strips *s, const struct strip_model *like,
                             struct covey_kept **out) COVEY_CHECK;

#endif /* COVEY_SESSION_STRIPS_STATE_H */
