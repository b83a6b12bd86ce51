/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/pace.h"
#include "rate.h"

enum {
    ROUNDS = 5, /* the best of some: a mesh that starts is busy with itself */
    FIRST_MS = 2000,
    NEXT_MS = 1500, /* doubled after each */
    SMALL = 16,     /* messages that ask for nothing, one behind the other */
    LARGE = 4,      /* bodies; the first only fills buffers and bursts */
    LARGE_BYTES = 512 * 1024,
    PEERS = 8, /* that take turns */
};

struct covey_probe {
    struct covey_services *services;
    struct covey_rates rates;
    struct covey_body *body; /* of the large ones, while measuring */
    struct covey_node_id up[PEERS];
    unsigned ups, rounds;
    uint64_t next_ms;
    bool running;
    bool pause; /* the next large one goes at the next tick: requests are not held up by all */
    struct covey_node_id peer;
    uint32_t number;   /* of the PROBE that is out */
    unsigned answered; /* by this peer */
    uint64_t sent_ns, cpu_ns;
    uint64_t round_ns; /* the quickest small one */
    uint64_t spent_ns; /* the least of the processor that one took */
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
    p->cpu_ns = covey_thread_cpu_ns();
    return covey_channels_send(p->services->channels, &p->peer, covey_bytes_of(bytes, len), body) ==
           COVEY_OK;
}

static void stop(struct covey_probe *p)
{
    p->running = p->pause = false;
    covey_body_unref(p->body);
    p->body = NULL;
}

void covey__probe_up(struct covey_probe *p, const struct covey_node_id *peer)
{
    if (p->ups == PEERS) {
        return;
    }
    if (p->ups == 0) {
        p->next_ms = covey_loop_now_ms(p->services->loop) + FIRST_MS;
    }
    p->up[p->ups++] = *peer;
}

void covey__probe_down(struct covey_probe *p, const struct covey_node_id *peer)
{
    for (unsigned i = 0; i < p->ups; i++) {
        if (covey_node_id_equal(&p->up[i], peer)) {
            p->up[i] = p->up[--p->ups];
        }
    }
    if (p->running && covey_node_id_equal(&p->peer, peer)) {
        stop(p);
    }
}

void covey__probe_tick(struct covey_probe *p)
{
    uint64_t now_ms = covey_loop_now_ms(p->services->loop);
    if (p->running && p->pause) {
        p->pause = false;
        if (!send_probe(p, p->body)) {
            stop(p);
        }
        return;
    }
    /* Beside requests neither they nor what is measured would be what they are. */
    if (p->rounds == ROUNDS || p->ups == 0 || now_ms < p->next_ms ||
        covey_channels_busy(p->services->channels)) {
        return;
    }
    stop(p); /* one that was never answered */
    p->peer = p->up[p->rounds % p->ups];
    p->next_ms = now_ms + ((uint64_t)NEXT_MS << p->rounds);
    p->rounds++;
    p->answered = 0;
    p->round_ns = p->large_ns = p->spent_ns = UINT64_MAX;
    p->running = send_probe(p, NULL);
}

/* A paced device is as much slower as its pace says. Of a round half is sending, half receiving. */
static uint32_t message_us(uint64_t round_cpu_ns)
{
    uint64_t us = round_cpu_ns * 100 / covey_pace_percent() / 2000;
    return covey__rate_round(us < 1 ? 1 : us > 100000 ? 100000 : us);
}

static uint32_t link_mbytes(uint64_t ns)
{
    uint64_t rate = (uint64_t)LARGE_BYTES * 1000 / (ns + 1);
    return covey__rate_round(rate < 1 ? 1 : rate > 100000 ? 100000 : rate);
}

/* The best that was seen counts: whatever else the devices did only made it worse. */
static void measured(struct covey_probe *p)
{
    uint32_t link = link_mbytes(p->large_ns > p->round_ns ? p->large_ns - p->round_ns : 1);
    uint32_t message = message_us(p->spent_ns);
    bool better =
        link > p->rates.link_mbytes || p->rates.message_us == 0 || message < p->rates.message_us;
    stop(p);
    if (!better) {
        return;
    }
    p->rates.link_mbytes = link > p->rates.link_mbytes ? link : p->rates.link_mbytes;
    p->rates.message_us =
        p->rates.message_us == 0 || message < p->rates.message_us ? message : p->rates.message_us;
    char line[128];
    snprintf(
        line, sizeof(line), "measured %u GFLOP/s, weights %u MB/s, bodies %u MB/s, messages %u us",
        p->rates.mflops / 1000, p->rates.stream_mbytes, p->rates.link_mbytes, p->rates.message_us);
    p->services->log(p->services->user, line);
    struct covey_event event = {.type = COVEY_EVENT_MEASURED, .rates = p->rates};
    p->services->feed(p->services->user, &event);
}

static void note(struct covey_probe *p)
{
    uint64_t ns = covey_clock_ns() - p->sent_ns, cpu_ns = covey_thread_cpu_ns() - p->cpu_ns;
    p->answered++;
    if (p->answered <= SMALL) {
        p->round_ns = ns < p->round_ns ? ns : p->round_ns;
        p->spent_ns = cpu_ns < p->spent_ns ? cpu_ns : p->spent_ns;
    } else if (p->answered > SMALL + 1) {
        p->large_ns = ns < p->large_ns ? ns : p->large_ns;
    }
}

void covey__probe_answered(struct covey_probe *p, const struct covey_node_id *peer, uint32_t number)
{
    if (!p->running || number != p->number || !covey_node_id_equal(&p->peer, peer)) {
        return;
    }
    note(p);
    if (p->answered == SMALL + LARGE) {
        measured(p);
        return;
    }
    if (p->answered == SMALL) {
        if (covey_body_new(LARGE_BYTES, &p->body) != COVEY_OK) {
            stop(p);
            return;
        }
        memset(p->body->data, 0, LARGE_BYTES);
        p->body->patient = true;
    }
    p->pause = p->answered >= SMALL;
    if (!p->pause && !send_probe(p, p->body)) {
        stop(p);
    }
}
