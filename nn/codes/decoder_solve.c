/* SPDX-License-Identifier: MIT */
#include "decoder.h"

#include <math.h>

static uint32_t find_unknown(struct covey_decoder *d)
{
    uint32_t count = 0;
    for (uint32_t j = 0; j < d->code.n; j++) {
        if (!d->known[j]) {
            d->unknown[count++] = j;
        }
    }
    return count;
}

/* Rows with unknown blocks, and the rounding of what is left of their answers when the known ones
 * are taken away. */
static uint32_t find_used(struct covey_decoder *d, uint32_t unknown)
{
    uint32_t count = 0, n = d->code.n;
    for (uint32_t i = 0; i < d->kept_count && count < d->solve_max; i++) {
        const float *row = d->rows + (size_t)i * n;
        double squares = d->kept[i].squares;
        if (d->kept[i].unknown == 0) {
            continue;
        }
        for (uint32_t j = 0; j < n; j++) {
            squares += d->known[j] ? (double)row[j] * (double)row[j] * d->rounding[j] : 0;
        }
        for (uint32_t u = 0; u < unknown; u++) {
            d->matrix[(size_t)count * unknown + u] = row[d->unknown[u]];
        }
        d->noise[count] = sqrt(squares);
        d->used[count++] = i;
    }
    return count;
}

/* What known block j is multiplied with in an unknown one: -sum_t w_t g_tj. */
static double known_factor(const struct covey_decoder *d, const double *weights, uint32_t j)
{
    double sum = 0, prime = (double)covey__code_modulus(&d->code);
    for (uint32_t i = 0; i < d->solved; i++) {
        sum -= weights[i] * (double)d->rows[(size_t)d->used[i] * d->code.n + j];
        sum -= prime > 0 ? prime * rint(sum / prime) : 0;
    }
    return sum;
}

static double solved_rounding(const struct covey_decoder *d, const double *weights)
{
    double sum = 0;
    for (uint32_t i = 0; i < d->solved; i++) {
        sum += weights[i] * weights[i] * d->kept[d->used[i]].squares;
    }
    for (uint32_t j = 0; j < d->code.n; j++) {
        double factor = d->known[j] ? known_factor(d, weights, j) : 0;
        sum += factor * factor * d->rounding[j];
    }
    return sum;
}

/* The first answers that are needed, all of them: nothing is known before. */
static bool solve_private(struct covey_decoder *d)
{
    uint32_t needed = covey_code_needed(&d->code), *tasks = d->used, *points = d->points;
    for (uint32_t i = 0; i < needed; i++) {
        tasks[i] = d->kept[i].task;
    }
    covey__private_solve(&d->code, tasks, points, d->weights);
    for (uint32_t i = 0; i < needed; i++) {
        d->used[i] = i;
    }
    d->solved = needed;
    d->growth = 1;
    return true;
}

bool covey__decoder_solve(struct covey_decoder *d)
{
    if (covey__code_is_private(&d->code)) {
        return solve_private(d);
    }
    uint32_t unknown = find_unknown(d), prime = covey__code_modulus(&d->code);
    uint32_t answers = find_used(d, unknown);
    d->solved = 0;
    if (answers < unknown) {
        return false;
    }
    answers = prime != 0 ? unknown : answers;
    const struct covey__solve solve = {.answers = answers,
                                       .unknown = unknown,
                                       .matrix = d->matrix,
                                       .noise = d->noise,
                                       .room = d->room,
                                       .weights = d->weights};
    if (!(prime != 0 ? covey__solve_field(&solve, prime) : covey__solve_real(&solve))) {
        return false;
    }
    double worst = 1;
    d->solved = answers;
    for (uint32_t j = 0; j < d->code.n && prime == 0; j++) {
        worst = d->known[j] && d->rounding[j] > worst ? d->rounding[j] : worst;
    }
    for (uint32_t u = 0; u < unknown && prime == 0; u++) {
        worst = fmax(worst, solved_rounding(d, d->weights + (size_t)u * answers));
    }
    d->growth = sqrt(worst);
    return true;
}

/* A block's rows in C. */
static struct covey__mix_term block_term(const struct covey_decoder *d, uint32_t j)
{
    const struct covey_code *c = &d->code;
    uint32_t first, rows = covey_code_block(c, j, &first);
    return (struct covey__mix_term){.at = d->c + first * c->c.inner,
                                    .stride = c->rows * c->c.inner,
                                    .floats = rows * c->c.inner};
}

static struct covey__mix_term answer_term(const struct covey_decoder *d,
                                          const struct covey__kept *k)
{
    size_t floats = covey_code_task_rows(&d->code, k->task) * d->code.c.inner;
    return (struct covey__mix_term){.at = k->answer, .stride = floats, .floats = floats};
}

static struct covey__mix_out block_out(const struct covey_decoder *d, uint32_t j,
                                       const float *factor)
{
    uint32_t first;
    struct covey__mix_term t = block_term(d, j);
    (void)covey_code_block(&d->code, j, &first);
    return (struct covey__mix_out){.at = d->c + first * d->code.c.inner,
                                   .stride = t.stride,
                                   .floats = t.floats,
                                   .factor = factor};
}

/* Terms: the answers, then the known blocks. */
void covey__decoder_carry_out(struct covey_decoder *d)
{
    uint32_t unknown = find_unknown(d), terms = d->solved + d->known_count, at = 0;
    for (uint32_t i = 0; i < d->solved; i++) {
        d->term[at++] = answer_term(d, &d->kept[d->used[i]]);
    }
    for (uint32_t j = 0; j < d->code.n; j++) {
        if (d->known[j]) {
            d->term[at++] = block_term(d, j);
        }
    }
    for (uint32_t u = 0; u < unknown; u++) {
        const double *weights = d->weights + (size_t)u * d->solved;
        float *factor = d->factor + (size_t)u * terms;
        d->out[u] = block_out(d, d->unknown[u], factor);
        for (uint32_t i = 0; i < d->solved; i++) {
            *factor++ = (float)weights[i];
        }
        for (uint32_t j = 0; j < d->code.n; j++) {
            if (d->known[j]) {
                *factor++ = (float)known_factor(d, weights, j);
            }
        }
    }
    covey__mix_run(&(struct covey__mix){.outer = d->code.c.outer,
                                        .terms = terms,
                                        .outs = unknown,
                                        .term = d->term,
                                        .out = d->out,
                                        .prime = covey__code_modulus(&d->code)});
}

void covey__decoder_peel(struct covey_decoder *d, const struct covey__kept *k, const float *row,
                         uint32_t block)
{
    double squares = k->squares, scale = (double)row[block];
    uint32_t terms = 0;
    d->factor[terms] = (float)(1 / scale);
    if (d->c != NULL) {
        d->term[terms] = answer_term(d, k);
    }
    terms++;
    for (uint32_t j = 0; j < d->code.n; j++) {
        if (j == block || row[j] == 0) {
            continue;
        }
        squares += (double)row[j] * (double)row[j] * d->rounding[j];
        d->factor[terms] = (float)(-(double)row[j] / scale);
        if (d->c != NULL) {
            d->term[terms] = block_term(d, j);
        }
        terms++;
    }
    d->rounding[block] = squares / (scale * scale);
    if (d->c == NULL) {
        return;
    }
    struct covey__mix_out out = block_out(d, block, d->factor);
    covey__mix_run(&(struct covey__mix){
        .outer = d->code.c.outer, .terms = terms, .outs = 1, .term = d->term, .out = &out});
}
