/* SPDX-License-Identifier: MIT */
#include "product_scene.h"

#include "builder.h"
#include "code_scene.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of an uncoded product; of one that was decoded, at the bound of growth. */
#define PLAIN 1e-6
#define WANTED 2e-5

typedef void (*product_fn)(struct product_scene *s);

static void each_product(product_fn visit, float most)
{
    for (const struct layer_case *l = product_cases; l->batch > 0; l++) {
        for (unsigned kind = 0; kind < COVEY_TRAIN_PRODUCT_KINDS; kind++) {
            struct covey_train_product p = product_of(l, (enum covey_train_product_kind)kind);
            struct product_scene s;
            product_scene_open(&s, &p, most, 7 + kind);
            visit(&s);
            product_scene_close(&s);
        }
    }
}

static void compare(struct product_scene *s)
{
    product_scene_compute(&s->product, covey_train_product_rows(&s->product), COVEY_FIELD_PRIMES,
                          s->a, s->b, s->got);
    double error = product_scene_error(s);
    if (!(error < PLAIN)) {
        fail_msg("kind %d, %u channels: off by %g", (int)s->product.kind, s->product.in_channels,
                 error);
    }
}

/* All three products of every layer are what plain loops in double precision give. */
static void test_products(void **state)
{
    (void)state;
    each_product(compare, 0);
}

/* Three threads make the same bits as one. */
static void compare_threads(struct product_scene *s)
{
    const struct covey_train_product *p = &s->product;
    uint32_t rows = covey_train_product_rows(p);
    size_t c = covey_train_product_c_floats(p);
    size_t bytes = covey_train_product_scratch(p, rows, COVEY_FIELD_PRIMES, 3);
    struct covey_threads *threads = NULL;
    float *other = malloc(c * sizeof(float));
    void *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_true(other != NULL && scratch != NULL);
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    product_scene_compute(p, rows, COVEY_FIELD_PRIMES, s->a, s->b, s->got);
    covey_train_product_compute(&(struct covey_train_product_run){.product = p,
                                                                  .rows = rows,
                                                                  .prime = COVEY_FIELD_PRIMES,
                                                                  .a = s->a,
                                                                  .b = s->b,
                                                                  .c = other,
                                                                  .scratch = scratch,
                                                                  .threads = threads});
    assert_memory_equal(s->got, other, c * sizeof(float));
    covey_threads_free(threads);
    free(other);
    free(scratch);
}

static void test_threads(void **state)
{
    (void)state;
    each_product(compare_threads, 0);
}

static void compare_exactly(struct product_scene *s)
{
    size_t floats = covey_train_product_c_floats(&s->product);
    for (unsigned prime = 0; prime < COVEY_FIELD_PRIMES; prime++) {
        double p = (double)covey_field_prime(prime);
        product_scene_compute(&s->product, covey_train_product_rows(&s->product), prime, s->a, s->b,
                              s->got);
        assert_true(covey_field_holds(s->got, floats, prime));
        for (size_t i = 0; i < floats; i++) {
            assert_true(fmod(s->c[i] - (double)s->got[i], p) == 0);
        }
    }
}

/* Products of integers modulo a prime are exact: of small ones as they are, of the largest
 * modulo the prime. */
static void test_field(void **state)
{
    (void)state;
    each_product(compare_exactly, 40);
    each_product(compare_exactly, 500000);
}

/* Numbers scaled as told stay within the field, rounded to as many bits as fit: of one prime, and
 * of both together, which are far more. */
static void compare_scaled(struct product_scene *s)
{
    const struct covey_train_product *p = &s->product;
    size_t a = covey_train_product_a_floats(p), b = covey_train_product_b_floats(p);
    size_t c = covey_train_product_c_floats(p);
    static const double bounds[] = {3e-2, 3e-2, 2e-5};
    float *ai = malloc(a * sizeof(float)), *bi = malloc(b * sizeof(float));
    float *got[2] = {malloc(c * sizeof(float)), malloc(c * sizeof(float))};
    assert_true(ai != NULL && bi != NULL && got[0] != NULL && got[1] != NULL);
    for (unsigned index = 0; index <= COVEY_FIELD_BOTH; index++) {
        double scale_a, scale_b;
        float most = (float)covey_field_most(1);
        bool both = index == COVEY_FIELD_BOTH;
        assert_int_equal(covey_train_product_scales(p, s->a, s->b, index, &scale_a, &scale_b),
                         COVEY_OK);
        assert_int_equal(covey_field_from_floats(s->a, a, scale_a, most, ai), COVEY_OK);
        assert_int_equal(covey_field_from_floats(s->b, b, scale_b, most, bi), COVEY_OK);
        for (unsigned i = 0; i < 2; i++) {
            product_scene_compute(p, covey_train_product_rows(p), both ? i : index, ai, bi, got[i]);
        }
        if (both) {
            covey_field_join(got[0], got[1], c, scale_a * scale_b, s->got);
        } else {
            covey_field_to_floats(got[0], c, scale_a * scale_b, s->got);
        }
        assert_true(product_scene_error(s) < bounds[index]);
    }
    s->a[0] = NAN;
    double scale;
    assert_int_equal(covey_train_product_scales(p, s->a, s->b, 0, &scale, &scale), COVEY_ERR_RANGE);
    free(ai);
    free(bi);
    free(got[0]);
    free(got[1]);
}

static void test_scales(void **state)
{
    (void)state;
    each_product(compare_scaled, 0);
}

/* Some codes, with as many blocks as there are rows at most. */
static unsigned codes_of(uint32_t rows, struct covey_code out[5])
{
    uint32_t n = rows < 4 ? rows : 4, few = rows < 3 ? rows : 3;
    out[0] = code_of(COVEY_CODE_UNCODED, n, n, rows);
    out[1] = code_of(COVEY_CODE_REPLICATION, n, 2 * n, rows);
    out[2] = code_of(COVEY_CODE_MDS, n, 2 * n, rows);
    out[3] = code_of(COVEY_CODE_VANDERMONDE, few, few + 2, rows);
    out[4] = code_of(COVEY_CODE_LT, n, 20 * n, rows);
    return 5;
}

static void code_and_decode(struct product_scene *s)
{
    struct covey_code codes[5];
    uint64_t seed = 3;
    unsigned count = codes_of(covey_train_product_rows(&s->product), codes);
    for (unsigned i = 0; i < count; i++) {
        struct product_round r;
        product_round_open(&r, s, &codes[i], 0);
        for (unsigned again = 0; again < 5; again++) {
            memset(s->got, 0xff, covey_train_product_c_floats(&s->product) * sizeof(float));
            double growth = product_round_decode(&r, &seed, s->got), error = product_scene_error(s);
            bool bounded = codes[i].kind != COVEY_CODE_VANDERMONDE;
            if (!(error < (bounded ? WANTED : 2e-6 * growth))) {
                fail_msg("%s: off by %g", covey_code_kind_name(codes[i].kind), error);
            }
        }
        product_round_close(&r);
    }
}

/* Every product, coded and computed task by task, is decoded from whatever answers come first. */
static void test_codes(void **state)
{
    (void)state;
    each_product(code_and_decode, 0);
}

/* Answers in order but those to two tasks; whether that was enough. */
static bool decode_without(const struct product_round *r, uint32_t one, uint32_t other, float *c)
{
    struct covey_decoder *d = NULL;
    assert_int_equal(covey_decoder_new(&r->code, &d), COVEY_OK);
    covey_decoder_start(d, c, 0);
    for (uint32_t t = 0; t < r->code.m; t++) {
        enum covey_answer_use use;
        if (t != one && t != other) {
            assert_int_equal(covey_decoder_add(d, t, r->answer[t], &use), COVEY_OK);
        }
    }
    bool ready = covey_decoder_state(d) == COVEY_DECODER_READY;
    assert_int_equal(covey_decoder_finish(d), COVEY_OK);
    covey_decoder_free(d);
    return ready;
}

static void lose_two(struct product_scene *s)
{
    uint32_t rows = covey_train_product_rows(&s->product);
    struct covey_code code = code_of(COVEY_CODE_MDS, 10, 12, rows);
    struct product_round r;
    if (rows < code.n) {
        return;
    }
    product_round_open(&r, s, &code, 0);
    for (uint32_t one = 0; one < code.m; one++) {
        for (uint32_t other = 0; other < one; other++) {
            assert_true(decode_without(&r, one, other, s->got));
            assert_true(product_scene_error(s) < WANTED);
        }
    }
    product_round_close(&r);
}

/* MDS (12,10) decodes within 2e-5 whichever two answers are lost. */
static void test_every_loss(void **state)
{
    (void)state;
    each_product(lose_two, 0);
}

/* A product is the same after its way through bytes; other bytes are refused. */
static void test_bytes(void **state)
{
    uint8_t bytes[COVEY_TRAIN_PRODUCT_BYTES + 1], again[COVEY_TRAIN_PRODUCT_BYTES];
    struct covey_train_product p = product_of(&product_cases[5], COVEY_TRAIN_PRODUCT_FORWARD), q;
    (void)state;
    covey_train_product_encode(&p, bytes);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        covey_err err = covey_train_product_decode(covey_bytes_of(bytes, len), &q);
        assert_int_equal(err == COVEY_OK, len == COVEY_TRAIN_PRODUCT_BYTES);
    }
    assert_int_equal(covey_train_product_decode(covey_bytes_of(bytes, sizeof(again)), &q),
                     COVEY_OK);
    covey_train_product_encode(&q, again);
    assert_memory_equal(bytes, again, sizeof(again));
    for (size_t i = 0; i < sizeof(again); i++) { /* what is accepted may be computed */
        for (unsigned value = 0; value < 256; value += 15) {
            uint8_t kept = bytes[i];
            bytes[i] = (uint8_t)value;
            if (covey_train_product_decode(covey_bytes_of(bytes, sizeof(again)), &q) == COVEY_OK) {
                assert_true(covey_train_product_scratch(&q, 1, COVEY_FIELD_PRIMES, 1) < 1u << 31);
            }
            bytes[i] = kept;
        }
    }
}

/* Sizes that do not fit one another, and such as nobody could hold, are refused. */
static void test_refused(void **state)
{
    struct covey_train_product good = product_of(&product_cases[0], COVEY_TRAIN_PRODUCT_FORWARD);
    struct covey_train_product p[10];
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        p[i] = good;
    }
    p[0].out_height++;
    p[1].batch = 0;
    p[2].kind = COVEY_TRAIN_PRODUCT_KINDS;
    p[3].dense = true;
    p[4].stride[1] = 0;
    p[5].in_channels = 1u << 28;
    p[6].kernel[0] = UINT32_MAX;
    p[7].pads[0] = UINT32_MAX;
    p[8].height = p[8].out_height = UINT32_MAX;
    p[9].kind = COVEY_TRAIN_PRODUCT_INPUT_GRADIENT; /* padded by more than the filter */
    p[9].pads[0] = p[9].pads_end[0] = 4;
    p[9].out_height += 6;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(covey_train_product_check(&p[i]), COVEY_ERR_RANGE);
    }
    assert_true(covey_train_product_flops(&good) == 2.0 * 7 * 5 * 8 * 9 * 81);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products), cmocka_unit_test(test_field),
        cmocka_unit_test(test_codes),    cmocka_unit_test(test_every_loss),
        cmocka_unit_test(test_bytes),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scales),   cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
