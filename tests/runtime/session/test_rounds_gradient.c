/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "gradient_mesh.h"
#include "scratch.h"

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
    assert_int_equal(mesh_run(&m), COVEY_OK);
    expect_whole_step(&m);
    assert_int_equal(m.base.count, s.parts);
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
    gradient_scene_open(&s, state, gradient_perceptron(16, true, 12), (const uint32_t[2]){44, 11});
    size_t bytes = (s.parameters + s.statistics) * sizeof(float);
    float *first = malloc(bytes);
    assert_non_null(first);
    for (unsigned i = 0; i < 6; i++) {
        mesh_open(&m, &s, 0);
        tell_workers(&m, COVEY_OK);
        m.seed = i;
        assert_int_equal(mesh_run(&m), COVEY_OK);
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
    assert_int_equal(mesh_run(&m), COVEY_OK);
    expect_whole_step(&m);
    assert_int_equal(m.lies, 1);
    assert_int_equal(m.ends, 3);
    covey__rounds_report(m.base.rounds, &report);
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
    assert_int_equal(mesh_run(&m), COVEY_ERR_UNSUPPORTED);
    assert_int_equal(m.base.count, 0);
    tell_workers(&m, COVEY_OK);
    m.dies = 2;
    assert_int_equal(mesh_run(&m), COVEY_ERR_UNSUPPORTED);
    assert_int_equal(m.ends, 1);
    mesh_close(&m);
    gradient_scene_close(&s);
}

static void check_here(void **state, const uint32_t batch_parts[2], uint32_t spare, bool statistics)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_graph *g = statistics ? gradient_perceptron(16, true, 12) : gradient_lenet();
    gradient_scene_open(&s, state, g, batch_parts);
    mesh_open(&m, &s, spare);
    tell_workers(&m, COVEY_OK);
    assert_int_equal(mesh_run(&m), COVEY_OK);
    size_t bytes = (s.parameters + s.statistics) * sizeof(float);
    const struct covey_train_result theirs = m.io.result;
    float *their_gradient = malloc(bytes);
    assert_non_null(their_gradient);
    memcpy(their_gradient, m.io.gradient, bytes);
    memset(m.io.gradient, 0, bytes);
    m.io.result = (struct covey_train_result){.loss = 0.0f};
    bool cyclic = s.parts % (spare + 1) != 0;
    covey_err err = covey__rounds_gradient_here(m.base.rounds, &m.io);
    assert_int_equal(err, cyclic ? COVEY_ERR_UNSUPPORTED : COVEY_OK);
    if (!cyclic) {
        assert_memory_equal(m.io.gradient, their_gradient, bytes);
        assert_memory_equal(&m.io.result.loss, &theirs.loss, sizeof(theirs.loss));
        assert_int_equal(m.io.result.correct, theirs.correct);
    }
    assert_int_equal(mesh_run(&m), COVEY_OK); /* they are back: nothing is kept for their work */
    assert_null(m.base.rounds->check);
    free(their_gradient);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* Where nobody is there the parts' sums are made here, bit for bit as workers make them: without
 * spare tasks, in groups, with a smaller last part and with running statistics. What a cyclic code
 * gives depends on who answers, so that is refused. */
static void test_here(void **state)
{
    check_here(state, (const uint32_t[2]){20, 7}, 0, false);
    check_here(state, (const uint32_t[2]){16, 4}, 1, false);
    check_here(state, (const uint32_t[2]){15, 4}, 1, false);
    check_here(state, (const uint32_t[2]){44, 11}, 0, true);
    check_here(state, (const uint32_t[2]){13, 5}, 2, false);
}

/* A loss that is no number ends the round, and so do parts that do not fit. */
static void test_runs_away(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, gradient_perceptron(16, true, 12), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    tell_workers(&m, COVEY_OK);
    s.input[5 * s.values] = NAN;
    assert_int_equal(mesh_run(&m), COVEY_ERR_RANGE);
    assert_int_equal(m.ends, 1);
    m.io.parts = 3;
    assert_int_equal(mesh_run(&m), COVEY_ERR_RANGE);
    m.io.parts = 0;
    assert_int_equal(mesh_run(&m), COVEY_ERR_RANGE);
    mesh_close(&m);
    gradient_scene_close(&s);
}

static void stop_rounds(void *user)
{
    const struct mesh *m = user;
    covey__rounds_stop(m->base.rounds);
}

/* A session that is stopped comes back from its round. */
static void test_stopped(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    gradient_scene_open(&s, state, gradient_perceptron(16, true, 12), (const uint32_t[2]){8, 4});
    mesh_open(&m, &s, 0);
    tell_workers(&m, COVEY_OK);
    m.fate[0] = LOST;
    assert_int_equal(covey_loop_post(s.loop, stop_rounds, &m), COVEY_OK);
    assert_int_equal(mesh_run(&m), COVEY_ERR_CLOSED);
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
        cmocka_unit_test(test_here),
        cmocka_unit_test(test_runs_away),
        cmocka_unit_test(test_stopped),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
