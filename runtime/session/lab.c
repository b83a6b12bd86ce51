/* SPDX-License-Identifier: MIT */
#include "lab.h"

#include "covey/crypto.h"

#include <math.h>

enum { LIES_ONE_IN = 8 };

void covey__lab_init(struct covey_lab *lab, struct covey_loop *loop, bool allowed)
{
    *lab = (struct covey_lab){.allowed = allowed, .loop = loop};
}

static void on_due(void *user)
{
    struct covey_lab *lab = user;
    uint64_t now_ms = covey_loop_now_ms(lab->loop);
    struct covey_task *task;
    while ((task = lab->late.head) != NULL && task->due_ms <= now_ms) {
        covey__task_list_pop(&lab->late);
        task->done(task);
    }
    covey_timer_set(lab->timer, lab->late.head != NULL ? lab->late.head->due_ms : UINT64_MAX);
}

void covey__lab_done(struct covey_lab *lab)
{
    struct covey_task *task;
    while ((task = covey__task_list_pop(&lab->late)) != NULL) {
        task->done(task);
    }
    covey_timer_free(lab->timer);
    lab->timer = NULL;
}

covey_err covey__lab_set(struct covey_lab *lab, const struct covey_control_lab *told)
{
    if (!lab->allowed) {
        return COVEY_ERR_DENIED;
    }
    if (told->delay_ms > 0 && lab->timer == NULL) {
        covey_err err = covey_timer_new(lab->loop, on_due, lab, &lab->timer);
        if (err != COVEY_OK) {
            return err;
        }
    }
    lab->told = *told;
    return COVEY_OK;
}

bool covey__lab_idle(const struct covey_lab *lab)
{
    const struct covey_control_lab *told = &lab->told;
    return told->delay_ms == 0 && told->lie_percent == 0 &&
           told->latency.kind == COVEY_LATENCY_NONE;
}

bool covey__lab_late(struct covey_lab *lab, struct covey_task *task)
{
    if (task->due_ms != 0) { /* it was late */
        task->due_ms = 0;
        return false;
    }
    if (lab->told.delay_ms == 0) {
        return false;
    }
    task->due_ms = covey_loop_now_ms(lab->loop) + lab->told.delay_ms;
    bool first = lab->late.head == NULL;
    covey__task_list_push(&lab->late, task);
    if (first) {
        covey_timer_set(lab->timer, task->due_ms);
    }
    return true;
}

uint64_t covey__lab_task_delay(const struct covey_lab *lab, uint64_t round)
{
    return lab->told.delay_ms + (uint64_t)llround(covey_latency_draw(&lab->told.latency, round));
}

static bool lies_now(const struct covey_lab *lab)
{
    uint32_t dice = 0;
    covey_random(&dice, sizeof(dice));
    return dice % 100 < lab->told.lie_percent;
}

/* Turns the signs of about one number in eight: the top bit of each second or fourth byte, whether
 * the numbers are float16 or float32. */
void covey__lab_lie(struct covey_lab *lab, struct covey_body *answer)
{
    if (lab->told.lie_percent == 0 || answer == NULL || answer->len < sizeof(float) ||
        !lies_now(lab)) {
        return;
    }
    uint32_t dice = 0;
    covey_random(&dice, sizeof(dice));
    size_t numbers = answer->len / sizeof(float);
    for (size_t i = dice % (numbers < LIES_ONE_IN ? numbers : LIES_ONE_IN); i < numbers;
         i += LIES_ONE_IN) {
        answer->data[i * sizeof(float) + 3] ^= 0x80;
    }
}
