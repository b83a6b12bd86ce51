/* SPDX-License-Identifier: MIT */
#include "ops_unary.h"
#include "kernels/act.h"
#include "layers.h"

#include <math.h>

covey_err covey__infer_same(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    (void)out_why;
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

/* Comparisons are written so that a NaN stays one. */
static void relu(const float *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = in[i] < 0.0f ? 0.0f : in[i];
    }
}

static void clip(const float *in, float *out, size_t count, const struct covey_op_attrs *a)
{
    for (size_t i = 0; i < count; i++) {
        float v = in[i] < a->low ? a->low : in[i];
        out[i] = v > a->high ? a->high : v;
    }
}

static void sigmoid(const float *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = 1.0f / (1.0f + expf(-in[i]));
    }
}

static void tanh_all(const float *in, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = tanhf(in[i]);
    }
}

void covey__act_apply(const struct covey_op_attrs *a, float *data, size_t count)
{
    covey__act_run((struct covey__act){a->act, a->low, a->high}, data, count);
}

void covey__bias_rows(float *data, const float *bias, size_t rows, size_t columns)
{
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            data[i * columns + j] += bias[i];
        }
    }
}

void covey__finish(const struct covey__finish *f)
{
    size_t columns = f->batch * f->pixels;
    for (size_t image = 0; image < f->batch; image++) {
        for (size_t row = 0; row < f->rows; row++) {
            const float *src = f->product + row * columns + image * f->pixels;
            float *dst = f->out + (image * f->rows + row) * f->pixels;
            const float *residual =
                f->residual != NULL ? f->residual + (image * f->rows + row) * f->pixels : NULL;
            float bias = f->bias != NULL ? f->bias[row] : 0.0f;
            for (size_t i = 0; i < f->pixels; i++) {
                dst[i] = src[i] + bias + (residual != NULL ? residual[i] : 0.0f);
            }
        }
    }
    covey__act_apply(f->attrs, f->out, f->rows * columns);
}

void covey__op_relu(const struct covey__op_call *c)
{
    relu(covey__in(c, 0), covey__out(c), covey__shape_elements(&c->out[0]->shape));
}

void covey__op_leakyrelu(const struct covey__op_call *c)
{
    size_t count = covey__shape_elements(&c->out[0]->shape);
    for (size_t i = 0; i < count; i++) {
        float v = covey__in(c, 0)[i];
        covey__out(c)[i] = v < 0.0f ? v * c->attrs->alpha : v;
    }
}

void covey__op_sigmoid(const struct covey__op_call *c)
{
    sigmoid(covey__in(c, 0), covey__out(c), covey__shape_elements(&c->out[0]->shape));
}

void covey__op_tanh(const struct covey__op_call *c)
{
    tanh_all(covey__in(c, 0), covey__out(c), covey__shape_elements(&c->out[0]->shape));
}

void covey__op_clip(const struct covey__op_call *c)
{
    clip(covey__in(c, 0), covey__out(c), covey__shape_elements(&c->out[0]->shape), c->attrs);
}
