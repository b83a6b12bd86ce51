/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/norm.h"
#include "train/grad.h"

/* Kept from the forward step, [channels] each: mean and 1 / sqrt(variance + epsilon); then room for
 * scale and shift. */
enum { MEAN, INVERSE, SCALE, SHIFT, ROWS };

/* What a batch adds to the running statistics; PyTorch's default. */
static const float momentum = 0.1f;

static struct covey__norm_shape shape_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    return (struct covey__norm_shape){x->dims[0], x->dims[1], covey__shape_range(x, 2, x->rank)};
}

static size_t batchnorm_saved(const struct covey__op_call *c)
{
    return (size_t)c->in[0]->shape.dims[1] * ROWS * sizeof(float);
}

/* Ioffe and Szegedy 2015, algorithm 1: statistics of the batch (biased); the running variance takes
 * the unbiased one. */
static void batchnorm_forward(const struct covey__grad_call *c)
{
    struct covey__norm_shape s = shape_of(c->op);
    float *saved = c->saved, *mean = saved + MEAN * s.channels;
    float *inverse = saved + INVERSE * s.channels, *scale = saved + SCALE * s.channels;
    float *shift = saved + SHIFT * s.channels;
    const float *x = covey__in(c->op, 0), *gamma = covey__in(c->op, 1), *beta = covey__in(c->op, 2);
    float *running_mean = c->op->in[3]->data, *running_variance = c->op->in[4]->data;
    struct covey__norm_statistics_call statistics = {&s, x, mean, inverse, c->op->threads};
    covey__norm_statistics(&statistics);
    float samples = (float)(s.batch * s.pixels);
    float unbias = samples > 1.0f ? samples / (samples - 1.0f) : 1.0f;
    for (size_t i = 0; i < s.channels; i++) {
        running_mean[i] += momentum * (mean[i] - running_mean[i]);
        running_variance[i] += momentum * (inverse[i] * unbias - running_variance[i]);
        inverse[i] = 1.0f / sqrtf(inverse[i] + c->op->attrs->epsilon);
        scale[i] = gamma[i] * inverse[i];
        shift[i] = beta[i] - mean[i] * scale[i];
    }
    struct covey__affine_call affine = {.in = x,
                                        .scale = scale,
                                        .shift = shift,
                                        .out = c->op->out[0]->data,
                                        .planes = s.batch * s.channels,
                                        .channels = s.channels,
                                        .pixels = s.pixels,
                                        .threads = c->op->threads};
    covey__affine_run(&affine);
}

static size_t batchnorm_scratch(const struct covey__op_call *c)
{
    return 2 * (size_t)c->in[0]->shape.dims[1] * sizeof(float) +
           covey__shape_elements(&c->in[0]->shape) * sizeof(float);
}

/* Gradients that are not wanted go to the scratch room. */
static void batchnorm_back(const struct covey__grad_call *c)
{
    struct covey__norm_shape s = shape_of(c->op);
    const float *saved = c->saved;
    float *spare = c->scratch;
    struct covey__norm_back_call call = {.shape = &s,
                                         .x = covey__in(c->op, 0),
                                         .dy = c->dy,
                                         .mean = saved + MEAN * s.channels,
                                         .inverse = saved + INVERSE * s.channels,
                                         .scale = covey__in(c->op, 1),
                                         .dx = c->dx[0] != NULL ? c->dx[0] : spare + 2 * s.channels,
                                         .dscale = c->dx[1] != NULL ? c->dx[1] : spare,
                                         .dshift = c->dx[2] != NULL ? c->dx[2] : spare + s.channels,
                                         .threads = c->op->threads};
    covey__norm_back(&call);
}

const struct covey__grad covey__grads_norm[] = {
    {.op = COVEY_OP_BATCHNORM,
     .inputs = 7,
     .parameters = 6,
     .statistics = 24,
     .needs_x = true,
     .in_place = true,
     .backward = batchnorm_back,
     .scratch = batchnorm_scratch,
     .forward = batchnorm_forward,
     .saved = batchnorm_saved},
    {.op = COVEY_OP_NONE},
};
