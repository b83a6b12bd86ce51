/* SPDX-License-Identifier: MIT */
#include "ops_unary.h"
#include "kernels/act.h"
#include "layers.h"

covey_err covey__infer_same(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    (void)out_why;
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

covey_err covey__infer_bool(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    (void)out_why;
    out->type = COVEY_TYPE_BOOL;
    out->shape = c->in[0]->shape;
    return COVEY_OK;
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
