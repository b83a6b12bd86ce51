/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/pace.h"
#include "probe_tally.h"
#include "rate.h"

enum {
    SMALL = 16, /* messages that ask for nothing, one behind the other */
    LARGE = 4,  /* bodies; the first only fills buffers and bursts */
    LARGE_BYTES = 512 * 1024,
    PEERS = 8, /* that take turns */
};
/* Measuring what is read from memory takes so much: where weights have less than the other, or more
 * than leaves room for it, not again. */
static const uint64_t stream_bytes = UINT64_C(20) << 20, ample_bytes = UINT64_C(256) << 20;

struct covey_probe {
    struct covey_services *services;
    struct covey_probe_tally tally;
    struct covey_task task;  /* measures rates, where a round begins */
    bool computing;          /* it is under way */
    struct covey_rates seen; /* in this round */
    struct covey_body *body; /* of the large ones, while measuring */
    struct covey_node_id up[PEERS];
    unsigned ups;
    uint64_t next_ms;
    bool running;
    bool pause; /* the next large one goes at the next tick: requests are not held up by all */
    struct covey_node_id peer;
    uint32_t number;   /* of the PROBE that is out */
    unsigned answered; /* by this peer */
    uint64_t sent_ns, cpu_ns, all_cpu_ns;
    uint64_t took_ns[SMALL];  /* each small one */
    uint64_t spent_ns[SMALL]; /* of the processor */
    uint64_t large_ns;        /* the quickest large one */
    uint64_t sealed_ns;       /* of the processor, those large ones together, ciphers and all */
};

static bool send_probe(struct covey_probe *p, struct covey_body *body)
{
    uint8_t bytes[64];
    size_t len = 0;
    struct covey_work_message m = {.type = COVEY_WORK_PROBE, .probe = ++p->number};
    covey_err err = covey_work_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    COVEY_ASSERT(err == COVEY_OK);
    p->sent_ns = covey_clock_ns();
    p->cpu_ns = covey_thread_cpu_ns();
    p->all_cpu_ns = covey_process_cpu_ns();
    return covey_channels_send(p->services->channels, &p->peer, covey_bytes_of(bytes, len), body) ==
           COVEY_OK;
}

static void stop(struct covey_probe *p)
{
    p->running = p->pause = false;
    covey_body_unref(p->body);
    p->body = NULL;
}

/* Requests have come, or nobody answered. */
static void cut_short(struct covey_probe *p)
{
    covey__probe_tally_cut_short(&p->tally);
    stop(p);
}

static void wait_for_next(struct covey_probe *p)
{
    uint64_t random = 0;
    covey_random(&random, sizeof(random));
    p->next_ms =
        covey_loop_now_ms(p->services->loop) + covey__probe_tally_wait_ms(&p->tally, random);
}

static struct covey_probe *probe_of(struct covey_task *task)
{
    return (struct covey_probe *)(void *)((char *)task - offsetof(struct covey_probe, task));
}

/* On the background's thread. When the device started, all that starts with it was at work too. */
static void measure_rates(struct covey_task *task, struct covey_scratch *scratch)
{
    struct covey_probe *p = probe_of(task);
    struct covey_account *memory = &p->services->memory;
    (void)scratch;
    p->seen = (struct covey_rates){0};
    if (memory->limit_bytes < ample_bytes || !covey__account_take(memory, stream_bytes)) {
        covey__measure_product(&p->seen);
    } else {
        covey__measure_rates(&p->seen);
        covey__account_give(memory, stream_bytes);
    }
}

static void rates_measured(struct covey_task *task)
{
    struct covey_probe *p = probe_of(task);
    p->computing = false;
    wait_for_next(p);
    if (p->ups == 0) {
        return;
    }
    p->peer = p->up[p->tally.rounds % p->ups];
    p->answered = 0;
    p->large_ns = UINT64_MAX;
    p->sealed_ns = 0;
    p->running = send_probe(p, NULL);
}

covey_err covey__probe_new(struct covey_services *services, const struct covey_rates *rates,
                           struct covey_probe **out)
{
    struct covey_probe *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return COVEY_ERR_NOMEM;
    }
    p->services = services;
    p->tally.rates = *rates;
    p->task = (struct covey_task){.work = measure_rates, .done = rates_measured};
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

void covey__probe_up(struct covey_probe *p, const struct covey_node_id *peer)
{
    if (p->ups == PEERS) {
        return;
    }
    if (p->ups == 0) {
        wait_for_next(p);
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
    bool busy = covey_channels_busy(p->services->channels);
    if (p->running && p->pause) {
        if (busy) {
            cut_short(p);
            return;
        }
        p->pause = false;
        if (!send_probe(p, p->body)) {
            stop(p);
        }
        return;
    }
    /* Beside requests neither they nor what is measured would be what they are. */
    if (p->computing || covey__probe_tally_settled(&p->tally) || p->ups == 0 ||
        now_ms < p->next_ms || busy) {
        return;
    }
    if (p->running) { /* whoever has requests in flight does not answer */
        cut_short(p);
    }
    covey__probe_tally_begin(&p->tally);
    p->computing = true;
    covey__pool_submit(p->services->background, &p->task);
}

/* A paced device is as much slower as its pace says. Of a round half is sending, half receiving. */
static uint32_t message_us(uint64_t round_cpu_ns)
{
    uint64_t us = round_cpu_ns * 100 / covey_pace_percent() / 2000;
    return covey__rate_round(us < 1 ? 1 : us > 100000 ? 100000 : us);
}

/* What it took beyond sending and receiving here. With no link in between nothing is left: what the
 * other device takes goes on beside it. */
static uint32_t round_us(uint64_t took_ns, uint32_t a_message_us)
{
    uint64_t us = took_ns / 1000, here_us = 2 * (uint64_t)a_message_us;
    us = us > here_us ? us - here_us : 1;
    return covey__rate_round(us > 10000000 ? 10000000 : us);
}

static uint32_t large_mbytes(uint64_t ns)
{
    uint64_t rate = (uint64_t)LARGE_BYTES * 1000 / (ns + 1);
    return covey__rate_round(rate < 1 ? 1 : rate > 100000 ? 100000 : rate);
}

static void measured(struct covey_probe *p)
{
    uint64_t took_ns = covey__probe_tally_quartile(p->took_ns, SMALL), least_ns = p->took_ns[0];
    uint64_t moved_ns = covey__probe_tally_moved_ns(&p->tally, p->large_ns, least_ns);
    p->seen.link_mbytes = moved_ns != 0 ? large_mbytes(moved_ns) : 0;
    p->seen.body_mbytes = large_mbytes(p->sealed_ns / (LARGE - 1) * 100 / covey_pace_percent());
    p->seen.message_us = message_us(covey__probe_tally_quartile(p->spent_ns, SMALL));
    p->seen.round_us = round_us(took_ns, p->seen.message_us);
    stop(p);
    if (!covey__probe_tally_add(&p->tally, &p->seen)) {
        return;
    }
    const struct covey_rates *best = &p->tally.rates;
    char line[160];
    snprintf(line, sizeof(line),
             "measured %u GFLOP/s, weights %u MB/s, bodies %u MB/s (%u without the link), "
             "messages %u us, links %u us there and back",
             best->mflops / 1000, best->stream_mbytes, best->link_mbytes, best->body_mbytes,
             best->message_us, best->round_us);
    p->services->log(p->services->user, line);
    struct covey_event event = {.type = COVEY_EVENT_MEASURED, .rates = *best};
    p->services->feed(p->services->user, &event);
}

static void note(struct covey_probe *p)
{
    uint64_t ns = covey_clock_ns() - p->sent_ns, cpu_ns = covey_thread_cpu_ns() - p->cpu_ns;
    p->answered++;
    if (p->answered <= SMALL) {
        p->took_ns[p->answered - 1] = ns;
        p->spent_ns[p->answered - 1] = cpu_ns;
    } else if (p->answered > SMALL + 1) {
        p->large_ns = ns < p->large_ns ? ns : p->large_ns;
        p->sealed_ns += covey_process_cpu_ns() - p->all_cpu_ns;
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
