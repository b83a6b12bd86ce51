/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include "addr_internal.h"

void covey__gate_init(struct covey__gate *g, uint32_t per_s, uint32_t burst)
{
    memset(g, 0, sizeof(*g));
    g->per_s = per_s;
    g->burst = burst;
}

static void fill(struct covey__gate *g, size_t index, uint64_t now_ms)
{
    uint64_t full = (uint64_t)g->burst * 1000;
    uint64_t passed = now_ms - g->sources[index].at_ms;
    uint64_t milli = passed >= full ? full : g->sources[index].milli + passed * g->per_s;
    g->sources[index].milli = milli > full ? full : milli;
    g->sources[index].at_ms = now_ms;
}

/* The source's entry, or a new one in place of a free or the fullest other. */
static size_t entry_of(struct covey__gate *g, const struct covey_addr *from, uint64_t now_ms)
{
    /* A host on IPv6 has a whole /64 to send from. */
    uint8_t ip[16] = {0};
    memcpy(ip, from->ip, covey__addr_is_v4(from) ? 16 : 8);
    size_t best = 0;
    uint64_t best_milli = 0;
    for (size_t i = 0; i < COVEY__GATE_SOURCES; i++) {
        if (g->sources[i].used && memcmp(g->sources[i].ip, ip, sizeof(ip)) == 0) {
            fill(g, i, now_ms);
            return i;
        }
        uint64_t milli = UINT64_MAX;
        if (g->sources[i].used) {
            fill(g, i, now_ms);
            milli = g->sources[i].milli;
        }
        if (milli > best_milli || i == 0) {
            best = i;
            best_milli = milli;
        }
    }
    memcpy(g->sources[best].ip, ip, sizeof(ip));
    g->sources[best].used = true;
    g->sources[best].milli = (uint64_t)g->burst * 1000;
    g->sources[best].at_ms = now_ms;
    return best;
}

bool covey__gate_pass(struct covey__gate *g, const struct covey_addr *from, uint64_t now_ms)
{
    size_t i = entry_of(g, from, now_ms);
    if (g->sources[i].milli < 1000) {
        return false;
    }
    g->sources[i].milli -= 1000;
    return true;
}

void covey__gate_refund(struct covey__gate *g, const struct covey_addr *from, uint64_t now_ms)
{
    size_t i = entry_of(g, from, now_ms);
    uint64_t full = (uint64_t)g->burst * 1000;
    uint64_t milli = g->sources[i].milli + 1000;
    g->sources[i].milli = milli > full ? full : milli;
}
