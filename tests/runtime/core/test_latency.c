/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "covey/latency.h"

enum { DEVICES = 10, ROUNDS = 4000, DRAWS = DEVICES * ROUNDS };

struct moments {
    double mean, deviation, least, most;
};

static struct moments draw_all(struct covey_latency law)
{
    struct moments m = {.least = INFINITY, .most = -INFINITY};
    double squares = 0;
    for (law.device = 0; law.device < DEVICES; law.device++) {
        for (uint64_t round = 1; round <= ROUNDS; round++) {
            double x = covey_latency_draw(&law, round);
            m.mean += x / DRAWS;
            squares += x * x / DRAWS;
            m.least = fmin(m.least, x);
            m.most = fmax(m.most, x);
        }
    }
    m.deviation = sqrt(squares - m.mean * m.mean);
    return m;
}

static void assert_near(double a, double b, double within)
{
    if (fabs(a - b) > within) {
        fail_msg("%g is not within %g of %g", a, within, b);
    }
}

/* Each law has the mean and the standard deviation of its name, within five standard errors. */
static void test_moments(void **state)
{
    (void)state;
    struct moments m =
        draw_all((struct covey_latency){.kind = COVEY_LATENCY_UNIFORM, .a_us = 1000, .b_us = 9000});
    assert_near(m.mean, 5, 0.06);
    assert_near(m.deviation, 8 / sqrt(12), 0.05);
    assert_true(m.least >= 1 && m.least < 1.01 && m.most <= 9 && m.most > 8.99);
    m = draw_all((struct covey_latency){.kind = COVEY_LATENCY_NORMAL, .a_us = 20000, .b_us = 2000});
    assert_near(m.mean, 20, 0.05);
    assert_near(m.deviation, 2, 0.04);
    m = draw_all((struct covey_latency){.kind = COVEY_LATENCY_EXPONENTIAL, .a_us = 12000});
    assert_near(m.mean, 12, 0.3);
    assert_near(m.deviation, 12, 0.5);
    assert_true(m.least >= 0);
}

/* What would be negative is 0: with mean and deviation alike, one draw in six. */
static void test_normal_is_cut(void **state)
{
    (void)state;
    unsigned cut = 0;
    struct covey_latency law = {.kind = COVEY_LATENCY_NORMAL, .a_us = 5000, .b_us = 5000};
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        double x = covey_latency_draw(&law, round);
        assert_true(x >= 0);
        cut += x == 0;
    }
    assert_near((double)cut / ROUNDS, 0.1587, 0.03);
}

/* The same again for the same seed, device and round; another for another of them; 0 of no law. */
static void test_draws_are_their_own(void **state)
{
    (void)state;
    struct covey_latency law = {.kind = COVEY_LATENCY_EXPONENTIAL, .a_us = 1000000, .seed = 1};
    struct covey_latency device = law, seed = law, none = law;
    device.device = 1;
    seed.seed = 2;
    none.kind = COVEY_LATENCY_NONE;
    for (uint64_t round = 1; round < 100; round++) {
        double x = covey_latency_draw(&law, round);
        assert_true(x == covey_latency_draw(&law, round));
        assert_true(x != covey_latency_draw(&law, round + 1));
        assert_true(x != covey_latency_draw(&device, round));
        assert_true(x != covey_latency_draw(&seed, round));
        assert_true(covey_latency_draw(&none, round) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_normal_is_cut),
        cmocka_unit_test(test_draws_are_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
