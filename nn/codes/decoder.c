/* SPDX-License-Identifier: MIT */
#include "decoder.h"

#include "covey/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Least squares over more answers than this many times the blocks gains nothing. */
enum { SOLVE_RATIO = 2 };
/* LT: sums that are looked at for one that is handed out. */
enum { LOOK = 16 };

static uint32_t solve_max_of(const struct covey_code *c)
{
    bool systematic = c->kind == COVEY_CODE_MDS || c->kind == COVEY_CODE_FIELD;
    if (covey__code_is_private(c)) {
        return covey_code_needed(c);
    }
    uint32_t kept = systematic ? c->m - c->n : c->m, most = SOLVE_RATIO * c->n;
    return kept == 0 ? 1 : kept < most ? kept : most;
}

static uint32_t unknown_max_of(const struct covey_code *c)
{
    uint32_t kept = solve_max_of(c);
    return kept < c->n ? kept : c->n;
}

covey_err covey_decoder_new(const struct covey_code *code, struct covey_decoder **out)
{
    covey_err err = covey_code_check(code);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_decoder *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        return COVEY_ERR_NOMEM;
    }
    size_t n = code->n, m = code->m, solve = solve_max_of(code), unknown = unknown_max_of(code);
    bool spans = code->kind == COVEY_CODE_LT;
    d->code = *code;
    d->solve_max = (uint32_t)solve;
    d->span.n = d->asked.n = code->n;
    const struct {
        void **at;
        size_t count, size;
    } parts[] = {
        {(void **)&d->seen, m, sizeof(*d->seen)},
        {(void **)&d->known, n, sizeof(*d->known)},
        {(void **)&d->rounding, n, sizeof(*d->rounding)},
        {(void **)&d->row, n, sizeof(*d->row)},
        {(void **)&d->span.basis, spans ? n * n : 1, sizeof(*d->span.basis)},
        {(void **)&d->span.spare, n, sizeof(*d->span.spare)},
        {(void **)&d->asked.basis, spans ? n * n : 1, sizeof(*d->asked.basis)},
        {(void **)&d->asked.spare, n, sizeof(*d->asked.spare)},
        {(void **)&d->kept, m, sizeof(*d->kept)},
        {(void **)&d->rows, m * n, sizeof(*d->rows)},
        {(void **)&d->used, solve, sizeof(*d->used)},
        {(void **)&d->unknown, n, sizeof(*d->unknown)},
        {(void **)&d->points, solve, sizeof(*d->points)},
        {(void **)&d->matrix, solve * n, sizeof(*d->matrix)},
        {(void **)&d->noise, solve, sizeof(*d->noise)},
        {(void **)&d->room, covey__solve_room((uint32_t)solve, (uint32_t)unknown),
         sizeof(*d->room)},
        {(void **)&d->weights, solve * unknown, sizeof(*d->weights)},
        {(void **)&d->term, solve + n, sizeof(*d->term)},
        {(void **)&d->out, n, sizeof(*d->out)},
        {(void **)&d->factor, unknown * (solve + n), sizeof(*d->factor)},
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        *parts[i].at = calloc(parts[i].count, parts[i].size);
        if (*parts[i].at == NULL) {
            covey_decoder_free(d);
            return COVEY_ERR_NOMEM;
        }
    }
    covey_decoder_start(d, NULL, code->seed);
    *out = d;
    return COVEY_OK;
}

void covey_decoder_free(struct covey_decoder *d)
{
    if (d == NULL) {
        return;
    }
    void *const parts[] = {d->seen,   d->known,  d->rounding, d->row,         d->span.basis,
                           d->kept,   d->rows,   d->used,     d->unknown,     d->span.spare,
                           d->matrix, d->noise,  d->room,     d->weights,     d->term,
                           d->out,    d->factor, d->points,   d->asked.basis, d->asked.spare};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        free(parts[i]);
    }
    free(d);
}

void covey_decoder_start(struct covey_decoder *d, float *c, uint64_t seed)
{
    size_t n = d->code.n;
    d->code.seed = seed;
    d->c = c;
    d->state = COVEY_DECODER_SHORT;
    d->growth = HUGE_VAL;
    d->answers = d->known_count = d->kept_count = d->peeled = d->solved = 0;
    d->span.rank = d->asked.rank = 0;
    memset(d->seen, 0, d->code.m * sizeof(*d->seen));
    memset(d->known, 0, n * sizeof(*d->known));
    if (d->code.kind == COVEY_CODE_LT) {
        memset(d->span.basis, 0, n * n * sizeof(*d->span.basis));
        memset(d->asked.basis, 0, n * n * sizeof(*d->asked.basis));
    }
}

/* The blocks of a row that are not in C, and the last of them. */
static uint32_t count_unknown(const struct covey_decoder *d, const float *row, uint32_t *out_last)
{
    uint32_t count = 0;
    *out_last = 0;
    for (uint32_t j = 0; j < d->code.n; j++) {
        if (row[j] != 0 && !d->known[j]) {
            *out_last = j;
            count++;
        }
    }
    return count;
}

bool covey_decoder_wants(const struct covey_decoder *d, uint32_t t)
{
    uint32_t last;
    if (t >= d->code.m || d->seen[t] || d->state == COVEY_DECODER_READY) {
        return false;
    }
    covey_code_coefficients(&d->code, t, d->row);
    if (count_unknown(d, d->row, &last) == 0) {
        return false;
    }
    if (d->code.kind == COVEY_CODE_LT && d->span.rank < d->code.n) {
        struct covey__span span = d->span;
        return covey__span_add(&span, d->row, false);
    }
    return true;
}

/* A sum is taken that neither the answers nor what is on its way says already: nearly any n of what
 * is handed out then decode. When all that was handed out spans everything it begins anew with the
 * answers alone, since what is on its way may be long in coming. */
uint32_t covey_decoder_next(struct covey_decoder *d, uint32_t from)
{
    uint32_t n = d->code.n, m = d->code.m, t = from;
    if (d->code.kind != COVEY_CODE_LT) {
        return from < m ? from : m;
    }
    if (d->asked.rank == n) {
        memcpy(d->asked.basis, d->span.basis, (size_t)n * n * sizeof(*d->span.basis));
        d->asked.rank = d->span.rank;
    }
    for (; t < m && t - from < LOOK && d->asked.rank < n; t++) {
        covey_code_coefficients(&d->code, t, d->row);
        if (covey__span_add(&d->asked, d->row, true)) {
            return t;
        }
    }
    for (t = from; t < m && !covey_decoder_wants(d, t); t++) {
    }
    return t;
}

/* The only block of a row, by itself. */
static bool is_plain(const struct covey_decoder *d, const float *row, uint32_t *out_block)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < d->code.n; j++) {
        if (row[j] != 0) {
            *out_block = j;
            count++;
        }
    }
    return count == 1 && row[*out_block] == 1;
}

float *covey_decoder_place(const struct covey_decoder *d, uint32_t t)
{
    uint32_t block = 0, first;
    if (d->c == NULL || d->code.c.outer > 1 || covey__code_is_private(&d->code) ||
        !covey_decoder_wants(d, t) || !is_plain(d, d->row, &block)) {
        return NULL;
    }
    (void)covey_code_block(&d->code, block, &first);
    return d->c + first * d->code.c.inner;
}

static void take_plain(struct covey_decoder *d, uint32_t block, const float *answer)
{
    const struct covey_code *c = &d->code;
    uint32_t first, rows = covey_code_block(c, block, &first);
    size_t floats = rows * c->c.inner;
    float *place = d->c + first * c->c.inner;
    for (size_t outer = 0; outer < c->c.outer && place != answer; outer++) {
        memcpy(place + outer * c->rows * c->c.inner, answer + outer * floats,
               floats * sizeof(float));
    }
}

static void now_known(struct covey_decoder *d, uint32_t block)
{
    d->known[block] = true;
    d->known_count++;
    d->peeled++;
    for (uint32_t i = 0; i < d->kept_count; i++) {
        d->kept[i].unknown -= d->rows[(size_t)i * d->code.n + block] != 0;
    }
}

/* Luby 2002, section 2: an answer with one unknown block gives that block, which is taken out of
 * the others, until none has only one. */
static void peel_kept(struct covey_decoder *d)
{
    bool again = d->code.kind == COVEY_CODE_LT;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < d->kept_count; i++) {
            const float *row = d->rows + (size_t)i * d->code.n;
            uint32_t block;
            if (d->kept[i].unknown == 1 && count_unknown(d, row, &block) == 1) {
                covey__decoder_peel(d, &d->kept[i], row, block);
                now_known(d, block);
                again = true;
            }
        }
    }
}

static void judge(struct covey_decoder *d)
{
    const struct covey_code *c = &d->code;
    double bound = c->kind == COVEY_CODE_VANDERMONDE ? HUGE_VAL
                   : c->bound > 0                    ? (double)c->bound
                                                     : (double)COVEY_CODE_BOUND;
    if (d->known_count == c->n) {
        double worst = 1;
        for (uint32_t j = 0; j < c->n; j++) {
            worst = fmax(worst, d->rounding[j]);
        }
        d->growth = sqrt(worst);
        d->state = COVEY_DECODER_READY;
        return;
    }
    bool may = c->kind == COVEY_CODE_LT ? d->span.rank == c->n : d->answers >= covey_code_needed(c);
    if (!may || d->kept_count == 0 || !covey__decoder_solve(d)) {
        return;
    }
    bool all = d->answers == c->m;
    d->state = d->growth <= bound || all ? COVEY_DECODER_READY : COVEY_DECODER_ROUGH;
}

covey_err covey_decoder_add(struct covey_decoder *d, uint32_t t, const float *answer,
                            enum covey_answer_use *out_use)
{
    uint32_t block, n = d->code.n;
    if (t >= d->code.m) {
        return COVEY_ERR_RANGE;
    }
    if (!covey_decoder_wants(d, t)) { /* leaves the row in d->row */
        *out_use = COVEY_ANSWER_USELESS;
        return COVEY_OK;
    }
    d->seen[t] = true;
    d->answers++;
    if (d->code.kind == COVEY_CODE_LT) {
        (void)covey__span_add(&d->span, d->row, true);
    }
    struct covey__kept kept = {.task = t, .answer = answer};
    for (uint32_t j = 0; j < n; j++) {
        kept.squares += (double)d->row[j] * (double)d->row[j];
    }
    kept.unknown = count_unknown(d, d->row, &block);
    bool private = covey__code_is_private(&d->code); /* masks are in every answer */
    bool plain = !private && is_plain(d, d->row, &block), lone = kept.unknown == 1;
    if (plain || (lone && d->code.kind == COVEY_CODE_LT)) {
        if (plain && d->c != NULL) {
            take_plain(d, block, answer);
        } else if (!plain) {
            (void)count_unknown(d, d->row, &block);
            covey__decoder_peel(d, &kept, d->row, block);
        }
        d->rounding[block] = plain ? 1 : d->rounding[block];
        now_known(d, block);
        peel_kept(d);
        *out_use = COVEY_ANSWER_TAKEN;
    } else {
        memcpy(d->rows + (size_t)d->kept_count * n, d->row, n * sizeof(float));
        d->kept[d->kept_count++] = kept;
        *out_use = COVEY_ANSWER_KEPT;
    }
    judge(d);
    return COVEY_OK;
}

enum covey_decoder_state covey_decoder_state(const struct covey_decoder *d)
{
    return d->state;
}

double covey_decoder_growth(const struct covey_decoder *d)
{
    return d->growth;
}

uint32_t covey_decoder_answers(const struct covey_decoder *d)
{
    return d->answers;
}

uint32_t covey_decoder_peeled(const struct covey_decoder *d)
{
    return d->peeled;
}

covey_err covey_decoder_finish(struct covey_decoder *d)
{
    if (d->state == COVEY_DECODER_SHORT) {
        return COVEY_ERR_STATE;
    }
    if (d->known_count < d->code.n && d->c != NULL) {
        covey__decoder_carry_out(d);
    }
    for (uint32_t j = 0; j < d->code.n; j++) {
        d->known[j] = true;
    }
    d->known_count = d->code.n;
    d->state = COVEY_DECODER_READY;
    return COVEY_OK;
}

covey_err covey_code_suffices(const struct covey_code *code, const uint32_t *tasks, size_t count,
                              double bound, bool *out)
{
    struct covey_decoder *d = NULL;
    struct covey_code strict = *code;
    enum covey_answer_use use;
    strict.bound = (float)bound;
    covey_err err = covey_decoder_new(&strict, &d);
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        err = covey_decoder_add(d, tasks[i], NULL, &use);
    }
    if (err == COVEY_OK) {
        *out = d->state != COVEY_DECODER_SHORT && d->growth <= bound;
    }
    covey_decoder_free(d);
    return err;
}
