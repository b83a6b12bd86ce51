/* SPDX-License-Identifier: MIT */
#include "ops_window.h"

#include <math.h>

/* Bits of the axes that are averaged: none given means all. */
static uint32_t axes_of(const struct covey__op_call *c)
{
    uint32_t all = (1u << c->in[0]->shape.rank) - 1;
    return c->attrs->axes == 0 ? all : c->attrs->axes;
}

covey_err covey__infer_reduce(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey_shape s = {0, {0}};
    if (c->attrs->axes >> x->rank != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "axes beyond the rank");
    }
    for (unsigned i = 0; i < x->rank; i++) {
        if ((axes_of(c) >> i & 1) == 0) {
            s.dims[s.rank++] = x->dims[i];
        } else if (c->attrs->keepdims) {
            s.dims[s.rank++] = 1;
        }
    }
    out->shape = s;
    return COVEY_OK;
}

/* Walks the input in order; to: the output's offset beside it. */
void covey__op_reducemean(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    size_t step[COVEY_RANK_MAX] = {0}, next = 1, to = 0;
    size_t count = covey__shape_elements(x), outputs = covey__shape_elements(&c->out[0]->shape);
    uint32_t at[COVEY_RANK_MAX] = {0}, axes = axes_of(c);
    for (unsigned i = x->rank; i-- > 0;) {
        if ((axes >> i & 1) == 0) {
            step[i] = next;
            next *= x->dims[i];
        }
    }
    memset(covey__out(c), 0, outputs * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        covey__out(c)[to] += covey__in(c, 0)[i];
        for (unsigned axis = x->rank; axis-- > 0;) {
            to += step[axis];
            if (++at[axis] < x->dims[axis]) {
                break;
            }
            to -= step[axis] * at[axis];
            at[axis] = 0;
        }
    }
    for (size_t i = 0; i < outputs; i++) {
        covey__out(c)[i] /= (float)(count / outputs);
    }
}

covey_err covey__infer_softmax(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    unsigned axis;
    covey_err err = covey__axis(c->attrs->axis, c->in[0]->shape.rank, &axis, out_why);
    if (err == COVEY_OK) {
        out->shape = c->in[0]->shape;
    }
    return err;
}

/* y_i = exp(x_i - max) / sum_j exp(x_j - max), or its logarithm; step floats apart. */
static void softmax_line(const float *in, float *out, size_t count, size_t step, bool logarithm)
{
    float top = in[0], sum = 0.0f;
    for (size_t i = 1; i < count; i++) {
        top = in[i * step] > top ? in[i * step] : top;
    }
    for (size_t i = 0; i < count; i++) {
        out[i * step] = in[i * step] - top;
        sum += expf(out[i * step]);
    }
    float log_sum = logf(sum);
    for (size_t i = 0; i < count; i++) {
        out[i * step] = logarithm ? out[i * step] - log_sum : expf(out[i * step]) / sum;
    }
}

static void softmax(const struct covey__op_call *c, bool logarithm)
{
    const struct covey_shape *x = &c->in[0]->shape;
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + x->rank : given);
    size_t outer = covey__shape_range(x, 0, axis), count = x->dims[axis];
    size_t inner = covey__shape_range(x, axis + 1, x->rank);
    for (size_t i = 0; i < outer; i++) {
        for (size_t j = 0; j < inner; j++) {
            size_t at = i * count * inner + j;
            softmax_line(covey__in(c, 0) + at, covey__out(c) + at, count, inner, logarithm);
        }
    }
}

void covey__op_softmax(const struct covey__op_call *c)
{
    softmax(c, false);
}

void covey__op_logsoftmax(const struct covey__op_call *c)
{
    softmax(c, true);
}
