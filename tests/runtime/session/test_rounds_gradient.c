/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "gradient_scene.h"
#include "rounds_private.h"
#include "scratch.h"

enum { HELD_MAX = 256, NEVER = 0xffff };

/* What a mesh in place of the node does with a task. */
enum fate { ANSWERED, LOST, CUT_SHORT, REFUSED };

struct held {
    uint64_t round;
    uint32_t task;
    struct covey_task_spec spec;
    struct covey_body *body;
    bool answered;
};

/* Answers the tasks of the round that goes on, one at a time, in an order drawn from the seed. */
struct mesh {
    struct gradient_scene *scene;
    struct covey_rounds *rounds;
    struct covey_round_spec spec;
    struct covey_body *shared;
    uint64_t round;
    struct held held[HELD_MAX];
    uint32_t count;
    uint64_t seed;
    enum fate fate[COVEY_GRADIENT_TASKS_MAX]; /* of each task when it comes for the first time */
    uint32_t dies;                            /* all workers go after so many answers, or NEVER */
    uint32_t given, lies, ends;
    bool due, open, late; /* late: an answer comes when its round is over */
    /* the session's thread */
    struct covey_gradient_round io;
    unsigned rounds_wanted;
    covey_err err;
};

static bool find_member(void *user, const struct covey_node_id *id, struct covey_member_info *out)
{
    (void)user;
    *out = (struct covey_member_info){.trust = COVEY_TRUST_FULL, .self = id == NULL};
    return true;
}

static void tell_workers(struct mesh *m, covey_err err)
{
    const struct covey_fence fence = {.epoch = 1};
    for (uint8_t i = 0; i < 2; i++) {
        const struct covey_action action = {.type = COVEY_ACTION_TRAIN_WORKER,
                                            .peer = {.bytes = {(uint8_t)(i + 1)}},
                                            .fence = fence,
                                            .err = err,
                                            .index = err == COVEY_OK ? i + 1u : 1u - i};
        covey__rounds_action(m->rounds, &action);
    }
}

static void tell_result(struct mesh *m, const struct held *h, struct covey_body *take_out)
{
    struct covey_services *s = &m->scene->services;
    covey_handle handle = take_out != NULL ? covey__handles_put(&s->handles, take_out) : 0;
    const struct covey_action action = {.type = COVEY_ACTION_ROUND_RESULT,
                                        .peer = {.bytes = {1}},
                                        .request = h->round,
                                        .index = h->task,
                                        .body = handle};
    covey__rounds_action(m->rounds, &action);
}

static void answer_one(struct mesh *m, struct held *h)
{
    const _Atomic bool stop = false;
    struct covey_body *out = NULL;
    enum fate fate = m->fate[h->task];
    m->fate[h->task] = ANSWERED;
    h->answered = fate == ANSWERED;
    if (fate == REFUSED) {
        tell_result(m, h, NULL);
        return;
    }
    const struct covey__gradient_task task = {
        .round = &m->spec, .spec = &h->spec, .shared = m->shared, .body = h->body, .stop = &stop};
    assert_int_equal(covey__gradient_work_compute(m->scene->work, &task, &out), COVEY_OK);
    if (fate == CUT_SHORT) {
        out->len -= 4;
    }
    m->given += h->answered;
    tell_result(m, h, out);
    if (m->late) { /* the same once more, then from the round before */
        struct held again = *h;
        assert_int_equal(covey_body_new(8, &out), COVEY_OK);
        again.round = h->round - 1;
        tell_result(m, &again, out);
    }
}

static void answer(void *user)
{
    struct mesh *m = user;
    uint32_t from = random_below(&m->seed, HELD_MAX);
    m->due = false;
    for (uint32_t i = 0; m->open && i < m->count; i++) {
        struct held *h = &m->held[(from + i) % m->count];
        if (h->answered || h->round != m->round || m->fate[h->task] == LOST) {
            continue;
        }
        answer_one(m, h);
        if (m->given == m->dies) {
            tell_workers(m, COVEY_ERR_CLOSED);
            return;
        }
        m->due = true;
        assert_int_equal(covey_loop_post(m->scene->loop, answer, m), COVEY_OK);
        return;
    }
}

static void on_task(struct mesh *m, const struct covey_event *event)
{
    struct held *h = &m->held[m->count];
    assert_true(m->count < HELD_MAX);
    *h = (struct held){.round = event->request, .task = event->index};
    assert_int_equal(covey__task_spec_decode(event->bytes, &h->spec), COVEY_OK);
    h->body = covey__handles_take(&m->scene->services.handles, event->body);
    assert_non_null(h->body);
    m->count++;
}

static void feed(void *user, const struct covey_event *event)
{
    struct mesh *m = user;
    switch ((int)event->type) {
    case COVEY_EVENT_ROUND_BEGIN:
        assert_int_equal(covey__round_spec_decode(event->bytes, &m->spec), COVEY_OK);
        covey_body_unref(m->shared);
        m->shared = covey__handles_take(&m->scene->services.handles, event->body);
        m->round = event->request;
        m->open = true;
        break;
    case COVEY_EVENT_ROUND_TASK:
        on_task(m, event);
        break;
    case COVEY_EVENT_ROUND_LIED:
        m->lies++;
        break;
    case COVEY_EVENT_ROUND_END:
        m->open = false;
        m->ends++;
        break;
    default:
        break;
    }
    if (!m->due) {
        m->due = true;
        assert_int_equal(covey_loop_post(m->scene->loop, answer, m), COVEY_OK);
    }
}

static void ignore_device(void *user, const struct covey_node_id *device, const char *what)
{
    (void)user;
    (void)device;
    (void)what;
}

static void ignore(void *user, const char *line)
{
    (void)user;
    (void)line;
}

static void mesh_open(struct mesh *m, struct gradient_scene *s, uint32_t spare)
{
    uint8_t spec[COVEY_ENLIST_SPEC_BYTES];
    *m = (struct mesh){.scene = s, .seed = 8, .dies = NEVER, .rounds_wanted = 1};
    covey__enlist_spec_encode(&s->spec, spec);
    assert_int_equal(covey__handles_init(&s->services.handles), COVEY_OK);
    s->services.loop = s->loop;
    s->services.user = m;
    s->services.feed = feed;
    s->services.tell = ignore_device;
    s->services.log = ignore;
    s->services.member = find_member;
    const struct covey_rounds_config config = {.services = &s->services,
                                               .fence = {.epoch = 1},
                                               .strategy = {.spare = spare},
                                               .mode = COVEY_TRAINING_DATA,
                                               .enlist = covey_bytes_of(spec, sizeof(spec))};
    assert_int_equal(covey__rounds_new(&config, &m->rounds), COVEY_OK);
    m->io = (struct covey_gradient_round){.values = s->shared,
                                          .parameters = s->parameters,
                                          .statistics = s->statistics,
                                          .input = s->input,
                                          .labels = s->labels,
                                          .batch = s->batch,
                                          .parts = s->parts,
                                          .input_floats = s->values};
    m->io.gradient = calloc(s->parameters + s->statistics, sizeof(float));
    assert_non_null(m->io.gradient);
}

static void mesh_close(struct mesh *m)
{
    covey__rounds_free(m->rounds);
    for (uint32_t i = 0; i < m->count; i++) {
        covey_body_unref(m->held[i].body);
    }
    covey_body_unref(m->shared);
    covey__handles_done(&m->scene->services.handles);
    free(m->io.gradient);
}

static void stop_loop(void *user)
{
    covey_loop_stop(user);
}

static void *session(void *user)
{
    struct mesh *m = user;
    m->err = COVEY_OK;
    for (unsigned i = 0; i < m->rounds_wanted && m->err == COVEY_OK; i++) {
        m->err = covey__rounds_gradient(m->rounds, &m->io);
    }
    assert_int_equal(covey_loop_post(m->scene->loop, stop_loop, m->scene->loop), COVEY_OK);
    return NULL;
}

/* The session's thread runs to its end beside the loop. */
static covey_err run(struct mesh *m)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, session, m), 0);
    covey_loop_run(m->scene->loop);
    pthread_join(thread, NULL);
    return m->err;
}

static struct covey_graph *dense(void)
{
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    uint64_t seed = 12;
    uint16_t x = add_dense(g, g->input[0], 8, 16, &seed);
    x = add_batchnorm(g, x, 16, &seed);
    add_dense(g, x, 16, GRADIENT_CLASSES, &seed);
    return g;
}

static void expect_whole_step(const struct mesh *m)
{
    const struct gradient_scene *s = m->scene;
    double off =
        gradient_difference(m->io.gradient, covey_trainer_gradient(s->whole), s->parameters);
    if (off > 1e-5) {
        fail_msg("%u parts: off by %g", s->parts, off);
    }
    assert_true(fabs((double)(m->io.result.loss - s->step.loss)) < 1e-4);
    assert_int_equal(m->io.result.correct, s->step.correct);
}

static void check_round(void **state, const uint32_t batch_parts[2], uint32_t spare)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, gradient_lenet(), batch_parts);
    mesh_open(&m, &s, spare);
    tell_workers(&m, COVEY_OK);
    for (uint32_t i = 0; i < spare; i++) {
        m.fate[i * 2] = LOST;
    }
    assert_int_equal(run(&m), COVEY_OK);
    expect_whole_step(&m);
    assert_int_equal(m.count, s.parts);
    assert_int_equal(m.ends, 1);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* A round's gradient, loss and hits are those of the whole batch's step: without spare tasks, in
 * groups and cyclic, with as many tasks lost as may be; also where the last part is smaller. */
static void test_rounds(void **state)
{
    for (unsigned i = 0; i < GRADIENT_CASES; i++) {
        check_round(state, gradient_cases[i].batch_parts, gradient_cases[i].spare);
    }
    check_round(state, (const uint32_t[2]){20, 7}, 0);
    check_round(state, (const uint32_t[2]){15, 4}, 1);
    check_round(state, (const uint32_t[2]){13, 5}, 2);
}

/* In whatever order answers come, the sum is the same, bit for bit. */
static void test_order(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, dense(), (const uint32_t[2]){44, 11});
    size_t bytes = (s.parameters + s.statistics) * sizeof(float);
    float *first = malloc(bytes);
    assert_non_null(first);
    for (unsigned i = 0; i < 6; i++) {
        mesh_open(&m, &s, 0);
        tell_workers(&m, COVEY_OK);
        m.seed = i;
        assert_int_equal(run(&m), COVEY_OK);
        memcpy(first, i == 0 ? m.io.gradient : first, i == 0 ? bytes : 0);
        assert_memory_equal(first, m.io.gradient, bytes);
        mesh_close(&m);
    }
    free(first);
    gradient_scene_close(&s);
}

/* Refused tasks and answers of another length are waited for again; what comes late, or twice, does
 * no harm; rounds follow one another. */
static void test_answers_that_are_none(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_rounds_report report;
    gradient_scene_open(&s, state, gradient_lenet(), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    tell_workers(&m, COVEY_OK);
    m.fate[1] = REFUSED;
    m.fate[3] = CUT_SHORT;
    m.late = true;
    m.rounds_wanted = 3;
    assert_int_equal(run(&m), COVEY_OK);
    expect_whole_step(&m);
    assert_int_equal(m.lies, 1);
    assert_int_equal(m.ends, 3);
    covey__rounds_report(m.rounds, &report);
    assert_int_equal(report.rounds, 3);
    assert_int_equal(report.tasks, 12);
    assert_int_equal(report.answers, 12);
    assert_int_equal(report.refused, 1);
    assert_int_equal(report.reissued, 1);
    assert_true(report.late > 0);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* Without workers, or when all have gone, the round says so at once. */
static void test_no_workers(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, gradient_lenet(), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    assert_int_equal(run(&m), COVEY_ERR_UNSUPPORTED);
    assert_int_equal(m.count, 0);
    tell_workers(&m, COVEY_OK);
    m.dies = 2;
    assert_int_equal(run(&m), COVEY_ERR_UNSUPPORTED);
    assert_int_equal(m.ends, 1);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* A loss that is no number ends the round, and so do parts that do not fit. */
static void test_runs_away(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, dense(), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    tell_workers(&m, COVEY_OK);
    s.input[5 * s.values] = NAN;
    assert_int_equal(run(&m), COVEY_ERR_RANGE);
    assert_int_equal(m.ends, 1);
    m.io.parts = 3;
    assert_int_equal(run(&m), COVEY_ERR_RANGE);
    m.io.parts = 0;
    assert_int_equal(run(&m), COVEY_ERR_RANGE);
    mesh_close(&m);
    gradient_scene_close(&s);
}

static void stop_rounds(void *user)
{
    const struct mesh *m = user;
    covey__rounds_stop(m->rounds);
}

/* A session that is stopped comes back from its round. */
static void test_stopped(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, dense(), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    tell_workers(&m, COVEY_OK);
    m.fate[0] = LOST;
    assert_int_equal(covey_loop_post(s.loop, stop_rounds, &m), COVEY_OK);
    assert_int_equal(run(&m), COVEY_ERR_CLOSED);
    mesh_close(&m);
    gradient_scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_no_workers),
        cmocka_unit_test(test_runs_away),
        cmocka_unit_test(test_stopped),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
