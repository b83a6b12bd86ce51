/* SPDX-License-Identifier: MIT
 *
 * infer_gather.h - inputs gathered here until they make one request: a batch.
 *
 * The mesh reads a layer's weights once for all inputs of a request. How many that are is what the
 * person asked for, or the first dimension of a tensor, as far as the model allows it.
 */
#ifndef COVEY_CLI_INFER_GATHER_H
#define COVEY_CLI_INFER_GATHER_H

#include "infer_target.h"

/* Zeroed, then init. */
struct covey__gather {
    float *inputs;   /* twice as many as a request has: the last request is filled up */
    int32_t *labels; /* -1: unknown */
    size_t count;    /* gathered */
    size_t first;    /* index of the first of them, among all inputs */
    uint32_t width;  /* inputs of a request */
    bool fixed;      /* as the person said: never less */
    size_t requests; /* answered */
};

/* asked 0: one at a time, until widened. LIMIT: so many do not fit a message; t->why says it. */
covey_err covey__gather_init(struct covey__gather *g, struct covey__target *t,
                             uint32_t asked) COVEY_CHECK;
void covey__gather_done(struct covey__gather *g);
/* For inputs that belong together, when nothing is gathered and nothing was asked for: requests of
 * the same size, as large as they may be. */
covey_err covey__gather_widen(struct covey__gather *g, struct covey__target *t,
                              size_t inputs) COVEY_CHECK;

/* Where the next input goes; then it is added. */
float *covey__gather_next(const struct covey__gather *g, const struct covey__target *t);
void covey__gather_add(struct covey__gather *g, size_t index, int32_t label);
static inline bool covey__gather_full(const struct covey__gather *g)
{
    return g->count >= g->width;
}

/* Asks for those from `done` on: *out_count of them were answered, one behind another. The batch is
 * made smaller where the node says that it is too large, or that the model takes none. */
covey_err covey__gather_ask(struct covey__gather *g, struct covey__target *t, size_t done,
                            struct covey__answer *out, size_t *out_count) COVEY_CHECK;

#endif /* COVEY_CLI_INFER_GATHER_H */
