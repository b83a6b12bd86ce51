/* SPDX-License-Identifier: MIT */
#include "ops_layer.h"
#include "ops_window.h"

#include <math.h>

covey_err covey__infer_batchnorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 2) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "batch normalisation needs channels");
    }
    for (unsigned i = 1; i < 5; i++) {
        if (c->in[i]->shape.rank != 1 || c->in[i]->shape.dims[0] != x->dims[1]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "parameters do not fit the channels");
        }
    }
    out->shape = *x;
    return COVEY_OK;
}

/* y = (x - mean) scale / sqrt(var + epsilon) + bias, by channel */
void covey__op_batchnorm(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    size_t channels = x->dims[1], pixels = covey__shape_range(x, 2, x->rank);
    size_t planes = (size_t)x->dims[0] * channels;
    for (size_t p = 0; p < planes; p++) {
        size_t ch = p % channels;
        float scale = covey__in(c, 1)[ch] / sqrtf(covey__in(c, 4)[ch] + c->attrs->epsilon);
        float bias = covey__in(c, 2)[ch] - covey__in(c, 3)[ch] * scale;
        for (size_t i = p * pixels; i < (p + 1) * pixels; i++) {
            covey__out(c)[i] = covey__in(c, 0)[i] * scale + bias;
        }
    }
}

covey_err covey__infer_lrn(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 2 || c->attrs->size == 0 || c->attrs->size > COVEY_GRAPH_NODES_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bad size of a normalisation");
    }
    out->shape = *x;
    return COVEY_OK;
}

/* y_c = x_c / (bias + alpha / size * sum of x^2 over the channels around c) ^ beta */
void covey__op_lrn(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    size_t channels = x->dims[1], pixels = covey__shape_range(x, 2, x->rank);
    size_t before = (a->size - 1) / 2, after = a->size - 1 - before;
    size_t planes = (size_t)x->dims[0] * channels;
    for (size_t p = 0; p < planes; p++) {
        size_t ch = p % channels, base = p - ch;
        size_t first = ch > before ? ch - before : 0;
        size_t last = ch + after < channels ? ch + after : channels - 1;
        for (size_t i = 0; i < pixels; i++) {
            float sum = 0.0f;
            for (size_t j = base + first; j <= base + last; j++) {
                float v = covey__in(c, 0)[j * pixels + i];
                sum += v * v;
            }
            float scale = a->bias + a->alpha / (float)a->size * sum;
            covey__out(c)[p * pixels + i] = covey__in(c, 0)[p * pixels + i] / powf(scale, a->beta);
        }
    }
}
