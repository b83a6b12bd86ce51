/* SPDX-License-Identifier: MIT */
#include "train/loss.h"

#include <math.h>
#include <string.h>

#include "covey/trainer.h"

/* gradient_j = (softmax_j - target_j) / count */
static double row_loss(const struct covey__loss_call *call, size_t row, uint32_t *inout_correct)
{
    const float *z = call->logits + row * call->classes;
    uint32_t label = call->labels[row];
    size_t best = 0;
    double sum = 0.0, all = 0.0;
    if (label == COVEY_LABEL_NONE) {
        if (call->gradient != NULL) {
            memset(call->gradient + row * call->classes, 0, call->classes * sizeof(float));
        }
        return 0.0;
    }
    for (size_t j = 1; j < call->classes; j++) {
        best = z[j] > z[best] ? j : best;
    }
    for (size_t j = 0; j < call->classes; j++) {
        sum += exp((double)z[j] - (double)z[best]);
        all += (double)z[j] - (double)z[best];
    }
    double log_sum = log(sum), classes = (double)call->classes, s = (double)call->smoothing;
    double at_label = (double)z[label] - (double)z[best] - log_sum;
    *inout_correct += best == label;
    for (size_t j = 0; j < call->classes && call->gradient != NULL; j++) {
        double target = s / classes + (j == label ? 1.0 - s : 0.0);
        double softmax = exp((double)z[j] - (double)z[best] - log_sum);
        call->gradient[row * call->classes + j] = (float)((softmax - target) / (double)call->count);
    }
    return -((1.0 - s) * at_label + s * (all / classes - log_sum));
}

float covey__loss_run(const struct covey__loss_call *call, uint32_t *out_correct)
{
    double sum = 0.0;
    uint32_t correct = 0;
    for (size_t i = 0; i < call->count; i++) {
        sum += row_loss(call, i, &correct);
    }
    *out_correct = correct;
    return (float)(sum / (double)call->count);
}
