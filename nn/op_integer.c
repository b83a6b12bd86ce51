/* SPDX-License-Identifier: MIT */
#include "op_integer.h"
#include "gemm.h"

#include <string.h>

/* DEPTH is the most for which the header's bound holds; the other sizes keep a thread's scratch
 * within the second cache. */
enum { DEPTH = 256, TILE = 256, ROWS = 1024 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* One thread's memory. */
struct tiles {
    float *a, *b, *product;
    int32_t *sums;
};

/* Elements of the four tiles, each a multiple of a cache line. */
struct tile_sizes {
    size_t a, b, product, sums;
};

static size_t whole_lines(size_t elements)
{
    return (elements + 15) / 16 * 16;
}

static struct tile_sizes sizes_of(const struct covey__exact *e)
{
    size_t depth = smaller(DEPTH, e->k), rows = smaller(TILE, e->m), cols = smaller(TILE, e->n);
    return (struct tile_sizes){whole_lines(rows * depth), whole_lines(depth * cols),
                               whole_lines(rows * cols), whole_lines(smaller(ROWS, e->m) * cols)};
}

static size_t thread_bytes(const struct tile_sizes *s)
{
    return (s->a + s->b + s->product) * sizeof(float) + s->sums * sizeof(int32_t);
}

size_t covey__exact_scratch(const struct covey__exact *e, unsigned threads)
{
    struct tile_sizes s = sizes_of(e);
    return threads * thread_bytes(&s);
}

static struct tiles tiles_of(const struct covey__exact *e, unsigned thread)
{
    struct tile_sizes s = sizes_of(e);
    uint8_t *at = (uint8_t *)e->scratch + thread * thread_bytes(&s);
    struct tiles t = {.a = (float *)(void *)at};
    t.b = t.a + s.a;
    t.product = t.b + s.b;
    t.sums = (int32_t *)(void *)(t.product + s.product);
    return t;
}

/* Sums wrap around, as the int32 results of ONNX do. */
static void add_product(const struct tiles *t, size_t count, int32_t *sums, bool first)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t before = first ? 0 : (uint32_t)sums[i];
        sums[i] = (int32_t)(before + (uint32_t)(int32_t)t->product[i]);
    }
}

/* sums (+)= A [c->rows x depth] B [depth x c->cols], tile by tile of rows. */
static void run_depth(const struct covey__exact *e, const struct tiles *t,
                      const struct covey__block *c, size_t k)
{
    size_t depth = smaller(DEPTH, e->k - k);
    e->load_b(e->ctx, &(struct covey__block){c->job, k, depth, c->col, c->cols}, t->b);
    for (size_t i = 0; i < c->rows; i += TILE) {
        size_t rows = smaller(TILE, c->rows - i);
        e->load_a(e->ctx, &(struct covey__block){c->job, c->row + i, rows, k, depth}, t->a);
        covey__gemm(&(struct covey__gemm){.m = rows,
                                          .n = c->cols,
                                          .k = depth,
                                          .a = t->a,
                                          .lda = depth,
                                          .b = t->b,
                                          .ldb = c->cols,
                                          .c = t->product,
                                          .ldc = c->cols});
        add_product(t, rows * c->cols, t->sums + i * c->cols, k == 0);
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    const struct covey__exact *e = ctx;
    struct tiles t = tiles_of(e, thread);
    size_t strips = (e->n + TILE - 1) / TILE, chunks = (e->m + ROWS - 1) / ROWS;
    struct covey__block c = {.job = part / (strips * chunks),
                             .row = part / strips % chunks * ROWS,
                             .col = part % strips * TILE};
    c.rows = smaller(ROWS, e->m - c.row);
    c.cols = smaller(TILE, e->n - c.col);
    for (size_t k = 0; k < e->k; k += DEPTH) {
        run_depth(e, &t, &c, k);
    }
    e->store(e->ctx, &c, t.sums);
}

void covey__exact_run(const struct covey__exact *e)
{
    struct covey__exact job = *e;
    size_t strips = (e->n + TILE - 1) / TILE, chunks = (e->m + ROWS - 1) / ROWS;
    covey_threads_run(e->threads, e->jobs * strips * chunks, run_part, &job);
}

struct covey__bytes covey__bytes_of(const struct covey_tensor *t)
{
    bool is_signed = t->type == COVEY_TYPE_I8;
    return (struct covey__bytes){t->data, is_signed ? 0x80 : 0, is_signed ? 128 : 0};
}

void covey__bytes_load(const struct covey__bytes *in, size_t first, size_t step, int32_t zero,
                       float *out, size_t count)
{
    const uint8_t *at = in->data + first;
    int32_t less = zero + in->bias;
    uint8_t flip = in->flip;
    if (step == 1) {
        for (size_t i = 0; i < count; i++) {
            out[i] = (float)((int32_t)(uint8_t)(at[i] ^ flip) - less);
        }
    } else if (step == 2) { /* known here, so that bytes are still loaded many at a time */
        for (size_t i = 0; i < count; i++) {
            out[i] = (float)((int32_t)(uint8_t)(at[i * 2] ^ flip) - less);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            out[i] = (float)((int32_t)(uint8_t)(at[i * step] ^ flip) - less);
        }
    }
}

const struct covey_tensor *covey__optional(const struct covey__op_call *c, unsigned i)
{
    return i < c->inputs ? c->in[i] : NULL;
}

int32_t covey__zero_at(const struct covey_tensor *zero, size_t index)
{
    if (zero == NULL) {
        return 0;
    }
    size_t count = covey__shape_elements(&zero->shape);
    return (int32_t)covey__load_int(zero, count == 1 ? 0 : index);
}

float covey__scale_at(const struct covey_tensor *scale, size_t index)
{
    size_t count = covey__shape_elements(&scale->shape);
    return (float)covey_tensor_element(scale, count == 1 ? 0 : index);
}

covey_err covey__check_scalar(const struct covey__op_call *c, struct covey__scalar_rule rule,
                              struct covey_nn_error *out_why)
{
    const struct covey_tensor *t = covey__optional(c, rule.input);
    if (t == NULL) {
        return rule.optional
                   ? COVEY_OK
                   : covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u is missing", rule.input);
    }
    if (covey__shape_elements(&t->shape) != 1) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "input %u is not one number",
                              rule.input);
    }
    return covey__type_among(t, rule.types, out_why);
}
