/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "../../nn/codes/mix_kernel.h"
#include "../../nn/kernels/cpu.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLOATS = 1203, WIDTH = COVEY__MIX_WIDTH };

struct arrays {
    float x[WIDTH][FLOATS + 1], factor[WIDTH];
    const float *at[WIDTH];
};

/* Integers of the field or real numbers; the arrays start off any alignment. */
static void fill(struct arrays *a, uint64_t seed, double most)
{
    for (unsigned i = 0; i < WIDTH; i++) {
        for (unsigned j = 0; j <= FLOATS; j++) {
            double v = (double)random_float(&seed) * (most > 0 ? most : 1);
            a->x[i][j] = (float)(most > 0 ? rint(v) : v);
        }
        a->factor[i] =
            most > 0 ? (float)rint((double)random_float(&seed) * most) : random_float(&seed);
        a->at[i] = a->x[i] + i % 2;
    }
}

static const struct covey__mix_kernel *kernel_of(unsigned i)
{
    static const enum covey__isa isas[] = {COVEY__ISA_PORTABLE, COVEY__ISA_AVX2, COVEY__ISA_AVX512};
    return covey__mix_kernel_of(isas[i]);
}

/* Sums of integers are the same to the last bit with every set of instructions, at any length. */
static void test_integers(void **state)
{
    static struct arrays a;
    double most = covey_field_most(0), prime = (double)covey_field_prime(0);
    (void)state;
    fill(&a, 5, most);
    for (size_t count = 0; count < FLOATS; count = count * 3 / 2 + 1) {
        for (unsigned i = 0; i < 3; i++) {
            const struct covey__mix_kernel *k = kernel_of(i);
            double sum[FLOATS], dot = 0;
            float out[FLOATS];
            if (k == NULL) {
                continue;
            }
            memset(sum, 0, sizeof(sum));
            k->add_exact(a.factor, a.at, sum, count);
            k->store(prime, sum, out, count);
            k->reduce(prime, sum, count);
            for (size_t j = 0; j < count; j++) {
                int64_t expected = 0, p = covey_field_prime(0);
                for (unsigned t = 0; t < WIDTH; t++) {
                    expected += (int64_t)a.factor[t] * (int64_t)a.at[t][j];
                }
                assert_int_equal((expected - (int64_t)out[j]) % p, 0);
                assert_int_equal((expected - (int64_t)sum[j]) % p, 0);
                assert_true(fabs((double)out[j]) <= most && fabs(sum[j]) <= most + 1);
            }
            dot = k->dot_exact(prime, a.at[0], a.at[1], count);
            int64_t expected = 0, p = covey_field_prime(0);
            for (size_t j = 0; j < count; j++) {
                expected = (expected + (int64_t)a.at[0][j] * (int64_t)a.at[1][j]) % p;
            }
            assert_int_equal((expected - (int64_t)dot) % p, 0);
            assert_int_equal(k->count_strange((float)most, a.at[0], count), 0);
        }
    }
}

/* Sums of real numbers differ by rounding only, and setting forgets what was there. */
static void test_reals(void **state)
{
    static struct arrays a;
    (void)state;
    fill(&a, 6, 0);
    for (size_t count = 1; count < FLOATS; count = count * 3 / 2 + 1) {
        for (unsigned i = 0; i < 3; i++) {
            const struct covey__mix_kernel *k = kernel_of(i);
            float out[FLOATS + 1];
            if (k == NULL) {
                continue;
            }
            memset(out, 0xff, sizeof(out));
            k->set(a.factor, a.at, out, count);
            k->add(a.factor, a.at, out, count);
            for (size_t j = 0; j < count; j++) {
                double expected = 0;
                for (unsigned t = 0; t < WIDTH; t++) {
                    expected += 2 * (double)a.factor[t] * (double)a.at[t][j];
                }
                assert_true(fabs((double)out[j] - expected) < 1e-5);
            }
            assert_true(isnan(out[count])); /* nothing was written behind */
        }
    }
}

/* The largest magnitude, and numbers that are none of the field, are found wherever they are. */
static void test_searches(void **state)
{
    static struct arrays a;
    (void)state;
    fill(&a, 7, 1000);
    for (unsigned i = 0; i < 3; i++) {
        const struct covey__mix_kernel *k = kernel_of(i);
        for (size_t j = 0; k != NULL && j < FLOATS; j += 7) {
            const float strange[] = {2001, -2001, 0.5f, NAN, INFINITY, -INFINITY, 1e-30f};
            float kept = a.x[0][j], *at = &a.x[0][j];
            for (unsigned s = 0; s < 7; s++) {
                *at = strange[s];
                assert_int_equal(k->count_strange(2000, a.x[0], FLOATS), 1);
                float most = k->largest(a.x[0], FLOATS);
                assert_true(isnan(strange[s]) ? isnan(most)
                                              : most >= fabsf(strange[s]) && most >= 900);
            }
            *at = kept;
            assert_int_equal(k->count_strange(2000, a.x[0], FLOATS), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
