/* SPDX-License-Identifier: MIT */
#include "softmax.h"

#include "vkernels.h"

/* Floats in one part, about. */
enum { PART = 8192 };

struct softmax_job {
    const struct covey__softmax_call *call;
    size_t step; /* blocks in a part */
};

static void softmax_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct softmax_job *j = ctx;
    const struct covey__softmax_call *c = j->call;
    size_t first = part * j->step;
    size_t last = c->outer - first < j->step ? c->outer : first + j->step;
    for (size_t i = first; i < last; i++) {
        size_t offset = i * c->axis * c->inner;
        covey__vkernels()->softmax_block(c, c->in + offset, c->out + offset);
    }
}

void covey__softmax_run(const struct covey__softmax_call *call)
{
    size_t floats = call->axis * call->inner;
    if (floats == 0) {
        return;
    }
    struct softmax_job job = {call, floats < PART ? PART / floats : 1};
    covey_threads_run(call->threads, (call->outer + job.step - 1) / job.step, softmax_part, &job);
}
