/* SPDX-License-Identifier: MIT */
#include "act.h"

#include <math.h>

/* Comparisons are written so that a NaN stays one. */
static void clip(float low, float high, float *data, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float v = data[i] < low ? low : data[i];
        data[i] = v > high ? high : v;
    }
}

static void sigmoid(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        data[i] = 1.0f / (1.0f + expf(-data[i]));
    }
}

static void tanh_all(float *data, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        data[i] = tanhf(data[i]);
    }
}

void covey__act_run(struct covey__act act, float *data, size_t count)
{
    switch (act.kind) {
    case COVEY_ACT_NONE:
        break;
    case COVEY_ACT_RELU:
        clip(0.0f, INFINITY, data, count);
        break;
    case COVEY_ACT_CLIP:
        clip(act.low, act.high, data, count);
        break;
    case COVEY_ACT_SIGMOID:
        sigmoid(data, count);
        break;
    case COVEY_ACT_TANH:
        tanh_all(data, count);
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
}
