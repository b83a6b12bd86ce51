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

void covey__times_add_beside(struct covey__times *times, uint64_t ms, unsigned beside)
{
    uint64_t median = covey__times_median(times), least = beside > 0 ? ms / beside : ms;
    uint64_t usual = median == 0 || median > ms ? ms : median;
    covey__times_add(times, usual > least ? usual : least);
}

/* Slots are numbered anew when the groups change: then all of them count. */
static uint64_t layer_bytes(const struct covey_plan_layer *layer, const struct covey_plan *plan,
                            const struct covey_plan_layer *before, const struct covey_plan *old,
                            uint64_t unit_bytes)
{
    bool same = before != NULL && before->slots == layer->slots &&
                before->groups == layer->groups && old->parity == plan->parity;
    uint64_t bytes = 0;
    for (unsigned s = 0; s < layer->slots; s++) {
        bool kept = same && covey_node_id_equal(&plan->device[layer->holder[s]],
                                                &old->device[before->holder[s]]);
        bytes += kept ? 0 : unit_bytes;
    }
    return bytes;
}

static bool had_run(const struct covey_plan *old, const struct covey_plan_run *run,
                    const struct covey_node_id *device)
{
    for (unsigned i = 0; old != NULL && i < old->runs; i++) {
        uint32_t holders = covey__job_tiles_holders(old, i);
        bool same = old->run[i].first_cell == run->first_cell && old->run[i].cells == run->cells;
        for (unsigned d = 0; same && d < old->devices; d++) {
            if ((holders >> d & 1) != 0 && covey_node_id_equal(&old->device[d], device)) {
                return true;
            }
        }
    }
    return false;
}

static uint64_t run_bytes(const struct covey__session *session, const struct covey_plan *plan,
                          unsigned index, const struct covey_plan *old)
{
    const struct covey_plan_run *run = &plan->run[index];
    uint64_t weights = 0, bytes = 0;
    for (unsigned c = 0; c < run->cells; c++) {
        weights += session->costs.cell[run->first_cell + c].weight_bytes;
    }
    uint32_t holders = covey__job_tiles_holders(plan, index);
    for (unsigned d = 0; d < plan->devices; d++) {
        bool needs = (holders >> d & 1) != 0 && !had_run(old, run, &plan->device[d]);
        bytes += needs ? weights : 0;
    }
    return bytes;
}

uint64_t covey__assign_ms(const struct covey__session *session, const struct covey_plan *plan,
                          const struct covey_plan *before)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < plan->layers; i++) {
        const struct covey_plan_layer *old =
            before != NULL && i < before->layers ? &before->layer[i] : NULL;
        bytes += layer_bytes(&plan->layer[i], plan, old, before, session->costs.cost[i].unit_bytes);
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        bytes += run_bytes(session, plan, i, before);
    }
    uint64_t ms = bytes / COVEY__JOB_ASSIGN_BYTES_MS;
    return before != NULL ? COVEY__JOB_ASSIGN_NEXT_MS + COVEY__JOB_ASSIGN_SHARE * ms
                          : COVEY__JOB_ASSIGN_FIRST_MS + ms;
}
