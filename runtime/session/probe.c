/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <stdlib.h>

#include "covey/pace.h"

enum {
    PEERS = 2,  /* the better of two: one may be busy */
    SMALL = 16, /* messages that ask for nothing, one behind the other */
    LARGE = 4,  /* bodies; the first only fills buffers and bursts */
    LARGE_BYTES = 512 * 1024,
    QUEUE = 8, /* peers that wait for their turn */
};

struct covey_probe {
    struct covey_services *services;
    struct covey_rates rates;
    struct covey_body *body; /* of the large ones, while measuring */
    struct covey_node_id waiting[QUEUE];
    unsigned waiting_count, measured;
    bool running;
    struct covey_node_id peer;
    uint32_t number;   /* of the PROBE that is out */
    unsigned answered; /* by this peer */
    uint64_t sent_ns, cpu_ns;
    uint64_t round_ns; /* the quickest small one */
    uint64_t large_ns; /* the quickest large one */
};

covey_err covey__probe_new(struct covey_services *services, const struct covey_rates *rates,
                           struct covey_probe **out)
{
    struct covey_probe *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return COVEY_ERR_NOMEM;
    }
    p->services = services;
    p->rates = *rates;
    *out = p;
    return COVEY_OK;
}

void covey__probe_free(struct covey_probe *p)
{
    if (p != NULL) {
        covey_body_unref(p->body);
        free(p);
    }
}

static bool send_probe(struct covey_probe *p, struct covey_body *body)
{
    uint8_t bytes[64];
    size_t len = 0;
    struct covey_work_message m = {.type = COVEY_WORK_PROBE, .probe = ++p->number};
    covey_err err = covey_work_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    COVEY_ASSERT(err == COVEY_OK);
    p->sent_ns = covey_clock_ns();
    return covey_channels_send(p->services->channels, &p->peer, covey_bytes_of(bytes, len), body) ==
           COVEY_OK;
}

static void start_next(struct covey_probe *p)
{
    p->running = false;
    while (!p->running && p->waiting_count > 0 && p->measured < PEERS) {
        p->peer = p->waiting[0];
        memmove(p->waiting, p->waiting + 1, --p->waiting_count * sizeof(p->waiting[0]));
        p->answered = 0;
        p->round_ns = p->large_ns = UINT64_MAX;
        p->cpu_ns = covey_thread_cpu_ns();
        p->running = send_probe(p, NULL);
    }
    if (!p->running) {
        covey_body_unref(p->body);
        p->body = NULL;
    }
}

void covey__probe_up(struct covey_probe *p, const struct covey_node_id *peer)
{
    if (p->measured == PEERS || p->waiting_count == QUEUE) {
        return;
    }
    p->waiting[p->waiting_count++] = *peer;
    if (!p->running) {
        start_next(p);
    }
}

void covey__probe_down(struct covey_probe *p, const struct covey_node_id *peer)
{
    if (p->running && covey_node_id_equal(&p->peer, peer)) {
        start_next(p);
    }
}

/* A paced device is as much slower as its pace says. */
static uint32_t cost_us(uint64_t cpu_ns, unsigned messages)
{
    uint64_t us = cpu_ns * 100 / covey_pace_percent() / 1000 / messages;
    return us < 1 ? 1 : us > 100000 ? 100000 : (uint32_t)us;
}

static uint32_t rate_mbytes(uint64_t ns)
{
    uint64_t rate = (uint64_t)LARGE_BYTES * 1000 / (ns + 1);
    return rate < 1 ? 1 : rate > 100000 ? 100000 : (uint32_t)rate;
}

static void measured(struct covey_probe *p)
{
    uint64_t ns = p->large_ns > p->round_ns ? p->large_ns - p->round_ns : 1;
    uint32_t rate = rate_mbytes(ns);
    p->rates.link_mbytes = rate > p->rates.link_mbytes ? rate : p->rates.link_mbytes;
    p->measured++;
    struct covey_event event = {.type = COVEY_EVENT_MEASURED, .rates = p->rates};
    p->services->feed(p->services->user, &event);
}

/* The processor's time of a round is that of a message sent and one received. */
static void small_done(struct covey_probe *p)
{
    uint32_t us = cost_us(covey_thread_cpu_ns() - p->cpu_ns, 2 * SMALL);
    bool better = p->rates.message_us == 0 || us < p->rates.message_us;
    p->rates.message_us = better ? us : p->rates.message_us;
    if (p->body == NULL && covey_body_new(LARGE_BYTES, &p->body) == COVEY_OK) {
        memset(p->body->data, 0, LARGE_BYTES);
    }
}

void covey__probe_answered(struct covey_probe *p, const struct covey_node_id *peer, uint32_t number)
{
    if (!p->running || number != p->number || !covey_node_id_equal(&p->peer, peer)) {
        return;
    }
    uint64_t ns = covey_clock_ns() - p->sent_ns;
    p->answered++;
    if (p->answered <= SMALL) {
        p->round_ns = ns < p->round_ns ? ns : p->round_ns;
    } else if (p->answered > SMALL + 1) {
        p->large_ns = ns < p->large_ns ? ns : p->large_ns;
    }
    if (p->answered == SMALL) {
        small_done(p);
    }
    if (p->answered == SMALL + LARGE) {
        measured(p);
    }
    bool more = p->answered < SMALL + LARGE && (p->answered < SMALL || p->body != NULL);
    if (!more || !send_probe(p, p->answered >= SMALL ? p->body : NULL)) {
        start_next(p);
    }
}
