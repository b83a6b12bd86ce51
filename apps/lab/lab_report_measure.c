/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_measure.h"
#include "lab_report.h"
#include "lab_stream.h"

enum {
    WAIT_MS = 60 * 1000,
    REDUNDANT_MS = 20 * 1000, /* a plan may leave a device out: then never */
    NODE_MS = 15 * 1000,
    LOOK_MS = 100,
    PLAN_MS = 10 * 1000,
    CALM_MS = 30 * 1000,
    WARM = 3,
    CALM = 5, /* requests that are to be as fast as usual */
    STEADY = 40,
    TURN = 10, /* requests of a phase before the next one's turn */
};

static const double diff_max = 1e-4; /* relative */

const struct covey__report_about covey__report_about[COVEY__REPORT_PHASES] = {
    [COVEY__REPORT_ALONE] = {.name = "alone", .title = "one device alone", .devices = 1},
    [COVEY__REPORT_PARITY0] = {.name = "parity0", .title = "mesh, no parity"},
    [COVEY__REPORT_PARITY1] = {.name = "parity1", .title = "mesh, parity 1", .parity = 1},
    [COVEY__REPORT_PARITY2] = {.name = "parity2", .title = "mesh, parity 2", .parity = 2},
    [COVEY__REPORT_KILLS] = {.name = "kills", .title = "parity 1, devices killed", .parity = 1},
    [COVEY__REPORT_SLOW_PARITY1] = {.name = "slow-parity1",
                                    .title = "parity 1, one device slow",
                                    .parity = 1},
    [COVEY__REPORT_SLOW_PARITY0] = {.name = "slow-parity0", .title = "no parity, one device slow"},
};

/* Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators (2014): SplitMix64. */
static uint64_t random_bits(struct covey__report *r)
{
    uint64_t z = r->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t random_below(struct covey__report *r, size_t bound)
{
    return bound > 1 ? (size_t)(random_bits(r) % bound) : 0;
}

/* A node that takes part and is not the one asked; there is one: checked before. */
static unsigned random_node(struct covey__report *r)
{
    unsigned fits[COVEY_LAB_NODES_MAX], count = 0;
    for (unsigned i = 1; i < r->lab.count; i++) {
        if (covey__lab_takes_part(&r->lab.node[i])) {
            fits[count++] = i;
        }
    }
    return count > 0 ? fits[random_below(r, count)] : r->lab.count - 1;
}

/* ---- one request ---- */

struct strike {
    unsigned victim;
    double after_ms;
    bool done;
};

/* Until bytes are there, so that an interruption need not wait for a late answer. */
static covey_err await(struct covey__report *r)
{
    struct pollfd fd = {.fd = r->target.control.fd, .events = POLLIN};
    uint64_t end_ms = covey__lab_now_ms() + r->target.infer.timeout_ms;
    while (poll(&fd, 1, LOOK_MS) == 0 && covey__lab_now_ms() < end_ms) {
        if (covey__lab_signals_pending()) {
            return COVEY_ERR_CANCELLED;
        }
    }
    return COVEY_OK;
}

static void ask_for(struct covey__report *r, enum covey__report_phase_id id)
{
    r->target.infer.devices = covey__report_about[id].devices;
    r->target.infer.parity = covey__report_about[id].parity;
}

static covey_err exchange(struct covey__report *r, const float *input, struct strike *strike,
                          struct covey__answer *out)
{
    if (covey__lab_signals_pending()) {
        return COVEY_ERR_CANCELLED;
    }
    covey_err err = covey__target_send(&r->target, input);
    if (err == COVEY_OK && strike != NULL) {
        strike->done =
            covey__lab_kill_in_flight(&r->target, &r->lab.node[strike->victim], strike->after_ms);
        r->killed[strike->victim] = r->killed[strike->victim] || strike->done;
        strike->after_ms *= strike->done ? 1 : 0.7; /* answered before: the next time sooner */
    }
    if (err == COVEY_OK) {
        err = await(r);
    }
    return err == COVEY_OK ? covey__target_receive(&r->target, out) : err;
}

static covey_err refuse_exchange(struct covey__report *r, covey_err err)
{
    return err == COVEY_ERR_CANCELLED ? covey__report_refuse(r, err, "interrupted")
                                      : covey__report_refuse(r, err, "%s", r->target.why.text);
}

static void check(struct covey__report *r, struct covey__report_phase *p, size_t item,
                  const float *output)
{
    size_t floats = r->target.output_floats;
    float *reference = r->reference + item * floats;
    if (!r->known[item]) {
        memcpy(reference, output, floats * sizeof(float));
        r->known[item] = true;
    }
    p->wrong += !(covey__lab_difference(output, reference, floats) <= diff_max);
}

/* strike NULL: nobody dies. */
static covey_err ask(struct covey__report *r, enum covey__report_phase_id id, uint64_t begin_ns,
                     struct strike *strike)
{
    struct covey__report_phase *p = &r->phase[id];
    struct covey__answer answer;
    size_t item = p->asked++ % r->inputs;
    double at_ms = (double)(covey__now_ns() - begin_ns) / 1e6;
    ask_for(r, id);
    covey_err err = exchange(r, r->input + item * r->target.input_floats, strike, &answer);
    if (err == COVEY_OK) {
        p->answer[p->count++] = (struct covey__report_answer){
            .at_ms = at_ms, .ms = answer.elapsed_ms, .hit = strike != NULL && strike->done};
        p->devices = answer.result->devices;
        p->recovered_dead += answer.result->recovered_dead;
        p->recovered_late += answer.result->recovered_late;
        check(r, p, item, answer.output);
        return COVEY_OK;
    }
    if (err == COVEY_ERR_CANCELLED || covey__lab_stream_broken(err)) {
        return refuse_exchange(r, err);
    }
    fprintf(stderr, "a request is lost: %s\n", r->target.why.text);
    p->lost++;
    return COVEY_OK;
}

/* ---- phases ---- */

static covey_err settle(struct covey__report *r)
{
    covey_err err = covey__lab_wait_mesh(&r->lab, WAIT_MS);
    if (err == COVEY_OK) {
        err = covey__lab_wait_redundant(&r->lab, 0, REDUNDANT_MS);
        err = err == COVEY_ERR_TIMEOUT ? COVEY_OK : err;
    }
    return err == COVEY_OK ? err : covey__report_refuse(r, err, "%s", r->lab.why);
}

/* The devices get their weights: these requests do not count. */
static covey_err warm(struct covey__report *r, enum covey__report_phase_id id)
{
    ask_for(r, id);
    for (int i = 0; i < WARM; i++) {
        struct covey__answer answer;
        covey_err err = exchange(r, r->input, NULL, &answer);
        if (err != COVEY_OK) {
            return refuse_exchange(r, err);
        }
        err = i == 0 ? settle(r) : COVEY_OK;
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

/* The median of requests that are not counted. */
static covey_err try_some(struct covey__report *r, unsigned count, double *out_ms)
{
    double ms[STEADY];
    unsigned used = 0;
    for (unsigned i = 0; i < count && used < STEADY; i++) {
        struct covey__answer answer;
        covey_err err = exchange(r, r->input, NULL, &answer);
        if (err != COVEY_OK) {
            return refuse_exchange(r, err);
        }
        ms[used++] = answer.elapsed_ms;
    }
    *out_ms = covey__percentile(ms, used, 0.5);
    return COVEY_OK;
}

/* The mesh has come over what was: weights are where they belong, requests are as fast as usual. */
static covey_err calm(struct covey__report *r)
{
    uint64_t end_ms = covey__lab_now_ms() + CALM_MS;
    double ms = 0;
    ask_for(r, COVEY__REPORT_PARITY1);
    covey_err err = settle(r);
    while (err == COVEY_OK) {
        err = try_some(r, CALM, &ms);
        if (ms <= 1.25 * r->steady_ms || covey__lab_now_ms() >= end_ms) {
            break;
        }
    }
    return err;
}

static bool wants(const struct covey__report *r, const struct covey__report_phase *p)
{
    return p->asked < r->options.requests && !p->out_of_time;
}

static void spend(struct covey__report *r, struct covey__report_phase *p, uint64_t since_ms)
{
    p->used_ms += covey__lab_now_ms() - since_ms;
    p->out_of_time =
        p->asked < r->options.requests && p->used_ms >= (uint64_t)r->options.timeout_s * 1000;
}

/* The phases from first to last in turns, so that what the machine does meanwhile meets all. */
static covey_err take_turns(struct covey__report *r, enum covey__report_phase_id first,
                            enum covey__report_phase_id last)
{
    uint64_t begin_ns = covey__now_ns();
    bool more = true;
    while (more) {
        more = false;
        for (unsigned id = first; id <= last; id++) {
            struct covey__report_phase *p = &r->phase[id];
            uint64_t since_ms = covey__lab_now_ms();
            for (int i = 0; i < TURN && wants(r, p); i++) {
                covey_err err = ask(r, (enum covey__report_phase_id)id, begin_ns, NULL);
                if (err != COVEY_OK) {
                    return err;
                }
                spend(r, p, since_ms);
                since_ms = covey__lab_now_ms();
            }
            more = more || wants(r, p);
        }
    }
    return COVEY_OK;
}

/* ---- devices die ---- */

static bool answers(const struct covey__report *r, unsigned node)
{
    struct covey__control c = {0};
    bool good = covey__lab_status(&r->lab, node, &c) == COVEY_OK;
    covey__control_close(&c);
    return good;
}

/* A restart ends what a node was told: it is told again. */
static covey_err tell_again(struct covey__report *r, unsigned node)
{
    const struct covey__lab_node *n = &r->lab.node[node];
    if (n->slow_ms == 0 && n->lie_percent == 0 && n->latency.kind == COVEY_LATENCY_NONE) {
        return COVEY_OK;
    }
    uint64_t end_ms = covey__lab_now_ms() + NODE_MS;
    while (!answers(r, node) && covey__lab_now_ms() < end_ms) {
        covey__lab_pause();
    }
    return covey__lab_tell(&r->lab, node);
}

static covey_err bring_back(struct covey__report *r, unsigned node)
{
    if (!r->killed[node]) {
        return COVEY_OK;
    }
    covey__lab_kill(&r->lab.node[node]); /* reaps it */
    covey_err err = covey__lab_start(&r->lab, node);
    if (err == COVEY_OK) {
        r->killed[node] = false;
        err = tell_again(r, node);
    }
    return err == COVEY_OK ? err : covey__report_refuse(r, err, "%s", r->lab.why);
}

/* Requests [first, end): in the first half of them a node dies, at a moment of a usual request. */
static covey_err one_kill(struct covey__report *r, size_t first, size_t end, uint64_t begin_ns)
{
    struct covey__report_phase *p = &r->phase[COVEY__REPORT_KILLS];
    size_t len = end - first;
    size_t strike_at = first + random_below(r, len / 2);
    size_t back_at = strike_at + 1 + random_below(r, len / 4);
    double share = 0.05 + 0.9 * (double)random_below(r, 1000) / 1000;
    struct strike strike = {.victim = random_node(r), .after_ms = share * r->steady_ms};
    for (size_t i = first; i < end && !p->out_of_time; i++) {
        uint64_t since_ms = covey__lab_now_ms();
        bool try_now = i >= strike_at && !strike.done;
        covey_err err = ask(r, COVEY__REPORT_KILLS, begin_ns, try_now ? &strike : NULL);
        if (try_now && strike.done && r->kills < COVEY__REPORT_KILLS_MAX) {
            double at_ms = p->count > 0 ? p->answer[p->count - 1].at_ms + strike.after_ms : 0;
            r->kill[r->kills++] = (struct covey__report_kill){
                .at_ms = at_ms, .node = strike.victim, .request = p->asked - 1};
        }
        if (err == COVEY_OK && i >= back_at) {
            err = bring_back(r, strike.victim);
        }
        if (err != COVEY_OK) {
            return err;
        }
        spend(r, p, since_ms);
    }
    return bring_back(r, strike.victim);
}

/* Before a loss the mesh has come over the one before. */
static covey_err run_kills(struct covey__report *r)
{
    size_t requests = r->options.requests, kills = r->options.kills;
    covey_err err = warm(r, COVEY__REPORT_PARITY1);
    if (err == COVEY_OK) {
        err = try_some(r, STEADY, &r->steady_ms);
    }
    uint64_t begin_ns = covey__now_ns();
    for (size_t i = 0; err == COVEY_OK && i < kills; i++) {
        uint64_t since_ns = covey__now_ns();
        err = calm(r);
        begin_ns += covey__now_ns() - since_ns; /* the stream's own time goes on */
        if (err == COVEY_OK) {
            err = one_kill(r, i * requests / kills, (i + 1) * requests / kills, begin_ns);
        }
    }
    return err == COVEY_OK ? calm(r) : err;
}

/* ---- a device is slow ---- */

static covey_err set_slow(struct covey__report *r, uint32_t ms)
{
    r->lab.node[r->straggler].slow_ms = ms;
    covey_err err = covey__lab_tell(&r->lab, r->straggler);
    if (err == COVEY_OK) {
        err = covey__lab_save(&r->lab); /* should this process be killed, 'lab list' tells */
    }
    return err == COVEY_OK ? err : covey__report_refuse(r, err, "%s", r->lab.why);
}

static covey_err run_slow(struct covey__report *r)
{
    r->straggler = random_node(r);
    r->slow_before = r->lab.node[r->straggler].slow_ms;
    covey_err err = calm(r);
    if (err == COVEY_OK) {
        r->slowed = true;
        err = set_slow(r, r->options.slow_ms);
    }
    if (err == COVEY_OK) {
        err = take_turns(r, COVEY__REPORT_SLOW_PARITY1, COVEY__REPORT_SLOW_PARITY0);
    }
    if (err == COVEY_OK) {
        err = set_slow(r, r->slow_before);
        r->slowed = err != COVEY_OK;
    }
    return err;
}

void covey__report_put_back(struct covey__report *r)
{
    char why[sizeof(r->why)];
    memcpy(why, r->why, sizeof(why));
    for (unsigned i = 0; i < r->lab.count; i++) {
        covey_err err = bring_back(r, i);
        if (err != COVEY_OK) {
            fprintf(stderr, "%s is not back: %s\n", r->lab.node[i].name, r->why);
        }
    }
    covey_err err = r->slowed ? set_slow(r, r->slow_before) : COVEY_OK;
    r->slowed = false;
    if (err != COVEY_OK) {
        fprintf(stderr, "%s is still slow: %s\n", r->lab.node[r->straggler].name, r->why);
    }
    memcpy(r->why, why, sizeof(why));
}

/* ---- all ---- */

static covey_err summarize(struct covey__report *r, enum covey__report_phase_id id)
{
    struct covey__report_phase *p = &r->phase[id];
    double *ms = calloc(p->count + 1, sizeof(*ms));
    if (ms == NULL) {
        return covey__report_refuse(r, COVEY_ERR_NOMEM, "out of memory");
    }
    double sum = 0;
    for (size_t i = 0; i < p->count; i++) {
        ms[i] = p->answer[i].ms;
        sum += ms[i];
    }
    p->mean_ms = p->count > 0 ? sum / (double)p->count : 0;
    p->min_ms = covey__percentile(ms, p->count, 0);
    p->p50_ms = covey__percentile(ms, p->count, 0.5);
    p->p95_ms = covey__percentile(ms, p->count, 0.95);
    p->p99_ms = covey__percentile(ms, p->count, 0.99);
    p->max_ms = covey__percentile(ms, p->count, 1);
    free(ms);
    fprintf(stderr, "%s: %zu answers, %zu lost, median %.2f ms, 99 %% within %.2f ms\n",
            covey__report_about[id].title, p->count, p->lost, p->p50_ms, p->p99_ms);
    return COVEY_OK;
}

static covey_err summarize_all(struct covey__report *r, enum covey__report_phase_id first,
                               enum covey__report_phase_id last)
{
    covey_err err = COVEY_OK;
    for (unsigned id = first; err == COVEY_OK && id <= last; id++) {
        err = summarize(r, (enum covey__report_phase_id)id);
    }
    return err;
}

static covey_err collect_hits(struct covey__report *r)
{
    const struct covey__report_phase *p = &r->phase[COVEY__REPORT_KILLS];
    r->hit_ms = calloc(p->count + 1, sizeof(*r->hit_ms));
    if (r->hit_ms == NULL) {
        return covey__report_refuse(r, COVEY_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < p->count; i++) {
        if (p->answer[i].hit) {
            r->hit_ms[r->hits++] = p->answer[i].ms;
        }
    }
    (void)covey__percentile(r->hit_ms, r->hits, 0); /* sorts */
    return COVEY_OK;
}

static void read_plan(const struct covey_control_plan *plan, struct covey__report_plan *out)
{
    *out = (struct covey__report_plan){.parity = plan->parity,
                                       .devices = plan->devices > 0 ? plan->devices : 1,
                                       .tiles = plan->runs,
                                       .predicted_ms = plan->predicted_us / 1000.0,
                                       .alone_ms = plan->local_us / 1000.0};
    for (size_t i = 0; i < plan->layer_count; i++) {
        out->coded += plan->layer[i].slots > 0;
        out->local += plan->layer[i].mode == COVEY_CONTROL_LOCAL;
    }
    for (unsigned i = 0; i < plan->devices; i++) {
        const struct covey_control_plan_device *d = &plan->device[i];
        out->weights_bytes =
            d->weights_bytes > out->weights_bytes ? d->weights_bytes : out->weights_bytes;
        out->received_bytes =
            d->received_bytes > out->received_bytes ? d->received_bytes : out->received_bytes;
    }
}

static covey_err ask_plan(struct covey__report *r, enum covey__report_phase_id id)
{
    struct covey__control *c = &r->target.control;
    ask_for(r, id);
    c->request->infer = r->target.infer;
    covey_err err = covey__control_call(c, COVEY_CONTROL_PLAN, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_PLAN_REPLY, PLAN_MS);
    if (err != COVEY_OK) {
        return covey__report_refuse(r, err, "%s", c->why);
    }
    read_plan(&c->reply->plan, &r->plan[id]);
    return COVEY_OK;
}

/* The answers of the device alone, as far as time allows; the first ones from then on. */
static covey_err refer(struct covey__report *r)
{
    uint64_t end_ms = covey__lab_now_ms() + (uint64_t)r->options.timeout_s * 1000;
    struct covey__report_phase unused = {.wrong = 0};
    covey_err err = warm(r, COVEY__REPORT_ALONE);
    for (size_t i = 0; err == COVEY_OK && i < r->inputs && covey__lab_now_ms() < end_ms; i++) {
        struct covey__answer answer;
        err = exchange(r, r->input + i * r->target.input_floats, NULL, &answer);
        if (err != COVEY_OK) {
            return refuse_exchange(r, err);
        }
        check(r, &unused, i, answer.output);
    }
    return err;
}

static covey_err run_steady(struct covey__report *r)
{
    covey_err err = COVEY_OK;
    for (unsigned id = COVEY__REPORT_ALONE; err == COVEY_OK && id <= COVEY__REPORT_PARITY2; id++) {
        err = warm(r, (enum covey__report_phase_id)id);
        if (err == COVEY_OK) {
            err = ask_plan(r, (enum covey__report_phase_id)id);
        }
    }
    if (err == COVEY_OK) {
        err = take_turns(r, COVEY__REPORT_ALONE, COVEY__REPORT_PARITY2);
    }
    return err == COVEY_OK ? summarize_all(r, COVEY__REPORT_ALONE, COVEY__REPORT_PARITY2) : err;
}

covey_err covey__report_measure(struct covey__report *r)
{
    for (unsigned id = 0; id < COVEY__REPORT_PHASES; id++) {
        r->phase[id].answer = calloc(r->options.requests, sizeof(struct covey__report_answer));
        if (r->phase[id].answer == NULL) {
            return covey__report_refuse(r, COVEY_ERR_NOMEM, "out of memory");
        }
    }
    covey_err err = settle(r);
    if (err == COVEY_OK) {
        err = covey__report_devices(r);
    }
    if (err == COVEY_OK) {
        err = refer(r);
    }
    if (err == COVEY_OK) {
        err = run_kills(r);
    }
    if (err == COVEY_OK) {
        err = collect_hits(r);
    }
    if (err == COVEY_OK) {
        err = summarize(r, COVEY__REPORT_KILLS);
    }
    if (err == COVEY_OK) {
        err = run_steady(r);
    }
    if (err == COVEY_OK) {
        err = run_slow(r);
    }
    return err == COVEY_OK
               ? summarize_all(r, COVEY__REPORT_SLOW_PARITY1, COVEY__REPORT_SLOW_PARITY0)
               : err;
}
