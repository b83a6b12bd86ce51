/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "body_shared.h"
#include "covey/body.h"

enum { MIB = 1 << 20, MANY = 24 };

/* Large bodies are whole and apart from one another, however many there are, and used again. */
static void test_large_bodies(void **state)
{
    struct covey_body *body[MANY] = {NULL};
    (void)state;
    for (unsigned turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(covey_body_new(3 * MIB + i, &body[i]), COVEY_OK);
            assert_int_equal((uintptr_t)body[i]->data % 64, 0);
            memset(body[i]->data, (int)i, body[i]->len);
        }
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(body[i]->data[0], i);
            assert_int_equal(body[i]->data[body[i]->len - 1], i);
            covey_body_unref(body[i]);
        }
    }
}

/* One that grows keeps what it has, from small to as large as may be, and no further. */
static void test_growing(void **state)
{
    static uint8_t piece[MIB];
    struct covey_body *b = NULL;
    (void)state;
    assert_int_equal(covey_body_new(0, &b), COVEY_OK);
    for (size_t i = 0; i < COVEY_BODY_MAX / MIB; i++) {
        memset(piece, (int)i, sizeof(piece));
        assert_int_equal(covey_body_append(b, covey_bytes_of(piece, sizeof(piece))), COVEY_OK);
    }
    for (size_t i = 0; i < COVEY_BODY_MAX / MIB; i++) {
        assert_int_equal(b->data[i * MIB], i);
        assert_int_equal(b->data[(i + 1) * MIB - 1], i);
    }
    assert_int_equal(covey_body_append(b, covey_bytes_of(piece, 1)), COVEY_ERR_LIMIT);
    covey_body_unref(b);
}

/* The largest body may be shared, and a small one. */
static void test_shared(void **state)
{
    static const size_t sizes[] = {0, 5, 2 * MIB, COVEY_BODY_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct covey_body *b = NULL;
        assert_int_equal(covey_body_new(sizes[i], &b), COVEY_OK);
        memset(b->data, 1, b->len);
        assert_int_equal(covey_body_share(b), COVEY_OK);
        covey_body_unref(b);
    }
}

/* A part has its bytes of the body, and keeps them there. */
static void test_slices(void **state)
{
    struct covey_body *b = NULL, *first = NULL, *last = NULL;
    (void)state;
    assert_int_equal(covey_body_new(MIB + 5, &b), COVEY_OK);
    memset(b->data, 1, MIB);
    memset(b->data + MIB, 2, 5);
    assert_int_equal(covey_body_slice(b, 0, MIB, &first), COVEY_OK);
    assert_int_equal(covey_body_slice(b, MIB, 5, &last), COVEY_OK);
    covey_body_unref(b);
    assert_int_equal(first->len, MIB);
    assert_int_equal(first->data[0], 1);
    covey_body_unref(first);
    assert_int_equal(last->len, 5);
    assert_int_equal(last->data[0], 2);
    assert_int_equal(last->data[4], 2);
    covey_body_unref(last);
}

/* What a body of an announced length is written to stays where it is: nothing is copied. */
static void test_expected(void **state)
{
    static const size_t sizes[] = {100, MIB + MIB / 8, 2 * MIB, 3 * MIB};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        static const uint8_t piece[1000];
        struct covey_body *b = NULL;
        assert_int_equal(covey_body_new(0, &b), COVEY_OK);
        assert_int_equal(covey__body_expect(b, sizes[i]), COVEY_OK);
        const uint8_t *place = b->data;
        while (b->len < sizes[i]) {
            size_t left = sizes[i] - b->len;
            size_t n = left < sizeof(piece) ? left : sizeof(piece);
            assert_int_equal(covey_body_append(b, covey_bytes_of(piece, n)), COVEY_OK);
        }
        assert_true(sizeof(void *) == 4 || b->data == place);
        covey_body_unref(b);
    }
}

static uint64_t resident(void)
{
    unsigned long all = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
    fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What a large body that was freed leaves in memory. */
static uint64_t left_by(size_t bytes)
{
    struct covey_body *b = NULL;
    uint64_t before = resident();
    assert_int_equal(covey_body_new(bytes, &b), COVEY_OK);
    memset(b->data, 1, b->len);
    assert_true(resident() > before + bytes / 2);
    covey_body_unref(b);
    uint64_t after = resident();
    return after > before ? after - before : 0;
}

/* Memory that was free is used again, but where it is bounded: there it goes at once. */
static void test_bounded(void **state)
{
    enum { LARGE = 40 * MIB };
    (void)state;
    if (sizeof(void *) == 4) {
        skip(); /* all bodies come from the heap */
    }
    assert_true(left_by(LARGE) > LARGE / 2);
    covey_body_keep_none();
    struct covey_body *b = NULL; /* the one that was kept */
    assert_int_equal(covey_body_new(LARGE, &b), COVEY_OK);
    covey_body_unref(b);
    assert_true(left_by(LARGE) < LARGE / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_bounded), /* the last: it is for the whole process */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
