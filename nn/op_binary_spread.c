/* SPDX-License-Identifier: MIT */
#include "op_binary_spread.h"

/* Elements in one part of the work. */
enum { PART = 16384 };

/* The result's dimensions, neighbours joined where every input allows it, the last first. */
struct spread {
    const struct covey__op_call *c;
    covey__row_fn fn;
    const void *ctx;
    unsigned inputs, rank;
    size_t dims[COVEY_RANK_MAX];
    size_t stride[COVEY__SPREAD_INPUTS][COVEY_RANK_MAX];
    size_t pieces, units, group; /* pieces in a row; rows by pieces; units in a part */
};

static bool joins(const struct spread *s, const size_t *stride)
{
    for (unsigned i = 0; i < s->inputs; i++) {
        unsigned last = s->rank - 1;
        if (stride[i] != s->stride[i][last] * s->dims[last]) {
            return false;
        }
    }
    return true;
}

static void push_dim(struct spread *s, size_t dim, const size_t *stride)
{
    if (s->rank > 0 && joins(s, stride)) {
        s->dims[s->rank - 1] *= dim;
        return;
    }
    s->dims[s->rank] = dim;
    for (unsigned i = 0; i < s->inputs; i++) {
        s->stride[i][s->rank] = stride[i];
    }
    s->rank++;
}

static void find_dims(struct spread *s)
{
    const struct covey_shape *y = &s->c->out[0]->shape;
    size_t whole[COVEY__SPREAD_INPUTS] = {1, 1, 1};
    for (unsigned i = 0; i < y->rank; i++) {
        size_t stride[COVEY__SPREAD_INPUTS] = {0};
        for (unsigned j = 0; j < s->inputs; j++) {
            const struct covey_shape *x = &s->c->in[j]->shape;
            size_t dim = i < x->rank ? x->dims[x->rank - 1u - i] : 1;
            stride[j] = dim == 1 ? 0 : whole[j];
            whole[j] *= dim;
        }
        if (y->dims[y->rank - 1u - i] != 1) {
            push_dim(s, y->dims[y->rank - 1u - i], stride);
        }
    }
    if (s->rank == 0) {
        s->dims[s->rank++] = 1;
    }
}

static void run_unit(const struct spread *s, size_t unit)
{
    size_t number = unit / s->pieces, begin = unit % s->pieces * COVEY__ROW_MAX;
    size_t rest = s->dims[0] - begin;
    struct covey__row row = {.c = s->c, .ctx = s->ctx, .out = number * s->dims[0] + begin};
    row.count = rest < COVEY__ROW_MAX ? rest : COVEY__ROW_MAX;
    for (unsigned j = 0; j < s->inputs; j++) {
        row.step[j] = s->stride[j][0];
        row.at[j] = begin * row.step[j];
    }
    for (unsigned i = 1; i < s->rank; i++) {
        size_t at = number % s->dims[i];
        number /= s->dims[i];
        for (unsigned j = 0; j < s->inputs; j++) {
            row.at[j] += at * s->stride[j][i];
        }
    }
    s->fn(&row);
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct spread *s = ctx;
    size_t last = (part + 1) * s->group;
    for (size_t unit = part * s->group; unit < last && unit < s->units; unit++) {
        run_unit(s, unit);
    }
}

void covey__spread_run(const struct covey__op_call *c, unsigned inputs, covey__row_fn fn,
                       const void *ctx)
{
    struct spread s = {.c = c, .fn = fn, .ctx = ctx, .inputs = inputs};
    size_t count = covey__shape_elements(&c->out[0]->shape);
    if (count == 0) {
        return;
    }
    find_dims(&s);
    s.pieces = (s.dims[0] + COVEY__ROW_MAX - 1) / COVEY__ROW_MAX;
    s.units = count / s.dims[0] * s.pieces;
    size_t each = s.dims[0] < COVEY__ROW_MAX ? s.dims[0] : COVEY__ROW_MAX;
    s.group = PART / each;
    covey_threads_run(c->threads, (s.units + s.group - 1) / s.group, run_part, &s);
}
