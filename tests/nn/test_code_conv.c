/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"
#include "covey/code_check.h"
#include "covey/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A convolution without padding: images [BATCH C H W], filters [F C S S]. */
enum { BATCH = 7, C = 5, H = 6, W = 7, F = 8, S = 3, OH = H - S + 1, OW = W - S + 1 };
enum { IMAGE = C * H * W, PIXELS = OH * OW, TASKS = 8, N = 4 };
#define WANTED 2e-5

struct scene {
    struct covey_code code;
    float x[BATCH * IMAGE], w[F * C * S * S], dy[F * BATCH * PIXELS];
    float encoded[TASKS][BATCH * IMAGE], answer[TASKS][F * BATCH * PIXELS];
    float y[F * BATCH * PIXELS], dw[F * C * S * S];
};

static void open_scene(struct scene *s, uint32_t rows, struct covey_code_shape a,
                       struct covey_code_shape c)
{
    float *encoded[TASKS];
    uint64_t seed = 6;
    s->code = code_of(COVEY_CODE_MDS, N, TASKS, rows);
    s->code.a = a;
    s->code.c = c;
    assert_int_equal(covey_code_check(&s->code), COVEY_OK);
    for (unsigned i = 0; i < BATCH * IMAGE; i++) {
        s->x[i] = random_float(&seed);
    }
    for (unsigned i = 0; i < F * C * S * S; i++) {
        s->w[i] = random_float(&seed);
    }
    for (unsigned i = 0; i < F * BATCH * PIXELS; i++) {
        s->dy[i] = random_float(&seed);
    }
    for (unsigned t = 0; t < TASKS; t++) {
        encoded[t] = s->encoded[t];
    }
    covey_code_encode(&s->code, 0, TASKS, s->x, encoded);
}

/* y [F images PIXELS], as a holder of all filters gives it: it unrolls what it was sent. */
static void convolve(const float *w, const float *x, uint32_t images, float *y)
{
    struct covey_layer l = {.kind = COVEY_LAYER_CONV,
                            .m = F,
                            .unit_rows = F,
                            .units = 1,
                            .k = C * S * S,
                            .channels = C,
                            .height = H,
                            .width = W,
                            .kernel = {S, S},
                            .stride = {1, 1},
                            .dilation = {1, 1},
                            .out_height = OH,
                            .out_width = OW,
                            .batch = images};
    struct covey_product *p = NULL;
    assert_int_equal(covey_product_new(&l, w, 1, &p), COVEY_OK);
    void *scratch = malloc(covey_product_scratch(p) + 1);
    assert_non_null(scratch);
    assert_int_equal(covey_product_run(p, x, scratch, y), COVEY_OK);
    free(scratch);
    covey_product_free(p);
}

/* dW [F channels S S] of images [BATCH channels H W], one number at a time. */
static void weight_gradient(const float *x, const float *dy, uint32_t channels, float *dw)
{
    for (uint32_t i = 0; i < F * channels * S * S; i++) {
        uint32_t f = i / S / S / channels, c = i / S / S % channels;
        uint32_t across = i % S, down = i / S % S;
        double sum = 0;
        for (uint32_t j = 0; j < BATCH * PIXELS; j++) {
            uint32_t image = j / PIXELS, row = j % PIXELS / OW + down, column = j % OW + across;
            float pixel = x[((image * channels + c) * H + row) * W + column];
            sum += (double)pixel * (double)dy[f * BATCH * PIXELS + j];
        }
        dw[i] = (float)sum;
    }
}

/* What is multiplied with s is x: the adjoint of the convolution of one image, and the sum of the
 * squares of the matrix that it is. */
static double adjoint(const float *w, const float *s, float *x)
{
    double squares = 0;
    memset(x, 0, IMAGE * sizeof(float));
    for (uint32_t i = 0; i < F * C * S * S; i++) {
        uint32_t f = i / S / S / C, c = i / S / S % C, across = i % S, down = i / S % S;
        for (uint32_t j = 0; j < PIXELS; j++) {
            uint32_t row = j / OW + down, column = j % OW + across;
            x[(c * H + row) * W + column] += w[i] * s[f * PIXELS + j];
            squares += (double)w[i] * (double)w[i];
        }
    }
    return squares;
}

static double decode(struct scene *s, const uint32_t *tasks, float *c, const float *expected)
{
    struct covey_decoder *d = NULL;
    size_t floats = s->code.rows * s->code.c.outer * s->code.c.inner;
    double off = 0, all = 0;
    assert_int_equal(covey_decoder_new(&s->code, &d), COVEY_OK);
    covey_decoder_start(d, c, 0);
    memset(c, 0xff, floats * sizeof(float));
    for (unsigned i = 0; i < TASKS && covey_decoder_state(d) != COVEY_DECODER_READY; i++) {
        enum covey_answer_use use;
        assert_int_equal(covey_decoder_add(d, tasks[i], s->answer[tasks[i]], &use), COVEY_OK);
    }
    assert_int_equal(covey_decoder_finish(d), COVEY_OK);
    covey_decoder_free(d);
    for (size_t i = 0; i < floats; i++) {
        double difference = (double)c[i] - (double)expected[i];
        off += difference * difference;
        all += (double)expected[i] * (double)expected[i];
    }
    return sqrt(off / all);
}

/* Forward: images are encoded, not the unrolled matrix; the worker unrolls. */
static void test_forward(void **state)
{
    static struct scene s;
    static float expected[F * BATCH * PIXELS];
    uint32_t tasks[TASKS];
    uint64_t order = 2;
    (void)state;
    open_scene(&s, BATCH, (struct covey_code_shape){1, IMAGE},
               (struct covey_code_shape){F, PIXELS});
    convolve(s.w, s.x, BATCH, expected);
    for (uint32_t t = 0; t < TASKS; t++) {
        convolve(s.w, s.encoded[t], covey_code_task_rows(&s.code, t), s.answer[t]);
    }
    for (unsigned round = 0; round < 100; round++) {
        shuffle_tasks(&order, TASKS, tasks);
        assert_true(decode(&s, tasks, s.y, expected) < WANTED);
    }
}

/* Weight gradient: coded over the input channels, which are rows of A'. */
static void test_weight_gradient(void **state)
{
    static struct scene s;
    float expected[F * C * S * S];
    uint32_t tasks[TASKS];
    uint64_t order = 3;
    (void)state;
    open_scene(&s, C, (struct covey_code_shape){BATCH, H * W}, (struct covey_code_shape){F, S * S});
    weight_gradient(s.x, s.dy, C, expected);
    for (uint32_t t = 0; t < TASKS; t++) {
        weight_gradient(s.encoded[t], s.dy, covey_code_task_rows(&s.code, t), s.answer[t]);
    }
    for (unsigned round = 0; round < 100; round++) {
        shuffle_tasks(&order, TASKS, tasks);
        assert_true(decode(&s, tasks, s.dw, expected) < WANTED);
    }
}

/* Answers of convolutions are checked by the adjoint: no false alarm, no lie missed. */
static void test_check(void **state)
{
    static struct scene s;
    static float x[2 * IMAGE];
    struct covey_code_check *check = NULL;
    uint64_t seed = 4;
    (void)state;
    open_scene(&s, BATCH, (struct covey_code_shape){1, IMAGE},
               (struct covey_code_shape){F, PIXELS});
    assert_int_equal(covey_code_check_new(&s.code, &check), COVEY_OK);
    for (uint32_t t = 0; t < TASKS; t++) {
        convolve(s.w, s.encoded[t], covey_code_task_rows(&s.code, t), s.answer[t]);
    }
    for (unsigned round = 0; round < 100; round++) {
        const float *secret = covey_code_check_start(check, round, 0);
        double squares = 0;
        for (unsigned v = 0; v < covey_code_check_vectors(check); v++) {
            squares = adjoint(s.w, secret + v * F * PIXELS, x + v * IMAGE);
        }
        covey_code_check_linear(check, s.x, x, squares);
        for (uint32_t t = 0; t < TASKS; t++) {
            uint32_t floats = (uint32_t)covey_code_answer_floats(&s.code, t);
            float *lie = &s.answer[t][random_below(&seed, floats)], kept = *lie;
            assert_true(covey_code_check_answer(check, t, s.answer[t], 0));
            *lie += 0.1f;
            assert_false(covey_code_check_answer(check, t, s.answer[t], 0));
            *lie = kept;
        }
    }
    covey_code_check_free(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_weight_gradient),
        cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
