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
    }
    covey__vkernels()->unary[f.kind](f, data, data, count);
}
