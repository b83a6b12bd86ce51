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
        for (size_t i = 0; i < count; i++) {
            data[i] = data[i] / (1.0f + expf(-data[i]));
        }
        break;
    case COVEY_ACT_HARDSWISH: /* x max(0, min(1, x / 6 + 1 / 2)) */
        for (size_t i = 0; i < count; i++) {
            float gate = data[i] / 6.0f + 0.5f;
            gate = gate < 0.0f ? 0.0f : gate;
            data[i] *= gate > 1.0f ? 1.0f : gate;
        }
        break;
    case COVEY_ACT_COUNT:
        break;
    }
    covey__vkernels()->unary[f.kind](f, data, data, count);
}
