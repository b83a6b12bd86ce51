/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "covey/samples.h"

enum { COUNT = 23, VALUES = 12, BATCH = 5 };

static uint16_t labels[COUNT];
static uint8_t bytes[COUNT * VALUES];
static float floats[COUNT * VALUES];

static struct covey_samples make(bool of_floats)
{
    struct covey_samples s = {.count = COUNT,
                              .channels = 3,
                              .height = 2,
                              .width = 2,
                              .classes = COUNT,
                              .labels = labels,
                              .bytes = of_floats ? NULL : bytes,
                              .floats = of_floats ? floats : NULL};
    for (size_t i = 0; i < COUNT; i++) {
        labels[i] = (uint16_t)i;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
        floats[i] = (float)bytes[i];
    }
    return s;
}

/* A sample is the same numbers whether it is kept as bytes or as floats. */
static void test_get(void **state)
{
    struct covey_samples a = make(false), b = make(true);
    float one[VALUES], other[VALUES];
    (void)state;
    assert_int_equal(covey_samples_values(&a), VALUES);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(covey_samples_get(&a, i, one), i);
        assert_int_equal(covey_samples_get(&b, i, other), i);
        assert_memory_equal(one, other, sizeof(one));
        assert_true(one[1] == (float)(uint8_t)(i * VALUES + 1));
    }
}

/* Within an epoch no sample comes twice, and each comes with its label. */
static void test_epoch(void **state)
{
    struct covey_samples s = make(false);
    struct covey_batches b;
    bool seen[COUNT] = {false};
    (void)state;
    assert_int_equal(covey_batches_init(&b, &s, BATCH, 1), COVEY_OK);
    assert_int_equal(b.steps, COUNT / BATCH);
    covey_batches_epoch(&b, 3);
    for (uint32_t step = 0; step < b.steps; step++) {
        covey_batches_step(&b, step);
        for (size_t i = 0; i < BATCH; i++) {
            assert_false(seen[b.labels[i]]);
            seen[b.labels[i]] = true;
            assert_true(b.input[i * VALUES] == (float)(uint8_t)(b.labels[i] * VALUES));
        }
    }
    covey_batches_done(&b);
}

/* A batch made anywhere, in any order, is the same; another epoch or seed gives another. */
static void test_anywhere(void **state)
{
    struct covey_samples s = make(false);
    struct covey_batches a, b, c;
    (void)state;
    assert_int_equal(covey_batches_init(&a, &s, BATCH, 7), COVEY_OK);
    assert_int_equal(covey_batches_init(&b, &s, BATCH, 7), COVEY_OK);
    assert_int_equal(covey_batches_init(&c, &s, BATCH, 8), COVEY_OK);
    a.augment.flip = b.augment.flip = c.augment.flip = true;
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        covey_batches_epoch(&a, epoch);
        covey_batches_step(&a, 0);
        covey_batches_step(&a, 2);
    }
    covey_batches_epoch(&b, 2);
    covey_batches_step(&b, 2);
    assert_memory_equal(a.input, b.input, BATCH * VALUES * sizeof(float));
    assert_memory_equal(a.labels, b.labels, BATCH * sizeof(uint32_t));
    covey_batches_epoch(&c, 2);
    covey_batches_step(&c, 2);
    assert_memory_not_equal(a.labels, c.labels, BATCH * sizeof(uint32_t));
    covey_batches_epoch(&b, 1);
    covey_batches_step(&b, 2);
    assert_memory_not_equal(a.labels, b.labels, BATCH * sizeof(uint32_t));
    covey_batches_done(&a);
    covey_batches_done(&b);
    covey_batches_done(&c);
}

/* Samples in a row, as they are, and fewer at the end. */
static void test_plain(void **state)
{
    struct covey_samples s = make(true);
    struct covey_batches b;
    (void)state;
    assert_int_equal(covey_batches_init(&b, &s, BATCH, 1), COVEY_OK);
    b.augment.flip = true;
    assert_int_equal(covey_batches_plain(&b, &s, 10), BATCH);
    assert_memory_equal(b.input, floats + 10 * VALUES, BATCH * VALUES * sizeof(float));
    assert_int_equal(b.labels[4], 14);
    assert_int_equal(covey_batches_plain(&b, &s, 20), 3);
    assert_int_equal(covey_batches_plain(&b, &s, COUNT), 0);
    covey_batches_done(&b);
}

/* A batch of nothing is refused. */
static void test_refused(void **state)
{
    struct covey_samples s = make(true);
    struct covey_batches b;
    (void)state;
    assert_int_equal(covey_batches_init(&b, &s, 0, 1), COVEY_ERR_RANGE);
    covey_batches_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),      cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_anywhere), cmocka_unit_test(test_plain),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
