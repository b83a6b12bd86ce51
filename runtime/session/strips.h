/* SPDX-License-Identifier: MIT
 *
 * strips.h - the strips of one assignment's tile runs: what of the model's network (network.h) they
 * need, and what is computed with it.
 *
 * Order: new (shapes are known, weights are not) -> fill, value by value as needs says -> compute
 * from any thread.
 */
#ifndef COVEY_SESSION_STRIPS_H
#define COVEY_SESSION_STRIPS_H

#include "covey/body.h"
#include "network.h"

struct covey_strips;

/* n: open; borrowed for life. The plan is copied. RANGE: its tile runs are not n's. */
covey_err covey__strips_new(struct covey_network *n, const struct covey_plan *plan,
                            const struct covey_node_id *self,
                            struct covey_strips **out) COVEY_CHECK;
/* After the last compute and the last kept output. NULL is a no-op. */
void covey__strips_free(struct covey_strips *s);
const struct covey_plan *covey__strips_plan(const struct covey_strips *s);

/* Whether a tile run reads this constant of the graph. */
bool covey__strips_reads(const struct covey_strips *s, uint16_t value);
/* The same, and the network has it not yet. */
bool covey__strips_needs(const struct covey_strips *s, uint16_t value);
/* LIMIT: what is needed is more than the network's budget has room for. */
covey_err covey__strips_room(const struct covey_strips *s) COVEY_CHECK;
/* Fetches every constant that is needed, lays it out, gives its own pages back where nothing reads
 * them any more, and makes the models of the plan's own rows, so that no request waits for them.
 * Strips of one network may be filled at the same time. others: bytes of weights that the
 * assignment has besides. LIMIT: more than the network's budget. */
covey_err covey__strips_fill(struct covey_strips *s, uint64_t others, covey_fetch_fn fetch,
                             void *user) COVEY_CHECK;

/* A strip's output, kept for the next segment. */
struct covey_kept;
void covey__kept_free(struct covey_kept *k); /* NULL is a no-op */

struct covey_strip_task {
    unsigned run, segment, device;
    const struct covey_tile_layout *layout;
    struct covey_body *piece[COVEY_PLAN_DEVICES_MAX + 1]; /* by source; borrowed */
    const struct covey_kept *kept; /* of the segment before, where its own rows are needed */
    bool whole;                    /* what goes out has its zeros, too */
};
struct covey_strip_result {
    struct covey_body *piece[COVEY_PLAN_DEVICES_MAX + 1]; /* by destination; the caller's */
    struct covey_kept *kept; /* where the next segment needs rows of it; the caller's */
    uint32_t wrong;          /* on an error: devices whose pieces are the reason */
};
/* RANGE: pieces that are not the layout's; MALFORMED: one that is not what it has to be. Rows for
 * other devices are sent without zeros where that has fewer bytes (covey/tile.h). On an error
 * nothing is the caller's, and only wrong is set. */
covey_err covey__strips_compute(struct covey_strips *s, const struct covey_strip_task *task,
                                struct covey_strip_result *out) COVEY_CHECK;
/* The whole result of the task's run, float32, of pieces that are all here, one's own among them.
 * RANGE: they are not the layout's. */
covey_err covey__strips_join(const struct covey_strips *s, const struct covey_strip_task *task,
                             struct covey_body **out) COVEY_CHECK;

#endif /* COVEY_SESSION_STRIPS_H */
