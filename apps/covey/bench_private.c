/* SPDX-License-Identifier: MIT */
#include "bench_product.h"

#include "bench_measure.h"
#include "covey/large.h"
#include "covey/private.h"

#include <math.h>
#include <stdlib.h>

enum { REPEATS = 3 };
/* Sums of k products stay below it, so that the field holds the result. */
#define FIELD_PRODUCT 4e6

struct scene {
    const struct covey__product_options *o;
    struct covey_code code;
    float *a, *b, *c, *plain; /* plain: A B as one product */
    float *a_masks, *b_masks, *secret, *spare;
    float *e, *f, *answers; /* of all tasks */
    size_t e_floats, f_floats, answer_floats;
    double *scratch;
    struct covey_decoder *decoder;
    uint64_t seed;
};

static uint32_t draw(uint64_t *seed)
{
    return (uint32_t)(covey__bench_draw(seed) >> 40);
}

/* Numbers as large as may be: of an input, or of the whole field, as masks are. */
static void fill(uint64_t *seed, float *out, size_t count, double most)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)rint(((double)draw(seed) * 0x1p-23 - 1) * most);
    }
}

static void close_scene(struct scene *s)
{
    float *const parts[] = {s->a,      s->b,     s->c, s->plain, s->a_masks, s->b_masks,
                            s->secret, s->spare, s->e, s->f,     s->answers};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        free(parts[i]);
    }
    free(s->scratch);
    covey_decoder_free(s->decoder);
}

static covey_err open_scene(struct scene *s)
{
    const struct covey__product_options *o = s->o;
    size_t a = (size_t)o->rows * o->k, c = (size_t)o->rows * o->cols, tasks = s->code.m;
    size_t masks = covey_private_mask_floats(&s->code), factor = s->code.masks;
    s->f_floats = (size_t)o->k * o->cols;
    s->e_floats = covey_code_task_floats(&s->code, 0);
    s->answer_floats = covey_code_answer_floats(&s->code, 0);
    const struct {
        float **at;
        size_t floats;
    } parts[] = {{&s->a, a},
                 {&s->b, s->f_floats},
                 {&s->c, c},
                 {&s->plain, c},
                 {&s->a_masks, masks},
                 {&s->b_masks, factor * s->f_floats},
                 {&s->secret, o->cols},
                 {&s->spare, (size_t)o->k + o->rows},
                 {&s->e, tasks * s->e_floats},
                 {&s->f, tasks * s->f_floats},
                 {&s->answers, tasks * s->answer_floats}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i].at = covey_large_new(parts[i].floats * sizeof(float));
        if (*parts[i].at == NULL) {
            return COVEY_ERR_NOMEM;
        }
        fill(&s->seed, *parts[i].at, parts[i].floats, covey_field_most(0));
    }
    double most = floor(sqrt(FIELD_PRODUCT / o->k));
    fill(&s->seed, s->a, a, most);
    fill(&s->seed, s->b, s->f_floats, most);
    s->scratch = calloc(covey_field_scratch(o->rows, o->cols, o->k), sizeof(double));
    return s->scratch != NULL ? covey_decoder_new(&s->code, &s->decoder) : COVEY_ERR_NOMEM;
}

static struct covey_field_product product_of(struct scene *s, size_t t)
{
    return (struct covey_field_product){.m = covey_code_task_rows(&s->code, 0),
                                        .n = s->o->cols,
                                        .k = s->o->k,
                                        .a = s->e + t * s->e_floats,
                                        .b = s->f + t * s->f_floats,
                                        .c = s->answers + t * s->answer_floats,
                                        .scratch = s->scratch};
}

static void least(double *inout_ms, uint64_t start)
{
    double ms = (double)(covey__now_ns() - start) / 1e6;
    *inout_ms = *inout_ms == 0 || ms < *inout_ms ? ms : *inout_ms;
}

static covey_err decode(struct scene *s)
{
    covey_err err = COVEY_OK;
    covey_decoder_start(s->decoder, s->c, 0);
    for (uint32_t t = 0; t < s->code.m && err == COVEY_OK; t++) {
        enum covey_answer_use use;
        err = covey_decoder_add(s->decoder, t, s->answers + t * s->answer_floats, &use);
    }
    return err == COVEY_OK ? covey_decoder_finish(s->decoder) : err;
}

static covey_err run_round(struct scene *s, struct covey__product_private *r)
{
    float *out[COVEY_CODE_BLOCKS_MAX];
    const struct covey_private_factor a = {.at = s->a, .masks = s->a_masks};
    const struct covey_private_factor b = {s->b, s->b_masks, s->f_floats};
    for (uint32_t t = 0; t < s->code.m; t++) {
        out[t] = s->e + t * s->e_floats;
    }
    uint64_t start = covey__now_ns();
    covey_private_encode(&s->code, 0, s->code.m, &a, out);
    least(&r->encode_a_ms, start);
    for (uint32_t t = 0; t < s->code.m; t++) {
        out[t] = s->f + t * s->f_floats;
    }
    start = covey__now_ns();
    covey_private_encode_b(&s->code, 0, s->code.m, &b, out);
    least(&r->encode_b_ms, start);
    for (uint32_t t = 0; t < s->code.m; t++) {
        struct covey_field_product p = product_of(s, t);
        start = covey__now_ns();
        covey_field_multiply(&p);
        least(&r->task_ms, start);
    }
    start = covey__now_ns();
    bool right = true;
    for (uint32_t t = 0; t < s->code.m; t++) {
        struct covey_field_product p = product_of(s, t);
        right = covey_private_check(&p, s->secret, s->spare) && right;
    }
    least(&r->check_ms, start);
    start = covey__now_ns();
    covey_err err = decode(s);
    least(&r->decode_ms, start);
    r->exact = r->exact && right;
    return err;
}

covey_err covey__product_private(const struct covey__product_options *o, uint32_t masks,
                                 struct covey__product_private *out)
{
    struct scene s = {.o = o,
                      .seed = o->seed,
                      .code = {.kind = COVEY_CODE_PRIVATE,
                               .n = o->blocks,
                               .rows = o->rows,
                               .a = {1, o->k},
                               .c = {1, o->cols},
                               .masks = masks}};
    s.code.m = covey_code_needed(&s.code);
    struct covey__product_private r = {.masks = masks, .tasks = s.code.m, .exact = true};
    covey_err err = covey_code_check(&s.code);
    err = err == COVEY_OK ? open_scene(&s) : err;
    for (unsigned i = 0; i < REPEATS && err == COVEY_OK; i++) {
        err = run_round(&s, &r);
    }
    if (err == COVEY_OK) {
        covey_field_multiply(&(struct covey_field_product){.m = o->rows,
                                                           .n = o->cols,
                                                           .k = o->k,
                                                           .a = s.a,
                                                           .b = s.b,
                                                           .c = s.plain,
                                                           .scratch = s.scratch});
        for (size_t i = 0; i < (size_t)o->rows * o->cols; i++) {
            r.exact = r.exact && s.plain[i] == s.c[i];
        }
        *out = r;
    }
    close_scene(&s);
    return err;
}
