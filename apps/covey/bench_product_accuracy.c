/* SPDX-License-Identifier: MIT */
#include "bench_product.h"

#include "bench_measure.h"
#include "covey/field.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Small blocks: what is measured does not depend on their size, only on depth a little. */
enum { ROWS = 8, K = 256, COLS = 16, BLOCK = ROWS * COLS, TASKS = 64, FIELD_MOST = 100 };

struct scene {
    struct covey_code code;
    float *a, *b, *c, *encoded[TASKS], *answer[TASKS];
    double *exact, *errors;
    struct covey_decoder *decoder;
    double *scratch;
};

static float draw(uint64_t *seed, bool field)
{
    float v = (float)(covey__bench_draw(seed) >> 40) * 0x1p-23f - 1.0f;
    return field ? rintf(v * FIELD_MOST) : v;
}

static void close_scene(struct scene *s)
{
    for (unsigned t = 0; t < TASKS; t++) {
        free(s->encoded[t]);
        free(s->answer[t]);
    }
    covey_decoder_free(s->decoder);
    free(s->a);
    free(s->b);
    free(s->c);
    free(s->exact);
    free(s->errors);
    free(s->scratch);
}

static void multiply(const struct scene *s, uint32_t t)
{
    if (s->code.kind == COVEY_CODE_FIELD) {
        covey_field_multiply(&(struct covey_field_product){.m = ROWS,
                                                           .n = COLS,
                                                           .k = K,
                                                           .a = s->encoded[t],
                                                           .b = s->b,
                                                           .c = s->answer[t],
                                                           .scratch = s->scratch});
        return;
    }
    covey_code_multiply(&(struct covey_code_product){
        .m = ROWS, .n = COLS, .k = K, .a = s->encoded[t], .b = s->b, .c = s->answer[t]});
}

static void multiply_exactly(struct scene *s)
{
    for (size_t i = 0; i < (size_t)s->code.rows * COLS; i++) {
        double sum = 0;
        for (size_t l = 0; l < K; l++) {
            sum += (double)s->a[i / COLS * K + l] * (double)s->b[l * COLS + i % COLS];
        }
        s->exact[i] = sum;
    }
}

static covey_err open_scene(struct scene *s, uint32_t patterns)
{
    uint64_t seed = 1;
    bool field = s->code.kind == COVEY_CODE_FIELD;
    size_t rows = s->code.rows;
    s->a = calloc(rows * K, sizeof(float));
    s->b = calloc(K * COLS, sizeof(float));
    s->c = calloc(rows * COLS, sizeof(float));
    s->exact = calloc(rows * COLS, sizeof(double));
    s->errors = calloc(patterns, sizeof(double));
    s->scratch = calloc(covey_field_scratch(ROWS, COLS, K), sizeof(double));
    if (s->a == NULL || s->b == NULL || s->c == NULL || s->exact == NULL || s->errors == NULL ||
        s->scratch == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (uint32_t t = 0; t < s->code.m; t++) {
        s->encoded[t] = calloc(ROWS * K, sizeof(float));
        s->answer[t] = calloc(BLOCK, sizeof(float));
        if (s->encoded[t] == NULL || s->answer[t] == NULL) {
            return COVEY_ERR_NOMEM;
        }
    }
    for (size_t i = 0; i < rows * K; i++) {
        s->a[i] = draw(&seed, field);
    }
    for (size_t i = 0; i < K * COLS; i++) {
        s->b[i] = draw(&seed, field);
    }
    covey_code_encode(&s->code, 0, s->code.m, s->a, s->encoded);
    for (uint32_t t = 0; t < s->code.m; t++) {
        multiply(s, t);
    }
    multiply_exactly(s);
    return covey_decoder_new(&s->code, &s->decoder);
}

static bool choice_next(uint32_t size, uint32_t of, uint32_t *choice)
{
    uint32_t i = size;
    while (i > 0 && choice[i - 1] == of - size + i - 1) {
        i--;
    }
    if (i == 0) {
        return false;
    }
    choice[i - 1]++;
    for (; i < size; i++) {
        choice[i] = choice[i - 1] + 1;
    }
    return true;
}

/* The whole product's error; that of the worst block. */
static double error_of(const struct scene *s, double *out_block)
{
    double off = 0, all = 0;
    *out_block = 0;
    for (uint32_t j = 0; j < s->code.n; j++) {
        double block_off = 0, block_all = 0;
        for (size_t i = (size_t)j * BLOCK; i < (size_t)(j + 1) * BLOCK; i++) {
            double d = (double)s->c[i] - s->exact[i];
            block_off += d * d;
            block_all += s->exact[i] * s->exact[i];
        }
        *out_block = fmax(*out_block, sqrt(block_off / block_all));
        off += block_off;
        all += block_all;
    }
    return sqrt(off / all);
}

static covey_err decode(struct scene *s, const uint32_t *tasks)
{
    covey_err err = COVEY_OK;
    covey_decoder_start(s->decoder, s->c, s->code.seed);
    for (uint32_t i = 0; i < s->code.n && err == COVEY_OK; i++) {
        enum covey_answer_use use;
        err = covey_decoder_add(s->decoder, tasks[i], s->answer[tasks[i]], &use);
    }
    return err == COVEY_OK ? covey_decoder_finish(s->decoder) : err;
}

static uint32_t patterns_of(uint32_t m, uint32_t n)
{
    double count = 1;
    for (uint32_t i = 0; i < n; i++) {
        count = count * (m - i) / (i + 1);
    }
    return (uint32_t)lround(count);
}

covey_err covey__product_accuracy(struct covey__product_accuracy *a)
{
    uint32_t tasks[TASKS], patterns = patterns_of(a->m, a->n);
    struct scene s = {.code = {.kind = a->kind,
                               .n = a->n,
                               .m = a->m,
                               .rows = a->n * ROWS,
                               .a = {1, K},
                               .c = {1, COLS},
                               .bound = 1e9f}}; /* every pattern as it is */
    covey_err err = a->m <= TASKS ? open_scene(&s, patterns) : COVEY_ERR_RANGE;
    struct covey__product_accuracy found = {.kind = a->kind, .n = a->n, .m = a->m};
    for (uint32_t i = 0; i < a->n; i++) {
        tasks[i] = i;
    }
    bool more = err == COVEY_OK;
    while (more && err == COVEY_OK) {
        double block = 0, error;
        err = decode(&s, tasks);
        error = error_of(&s, &block);
        s.errors[found.patterns++] = error;
        found.exact += block == 0;
        found.block_worst = fmax(found.block_worst, block);
        more = choice_next(a->n, a->m, tasks) && found.patterns < patterns;
    }
    if (err == COVEY_OK) {
        found.median = covey__percentile(s.errors, found.patterns, 0.5);
        found.worst = covey__percentile(s.errors, found.patterns, 1);
        *a = found;
    }
    close_scene(&s);
    return err;
}

/* Feeds tasks without answers: count of them, or until it is ready. */
static covey_err count_in(struct covey_decoder *d, const uint32_t *tasks, uint32_t count)
{
    covey_err err = COVEY_OK;
    for (uint32_t i = 0; i < count && err == COVEY_OK; i++) {
        enum covey_answer_use use;
        err = covey_decoder_add(d, tasks != NULL ? tasks[i] : i, NULL, &use);
    }
    return err;
}

covey_err covey__product_lt(struct covey__product_lt *l, uint32_t seeds)
{
    const struct covey_code code = {.kind = COVEY_CODE_LT,
                                    .n = l->n,
                                    .m = l->answers + 1,
                                    .rows = l->n,
                                    .a = {1, 1},
                                    .c = {1, 1},
                                    .bound = 1e-6f}; /* peels on when it could be solved */
    struct covey_decoder *d = NULL;
    covey_err err = covey_decoder_new(&code, &d);
    l->peeled = l->solved = 0;
    for (uint32_t seed = 0; seed < seeds && err == COVEY_OK; seed++) {
        covey_decoder_start(d, NULL, seed);
        err = count_in(d, NULL, l->answers);
        l->peeled += covey_decoder_peeled(d) == l->n ? 1.0 / seeds : 0;
        l->solved += covey_decoder_state(d) != COVEY_DECODER_SHORT ? 1.0 / seeds : 0;
    }
    covey_decoder_free(d);
    return err;
}

covey_err covey__product_awaited(uint32_t n, uint32_t m, uint32_t rounds, double *out_more)
{
    const struct covey_code code = {
        .kind = COVEY_CODE_MDS, .n = n, .m = m, .rows = n, .a = {1, 1}, .c = {1, 1}};
    struct covey_decoder *d = NULL;
    uint32_t order[COVEY_CODE_BLOCKS_MAX];
    uint64_t seed = 1;
    double more = 0;
    covey_err err = m <= COVEY_CODE_BLOCKS_MAX ? covey_decoder_new(&code, &d) : COVEY_ERR_RANGE;
    for (uint32_t i = 0; i < rounds && err == COVEY_OK; i++) {
        for (uint32_t t = 0; t < m; t++) {
            uint32_t j = (uint32_t)((covey__bench_draw(&seed) >> 33) % (t + 1));
            order[t] = order[j];
            order[j] = t;
        }
        covey_decoder_start(d, NULL, 0);
        err = count_in(d, order, m);
        more += (double)(covey_decoder_answers(d) - n) / rounds;
    }
    if (err == COVEY_OK) {
        *out_more = more;
    }
    covey_decoder_free(d);
    return err;
}
