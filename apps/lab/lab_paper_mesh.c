/* SPDX-License-Identifier: MIT
 *
 * lab_paper_mesh.c - the rounds of a paper over the nodes of a lab: node 1 is the owner, the others
 * work.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "covey/product_bench.h"
#include "lab_paper.h"

/* Milliseconds: until a setting's rounds are there. */
enum { BENCH_MS = 3600 * 1000, NODE_DIR = 128 };

/* Rounds of one product, with one law's draws. */
struct bout {
    const struct covey_train_product *product;
    enum covey_code_kind kind;
    uint32_t rounds, seed;
};

static covey_err start_lab(struct covey__paper *p)
{
    struct covey__lab_config config = {.devices = p->options.workers + 1,
                                       .mode = p->mode,
                                       .wait_ms = 4 * COVEY_LAB_WAIT_MS,
                                       .die_with_parent = true};
    snprintf(p->lab_dir, sizeof(p->lab_dir), "/tmp/covey-paper-XXXXXX");
    if (mkdtemp(p->lab_dir) == NULL) {
        p->lab_dir[0] = 0;
        return covey__paper_refuse(p, COVEY_ERR_IO, "no directory can be made in /tmp");
    }
    config.dir = p->lab_dir;
    fprintf(stderr, "starting %u nodes\n", config.devices);
    covey_err err = covey__lab_up(&p->lab, &config);
    p->own_lab = err == COVEY_OK;
    return err == COVEY_OK ? err : covey__paper_refuse(p, err, "%s", p->lab.why);
}

static void leave_lab(struct covey__paper *p)
{
    if (p->own_lab) {
        covey__lab_down(&p->lab);
    }
    if (p->lab_dir[0] != 0) {
        int ignored = rmdir(p->lab_dir); /* where the lab was never made */
        (void)ignored;
    }
}

static covey_err tell_workers(struct covey__paper *p, const struct covey_latency *law)
{
    for (uint32_t w = 1; w <= p->options.workers; w++) {
        p->lab.node[w].latency = *law;
        p->lab.node[w].latency.device = w;
        covey_err err = covey__lab_tell(&p->lab, w);
        if (err != COVEY_OK) {
            return covey__paper_refuse(p, err, "%s", p->lab.why);
        }
    }
    return COVEY_OK;
}

/* Rounds of one strategy; out borrows from c. */
static covey_err run_bout(struct covey__paper *p, struct covey__control *c, const struct bout *b,
                          struct covey_product_bench_result *out)
{
    uint8_t bytes[COVEY_PRODUCT_BENCH_BYTES];
    const struct covey__paper_options *o = &p->options;
    const struct covey_product_bench bench = {.product = *b->product,
                                              .kind = b->kind,
                                              .blocks = o->blocks,
                                              .tasks = b->kind == COVEY_CODE_UNCODED ? o->blocks
                                                                                     : o->tasks,
                                              .rounds = b->rounds,
                                              .seed = b->seed,
                                              .devices = (uint8_t)o->workers,
                                              .await = (uint8_t)o->workers,
                                              .any_trust = true};
    covey_product_bench_encode(&bench, bytes);
    covey_err err =
        covey__control_call(c, COVEY_CONTROL_PRODUCT, covey_bytes_of(bytes, sizeof(bytes)),
                            COVEY_CONTROL_PRODUCT_REPLY, BENCH_MS);
    if (err == COVEY_OK) {
        err = covey_product_bench_result_decode(covey_bytes_of(c->body, c->body_len), out);
    }
    if (err == COVEY_OK && (out->rounds != b->rounds || out->here > 0)) {
        return covey__paper_refuse(p, COVEY_ERR_STATE, "%u of %u rounds of %s were not spread",
                                   out->here + b->rounds - out->rounds, b->rounds,
                                   covey__paper_strategy(b->kind));
    }
    return err == COVEY_OK
               ? err
               : covey__paper_refuse(p, err, "%s: %.200s", covey__paper_strategy(b->kind), c->why);
}

static void add_counts(struct covey__paper_result *r, const struct covey_product_bench_result *got)
{
    r->rounds += got->rounds;
    r->answers += (double)got->answers;
    r->tasks += (double)got->tasks;
    r->error = fmax(r->error, isnan(got->error) ? HUGE_VAL : got->error);
}

static double ms_at(const struct covey_product_bench_result *got, uint32_t i)
{
    float ms = 0;
    memcpy(&ms, got->ms + i * sizeof(ms), sizeof(ms)); /* this machine's: little-endian */
    return (double)ms;
}

/* Schemes A and B: all strategies take turns of some rounds with the same draws. */
static covey_err measure_product(struct covey__paper *p, struct covey__control *c,
                                 struct covey__paper_setting *s)
{
    struct covey_train_product product = covey__paper_product(s->rows);
    covey_err err = COVEY_OK;
    for (uint32_t done = 0; done < p->options.rounds && err == COVEY_OK;
         done += COVEY__PAPER_CHUNK) {
        uint32_t left = p->options.rounds - done;
        struct covey_latency law = covey__paper_law(s, done / COVEY__PAPER_CHUNK);
        struct bout b = {&product, COVEY_CODE_UNCODED,
                         left < COVEY__PAPER_CHUNK ? left : COVEY__PAPER_CHUNK,
                         p->options.seed + done};
        err = tell_workers(p, &law);
        for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES && err == COVEY_OK; kind++) {
            struct covey_product_bench_result got;
            struct covey__paper_result *r = &s->result[kind];
            b.kind = kind;
            err = run_bout(p, c, &b, &got);
            for (uint32_t i = 0; err == COVEY_OK && i < got.rounds; i++) {
                double ms = ms_at(&got, i);
                r->mean_ms += ms;
                r->deviation_ms += ms * ms;
            }
            if (err == COVEY_OK) {
                add_counts(r, &got);
            }
        }
        if (err == COVEY_OK && covey__lab_signals_pending()) {
            err = covey__paper_refuse(p, COVEY_ERR_CLOSED, "interrupted");
        }
    }
    return err;
}

/* A step is the sum of its products' rounds; each product's are measured for all steps at once. */
static covey_err measure_step(struct covey__paper *p, struct covey__control *c,
                              struct covey__paper_setting *s, double *step_ms)
{
    uint32_t steps = p->options.steps;
    covey_err err = COVEY_OK;
    memset(step_ms, 0, COVEY__PAPER_STRATEGIES * steps * sizeof(*step_ms));
    for (unsigned j = 0; j < p->products && err == COVEY_OK; j++) {
        struct covey_latency law = covey__paper_law(s, j);
        struct bout b = {&p->product[j], COVEY_CODE_UNCODED, steps, p->options.seed + j};
        err = tell_workers(p, &law);
        for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES && err == COVEY_OK; kind++) {
            struct covey_product_bench_result got;
            b.kind = kind;
            err = run_bout(p, c, &b, &got);
            for (uint32_t i = 0; err == COVEY_OK && i < steps; i++) {
                step_ms[kind * steps + i] += ms_at(&got, i);
            }
            if (err == COVEY_OK) {
                add_counts(&s->result[kind], &got);
            }
        }
        if (err == COVEY_OK && covey__lab_signals_pending()) {
            err = covey__paper_refuse(p, COVEY_ERR_CLOSED, "interrupted");
        }
    }
    for (unsigned i = 0; i < COVEY__PAPER_STRATEGIES * steps; i++) {
        struct covey__paper_result *r = &s->result[i / steps];
        r->mean_ms += step_ms[i];
        r->deviation_ms += step_ms[i] * step_ms[i];
    }
    return err;
}

static covey_err measure_setting(struct covey__paper *p, struct covey__control *c,
                                 struct covey__paper_setting *s)
{
    bool vgg = s->scheme == COVEY__PAPER_VGG;
    covey_err err = COVEY_OK;
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        s->result[kind] =
            (struct covey__paper_result){.simulated_ms = s->result[kind].simulated_ms};
    }
    if (vgg) {
        double *step_ms = calloc(COVEY__PAPER_STRATEGIES * p->options.steps, sizeof(*step_ms));
        err = step_ms != NULL ? measure_step(p, c, s, step_ms)
                              : covey__paper_refuse(p, COVEY_ERR_NOMEM, "out of memory");
        free(step_ms);
    } else {
        err = measure_product(p, c, s);
    }
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES && err == COVEY_OK; kind++) {
        covey__paper_settle(&s->result[kind], vgg ? p->options.steps : p->options.rounds);
    }
    return err;
}

static covey_err measure_all(struct covey__paper *p)
{
    char state[NODE_DIR];
    struct covey__control c = {0};
    covey__lab_node_dir(&p->lab, 0, state, sizeof(state));
    covey_err err = covey__control_open(&c, state);
    if (err != COVEY_OK) {
        err = covey__paper_refuse(p, err, "%.200s", c.why);
    }
    for (unsigned i = 0; i < p->count && err == COVEY_OK; i++) {
        struct covey__paper_setting *s = &p->setting[i];
        fprintf(stderr, "%u of %u: %s, %s latencies, %s\n", i + 1, p->count,
                covey__paper_scheme_name(s->scheme), covey__paper_family_name(s->family), s->label);
        err = measure_setting(p, &c, s);
    }
    covey__control_close(&c);
    return err;
}

/* What the sleeps alone will take, by the simulation. */
static void say_how_long(const struct covey__paper *p)
{
    double ms = 0;
    for (unsigned i = 0; i < p->count * COVEY__PAPER_STRATEGIES; i++) {
        const struct covey__paper_setting *s = &p->setting[i / COVEY__PAPER_STRATEGIES];
        ms += s->result[i % COVEY__PAPER_STRATEGIES].simulated_ms *
              (s->scheme == COVEY__PAPER_VGG ? p->options.steps : p->options.rounds);
    }
    fprintf(stderr, "the workers' sleeps alone will take %.0f minutes\n", ceil(ms / 60000));
}

covey_err covey__paper_measure(struct covey__paper *p)
{
    say_how_long(p);
    covey_err err = start_lab(p);
    if (err == COVEY_OK) {
        err = measure_all(p);
    }
    leave_lab(p);
    return err;
}
