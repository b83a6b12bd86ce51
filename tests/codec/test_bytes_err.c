/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/bytes.h"
#include "covey/err.h"

struct err_row {
    covey_err err;
    const char *name;
};

static const struct err_row errs[] = {
#define ERR_ROW(name, number, text) {name, #name},
    COVEY_ERR_MAP(ERR_ROW)
#undef ERR_ROW
};

enum { ERR_COUNT = sizeof(errs) / sizeof(errs[0]) };

/* Every error has a sentence of its own, so that a person can tell them apart. */
static void test_strerror_has_a_sentence_for_each(void **state)
{
    (void)state;
    for (size_t i = 0; i < ERR_COUNT; i++) {
        const char *text = covey_strerror(errs[i].err);
        assert_non_null(text);
        assert_true(strlen(text) > 3);
        assert_string_not_equal(text, "unknown error");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, covey_strerror(errs[j].err));
        }
    }
}

/* A number that no error has, as a newer peer may send, still gets a sentence. */
static void test_strerror_survives_unknown_numbers(void **state)
{
    (void)state;
    int numbers[] = {-1, 4, 9, 14, 42, 1000, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        assert_string_equal(covey_strerror((covey_err)numbers[i]), "unknown error");
    }
}

/* The numbers travel to peers and to exit codes: none moves, none is used twice. */
static void test_err_numbers_are_fixed_and_in_their_class(void **state)
{
    (void)state;
    assert_int_equal(COVEY_OK, 0);
    assert_int_equal(COVEY_ERR_NOMEM, 1);
    assert_int_equal(COVEY_ERR_SHORT, 10);
    assert_int_equal(COVEY_ERR_AUTH, 20);
    assert_int_equal(COVEY_ERR_STATE, 30);
    assert_int_equal(COVEY_ERR_IO, 40);
    assert_int_equal(COVEY_ERR_PERMISSIONS, 41);
    for (size_t i = 1; i < ERR_COUNT; i++) {
        assert_true(errs[i].err > errs[i - 1].err);
    }
}

/* A product that does not fit fails and leaves the result alone; one that just fits is exact. */
static void test_size_mul_refuses_overflow(void **state)
{
    (void)state;
    const struct {
        size_t a, b, product;
        covey_err err;
    } rows[] = {
        {0, SIZE_MAX, 0, COVEY_OK},
        {1, SIZE_MAX, SIZE_MAX, COVEY_OK},
        {3, 5, 15, COVEY_OK},
        {2, SIZE_MAX / 2, SIZE_MAX - 1, COVEY_OK},
        {2, SIZE_MAX / 2 + 1, 77, COVEY_ERR_LIMIT},
        {SIZE_MAX, SIZE_MAX, 77, COVEY_ERR_LIMIT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t product = 77;
        assert_int_equal(covey_size_mul(rows[i].a, rows[i].b, &product), rows[i].err);
        assert_true(product == rows[i].product);
    }
}

/* A sum that does not fit fails and leaves the result alone; one that just fits is exact. */
static void test_size_add_refuses_overflow(void **state)
{
    (void)state;
    size_t sum = 0;
    assert_int_equal(covey_size_add(SIZE_MAX - 1, 1, &sum), COVEY_OK);
    assert_true(sum == SIZE_MAX);
    assert_int_equal(covey_size_add(SIZE_MAX, 1, &sum), COVEY_ERR_LIMIT);
    assert_int_equal(covey_size_add(1, SIZE_MAX, &sum), COVEY_ERR_LIMIT);
    assert_true(sum == SIZE_MAX);
}

/* The wire is little-endian on every machine, and a store is read back as it was. */
static void test_loads_and_stores_are_little_endian(void **state)
{
    (void)state;
    const uint8_t expected[8] = {0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x81};
    uint8_t bytes[8] = {0};
    covey_store64(bytes, 0x8123456789abcdefULL);
    assert_memory_equal(bytes, expected, 8);
    assert_true(covey_load64(bytes) == 0x8123456789abcdefULL);
    covey_store32(bytes, 0x89abcdefU);
    assert_memory_equal(bytes, expected, 4);
    assert_true(covey_load32(bytes) == 0x89abcdefU);
    covey_store16(bytes, 0xcdef);
    assert_memory_equal(bytes, expected, 2);
    assert_true(covey_load16(bytes) == 0xcdef);
}

/* Views are equal by what they hold; empty ones whatever they point to. */
static void test_bytes_equal_compares_contents(void **state)
{
    (void)state;
    const char a[] = "covey";
    const char b[] = "cover";
    assert_true(covey_bytes_equal(covey_bytes_of(a, 4), covey_bytes_of(b, 4)));
    assert_false(covey_bytes_equal(covey_bytes_of(a, 5), covey_bytes_of(b, 5)));
    assert_false(covey_bytes_equal(covey_bytes_of(a, 4), covey_bytes_of(a, 5)));
    assert_true(covey_bytes_equal(covey_bytes_of(NULL, 0), covey_bytes_of(a, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strerror_has_a_sentence_for_each),
        cmocka_unit_test(test_strerror_survives_unknown_numbers),
        cmocka_unit_test(test_err_numbers_are_fixed_and_in_their_class),
        cmocka_unit_test(test_size_mul_refuses_overflow),
        cmocka_unit_test(test_size_add_refuses_overflow),
        cmocka_unit_test(test_loads_and_stores_are_little_endian),
        cmocka_unit_test(test_bytes_equal_compares_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
