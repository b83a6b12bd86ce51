/* SPDX-License-Identifier: MIT
 *
 * loss.h - cross-entropy of a softmax.
 */
#ifndef COVEY_NN_LOSS_H
#define COVEY_NN_LOSS_H

#include <stdint.h>
#include <stddef.h>

struct covey__loss_call {
    const float *logits; /* [count classes] */
    const uint32_t *labels;
    size_t count, classes;
    float smoothing; /* s: the target is (1 - s) at the label plus s / classes everywhere */
    float *gradient; /* [count classes] of the mean loss, or NULL */
};
/* Mean over the rows of -sum_j target_j log softmax(logits)_j; the highest logits that are at the
 * label are counted in *out_correct. Szegedy et al. 2016, section 7. */
float covey__loss_run(const struct covey__loss_call *call, uint32_t *out_correct);

#endif /* COVEY_NN_LOSS_H */
