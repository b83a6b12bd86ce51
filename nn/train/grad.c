/* SPDX-License-Identifier: MIT */
#include "train/grad.h"

const struct covey__grad *covey__grad_find(enum covey_op op)
{
    static const struct covey__grad *const tables[] = {covey__grads_conv,        covey__grads_dense,
                                                       covey__grads_norm,        covey__grads_pool,
                                                       covey__grads_elementwise, covey__grads_move};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct covey__grad *row = tables[i]; row->op != COVEY_OP_NONE; row++) {
            if (row->op == op) {
                return row;
            }
        }
    }
    return NULL;
}
