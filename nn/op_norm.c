/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "kernels/elementwise.h"
#include "ops_layer.h"

static bool all_floats(const struct covey__op_call *c)
{
    for (unsigned i = 0; i < c->inputs; i++) {
        if (c->in[i]->type != COVEY_TYPE_F32) {
            return false;
        }
    }
    return true;
}

covey_err covey__infer_batchnorm(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    if (x->rank < 2) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "batch normalisation needs channels");
    }
    for (unsigned i = 1; i < 5; i++) {
        covey_err err = covey__type_among(c->in[i], COVEY__TYPES_FLOAT, out_why);
        if (err != COVEY_OK) {
            return err;
        }
        if (c->in[i]->shape.rank != 1 || c->in[i]->shape.dims[0] != x->dims[1]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "parameters do not fit the channels");
        }
    }
    out->shape = *x;
    return COVEY_OK;
}

/* scale / sqrt(var + epsilon), and bias - mean times it, of channel ch. */
static void affine_of(const struct covey__op_call *c, size_t ch, double out[2])
{
    double var = covey_tensor_element(c->in[4], ch) + (double)c->attrs->epsilon;
    out[0] = covey_tensor_element(c->in[1], ch) / sqrt(var);
    out[1] = covey_tensor_element(c->in[2], ch) - covey_tensor_element(c->in[3], ch) * out[0];
}

size_t covey__scratch_batchnorm(const struct covey__op_call *c)
{
    return all_floats(c) ? 2 * (size_t)c->in[0]->shape.dims[1] * sizeof(float) : 0;
}

static void batchnorm_floats(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    size_t channels = x->dims[1];
    float *scale = c->scratch, *shift = scale + channels;
    for (size_t ch = 0; ch < channels; ch++) {
        double affine[2];
        affine_of(c, ch, affine);
        scale[ch] = (float)affine[0];
        shift[ch] = (float)affine[1];
    }
    struct covey__affine_call call = {.in = covey__in(c, 0),
                                      .scale = scale,
                                      .shift = shift,
                                      .out = covey__out(c),
                                      .planes = x->dims[0] * channels,
                                      .channels = channels,
                                      .pixels = covey__shape_range(x, 2, x->rank),
                                      .threads = c->threads};
    covey__affine_run(&call);
}

/* y = (x - mean) scale / sqrt(var + epsilon) + bias, by channel */
void covey__op_batchnorm(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    size_t channels = x->dims[1], pixels = covey__shape_range(x, 2, x->rank);
    if (all_floats(c)) {
        batchnorm_floats(c);
        return;
    }
    for (size_t p = 0; p < x->dims[0] * channels; p++) {
        double affine[2];
        affine_of(c, p % channels, affine);
        for (size_t i = p * pixels; i < (p + 1) * pixels; i++) {
            covey__store_real(c->out[0], i,
                              covey_tensor_element(c->in[0], i) * affine[0] + affine[1]);
        }
    }
}

covey_err covey__infer_dropout(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    (void)out_why;
    out[0].shape = c->in[0]->shape;
    if (c->outputs > 1) {
        out[1] = (struct covey_tensor){.type = COVEY_TYPE_BOOL, .shape = c->in[0]->shape};
    }
    return COVEY_OK;
}

/* At inference everything is kept, and the mask says so. */
void covey__op_dropout(const struct covey__op_call *c)
{
    size_t count = covey__shape_elements(&c->in[0]->shape);
    if (count > 0) {
        memmove(c->out[0]->data, c->in[0]->data, count * covey_type_size(c->in[0]->type));
        if (c->outputs > 1 && c->out[1] != NULL) {
            memset(c->out[1]->data, 1, count);
        }
    }
}
