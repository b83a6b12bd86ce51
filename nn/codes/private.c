/* SPDX-License-Identifier: MIT */
#include "covey/private.h"

#include "code_private.h"
#include "covey/bytes.h"
#include "field_math.h"
#include "mix.h"

#include <string.h>

/* Tasks that are encoded in one pass. */
enum { OUTS = 8 };

/* The blocks are at 1 .. n, the masks behind them, the tasks behind those: all different. */
static uint32_t block_point(uint32_t j)
{
    return j + 1;
}

static uint32_t task_point(const struct covey_code *c, uint32_t t)
{
    return c->n + c->masks + 1 + t;
}

/* prod over i != j of (x - x_i) / (x_j - x_i): what the value at x_j counts at x. */
static uint32_t lagrange(uint32_t p, const uint32_t *points, uint32_t count, uint32_t j, uint32_t x)
{
    uint32_t above = 1, below = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (i != j) {
            above = covey__field_multiply(p, above, covey__field_subtract(p, x, points[i]));
            below = covey__field_multiply(p, below, covey__field_subtract(p, points[j], points[i]));
        }
    }
    return covey__field_multiply(p, above, covey__field_inverse(p, below));
}

void covey__private_coefficients(const struct covey_code *c, uint32_t t, float *out)
{
    uint32_t points[COVEY_CODE_BLOCKS_MAX], p = covey__code_modulus(c), count = c->n + c->masks;
    for (uint32_t j = 0; j < count; j++) {
        points[j] = block_point(j);
    }
    for (uint32_t j = 0; j < count; j++) {
        out[j] = covey__field_to_float(p, lagrange(p, points, count, j, task_point(c, t)));
    }
}

void covey__private_solve(const struct covey_code *c, const uint32_t *tasks, uint32_t *points,
                          double *weights)
{
    uint32_t p = covey__code_modulus(c), needed = covey_code_needed(c);
    for (uint32_t i = 0; i < needed; i++) {
        points[i] = task_point(c, tasks[i]);
    }
    for (uint32_t j = 0; j < c->n; j++) {
        for (uint32_t i = 0; i < needed; i++) {
            uint32_t weight = lagrange(p, points, needed, i, block_point(j));
            weights[(size_t)j * needed + i] = (double)covey__field_to_float(p, weight);
        }
    }
}

static uint32_t longest_block(const struct covey_code *c)
{
    uint32_t first;
    return covey_code_block(c, 0, &first);
}

size_t covey_private_mask_floats(const struct covey_code *c)
{
    return (size_t)c->masks * longest_block(c) * c->a.outer * c->a.inner;
}

size_t covey_private_mask(const uint8_t *bytes, size_t len, unsigned prime, float *out,
                          size_t count)
{
    uint32_t p = covey_field_prime(prime);
    size_t made = 0;
    for (size_t i = 0; i + 3 <= len && made < count; i += 3) {
        uint32_t v =
            (uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16;
        if (v < p) {
            out[made++] = covey__field_to_float(p, v);
        }
    }
    return made;
}

/* The terms of a factor, and what a row of them is for one task. */
struct mixture {
    struct covey__mix_term term[COVEY_CODE_BLOCKS_MAX];
    uint32_t terms;
    size_t outer, floats;
    bool is_b;
};

static void find_a_terms(const struct covey_code *c, const struct covey_private_factor *a,
                         struct mixture *m)
{
    size_t inner = c->a.inner;
    m->is_b = false;
    m->outer = c->a.outer;
    m->floats = longest_block(c) * inner;
    m->terms = c->n + c->masks;
    for (uint32_t j = 0; j < c->n; j++) {
        uint32_t first, rows = covey_code_block(c, j, &first);
        m->term[j] = (struct covey__mix_term){a->at + first * inner, c->rows * inner, rows * inner};
    }
    for (uint32_t i = 0; i < c->masks; i++) {
        m->term[c->n + i] =
            (struct covey__mix_term){a->masks + i * m->outer * m->floats, m->floats, m->floats};
    }
}

static void find_b_terms(const struct covey_code *c, const struct covey_private_factor *b,
                         struct mixture *m)
{
    m->is_b = true;
    m->outer = 1;
    m->floats = b->floats;
    m->terms = 1 + c->masks;
    m->term[0] = (struct covey__mix_term){b->at, b->floats, b->floats};
    for (uint32_t i = 0; i < c->masks; i++) {
        m->term[1 + i] = (struct covey__mix_term){b->masks + i * b->floats, b->floats, b->floats};
    }
}

/* B is at each of the n points: what they count together, then the masks. */
static void join_points(const struct covey_code *c, float *factor)
{
    uint32_t p = covey__code_modulus(c), sum = 0;
    for (uint32_t j = 0; j < c->n; j++) {
        sum = (sum + covey__field_from_float(p, factor[j])) % p;
    }
    factor[0] = covey__field_to_float(p, sum);
    memmove(factor + 1, factor + c->n, c->masks * sizeof(float));
}

static void mix(const struct covey_code *c, uint32_t first, uint32_t count, const struct mixture *m,
                float *const *out)
{
    float factor[OUTS][COVEY_CODE_BLOCKS_MAX];
    struct covey__mix_out outs[OUTS];
    for (uint32_t done = 0; done < count; done += OUTS) {
        uint32_t now = count - done < OUTS ? count - done : OUTS;
        for (uint32_t i = 0; i < now; i++) {
            covey__private_coefficients(c, first + done + i, factor[i]);
            if (m->is_b) {
                join_points(c, factor[i]);
            }
            outs[i] = (struct covey__mix_out){out[done + i], m->floats, m->floats, factor[i]};
        }
        covey__mix_run(&(struct covey__mix){.outer = m->outer,
                                            .terms = m->terms,
                                            .outs = now,
                                            .term = m->term,
                                            .out = outs,
                                            .prime = covey__code_modulus(c)});
    }
}

void covey_private_encode(const struct covey_code *c, uint32_t first, uint32_t count,
                          const struct covey_private_factor *a, float *const *out)
{
    struct mixture m;
    COVEY_ASSERT(first <= c->m && count <= c->m - first && covey__code_is_private(c));
    find_a_terms(c, a, &m);
    mix(c, first, count, &m, out);
}

void covey_private_encode_b(const struct covey_code *c, uint32_t first, uint32_t count,
                            const struct covey_private_factor *b, float *const *out)
{
    struct mixture m;
    COVEY_ASSERT(first <= c->m && count <= c->m - first && c->kind == COVEY_CODE_PRIVATE);
    find_b_terms(c, b, &m);
    mix(c, first, count, &m, out);
}

bool covey_private_check(const struct covey_field_product *p, const float *s, float *spare)
{
    float *shrunk = spare, *expected = spare + p->k;
    if (!covey_field_holds(p->c, p->m * p->n, p->prime)) {
        return false;
    }
    covey_field_multiply(&(struct covey_field_product){.m = p->k,
                                                       .n = 1,
                                                       .k = p->n,
                                                       .a = p->b,
                                                       .trans_a = p->trans_b,
                                                       .b = s,
                                                       .prime = p->prime,
                                                       .c = shrunk});
    covey_field_multiply(&(struct covey_field_product){.m = p->m,
                                                       .n = 1,
                                                       .k = p->k,
                                                       .a = p->a,
                                                       .trans_a = p->trans_a,
                                                       .b = shrunk,
                                                       .prime = p->prime,
                                                       .c = expected});
    for (size_t i = 0; i < p->m; i++) {
        float got;
        covey_field_multiply(&(struct covey_field_product){
            .m = 1, .n = 1, .k = p->n, .a = p->c + i * p->n, .b = s, .prime = p->prime, .c = &got});
        if (got != expected[i]) {
            return false;
        }
    }
    return true;
}
