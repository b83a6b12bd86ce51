/* SPDX-License-Identifier: MIT */
#include "update.h"

#include "vkernels.h"

#include <math.h>

enum { PART = 16384 };

static size_t parts_of(size_t count)
{
    return (count + PART - 1) / PART;
}

static size_t end_of(size_t part, size_t count)
{
    return count - part * PART < PART ? count : (part + 1) * PART;
}

struct axpy_job {
    float a;
    const float *x;
    float *y;
    size_t count;
};

static void axpy_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct axpy_job *j = ctx;
    size_t first = part * PART;
    covey__vkernels()->update_axpy(j->a, j->x + first, j->y + first,
                                   end_of(part, j->count) - first);
}

void covey__update_axpy(float a, const float *x, float *y, size_t count,
                        struct covey_threads *threads)
{
    struct axpy_job job = {a, x, y, count};
    covey_threads_run(threads, parts_of(count), axpy_part, &job);
}

struct sgd_job {
    const struct covey__update_sgd *update;
};

static void sgd_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct sgd_job *j = ctx;
    covey__vkernels()->update_sgd(j->update, part * PART, end_of(part, j->update->count));
}

void covey__update_sgd(const struct covey__update_sgd *u)
{
    struct sgd_job job = {u};
    covey_threads_run(u->threads, parts_of(u->count), sgd_part, &job);
}

struct adam_job {
    const struct covey__update_adam *update;
    float corrections[2]; /* 1 / (1 - beta^step) */
};

static void adam_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct adam_job *j = ctx;
    covey__vkernels()->update_adam(j->update, j->corrections, part * PART,
                                   end_of(part, j->update->count));
}

void covey__update_adam(const struct covey__update_adam *u)
{
    struct adam_job job = {.update = u};
    for (unsigned i = 0; i < 2; i++) {
        job.corrections[i] = (float)(1.0 / (1.0 - pow((double)u->beta[i], (double)u->step)));
    }
    covey_threads_run(u->threads, parts_of(u->count), adam_part, &job);
}
