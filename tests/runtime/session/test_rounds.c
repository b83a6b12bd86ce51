/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "covey/field.h"
#include "rounds_mesh.h"
#include "rounds_numbers.h"

/* A mesh of some workers in place of the node: it answers tasks in an order, some of them wrongly,
 * some not at all. The rounds' own thread computes beside the loop, as in a session. */
enum { WORKERS = 5, CALLS_MAX = 2 };

struct mesh {
    struct covey_services services;
    struct rounds_mesh base;
    struct covey_round_spec spec[8];
    struct covey_body *shared[8]; /* by round % 8 */
    bool open[8];
    uint32_t seed;
    uint32_t lost;   /* tasks of each round that nobody answers: the first so many */
    uint32_t awaits; /* tasks of a round that are there before the first is answered */
    bool honest;     /* else worker 0 lies */
    bool untrusted;  /* all of them are */
    bool refuses;    /* worker 0 refuses its tasks */
    uint32_t dies;   /* after so many answers all workers are gone; 0: never */
    uint32_t given, lies, ends, liars_told;
    struct covey_product_call call[CALLS_MAX]; /* the session's thread */
    unsigned calls;
};

static bool find_member(void *user, const struct covey_node_id *id, struct covey_member_info *out)
{
    const struct mesh *m = user;
    *out = (struct covey_member_info){.trust = m->untrusted ? COVEY_TRUST_NONE : COVEY_TRUST_FULL,
                                      .rates = {.mflops = 1000, .link_mbytes = 100}};
    out->self = id == NULL;
    return true;
}

static void set_workers(struct mesh *m, covey_err err)
{
    for (uint8_t i = 0; i < WORKERS; i++) {
        rounds_mesh_worker(&m->base, i + 1, err, err == COVEY_OK ? i + 1u : WORKERS - 1u - i);
    }
}

static struct covey_body *compute(const struct mesh *m, const struct held *h)
{
    const struct covey_round_spec *s = &m->spec[h->round % 8];
    uint32_t all = covey_train_product_rows(&s->product), rows = h->spec.rows;
    size_t e = covey_train_product_a_floats(&s->product) / all * rows;
    size_t c = covey_train_product_c_floats(&s->product) / all * rows;
    struct covey_body *out = NULL;
    void *scratch = aligned_alloc(
        64, (covey_train_product_scratch(&s->product, rows, s->prime, 1) + 127) / 64 * 64);
    assert_int_equal(covey_body_new(c * sizeof(float), &out), COVEY_OK);
    const float *a = (const float *)(const void *)h->body->data;
    const float *b = s->own_b ? a + e : (const float *)(const void *)m->shared[h->round % 8]->data;
    covey_train_product_compute(&(struct covey_train_product_run){.product = &s->product,
                                                                  .rows = rows,
                                                                  .prime = s->prime,
                                                                  .a = a,
                                                                  .b = b,
                                                                  .c = (float *)(void *)out->data,
                                                                  .scratch = scratch});
    free(scratch);
    return out;
}

static void answer_one(struct mesh *m, struct held *h)
{
    bool first = h->task % WORKERS == 0;
    h->answered = true;
    h->worker = (uint8_t)(h->task % WORKERS + 1);
    if (m->refuses && first) {
        rounds_mesh_result(&m->base, h, NULL);
        return;
    }
    struct covey_body *out = compute(m, h);
    if (first && !m->honest) {
        ((float *)(void *)out->data)[0] += 1;
    }
    if (first && m->liars_told > 0) {
        h->worker = 2;
    }
    m->given++;
    rounds_mesh_result(&m->base, h, out);
}

static uint32_t tasks_of(const struct mesh *m, uint64_t round)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->base.count; i++) {
        count += m->base.held[i].round == round;
    }
    return count;
}

/* All that is there was answered: a rateless code makes more. */
static void hunger(struct mesh *m)
{
    for (uint32_t i = 0; i < m->base.count; i++) {
        uint64_t round = m->base.held[i].round;
        if (m->open[round % 8] && tasks_of(m, round) < 16) {
            const struct covey_action action = {.type = COVEY_ACTION_ROUND_HUNGRY,
                                                .fence = m->base.fence,
                                                .request = round,
                                                .index = 2};
            covey__rounds_action(m->base.rounds, &action);
            return;
        }
    }
}

/* One of those that may be answered, at random. */
static void answer(void *user)
{
    struct mesh *m = user;
    m->base.due = false;
    if (m->dies > 0 && m->given >= m->dies) {
        return; /* the session's thread may not know yet, and share out more */
    }
    m->seed = m->seed * 1664525u + 1013904223u;
    for (uint32_t i = 0; i < m->base.count; i++) {
        struct held *h = &m->base.held[(i + (m->seed >> 16)) % m->base.count];
        if (h->answered || !m->open[h->round % 8] || h->task < m->lost ||
            tasks_of(m, h->round) < m->awaits) {
            continue;
        }
        answer_one(m, h);
        if (m->dies > 0 && m->given == m->dies) {
            set_workers(m, COVEY_ERR_CLOSED);
            return;
        }
        rounds_mesh_due(&m->base);
        return;
    }
    hunger(m);
}

static void feed(void *user, const struct covey_event *event)
{
    struct mesh *m = user;
    switch ((int)event->type) {
    case COVEY_EVENT_ROUND_BEGIN:
        assert_int_equal(covey__round_spec_decode(event->bytes, &m->spec[event->request % 8]),
                         COVEY_OK);
        covey_body_unref(m->shared[event->request % 8]);
        m->shared[event->request % 8] = covey__handles_take(&m->services.handles, event->body);
        m->open[event->request % 8] = true;
        break;
    case COVEY_EVENT_ROUND_TASK:
        rounds_mesh_hold(&m->base, event);
        break;
    case COVEY_EVENT_ROUND_LIED:
        assert_true(covey_node_id_equal(&event->peer, &(struct covey_node_id){.bytes = {1}}));
        m->lies++;
        m->honest = true; /* another one does its tasks again */
        for (uint32_t i = 0; i < m->base.count; i++) {
            struct held *h = &m->base.held[i];
            h->answered = h->answered && (h->round != event->request || h->task % WORKERS != 0);
        }
        break;
    case COVEY_EVENT_ROUND_END:
        m->open[event->request % 8] = false;
        m->ends++;
        break;
    default:
        break;
    }
    rounds_mesh_due(&m->base);
}

static void nothing(void *user, const struct covey_node_id *device, const char *what)
{
    struct mesh *m = user;
    (void)device;
    (void)what;
    m->liars_told++;
}

static covey_err session(void *user)
{
    struct mesh *m = user;
    return covey__rounds_products(m->base.rounds, m->call, m->calls);
}

static void open_mesh(struct mesh *m, const struct covey_strategy *strategy)
{
    const struct rounds_mesh_calls calls = {feed, find_member, nothing};
    const struct covey_enlist_spec enlist = {.mode = COVEY_TRAIN_PRODUCTS};
    m->base.services = &m->services;
    m->base.user = m;
    m->base.answer = answer;
    m->base.session = session;
    m->services.memory.limit_bytes = UINT64_MAX;
    assert_int_equal(covey_loop_new(&m->services.loop), COVEY_OK);
    rounds_mesh_open(&m->base, &calls, &enlist,
                     (struct covey_rounds_config){
                         .strategy = *strategy, .mode = COVEY_TRAINING_PRODUCTS, .seed = 5});
    set_workers(m, COVEY_OK);
}

static void close_mesh(struct mesh *m)
{
    rounds_mesh_close(&m->base);
    covey_loop_free(m->services.loop);
    for (size_t i = 0; i < 8; i++) {
        covey_body_unref(m->shared[i]);
    }
}

/* The calls, with the loop beside them. */
static covey_err run(struct mesh *m)
{
    for (unsigned i = 0; i < m->calls; i++) {
        m->call[i].done = false;
    }
    return rounds_mesh_run(&m->base);
}

/* ---- products ---- */

static const struct covey_train_product dense = {.kind = COVEY_TRAIN_PRODUCT_FORWARD,
                                                 .dense = true,
                                                 .batch = 23,
                                                 .in_channels = 17,
                                                 .out_channels = 11,
                                                 .height = 1,
                                                 .width = 1,
                                                 .out_height = 1,
                                                 .out_width = 1,
                                                 .kernel = {1, 1},
                                                 .stride = {1, 1},
                                                 .dilation = {1, 1}};

static struct covey_product_call call_of(const struct numbers *n,
                                         const struct covey_train_product *p)
{
    return (struct covey_product_call){.product = *p, .a = n->a, .b = n->b, .c = n->c};
}

static const struct {
    struct covey_strategy strategy;
    uint32_t lost;
    double error;
} cases[] = {
    {{.kind = COVEY_CODE_UNCODED, .all = true}, 0, 1e-6},
    {{.kind = COVEY_CODE_UNCODED, .blocks = 4, .all = true}, 0, 1e-6},
    {{.kind = COVEY_CODE_REPLICATION, .blocks = 4, .tasks = 8, .all = true}, 4, 1e-6},
    {{.kind = COVEY_CODE_MDS, .blocks = 3, .tasks = 5, .all = true}, 2, 1e-5},
    {{.kind = COVEY_CODE_MDS, .all = true}, 1, 1e-5},
    {{.kind = COVEY_CODE_VANDERMONDE, .blocks = 3, .tasks = 5, .all = true}, 2, 1e-4},
    {{.kind = COVEY_CODE_LT, .blocks = 4, .all = true}, 1, 1e-5},
    {{.kind = COVEY_CODE_FIELD, .blocks = 3, .tasks = 5, .all = true}, 2, 1e-3},
    {{.kind = COVEY_CODE_PRIVATE, .blocks = 1, .tasks = 5, .masks = 1, .all = true}, 2, 1e-3},
    {{.kind = COVEY_CODE_PRIVATE_INPUTS, .blocks = 3, .tasks = 5, .masks = 1, .all = true},
     1,
     1e-3},
};

/* Every strategy gives the product, whatever the order of answers and whichever are lost; what is
 * exact is the same each time; and the second of two rounds reuses what the first was made of. */
static void test_every_strategy_gives_the_product(void **state)
{
    (void)state;
    struct numbers n;
    numbers_make(&n, &dense);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mesh m = {.honest = true, .seed = (uint32_t)i, .lost = cases[i].lost};
        float first[23 * 11];
        bool exact = cases[i].error == 1e-3;
        open_mesh(&m, &cases[i].strategy);
        m.call[0] = call_of(&n, &dense);
        m.calls = 1;
        for (unsigned round = 0; round < 3; round++) {
            memset(n.c, 0xff, sizeof(first));
            assert_int_equal(run(&m), COVEY_OK);
            assert_true(m.call[0].done);
            assert_true(numbers_error(&n, &dense) < cases[i].error);
            assert_true(!exact || round == 0 || memcmp(first, n.c, sizeof(first)) == 0);
            memcpy(first, n.c, sizeof(first));
            rounds_mesh_drop_tasks(&m.base);
        }
        close_mesh(&m);
    }
    numbers_drop(&n);
}

/* What has no room while it is spread stays here: left to the caller, or, of an exact kind, the
 * same numbers; what it takes is given back. */
static void test_no_room(void **state)
{
    (void)state;
    struct numbers n;
    numbers_make(&n, &dense);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mesh m = {.honest = true, .seed = (uint32_t)i, .calls = 1};
        float first[23 * 11];
        bool exact = cases[i].error == 1e-3;
        open_mesh(&m, &cases[i].strategy);
        m.call[0] = call_of(&n, &dense);
        assert_int_equal(run(&m), COVEY_OK);
        assert_true(m.call[0].done && m.ends > 0);
        unsigned ends = m.ends;
        memcpy(first, n.c, sizeof(first));
        assert_int_equal(atomic_load(&m.services.memory.used_bytes), 0);
        m.services.memory.limit_bytes = (23 * 17 + 17 * 11) * sizeof(float);
        memset(n.c, 0xff, sizeof(first));
        assert_int_equal(run(&m), COVEY_OK);
        assert_int_equal(m.call[0].done, exact);
        assert_true(!exact || memcmp(first, n.c, sizeof(first)) == 0);
        assert_int_equal(m.ends, ends);
        assert_int_equal(atomic_load(&m.services.memory.used_bytes), 0);
        close_mesh(&m);
    }
    numbers_drop(&n);
}

/* Two calls are two rounds beside one another: the first answers come when both have begun. */
static void test_two_calls_go_beside_one_another(void **state)
{
    (void)state;
    struct covey_train_product two[CALLS_MAX] = {dense, dense};
    struct numbers n[CALLS_MAX];
    const struct covey_strategy strategy = {
        .kind = COVEY_CODE_MDS, .blocks = 2, .tasks = 3, .all = true};
    struct mesh m = {.honest = true, .calls = CALLS_MAX};
    two[0].kind = COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    two[1].kind = COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
    open_mesh(&m, &strategy);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        numbers_make(&n[i], &two[i]);
        m.call[i] = call_of(&n[i], &two[i]);
    }
    assert_int_equal(run(&m), COVEY_OK);
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        assert_true(m.call[i].done);
        assert_true(numbers_error(&n[i], &two[i]) < 1e-5);
        numbers_drop(&n[i]);
    }
    assert_int_equal(m.ends, 2);
    close_mesh(&m);
}

static void lie(enum covey_code_kind kind, bool untrusted, bool check_all)
{
    struct numbers n;
    const struct covey_strategy strategy = {.kind = kind,
                                            .blocks = 2,
                                            .tasks = kind == COVEY_CODE_UNCODED ? 0 : 5,
                                            .masks = 1,
                                            .all = true,
                                            .check_all = check_all};
    struct mesh m = {.untrusted = untrusted, .calls = 1};
    struct covey_rounds_report report;
    numbers_make(&n, &dense);
    open_mesh(&m, &strategy);
    m.call[0] = call_of(&n, &dense);
    /* Its answer must be among those that count. */
    m.lost = 0;
    for (unsigned round = 0; round < 200 && m.lies == 0; round++) {
        assert_int_equal(run(&m), COVEY_OK);
        rounds_mesh_drop_tasks(&m.base);
        assert_true(m.call[0].done);
        assert_true(numbers_error(&n, &dense) < 1e-3);
    }
    covey__rounds_report(m.base.rounds, &report);
    assert_true(m.lies > 0);
    assert_int_equal(report.liars, 1);
    assert_int_equal(report.liar[0].bytes[0], 1);
    close_mesh(&m);
    numbers_drop(&n);
}

/* Whoever answers wrongly is named in that round, which is right all the same. Devices without
 * trust are always checked, the others where it is asked for. */
static void test_liar_is_named_and_the_product_right(void **state)
{
    (void)state;
    static const enum covey_code_kind kinds[] = {COVEY_CODE_UNCODED, COVEY_CODE_MDS,
                                                 COVEY_CODE_FIELD, COVEY_CODE_PRIVATE,
                                                 COVEY_CODE_PRIVATE_INPUTS};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        lie(kinds[i], true, false);
        lie(kinds[i], false, true);
    }
}

/* When all workers go, the call comes back: to be computed here, or, of an exact kind, computed as
 * the round would have. */
static void test_all_workers_may_go(void **state)
{
    (void)state;
    static const enum covey_code_kind kinds[] = {COVEY_CODE_UNCODED, COVEY_CODE_LT,
                                                 COVEY_CODE_FIELD};
    struct numbers n;
    numbers_make(&n, &dense);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct covey_strategy strategy = {.kind = kinds[i], .blocks = 5, .all = true};
        struct mesh m = {.honest = true, .calls = 1, .dies = 2};
        open_mesh(&m, &strategy);
        m.call[0] = call_of(&n, &dense);
        assert_int_equal(run(&m), COVEY_OK);
        assert_true(m.call[0].done == (kinds[i] == COVEY_CODE_FIELD));
        assert_true(!m.call[0].done || numbers_error(&n, &dense) < 1e-3);
        assert_int_equal(m.ends, kinds[i] == COVEY_CODE_FIELD ? 2 : 1);
        close_mesh(&m);
    }
    numbers_drop(&n);
}

/* Who was asked and never worked is no worker that was lost; nobody waits for it. */
static void test_declined_is_not_lost(void **state)
{
    (void)state;
    const struct covey_strategy strategy = {.kind = COVEY_CODE_UNCODED, .blocks = 5, .all = true};
    struct mesh m = {.honest = true};
    struct covey_rounds_report seen;
    open_mesh(&m, &strategy);
    rounds_mesh_worker(&m.base, WORKERS + 1, COVEY_ERR_CANCELLED, WORKERS);
    covey__rounds_report(m.base.rounds, &seen);
    assert_true(seen.declined == 1 && seen.lost == 0 && seen.workers == WORKERS);
    rounds_mesh_worker(&m.base, 1, COVEY_ERR_CANCELLED, WORKERS - 1);
    covey__rounds_report(m.base.rounds, &seen);
    assert_true(seen.declined == 1 && seen.lost == 1 && seen.workers == WORKERS - 1);
    close_mesh(&m);
}

/* A masked task that was refused may go to nobody who has another one: where too few are left the
 * product is computed here, with the same numbers; where enough are, it is not. */
static void test_masked_tasks_may_be_refused(void **state)
{
    (void)state;
    struct numbers n;
    float first[23 * 11];
    numbers_make(&n, &dense);
    for (unsigned more = 0; more < 2; more++) { /* 5 answers are needed of 5, or 3 */
        const struct covey_strategy strategy = {.kind = COVEY_CODE_PRIVATE,
                                                .blocks = 2 - more,
                                                .tasks = WORKERS,
                                                .masks = 1,
                                                .all = true};
        struct mesh m = {.honest = true, .calls = 1, .refuses = true};
        struct covey_rounds_report report;
        open_mesh(&m, &strategy);
        m.call[0] = call_of(&n, &dense);
        assert_int_equal(run(&m), COVEY_OK);
        assert_true(m.call[0].done);
        assert_true(numbers_error(&n, &dense) < 1e-5);
        covey__rounds_report(m.base.rounds, &report);
        assert_true(report.refused > 0 || more == 1);
        assert_true(more == 0 || memcmp(first, n.c, sizeof(first)) == 0);
        memcpy(first, n.c, sizeof(first));
        close_mesh(&m);
    }
    numbers_drop(&n);
}

static void stop_rounds(void *user)
{
    struct mesh *m = user;
    covey__rounds_stop(m->base.rounds);
}

/* Stopped, whoever is inside comes back at once, and everybody later. */
static void test_stopped_rounds_let_go(void **state)
{
    (void)state;
    struct numbers n;
    const struct covey_strategy strategy = {.kind = COVEY_CODE_UNCODED, .blocks = 2, .all = true};
    struct mesh m = {.honest = true, .calls = 1, .lost = 2};
    numbers_make(&n, &dense);
    open_mesh(&m, &strategy);
    m.call[0] = call_of(&n, &dense);
    assert_int_equal(covey_loop_post(m.services.loop, stop_rounds, &m), COVEY_OK);
    assert_int_equal(run(&m), COVEY_ERR_CLOSED);
    assert_false(m.call[0].done);
    assert_int_equal(run(&m), COVEY_ERR_CLOSED);
    close_mesh(&m);
    numbers_drop(&n);
}

/* The cost model keeps a product here that is smaller than its messages, and one that no device
 * could get in a body; with an exact kind it is computed here, of the same integers. */
static void test_small_products_stay(void **state)
{
    (void)state;
    struct numbers n;
    numbers_make(&n, &dense);
    const struct covey_strategy plain = {.kind = COVEY_CODE_MDS},
                                exact = {.kind = COVEY_CODE_FIELD};
    struct mesh m = {.honest = true, .calls = 1}, e = {.honest = true, .calls = 1};
    open_mesh(&m, &plain);
    m.call[0] = call_of(&n, &dense);
    assert_int_equal(run(&m), COVEY_OK);
    assert_false(m.call[0].done);
    assert_int_equal(m.base.count, 0);
    close_mesh(&m);
    open_mesh(&e, &exact);
    e.call[0] = call_of(&n, &dense);
    assert_int_equal(run(&e), COVEY_OK);
    assert_true(e.call[0].done);
    assert_int_equal(e.base.count, 0);
    assert_true(numbers_error(&n, &dense) < 1e-3);
    close_mesh(&e);
    numbers_drop(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_strategy_gives_the_product),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_two_calls_go_beside_one_another),
        cmocka_unit_test(test_liar_is_named_and_the_product_right),
        cmocka_unit_test(test_all_workers_may_go),
        cmocka_unit_test(test_declined_is_not_lost),
        cmocka_unit_test(test_masked_tasks_may_be_refused),
        cmocka_unit_test(test_stopped_rounds_let_go),
        cmocka_unit_test(test_small_products_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
