/* SPDX-License-Identifier: MIT */
#include "code_scene.h"

#include "builder.h"
#include "covey/blas.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FIELD_MOST = 100 };

static void *room(size_t bytes)
{
    void *p = malloc(bytes);
    assert_non_null(p);
    return p;
}

struct covey_code code_of(enum covey_code_kind kind, uint32_t n, uint32_t m, uint32_t rows)
{
    return (struct covey_code){
        .kind = kind, .n = n, .m = m, .rows = rows, .a = {1, 64}, .c = {1, 12}, .seed = 1};
}

static void fill(struct code_scene *s, uint64_t *seed, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = random_float(seed) + s->shift;
        out[i] = s->code.kind == COVEY_CODE_FIELD ? rintf(out[i] * FIELD_MOST) : out[i];
    }
}

static void multiply(const struct code_scene *s, uint32_t rows, const float *a, float *out)
{
    if (s->code.kind != COVEY_CODE_FIELD) {
        covey_blas_multiply(&(struct covey_blas_product){rows, s->cols, s->k, a, s->b, out});
        return;
    }
    double *scratch = room(covey_field_scratch(rows, s->cols, s->k) * sizeof(double));
    covey_field_multiply(&(struct covey_field_product){.m = rows,
                                                       .n = s->cols,
                                                       .k = s->k,
                                                       .a = a,
                                                       .b = s->b,
                                                       .prime = s->code.prime,
                                                       .c = out,
                                                       .scratch = scratch});
    free(scratch);
}

static void multiply_exactly(struct code_scene *s)
{
    for (size_t i = 0; i < s->code.rows; i++) {
        for (size_t j = 0; j < s->cols; j++) {
            double sum = 0;
            for (size_t l = 0; l < s->k; l++) {
                sum += (double)s->a[i * s->k + l] * (double)s->b[l * s->cols + j];
            }
            s->exact[i * s->cols + j] = sum;
        }
    }
}

void code_scene_open(struct code_scene *s, const struct covey_code *code, uint64_t seed)
{
    code_scene_open_shifted(s, code, seed, 0);
}

void code_scene_open_shifted(struct code_scene *s, const struct covey_code *code, uint64_t seed,
                             float shift)
{
    *s = (struct code_scene){.code = *code,
                             .k = (uint32_t)code->a.inner,
                             .cols = (uint32_t)code->c.inner,
                             .shift = shift};
    assert_int_equal(covey_code_check(code), COVEY_OK);
    assert_int_equal(covey_decoder_new(code, &s->decoder), COVEY_OK);
    s->a = room((size_t)code->rows * s->k * sizeof(float));
    s->b = room((size_t)s->k * s->cols * sizeof(float));
    s->c = room((size_t)code->rows * s->cols * sizeof(float));
    s->exact = room((size_t)code->rows * s->cols * sizeof(double));
    s->encoded = room(code->m * sizeof(*s->encoded));
    s->answer = room(code->m * sizeof(*s->answer));
    fill(s, &seed, s->a, (size_t)code->rows * s->k);
    fill(s, &seed, s->b, (size_t)s->k * s->cols);
    for (uint32_t t = 0; t < code->m; t++) {
        s->encoded[t] = room(covey_code_task_floats(code, t) * sizeof(float));
        s->answer[t] = room(covey_code_answer_floats(code, t) * sizeof(float));
    }
    covey_code_encode(code, 0, code->m, s->a, s->encoded);
    for (uint32_t t = 0; t < code->m; t++) {
        multiply(s, covey_code_task_rows(code, t), s->encoded[t], s->answer[t]);
    }
    multiply_exactly(s);
}

void code_scene_close(struct code_scene *s)
{
    for (uint32_t t = 0; t < s->code.m; t++) {
        free(s->encoded[t]);
        free(s->answer[t]);
    }
    covey_decoder_free(s->decoder);
    free(s->encoded);
    free(s->answer);
    free(s->a);
    free(s->b);
    free(s->c);
    free(s->exact);
}

enum covey_decoder_state code_scene_decode(struct code_scene *s, const uint32_t *tasks,
                                           size_t count)
{
    memset(s->c, 0xff, (size_t)s->code.rows * s->cols * sizeof(float));
    covey_decoder_start(s->decoder, s->c, s->code.seed);
    for (size_t i = 0; i < count && covey_decoder_state(s->decoder) != COVEY_DECODER_READY; i++) {
        s->fed = i + 1;
        enum covey_answer_use use;
        float *place = covey_decoder_place(s->decoder, tasks[i]);
        const float *answer = s->answer[tasks[i]];
        if (place != NULL && i % 2 == 0) { /* received where it belongs */
            memcpy(place, answer, covey_code_answer_floats(&s->code, tasks[i]) * sizeof(float));
            answer = place;
        }
        assert_int_equal(covey_decoder_add(s->decoder, tasks[i], answer, &use), COVEY_OK);
        assert_true(place == NULL || use == COVEY_ANSWER_TAKEN);
    }
    enum covey_decoder_state state = covey_decoder_state(s->decoder);
    assert_int_equal(covey_decoder_finish(s->decoder),
                     state == COVEY_DECODER_SHORT ? COVEY_ERR_STATE : COVEY_OK);
    return state;
}

static double error_of(const struct code_scene *s, size_t first, size_t count)
{
    double off = 0, all = 0;
    for (size_t i = first; i < first + count; i++) {
        double d = (double)s->c[i] - s->exact[i];
        off += d * d;
        all += s->exact[i] * s->exact[i];
    }
    return sqrt(off / all);
}

double code_scene_error(const struct code_scene *s)
{
    return error_of(s, 0, (size_t)s->code.rows * s->cols);
}

double code_scene_block_error(const struct code_scene *s)
{
    double worst = 0;
    for (uint32_t j = 0; j < s->code.n; j++) {
        uint32_t first, rows = covey_code_block(&s->code, j, &first);
        double error = error_of(s, (size_t)first * s->cols, (size_t)rows * s->cols);
        worst = error <= worst ? worst : error; /* NaN stays */
    }
    return worst;
}

void shuffle_tasks(uint64_t *seed, uint32_t count, uint32_t *out)
{
    choice_first(count, out);
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = random_below(seed, i), kept = out[i - 1];
        out[i - 1] = out[j];
        out[j] = kept;
    }
}
