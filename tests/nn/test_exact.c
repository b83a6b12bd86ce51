/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include "covey/exact.h"

#include <math.h>
#include <string.h>

/* An integer layer in units, and what the engine's own operator makes of it. */
struct scene {
    struct covey_layer layer;
    float *weights; /* [units + 1 of parity][unit_rows x k] */
    float *input;
    int32_t *expected; /* [units x unit_rows x n]; rows of padding are zero */
};

static void *zeroed(size_t count)
{
    void *p = calloc(count + 1, sizeof(float));
    assert_non_null(p);
    return p;
}

static void make_room(struct scene *s)
{
    struct covey_layer *l = &s->layer;
    covey_layer_cut(l->m, &l->unit_rows, &l->units);
    assert_int_equal(covey_layer_check(l), COVEY_OK);
    s->weights = zeroed((l->units + 1) * covey_layer_unit_floats(l));
    s->input = zeroed(covey_layer_input_floats(l));
    s->expected = zeroed(l->units * covey_layer_answer_floats(l));
}

static void close_scene(struct scene *s)
{
    free(s->weights);
    free(s->input);
    free(s->expected);
}

/* As ConvInteger computes it, reordered from [batch m pixels]. */
static void open_conv(struct scene *s)
{
    enum { M = 63, BATCH = 2, PIXELS = 4 * 8, ZERO = 117, WEIGHT_ZERO = -9 };
    s->layer = (struct covey_layer){.kind = COVEY_LAYER_CONV,
                                    .m = M,
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
                                    .batch = BATCH};
    struct optest t = optest_of(4);
    for (unsigned i = 0; i < 2; i++) {
        t.attrs.kernel[i] = 3;
        t.attrs.stride[i] = s->layer.stride[i];
        t.attrs.pads[i] = s->layer.pads[i];
        t.attrs.pads_end[i] = s->layer.pads[i + 2];
    }
    t.in[0] = hold_random(COVEY_TYPE_U8, DIMS(BATCH, 5, 9, 8), 0, 256);
    t.in[1] = hold_random(COVEY_TYPE_I8, DIMS(M, 5, 3, 3), -128, 256);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, ZERO);
    t.in[3] = REALS(COVEY_TYPE_I8, SCALAR, WEIGHT_ZERO);
    make_room(s);
    assert_int_equal(covey_exact_convert(&t.in[0]->t, ZERO, s->input), COVEY_OK);
    assert_int_equal(covey_exact_convert(&t.in[1]->t, WEIGHT_ZERO, s->weights), COVEY_OK);
    struct held *y = optest_run(COVEY_OP_CONVINTEGER, &t);
    const int32_t *sums = y->t.data;
    for (size_t i = 0; i < (size_t)BATCH * M * PIXELS; i++) {
        size_t pixel = i % PIXELS, row = i / PIXELS % M, image = i / PIXELS / M;
        s->expected[(row * BATCH + image) * PIXELS + pixel] = sums[i];
    }
    free(y);
}

/* As MatMulInteger computes it: X [batch k] W', every sum near the largest. */
static void open_dense(struct scene *s, uint32_t batch)
{
    enum { M = 7, K = 500, ZERO = 255, WEIGHT_ZERO = 127 };
    s->layer = (struct covey_layer){.kind = COVEY_LAYER_DENSE,
                                    .m = M,
                                    .k = K,
                                    .channels = K,
                                    .height = 1,
                                    .width = 1,
                                    .kernel = {1, 1},
                                    .stride = {1, 1},
                                    .dilation = {1, 1},
                                    .out_height = 1,
                                    .out_width = 1,
                                    .batch = batch};
    struct optest t = optest_of(4);
    t.in[0] = hold_random(COVEY_TYPE_U8, DIMS(batch, K), 0, 2);
    t.in[1] = hold_random(COVEY_TYPE_I8, DIMS(K, M), -128, 3);
    t.in[2] = REALS(COVEY_TYPE_U8, SCALAR, ZERO);
    t.in[3] = REALS(COVEY_TYPE_I8, SCALAR, WEIGHT_ZERO);
    make_room(s);
    assert_int_equal(covey_exact_convert(&t.in[0]->t, ZERO, s->input), COVEY_OK);
    float *turned = zeroed((size_t)K * M);
    assert_int_equal(covey_exact_convert(&t.in[1]->t, WEIGHT_ZERO, turned), COVEY_OK);
    for (size_t i = 0; i < (size_t)K * M; i++) {
        s->weights[i % M * K + i / M] = turned[i];
    }
    free(turned);
    struct held *y = optest_run(COVEY_OP_MATMULINTEGER, &t);
    for (size_t i = 0; i < (size_t)batch * M; i++) {
        s->expected[i % M * batch + i / M] = ((const int32_t *)y->t.data)[i];
    }
    free(y);
}

/* The answers of slots first .. first + count - 1. */
static void run(const struct scene *s, const float *weights, size_t count, int32_t *out)
{
    struct covey_exact *e = NULL;
    assert_int_equal(covey_exact_new(&s->layer, weights, count, &e), COVEY_OK);
    void *scratch = malloc(covey_exact_scratch(e) + 1);
    assert_int_equal(covey_exact_run(e, s->input, scratch, out), COVEY_OK);
    free(scratch);
    covey_exact_free(e);
}

/* Each unit of a group lost in turn is what the operator itself computes, bit for bit. */
static void lose_each(const struct scene *s, unsigned first, unsigned count)
{
    size_t unit = covey_layer_unit_floats(&s->layer), size = covey_layer_answer_floats(&s->layer);
    const float *units[COVEY_GROUP_UNITS_MAX];
    const int32_t *answers[COVEY_GROUP_UNITS_MAX + 1];
    int32_t *out[COVEY_GROUP_UNITS_MAX];
    float *parity = s->weights + s->layer.units * unit;
    int32_t *all = zeroed(2 * (count + 1) * size), *rebuilt = all + (count + 1) * size;
    for (unsigned j = 0; j < count; j++) {
        units[j] = s->weights + (first + j) * unit;
        out[j] = rebuilt + j * size;
    }
    assert_int_equal(covey_split_encode(0, count, units, unit, parity), COVEY_OK);
    run(s, units[0], count, all);
    run(s, parity, 1, all + count * size);
    for (unsigned lost = 0; lost <= count; lost++) {
        for (unsigned j = 0; j <= count; j++) {
            answers[j] = j == lost ? NULL : all + j * size;
        }
        memset(rebuilt, 0xff, count * size * sizeof(*rebuilt));
        assert_int_equal(covey_exact_rebuild(count, answers, out, size), COVEY_OK);
        assert_memory_equal(rebuilt, s->expected + first * size, count * size * sizeof(*rebuilt));
    }
    free(all);
}

static void lose_all(const struct scene *s)
{
    for (unsigned n = 1; n <= COVEY_GROUP_UNITS_MAX; n++) {
        struct covey_split split;
        assert_int_equal(covey_split_init(&split, s->layer.units, n, 1), COVEY_OK);
        for (unsigned g = 0; g < split.groups; g++) {
            unsigned first, slot, count = covey_split_group(&split, g, &first, &slot);
            lose_each(s, first, count);
        }
    }
}

/* Coded convolutions and products of bytes survive any loss without a bit's difference. */
static void test_exact_rebuilds_bit_for_bit(void **state)
{
    (void)state;
    struct scene s;
    open_conv(&s);
    lose_all(&s);
    close_scene(&s);
    for (uint32_t batch = 1; batch <= 7; batch += 3) {
        open_dense(&s, batch);
        lose_all(&s);
        close_scene(&s);
    }
}

/* Sums beyond 2^31 wrap, in parities sooner than in units: the difference is right all the same. */
static void test_exact_wraps(void **state)
{
    (void)state;
    enum { K = 40000, UNITS = 3 };
    struct scene s = {.layer = {.kind = COVEY_LAYER_DENSE,
                                .m = UNITS,
                                .k = K,
                                .channels = K,
                                .height = 1,
                                .width = 1,
                                .kernel = {1, 1},
                                .stride = {1, 1},
                                .dilation = {1, 1},
                                .out_height = 1,
                                .out_width = 1,
                                .batch = 1}};
    make_room(&s);
    for (size_t i = 0; i < K; i++) {
        s.input[i] = 255;
        for (size_t j = 0; j < UNITS; j++) {
            s.weights[j * K + i] = (float)(255 - (int)j);
        }
    }
    for (int64_t j = 0; j < UNITS; j++) {
        s.expected[j] = (int32_t)((int64_t)K * 255 * (255 - j) - ((int64_t)1 << 32));
    }
    lose_each(&s, 0, UNITS);
    close_scene(&s);
}

/* What is no such layer, and numbers from outside that floats would round, are refused. */
static void test_exact_refuses(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, 1e30f, -4081, 0.5f};
    struct covey_exact *e = NULL;
    struct scene s;
    int32_t out[64];
    open_dense(&s, 1);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        float kept = s.weights[3];
        s.weights[3] = bad[i];
        assert_int_equal(covey_exact_new(&s.layer, s.weights, 2, &e), COVEY_ERR_RANGE);
        s.weights[3] = kept;
    }
    assert_int_equal(covey_exact_new(&s.layer, s.weights, 0, &e), COVEY_ERR_RANGE);
    assert_int_equal(covey_exact_new(&s.layer, s.weights, 2, &e), COVEY_OK);
    void *scratch = malloc(covey_exact_scratch(e));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        s.input[7] = bad[i];
        assert_int_equal(covey_exact_run(e, s.input, scratch, out), COVEY_ERR_RANGE);
    }
    const int32_t *none[3] = {NULL, NULL, out};
    int32_t *places[2] = {out, out};
    assert_int_equal(covey_exact_rebuild(2, none, places, 1), COVEY_ERR_STATE);
    assert_int_equal(covey_exact_rebuild(0, none, places, 1), COVEY_ERR_RANGE);
    free(scratch);
    covey_exact_free(e);
    covey_exact_free(NULL);
    close_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_rebuilds_bit_for_bit),
        cmocka_unit_test(test_exact_wraps),
        cmocka_unit_test(test_exact_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
