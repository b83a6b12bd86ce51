/* SPDX-License-Identifier: MIT */
#include "act.h"

#include "vkernels.h"

void covey__act_run(struct covey__act act, float *data, size_t count)
{
    struct covey__unary f = {.a = act.low, .b = act.high};
    switch (act.kind) {
    case COVEY_ACT_NONE:
        return;
    case COVEY_ACT_RELU:
        f.kind = COVEY__UNARY_RELU;
        break;
    case COVEY_ACT_CLIP:
        f.kind = COVEY__UNARY_CLIP;
        break;
    case COVEY_ACT_SIGMOID:
        f.kind = COVEY__UNARY_SIGMOID;
        break;
    case COVEY_ACT_TANH:
        f.kind = COVEY__UNARY_TANH;
        break;
    case COVEY_ACT_SILU:
        f.kind = COVEY__UNARY_SILU;
        break;
    case COVEY_ACT_HARDSWISH:
        f.kind = COVEY__UNARY_HARDSWISH;
        break;
    case COVEY_ACT_COUNT:
        return;
    }
    covey__vkernels()->unary[f.kind](f, data, data, count);
}
