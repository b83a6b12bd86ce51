/* SPDX-License-Identifier: MIT */
#include "covey/code.h"

#include "code_private.h"
#include "covey/bytes.h"
#include "covey/field.h"
#include "covey/limits.h"
#include "field_math.h"
#include "mix.h"

#include <math.h>
#include <string.h>

/* Tasks that are encoded in one pass over A. */
enum { OUTS = 8 };

const char *covey_code_kind_name(enum covey_code_kind kind)
{
    static const char *const names[COVEY_CODE_KINDS] = {
        [COVEY_CODE_UNCODED] = "uncoded", [COVEY_CODE_REPLICATION] = "replication",
        [COVEY_CODE_MDS] = "mds",         [COVEY_CODE_VANDERMONDE] = "vandermonde",
        [COVEY_CODE_LT] = "lt",           [COVEY_CODE_FIELD] = "field",
        [COVEY_CODE_PRIVATE] = "private", [COVEY_CODE_PRIVATE_INPUTS] = "private-inputs"};
    COVEY_ASSERT((unsigned)kind < COVEY_CODE_KINDS);
    return names[kind];
}

bool covey__code_is_private(const struct covey_code *c)
{
    return c->kind == COVEY_CODE_PRIVATE || c->kind == COVEY_CODE_PRIVATE_INPUTS;
}

uint32_t covey_code_needed(const struct covey_code *c)
{
    return c->kind == COVEY_CODE_PRIVATE          ? 2 * (c->n + c->masks - 1) + 1
           : c->kind == COVEY_CODE_PRIVATE_INPUTS ? c->n + c->masks
                                                  : c->n;
}

static bool is_tasks_valid(const struct covey_code *c)
{
    switch (c->kind) {
    case COVEY_CODE_UNCODED:
        return c->m == c->n;
    case COVEY_CODE_REPLICATION:
        return c->m % c->n == 0;
    case COVEY_CODE_VANDERMONDE: /* m^(n - 1) must be a float */
        return pow((double)c->m, (double)(c->n - 1)) < 1e38;
    case COVEY_CODE_FIELD:
        return c->prime < COVEY_FIELD_PRIMES;
    case COVEY_CODE_PRIVATE:
    case COVEY_CODE_PRIVATE_INPUTS:
        return c->prime < COVEY_FIELD_PRIMES && c->masks > 0 &&
               c->masks <= COVEY_CODE_BLOCKS_MAX - c->n && covey_code_needed(c) <= c->m;
    case COVEY_CODE_MDS:
    case COVEY_CODE_LT:
        return true;
    case COVEY_CODE_KINDS:
        break;
    }
    return false;
}

static bool is_shape_valid(struct covey_code_shape s, uint32_t rows)
{
    size_t floats = rows;
    return s.outer > 0 && s.inner > 0 && covey_size_mul(floats, s.outer, &floats) == COVEY_OK &&
           covey_size_mul(floats, s.inner, &floats) == COVEY_OK &&
           floats <= COVEY_TENSOR_ELEMENTS_MAX;
}

covey_err covey_code_check(const struct covey_code *c)
{
    if ((unsigned)c->kind >= COVEY_CODE_KINDS || c->n == 0 || c->n > COVEY_CODE_BLOCKS_MAX ||
        c->m < c->n || c->m > COVEY_CODE_TASKS_MAX || c->rows < c->n ||
        !is_shape_valid(c->a, c->rows) || !is_shape_valid(c->c, c->rows) || !(c->bound >= 0) ||
        !is_tasks_valid(c)) {
        return COVEY_ERR_RANGE;
    }
    return COVEY_OK;
}

uint32_t covey__code_modulus(const struct covey_code *c)
{
    return c->kind == COVEY_CODE_FIELD || covey__code_is_private(c) ? covey_field_prime(c->prime)
                                                                    : 0;
}

uint32_t covey_code_block(const struct covey_code *c, uint32_t j, uint32_t *out_first_row)
{
    uint32_t base = c->rows / c->n, longer = c->rows % c->n;
    COVEY_ASSERT(j < c->n);
    *out_first_row = j * base + (j < longer ? j : longer);
    return base + (j < longer);
}

/* A block by itself in systematic codes. */
static bool is_block(const struct covey_code *c, uint32_t t, uint32_t *out_block)
{
    *out_block = t % c->n;
    return c->kind == COVEY_CODE_UNCODED || c->kind == COVEY_CODE_REPLICATION ||
           ((c->kind == COVEY_CODE_MDS || c->kind == COVEY_CODE_FIELD) && t < c->n);
}

uint32_t covey_code_task_rows(const struct covey_code *c, uint32_t t)
{
    float row[COVEY_CODE_BLOCKS_MAX];
    uint32_t base = c->rows / c->n, longer = c->rows % c->n, block;
    bool reaches = false;
    COVEY_ASSERT(t < c->m);
    if (longer == 0) {
        return base;
    }
    if (is_block(c, t, &block)) {
        return base + (block < longer);
    }
    if (c->kind != COVEY_CODE_LT) {
        return base + 1;
    }
    covey_code_coefficients(c, t, row);
    for (uint32_t j = 0; j < longer; j++) {
        reaches = reaches || row[j] != 0;
    }
    return base + reaches;
}

size_t covey_code_task_floats(const struct covey_code *c, uint32_t t)
{
    return covey_code_task_rows(c, t) * c->a.outer * c->a.inner;
}

size_t covey_code_answer_floats(const struct covey_code *c, uint32_t t)
{
    return covey_code_task_rows(c, t) * c->c.outer * c->c.inner;
}

/* Cauchy: 1 / (x_t - y_j), all x and y different, has no singular square part. */
static void fill_cauchy(const struct covey_code *c, uint32_t t, float *out)
{
    uint32_t p = covey__code_modulus(c);
    for (uint32_t j = 0; j < c->n; j++) {
        out[j] = covey__field_to_float(p, covey__field_inverse(p, COVEY_CODE_BLOCKS_MAX + t - j));
    }
}

void covey_code_coefficients(const struct covey_code *c, uint32_t t, float *out)
{
    uint32_t block;
    COVEY_ASSERT(t < c->m);
    if (is_block(c, t, &block)) {
        memset(out, 0, c->n * sizeof(float));
        out[block] = 1;
    } else if (c->kind == COVEY_CODE_LT) {
        covey__code_draw(c->n, c->seed, t, out);
    } else if (c->kind == COVEY_CODE_FIELD) {
        fill_cauchy(c, t, out);
    } else if (covey__code_is_private(c)) {
        float all[COVEY_CODE_BLOCKS_MAX];
        covey__private_coefficients(c, t, all);
        memcpy(out, all, c->n * sizeof(float));
    } else if (c->kind == COVEY_CODE_MDS) {
        for (uint32_t j = 0; j < c->n; j++) {
            out[j] = covey__code_parity(c->n, c->m - c->n, t - c->n, j);
        }
    } else {
        for (uint32_t j = 0; j < c->n; j++) {
            out[j] = (float)pow((double)t + 1, (double)j);
        }
    }
}

const float *covey_code_plain(const struct covey_code *c, uint32_t t, const float *a)
{
    uint32_t block, first;
    COVEY_ASSERT(t < c->m);
    if (!is_block(c, t, &block) || c->a.outer > 1) {
        return NULL;
    }
    (void)covey_code_block(c, block, &first);
    return a + first * c->a.inner;
}

void covey_code_encode(const struct covey_code *c, uint32_t first, uint32_t count, const float *a,
                       float *const *out)
{
    uint32_t task[OUTS];
    COVEY_ASSERT(first <= c->m && count <= c->m - first);
    for (uint32_t done = 0; done < count; done += OUTS) {
        uint32_t some = count - done < OUTS ? count - done : OUTS;
        for (uint32_t i = 0; i < some; i++) {
            task[i] = first + done + i;
        }
        covey_code_encode_these(c, task, some, a, out + done);
    }
}

void covey_code_encode_these(const struct covey_code *c, const uint32_t *task, uint32_t count,
                             const float *a, float *const *out)
{
    struct covey__mix_term term[COVEY_CODE_BLOCKS_MAX];
    float factor[OUTS][COVEY_CODE_BLOCKS_MAX];
    struct covey__mix_out outs[OUTS];
    COVEY_ASSERT(!covey__code_is_private(c));
    for (uint32_t j = 0; j < c->n; j++) {
        uint32_t row, rows = covey_code_block(c, j, &row);
        term[j] = (struct covey__mix_term){.at = a + row * c->a.inner,
                                           .stride = c->rows * c->a.inner,
                                           .floats = rows * c->a.inner};
    }
    for (uint32_t done = 0; done < count; done += OUTS) {
        struct covey__mix mix = {.outer = c->a.outer,
                                 .terms = c->n,
                                 .outs = count - done < OUTS ? count - done : OUTS,
                                 .term = term,
                                 .out = outs,
                                 .prime = covey__code_modulus(c)};
        for (uint32_t i = 0; i < mix.outs; i++) {
            uint32_t t = task[done + i];
            size_t floats = covey_code_task_rows(c, t) * c->a.inner;
            covey_code_coefficients(c, t, factor[i]);
            outs[i] = (struct covey__mix_out){
                .at = out[done + i], .stride = floats, .floats = floats, .factor = factor[i]};
        }
        covey__mix_run(&mix);
    }
}
