/* SPDX-License-Identifier: MIT */
#include "product_scene.h"

#include "builder.h"
#include "code_scene.h"
#include "covey/field.h"
#include "covey/private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct layer_case product_cases[] = {
    {7, 5, 8, 9, 3, 1, 1, 1},     {6, 3, 6, 12, 5, 1, 0, 1},   {5, 17, 18, 8, 3, 1, 1, 1},
    {9, 33, 16, 6, 3, 1, 1, 1},   {4, 6, 9, 11, 3, 2, 1, 1},   {5, 4, 7, 13, 4, 3, 2, 1},
    {3, 8, 5, 12, 3, 1, 2, 2},    {6, 12, 7, 5, 1, 1, 0, 1},   {4, 9, 11, 7, 1, 2, 0, 1},
    {5, 20, 24, 3, 3, 1, 1, 1},   {11, 32, 40, 4, 3, 1, 1, 1}, {10, 30, 17, 1, 0, 1, 0, 1},
    {33, 200, 65, 1, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0}};

struct covey_train_product product_of(const struct layer_case *l,
                                      enum covey_train_product_kind kind)
{
    uint32_t kernel = l->kernel == 0 ? 1 : l->kernel;
    uint32_t out = (l->size + 2 * l->pad - (kernel - 1) * l->dilation - 1) / l->stride + 1;
    struct covey_train_product p = {.kind = kind,
                                    .dense = l->kernel == 0,
                                    .batch = l->batch,
                                    .in_channels = l->in,
                                    .out_channels = l->out,
                                    .height = l->size,
                                    .width = l->size,
                                    .out_height = out,
                                    .out_width = out,
                                    .kernel = {kernel, kernel},
                                    .stride = {l->stride, l->stride},
                                    .dilation = {l->dilation, l->dilation},
                                    .pads = {l->pad, l->pad},
                                    .pads_end = {l->pad, l->pad}};
    assert_int_equal(covey_train_product_check(&p), COVEY_OK);
    return p;
}

/* Which number of X a tap sees at an output; false: none. */
static bool find_input(const struct covey_train_product *p, const uint32_t at[4], uint32_t *out_y,
                       uint32_t *out_x)
{
    *out_y = at[0] * p->stride[0] + at[2] * p->dilation[0] - p->pads[0];
    *out_x = at[1] * p->stride[1] + at[3] * p->dilation[1] - p->pads[1];
    return *out_y < p->height && *out_x < p->width;
}

/* One term of each of the sums that a filter's tap (of a channel, of one image) brings. */
static void add_terms(struct product_scene *s, const uint32_t n_m_c[3], const uint32_t tap[2])
{
    const struct covey_train_product *p = &s->product;
    size_t w = ((n_m_c[1] * p->in_channels + n_m_c[2]) * p->kernel[0] + tap[0]) * p->kernel[1];
    w += tap[1];
    for (uint32_t i = 0; i < p->out_height * p->out_width; i++) {
        const uint32_t at[4] = {i / p->out_width, i % p->out_width, tap[0], tap[1]};
        uint32_t row, column;
        if (!find_input(p, at, &row, &column)) {
            continue;
        }
        size_t x = ((n_m_c[0] * p->in_channels + n_m_c[2]) * p->height + row) * p->width + column;
        size_t y = (n_m_c[0] * p->out_channels + n_m_c[1]) * p->out_height * p->out_width + i;
        if (p->kind == COVEY_TRAIN_PRODUCT_FORWARD) {
            s->c[y] += (double)s->a[x] * (double)s->b[w];
        } else if (p->kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT) {
            s->c[x] += (double)s->a[y] * (double)s->b[w];
        } else {
            s->c[w] += (double)s->a[x] * (double)s->b[y];
        }
    }
}

static void multiply_exactly(struct product_scene *s)
{
    const struct covey_train_product *p = &s->product;
    uint32_t taps = p->kernel[0] * p->kernel[1], filters = p->in_channels * taps;
    memset(s->c, 0, covey_train_product_c_floats(p) * sizeof(double));
    for (uint32_t n = 0; n < p->batch; n++) {
        for (uint32_t i = 0; i < p->out_channels * filters; i++) {
            const uint32_t n_m_c[3] = {n, i / filters, i % filters / taps};
            const uint32_t tap[2] = {i % taps / p->kernel[1], i % p->kernel[1]};
            add_terms(s, n_m_c, tap);
        }
    }
}

static float *numbers(uint64_t *seed, size_t count, float most)
{
    float *v = random_floats(seed, count);
    for (size_t i = 0; i < count && most > 0; i++) {
        v[i] = rintf(v[i] * most);
    }
    return v;
}

void product_scene_open(struct product_scene *s, const struct covey_train_product *p, float most,
                        uint64_t seed)
{
    *s = (struct product_scene){.product = *p};
    s->a = numbers(&seed, covey_train_product_a_floats(p), most);
    s->b = numbers(&seed, covey_train_product_b_floats(p), most);
    s->c = malloc(covey_train_product_c_floats(p) * sizeof(double));
    s->got = malloc(covey_train_product_c_floats(p) * sizeof(float));
    assert_non_null(s->c);
    assert_non_null(s->got);
    multiply_exactly(s);
}

void product_scene_close(struct product_scene *s)
{
    free(s->a);
    free(s->b);
    free(s->c);
    free(s->got);
}

void product_scene_compute(const struct covey_train_product *p, uint32_t rows, unsigned prime,
                           const float *a, const float *b, float *out)
{
    size_t bytes = covey_train_product_scratch(p, rows, prime, 1);
    void *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(scratch);
    covey_train_product_compute(&(struct covey_train_product_run){
        .product = p, .rows = rows, .prime = prime, .a = a, .b = b, .c = out, .scratch = scratch});
    free(scratch);
}

double product_scene_error(const struct product_scene *s)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < covey_train_product_c_floats(&s->product); i++) {
        double d = (double)s->got[i] - s->c[i];
        off += d * d;
        all += s->c[i] * s->c[i];
    }
    return sqrt(off / all);
}

static float **arrays(uint32_t count, const struct covey_code *code,
                      size_t (*floats)(const struct covey_code *code, uint32_t t))
{
    float **v = malloc(count * sizeof(*v));
    assert_non_null(v);
    for (uint32_t t = 0; t < count; t++) {
        v[t] = malloc(floats(code, t) * sizeof(float));
        assert_non_null(v[t]);
    }
    return v;
}

/* Stands for the secret generator, which this layer does not have. */
static float *draw_masks(uint64_t *seed, unsigned prime, size_t count)
{
    float *out = malloc((count + 1) * sizeof(float));
    size_t made = 0;
    assert_non_null(out);
    while (made < count) {
        uint8_t bytes[48];
        for (unsigned i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t)random_below(seed, 256);
        }
        made += covey_private_mask(bytes, sizeof(bytes), prime, out + made, count - made);
    }
    return out;
}

static void encode_privately(struct product_round *r, const struct product_scene *s, uint64_t seed)
{
    const struct covey_code *c = &r->code;
    size_t floats = covey_train_product_b_floats(&s->product);
    float *a_masks = draw_masks(&seed, c->prime, covey_private_mask_floats(c));
    float *b_masks = draw_masks(&seed, c->prime, c->masks * floats);
    const struct covey_private_factor a = {.at = s->a, .masks = a_masks};
    const struct covey_private_factor b = {s->b, b_masks, floats};
    r->b = malloc(c->m * sizeof(*r->b));
    assert_non_null(r->b);
    for (uint32_t t = 0; t < c->m; t++) {
        r->b[t] = malloc(floats * sizeof(float));
        assert_non_null(r->b[t]);
        memcpy(r->b[t], s->b, floats * sizeof(float));
    }
    covey_private_encode(c, 0, c->m, &a, r->encoded);
    if (c->kind == COVEY_CODE_PRIVATE) {
        covey_private_encode_b(c, 0, c->m, &b, r->b);
    }
    free(a_masks);
    free(b_masks);
}

void product_round_open(struct product_round *r, const struct product_scene *s,
                        const struct covey_code *code, uint64_t masks)
{
    bool private = code->kind == COVEY_CODE_PRIVATE || code->kind == COVEY_CODE_PRIVATE_INPUTS;
    bool exact = private || code->kind == COVEY_CODE_FIELD;
    *r = (struct product_round){.code = *code};
    covey_train_product_shape(&s->product, &r->code);
    assert_int_equal(covey_code_check(&r->code), COVEY_OK);
    r->encoded = arrays(code->m, &r->code, covey_code_task_floats);
    r->answer = arrays(code->m, &r->code, covey_code_answer_floats);
    if (private) {
        encode_privately(r, s, masks);
    } else {
        covey_code_encode(&r->code, 0, code->m, s->a, r->encoded);
    }
    for (uint32_t t = 0; t < code->m; t++) {
        product_scene_compute(&s->product, covey_code_task_rows(&r->code, t),
                              exact ? code->prime : COVEY_FIELD_PRIMES, r->encoded[t],
                              private ? r->b[t] : s->b, r->answer[t]);
    }
}

void product_round_close(struct product_round *r)
{
    for (uint32_t t = 0; t < r->code.m; t++) {
        free(r->encoded[t]);
        free(r->answer[t]);
        if (r->b != NULL) {
            free(r->b[t]);
        }
    }
    free(r->encoded);
    free(r->answer);
    free(r->b);
}

double product_round_decode(const struct product_round *r, uint64_t *seed, float *c)
{
    uint32_t tasks[COVEY_CODE_TASKS_MAX];
    struct covey_decoder *d = NULL;
    assert_int_equal(covey_decoder_new(&r->code, &d), COVEY_OK);
    covey_decoder_start(d, c, r->code.seed);
    shuffle_tasks(seed, r->code.m, tasks);
    for (uint32_t i = 0; covey_decoder_state(d) != COVEY_DECODER_READY; i++) {
        enum covey_answer_use use;
        assert_true(i < r->code.m);
        assert_int_equal(covey_decoder_add(d, tasks[i], r->answer[tasks[i]], &use), COVEY_OK);
    }
    double growth = covey_decoder_growth(d);
    assert_int_equal(covey_decoder_finish(d), COVEY_OK);
    covey_decoder_free(d);
    return growth;
}
