/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
