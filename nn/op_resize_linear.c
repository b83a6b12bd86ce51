/* SPDX-License-Identifier: MIT
 *
 * The common case of linear resizing: float32 images whose last two axes change.
 */
#include "covey/large.h"
#include "op_resize.h"

/* For each output element of an axis: its two neighbours and their weights. */
struct neighbours {
    uint32_t *first, *second;
    float *first_weight, *second_weight;
};

struct bilinear {
    const struct covey__op_call *c;
    struct covey__resize_axis y, x;
    struct neighbours rows, columns;
    float *lines; /* two rows for each thread, already resized along x */
};

bool covey__bilinear_does(const struct covey__op_call *c)
{
    const struct covey_op_attrs *a = c->attrs;
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    bool does = c->in[0]->type == COVEY_TYPE_F32 && a->mode == COVEY_RESIZE_LINEAR &&
                !a->antialias && !a->exclude_outside &&
                a->coordinates != COVEY_COORD_TF_CROP_AND_RESIZE && x->rank >= 2;
    for (unsigned i = 0; does && i + 2u < x->rank; i++) {
        does = covey__resize_axis(a, i, x->dims[i], y->dims[i]).same;
    }
    return does;
}

size_t covey__bilinear_scratch(const struct covey__op_call *c)
{
    const struct covey_shape *y = &c->out[0]->shape;
    uint64_t rows = y->dims[y->rank - 2], columns = y->dims[y->rank - 1];
    uint64_t floats = 4 * rows + 4 * columns + 2 * columns * c->thread_count;
    return covey_size_of(floats * sizeof(float));
}

/* Carves the neighbours of an axis out of memory, computes them and returns what is behind. */
static float *find(const struct covey__resize_axis *r, float *memory, struct neighbours *out)
{
    uint32_t *indices = (uint32_t *)(void *)memory;
    *out = (struct neighbours){indices, indices + r->out, memory + 2 * (size_t)r->out,
                               memory + 3 * (size_t)r->out};
    for (uint32_t i = 0; i < r->out; i++) {
        double weights[2] = {0.0, 0.0};
        int64_t first = 0;
        if (covey__resize_weights(r, i, weights, &first)) {
            out->first[i] = covey__resize_clamp(first, r->in);
            out->second[i] = covey__resize_clamp(first + 1, r->in);
            out->first_weight[i] = (float)weights[0];
            out->second_weight[i] = (float)weights[1];
        }
    }
    return memory + 4 * (size_t)r->out;
}

static const float *line(const struct bilinear *b, const float *from, float *to)
{
    const struct neighbours *n = &b->columns;
    if (b->x.same) {
        return from;
    }
    for (uint32_t i = 0; i < b->x.out; i++) {
        to[i] = n->first_weight[i] * from[n->first[i]] + n->second_weight[i] * from[n->second[i]];
    }
    return to;
}

static void blend(const float *restrict a, const float *restrict b, const float weight[2],
                  size_t count, float *restrict to)
{
    float first = weight[0], second = weight[1];
    for (size_t i = 0; i < count; i++) {
        to[i] = first * a[i] + second * b[i];
    }
}

/* The two lines that the last rows needed are kept: most rows need them again. */
static void plane(void *ctx, size_t part, unsigned thread)
{
    const struct bilinear *b = ctx;
    const struct neighbours *n = &b->rows;
    size_t columns = b->x.out;
    const float *from = (const float *)b->c->in[0]->data + part * b->y.in * b->x.in;
    float *to = (float *)b->c->out[0]->data + part * b->y.out * columns;
    float *room[2] = {b->lines + 2 * columns * thread, b->lines + 2 * columns * thread + columns};
    const float *held[2] = {NULL, NULL};
    int64_t key[2] = {-1, -1};
    for (uint32_t i = 0; i < b->y.out; i++, to += columns) {
        const int64_t want[2] = {n->first[i], n->second[i]};
        if (key[1] == want[0] && key[0] != want[0]) {
            float *other = room[0];
            room[0] = room[1], room[1] = other;
            held[0] = held[1], key[0] = key[1], key[1] = -1;
        }
        for (unsigned k = 0; k < 2; k++) {
            if (key[k] != want[k]) {
                held[k] = line(b, from + (size_t)want[k] * b->x.in, room[k]);
                key[k] = want[k];
            }
        }
        blend(held[0], held[1], (const float[2]){n->first_weight[i], n->second_weight[i]}, columns,
              to);
    }
}

void covey__bilinear(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape, *y = &c->out[0]->shape;
    unsigned row = y->rank - 2u, column = y->rank - 1u;
    struct bilinear b = {
        .c = c,
        .y = covey__resize_axis(c->attrs, row, x->dims[row], y->dims[row]),
        .x = covey__resize_axis(c->attrs, column, x->dims[column], y->dims[column])};
    float *memory = find(&b.y, c->scratch, &b.rows);
    b.lines = find(&b.x, memory, &b.columns);
    covey_threads_run(c->threads, covey__shape_range(y, 0, row), plane, &b);
}
