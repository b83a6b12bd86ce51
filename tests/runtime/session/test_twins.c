/* SPDX-License-Identifier: MIT
 *
 * Rows of a tile run that two devices made: what differs by rounding agrees, whatever else differs
 * is seen, and whoever made it is named.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "version.h"

enum { DEVICES = 5, PLANES = 3, ROWS = 9, WIDTH = 7, FLOATS = PLANES * ROWS * WIDTH };

/* Devices 0 and 2 make all rows, devices 1, 3 and 4 the same rows in other pieces. */
static const uint16_t first[DEVICES + 1] = {0, 5, 5, 9, 9, 9};
static const uint16_t second[DEVICES + 1] = {0, 0, 2, 2, 6, 9};

struct scene {
    struct covey_cell cell;
    struct covey_model_file file;
    struct covey_version version;
    struct covey_tile_layout layout, twin;
    float right[FLOATS];
    struct covey_body *piece[COVEY_PLAN_DEVICES_MAX];
    struct covey_version_pieces pieces;
    uint64_t seed;
};

static float noise(struct scene *s)
{
    s->seed = s->seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (float)(int32_t)(s->seed >> 32) / 2147483648.0F;
}

static struct covey_rows rows_of(const struct scene *s, unsigned d)
{
    struct covey_rows rows = covey_tile_made(&s->layout, 0, d);
    return rows.begin < rows.end ? rows : covey_tile_made(&s->twin, 0, d);
}

static float *number_of(const struct scene *s, unsigned d)
{
    return (float *)(void *)s->piece[d]->data;
}

/* Each device's rows, apart from the right ones by so much of the largest number. */
static void make_pieces(struct scene *s, float apart)
{
    for (unsigned d = 0; d < DEVICES; d++) {
        struct covey_rows rows = rows_of(s, d);
        size_t row = 0, count = (size_t)rows.end - rows.begin;
        float wide[FLOATS];
        for (unsigned p = 0; p < PLANES; p++) {
            for (unsigned y = rows.begin; y < rows.end; y++, row++) {
                for (unsigned x = 0; x < WIDTH; x++) {
                    wide[row * WIDTH + x] = s->right[(p * ROWS + y) * WIDTH + x] + apart * noise(s);
                }
            }
        }
        covey_body_unref(s->piece[d]);
        size_t floats = PLANES * count * WIDTH;
        if (s->version.plan.half) {
            assert_int_equal(covey__body_halve(wide, floats, &s->piece[d]), COVEY_OK);
        } else {
            assert_int_equal(covey_body_new(floats * sizeof(float), &s->piece[d]), COVEY_OK);
            memcpy(s->piece[d]->data, wide, floats * sizeof(float));
        }
    }
}

static struct scene *scene_new(void)
{
    struct scene *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    struct covey_plan_run *run = &s->version.plan.run[0];
    s->seed = 5;
    s->cell.out_planes = PLANES;
    s->cell.out_rows = ROWS;
    s->cell.out_width = WIDTH;
    s->file.cell = &s->cell;
    s->file.cells = 1;
    s->version.file = &s->file;
    s->version.self = 0;
    s->version.plan.devices = DEVICES;
    s->version.plan.runs = 1;
    run->cells = 1;
    run->segments = 1;
    run->twice = true;
    run->segment[0].cells = 1;
    run->segment[0].map.out_rows = ROWS;
    memcpy(run->segment[0].rows, first, sizeof(first));
    memcpy(run->twin, second, sizeof(second));
    covey_tile_layout_of(run, DEVICES, &s->layout);
    covey_tile_layout_twin(run, DEVICES, &s->twin);
    s->pieces = (struct covey_version_pieces){&s->layout, &s->twin, s->piece};
    for (unsigned i = 0; i < FLOATS; i++) {
        s->right[i] = noise(s) > 0 ? 10 * noise(s) : 0;
    }
    s->right[FLOATS / 2] = 10;
    return s;
}

static void scene_free(struct scene *s)
{
    for (unsigned d = 0; d < DEVICES; d++) {
        covey_body_unref(s->piece[d]);
    }
    free(s);
}

static bool agree(const struct scene *s)
{
    bool agrees = false;
    assert_int_equal(covey__version_agree(&s->version, 0, &s->pieces, &agrees), COVEY_OK);
    return agrees;
}

static uint32_t wrong(const struct scene *s)
{
    uint32_t mask = UINT32_MAX;
    assert_int_equal(covey__version_wrong(&s->version, 0, &s->pieces, s->right, &mask), COVEY_OK);
    return mask;
}

/* Rounding is no lie. */
static void test_rounding_agrees(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    for (unsigned i = 0; i < 200; i++) {
        make_pieces(s, 1e-5F);
        assert_true(agree(s));
        assert_int_equal(wrong(s), 0);
    }
    s->version.plan.half = true;
    make_pieces(s, 1e-5F);
    assert_true(agree(s));
    assert_int_equal(wrong(s), 0);
    scene_free(s);
}

/* Any one number of anybody that is not what it should be is seen, and only who sent it is named;
 * the owner itself is not. */
static void test_any_number_is_seen(void **state)
{
    (void)state;
    const float lies[] = {1e-3F, -0.2F, 1e30F, INFINITY, -INFINITY, NAN};
    struct scene *s = scene_new();
    for (unsigned d = 0; d < DEVICES; d++) {
        make_pieces(s, 0);
        size_t count = s->piece[d]->len / sizeof(float);
        for (size_t i = 0; i < count; i++) {
            for (unsigned k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
                float was = number_of(s, d)[i];
                number_of(s, d)[i] = was + lies[k];
                assert_false(agree(s));
                assert_int_equal(wrong(s), d == 0 ? 0 : 1U << d);
                number_of(s, d)[i] = was;
            }
        }
        assert_true(agree(s));
    }
    scene_free(s);
}

/* Several who lie differently are all named; of float16 too. */
static void test_all_liars_are_named(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    for (unsigned half = 0; half < 2; half++) {
        s->version.plan.half = half != 0;
        make_pieces(s, 0);
        s->piece[2]->data[3] ^= 0x40;
        s->piece[3]->data[s->piece[3]->len - 1] ^= 0x40;
        assert_false(agree(s));
        assert_int_equal(wrong(s), 1U << 2 | 1U << 3);
    }
    scene_free(s);
}

/* Two who make the same rows and return the same wrong ones are believed: this is as far as two
 * makers go. Of rows that only one of them has changed, it is named. */
static void test_equal_lies_are_believed(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    make_pieces(s, 0);
    struct covey_rows made = rows_of(s, 2), again = rows_of(s, 4);
    unsigned y = made.begin > again.begin ? made.begin : again.begin;
    assert_true(y < made.end && y < again.end);
    size_t in_made = (size_t)(y - made.begin) * WIDTH, in_again = (size_t)(y - again.begin) * WIDTH;
    number_of(s, 2)[in_made] += 1;
    assert_false(agree(s));
    number_of(s, 4)[in_again] += 1;
    assert_true(agree(s));
    number_of(s, 4)[in_again] -= 1;
    assert_false(agree(s));
    assert_int_equal(wrong(s), 1U << 2);
    scene_free(s);
}

/* What overflows is nobody's lie: it is computed at the owner, and nobody is named. */
static void test_infinite_numbers_are_not_judged(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    s->right[17] = INFINITY;
    make_pieces(s, 0);
    assert_false(agree(s));
    assert_int_equal(wrong(s), 0);
    scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding_agrees),
        cmocka_unit_test(test_any_number_is_seen),
        cmocka_unit_test(test_all_liars_are_named),
        cmocka_unit_test(test_equal_lies_are_believed),
        cmocka_unit_test(test_infinite_numbers_are_not_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
