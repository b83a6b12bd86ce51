/* SPDX-License-Identifier: MIT */
#include "covey/tiles.h"
#include "plan_private.h"

/* Each row goes to whoever would be done with it first: no other sharing ends sooner, and nobody
 * gets less than their share rounded down. Ties: who comes first. */
void covey__rows_share(unsigned out_rows, unsigned devices, const uint64_t *rate,
                       uint16_t *out_rows_of)
{
    uint32_t count[COVEY_PLAN_DEVICES_MAX];
    uint64_t sum = 0;
    unsigned given = 0;
    for (unsigned d = 0; d < devices; d++) {
        sum += rate[d];
    }
    for (unsigned d = 0; d < devices; d++) {
        count[d] = (uint32_t)(out_rows * rate[d] / sum);
        given += count[d];
    }
    for (; given < out_rows; given++) {
        unsigned best = devices;
        for (unsigned d = 0; d < devices; d++) {
            if (rate[d] > 0 &&
                (best == devices || (count[d] + 1) * rate[best] < (count[best] + 1) * rate[d])) {
                best = d;
            }
        }
        count[best]++;
    }
    out_rows_of[0] = 0;
    for (unsigned d = 0; d < devices; d++) {
        out_rows_of[d + 1] = (uint16_t)(out_rows_of[d] + count[d]);
    }
}

bool covey_plan_share(struct covey_plan_run *inout_run, unsigned devices, uint32_t mask,
                      const uint32_t rate[static COVEY_PLAN_DEVICES_MAX])
{
    uint64_t share[COVEY_PLAN_DEVICES_MAX] = {0};
    bool any = false;
    COVEY_ASSERT(devices <= COVEY_PLAN_DEVICES_MAX);
    for (unsigned d = 0; d < devices; d++) {
        if ((mask >> d & 1) != 0) {
            share[d] = rate[d] == 0 ? 1 : rate[d];
            any = true;
        }
    }
    for (unsigned s = 0; any && s < inout_run->segments; s++) {
        struct covey_plan_segment *segment = &inout_run->segment[s];
        covey__rows_share(segment->map.out_rows, devices, share, segment->rows);
    }
    return any;
}
