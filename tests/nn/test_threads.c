/* SPDX-License-Identifier: MIT
 *
 * test_threads.c - the pool calls each part once, on threads that it names, and waits for all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "covey/threads.h"

enum { PARTS_MAX = 1000 };

struct tally {
    unsigned char calls[PARTS_MAX]; /* not atomic: two calls for one part would be a race */
    atomic_uint inside[COVEY_THREADS_MAX];
    atomic_uint doubled;
    unsigned count;
};

static void count_part(void *ctx, size_t part, unsigned thread)
{
    struct tally *t = ctx;
    assert_true(thread < t->count);
    if (atomic_fetch_add(&t->inside[thread], 1) != 0) {
        atomic_fetch_add(&t->doubled, 1);
    }
    t->calls[part]++;
    if (part % 7 == 0) {
        sched_yield();
    }
    atomic_fetch_sub(&t->inside[thread], 1);
}

static void run_counts(struct covey_threads *threads, size_t parts)
{
    static struct tally t;
    memset(&t, 0, sizeof(t));
    t.count = covey_threads_count(threads);
    covey_threads_run(threads, parts, count_part, &t);
    assert_int_equal(atomic_load(&t.doubled), 0);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        assert_int_equal(t.calls[i], i < parts);
    }
}

/* Each part is done once before run returns, for any number of threads and parts. */
static void test_each_part_once(void **state)
{
    (void)state;
    static const unsigned counts[] = {1, 2, 3, 8, COVEY_THREADS_MAX};
    static const size_t parts[] = {0, 1, 2, 3, 63, PARTS_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct covey_threads *t = NULL;
        assert_int_equal(covey_threads_new(counts[i], &t), COVEY_OK);
        assert_int_equal(covey_threads_count(t), counts[i]);
        for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
            run_counts(t, parts[j]);
        }
        covey_threads_free(t);
    }
}

/* Thousands of short runs, one behind the other, neither lose a part nor hang. */
static void test_many_runs(void **state)
{
    (void)state;
    struct covey_threads *t = NULL;
    assert_int_equal(covey_threads_new(3, &t), COVEY_OK);
    for (size_t i = 0; i < 3000; i++) {
        run_counts(t, 2 + i % 5);
    }
    covey_threads_free(t);
}

/* Without a pool the caller does the parts, in order. */
static void in_order(void *ctx, size_t part, unsigned thread)
{
    size_t *next = ctx;
    assert_int_equal(part, *next);
    assert_int_equal(thread, 0);
    (*next)++;
}

static void test_no_pool(void **state)
{
    (void)state;
    size_t next = 0;
    assert_int_equal(covey_threads_count(NULL), 1);
    covey_threads_run(NULL, 5, in_order, &next);
    assert_int_equal(next, 5);
    covey_threads_free(NULL);
}

/* Counts out of range are refused; a pool that never ran ends. */
static void test_bounds(void **state)
{
    (void)state;
    struct covey_threads *t = NULL;
    assert_int_equal(covey_threads_new(0, &t), COVEY_ERR_RANGE);
    assert_int_equal(covey_threads_new(COVEY_THREADS_MAX + 1, &t), COVEY_ERR_RANGE);
    assert_null(t);
    assert_int_equal(covey_threads_new(4, &t), COVEY_OK);
    covey_threads_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_part_once),
        cmocka_unit_test(test_many_runs),
        cmocka_unit_test(test_no_pool),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
