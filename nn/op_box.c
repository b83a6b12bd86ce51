/* SPDX-License-Identifier: MIT */
#include "op_box.h"

/* Rows of a plane shared out at a time, and of those rows how many are turned at a time: as many
 * lines of the destination stay in the first cache even where they fall into one set of it. */
enum { BLOCK_ROWS = 64, TURN_ROWS = 32, SHARE_BYTES = 1 << 17, PARTS = 64 };

/* The innermost two dimensions. */
struct plane {
    size_t size, rows, columns;
    ptrdiff_t src_row, src_column, dst_row, dst_column;
};

typedef void (*plane_fn)(const struct plane *p, const uint8_t *src, uint8_t *dst);

/* The copy behind a simplified box: its last two dimensions are the plane. */
struct copy {
    struct covey__box box;
    plane_fn fn;
    size_t blocks, total, parts; /* blocks of rows in a plane, in all planes */
};

static void plane_runs(const struct plane *p, const uint8_t *src, uint8_t *dst)
{
    for (size_t r = 0; r < p->rows; r++) {
        const uint8_t *s = src + (ptrdiff_t)r * p->src_row;
        uint8_t *d = dst + (ptrdiff_t)r * p->dst_row;
        for (size_t i = 0; i < p->columns; i++, s += p->src_column, d += p->dst_column) {
            memcpy(d, s, p->size);
        }
    }
}

/* memcpy of a constant size is one move; repeating one element is a loop of its own, which a
 * compiler vectorises. */
#define PLANE(bytes, type)                                                                         \
    static void row_##bytes(const struct plane *p, const uint8_t *s, uint8_t *d)                   \
    {                                                                                              \
        type one;                                                                                  \
        if (p->src_column == 0 && p->dst_column == (bytes)) {                                      \
            memcpy(&one, s, bytes);                                                                \
            for (size_t i = 0; i < p->columns; i++) {                                              \
                memcpy(d + i * (bytes), &one, bytes);                                              \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 0; i < p->columns; i++, s += p->src_column, d += p->dst_column) {          \
            memcpy(d, s, bytes);                                                                   \
        }                                                                                          \
    }                                                                                              \
    static void plane_##bytes(const struct plane *p, const uint8_t *src, uint8_t *dst)             \
    {                                                                                              \
        for (size_t r = 0; r < p->rows; r++) {                                                     \
            row_##bytes(p, src + (ptrdiff_t)r * p->src_row, dst + (ptrdiff_t)r * p->dst_row);      \
        }                                                                                          \
    }
PLANE(1, uint8_t)
PLANE(2, uint16_t)
PLANE(4, uint32_t)
PLANE(8, uint64_t)

typedef uint32_t quad __attribute__((vector_size(16)));

static quad quad_load(const uint8_t *from)
{
    quad v;
    memcpy(&v, from, sizeof v);
    return v;
}

static void quad_store(uint8_t *to, quad v)
{
    memcpy(to, &v, sizeof v);
}

/* Four by four elements of four bytes: columns of the source become rows. */
static void turn_tile(const struct plane *p, const uint8_t *src, uint8_t *dst)
{
    quad a = quad_load(src), b = quad_load(src + p->src_column);
    quad c = quad_load(src + 2 * p->src_column), d = quad_load(src + 3 * p->src_column);
    quad ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    quad ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    quad cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    quad cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    quad_store(dst, __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5));
    quad_store(dst + p->dst_row, __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7));
    quad_store(dst + 2 * p->dst_row, __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5));
    quad_store(dst + 3 * p->dst_row, __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7));
}

/* Rows [first, end), all columns in fours. */
static void turn_rows(const struct plane *p, size_t first, size_t end, const uint8_t *src,
                      uint8_t *dst)
{
    for (size_t i = 0; i + 4 <= p->columns; i += 4) {
        for (size_t r = first; r < end; r += 4) {
            turn_tile(p, src + r * 4 + (ptrdiff_t)i * p->src_column,
                      dst + (ptrdiff_t)r * p->dst_row + i * 4);
        }
    }
}

/* Source contiguous along rows, destination along columns, elements of four bytes. */
static void plane_turn(const struct plane *p, const uint8_t *src, uint8_t *dst)
{
    size_t rows = p->rows & ~(size_t)3, columns = p->columns & ~(size_t)3;
    for (size_t r = 0; r < rows; r += TURN_ROWS) {
        turn_rows(p, r, r + TURN_ROWS < rows ? r + TURN_ROWS : rows, src, dst);
    }
    struct plane right = *p, below = *p;
    right.rows = rows, right.columns = p->columns - columns;
    plane_4(&right, src + (ptrdiff_t)columns * p->src_column, dst + columns * 4);
    below.rows = p->rows - rows;
    plane_4(&below, src + rows * 4, dst + (ptrdiff_t)rows * p->dst_row);
}

static void drop(struct covey__box *b, unsigned at)
{
    b->rank--;
    for (unsigned i = at; i < b->rank; i++) {
        b->dims[i] = b->dims[i + 1];
        b->src_step[i] = b->src_step[i + 1];
        b->dst_step[i] = b->dst_step[i + 1];
    }
}

/* Without dimensions of 1, neighbours that walk on as one joined, contiguous runs as elements. */
static void simplify(struct covey__box *b)
{
    for (unsigned i = b->rank; i-- > 0;) {
        if (b->dims[i] == 1) {
            drop(b, i);
        }
    }
    for (unsigned i = b->rank; i-- > 1;) {
        ptrdiff_t n = (ptrdiff_t)b->dims[i];
        if (b->src_step[i - 1] == b->src_step[i] * n && b->dst_step[i - 1] == b->dst_step[i] * n) {
            b->dims[i - 1] *= b->dims[i];
            b->src_step[i - 1] = b->src_step[i];
            b->dst_step[i - 1] = b->dst_step[i];
            drop(b, i);
        }
    }
    ptrdiff_t size = (ptrdiff_t)b->size;
    if (b->rank > 0 && b->src_step[b->rank - 1] == size && b->dst_step[b->rank - 1] == size) {
        b->rank--;
        b->size *= b->dims[b->rank];
    }
}

/* Moves dimension `from` to the place `to` behind it: the order of copying is free. */
static void move_back(struct covey__box *b, unsigned from, unsigned to)
{
    struct covey__box old = *b;
    for (unsigned i = from; i < to; i++) {
        b->dims[i] = old.dims[i + 1];
        b->src_step[i] = old.src_step[i + 1];
        b->dst_step[i] = old.dst_step[i + 1];
    }
    b->dims[to] = old.dims[from];
    b->src_step[to] = old.src_step[from];
    b->dst_step[to] = old.dst_step[from];
}

static plane_fn choose(struct covey__box *b)
{
    unsigned last = b->rank - 1;
    ptrdiff_t size = (ptrdiff_t)b->size;
    bool ends = b->dst_step[last] == size && b->src_step[last] != 0;
    for (unsigned i = 0; i < last && ends; i++) {
        if (b->src_step[i] == size && b->dims[i] >= 2) {
            move_back(b, i, last - 1);
            return size == 4   ? plane_turn
                   : size == 1 ? plane_1
                   : size == 2 ? plane_2
                   : size == 8 ? plane_8
                               : plane_runs;
        }
    }
    return size == 4   ? plane_4
           : size == 1 ? plane_1
           : size == 2 ? plane_2
           : size == 8 ? plane_8
                       : plane_runs;
}

static void copy_part(void *ctx, size_t part, unsigned thread)
{
    const struct copy *c = ctx;
    const struct covey__box *b = &c->box;
    unsigned row = b->rank - 2u, column = b->rank - 1u;
    size_t end = c->total * (part + 1) / c->parts;
    (void)thread;
    for (size_t i = c->total * part / c->parts; i < end; i++) {
        size_t first = i % c->blocks * BLOCK_ROWS, left = i / c->blocks;
        size_t rows = b->dims[row] - first < BLOCK_ROWS ? b->dims[row] - first : BLOCK_ROWS;
        const uint8_t *src = b->src + (ptrdiff_t)first * b->src_step[row];
        uint8_t *dst = b->dst + (ptrdiff_t)first * b->dst_step[row];
        for (unsigned axis = row; axis-- > 0;) {
            ptrdiff_t at = (ptrdiff_t)(left % b->dims[axis]);
            left /= b->dims[axis];
            src += at * b->src_step[axis];
            dst += at * b->dst_step[axis];
        }
        c->fn(&(struct plane){b->size, rows, b->dims[column], b->src_step[row], b->src_step[column],
                              b->dst_step[row], b->dst_step[column]},
              src, dst);
    }
}

static void prepend(struct covey__box *b)
{
    for (unsigned i = b->rank++; i > 0; i--) {
        b->dims[i] = b->dims[i - 1];
        b->src_step[i] = b->src_step[i - 1];
        b->dst_step[i] = b->dst_step[i - 1];
    }
    b->dims[0] = 1;
    b->src_step[0] = b->dst_step[0] = 0;
}

void covey__box_copy(const struct covey__box *b, struct covey_threads *threads)
{
    struct copy c = {.box = *b, .total = 1};
    for (unsigned i = 0; i < b->rank; i++) {
        if (b->dims[i] == 0) {
            return;
        }
    }
    simplify(&c.box);
    if (c.box.rank == 0) {
        memcpy(c.box.dst, c.box.src, c.box.size);
        return;
    }
    c.fn = choose(&c.box);
    while (c.box.rank < 2) {
        prepend(&c.box);
    }
    size_t bytes = c.box.size;
    for (unsigned i = 0; i < c.box.rank; i++) {
        bytes *= c.box.dims[i];
        c.total *= i + 2 < c.box.rank ? c.box.dims[i] : 1;
    }
    c.blocks = (c.box.dims[c.box.rank - 2] + BLOCK_ROWS - 1) / BLOCK_ROWS;
    c.total *= c.blocks;
    c.parts = bytes < SHARE_BYTES ? 1 : c.total < PARTS ? c.total : PARTS;
    covey_threads_run(threads, c.parts, copy_part, &c);
}

void covey__box_steps(const struct covey_shape *s, size_t size, ptrdiff_t *out_step)
{
    size_t step = size;
    for (unsigned i = s->rank; i-- > 0;) {
        out_step[i] = (ptrdiff_t)step;
        step *= s->dims[i];
    }
}

struct covey__box covey__box_over(const struct covey_tensor *src, struct covey_tensor *dst)
{
    struct covey__box b = {.rank = dst->shape.rank,
                           .size = covey_type_size(dst->type),
                           .src = src->data,
                           .dst = dst->data};
    covey__box_steps(&dst->shape, b.size, b.dst_step);
    for (unsigned i = 0; i < b.rank; i++) {
        b.dims[i] = dst->shape.dims[i];
    }
    return b;
}
