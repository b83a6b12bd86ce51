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

static const struct covey_strategy checked = {.check_all = true}, doubted = {.any_trust = true};

/* What honest workers give, and what a liar among them makes of it. */
static void check_all_with(void **state, enum lie lie)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_rounds_report report;
    gradient_scene_open(&s, state, gradient_perceptron(16, false, 12), (const uint32_t[2]){48, 6});
    size_t bytes = (s.parameters + s.statistics) * sizeof(float);
    float *honest = malloc(bytes);
    assert_non_null(honest);
    for (uint8_t liar = 0; liar <= WORKERS; liar++) {
        mesh_open_with(&m, &s, &checked);
        m.liar = liar;
        m.lie = lie;
        m.seed = liar;
        m.rounds_wanted = 2;
        tell_workers(&m, COVEY_OK);
        assert_int_equal(mesh_run(&m), COVEY_OK);
        memcpy(honest, liar == 0 ? m.io.gradient : honest, liar == 0 ? bytes : 0);
        assert_memory_equal(honest, m.io.gradient, bytes);
        covey__rounds_report(m.base.rounds, &report);
        assert_int_equal(report.liars, liar == 0 ? 0 : 1);
        assert_true(liar == 0 || report.liar[0].bytes[0] == liar);
        mesh_close(&m);
    }
    free(honest);
    gradient_scene_close(&s);
}

/* Where all are checked, the gradient with a liar among the workers is bit for bit that of honest
 * ones, already in the round in which it first lies, and it alone is named: whether it turns signs,
 * makes all a hundredth larger, or says that there is no loss. */
static void test_checked(void **state)
{
    check_all_with(state, TURNED);
    check_all_with(state, BIASED);
    check_all_with(state, NO_LOSS);
}

static void open_doubted(struct mesh *m, struct gradient_scene *s, void **state,
                         enum covey_trust trust)
{
    gradient_scene_open(s, state, gradient_perceptron(16, false, 12), (const uint32_t[2]){12, 3});
    mesh_open_with(m, s, &doubted);
    m->trust = trust;
    tell_workers(m, COVEY_OK);
}

/* Without anything computed twice a liar is named by what is computed here now and then: after 12
 * rounds on average, so in 300 but for one in 10^11. Nobody else is; of 80 rounds one in four is
 * looked at, none with a chance of 10^-10. */
static void test_audits(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_rounds_report report;
    open_doubted(&m, &s, state, COVEY_TRUST_NONE);
    m.rounds_wanted = 80;
    assert_int_equal(mesh_run(&m), COVEY_OK);
    expect_whole_step(&m);
    covey__rounds_report(m.base.rounds, &report);
    assert_true(report.liars == 0 && report.check_ns > 0);
    m.liar = 2;
    m.rounds_wanted = 300;
    assert_int_equal(mesh_run(&m), COVEY_OK);
    expect_whole_step(&m); /* it is gone by now */
    covey__rounds_report(m.base.rounds, &report);
    assert_true(report.liars == 1 && report.liar[0].bytes[0] == 2 && m.gone[2]);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* Two of three that say the same wrong thing are both named by what is computed here, also where
 * each part is computed by two and they agree on it. */
static void test_partners(void **state)
{
    static const struct covey_strategy strategies[] = {{.any_trust = true},
                                                       {.any_trust = true, .check_all = true}};
    for (unsigned i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++) {
        struct gradient_scene s;
        struct mesh m;
        struct covey_rounds_report report;
        gradient_scene_open(&s, state, gradient_perceptron(16, false, 12),
                            (const uint32_t[2]){12, 3});
        mesh_open_with(&m, &s, &strategies[i]);
        m.trust = COVEY_TRUST_NONE;
        tell_workers(&m, COVEY_OK);
        m.liar = 2;
        m.partner = 3;
        m.rounds_wanted = 300;
        /* They are gone by now, and who is left is nobody to compare with. */
        bool all = strategies[i].check_all;
        assert_int_equal(mesh_run(&m), all ? COVEY_ERR_UNSUPPORTED : COVEY_OK);
        if (!all) {
            expect_whole_step(&m);
        }
        covey__rounds_report(m.base.rounds, &report);
        assert_int_equal(report.liars, 2);
        assert_true(m.gone[2] && m.gone[3] && !m.gone[1]);
        mesh_close(&m);
        gradient_scene_close(&s);
    }
}

/* An answer that says that training runs away ends it only if that is true; then nobody lied. */
static void test_doubted_losses(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_rounds_report report;
    open_doubted(&m, &s, state, COVEY_TRUST_NONE);
    m.liar = 3;
    m.lie = NO_LOSS;
    assert_int_equal(mesh_run(&m), COVEY_OK);
    expect_whole_step(&m);
    covey__rounds_report(m.base.rounds, &report);
    assert_true(report.liars == 1 && report.liar[0].bytes[0] == 3);
    s.input[5 * s.values] = NAN;
    assert_int_equal(mesh_run(&m), COVEY_ERR_RANGE);
    covey__rounds_report(m.base.rounds, &report);
    assert_int_equal(report.liars, 1);
    mesh_close(&m);
    gradient_scene_close(&s);
}

/* Trusted devices are believed: nothing is computed here for them, not even where others might
 * work; and where all are checked, one alone is nobody to compare with. */
static void test_believed(void **state)
{
    struct gradient_scene s;
    struct mesh m;
    struct covey_rounds_report report;
    open_doubted(&m, &s, state, COVEY_TRUST_FULL);
    m.rounds_wanted = 40;
    assert_int_equal(mesh_run(&m), COVEY_OK);
    covey__rounds_report(m.base.rounds, &report);
    expect_whole_step(&m);
    assert_null(m.base.rounds->check);
    mesh_close(&m);
    mesh_open_with(&m, &s, &checked);
    tell_worker(&m, 1, COVEY_OK);
    assert_int_equal(mesh_run(&m), COVEY_ERR_UNSUPPORTED);
    mesh_close(&m);
    gradient_scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checked),  cmocka_unit_test(test_audits),
        cmocka_unit_test(test_partners), cmocka_unit_test(test_doubted_losses),
        cmocka_unit_test(test_believed),
    };
    if (covey_crypto_init() != COVEY_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
