/* SPDX-License-Identifier: MIT */
#include "mix.h"

#include "mix_kernel.h"

#include <stdbool.h>
#include <string.h>

/* Terms pass through the second cache once while all sums are made of a block of them; products of
 * integers below 2^46 add up to less than 2^53 for EXACT_TERMS and what is left of before. */
enum { WIDTH = COVEY__MIX_WIDTH, BLOCK = 512, EXACT_TERMS = 64 };

/* A piece of every term that reaches so far. */
struct piece {
    const struct covey__mix *m;
    const struct covey__mix_kernel *kernel;
    size_t outer, first, count;
};

struct group {
    uint32_t size;
    float factor[WIDTH];
    const float *x[WIDTH];
};

/* The next WIDTH terms that are not zero, filled up with zero times the first. */
static bool next_group(const struct piece *p, const float *factor, uint32_t *at, struct group *out)
{
    out->size = 0;
    for (; *at < p->m->terms && out->size < WIDTH; ++*at) {
        const struct covey__mix_term *t = &p->m->term[*at];
        if (factor[*at] != 0 && t->floats > p->first) {
            out->factor[out->size] = factor[*at];
            out->x[out->size++] = t->at + p->outer * t->stride + p->first;
        }
    }
    for (uint32_t i = out->size; i < WIDTH; i++) {
        out->factor[i] = 0;
        out->x[i] = out->x[0];
    }
    return out->size > 0;
}

static void mix_real(const struct piece *p, const struct covey__mix_out *o, float *out)
{
    struct group g;
    uint32_t at = 0;
    if (!next_group(p, o->factor, &at, &g)) {
        memset(out, 0, p->count * sizeof(float));
        return;
    }
    p->kernel->set(g.factor, g.x, out, p->count);
    while (next_group(p, o->factor, &at, &g)) {
        p->kernel->add(g.factor, g.x, out, p->count);
    }
}

static void mix_exact(const struct piece *p, const struct covey__mix_out *o, float *out)
{
    struct group g;
    double sum[BLOCK], prime = (double)p->m->prime;
    uint32_t at = 0, added = 0;
    memset(sum, 0, p->count * sizeof(double));
    while (next_group(p, o->factor, &at, &g)) {
        p->kernel->add_exact(g.factor, g.x, sum, p->count);
        added += WIDTH;
        if (added >= EXACT_TERMS) {
            p->kernel->reduce(prime, sum, p->count);
            added = 0;
        }
    }
    p->kernel->store(prime, sum, out, p->count);
}

static void mix_piece(const struct piece *p)
{
    for (uint32_t i = 0; i < p->m->outs; i++) {
        const struct covey__mix_out *o = &p->m->out[i];
        if (o->floats <= p->first) {
            continue;
        }
        float *out = o->at + p->outer * o->stride + p->first;
        if (p->m->prime != 0) {
            mix_exact(p, o, out);
        } else {
            mix_real(p, o, out);
        }
    }
}

/* Lengths differ by a row at most: there are two. */
static void find_lengths(const struct covey__mix *m, size_t *out_short, size_t *out_long)
{
    size_t least = m->out[0].floats, most = least;
    for (uint32_t i = 0; i < m->outs + m->terms; i++) {
        size_t floats = i < m->outs ? m->out[i].floats : m->term[i - m->outs].floats;
        least = floats < least ? floats : least;
        most = floats > most ? floats : most;
    }
    *out_short = least;
    *out_long = most;
}

void covey__mix_run(const struct covey__mix *m)
{
    struct piece p = {.m = m, .kernel = covey__mix_kernel()};
    size_t least, most;
    if (m->outs == 0) {
        return;
    }
    find_lengths(m, &least, &most);
    for (p.outer = 0; p.outer < m->outer; p.outer++) {
        for (p.first = 0; p.first < most; p.first += p.count) {
            size_t left = (p.first < least ? least : most) - p.first;
            p.count = left < BLOCK ? left : BLOCK;
            mix_piece(&p);
        }
    }
}
