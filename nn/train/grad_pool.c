/* SPDX-License-Identifier: MIT */
#include "kernels/pool.h"
#include "train/grad.h"

/* 2-D, or 1-D as images of height 1. */
static struct covey__pool_shape shape_of(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    const struct covey_op_attrs *a = c->attrs;
    unsigned skip = 4u - x->rank; /* 1 where the height is missing */
    struct covey__pool_shape s = {.planes = (size_t)x->dims[0] * x->dims[1],
                                  .height = 1,
                                  .width = x->dims[x->rank - 1u],
                                  .out_height = 1,
                                  .out_width = y->dims[y->rank - 1u],
                                  .kernel = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1},
                                  .count_include_pad = a->count_include_pad};
    if (skip == 0) {
        s.height = x->dims[2];
        s.out_height = y->dims[2];
    }
    for (unsigned i = skip; i < 2; i++) {
        s.kernel[i] = a->kernel[i - skip];
        s.stride[i] = a->stride[i - skip];
        s.dilation[i] = a->dilation[i - skip];
        s.pads[i] = a->pads[i - skip];
        s.pads_end[i] = a->pads_end[i - skip];
    }
    return s;
}

static size_t maxpool_saved(const struct covey__op_call *c)
{
    return covey__shape_elements(&c->out[0]->shape) * sizeof(uint32_t);
}

static void maxpool_forward(const struct covey__grad_call *c)
{
    struct covey__pool_shape s = shape_of(c->op);
    struct covey__pool_index_call call = {.shape = &s,
                                          .in = covey__in(c->op, 0),
                                          .out = c->op->out[0]->data,
                                          .index = c->saved,
                                          .threads = c->op->threads};
    covey__pool_max_index(&call);
}

static void maxpool_back(const struct covey__grad_call *c)
{
    struct covey__pool_shape s = shape_of(c->op);
    covey__pool_max_back(&s, c->dy, c->saved, c->dx[0], c->op->threads);
}

static void avgpool_back(const struct covey__grad_call *c)
{
    struct covey__pool_shape s = shape_of(c->op);
    covey__pool_average_back(&s, c->dy, c->dx[0], c->op->threads);
}

/* dx = dy / pixels everywhere in the plane */
static void global_back(const struct covey__grad_call *c)
{
    const struct covey_shape *x = &c->op->in[0]->shape;
    size_t planes = (size_t)x->dims[0] * x->dims[1], pixels = covey__shape_range(x, 2, x->rank);
    for (size_t p = 0; p < planes; p++) {
        float share = c->dy[p] / (float)pixels;
        for (size_t i = 0; i < pixels; i++) {
            c->dx[0][p * pixels + i] = share;
        }
    }
}

const struct covey__grad covey__grads_pool[] = {
    {.op = COVEY_OP_MAXPOOL,
     .inputs = 1,
     .backward = maxpool_back,
     .forward = maxpool_forward,
     .saved = maxpool_saved},
    {.op = COVEY_OP_AVGPOOL, .inputs = 1, .backward = avgpool_back},
    {.op = COVEY_OP_GLOBALAVGPOOL, .inputs = 1, .backward = global_back},
    {.op = COVEY_OP_NONE},
};
