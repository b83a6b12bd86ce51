/* SPDX-License-Identifier: MIT */
#include "covey/large.h"
#include "kernels/conv.h"
#include "layers.h"
#include "layouts_private.h"
#include "ops_layer.h"

enum { ALIGNMENT = 64 };

covey_err covey__conv_fits_filters(const struct covey__op_call *c, uint32_t in_channels,
                                   uint32_t out_channels, struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_shape *b = c->inputs > 2 && c->in[2] != NULL ? &c->in[2]->shape : NULL;
    if (x->rank < 3 || x->rank > 2 + COVEY_SPATIAL_MAX || w->rank != x->rank) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 1-D to 3-D convolutions");
    }
    if (x->dims[1] != in_channels) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "channels do not fit the filters");
    }
    for (unsigned i = 2; i < x->rank; i++) {
        if (c->attrs->kernel[i - 2] != w->dims[i]) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE,
                                  "kernel_shape differs from the filters");
        }
    }
    if (b != NULL && (b->rank != 1 || b->dims[0] != out_channels)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "bias does not fit the filters");
    }
    if (c->attrs->ceil_mode) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "ceil_mode of a convolution");
    }
    return COVEY_OK;
}

covey_err covey__infer_conv(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_op_attrs *a = c->attrs;
    uint64_t channels = w->rank > 1 ? (uint64_t)w->dims[1] * a->groups : 0;
    if (a->groups == 0 || channels > COVEY_TENSOR_ELEMENTS_MAX || w->dims[0] % a->groups != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "groups do not fit the filters");
    }
    if (x->rank > 4) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "only 1-D and 2-D convolutions");
    }
    covey_err err = covey__conv_fits_filters(c, (uint32_t)channels, w->dims[0], out_why);
    struct covey_shape s = {x->rank, {x->dims[0], w->dims[0]}};
    for (unsigned i = 2; i < x->rank && err == COVEY_OK; i++) {
        err = covey__window_size(a, i - 2, x->dims[i], &s.dims[i], out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (c->inputs > 3 && c->in[3] != NULL && !covey_shape_equal(&c->in[3]->shape, &s)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "what is added has another shape");
    }
    out->shape = s;
    return COVEY_OK;
}

void covey__layer_dense(uint32_t m, uint32_t k, uint32_t batch, struct covey_layer *out)
{
    struct covey_layer l = {.kind = COVEY_LAYER_DENSE,
                            .m = m,
                            .k = k,
                            .channels = k,
                            .height = 1,
                            .width = 1,
                            .kernel = {1, 1},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .out_height = 1,
                            .out_width = 1,
                            .batch = batch};
    covey_layer_cut(l.m, &l.unit_rows, &l.units);
    *out = l;
}

void covey__layer_conv(const struct covey__op_call *c, const struct covey_shape *w,
                       struct covey_layer *out)
{
    const struct covey_shape *x = &c->in[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct covey_layer l;
    covey__layer_dense(w->dims[0] / a->groups, w->dims[1], x->dims[0], &l);
    l.kind = COVEY_LAYER_CONV;
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
    *out = l;
}

void covey__layer_of(const struct covey__op_call *c, enum covey_op op, struct covey_layer *out)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    if (op == COVEY_OP_CONV) {
        covey__layer_conv(c, w, out);
    } else {
        covey__layer_dense(w->dims[0], w->dims[1], x->dims[0], out);
    }
}

/* A 1-D convolution is a 2-D one of height 1. */
void covey__conv_call_shape(const struct covey__op_call *c, struct covey__conv_shape *out)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    struct covey__conv_shape s = {.batch = x->dims[0],
                                  .in_channels = x->dims[1],
                                  .out_channels = y->dims[1],
                                  .groups = a->groups,
                                  .height = 1,
                                  .width = x->dims[x->rank - 1],
                                  .out_height = 1,
                                  .out_width = y->dims[y->rank - 1],
                                  .kernel = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1}};
    unsigned spatial = x->rank - 2u;
    if (spatial == 2) {
        s.height = x->dims[2];
        s.out_height = y->dims[2];
    }
    for (unsigned i = 0; i < spatial; i++) {
        unsigned to = 2 - spatial + i;
        s.kernel[to] = a->kernel[i];
        s.stride[to] = a->stride[i];
        s.dilation[to] = a->dilation[i];
        s.pads[to] = a->pads[i];
        s.pads_end[to] = a->pads_end[i];
    }
    *out = s;
}

static struct covey__layout_use use_of(const struct covey__op_call *c)
{
    struct covey__layout_use use = {.data = c->in[1]->data};
    covey__conv_call_shape(c, &use.shape);
    return use;
}

/* laid_out: with weights in the kernel's own layout, the one they have if they are shared; else as
 * they are. */
static struct covey__conv_plan plan_of(const struct covey__op_call *c, bool laid_out)
{
    struct covey__conv_plan plan;
    struct covey__layout_use use = use_of(c);
    enum covey__conv_algorithm algorithm;
    if (laid_out && c->layouts != NULL && covey__layouts_algorithm(c->layouts, &use, &algorithm)) {
        covey__conv_plan_with(&plan, &use.shape, algorithm, c->thread_count);
    } else {
        covey__conv_plan_init(&plan, &use.shape, !laid_out, c->thread_count);
    }
    return plan;
}

void covey__conv_call_plan(const struct covey__op_call *c, bool laid_out,
                           struct covey__conv_plan *out)
{
    *out = plan_of(c, laid_out);
}

static bool lays_out(const struct covey__op_call *c)
{
    return !c->small && c->in[1]->data != NULL;
}

size_t covey__scratch_conv(const struct covey__op_call *c)
{
    uint64_t floats = plan_of(c, false).scratch_floats;
    if (lays_out(c)) {
        uint64_t other = plan_of(c, true).scratch_floats;
        floats = other > floats ? other : floats;
    }
    return covey_size_of(floats * sizeof(float));
}

/* The state, and behind it the packed weights unless they are shared. */
struct conv_state {
    struct covey__conv_plan plan;
    const float *packed;
};

static size_t head_bytes(void)
{
    return (sizeof(struct conv_state) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t covey__state_conv(const struct covey__op_call *c)
{
    uint64_t floats = lays_out(c) ? plan_of(c, true).packed_floats : 0;
    uint64_t own = c->layouts == NULL ? floats * sizeof(float) : 0;
    return floats > 0 ? covey_size_of(head_bytes() + own) : 0;
}

covey_err covey__share_conv(const struct covey__op_call *c)
{
    struct covey__layout_use use = use_of(c);
    return covey__layouts_fill(c->layouts, &use);
}

void covey__prepare_conv(const struct covey__op_call *c, void *state)
{
    struct conv_state *s = state;
    s->plan = plan_of(c, true);
    if (c->layouts != NULL) {
        struct covey__layout_use use = use_of(c);
        s->packed = covey__layouts_packed(c->layouts, &use);
        return;
    }
    float *packed = (float *)(void *)((uint8_t *)state + head_bytes());
    covey__conv_pack(&s->plan, covey__in(c, 1), packed);
    s->packed = packed;
}

void covey__op_conv(const struct covey__op_call *c)
{
    struct covey__conv_plan own;
    const struct conv_state *state = c->state;
    const struct covey__conv_plan *plan = NULL;
    const float *weights = covey__in(c, 1);
    if (state != NULL) {
        plan = &state->plan;
        weights = state->packed;
    } else {
        own = plan_of(c, false);
        plan = &own;
    }
    struct covey__conv_call call = {.plan = plan,
                                    .weights = weights,
                                    .bias = covey__in(c, 2),
                                    .residual = covey__in(c, 3),
                                    .act = {c->attrs->act, c->attrs->low, c->attrs->high},
                                    .in = covey__in(c, 0),
                                    .scratch = c->scratch,
                                    .out = covey__out(c),
                                    .threads = c->threads};
    covey__conv_run(&call);
}

const char *covey__kernel_conv(const struct covey__op_call *c)
{
    const struct conv_state *state = c->state;
    switch (state != NULL ? state->plan.algorithm : plan_of(c, false).algorithm) {
    case COVEY__CONV_IM2COL:
        return "im2col";
    case COVEY__CONV_PACKED:
        return "packed";
    case COVEY__CONV_WINOGRAD2:
        return "winograd2";
    case COVEY__CONV_WINOGRAD4:
        return "winograd4";
    case COVEY__CONV_WINOGRAD_LIVE:
        return "winograd";
    case COVEY__CONV_DEPTHWISE:
        return "depthwise";
    }
    return "";
}
