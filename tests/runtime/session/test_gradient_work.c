/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "gradient_scene.h"
#include "scratch.h"

/* Dense, normalised and thinned out; input [n 8]. */
static struct covey_graph *normalised(void)
{
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    struct covey_op_attrs a = attrs_default();
    uint64_t seed = 12;
    uint16_t x = add_dense(g, g->input[0], 8, 16, &seed);
    x = add_batchnorm(g, x, 16, &seed);
    a.alpha = 0.5f;
    x = add_op(g, COVEY_OP_DROPOUT, &a, &x, 1);
    add_dense(g, x, 16, GRADIENT_CLASSES, &seed);
    return g;
}

/* Dense layers of which each has more than 64 KiB; input [n 8]. */
static struct covey_graph *wide(void)
{
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    uint64_t seed = 13;
    uint16_t x = add_dense(g, g->input[0], 8, 200, &seed);
    x = add_dense(g, x, 200, 150, &seed);
    x = add_dense(g, x, 150, 150, &seed);
    x = add_dense(g, x, 150, 150, &seed);
    add_dense(g, x, 150, GRADIENT_CLASSES, &seed);
    return g;
}

static covey_err compute(const struct gradient_scene *s, const struct covey_task_spec *task,
                         struct covey_body **out)
{
    const struct covey_round_spec round = {.mode = COVEY_TRAIN_DATA};
    const _Atomic bool stop = false;
    struct covey_body *shared = gradient_scene_shared(s), *body = gradient_scene_task(s, task);
    const struct covey__gradient_task t = {
        .round = &round, .spec = task, .shared = shared, .body = body, .stop = &stop};
    covey_err err = covey__gradient_work_compute(s->work, &t, out);
    covey_body_unref(shared);
    covey_body_unref(body);
    return err;
}

/* What an answer of so many parts has behind their losses and hits: statistics, then the gradient
 * back to front. */
static const float *sums_of(const struct covey_body *answer, uint32_t parts)
{
    return (const float *)(const void *)(answer->data + covey__gradient_answer_bytes(0, parts));
}

static struct covey_task_spec task_of(const struct covey_gradient_code *code, uint32_t t)
{
    struct covey_task_spec task = {.count = (uint8_t)(code->spare + 1)};
    for (uint32_t i = 0; i <= code->spare; i++) {
        task.part[i] = covey_gradient_part(code, t, i);
        task.coefficient[i] = code->coefficient[t][i];
    }
    return task;
}

/* All tasks but the first `spare` are computed, and what they answer is decoded. */
static void check_code(void **state, const uint32_t batch_parts[2], uint32_t spare)
{
    struct gradient_scene s;
    struct covey_gradient_code code;
    bool answered[COVEY_GRADIENT_TASKS_MAX] = {false};
    float weight[COVEY_GRADIENT_TASKS_MAX];
    double loss = 0.0;
    uint32_t hits = 0;
    gradient_scene_open(&s, state, gradient_lenet(), batch_parts);
    float *sum = calloc(s.parameters, sizeof(*sum));
    assert_non_null(sum);
    assert_int_equal(covey_gradient_code_init(&code, s.parts, spare), COVEY_OK);
    for (uint32_t t = spare; t < s.parts; t++) {
        answered[t] = true;
    }
    assert_true(covey_gradient_weights(&code, answered, weight));
    for (uint32_t t = spare; t < s.parts; t++) {
        const struct covey_task_spec task = task_of(&code, t);
        struct covey_body *answer = NULL;
        assert_int_equal(compute(&s, &task, &answer), COVEY_OK);
        assert_int_equal(answer->len, s.parameters * sizeof(float) + task.count * 8u);
        covey_gradient_add_back(sum, sums_of(answer, task.count), s.parameters,
                                weight[t] / (float)s.parts, false);
        for (uint32_t i = 0; spare == 0 && i < task.count; i++) {
            const uint8_t *head = answer->data + covey__gradient_answer_bytes(0, i);
            float one;
            memcpy(&one, head, sizeof(one));
            loss += (double)one / s.parts;
            hits += covey_load32(head + 4);
        }
        covey_body_unref(answer);
    }
    double off = gradient_difference(sum, covey_trainer_gradient(s.whole), s.parameters);
    if (off > 1e-5) {
        fail_msg("%u parts, %u spare: off by %g", s.parts, spare, off);
    }
    if (spare == 0) {
        assert_true(fabs(loss - (double)s.step.loss) < 1e-4);
        assert_int_equal(hits, s.step.correct);
    }
    free(sum);
    gradient_scene_close(&s);
}

/* The answers of any tasks that suffice sum to the whole batch's gradient: without spare ones, in
 * groups, and cyclic. */
static void test_codes(void **state)
{
    for (unsigned i = 0; i < GRADIENT_CASES; i++) {
        check_code(state, gradient_cases[i].batch_parts, gradient_cases[i].spare);
    }
}

/* Statistics come back as they are after the part's batch, and not after those computed before; an
 * answer is the same whenever it is computed. */
static void test_statistics(void **state)
{
    struct gradient_scene s;
    gradient_scene_open(&s, state, normalised(), (const uint32_t[2]){12, 1});
    const struct covey_task_spec task = {.count = 1, .part = {0}, .coefficient = {1.0f}};
    struct covey_body *first = NULL, *second = NULL;
    assert_int_equal(s.statistics, 32);
    assert_int_equal(compute(&s, &task, &first), COVEY_OK);
    assert_int_equal(compute(&s, &task, &second), COVEY_OK);
    assert_int_equal(first->len, second->len);
    assert_memory_equal(first->data, second->data, first->len);
    const float *sums = sums_of(first, 1), *gradient = covey_trainer_gradient(s.whole);
    assert_memory_equal(sums, covey_trainer_statistics_values(s.whole),
                        s.statistics * sizeof(float));
    for (size_t i = 0; i < s.parameters; i++) {
        assert_true(sums[s.statistics + i] == gradient[s.parameters - 1 - i]);
    }
    covey_body_unref(first);
    covey_body_unref(second);
    gradient_scene_close(&s);
}

struct growth {
    struct covey_body **out, *copy; /* copy: of what was ready */
    size_t ready;
    unsigned times, give_up; /* give_up: at which time the task is stopped */
    _Atomic bool stop;
};

static void grew(void *user)
{
    struct growth *g = user;
    size_t ready = atomic_load(&(*g->out)->ready);
    assert_true(ready > g->ready && ready < (*g->out)->len);
    assert_memory_equal(g->copy->data, (*g->out)->data, g->ready);
    memcpy(g->copy->data, (*g->out)->data, ready);
    g->ready = ready;
    g->stop = ++g->times == g->give_up;
}

static covey_err compute_growing(const struct gradient_scene *s, struct growth *g)
{
    const struct covey_round_spec round = {.mode = COVEY_TRAIN_DATA};
    const struct covey_task_spec two = {.count = 2, .part = {0, 1}, .coefficient = {1.0f, -0.5f}};
    struct covey_body *shared = gradient_scene_shared(s), *body = gradient_scene_task(s, &two);
    const struct covey__gradient_task t = {.round = &round,
                                           .spec = &two,
                                           .shared = shared,
                                           .body = body,
                                           .stop = &g->stop,
                                           .grew = grew,
                                           .user = g};
    covey_err err = covey__gradient_work_compute(s->work, &t, g->out);
    covey_body_unref(shared);
    covey_body_unref(body);
    return err;
}

/* An answer grows while it is made, what was ready stays as it was, and at its end it is the one
 * that comes at once; one that is stopped meanwhile is given up. */
static void test_grows(void **state)
{
    struct gradient_scene s;
    const struct covey_task_spec two = {.count = 2, .part = {0, 1}, .coefficient = {1.0f, -0.5f}};
    struct covey_body *whole = NULL, *out = NULL;
    gradient_scene_open(&s, state, wide(), (const uint32_t[2]){4, 2});
    assert_int_equal(compute(&s, &two, &whole), COVEY_OK);
    struct growth g = {.out = &out, .stop = false};
    assert_int_equal(covey_body_new(whole->len, &g.copy), COVEY_OK);
    assert_int_equal(compute_growing(&s, &g), COVEY_OK);
    assert_true(g.times >= 2);
    assert_true(atomic_load(&out->ready) == COVEY_BODY_WHOLE);
    assert_memory_equal(out->data, whole->data, whole->len);
    covey_body_unref(out);
    g.ready = g.times = 0;
    g.give_up = 1;
    assert_int_equal(compute_growing(&s, &g), COVEY_ERR_CLOSED);
    assert_int_equal(g.times, 1);
    assert_true(atomic_load(&out->ready) == COVEY_BODY_GIVEN_UP);
    covey_body_unref(out);
    covey_body_unref(g.copy);
    covey_body_unref(whole);
    gradient_scene_close(&s);
}

/* A loss that is no number is an answer that says so. */
static void test_runs_away(void **state)
{
    struct gradient_scene s;
    gradient_scene_open(&s, state, normalised(), (const uint32_t[2]){4, 2});
    const struct covey_task_spec task = {.count = 1, .part = {1}, .coefficient = {1.0f}};
    struct covey_body *answer = NULL;
    float loss;
    s.input[3 * s.values] = NAN;
    assert_int_equal(compute(&s, &task, &answer), COVEY_OK);
    memcpy(&loss, answer->data, sizeof(loss));
    assert_true(isnan(loss));
    covey_body_unref(answer);
    gradient_scene_close(&s);
}

/* Bodies of other sizes, labels that are no class, another kind of round and a task of nothing are
 * refused; one that is worth nothing any more is not computed. */
static void test_refused(void **state)
{
    struct gradient_scene s;
    gradient_scene_open(&s, state, normalised(), (const uint32_t[2]){4, 2});
    const struct covey_round_spec round = {.mode = COVEY_TRAIN_DATA};
    const struct covey_round_spec products = {.mode = COVEY_TRAIN_PRODUCTS};
    struct covey_task_spec task = {.count = 1, .part = {1}, .coefficient = {1.0f}}, none = {0};
    const _Atomic bool go = false, stop = true;
    struct covey_body *shared = gradient_scene_shared(&s), *body = gradient_scene_task(&s, &task);
    struct covey_body *out = NULL;
    struct covey__gradient_task t = {
        .round = &products, .spec = &task, .shared = shared, .body = body, .stop = &go};
    assert_int_equal(covey__gradient_work_compute(s.work, &t, &out), COVEY_ERR_RANGE);
    t.round = &round;
    t.spec = &none;
    assert_int_equal(covey__gradient_work_compute(s.work, &t, &out), COVEY_ERR_RANGE);
    t.spec = &task;
    const struct covey_body *wrong[][2] = {
        {NULL, body}, {shared, NULL}, {body, body}, {shared, shared}};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        t.shared = wrong[i][0];
        t.body = wrong[i][1];
        assert_int_equal(covey__gradient_work_compute(s.work, &t, &out), COVEY_ERR_RANGE);
    }
    t.shared = shared;
    t.body = body;
    t.stop = &stop;
    assert_int_equal(covey__gradient_work_compute(s.work, &t, &out), COVEY_ERR_CLOSED);
    t.stop = &go;
    covey_store32(body->data + body->len - 4, GRADIENT_CLASSES);
    assert_int_equal(covey__gradient_work_compute(s.work, &t, &out), COVEY_ERR_RANGE);
    assert_null(out);
    covey_body_unref(shared);
    covey_body_unref(body);
    gradient_scene_close(&s);
}

/* Without the model there is no worker for it. */
static void test_no_model(void **state)
{
    struct gradient_scene s;
    gradient_scene_open(&s, state, normalised(), (const uint32_t[2]){4, 2});
    struct covey_gradient_work *work = NULL;
    struct covey_enlist_spec spec = s.spec;
    struct covey_nn_error why;
    spec.model.bytes[0] ^= 1;
    assert_int_equal(covey__gradient_work_new(&s.services, &spec, &work, &why),
                     COVEY_ERR_NOT_FOUND);
    spec = s.spec;
    spec.mode = COVEY_TRAIN_PRODUCTS;
    assert_int_equal(covey__gradient_work_new(&s.services, &spec, &work, &why), COVEY_ERR_RANGE);
    assert_null(work);
    gradient_scene_close(&s);
}

/* What it takes is counted, given back in the end, and never more than the bound: with a byte less
 * there is none, whatever it was that found no room. */
static void test_no_room(void **state)
{
    struct gradient_scene s;
    gradient_scene_open(&s, state, wide(), (const uint32_t[2]){4, 2});
    struct covey_account *account = &s.services.memory;
    uint64_t all = atomic_load(&account->used_bytes);
    size_t model = s.parameters * sizeof(float);
    assert_true(all >= covey_trainer_memory(covey__gradient_work_trainer(s.work)) + 4 * model);
    covey__gradient_work_free(s.work);
    s.work = NULL;
    assert_int_equal(atomic_load(&account->used_bytes), 0);
    const uint64_t limits[] = {0, model - 1, model, all - 1, all};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct covey_nn_error why = {""};
        account->limit_bytes = limits[i];
        covey_err err = covey__gradient_work_new(&s.services, &s.spec, &s.work, &why);
        assert_int_equal(err, limits[i] < all ? COVEY_ERR_BUSY : COVEY_OK);
        assert_int_equal(atomic_load(&account->used_bytes), limits[i] < all ? 0 : all);
        assert_true(limits[i] == all ||
                    strstr(why.text, "no memory for gradients of a training") != NULL);
    }
    gradient_scene_close(&s);
    assert_int_equal(atomic_load(&account->used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),   cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_grows),   cmocka_unit_test(test_runs_away),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_no_model),
        cmocka_unit_test(test_no_room),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
