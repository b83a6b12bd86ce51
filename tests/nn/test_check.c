/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include "covey/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rounds of each kind; COVEY_CHECK_FULL=1: the counts that docs/coding.md states. */
enum { HONEST = 400, HONEST_FULL = 12500, LIES = 100, LIES_FULL = 1500, HOLDERS = 2, SLOTS = 3 };

/* Relative to the answer's norm: one wrong number of this size is always seen, and this many times
 * as much of several, which might cancel. */
#define LIE_SIZE 1e-3
#define LIE_SPREAD 30

static unsigned rounds_of(unsigned few, unsigned full)
{
    const char *wish = getenv("COVEY_CHECK_FULL");
    return wish != NULL && wish[0] == '1' ? full : few;
}

struct shape {
    uint32_t channels, size, kernel, stride, pad, m, batch; /* size 0: dense */
    float shift; /* of weights and inputs: all of one sign from 1 on */
};

static const struct shape shapes[] = {
    {500, 0, 0, 0, 0, 60, 1, 0},   {500, 0, 0, 0, 0, 60, 1, 1}, {300, 0, 0, 0, 0, 120, 5, 0},
    {64, 0, 0, 0, 0, 60, 20, 1},   {16, 14, 3, 1, 1, 60, 1, 0}, {16, 14, 3, 1, 1, 60, 2, 1},
    {3, 23, 11, 4, 2, 60, 1, 0.5}, {24, 8, 1, 1, 0, 60, 1, 0},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static struct covey_layer layer_of(struct shape s)
{
    bool dense = s.size == 0;
    uint32_t size = dense ? 1 : s.size, kernel = dense ? 1 : s.kernel,
             stride = dense ? 1 : s.stride;
    uint32_t out = (size + 2 * s.pad - kernel) / stride + 1;
    struct covey_layer l = {.kind = dense ? COVEY_LAYER_DENSE : COVEY_LAYER_CONV,
                            .m = s.m,
                            .k = s.channels * kernel * kernel,
                            .channels = s.channels,
                            .height = size,
                            .width = size,
                            .kernel = {kernel, kernel},
                            .stride = {stride, stride},
                            .dilation = {1, 1},
                            .pads = {s.pad, s.pad, s.pad, s.pad},
                            .out_height = out,
                            .out_width = out,
                            .batch = s.batch};
    covey_layer_cut(s.m, &l.unit_rows, &l.units);
    return l;
}

/* An owner with its secrets, and holders of SLOTS slots each. */
struct scene {
    struct covey_layer layer;
    uint64_t seed;
    float shift;
    size_t rows, floats; /* of one holder's answer */
    struct covey_product *product[HOLDERS];
    float *weights[HOLDERS], *s[HOLDERS], *c[HOLDERS], *answer[HOLDERS];
    float *input;
    void *scratch, *check_scratch;
    struct covey_check_answer answers[HOLDERS];
};

static void refill(struct scene *w, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = random_float(&w->seed) + w->shift;
    }
}

static void *room(size_t bytes)
{
    void *p = malloc(bytes + 1);
    assert_non_null(p);
    return p;
}

static void open_scene(struct scene *w, struct shape shape, uint64_t seed)
{
    *w = (struct scene){.layer = layer_of(shape), .seed = seed, .shift = shape.shift};
    w->rows = (size_t)SLOTS * w->layer.unit_rows;
    w->floats = w->rows * covey_layer_columns(&w->layer);
    w->input = room(covey_layer_input_floats(&w->layer) * sizeof(float));
    w->check_scratch = room(covey_check_scratch(&w->layer, HOLDERS));
    for (unsigned h = 0; h < HOLDERS; h++) {
        w->weights[h] = room(w->rows * w->layer.k * sizeof(float));
        w->s[h] = room(w->rows * sizeof(float));
        w->c[h] = room(covey_check_floats(&w->layer) * sizeof(float));
        w->answer[h] = room(w->floats * sizeof(float));
        refill(w, w->weights[h], w->rows * w->layer.k);
        assert_int_equal(covey_product_new(&w->layer, w->weights[h], SLOTS, &w->product[h]),
                         COVEY_OK);
        w->answers[h] = (struct covey_check_answer){
            .s = w->s[h], .c = w->c[h], .answer = w->answer[h], .slots = SLOTS};
    }
    w->scratch = room(covey_product_scratch(w->product[0]));
}

static void close_scene(struct scene *w)
{
    for (unsigned h = 0; h < HOLDERS; h++) {
        covey_product_free(w->product[h]);
        free(w->weights[h]);
        free(w->s[h]);
        free(w->c[h]);
        free(w->answer[h]);
    }
    free(w->input);
    free(w->scratch);
    free(w->check_scratch);
}

/* New secrets, as the owner makes them once for a plan. */
static void make_secrets(struct scene *w)
{
    size_t unit = covey_layer_unit_floats(&w->layer);
    for (unsigned h = 0; h < HOLDERS; h++) {
        for (size_t i = 0; i < w->rows; i++) {
            float v = random_float(&w->seed);
            w->s[h][i] = v + (v < 0 ? -0.5f : 0.5f);
        }
        memset(w->c[h], 0, covey_check_floats(&w->layer) * sizeof(float));
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            covey_check_add(&w->layer, w->s[h] + slot * w->layer.unit_rows,
                            w->weights[h] + slot * unit, w->c[h]);
        }
    }
}

static void compute(struct scene *w)
{
    refill(w, w->input, covey_layer_input_floats(&w->layer));
    for (unsigned h = 0; h < HOLDERS; h++) {
        assert_int_equal(covey_product_run(w->product[h], w->input, w->scratch, w->answer[h]),
                         COVEY_OK);
    }
}

static bool check(struct scene *w)
{
    return covey_check_answers(&w->layer, w->input, w->answers, HOLDERS, w->check_scratch);
}

/* Answers as the engine computes them are never called wrong. */
static void test_check_believes_honest_answers(void **state)
{
    (void)state;
    unsigned rounds = rounds_of(HONEST, HONEST_FULL);
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene w;
        open_scene(&w, shapes[i], i + 1);
        for (unsigned round = 0; round < rounds; round++) {
            make_secrets(&w);
            compute(&w);
            if (!check(&w)) {
                fail_msg("shape %u, round %u: an honest answer is called wrong", i, round);
            }
        }
        close_scene(&w);
    }
}

static double norm(const float *v, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += (double)v[i] * (double)v[i];
    }
    return sqrt(sum);
}

enum lie {
    LIE_ONE,
    LIE_TWO,
    LIE_ALL,
    LIE_ROW,
    LIE_SCALE,
    LIE_STALE,
    LIE_NAN,
    LIE_INFINITE,
    LIES_KINDS
};

/* Adds noise of a given norm to floats [first, first + count). */
static void add_noise(struct scene *w, float *v, size_t count, double size)
{
    float *noise = random_floats(&w->seed, count);
    double factor = size / norm(noise, count);
    for (size_t i = 0; i < count; i++) {
        v[i] += (float)((double)noise[i] * factor);
    }
    free(noise);
}

static void lie(struct scene *w, enum lie kind, float *v)
{
    size_t n = w->floats / w->rows, at = random_below(&w->seed, (uint32_t)w->floats);
    size_t row = random_below(&w->seed, (uint32_t)w->rows) * n;
    float size = (float)(LIE_SIZE * norm(v, w->floats));
    switch (kind) {
    case LIE_TWO: /* that cancel in a plain sum */
        v[(at + 1) % w->floats] -= LIE_SPREAD * size;
        v[at] += LIE_SPREAD * size;
        break;
    case LIE_ALL:
        add_noise(w, v, w->floats, LIE_SPREAD * (double)size);
        break;
    case LIE_ROW:
        add_noise(w, v + row, n, LIE_SPREAD * (double)size);
        break;
    case LIE_SCALE:
        for (size_t i = 0; i < w->floats; i++) {
            v[i] *= 1.0f + LIE_SPREAD * (float)LIE_SIZE;
        }
        break;
    case LIE_STALE: /* of the input before */
        refill(w, w->input, covey_layer_input_floats(&w->layer));
        break;
    case LIE_NAN:
        v[at] = NAN;
        break;
    case LIE_INFINITE:
        v[at] = INFINITY;
        break;
    case LIE_ONE:
    case LIES_KINDS:
        v[at] += size;
        break;
    }
}

/* One of the holders lies: it alone is named, whatever the lie. */
static void test_check_names_liars(void **state)
{
    (void)state;
    unsigned rounds = rounds_of(LIES, LIES_FULL);
    for (unsigned i = 0; i < SHAPES * LIES_KINDS; i++) {
        enum lie kind = (enum lie)(i % LIES_KINDS);
        struct scene w;
        open_scene(&w, shapes[i / LIES_KINDS], i + 1);
        for (unsigned round = 0; round < rounds; round++) {
            unsigned liar = random_below(&w.seed, HOLDERS);
            make_secrets(&w);
            compute(&w);
            lie(&w, kind, w.answer[liar]);
            bool all = kind == LIE_STALE;
            if (check(&w) || !w.answers[liar].wrong || w.answers[1 - liar].wrong != all) {
                fail_msg("shape %u, lie %u, round %u", i / LIES_KINDS, (unsigned)kind, round);
            }
        }
        close_scene(&w);
    }
}

/* Holders that agree on what to say gain nothing by it: each answer is checked alone. */
static void test_check_names_all_who_lie(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene w;
        open_scene(&w, shapes[i], i + 1);
        for (unsigned round = 0; round < LIES; round++) {
            make_secrets(&w);
            compute(&w);
            uint64_t agreed = w.seed;
            for (unsigned h = 0; h < HOLDERS; h++) {
                w.seed = agreed;
                lie(&w, LIE_ONE, w.answer[h]);
            }
            assert_false(check(&w));
            for (unsigned h = 0; h < HOLDERS; h++) {
                assert_true(w.answers[h].wrong);
            }
        }
        close_scene(&w);
    }
}

/* Nothing is said of holders that did not answer, nor of inputs that make no finite answer. */
static void test_check_says_nothing_of_nothing(void **state)
{
    (void)state;
    struct scene w;
    open_scene(&w, shapes[4], 1);
    make_secrets(&w);
    compute(&w);
    w.answer[1][0] += 1000;
    w.answers[1].answer = NULL;
    assert_true(check(&w));
    assert_false(w.answers[1].wrong);
    w.answers[1].answer = w.answer[1];
    assert_false(check(&w));
    w.input[0] = INFINITY;
    assert_true(check(&w));
    close_scene(&w);
}

/* Answers that travelled as float16 are allowed that rounding, and no more. */
static void test_check_allows_stated_rounding(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHAPES; i++) {
        struct scene w;
        open_scene(&w, shapes[i], i + 1);
        for (unsigned round = 0; round < rounds_of(HONEST, HONEST_FULL) / 4; round++) {
            make_secrets(&w);
            compute(&w);
            for (size_t j = 0; j < w.floats; j++) { /* 11 bits are kept */
                float v = w.answer[0][j], high = v * 8193.0f;
                w.answer[0][j] = high - (high - v);
            }
            w.answers[0].rounding = 0x1p-11f;
            assert_true(check(&w));
            w.answer[0][0] += 0.1f * (float)norm(w.answer[0], w.floats);
            assert_false(check(&w));
        }
        close_scene(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_believes_honest_answers),
        cmocka_unit_test(test_check_names_liars),
        cmocka_unit_test(test_check_names_all_who_lie),
        cmocka_unit_test(test_check_says_nothing_of_nothing),
        cmocka_unit_test(test_check_allows_stated_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
