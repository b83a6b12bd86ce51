/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "kernels/softmax.h"
#include "ops_window.h"

enum kind { SOFTMAX, LOGSOFTMAX, HARDMAX };

struct job {
    const struct covey__op_call *c;
    struct covey__lines lines;
    enum kind kind;
};

covey_err covey__infer_softmax(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    unsigned axis = 0;
    out->shape = c->in[0]->shape;
    return covey__axis(c->attrs->axis, c->in[0]->shape.rank, &axis, out_why);
}

/* y_i = exp(x_i - max) / sum_j exp(x_j - max), or its logarithm; the largest alone: 1 for it. */
static void run_line(const struct job *j, size_t first)
{
    const struct covey_tensor *x = j->c->in[0];
    struct covey_tensor *y = j->c->out[0];
    size_t step = j->lines.inner, top_at = 0;
    double top = covey_tensor_element(x, first), sum = 0.0;
    for (size_t i = 1; i < j->lines.count; i++) {
        double v = covey_tensor_element(x, first + i * step);
        if (v > top) {
            top = v;
            top_at = i;
        }
    }
    for (size_t i = 0; i < j->lines.count && j->kind != HARDMAX; i++) {
        sum += exp(covey_tensor_element(x, first + i * step) - top);
    }
    double log_sum = log(sum);
    for (size_t i = 0; i < j->lines.count; i++) {
        double v = covey_tensor_element(x, first + i * step) - top;
        covey__store_real(y, first + i * step,
                          j->kind == SOFTMAX      ? exp(v) / sum
                          : j->kind == LOGSOFTMAX ? v - log_sum
                                                  : (double)(i == top_at));
    }
}

/* All lines that start in one run of neighbouring elements. */
static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    for (size_t i = 0; i < j->lines.inner; i++) {
        run_line(j, part * j->lines.count * j->lines.inner + i);
    }
}

static void run(const struct covey__op_call *c, enum kind kind)
{
    struct job j = {c, covey__lines_of(&c->in[0]->shape, c->attrs->axis), kind};
    if (c->in[0]->type == COVEY_TYPE_F32 && kind != HARDMAX) {
        struct covey__softmax_call call = {.in = covey__in(c, 0),
                                           .out = covey__out(c),
                                           .outer = j.lines.outer,
                                           .axis = j.lines.count,
                                           .inner = j.lines.inner,
                                           .logarithm = kind == LOGSOFTMAX,
                                           .threads = c->threads};
        covey__softmax_run(&call);
        return;
    }
    covey_threads_run(c->threads, j.lines.outer, run_part, &j);
}

void covey__op_softmax(const struct covey__op_call *c)
{
    run(c, SOFTMAX);
}

void covey__op_logsoftmax(const struct covey__op_call *c)
{
    run(c, LOGSOFTMAX);
}

void covey__op_hardmax(const struct covey__op_call *c)
{
    run(c, HARDMAX);
}
