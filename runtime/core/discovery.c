/* SPDX-License-Identifier: MIT */
#include "discovery.h"

#include "gossip_random.h"

void covey__discovery_init(struct covey__discovery *d, const struct covey_node_id *self,
                           uint64_t seed, uint64_t now_ms)
{
    memset(d, 0, sizeof(*d));
    d->self = *self;
    d->rng = seed;
    d->interval_ms = COVEY_HELLO_MIN_MS;
    d->hello_ms = now_ms + covey__random_below(&d->rng, COVEY_HELLO_FIRST_MS);
}

/* The source's entry, or the one that is free soonest. NULL: none is free yet. */
static uint64_t *source_of(struct covey__discovery *d, const struct covey_addr *addr,
                           uint64_t now_ms)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < COVEY_SOURCES_MAX; i++) {
        if (d->source[i].next_ms != 0 && d->source[i].port == addr->port &&
            memcmp(d->source[i].ip, addr->ip, sizeof(addr->ip)) == 0) {
            return &d->source[i].next_ms;
        }
        oldest = d->source[i].next_ms < d->source[oldest].next_ms ? i : oldest;
    }
    if (d->source[oldest].next_ms > now_ms) {
        return NULL;
    }
    memcpy(d->source[oldest].ip, addr->ip, sizeof(addr->ip));
    d->source[oldest].port = addr->port;
    return &d->source[oldest].next_ms;
}

void covey__discovery_answer(struct covey__discovery *d, const struct covey_addr *to,
                             unsigned members, uint64_t now_ms)
{
    uint64_t *next_ms = source_of(d, to, now_ms);
    if (next_ms == NULL || *next_ms > now_ms) {
        return;
    }
    /* protocol.md, constants: own jitter 0..min(1 s, 20 ms x N). */
    uint64_t window = members < 50 ? members * UINT64_C(20) : 1000;
    for (unsigned i = 0; i < COVEY_REPLIES_MAX; i++) {
        if (!d->reply[i].active) {
            d->reply[i].active = true;
            d->reply[i].addr = *to;
            d->reply[i].due_ms = now_ms + covey__random_below(&d->rng, window + 1);
            *next_ms = now_ms + COVEY_HELLO_ANSWER_MS;
            return;
        }
    }
}

void covey__discovery_found(struct covey__discovery *d, const struct covey_node_id *id,
                            const struct covey_addr *addr, uint64_t now_ms)
{
    struct covey__dial *free_dial = NULL;
    for (unsigned i = 0; i < COVEY_DIALS_MAX; i++) {
        struct covey__dial *dial = &d->dial[i];
        if (dial->active && covey_node_id_equal(&dial->id, id)) {
            dial->addr = *addr; /* the newest word counts */
            return;
        }
        free_dial = free_dial == NULL && !dial->active ? dial : free_dial;
    }
    if (free_dial == NULL) {
        return; /* it will say hello again */
    }
    bool lesser = covey_node_id_compare(&d->self, id) < 0;
    *free_dial = (struct covey__dial){.active = true, .id = *id, .addr = *addr};
    free_dial->due_ms = lesser ? now_ms : now_ms + COVEY_DIAL_GREATER_MS;
}

void covey__discovery_known(struct covey__discovery *d, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < COVEY_DIALS_MAX; i++) {
        if (d->dial[i].active && covey_node_id_equal(&d->dial[i].id, id)) {
            d->dial[i].active = false;
        }
    }
    for (unsigned i = 0; i < COVEY_STRANGERS_MAX; i++) { /* it was upgraded */
        d->stranger[i].used = d->stranger[i].used && !covey_node_id_equal(&d->stranger[i].id, id);
    }
}

void covey__discovery_stranger(struct covey__discovery *d, const struct covey_node_id *id,
                               const struct covey_addr *addr)
{
    unsigned at = COVEY_STRANGERS_MAX;
    for (unsigned i = COVEY_STRANGERS_MAX; i-- > 0;) {
        at = !d->stranger[i].used ? i : at;
    }
    for (unsigned i = 0; i < COVEY_STRANGERS_MAX; i++) {
        bool same = d->stranger[i].used && covey_node_id_equal(&d->stranger[i].id, id);
        at = same ? i : at;
    }
    if (at < COVEY_STRANGERS_MAX) {
        d->stranger[at].used = true;
        d->stranger[at].id = *id;
        d->stranger[at].addr = *addr;
    }
}

bool covey__discovery_join(struct covey__discovery *d, const struct covey_addr *addr,
                           uint64_t now_ms)
{
    for (unsigned i = 0; i < COVEY_JOINS_MAX; i++) {
        if (!d->join[i].active || covey_addr_equal(&d->join[i].addr, addr)) {
            d->join[i].active = true;
            d->join[i].addr = *addr;
            d->join[i].due_ms = now_ms;
            return true;
        }
    }
    return false;
}

void covey__discovery_hasten(struct covey__discovery *d, uint64_t now_ms)
{
    d->interval_ms = COVEY_HELLO_MIN_MS;
    uint64_t at = now_ms + covey__random_below(&d->rng, COVEY_HELLO_MIN_MS);
    d->hello_ms = at < d->hello_ms ? at : d->hello_ms;
}

/* Ever more rarely while nothing changes, at a random point of the interval's second half. */
static void next_hello(struct covey__discovery *d, bool alone, uint64_t now_ms)
{
    if (alone) {
        d->interval_ms = COVEY_HELLO_MIN_MS;
        d->hello_ms = now_ms + COVEY_HELLO_ALONE_MS / 2 +
                      covey__random_below(&d->rng, COVEY_HELLO_ALONE_MS / 2);
        return;
    }
    d->hello_ms =
        now_ms + d->interval_ms / 2 + covey__random_below(&d->rng, d->interval_ms / 2 + 1);
    uint64_t twice = d->interval_ms * 2;
    d->interval_ms = twice < COVEY_HELLO_LONGEST_MS ? twice : COVEY_HELLO_LONGEST_MS;
}

static void step_dials(struct covey__discovery *d, uint64_t now_ms,
                       struct covey__discovery_out *out)
{
    for (unsigned i = 0; i < COVEY_DIALS_MAX; i++) {
        struct covey__dial *dial = &d->dial[i];
        if (!dial->active || dial->due_ms > now_ms) {
            continue;
        }
        /* protocol.md, constants: handshake retry 100 ms x n, 10 tries. */
        out->dial[out->dials].join = false;
        out->dial[out->dials].id = dial->id;
        out->dial[out->dials++].addr = dial->addr;
        dial->tries++;
        dial->due_ms = now_ms + UINT64_C(300) + 100 * dial->tries;
        dial->active = dial->tries < COVEY_DIAL_TRIES;
    }
    for (unsigned i = 0; i < COVEY_JOINS_MAX; i++) {
        if (d->join[i].active && d->join[i].due_ms <= now_ms) {
            out->dial[out->dials].join = true;
            out->dial[out->dials++].addr = d->join[i].addr;
            d->join[i].due_ms = now_ms + COVEY_JOIN_MS;
        }
    }
}

void covey__discovery_tick(struct covey__discovery *d, bool alone, uint64_t now_ms,
                           struct covey__discovery_out *out)
{
    memset(out, 0, sizeof(*out));
    if (now_ms >= d->hello_ms) {
        out->multicast = true;
        next_hello(d, alone, now_ms);
    }
    for (unsigned i = 0; i < COVEY_REPLIES_MAX; i++) {
        if (d->reply[i].active && d->reply[i].due_ms <= now_ms) {
            d->reply[i].active = false;
            out->reply[out->replies++] = d->reply[i].addr;
        }
    }
    step_dials(d, now_ms, out);
}

uint64_t covey__discovery_deadline_ms(const struct covey__discovery *d)
{
    uint64_t at = d->hello_ms;
    for (unsigned i = 0; i < COVEY_REPLIES_MAX; i++) {
        at = d->reply[i].active && d->reply[i].due_ms < at ? d->reply[i].due_ms : at;
    }
    for (unsigned i = 0; i < COVEY_DIALS_MAX; i++) {
        at = d->dial[i].active && d->dial[i].due_ms < at ? d->dial[i].due_ms : at;
    }
    for (unsigned i = 0; i < COVEY_JOINS_MAX; i++) {
        at = d->join[i].active && d->join[i].due_ms < at ? d->join[i].due_ms : at;
    }
    return at;
}
