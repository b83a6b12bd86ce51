/* SPDX-License-Identifier: MIT */
#include "op_resize.h"

/* In the table of an axis: no element. */
#define NONE UINT32_MAX

/* Rows are the last dimension, planes the last two. */
struct nearest {
    const struct covey__op_call *c;
    const uint32_t *table[COVEY_RANK_MAX];
    size_t size, parts;
    uint64_t outside; /* the extrapolation value's bytes */
    bool same, twice; /* along rows: all, each element twice */
    bool crops;
};

size_t covey__nearest_scratch(const struct covey__op_call *c)
{
    const struct covey_shape *y = &c->out[0]->shape;
    size_t count = 0;
    for (unsigned i = 0; i < y->rank; i++) {
        count += y->dims[i];
    }
    return count * sizeof(uint32_t);
}

static void fill(const struct nearest *n, uint8_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(to + i * n->size, &n->outside, n->size);
    }
}

#define PICK(bytes)                                                                                \
    static void pick_##bytes(const uint32_t *table, size_t count, const uint8_t *from,             \
                             uint8_t *to)                                                          \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            memcpy(to + i * (bytes), from + (size_t)table[i] * (bytes), bytes);                    \
        }                                                                                          \
    }
PICK(1)
PICK(2)
PICK(4)
PICK(8)

static void double_floats(size_t count, const uint8_t *from, uint8_t *to)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t v;
        memcpy(&v, from + i * 4, 4);
        memcpy(to + i * 8, &v, 4);
        memcpy(to + i * 8 + 4, &v, 4);
    }
}

static void row(const struct nearest *n, const uint8_t *from, uint8_t *to)
{
    const struct covey_shape *y = &n->c->out[0]->shape;
    const uint32_t *table = n->table[y->rank - 1];
    size_t count = y->dims[y->rank - 1];
    if (n->same) {
        memcpy(to, from, count * n->size);
    } else if (n->twice) {
        double_floats(count / 2, from, to);
    } else if (n->crops) {
        for (size_t i = 0; i < count; i++) {
            const void *one =
                table[i] == NONE ? (const uint8_t *)&n->outside : from + (size_t)table[i] * n->size;
            memcpy(to + i * n->size, one, n->size);
        }
    } else if (n->size == 4) {
        pick_4(table, count, from, to);
    } else if (n->size == 1) {
        pick_1(table, count, from, to);
    } else if (n->size == 2) {
        pick_2(table, count, from, to);
    } else {
        pick_8(table, count, from, to);
    }
}

/* Where plane `part` of the output comes from; NULL: from outside. */
static const uint8_t *plane_origin(const struct nearest *n, size_t part)
{
    const struct covey_shape *x = &n->c->in[0]->shape, *y = &n->c->out[0]->shape;
    const uint8_t *from = n->c->in[0]->data;
    size_t step = n->size * covey__shape_range(x, y->rank < 2 ? 0 : y->rank - 2u, x->rank);
    for (unsigned axis = y->rank < 2 ? 0 : y->rank - 2u; axis-- > 0;) {
        uint32_t at = n->table[axis][part % y->dims[axis]];
        part /= y->dims[axis];
        if (at == NONE) {
            return NULL;
        }
        from += at * step;
        step *= x->dims[axis];
    }
    return from;
}

static void plane(void *ctx, size_t part, unsigned thread)
{
    const struct nearest *n = ctx;
    const struct covey_shape *x = &n->c->in[0]->shape, *y = &n->c->out[0]->shape;
    size_t rows = y->rank < 2 ? 1 : y->dims[y->rank - 2];
    size_t bytes = y->dims[y->rank - 1] * n->size, from_bytes = x->dims[x->rank - 1] * n->size;
    const uint8_t *from = plane_origin(n, part);
    uint8_t *to = (uint8_t *)n->c->out[0]->data + part * rows * bytes;
    uint32_t before = NONE;
    (void)thread;
    for (size_t i = 0; i < rows; i++, to += bytes) {
        uint32_t at = y->rank < 2 ? 0 : n->table[y->rank - 2][i];
        if (from == NULL || at == NONE) {
            fill(n, to, y->dims[y->rank - 1]);
        } else if (at == before) {
            memcpy(to, to - bytes, bytes);
        } else {
            row(n, from + at * from_bytes, to);
        }
        before = at;
    }
}

static void make_table(const struct covey__resize_axis *r, uint32_t *table)
{
    for (uint32_t i = 0; i < r->out; i++) {
        if (!covey__resize_nearest(r, i, &table[i])) {
            table[i] = NONE;
        }
    }
}

void covey__nearest(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    struct nearest n = {.c = c,
                        .size = covey_type_size(c->out[0]->type),
                        .crops = c->attrs->coordinates == COVEY_COORD_TF_CROP_AND_RESIZE};
    uint32_t *table = c->scratch;
    if (y->rank == 0) {
        memcpy(c->out[0]->data, c->in[0]->data, n.size);
        return;
    }
    for (unsigned i = 0; i < y->rank; i++) {
        struct covey__resize_axis r = covey__resize_axis(c->attrs, i, x->dims[i], y->dims[i]);
        make_table(&r, table);
        n.table[i] = table;
        table += y->dims[i];
        n.same = r.same;
    }
    uint32_t in = x->dims[x->rank - 1], out = y->dims[y->rank - 1];
    n.twice = n.size == 4 && out == 2 * (uint64_t)in;
    for (uint32_t i = 0; i < out && n.twice; i++) {
        n.twice = n.table[y->rank - 1][i] == i / 2;
    }
    covey__store_real(&(struct covey_tensor){.type = c->out[0]->type, .data = &n.outside}, 0,
                      c->attrs->value);
    n.parts = covey__shape_range(y, 0, y->rank < 2 ? 0 : y->rank - 2u);
    covey_threads_run(c->threads, n.parts, plane, &n);
}
