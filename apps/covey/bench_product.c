/* SPDX-License-Identifier: MIT */
#include "bench_product.h"

#include "bench_measure.h"
#include "covey/code_check.h"
#include "covey/field.h"
#include "covey/large.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Repetitions of what is timed by itself; rows of each block that are compared; the largest
 * integers of a product modulo a prime, so that no sum exceeds it. */
enum { REPEATS = 5, SAMPLES = 4 };
#define FIELD_PRODUCT 4e6

struct scene {
    const struct covey__product_options *o;
    struct covey_code code;
    float *a, *b, *c;
    float *room; /* of what is encoded, then of the answers */
    float **encoded, **answer;
    double **scratch; /* [threads] of the field */
    uint32_t *order;  /* of arrival */
    bool *lost;
    double *ms, *errors; /* of rounds */
    uint64_t seed;
    struct covey_threads *threads;
    struct covey_decoder *decoder;
    struct covey_code_check *check;
};

static uint64_t draw(uint64_t *seed)
{
    return covey__bench_draw(seed) >> 33;
}

static void fill(uint64_t *seed, float *out, size_t count, float field_most)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)draw(seed) * 0x1p-30f - 1.0f;
        out[i] = field_most > 0 ? rintf(out[i] * field_most) : out[i];
    }
}

static struct covey_code code_of(const struct covey__product_options *o, enum covey_code_kind kind)
{
    uint32_t n = o->blocks, copies = o->tasks / n;
    return (struct covey_code){.kind = kind,
                               .n = n,
                               .m = kind == COVEY_CODE_UNCODED       ? n
                                    : kind == COVEY_CODE_REPLICATION ? n * (copies > 0 ? copies : 1)
                                                                     : o->tasks,
                               .rows = o->rows,
                               .a = {1, o->k},
                               .c = {1, o->cols},
                               .seed = o->seed};
}

static void close_scene(struct scene *s)
{
    for (uint32_t i = 0; i < s->o->threads && s->scratch != NULL; i++) {
        free(s->scratch[i]);
    }
    covey_threads_free(s->threads);
    covey_decoder_free(s->decoder);
    covey_code_check_free(s->check);
    free(s->a);
    free(s->b);
    free(s->c);
    free(s->room);
    free(s->encoded);
    free(s->answer);
    free(s->scratch);
    free(s->order);
    free(s->lost);
    free(s->ms);
    free(s->errors);
}

/* Each task's place in the room: blocks that lie in A already need none. */
static covey_err make_room(struct scene *s)
{
    size_t floats = 0, at = 0;
    for (uint32_t t = 0; t < s->code.m; t++) {
        floats += covey_code_task_floats(&s->code, t) + covey_code_answer_floats(&s->code, t);
    }
    s->room = covey_large_new(floats * sizeof(float));
    if (s->room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(s->room, 0, floats * sizeof(float));
    for (uint32_t t = 0; t < s->code.m; t++) {
        s->encoded[t] = s->room + at;
        at += covey_code_task_floats(&s->code, t);
        s->answer[t] = s->room + at;
        at += covey_code_answer_floats(&s->code, t);
    }
    return COVEY_OK;
}

static covey_err open_scene(struct scene *s)
{
    const struct covey__product_options *o = s->o;
    size_t a = (size_t)o->rows * o->k, b = (size_t)o->k * o->cols, c = (size_t)o->rows * o->cols;
    size_t scratch = covey_field_scratch(o->rows, o->cols, o->k);
    bool field = s->code.kind == COVEY_CODE_FIELD;
    covey_err err = covey_code_check(&s->code);
    if (err != COVEY_OK) {
        return err;
    }
    s->a = covey_large_new(a * sizeof(float));
    s->b = covey_large_new(b * sizeof(float));
    s->c = covey_large_new(c * sizeof(float));
    s->encoded = calloc(s->code.m, sizeof(*s->encoded));
    s->answer = calloc(s->code.m, sizeof(*s->answer));
    s->scratch = calloc(o->threads, sizeof(*s->scratch));
    s->order = calloc(s->code.m, sizeof(*s->order));
    s->lost = calloc(s->code.m, sizeof(*s->lost));
    s->ms = calloc(o->rounds, sizeof(*s->ms));
    s->errors = calloc(o->rounds, sizeof(*s->errors));
    if (s->a == NULL || s->b == NULL || s->c == NULL || s->encoded == NULL || s->answer == NULL ||
        s->scratch == NULL || s->order == NULL || s->lost == NULL || s->ms == NULL ||
        s->errors == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < o->threads && field; i++) {
        s->scratch[i] = calloc(scratch, sizeof(double));
        err = s->scratch[i] != NULL ? err : COVEY_ERR_NOMEM;
    }
    float most = field ? (float)floor(sqrt(FIELD_PRODUCT / o->k)) : 0;
    fill(&s->seed, s->a, a, most);
    fill(&s->seed, s->b, b, most);
    memset(s->c, 0, c * sizeof(float));
    err = err == COVEY_OK ? covey_threads_new(o->threads, &s->threads) : err;
    err = err == COVEY_OK ? covey_decoder_new(&s->code, &s->decoder) : err;
    err = err == COVEY_OK ? covey_code_check_new(&s->code, &s->check) : err;
    return err == COVEY_OK ? make_room(s) : err;
}

/* Rows of E_t, or of A, times B. */
static void multiply(const struct scene *s, uint32_t rows, const float *a, float *out,
                     unsigned thread)
{
    if (s->code.kind == COVEY_CODE_FIELD) {
        covey_field_multiply(&(struct covey_field_product){.m = rows,
                                                           .n = s->o->cols,
                                                           .k = s->o->k,
                                                           .a = a,
                                                           .b = s->b,
                                                           .c = out,
                                                           .scratch = s->scratch[thread]});
        return;
    }
    covey_code_multiply(&(struct covey_code_product){
        .m = rows, .n = s->o->cols, .k = s->o->k, .a = a, .b = s->b, .c = out});
}

static void note(struct covey__product_part *p, uint64_t ns, double bytes)
{
    double ms = (double)ns / 1e6;
    if (ns > 0 && (p->ms == 0 || ms < p->ms)) {
        p->ms = ms;
        p->gbytes_s = bytes / (double)ns;
    }
}

/* All that is not a block by itself, or all (Vandermonde, LT). */
static void measure_encode(struct scene *s, struct covey__product_result *r)
{
    uint32_t first = 0;
    while (first < s->code.m && covey_code_plain(&s->code, first, s->a) != NULL) {
        first++;
    }
    double bytes = 0, all = (double)s->code.rows * s->o->k * sizeof(float);
    for (uint32_t t = first; t < s->code.m; t++) {
        bytes += (double)covey_code_task_floats(&s->code, t) * sizeof(float);
        bytes += (t - first) % 8 == 0 ? all : 0; /* A is read once for eight */
    }
    for (unsigned i = 0; i < REPEATS && first < s->code.m; i++) {
        uint64_t start = covey__now_ns();
        covey_code_encode(&s->code, first, s->code.m - first, s->a, s->encoded + first);
        note(&r->encode, covey__now_ns() - start, bytes);
    }
}

static void run_task(void *ctx, size_t part, unsigned thread)
{
    const struct scene *s = ctx;
    uint32_t t = s->order[part], rows = covey_code_task_rows(&s->code, t);
    const float *plain = covey_code_plain(&s->code, t, s->a);
    if (!s->lost[t]) {
        multiply(s, rows, plain != NULL ? plain : s->encoded[t], s->answer[t], thread);
    }
}

static void draw_round(struct scene *s)
{
    for (uint32_t t = 0; t < s->code.m; t++) {
        uint32_t j = (uint32_t)(draw(&s->seed) % (t + 1));
        s->order[t] = s->order[j];
        s->order[j] = t;
        s->lost[t] = draw(&s->seed) % 100 < s->o->loss;
    }
}

/* Answers in the order of arrival until they suffice. False: they do not. */
static bool decode(struct scene *s, struct covey__product_result *r)
{
    uint64_t spent = 0, checked = 0;
    double read = 0;
    uint32_t honest = 0;
    uint64_t begin = covey__now_ns();
    (void)covey_code_check_start(s->check, s->seed, s->code.seed);
    covey_code_check_product(s->check, s->a, s->b);
    checked = covey__now_ns() - begin;
    read = ((double)s->o->rows + s->o->cols) * s->o->k * sizeof(float);
    covey_decoder_start(s->decoder, s->c, s->code.seed);
    for (uint32_t i = 0; i < s->code.m; i++) {
        uint32_t t = s->order[i];
        enum covey_answer_use use;
        if (s->lost[t] || !covey_decoder_wants(s->decoder, t)) {
            continue;
        }
        const float *answer = s->answer[t];
        float *place = covey_decoder_place(s->decoder, t);
        size_t bytes = covey_code_answer_floats(&s->code, t) * sizeof(float);
        if (place != NULL) { /* as if it had been received there */
            memcpy(place, answer, bytes);
            answer = place;
        }
        uint64_t start = covey__now_ns();
        honest += covey_code_check_answer(s->check, t, answer, 0);
        uint64_t middle = covey__now_ns();
        if (covey_decoder_add(s->decoder, t, answer, &use) != COVEY_OK) {
            return false;
        }
        spent += covey__now_ns() - middle;
        checked += middle - start;
        read += (double)bytes;
    }
    uint32_t answers = covey_decoder_answers(s->decoder);
    uint32_t rebuilt = s->code.n - covey_decoder_peeled(s->decoder);
    uint64_t start = covey__now_ns();
    if (covey_decoder_finish(s->decoder) != COVEY_OK) {
        return false;
    }
    spent += covey__now_ns() - start;
    double block = (double)s->o->rows * s->o->cols * sizeof(float) / s->code.n;
    if (rebuilt > 0) {
        note(&r->decode, spent, block * (s->code.n + rebuilt));
    }
    note(&r->check, checked, read);
    r->lies += answers - honest;
    r->answers += (double)answers;
    r->rebuilt += (double)rebuilt;
    return true;
}

/* Of a few rows of each block, against double precision. */
static double error_of(const struct scene *s)
{
    double off = 0, all = 0;
    size_t k = s->o->k, cols = s->o->cols;
    for (uint32_t i = 0; i < s->code.n * SAMPLES; i++) {
        uint32_t first, rows = covey_code_block(&s->code, i / SAMPLES, &first);
        size_t row = first + i % SAMPLES * (rows - 1) / (SAMPLES - 1);
        for (size_t j = 0; j < cols; j += cols / 32 + 1) {
            double sum = 0, d;
            for (size_t l = 0; l < k; l++) {
                sum += (double)s->a[row * k + l] * (double)s->b[l * cols + j];
            }
            d = (double)s->c[row * cols + j] - sum;
            off += d * d;
            all += sum * sum;
        }
    }
    return all > 0 ? sqrt(off / all) : off;
}

static void run_rounds(struct scene *s, struct covey__product_result *r)
{
    for (uint32_t i = 0; i < s->o->rounds; i++) {
        draw_round(s);
        uint64_t start = covey__now_ns();
        covey_threads_run(s->threads, s->code.m, run_task, s);
        if (!decode(s, r)) {
            r->failed++;
            continue;
        }
        s->ms[r->rounds] = (double)(covey__now_ns() - start) / 1e6;
        s->errors[r->rounds++] = error_of(s);
    }
}

covey_err covey__product_measure(const struct covey__product_options *o,
                                 const struct covey__product_base *base, enum covey_code_kind kind,
                                 struct covey__product_result *out)
{
    struct scene s = {.o = o, .code = code_of(o, kind), .seed = o->seed};
    struct covey__product_result r = {.kind = kind, .tasks = s.code.m};
    covey_err err = open_scene(&s);
    if (err == COVEY_OK) {
        measure_encode(&s, &r);
        run_rounds(&s, &r);
        double product = kind == COVEY_CODE_FIELD ? base->field_ms : base->product_ms;
        r.encode.share = r.encode.ms / product;
        r.decode.share = r.decode.ms / product;
        r.check.share = r.check.ms / product;
        double rounds = r.rounds > 0 ? (double)r.rounds : 1;
        r.answers /= rounds;
        r.rebuilt /= rounds;
        r.round_ms = covey__percentile(s.ms, r.rounds, 0.5);
        r.error_median = covey__percentile(s.errors, r.rounds, 0.5);
        r.error_worst = covey__percentile(s.errors, r.rounds, 1);
        *out = r;
    }
    close_scene(&s);
    return err;
}

covey_err covey__product_base_measure(const struct covey__product_options *o,
                                      struct covey__product_base *out)
{
    struct scene s = {.o = o, .code = code_of(o, COVEY_CODE_FIELD), .seed = o->seed};
    s.code.m = s.code.n;
    covey_err err = open_scene(&s);
    double bytes = 2.0 * o->rows * o->k * sizeof(float);
    struct covey__product_part field = {0}, plain = {0}, copy = {0};
    for (unsigned i = 0; i < REPEATS && err == COVEY_OK; i++) {
        uint64_t start = covey__now_ns();
        s.code.kind = COVEY_CODE_FIELD;
        multiply(&s, o->rows, s.a, s.c, 0);
        note(&field, covey__now_ns() - start, 0);
        s.code.kind = COVEY_CODE_UNCODED;
        start = covey__now_ns();
        multiply(&s, o->rows, s.a, s.c, 0);
        note(&plain, covey__now_ns() - start, 0);
        start = covey__now_ns();
        memcpy(s.room, s.a, (size_t)o->rows * o->k * sizeof(float)); /* all blocks fit there */
        note(&copy, covey__now_ns() - start, bytes);
    }
    if (err == COVEY_OK) {
        *out = (struct covey__product_base){plain.ms, field.ms, copy.gbytes_s};
    }
    close_scene(&s);
    return err;
}
