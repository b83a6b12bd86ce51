/* SPDX-License-Identifier: MIT
 *
 * rounds_gradient.h - a round of gradients, shared by rounds_gradient.c (out, back, sums) and
 * rounds_doubt.c (answers that are not believed). On the session's thread.
 */
#ifndef COVEY_SESSION_ROUNDS_GRADIENT_H
#define COVEY_SESSION_ROUNDS_GRADIENT_H

#include "gradient_check.h"
#include "rounds_private.h"

enum { COVEY__GRADIENT_TASKS = COVEY_GRADIENT_TASKS_MAX };

/* A round: parts go out, sums of their gradients come back.
 *
 * In groups (fractional repetition) one answer of each group is as good as another, so answers are
 * added at once, in a tree of groups: neighbours first, then neighbouring pairs, and so on. The sum
 * is thereby the same whatever the order in which they come, and what is left to do behind the last
 * answer is the logarithm of their number. A cyclic code's weights depend on which answers there
 * are: those are kept until they suffice. So are all where workers are doubted, since an answer may
 * turn out to be a lie; the sum is then made in the same order.
 *
 * A place is a group, or a cyclic task: what is answered there is the same, whoever answers. */
struct covey__gradient_sum {
    struct covey_rounds *rounds;
    struct covey_gradient_round *io;
    struct covey_gradient_code code;
    uint64_t number;
    size_t floats; /* of a sum: parameters and statistics */
    uint32_t part; /* samples */
    bool answered[COVEY__GRADIENT_TASKS];
    struct covey_body *kept[COVEY__GRADIENT_TASKS]; /* of a place, and those behind it */
    uint32_t width[COVEY__GRADIENT_TASKS]; /* fractional: groups summed there; 0: none yet */
    bool seen[COVEY__GRADIENT_TASKS];      /* parts whose loss is known */
    float loss[COVEY__GRADIENT_TASKS];
    uint32_t hits[COVEY__GRADIENT_TASKS];
    /* Doubted, of each place: whose answer is kept; whether it needs no more (somebody else said
     * the same, or it was computed here, or its maker is believed); what was computed here. */
    bool doubted;
    struct covey_node_id from[COVEY__GRADIENT_TASKS];
    bool sure[COVEY__GRADIENT_TASKS];
    struct covey_body *truth[COVEY__GRADIENT_TASKS];
};

/* Places of a round, and a task's. */
static inline uint32_t covey__gradient_place(const struct covey__gradient_sum *r, uint32_t task)
{
    return r->code.kind == COVEY_GRADIENT_CYCLIC ? task : task / (r->code.spare + 1);
}
static inline uint32_t covey__gradient_first(const struct covey__gradient_sum *r, uint32_t place)
{
    return r->code.kind == COVEY_GRADIENT_CYCLIC ? place : place * (r->code.spare + 1);
}

/* rounds_gradient.c: what goes out with a task; without `out`, its spec alone. */
covey_err covey__gradient_task_of(const struct covey__gradient_sum *r, uint32_t task,
                                  struct covey_task_spec *out_spec,
                                  struct covey_body **out) COVEY_CHECK;

/* rounds_doubt.c */

/* r->truth[place]: its answer, computed here. RANGE: it is no number. */
covey_err covey__doubt_truth(struct covey__gradient_sum *r, uint32_t place) COVEY_CHECK;
/* Once all tasks are out: computes one here, now and then, to compare what comes. */
covey_err covey__doubt_begin(struct covey__gradient_sum *r) COVEY_CHECK;
/* An answer, which it takes. Wrong ones, this or older, are named and dropped.
 * RANGE: a loss is no number. */
covey_err covey__doubt_answer(struct covey__gradient_sum *r,
                              const struct covey__round_news *news) COVEY_CHECK;
/* Whether all that there is needs no more. */
bool covey__doubt_settled(const struct covey__gradient_sum *r);
void covey__doubt_end(struct covey__gradient_sum *r);

#endif /* COVEY_SESSION_ROUNDS_GRADIENT_H */
