/* SPDX-License-Identifier: MIT */
#include "gemm.h"
#include "im2col.h"
#include "ops_layer.h"
#include "layers.h"

covey_err covey__infer_conv(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_shape *b = c->inputs > 2 && c->in[2] != NULL ? &c->in[2]->shape : NULL;
    const struct covey_op_attrs *a = c->attrs;
    if (x->rank != 4 || w->rank != 4) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 2-D convolutions");
    }
    if (a->groups == 0 || x->dims[1] % a->groups != 0 || w->dims[0] % a->groups != 0 ||
        w->dims[1] != x->dims[1] / a->groups) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "channels do not fit the filters");
    }
    if (a->kernel[0] != w->dims[2] || a->kernel[1] != w->dims[3]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "kernel_shape differs from the filters");
    }
    if (b != NULL && (b->rank != 1 || b->dims[0] != w->dims[0])) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bias does not fit the filters");
    }
    if (a->ceil_mode) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "ceil_mode of a convolution");
    }
    struct covey_shape s = {4, {x->dims[0], w->dims[0]}};
    for (unsigned i = 0; i < 2; i++) {
        covey_err err = covey__window_size(a, i, x->dims[2 + i], &s.dims[2 + i], out_why);
        if (err != COVEY_OK) {
            return err;
        }
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__layer_of(const struct covey__op_call *c, enum covey_op op, struct covey_layer *out)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct covey_layer l = {.kind = COVEY_LAYER_DENSE,
                            .m = w->dims[0],
                            .k = w->dims[1],
                            .channels = w->dims[1],
                            .height = 1,
                            .width = 1,
                            .kernel = {1, 1},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .out_height = 1,
                            .out_width = 1,
                            .batch = x->dims[0]};
    if (op == COVEY_OP_CONV) {
        l.kind = COVEY_LAYER_CONV;
        l.m = w->dims[0] / a->groups;
        l.k = w->dims[1] * w->dims[2] * w->dims[3];
        l.height = x->dims[2];
        l.width = x->dims[3];
        for (unsigned i = 0; i < 2; i++) {
            l.kernel[i] = a->kernel[i];
            l.stride[i] = a->stride[i];
            l.dilation[i] = a->dilation[i];
            l.pads[i] = a->pads[i];
            l.pads[i + 2] = a->pads_end[i];
        }
        l.out_height = c->out[0]->shape.dims[2];
        l.out_width = c->out[0]->shape.dims[3];
    }
    covey_layer_cut(l.m, &l.unit_rows, &l.units);
    *out = l;
}

void covey__conv_product(const struct covey__product *p)
{
    const struct covey_layer *l = p->layer;
    size_t n = covey_layer_columns(l);
    struct covey__gemm g = {.m = p->rows, .k = l->k, .a = p->weights, .lda = l->k, .ldc = n};
    if (covey__conv_pointwise(l)) {
        size_t pixels = (size_t)l->height * l->width;
        for (uint32_t image = 0; image < l->batch; image++) {
            g.n = g.ldb = pixels;
            g.b = p->in + image * p->image_stride;
            g.c = p->out + image * pixels;
            covey__gemm(&g);
        }
        return;
    }
    size_t strip = covey__conv_strip(l);
    for (size_t first = 0; first < n; first += strip) {
        size_t count = n - first < strip ? n - first : strip;
        covey__im2col(l, p->image_stride, p->in, first, count, p->scratch);
        g.n = g.ldb = count;
        g.b = p->scratch;
        g.c = p->out + first;
        covey__gemm(&g);
    }
}

size_t covey__scratch_conv(const struct covey__op_call *c)
{
    struct covey_layer l;
    covey__layer_of(c, COVEY_OP_CONV, &l);
    l.batch = 1;
    return covey_layer_scratch_floats(&l) * sizeof(float);
}

/* Image by image and group by group, so that the product lands where it belongs. */
void covey__op_conv(const struct covey__op_call *c)
{
    struct covey_layer l;
    covey__layer_of(c, COVEY_OP_CONV, &l);
    size_t images = l.batch, groups = c->attrs->groups;
    size_t pixels = (size_t)l.out_height * l.out_width;
    size_t in_floats = (size_t)l.channels * l.height * l.width;
    const float *bias = covey__in(c, 2);
    l.batch = 1;
    for (size_t image = 0; image < images; image++) {
        for (size_t group = 0; group < groups; group++) {
            float *out = covey__out(c) + (image * groups + group) * l.m * pixels;
            struct covey__product p = {.layer = &l,
                                       .weights = covey__in(c, 1) + group * l.m * l.k,
                                       .rows = l.m,
                                       .in = covey__in(c, 0) + (image * groups + group) * in_floats,
                                       .image_stride = groups * in_floats,
                                       .scratch = c->scratch,
                                       .out = out};
            covey__conv_product(&p);
            if (bias != NULL) {
                covey__bias_rows(out, bias + group * l.m, l.m, pixels);
            }
        }
    }
    const float *residual = covey__in(c, 3);
    size_t count = covey__shape_elements(&c->out[0]->shape);
    for (size_t i = 0; residual != NULL && i < count; i++) {
        covey__out(c)[i] += residual[i];
    }
    covey__act_apply(c->attrs, covey__out(c), count);
}
