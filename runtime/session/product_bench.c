/* SPDX-License-Identifier: MIT */
#include "product_bench.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/field.h"
#include "covey/large.h"
#include "rounds_private.h"

enum { BENCHES_MAX = 4, THREAD_NICE = 2 };

struct bench {
    struct covey_product_benches *all;
    struct covey_product_bench_config config;
    struct covey_rounds *rounds;
    struct covey_fence fence;
    pthread_t thread;
    bool forgotten;
    /* the thread's, until it is joined */
    float *a, *b, *c, *reference;
    void *scratch;
    float *ms; /* [rounds] */
    struct covey_product_bench_result result;
    covey_err err;
};

struct covey_product_benches {
    struct covey_services *services;
    struct bench *bench[BENCHES_MAX];
};

/* ---- on the bench's thread ---- */

static void fill(uint64_t *seed, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (float)(*seed >> 33) * 0x1p-30f - 1.0f;
    }
}

static covey_err make(struct bench *b)
{
    const struct covey_train_product *p = &b->config.bench.product;
    uint32_t rows = covey_train_product_rows(p);
    size_t floats[] = {covey_train_product_a_floats(p), covey_train_product_b_floats(p),
                       covey_train_product_c_floats(p), covey_train_product_c_floats(p)};
    float **const at[] = {&b->a, &b->b, &b->c, &b->reference};
    uint64_t seed = b->config.bench.seed;
    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        *at[i] = covey_large_new(floats[i] * sizeof(float));
        if (*at[i] == NULL) {
            return COVEY_ERR_NOMEM;
        }
    }
    uint64_t scratch = covey_train_product_scratch(p, rows, COVEY_FIELD_PRIMES, 1);
    b->scratch = covey_large_new(scratch + 1);
    b->ms = calloc(b->config.bench.rounds, sizeof(*b->ms));
    if (b->scratch == NULL || b->ms == NULL) {
        return COVEY_ERR_NOMEM;
    }
    fill(&seed, b->a, floats[0]);
    fill(&seed, b->b, floats[1]);
    return COVEY_OK;
}

/* What this device computes alone: of the same integers, if it is an exact kind. */
static covey_err refer(struct bench *b)
{
    const struct covey_product_bench *bench = &b->config.bench;
    struct covey_product_call call = {
        .product = bench->product, .a = b->a, .b = b->b, .c = b->reference};
    bool exact = bench->kind == COVEY_CODE_FIELD || bench->kind == COVEY_CODE_PRIVATE ||
                 bench->kind == COVEY_CODE_PRIVATE_INPUTS;
    const struct covey_train_product_run run = {.product = &bench->product,
                                                .rows = covey_train_product_rows(&bench->product),
                                                .prime = COVEY_FIELD_PRIMES,
                                                .a = b->a,
                                                .b = b->b,
                                                .c = b->reference,
                                                .scratch = b->scratch};
    covey_train_product_compute(&run); /* the first one warms up */
    uint64_t start = covey_clock_ns();
    covey_pace_enter();
    covey_train_product_compute(&run);
    covey_pace_leave();
    b->result.local_ms = (double)(covey_clock_ns() - start) / 1e6;
    return exact ? covey__rounds_here(b->rounds, &call) : COVEY_OK;
}

/* Until there are as many workers as it should begin with. */
static covey_err await_workers(struct bench *b)
{
    struct covey_rounds_report now;
    struct covey__round_news news;
    covey_err err = COVEY_OK;
    covey__rounds_report(b->rounds, &now);
    while (err == COVEY_OK && now.workers < b->config.bench.await) {
        err = covey__rounds_wait(b->rounds, &news);
        if (err == COVEY_OK) {
            covey_body_unref(news.body);
        }
        covey__rounds_report(b->rounds, &now);
    }
    return err;
}

static void compare(struct bench *b)
{
    size_t count = covey_train_product_c_floats(&b->config.bench.product);
    double off = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        double want = (double)b->reference[i], d = (double)b->c[i] - want;
        off += d * d;
        all += want * want;
    }
    double error = all > 0 ? sqrt(off / all) : sqrt(off);
    b->result.error = error > b->result.error || isnan(error) ? error : b->result.error;
    b->result.exact = b->result.exact && memcmp(b->c, b->reference, count * sizeof(float)) == 0;
}

static covey_err run_round(struct bench *b, uint32_t round)
{
    const struct covey_product_bench *bench = &b->config.bench;
    struct covey_product_call call = {.product = bench->product, .a = b->a, .b = b->b, .c = b->c};
    uint64_t start = covey_clock_ns();
    covey_err err = covey__rounds_products(b->rounds, &call, 1);
    if (err == COVEY_OK && !call.done) {
        covey_pace_enter();
        covey_train_product_compute(
            &(struct covey_train_product_run){.product = &bench->product,
                                              .rows = covey_train_product_rows(&bench->product),
                                              .prime = COVEY_FIELD_PRIMES,
                                              .a = b->a,
                                              .b = b->b,
                                              .c = b->c,
                                              .scratch = b->scratch});
        covey_pace_leave();
        b->result.here++;
    }
    b->ms[round] = (float)((double)(covey_clock_ns() - start) / 1e6);
    return err;
}

static void bench_done(void *user);

static void *bench_thread(void *user)
{
    struct bench *b = user;
    int ignored = setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), THREAD_NICE);
    (void)ignored;
    b->result.exact = true;
    b->err = make(b);
    if (b->err == COVEY_OK) {
        b->err = refer(b);
    }
    if (b->err == COVEY_OK) {
        b->err = await_workers(b);
    }
    for (uint32_t i = 0; i < b->config.bench.rounds && b->err == COVEY_OK; i++) {
        b->err = run_round(b, i);
        b->result.rounds += b->err == COVEY_OK;
        compare(b);
    }
    /* Out of memory: it is joined when the daemon closes. */
    covey_err ignored_err = covey_loop_post(b->all->services->loop, bench_done, b);
    (void)ignored_err;
    return NULL;
}

/* ---- on the loop ---- */

static void bench_free(struct bench *b)
{
    free(b->a);
    free(b->b);
    free(b->c);
    free(b->reference);
    free(b->scratch);
    free(b->ms);
}

static void drop(struct covey_product_benches *all, const struct bench *b)
{
    for (unsigned i = 0; i < BENCHES_MAX; i++) {
        all->bench[i] = all->bench[i] == b ? NULL : all->bench[i];
    }
}

static void take_counters(struct bench *b)
{
    struct covey_rounds_report report;
    struct covey_product_bench_result *r = &b->result;
    covey__rounds_report(b->rounds, &report);
    r->workers = report.workers;
    r->lost = report.lost;
    r->tasks = report.tasks;
    r->answers = report.answers;
    r->late = report.late;
    r->reissued = report.reissued;
    r->refused = report.refused;
    r->rough = report.rough;
    r->encode_ns = report.encode_ns;
    r->decode_ns = report.decode_ns;
    r->check_ns = report.check_ns;
    r->liars = report.liars;
    memcpy(r->liar, report.liar, sizeof(r->liar));
    r->ms = (const uint8_t *)b->ms;
}

static void bench_done(void *user)
{
    struct bench *b = user;
    pthread_join(b->thread, NULL);
    take_counters(b);
    drop(b->all, b);
    covey__rounds_free(b->rounds);
    if (!b->forgotten) {
        b->config.done(b->config.user, b->config.tag, b->err,
                       b->err == COVEY_OK ? &b->result : NULL);
    }
    bench_free(b);
    free(b);
}

covey_err covey__product_benches_new(struct covey_services *services,
                                     struct covey_product_benches **out)
{
    struct covey_product_benches *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return COVEY_ERR_NOMEM;
    }
    b->services = services;
    *out = b;
    return COVEY_OK;
}

static covey_err open_rounds(struct bench *b)
{
    const struct covey_product_bench *bench = &b->config.bench;
    const struct covey_enlist_spec enlist = {.mode = COVEY_TRAIN_PRODUCTS};
    uint8_t spec[COVEY_ENLIST_SPEC_BYTES];
    covey__enlist_spec_encode(&enlist, spec);
    covey_random(b->fence.session.bytes, sizeof(b->fence.session.bytes));
    b->fence.epoch = 1;
    const struct covey_rounds_config config = {.services = b->all->services,
                                               .fence = b->fence,
                                               .strategy = {.kind = bench->kind,
                                                            .blocks = bench->blocks,
                                                            .tasks = bench->tasks,
                                                            .masks = bench->masks,
                                                            .all = !bench->model,
                                                            .check_all = bench->check_all,
                                                            .any_trust = bench->any_trust,
                                                            .own_work = bench->own_work,
                                                            .devices = bench->devices},
                                               .mode = COVEY_TRAINING_PRODUCTS,
                                               .enlist = covey_bytes_of(spec, sizeof(spec)),
                                               .seed = bench->seed};
    return covey__rounds_new(&config, &b->rounds);
}

covey_err covey__product_benches_start(struct covey_product_benches *all,
                                       const struct covey_product_bench_config *config)
{
    unsigned i = 0;
    while (i < BENCHES_MAX && all->bench[i] != NULL) {
        i++;
    }
    if (i == BENCHES_MAX) {
        return COVEY_ERR_BUSY;
    }
    struct bench *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return COVEY_ERR_NOMEM;
    }
    b->all = all;
    b->config = *config;
    all->bench[i] = b; /* workers may come before its rounds are all made */
    covey_err err = open_rounds(b);
    if (err == COVEY_OK && pthread_create(&b->thread, NULL, bench_thread, b) != 0) {
        covey__rounds_free(b->rounds);
        err = COVEY_ERR_NOMEM;
    }
    if (err != COVEY_OK) {
        all->bench[i] = NULL;
        free(b);
    }
    return err;
}

void covey__product_benches_forget(struct covey_product_benches *all, const void *user)
{
    for (unsigned i = 0; i < BENCHES_MAX && all != NULL; i++) {
        struct bench *b = all->bench[i];
        if (b != NULL && b->config.user == user) {
            b->forgotten = true;
            covey__rounds_stop(b->rounds);
        }
    }
}

bool covey__product_benches_action(struct covey_product_benches *all,
                                   const struct covey_action *action)
{
    for (unsigned i = 0; i < BENCHES_MAX; i++) {
        struct bench *b = all->bench[i];
        if (b != NULL && b->rounds != NULL &&
            covey_session_id_equal(&b->fence.session, &action->fence.session)) {
            covey__rounds_action(b->rounds, action);
            return true;
        }
    }
    return false;
}

void covey__product_benches_free(struct covey_product_benches *all)
{
    for (unsigned i = 0; i < BENCHES_MAX && all != NULL; i++) {
        struct bench *b = all->bench[i];
        if (b == NULL) {
            continue;
        }
        covey__rounds_stop(b->rounds);
        pthread_join(b->thread, NULL);
        covey__rounds_free(b->rounds);
        covey_loop_unpost(all->services->loop, b);
        bench_free(b);
        free(b);
    }
    free(all);
}
