/* SPDX-License-Identifier: MIT */
#include "plan_move.h"
#include "plan_private.h"

/* A few of them, of each slot others first. */
static uint32_t few_of(uint32_t mask, unsigned first)
{
    uint32_t out = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < COVEY_PLAN_DEVICES_MAX && count < COVEY_WORK_HOLDERS_MAX; i++) {
        uint32_t bit = UINT32_C(1) << (first + i) % COVEY_PLAN_DEVICES_MAX;
        count += (mask & bit) != 0;
        out |= mask & bit;
    }
    return out;
}

/* Where the entries begin: all whom the owner may name come first. */
static size_t put_devices(const struct covey__holders_of *of, uint8_t *out)
{
    size_t len = 1;
    out[0] = 0;
    for (unsigned d = 0; d < of->held->devices; d++) {
        if ((of->may >> d & 1) != 0) {
            memcpy(out + len, of->held->device[d].bytes, sizeof(of->held->device[d].bytes));
            len += sizeof(of->held->device[d].bytes);
            out[0]++;
        }
    }
    return len;
}

/* Bits of held's devices as bits of those that are listed. */
static uint32_t listed(const struct covey__holders_of *of, uint32_t mask)
{
    uint32_t out = 0;
    unsigned at = 0;
    for (unsigned d = 0; d < of->held->devices; d++) {
        if ((of->may >> d & 1) != 0) {
            out |= (mask >> d & 1) << at++;
        }
    }
    return out;
}

static size_t put_layer(const struct covey__holders_of *of, const struct covey__team *team,
                        unsigned layer, struct covey_buf out)
{
    const struct covey_plan_layer *l = &of->plan->layer[layer];
    struct covey__keep keep;
    size_t len = 0;
    if (l->by_rows || !covey__keep_of(of->held, team, layer, l->units, &keep)) {
        return 0;
    }
    for (unsigned s = 0; s < l->slots; s++) {
        if (l->holder[s] != of->device || len + COVEY_WORK_HAD_BYTES > out.len) {
            continue;
        }
        uint32_t has = covey__keep_mask(&keep, l, team->parity, s) & of->may;
        struct covey_work_had had = {(uint16_t)layer, (uint16_t)s,
                                     listed(of, few_of(has, s % of->held->devices))};
        if (had.devices != 0) {
            covey_work_had_put(out.ptr + len, &had);
            len += COVEY_WORK_HAD_BYTES;
        }
    }
    return len;
}

size_t covey__plan_holders(const struct covey__holders_of *of,
                           uint8_t out[static COVEY_WORK_HOLDERS_BYTES_MAX])
{
    struct covey__team team = {.devices = of->held->devices, .parity = of->plan->parity};
    memcpy(team.id, of->held->device, of->held->devices * sizeof(team.id[0]));
    size_t head = put_devices(of, out), len = head;
    size_t most = head + (size_t)COVEY_WORK_HAD_MAX * COVEY_WORK_HAD_BYTES;
    for (unsigned i = 0; i < of->plan->layers; i++) {
        len += put_layer(of, &team, i, (struct covey_buf){out + len, most - len});
    }
    return len > head ? len : 0;
}
