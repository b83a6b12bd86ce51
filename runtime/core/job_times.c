/* SPDX-License-Identifier: MIT */
#include "job_state.h"

void covey__times_add(struct covey__times *times, uint64_t ms)
{
    times->ms[times->next] = ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    times->next = (uint8_t)((times->next + 1) % COVEY__JOB_TIMES);
    times->count = (uint8_t)(times->count + (times->count < COVEY__JOB_TIMES));
}

static uint32_t middle(uint32_t *values, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        uint32_t value = values[i];
        unsigned j = i;
        for (; j > 0 && values[j - 1] > value; j--) {
            values[j] = values[j - 1];
        }
        values[j] = value;
    }
    return values[count / 2];
}

uint32_t covey__times_median(const struct covey__times *times)
{
    uint32_t sorted[COVEY__JOB_TIMES];
    if (times->count < COVEY__JOB_TIMES_MIN) {
        return 0;
    }
    memcpy(sorted, times->ms, sizeof(sorted));
    return middle(sorted, times->count);
}

uint32_t covey__times_patience(const struct covey__times *times)
{
    uint32_t away[COVEY__JOB_TIMES];
    if (times->count < COVEY__JOB_TIMES_MIN) {
        return 0;
    }
    uint32_t median = covey__times_median(times);
    for (unsigned i = 0; i < times->count; i++) {
        away[i] = times->ms[i] > median ? times->ms[i] - median : median - times->ms[i];
    }
    uint64_t spread = (uint64_t)middle(away, times->count) * COVEY__JOB_DEVIATIONS;
    spread = spread > median / 4 ? spread : median / 4;
    uint64_t ms = median + spread;
    ms = ms > COVEY__JOB_OVERDUE_MIN_MS ? ms : COVEY__JOB_OVERDUE_MIN_MS;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}
