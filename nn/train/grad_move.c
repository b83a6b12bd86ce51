/* SPDX-License-Identifier: MIT */
#include "train/grad.h"

/* Reshape and Flatten: the same elements in the same order. */
static void reshape_back(const struct covey__grad_call *c)
{
    if (c->dx[0] != c->dy) {
        memcpy(c->dx[0], c->dy, covey__shape_elements(&c->op->out[0]->shape) * sizeof(float));
    }
}

/* Each input's part of dY. */
static void concat_back(const struct covey__grad_call *c)
{
    const struct covey_shape *y = &c->op->out[0]->shape;
    int32_t given = c->op->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + y->rank : given);
    size_t outer = covey__shape_range(y, 0, axis), row = covey__shape_range(y, axis, y->rank);
    size_t done = 0;
    for (unsigned i = 0; i < c->op->inputs; i++) {
        size_t part = covey__shape_range(&c->op->in[i]->shape, axis, y->rank);
        for (size_t j = 0; j < outer && c->dx[i] != NULL; j++) {
            memcpy(c->dx[i] + j * part, c->dy + j * row + done, part * sizeof(float));
        }
        done += part;
    }
}

const struct covey__grad covey__grads_move[] = {
    {.op = COVEY_OP_RESHAPE, .inputs = 1, .in_place = true, .backward = reshape_back},
    {.op = COVEY_OP_FLATTEN, .inputs = 1, .in_place = true, .backward = reshape_back},
    {.op = COVEY_OP_CONCAT, .inputs = UINT32_MAX, .backward = concat_back},
    {.op = COVEY_OP_NONE},
};
