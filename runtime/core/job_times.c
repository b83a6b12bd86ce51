/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_move.h"
#include "plan_private.h"

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

uint32_t covey__layer_median_ms(const struct covey__session *session, unsigned layer)
{
    uint32_t ms = covey__times_median(&session->layer_times[layer]);
    uint32_t relayed_ms = covey__times_median(&session->relay_times[layer]);
    return relayed_ms > ms ? relayed_ms : ms;
}

uint32_t covey__times_usual(const struct covey__times *times)
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
    ms = ms > 0 ? ms : 1;
    return ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
}

uint32_t covey__times_patience(const struct covey__times *times)
{
    uint32_t ms = covey__times_usual(times);
    return ms == 0 || ms > COVEY__JOB_OVERDUE_MIN_MS ? ms : COVEY__JOB_OVERDUE_MIN_MS;
}

void covey__times_add_beside(struct covey__times *times, uint64_t ms, unsigned beside)
{
    uint64_t median = covey__times_median(times), least = beside > 0 ? ms / beside : ms;
    uint64_t usual = median == 0 || median > ms ? ms : median;
    covey__times_add(times, usual > least ? usual : least);
}

static unsigned count_holders(const struct covey__version *version, unsigned layer)
{
    const struct covey_plan_layer *shape = &version->plan.layer[layer];
    uint32_t holders = 0;
    for (unsigned slot = 0; slot < shape->slots; slot++) {
        holders |= shape->holder[slot] != version->self ? covey__run_bit(shape->holder[slot]) : 0;
    }
    return covey__count_of(holders);
}

const struct covey__times *covey__known_times(struct covey__session *session,
                                              const struct covey__version *version,
                                              const struct covey__request *request,
                                              unsigned *out_factor)
{
    const struct covey__times *times = covey__request_times(session, request);
    *out_factor = 1;
    if (times != &session->layer_times[request->layer] || covey__times_median(times) != 0 ||
        !version->plan.layer[request->layer].relayed) {
        return times;
    }
    unsigned holders = count_holders(version, request->layer);
    *out_factor = holders > 1 ? holders : 1;
    return &session->relay_times[request->layer];
}

/* Times of runs are of the plan's rows. Fewer devices take longer, but no longer is waited than
 * this one takes for everything, unless that much was usual. */
static uint64_t of_those_left(const struct covey__session *session,
                              const struct covey__request *request, uint64_t ms)
{
    uint64_t most_ms = session->version[request->version].plan.local_us / 1000;
    uint64_t longer_ms = ms + ms * request->tiles.more_permille / 1000;
    if (most_ms == 0 || longer_ms < most_ms) {
        return longer_ms;
    }
    return ms > most_ms ? ms : most_ms;
}

/* Trying again costs a whole run more, and its devices their rows for a while. Until a run has
 * taken as long again as it usually does, waiting is the better bet (at most twice the time of
 * whoever knows what will come; Karlin et al. 1988), and what holders wait for they say before. */
uint64_t covey__run_patience_ms(const struct covey__session *session,
                                const struct covey_plan_run *run,
                                const struct covey__request *request)
{
    const struct covey__tiles *tiles = &request->tiles;
    const struct covey__times *times = &session->run_times[tiles->run];
    uint64_t ms = covey__times_patience(times), twice = 2 * (uint64_t)covey__times_median(times);
    ms = ms > twice ? ms : twice;
    if (ms == 0) {
        ms = (uint64_t)run->predicted_us * 3 / 1000 + 50;
    }
    ms = of_those_left(session, request, ms);
    /* A second deadline that is too short would make it worse. */
    return request->beside * ms << (tiles->tries > 0 ? tiles->tries - 1 : 0);
}

uint64_t covey__run_usual_ms(const struct covey__session *session,
                             const struct covey__request *request)
{
    const struct covey__tiles *tiles = &request->tiles;
    uint64_t ms = covey__times_patience(&session->run_times[tiles->run]);
    ms = of_those_left(session, request, ms);
    return request->beside * ms << (tiles->tries > 0 ? tiles->tries - 1 : 0);
}

/* Rows of one segment are late half of the longest segment later than that one takes, in the
 * proportion of what was measured to what was predicted, and no sooner than after half of a run,
 * since that is what is lost at least when it is tried again. For half of that time a holder waits
 * before it says so; for the other half at most whoever is asked then may take to answer. */
uint16_t covey__run_stall_ms(const struct covey__session *session, const struct covey_plan_run *run,
                             const struct covey__request *request)
{
    const struct covey__tiles *tiles = &request->tiles;
    uint64_t longest = run->predicted_us / (run->segments > 0 ? run->segments : 1);
    for (unsigned s = 0; s < run->segments; s++) {
        longest = run->segment[s].predicted_us > longest ? run->segment[s].predicted_us : longest;
    }
    uint64_t ms = longest * 3 / 2 / 1000;
    uint64_t median_us = (uint64_t)covey__times_median(&session->run_times[tiles->run]) * 1000;
    if (median_us == 0) {
        ms *= 3;
    } else if (median_us > run->predicted_us && run->predicted_us > 0) {
        ms = ms * median_us / run->predicted_us;
    }
    uint64_t half_ms = (median_us != 0 ? median_us : run->predicted_us) / 2000;
    ms = of_those_left(session, request, ms > half_ms ? ms : half_ms);
    ms = request->beside * (ms + COVEY__JOB_STALL_MIN_MS) / 2
         << (tiles->tries > 0 ? tiles->tries - 1 : 0);
    return ms < UINT16_MAX ? (uint16_t)ms : UINT16_MAX;
}

/* Of all lately, since one device may be further away than the others. */
static uint64_t longest(const struct covey__times *times)
{
    uint64_t ms = 0;
    for (unsigned i = 0; i < times->count; i++) {
        ms = times->ms[i] > ms ? times->ms[i] : ms;
    }
    return ms;
}

uint64_t covey__run_answer_ms(const struct covey__session *session,
                              const struct covey_plan_run *run,
                              const struct covey__request *request)
{
    const struct covey__times *times = &session->answer_times;
    uint64_t most_ms = covey__run_stall_ms(session, run, request);
    if (times->count < COVEY__JOB_TIMES_MIN) {
        return most_ms;
    }
    uint64_t ms = longest(times) * 3 / 2;
    ms = ms > most_ms / 2 ? ms : most_ms / 2;
    ms = ms > COVEY__JOB_STALL_MIN_MS / 2 ? ms : COVEY__JOB_STALL_MIN_MS / 2;
    return ms < most_ms ? ms : most_ms;
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

uint64_t covey__assign_again_ms(const struct covey__session *session, const struct covey_plan *plan,
                                unsigned device)
{
    static const struct covey_plan nothing;
    uint64_t bytes = covey__plan_both_bytes(&session->costs, &nothing, plan, device);
    return COVEY__JOB_ASSIGN_FIRST_MS +
           COVEY__JOB_ASSIGN_SHARE * bytes / COVEY__JOB_ASSIGN_BYTES_MS;
}

uint64_t covey__assign_ms(const struct covey__session *session, const struct covey_plan *plan,
                          const struct covey_plan *before)
{
    uint64_t bytes = covey_plan_missing(&session->costs, plan);
    for (unsigned i = 0; i < plan->runs; i++) {
        bytes += run_bytes(session, plan, i, before);
    }
    uint64_t ms = bytes / COVEY__JOB_ASSIGN_BYTES_MS;
    return before != NULL ? COVEY__JOB_ASSIGN_NEXT_MS + COVEY__JOB_ASSIGN_SHARE * ms
                          : COVEY__JOB_ASSIGN_FIRST_MS + ms;
}
