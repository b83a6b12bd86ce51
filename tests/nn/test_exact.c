/* SPDX-License-Identifier: MIT */
#include "layers.h"
#include "optest.h"

#include "covey/check.h"
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
    s->layer = layer_uneven_conv(M, BATCH);
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
    s->layer = layer_dense(M, K, batch);
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

enum { WRAP_K = 40000, WRAP_UNITS = 3 };

static void open_wrapping(struct scene *s)
{
    *s = (struct scene){.layer = layer_dense(WRAP_UNITS, WRAP_K, 1)};
    make_room(s);
    for (size_t i = 0; i < WRAP_K; i++) {
        s->input[i] = 255;
        for (size_t j = 0; j < WRAP_UNITS; j++) {
            s->weights[j * WRAP_K + i] = (float)(255 - (int)j);
        }
    }
    for (int64_t j = 0; j < WRAP_UNITS; j++) {
        s->expected[j] = (int32_t)((int64_t)WRAP_K * 255 * (255 - j) - ((int64_t)1 << 32));
    }
}

/* Sums beyond 2^31 wrap, in parities sooner than in units: the difference is right all the same. */
static void test_exact_wraps(void **state)
{
    (void)state;
    struct scene s;
    open_wrapping(&s);
    lose_each(&s, 0, WRAP_UNITS);
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

/* Two holders' secrets and answers, as an owner has them. */
enum { HOLDERS = 2 };
struct watch {
    float *s[HOLDERS], *c[HOLDERS];
    int32_t *answer[HOLDERS];
    size_t slots[HOLDERS], numbers[HOLDERS];
    void *scratch;
};

static void open_watch(const struct scene *scene, struct watch *w)
{
    const struct covey_layer *l = &scene->layer;
    size_t unit = covey_layer_unit_floats(l), first = 0;
    float *one = zeroed(covey_check_floats(l));
    uint64_t state = 7;
    for (size_t h = 0; h < HOLDERS; h++) {
        w->slots[h] = h == 0 ? 1 : l->units - 1;
        w->numbers[h] = w->slots[h] * covey_layer_answer_floats(l);
        w->s[h] = zeroed(w->slots[h] * l->unit_rows);
        w->c[h] = zeroed(covey_check_floats(l));
        w->answer[h] = zeroed(w->numbers[h]);
        for (size_t i = 0; i < w->slots[h] * l->unit_rows; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            w->s[h][i] = 0.5f + (float)(state >> 40) * 0x1p-24f;
        }
        for (size_t i = 0; i < w->slots[h]; i++) {
            memset(one, 0, covey_check_floats(l) * sizeof(float));
            covey_check_add(l, w->s[h] + i * l->unit_rows, scene->weights + (first + i) * unit,
                            one);
            covey_check_join(l, one, w->c[h]);
        }
        run(scene, scene->weights + first * unit, w->slots[h], w->answer[h]);
        first += w->slots[h];
    }
    w->scratch = malloc(covey_check_scratch(l, HOLDERS) + 1);
    free(one);
}

static void close_watch(struct watch *w)
{
    for (size_t h = 0; h < HOLDERS; h++) {
        free(w->s[h]);
        free(w->c[h]);
        free(w->answer[h]);
    }
    free(w->scratch);
}

/* Which holders' answers are wrong, as bits. */
static unsigned judge(const struct scene *scene, const struct watch *w)
{
    struct covey_check_answer answers[HOLDERS];
    unsigned wrong = 0;
    for (size_t h = 0; h < HOLDERS; h++) {
        answers[h] = (struct covey_check_answer){.s = w->s[h],
                                                 .c = w->c[h],
                                                 .answer = (const float *)(void *)w->answer[h],
                                                 .slots = w->slots[h]};
    }
    bool right = covey_check_answers(&scene->layer, scene->input, answers, HOLDERS, w->scratch);
    for (unsigned h = 0; h < HOLDERS; h++) {
        wrong |= answers[h].wrong ? 1u << h : 0;
    }
    assert_int_equal(right, wrong == 0);
    return wrong;
}

/* Any single bit, pairs of top bits, and multiples of either prime, which its check does not see.
 */
static void lie(const struct scene *scene, struct watch *w)
{
    static const uint32_t lies[] = {0x7fffffff, 0x7fffffed, 0xfffffffe, 0xffffffff};
    for (unsigned h = 0; h < HOLDERS; h++) {
        size_t count = w->numbers[h];
        for (size_t i = 0; i < 200; i++) {
            uint32_t *at = (uint32_t *)(void *)&w->answer[h][i * 7919 % count];
            uint32_t *other = (uint32_t *)(void *)&w->answer[h][(i * 7919 + 1) % count];
            uint32_t kept = *at;
            *at ^= UINT32_C(1) << i % 32;
            assert_int_equal(judge(scene, w), 1u << h);
            *at = kept + lies[i % 4];
            assert_int_equal(judge(scene, w), 1u << h);
            *at = kept ^ 0x80000000;
            *other ^= at != other ? 0x80000000 : 0;
            assert_int_equal(judge(scene, w), 1u << h);
            *at = kept;
            *other ^= at != other ? 0x80000000 : 0;
        }
    }
}

/* An honest answer is right, and one that differs by any bit is its holder's lie. */
static void test_exact_finds_lies(void **state)
{
    (void)state;
    struct scene s;
    struct watch w;
    for (uint32_t batch = 0; batch <= 4; batch += 2) {
        if (batch == 0) {
            open_conv(&s);
        } else {
            open_dense(&s, batch - 1);
        }
        s.layer.exact = 1;
        open_watch(&s, &w);
        assert_int_equal(judge(&s, &w), 0);
        lie(&s, &w);
        close_watch(&w);
        close_scene(&s);
    }
}

/* Sums that may wrap are other numbers modulo a prime: nobody is blamed for them. */
static void test_exact_blames_nobody_for_wrapping(void **state)
{
    (void)state;
    struct scene s;
    struct watch w;
    open_wrapping(&s);
    s.layer.exact = 1;
    open_watch(&s, &w);
    assert_int_equal(judge(&s, &w), 0);
    for (size_t i = 0; i < s.layer.k; i++) {
        s.input[i] = 128; /* no sum wraps now */
    }
    assert_int_equal(judge(&s, &w), 3);
    close_watch(&w);
    close_scene(&s);
}

/* The product of all units of a stopped layer. */
static void answer_layer(const struct covey_model *m, size_t layer, const float *input, float *out)
{
    const struct covey_layer *l = covey_model_layer(m, layer);
    size_t unit = covey_layer_unit_floats(l);
    float *weights = zeroed(l->units * unit);
    struct covey_product *p = NULL;
    for (size_t u = 0; u < l->units; u++) {
        covey_model_layer_unit(m, layer, u, weights + u * unit);
    }
    assert_int_equal(l->exact, 1);
    assert_int_equal(covey_product_new(l, weights, l->units, &p), COVEY_OK);
    assert_false(covey_product_reads(p));
    assert_true(covey_product_bytes(p) >= l->units * unit * sizeof(float));
    void *scratch = malloc(covey_product_scratch(p) + 1);
    assert_int_equal(covey_product_run(p, input, scratch, out), COVEY_OK);
    free(scratch);
    free(weights);
    covey_product_free(p);
}

/* All four operators of integers stop as layers, and go on from products made elsewhere to the very
 * numbers of a run in one piece; also with several images at once. */
static void test_exact_layers_of_models(void **state)
{
    (void)state;
    for (uint32_t batch = 1; batch <= 3; batch += 2) {
        struct covey_graph *g = integer_network(batch);
        struct covey_nn_error why = {""};
        struct covey_model *m = NULL;
        struct covey_run *r = NULL;
        size_t layer, stops = 0, count = 0;
        const float *input;
        uint64_t seed = 3;
        float *x = random_floats(&seed, (size_t)batch * 3 * 12 * 12);
        float *expected = run_graph(g, batch, x, &count);
        expect_ok(covey_model_new(g, NULL, &m, &why), &why);
        expect_ok(covey_run_new(m, &r), NULL);
        covey_run_start(r, (const void *const[]){x});
        while (covey_run_next(r, &layer, &input)) {
            stops++;
            answer_layer(m, layer, input, covey_run_answer(r));
            covey_run_resume(r);
        }
        assert_int_equal(stops, 4);
        assert_int_equal(count, batch * 10);
        assert_memory_equal(covey_run_result(r, 0), expected, count * sizeof(float));
        assert_true(expected[0] < expected[1] || expected[0] > expected[1]);
        free(expected);
        free(x);
        covey_run_free(r);
        covey_model_free(m);
        covey_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_rebuilds_bit_for_bit),
        cmocka_unit_test(test_exact_wraps),
        cmocka_unit_test(test_exact_refuses),
        cmocka_unit_test(test_exact_layers_of_models),
        cmocka_unit_test(test_exact_finds_lies),
        cmocka_unit_test(test_exact_blames_nobody_for_wrapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
