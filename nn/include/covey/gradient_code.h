/* SPDX-License-Identifier: MIT
 *
 * gradient_code.h - the sum of the gradients of a batch's parts from the answers of any tasks - s
 * of the tasks (Tandon, Lei, Dimakis, Karampatziakis 2017: gradient coding).
 *
 * There are as many parts as tasks. Task t computes the gradients of s + 1 parts and answers their
 * sum with coefficients; the sum over all parts is a sum of answers with weights.
 */
#ifndef COVEY_GRADIENT_CODE_H
#define COVEY_GRADIENT_CODE_H

#include "covey/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COVEY_GRADIENT_TASKS_MAX = 64, COVEY_GRADIENT_SPARE_MAX = 4 };

enum covey_gradient_kind {
    COVEY_GRADIENT_FRACTIONAL, /* groups of s + 1 tasks with the same parts; s + 1 divides tasks */
    COVEY_GRADIENT_CYCLIC,     /* task t has parts t .. t + s, around */
};

struct covey_gradient_code {
    enum covey_gradient_kind kind;
    uint32_t tasks, spare; /* n, s */
    /* [task][i]: of its i-th part, covey_gradient_part() */
    float coefficient[COVEY_GRADIENT_TASKS_MAX][COVEY_GRADIENT_SPARE_MAX + 1];
};

/* Fractional where s + 1 divides tasks, else cyclic. RANGE: no tasks, or s >= tasks. */
covey_err covey_gradient_code_init(struct covey_gradient_code *code, uint32_t tasks,
                                   uint32_t spare) COVEY_CHECK;
/* The i-th of the s + 1 parts of a task. */
uint32_t covey_gradient_part(const struct covey_gradient_code *code, uint32_t task, uint32_t i);
/* answered [tasks] -> weight [tasks], 0 for those without an answer, with sum_t weight_t answer_t
 * the sum over all parts. False: more answers are needed. */
bool covey_gradient_weights(const struct covey_gradient_code *code, const bool *answered,
                            float *out_weight);
/* to = weight from; not first: to += weight from. As many floats each. */
void covey_gradient_add(float *to, const float *from, size_t count, float weight, bool first);
/* The same back to front: from's last goes to to's first. */
void covey_gradient_add_back(float *to, const float *from, size_t count, float weight, bool first);

#endif /* COVEY_GRADIENT_CODE_H */
