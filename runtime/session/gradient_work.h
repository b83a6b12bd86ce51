/* SPDX-License-Identifier: MIT
 *
 * gradient_work.h - a worker's model for gradients of parts of batches: brought once for a session,
 * then fed with parameters round by round.
 */
#ifndef COVEY_SESSION_GRADIENT_WORK_H
#define COVEY_SESSION_GRADIENT_WORK_H

#include "covey/body.h"
#include "pool.h"
#include "services.h"
#include "train_spec.h"
#include "training_job.h"

struct covey_gradient_work;
struct covey_manifest;
struct covey_nn_error;
struct covey_trainer;

enum { COVEY__GRADIENT_HEAD = sizeof(float) + sizeof(uint32_t) }; /* bytes, of each part */

/* On a pool's thread (reads the store): all blobs of spec->model must be there. BUSY: the account
 * of services, which outlives it, has no room for it; one line in out_why. */
covey_err covey__gradient_work_new(struct covey_services *services,
                                   const struct covey_enlist_spec *spec,
                                   struct covey_gradient_work **out,
                                   struct covey_nn_error *out_why) COVEY_CHECK;
void covey__gradient_work_free(struct covey_gradient_work *w); /* NULL is a no-op */
/* BUSY: there is no room for it, as far as its manifest says. Nothing is taken. */
covey_err covey__gradient_work_room(struct covey_services *services,
                                    const struct covey_manifest *manifest,
                                    struct covey_nn_error *out_why) COVEY_CHECK;
/* A task, and who waits for its answer. */
struct covey__gradient_task {
    const struct covey_round_spec *round;
    const struct covey_task_spec *spec;
    const struct covey_body *shared, *body; /* NULL: not there */
    /* Set by another thread when the answer is worth nothing any more: CLOSED, soon. */
    const _Atomic bool *stop;
    /* More of the answer may be sent (covey_body_make_ready()), which *out is from the first time
     * on; NULL: only all of it at once. */
    void (*grew)(void *user);
    void *user;
};

/* On a compute thread, one at a time. The answer: of each part its loss (f32) and hits (u32), then
 * the weighted sums of running statistics and, back to front, of gradients: the order in which
 * backward makes them, so that the first go out while the others are computed. RANGE: sizes do not
 * fit the model. On an error *out is NULL, or, once it grew, a body that was given up. */
covey_err covey__gradient_work_compute(struct covey_gradient_work *w,
                                       const struct covey__gradient_task *task,
                                       struct covey_body **out) COVEY_CHECK;
/* What it computes with: for its sizes. */
const struct covey_trainer *covey__gradient_work_trainer(const struct covey_gradient_work *w);
/* Samples of a part: the last may hold fewer that count. */
static inline uint32_t covey__gradient_part(uint32_t batch, uint32_t parts)
{
    return (batch + parts - 1) / parts;
}
/* Whether a batch can be cut so: every part holds a sample, and all are equal where there are
 * running statistics, which samples that do not count would enter. */
static inline bool covey__gradient_parts_fit(uint32_t batch, uint32_t parts, size_t statistics)
{
    return parts > 0 && parts <= batch &&
           (parts - 1) * covey__gradient_part(batch, parts) < batch &&
           (statistics == 0 || batch % parts == 0);
}
/* Answers that may be missing; each part is computed once more often. Where all are checked none is
 * used that nobody else has said as well. */
static inline uint32_t covey__gradient_spare(const struct covey_strategy *s)
{
    return s->check_all && s->spare == 0 ? 1 : s->spare;
}
/* Bytes of an answer; floats: statistics and parameters. */
static inline size_t covey__gradient_answer_bytes(size_t floats, uint32_t parts)
{
    return floats * sizeof(float) + (size_t)parts * COVEY__GRADIENT_HEAD;
}

#endif /* COVEY_SESSION_GRADIENT_WORK_H */
