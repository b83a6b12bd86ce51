/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <stdlib.h>

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
    assert_int_equal(covey_split_coefficient(0, 3, 3, &v), COVEY_ERR_RANGE);
    assert_int_equal(covey_split_coefficient(2, 0, 3, &v), COVEY_ERR_UNSUPPORTED);
    assert_int_equal(covey_split_coefficient(1, 2, 3, &v), COVEY_OK);
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
    struct covey_layer l = {.kind = COVEY_LAYER_CONV,
                            .m = m,
                            .k = 5 * 3 * 3,
                            .channels = 5,
                            .height = 9,
                            .width = 8,
                            .kernel = {3, 3},
                            .stride = {2, 1},
                            .dilation = {1, 1},
                            .pads = {1, 1, 0, 1},
                            .out_height = 4,
                            .out_width = 8,
                            .batch = batch};
    covey_layer_cut(m, &l.unit_rows, &l.units);
    return l;
}

static struct covey_layer dense_layer(uint32_t m, uint32_t batch)
{
    struct covey_layer l = {.kind = COVEY_LAYER_DENSE,
                            .m = m,
                            .k = 200,
                            .channels = 200,
                            .height = 1,
                            .width = 1,
                            .kernel = {1, 1},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .out_height = 1,
                            .out_width = 1,
                            .batch = batch};
    covey_layer_cut(m, &l.unit_rows, &l.units);
    return l;
}

/* Each unit of one group missing in turn: the others and the parity give it back. The error is
 * relative to the group's largest answer, since one answer alone may be close to zero. */
static double worst_recovery(const struct covey_layer *l, const struct covey_split *s,
                             unsigned group, const float *weights, const float *input)
{
    unsigned first_unit, first_slot;
    unsigned count = covey_split_group(s, group, &first_unit, &first_slot);
    size_t unit = covey_layer_unit_floats(l), answer = covey_layer_answer_floats(l);
    float *slots = malloc((count + 1) * unit * sizeof(float));
    float *scratch = malloc((covey_layer_scratch_floats(l) + 1) * sizeof(float));
    float *out = malloc((count + 1) * answer * sizeof(float));
    const float *units[COVEY_GROUP_UNITS_MAX];
    float *answers[COVEY_GROUP_UNITS_MAX];
    memcpy(slots, weights + first_unit * unit, count * unit * sizeof(float));
    for (unsigned j = 0; j < count; j++) {
        units[j] = slots + j * unit;
        answers[j] = out + j * answer;
    }
    assert_int_equal(covey_split_encode(0, count, units, unit, slots + count * unit), COVEY_OK);
    covey_layer_compute(l, slots, count + 1, input, scratch, out);
    float *rebuilt = malloc(count * answer * sizeof(float));
    for (unsigned j = 0; j < count; j++) {
        answers[j] = rebuilt + j * answer;
        memset(answers[j], 0xff, answer * sizeof(float)); /* NaN: what is there must not matter */
        covey_split_recover(count, answers, j, out + count * answer, answer);
        answers[j] = out + j * answer;
    }
    double worst = relative_error(rebuilt, out, count * answer);
    free(slots);
    free(scratch);
    free(out);
    free(rebuilt);
    return worst;
}

static void check_layer(struct covey_layer l)
{
    uint64_t seed = 7;
    size_t rows = (size_t)l.units * l.unit_rows;
    assert_int_equal(covey_layer_check(&l), COVEY_OK);
    float *weights = random_floats(&seed, rows * l.k);
    float *input = random_floats(&seed, covey_layer_input_floats(&l));
    memset(weights + (size_t)l.m * l.k, 0, (rows - l.m) * l.k * sizeof(float));
    for (uint32_t n = 1; n <= COVEY_GROUP_UNITS_MAX; n++) {
        struct covey_split s;
        assert_int_equal(covey_split_init(&s, l.units, n, 1), COVEY_OK);
        for (unsigned g = 0; g < s.groups; g++) {
            double worst = worst_recovery(&l, &s, g, weights, input);
            if (worst >= 1e-5) {
                fail_msg("N %u group %u: error %g", n, g, worst);
            }
        }
    }
    free(weights);
    free(input);
}

/* For every N and every single missing unit the recovered answer is the computed one. */
static void test_split_recovers_every_unit(void **state)
{
    (void)state;
    check_layer(conv_layer(40, 1));
    check_layer(conv_layer(70, 3));
    check_layer(dense_layer(37, 1));
    check_layer(dense_layer(130, 2));
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
        cmocka_unit_test(test_split_recovers_every_unit),
        cmocka_unit_test(test_layer_check_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
