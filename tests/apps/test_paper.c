/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab_paper.h"

/* One round of workers that take so long a task. */
static struct covey__paper_round run(enum covey_code_kind kind, uint32_t n, uint32_t m,
                                     const double *task_ms, uint32_t workers)
{
    struct covey__paper_sim *sim = NULL;
    struct covey__paper_round round;
    assert_int_equal(covey__paper_sim_new(kind, n, m, &sim), COVEY_OK);
    assert_int_equal(covey__paper_sim_run(sim, task_ms, workers, 1, &round), COVEY_OK);
    covey__paper_sim_free(sim);
    return round;
}

/* Three blocks at three devices of 1, 2 and 10 ms a task. Uncoded: the slow one has a block, and
 * all wait for it. Two copies of each: the fast device has done the second copies of blocks 1 and 2
 * by 3 ms, the other one that of block 3 by 4 ms. Any three answers: those of 1, 2 and 2 ms. */
static void test_known_rounds(void **state)
{
    (void)state;
    const double task_ms[] = {1, 2, 10};
    struct covey__paper_round r = run(COVEY_CODE_UNCODED, 3, 6, task_ms, 3);
    assert_true(r.ms == 10 && !r.failed);
    assert_int_equal(r.tasks, 3);
    r = run(COVEY_CODE_REPLICATION, 3, 6, task_ms, 3);
    assert_true(r.ms == 4 && !r.failed);
    assert_int_equal(r.answers, 3);
    r = run(COVEY_CODE_MDS, 3, 6, task_ms, 3);
    assert_true(r.ms == 2 && !r.failed);
    assert_int_equal(r.answers, 3);
    assert_int_equal(run(COVEY_CODE_VANDERMONDE, 3, 6, task_ms, 3).answers, 3);
}

/* A device that never comes back costs an uncoded round all, a coded one nothing. */
static void test_a_dead_worker(void **state)
{
    (void)state;
    const double task_ms[] = {1, 1, 1, INFINITY};
    assert_true(isinf(run(COVEY_CODE_UNCODED, 4, 8, task_ms, 4).ms));
    assert_true(run(COVEY_CODE_MDS, 4, 8, task_ms, 4).ms == 2);
    assert_true(run(COVEY_CODE_LT, 4, 8, task_ms, 4).ms < 10);
}

static struct covey__paper *simulate(const char *scheme, const char *family)
{
    struct covey__paper *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->options = (struct covey__paper_options){.scheme = scheme,
                                               .family = family,
                                               .scale = 0.01,
                                               .rounds = 1000,
                                               .steps = 10,
                                               .seed = 7,
                                               .workers = 10,
                                               .blocks = 10,
                                               .tasks = 20,
                                               .mflops = 1000,
                                               .batch = 50,
                                               .points = COVEY__PAPER_SETTINGS_MAX,
                                               .simulate = true};
    assert_int_equal(covey__paper_plan(p), COVEY_OK);
    assert_int_equal(covey__paper_simulate(p), COVEY_OK);
    return p;
}

/* The gains that are asked of schemes A and B hold in simulated rounds, for every size and law. */
static void test_gains_of_schemes_a_and_b(void **state)
{
    (void)state;
    const char *const schemes[] = {"a", "b"};
    for (unsigned i = 0; i < 2; i++) {
        struct covey__paper *p = simulate(schemes[i], "all");
        assert_int_equal(p->count, i == 0 ? 18 : 20);
        assert_int_equal(covey__paper_missed(p), 0);
        free(p);
    }
}

/* By the literal reading (variances of 12 to 20 around 20 s) nobody straggles: no code gains more
 * than a tenth. */
static void test_the_literal_reading_gains_nothing(void **state)
{
    (void)state;
    struct covey__paper *p = simulate("b", "variance");
    assert_int_equal(p->count, 5);
    for (unsigned i = 0; i < p->count; i++) {
        double gain = covey__paper_gain(&p->setting[i], COVEY_CODE_UNCODED, COVEY_CODE_MDS);
        assert_true(gain > 0.95 && gain < 1.1);
    }
    free(p);
}

/* A step of VGG-8 is the three products of eight layers, but for the first input gradient, which
 * nobody needs, and the first weight gradient, whose one channel cannot be cut. */
static void test_products_of_vgg(void **state)
{
    (void)state;
    struct covey__paper *p = simulate("vgg", "exponential");
    assert_int_equal(p->products, 22);
    assert_int_equal(p->local, 1);
    for (unsigned i = 0; i < p->count; i++) {
        assert_int_equal(p->setting[i].result[COVEY_CODE_MDS].rounds, 220);
        assert_true(covey__paper_gain(&p->setting[i], COVEY_CODE_UNCODED, COVEY_CODE_MDS) > 2.5);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_rounds),
        cmocka_unit_test(test_a_dead_worker),
        cmocka_unit_test(test_gains_of_schemes_a_and_b),
        cmocka_unit_test(test_the_literal_reading_gains_nothing),
        cmocka_unit_test(test_products_of_vgg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
