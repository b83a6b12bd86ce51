/* SPDX-License-Identifier: MIT */
#include "covey/large.h"
#include "kernels/norm.h"
#include "train/conv_grad.h"
#include "train/grad.h"

/* 1-D convolutions are images of height 1. */
static struct covey__conv_shape shape_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *w = &c->in[1]->shape;
    const struct covey_shape *y = &c->out[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    unsigned skip = 4u - x->rank;
    struct covey__conv_shape s = {.batch = x->dims[0],
                                  .in_channels = x->dims[1],
                                  .out_channels = w->dims[0],
                                  .groups = a->groups,
                                  .height = skip == 0 ? x->dims[2] : 1,
                                  .width = x->dims[x->rank - 1u],
                                  .out_height = skip == 0 ? y->dims[2] : 1,
                                  .out_width = y->dims[y->rank - 1u],
                                  .kernel = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1}};
    for (unsigned i = skip; i < 2; i++) {
        s.kernel[i] = a->kernel[i - skip];
        s.stride[i] = a->stride[i - skip];
        s.dilation[i] = a->dilation[i - skip];
        s.pads[i] = a->pads[i - skip];
        s.pads_end[i] = a->pads_end[i - skip];
    }
    return s;
}

static size_t conv_scratch(const struct covey__op_call *c)
{
    struct covey__conv_shape s = shape_of(c);
    struct covey__conv_input_grad p;
    uint64_t weights = covey__conv_weight_grad_scratch(&s), input = 0;
    if (covey__conv_input_grad_init(&p, &s, c->thread_count)) {
        input = covey__conv_input_grad_scratch(&p);
    }
    return covey_size_of((weights > input ? weights : input) * sizeof(float));
}

static void conv_back(const struct covey__grad_call *c)
{
    struct covey__conv_shape s = shape_of(c->op);
    struct covey__conv_input_grad p;
    struct covey__conv_grad_call call = {.x = covey__in(c->op, 0),
                                         .dy = c->dy,
                                         .weights = covey__in(c->op, 1),
                                         .dx = c->dx[0],
                                         .dweights = c->dx[1],
                                         .scratch = c->scratch,
                                         .threads = c->op->threads};
    if (call.dweights != NULL) {
        covey__conv_weight_grad_run(&s, &call);
    }
    if (c->op->inputs > 2 && c->dx[2] != NULL) {
        struct covey__norm_shape sums = {s.batch, s.out_channels,
                                         (size_t)s.out_height * s.out_width};
        covey__norm_sums(&sums, c->dy, c->dx[2], c->op->threads);
    }
    if (call.dx != NULL) {
        bool exists = covey__conv_input_grad_init(&p, &s, c->op->thread_count);
        COVEY_ASSERT(exists); /* the trainer's plan has asked */
        covey__conv_input_grad_run(&p, &call);
    }
}

static bool conv_fits(const struct covey__op_call *c)
{
    struct covey__conv_shape s = shape_of(c);
    struct covey__conv_input_grad p;
    return covey__conv_input_grad_init(&p, &s, c->thread_count);
}

static bool conv_product(const struct covey__op_call *c, struct covey_train_product *out)
{
    struct covey__conv_shape s = shape_of(c);
    *out = (struct covey_train_product){.batch = s.batch,
                                        .in_channels = s.in_channels,
                                        .out_channels = s.out_channels,
                                        .height = s.height,
                                        .width = s.width,
                                        .out_height = s.out_height,
                                        .out_width = s.out_width,
                                        .kernel = {s.kernel[0], s.kernel[1]},
                                        .stride = {s.stride[0], s.stride[1]},
                                        .dilation = {s.dilation[0], s.dilation[1]},
                                        .pads = {s.pads[0], s.pads[1]},
                                        .pads_end = {s.pads_end[0], s.pads_end[1]}};
    return s.groups == 1 && c->in[0]->shape.rank == 4;
}

const struct covey__grad covey__grads_conv[] = {
    {.op = COVEY_OP_CONV,
     .inputs = 7,
     .parameters = 6,
     .needs_x = true,
     .fits = conv_fits,
     .backward = conv_back,
     .scratch = conv_scratch,
     .product = conv_product},
    {.op = COVEY_OP_NONE},
};
