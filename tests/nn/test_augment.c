/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "covey/augment.h"

enum { CHANNELS = 2, ROWS = 3, COLUMNS = 4, PLANE = ROWS * COLUMNS, VALUES = CHANNELS * PLANE };

static const uint32_t size[3] = {CHANNELS, ROWS, COLUMNS};

/* Every value is its place and one. */
static void fill(float *in)
{
    for (int i = 0; i < VALUES; i++) {
        in[i] = (float)(i + 1);
    }
}

static float at(const float *in, int c, int y, int x)
{
    bool inside = y >= 0 && y < ROWS && x >= 0 && x < COLUMNS;
    return inside ? in[c * PLANE + y * COLUMNS + x] : 0.0f;
}

/* Mirrored without repeating the edge, for places at most one period away. */
static int mirrored(int i, int n)
{
    i = i < 0 ? -i : i;
    return i >= n ? 2 * (n - 1) - i : i;
}

/* Is out the picture moved by dy, dx, with zeros or mirrored? */
static bool is_moved(const float *in, const float *out, const int by[2], bool mirror)
{
    for (int i = 0; i < VALUES; i++) {
        int c = i / PLANE, y = i % PLANE / COLUMNS + by[0], x = i % COLUMNS + by[1];
        float want = mirror ? at(in, c, mirrored(y, ROWS), mirrored(x, COLUMNS)) : at(in, c, y, x);
        if (out[i] != want) {
            return false;
        }
    }
    return true;
}

/* Without any change asked for, a picture stays as it is. */
static void test_nothing(void **state)
{
    const struct covey_augment none = {.flip = false};
    float in[VALUES], out[VALUES];
    (void)state;
    fill(in);
    for (uint64_t i = 0; i < 10; i++) {
        covey_augment_apply(&none, size, covey_augment_draw(1, 2, i), in, out);
        assert_memory_equal(in, out, sizeof in);
    }
}

/* Flipping leaves about half of the pictures as they are and turns the others round, whole. */
static void test_flip(void **state)
{
    const struct covey_augment flip = {.flip = true};
    float in[VALUES], out[VALUES];
    int turned = 0;
    (void)state;
    fill(in);
    for (uint64_t i = 0; i < 1000; i++) {
        covey_augment_apply(&flip, size, covey_augment_draw(1, 2, i), in, out);
        if (out[0] == in[0]) {
            assert_memory_equal(in, out, sizeof in);
            continue;
        }
        turned++;
        for (int k = 0; k < VALUES; k++) {
            assert_true(out[k] == in[k - k % COLUMNS + COLUMNS - 1 - k % COLUMNS]);
        }
    }
    assert_in_range(turned, 430, 570);
}

/* Every move within the bounds happens, about equally often, and no other. */
static void check_moves(const struct covey_augment *a, bool mirror)
{
    enum { DRAWS = 2500, SIDE = 5 };
    float in[VALUES], out[VALUES];
    int seen[SIDE][SIDE] = {{0}};
    fill(in);
    for (uint64_t i = 0; i < DRAWS; i++) {
        int found = 0;
        covey_augment_apply(a, size, covey_augment_draw(7, 0, i), in, out);
        for (int k = 0; k < SIDE * SIDE; k++) {
            const int by[2] = {k / SIDE - 2, k % SIDE - 2};
            bool is = is_moved(in, out, by, mirror);
            seen[k / SIDE][k % SIDE] += is;
            found += is;
        }
        assert_true(found > 0);
    }
    for (int k = 0; k < SIDE * SIDE; k++) {
        assert_in_range(seen[k / SIDE][k % SIDE], 50, DRAWS);
    }
}

/* A shift moves by at most its pixels and lets zeros in. */
static void test_shift(void **state)
{
    const struct covey_augment shift = {.shift = 2};
    (void)state;
    check_moves(&shift, false);
}

/* A crop takes a window of the picture mirrored at its edges. */
static void test_crop(void **state)
{
    const struct covey_augment crop = {.crop = 2};
    (void)state;
    check_moves(&crop, true);
}

/* Sum, and sums of the places weighted by value, of one plane. */
static void moments(const float *plane, const uint32_t form[static 3], double out[static 3])
{
    out[0] = out[1] = out[2] = 0;
    for (uint32_t i = 0; i < form[1] * form[2]; i++) {
        out[0] += (double)plane[i];
        out[1] += (double)plane[i] * (i / form[2]);
        out[2] += (double)plane[i] * (i % form[2]);
    }
}

/* A warp keeps a blot about as heavy and near its place, no two are the same, and without any
 * extent it is nothing. */
static void test_warp(void **state)
{
    enum { SIDE = 32 };
    static float in[SIDE * SIDE], out[SIDE * SIDE], before[SIDE * SIDE];
    const uint32_t form[3] = {1, SIDE, SIDE};
    const struct covey_augment a = {.warp = 0.1f}, none = {.warp = 0.0f};
    double was[3], is[3];
    (void)state;
    for (int y = 12; y < 20; y++) {
        for (int x = 12; x < 20; x++) {
            in[y * SIDE + x] = 1.0f;
        }
    }
    moments(in, form, was);
    for (uint64_t i = 0; i < 200; i++) {
        covey_augment_apply(&a, form, covey_augment_draw(1, 1, i), in, out);
        moments(out, form, is);
        /* Areas change by 1 / det(1 + A), the middle by at most w side / 2, over the smallest. */
        assert_true(is[0] > was[0] / 1.25 && is[0] < was[0] / 0.75);
        for (int k = 1; k < 3; k++) {
            double moved = is[k] / is[0] - was[k] / was[0];
            assert_true(moved < 2.5 && moved > -2.5);
        }
        assert_memory_not_equal(out, before, sizeof out);
        memcpy(before, out, sizeof out);
    }
    covey_augment_apply(&none, form, 5, in, out);
    assert_memory_equal(in, out, sizeof in);
}

/* Moves far beyond the picture and pictures of one pixel stay within memory. */
static void test_extremes(void **state)
{
    const struct covey_augment a = {true, COVEY_AUGMENT_MOVE_MAX, COVEY_AUGMENT_MOVE_MAX, 1.0f};
    const struct covey_augment crop = {.crop = COVEY_AUGMENT_MOVE_MAX};
    const uint32_t one[3] = {1, 1, 1};
    float *in = malloc(VALUES * sizeof *in), *out = malloc(VALUES * sizeof *out);
    (void)state;
    assert_non_null(in);
    assert_non_null(out);
    fill(in);
    for (uint64_t i = 0; i < 200; i++) {
        covey_augment_apply(&a, size, covey_augment_draw(3, 4, i), in, out);
        covey_augment_apply(&crop, size, covey_augment_draw(3, 4, i), in, out);
        for (int k = 0; k < VALUES; k++) {
            assert_true(out[k] >= 1.0f);
        }
        covey_augment_apply(&crop, one, covey_augment_draw(3, 4, i), in, out);
        assert_true(out[0] == in[0]);
    }
    free(in);
    free(out);
}

/* The order is a permutation, the same for the same seed and round, another for another. */
static void test_order(void **state)
{
    enum { COUNT = 100 };
    uint32_t first[COUNT], again[COUNT], other[COUNT];
    bool seen[COUNT] = {false};
    (void)state;
    covey_augment_order(5, 1, first, COUNT);
    covey_augment_order(5, 1, again, COUNT);
    assert_memory_equal(first, again, sizeof first);
    for (int i = 0; i < COUNT; i++) {
        assert_true(first[i] < COUNT && !seen[first[i]]);
        seen[first[i]] = true;
    }
    covey_augment_order(5, 2, other, COUNT);
    assert_memory_not_equal(first, other, sizeof first);
    covey_augment_order(6, 1, other, COUNT);
    assert_memory_not_equal(first, other, sizeof first);
    covey_augment_order(5, 1, other, 0);
}

/* Every sample comes to every place about equally often. */
static void test_order_is_fair(void **state)
{
    enum { COUNT = 4, ROUNDS = 4000 };
    int seen[COUNT][COUNT] = {{0}};
    uint32_t order[COUNT];
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        covey_augment_order(9, round, order, COUNT);
        for (int i = 0; i < COUNT; i++) {
            seen[i][order[i]]++;
        }
    }
    for (int i = 0; i < COUNT * COUNT; i++) {
        assert_in_range(seen[i / COUNT][i % COUNT], 880, 1120);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_flip),
        cmocka_unit_test(test_shift),   cmocka_unit_test(test_crop),
        cmocka_unit_test(test_warp),    cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_order_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
