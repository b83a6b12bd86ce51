/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "layers.h"
#include "split_condition.h"
#include "split_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As stated in docs/coding.md. */
#define CONDITION_MAX 260.0
#define ERROR_MAX 2e-4
#define ERROR_ONE_MAX 1e-5

/* Units and slots of every group follow one another without a gap, and slots find their group. */
static void test_split_numbers_every_slot_once(void **state)
{
    (void)state;
    for (uint32_t units = 1; units <= COVEY_LAYER_UNITS_MAX; units++) {
        for (uint32_t n = 1; n <= COVEY_GROUP_UNITS_MAX; n++) {
            struct covey_split s;
            assert_int_equal(covey_split_init(&s, units, n, 1), COVEY_OK);
            unsigned unit = 0, slot = 0;
            for (unsigned g = 0; g < s.groups; g++) {
                unsigned first_unit, first_slot, place;
                unsigned count = covey_split_group(&s, g, &first_unit, &first_slot);
                assert_int_equal(first_unit, unit);
                assert_int_equal(first_slot, slot);
                assert_in_range(count, 1, n);
                for (unsigned i = 0; i <= count; i++) {
                    assert_int_equal(covey_split_slot(&s, slot + i, &place), g);
                    assert_int_equal(place, i);
                }
                unit += count;
                slot += count + 1;
            }
            assert_int_equal(unit, units);
            assert_int_equal(slot, s.slots);
        }
    }
}

/* Numbers from outside that make no split are refused. */
static void test_split_refuses_bad_numbers(void **state)
{
    (void)state;
    struct covey_split s;
    float v;
    assert_int_equal(covey_split_init(&s, 0, 4, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_init(&s, 65, 4, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_init(&s, 8, 0, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_init(&s, 8, 17, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_init(&s, 8, 4, 5), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_init(&s, 64, 1, 2), COVEY_ERR_LIMIT);
    assert_int_equal(covey_split_coefficient(0, 16, &v), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_coefficient(4, 0, &v), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_coefficient(0, 15, &v), COVEY_OK);
    assert_true(v == 1.0f);
}

/* Rows are cut into at most 64 units that cover them all. */
static void test_layer_cut_covers_all_rows(void **state)
{
    (void)state;
    for (uint32_t m = 1; m < 5000; m++) {
        uint32_t rows, units;
        covey_layer_cut(m, &rows, &units);
        assert_in_range(units, 1, COVEY_LAYER_UNITS_MAX);
        assert_true(rows * units >= m && rows * (units - 1) < m);
    }
}

static struct covey_layer conv_layer(uint32_t m, uint32_t batch)
{
    struct covey_layer l = layer_uneven_conv(m, batch);
    covey_layer_cut(m, &l.unit_rows, &l.units);
    return l;
}

/* Every square part of the pinned table is as well conditioned as docs/coding.md says. */
static void test_table_is_well_conditioned(void **state)
{
    (void)state;
    struct split_table t;
    struct split_part p;
    for (unsigned i = 0; i < SPLIT_ROWS * SPLIT_COLUMNS; i++) {
        float v = 0;
        assert_int_equal(covey_split_coefficient(i / SPLIT_COLUMNS, i % SPLIT_COLUMNS, &v),
                         COVEY_OK);
        assert_true(v != 0.0f && (i >= SPLIT_COLUMNS || v == 1.0f));
        t.at[i / SPLIT_COLUMNS][i % SPLIT_COLUMNS] = (double)v;
    }
    for (p.size = 1; p.size <= SPLIT_ROWS; p.size++) {
        choice_first(p.size, p.column);
        do {
            choice_first(p.size, p.row);
            do {
                assert_true(split_condition(&t, &p) <= CONDITION_MAX);
            } while (choice_next(p.size, SPLIT_ROWS, p.row));
        } while (choice_next(p.size, SPLIT_COLUMNS, p.column));
    }
}

/* Whatever `size` of the count + r answers do not come. */
static void lose(const struct split_trial *t, unsigned r, unsigned size)
{
    unsigned lost[SPLIT_ROWS];
    choice_first(size, lost);
    do {
        uint32_t mask = 0;
        double error = HUGE_VAL;
        for (unsigned i = 0; i < size; i++) {
            mask |= (uint32_t)1 << lost[i];
        }
        assert_int_equal(split_trial_rebuild(t, r, mask, &error), COVEY_OK);
        if (!(error <= (size == 1 ? ERROR_ONE_MAX : ERROR_MAX))) {
            fail_msg("%u units, %u parities, lost %x: error %g", t->count, r, (unsigned)mask,
                     error);
        }
    } while (choice_next(size, t->count + r, lost));
}

/* Up to r of a group's answers may be lost, whichever they are, for all groups and all r: the
 * units are those computed within the stated bound, and those that came are untouched. */
static void test_rebuild_any_losses(void **state)
{
    (void)state;
    static struct split_trial t;
    for (unsigned count = 1; count <= COVEY_GROUP_UNITS_MAX; count++) {
        assert_int_equal(split_trial_fill(&t, count, count), COVEY_OK);
        for (unsigned r = 0; r <= COVEY_PARITY_MAX; r++) {
            for (unsigned size = 0; size <= r; size++) {
                lose(&t, r, size);
            }
        }
    }
}

/* Units may be rebuilt among the answers themselves, in sizes that are no whole blocks. */
static void test_rebuild_in_place(void **state)
{
    (void)state;
    enum { UNITS = 3, FLOATS = 5003 };
    uint64_t seed = 3;
    float *slots = random_floats(&seed, (UNITS + 1) * FLOATS), *lost = slots + FLOATS;
    float *kept = malloc(FLOATS * sizeof(float));
    const float *units[UNITS] = {slots, lost, slots + 2 * FLOATS};
    const float *answers[UNITS + 1] = {units[0], NULL, units[2], slots + UNITS * FLOATS};
    float *out[UNITS] = {slots, lost, slots + 2 * FLOATS};
    assert_int_equal(covey_split_encode(0, UNITS, units, FLOATS, slots + UNITS * FLOATS), COVEY_OK);
    memcpy(kept, lost, FLOATS * sizeof(float));
    memset(lost, 0xff, FLOATS * sizeof(float));
    assert_int_equal(covey_split_rebuild(UNITS, 1, answers, out, FLOATS), COVEY_OK);
    for (size_t i = 0; i < FLOATS; i++) {
        assert_true(fabsf(lost[i] - kept[i]) < 1e-6f);
    }
    free(kept);
    free(slots);
}

/* Too few answers are an error of state, impossible groups one of range. */
static void test_rebuild_refuses(void **state)
{
    (void)state;
    static struct split_trial t;
    double error;
    assert_int_equal(split_trial_fill(&t, 4, 1), COVEY_OK);
    assert_int_equal(split_trial_rebuild(&t, 1, 0x11, &error), COVEY_ERR_STATE);
    assert_int_equal(split_trial_rebuild(&t, 0, 0x1, &error), COVEY_ERR_STATE);
    assert_int_equal(split_trial_rebuild(&t, 4, 0x97, &error), COVEY_ERR_STATE);
    assert_int_equal(covey_split_rebuild(0, 1, NULL, NULL, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_rebuild(17, 1, NULL, NULL, 1), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_rebuild(4, 5, NULL, NULL, 1), COVEY_ERR_RANGE);
}

struct bad_layer {
    size_t offset;
    uint32_t value;
};
#define BAD(field, value)                                                                          \
    {                                                                                              \
        offsetof(struct covey_layer, field), value                                                 \
    }

/* A layer from outside with one wrong number is refused. */
static void test_layer_check_refuses(void **state)
{
    (void)state;
    static const struct bad_layer bad[] = {
        BAD(m, 0),
        BAD(m, 41),
        BAD(m, UINT32_MAX),
        BAD(unit_rows, 0),
        BAD(unit_rows, 2),
        BAD(units, 0),
        BAD(units, 65),
        BAD(k, 46),
        BAD(k, 0),
        BAD(channels, 0),
        BAD(channels, 4),
        BAD(height, 0),
        BAD(height, 11),
        BAD(width, 9),
        BAD(kernel[0], 0),
        BAD(kernel[1], 5),
        BAD(stride[0], 0),
        BAD(stride[1], 4097),
        BAD(dilation[0], 0),
        BAD(pads[0], UINT32_MAX),
        BAD(pads[3], 0),
        BAD(out_height, 5),
        BAD(out_width, 1000),
        BAD(batch, 0),
        BAD(batch, 1 << 28),
        BAD(kind, COVEY_LAYER_DENSE),
        BAD(kind, 7),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct covey_layer l = conv_layer(40, 1);
        memcpy((uint8_t *)&l + bad[i].offset, &bad[i].value, sizeof(uint32_t));
        if (covey_layer_check(&l) == COVEY_OK) {
            fail_msg("row %zu is accepted", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_numbers_every_slot_once),
        cmocka_unit_test(test_split_refuses_bad_numbers),
        cmocka_unit_test(test_layer_cut_covers_all_rows),
        cmocka_unit_test(test_table_is_well_conditioned),
        cmocka_unit_test(test_rebuild_any_losses),
        cmocka_unit_test(test_rebuild_in_place),
        cmocka_unit_test(test_rebuild_refuses),
        cmocka_unit_test(test_layer_check_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
