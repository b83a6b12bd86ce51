/* SPDX-License-Identifier: MIT */
#include "job_world.h"

static uint64_t bytes_of(const struct world *w, const struct covey_plan *plan, unsigned device)
{
    struct covey_node_id id = id_of(device);
    uint64_t bytes = 0;
    for (unsigned l = 0; l < plan->layers; l++) {
        for (unsigned s = 0; s < plan->layer[l].slots; s++) {
            bool has = covey_node_id_equal(&plan->device[plan->layer[l].holder[s]], &id);
            bytes += has ? w->costs.cost[l].unit_bytes : 0;
        }
    }
    return bytes;
}

uint64_t given_bytes(const struct world *w, unsigned device)
{
    return bytes_of(w, &w->plan, device);
}

void answer_assign(struct world *w, unsigned device, const struct covey_fence *fence)
{
    struct covey_work_message m = {.type = COVEY_WORK_READY, .fence = *fence};
    uint64_t bytes = bytes_of(w, &w->plan_of[fence->version % VERSIONS], device);
    bool more = w->bounded[device] && bytes > w->room[device];
    if (more || w->to_refuse[device] > 0) {
        w->to_refuse[device] -= !more;
        w->refused[device]++;
        m.type = COVEY_WORK_REFUSE;
        m.refuse = (struct covey_work_refuse){*fence, w->room[device]};
    }
    tell(w, device, &m, 0, 0);
}
