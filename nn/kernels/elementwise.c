/* SPDX-License-Identifier: MIT */
#include "elementwise.h"

#include "vkernels.h"

/* Floats in one part: some tens of microseconds of work that stays in the second cache. */
enum { PART = 16384 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

struct unary_job {
    struct covey__unary f;
    const float *in;
    float *out;
    size_t count;
};

static void unary_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct unary_job *j = ctx;
    size_t first = part * PART;
    covey__vkernels()->unary[j->f.kind](j->f, j->in + first, j->out + first,
                                        smaller(PART, j->count - first));
}

void covey__unary_run(struct covey__unary f, const float *in, float *out, size_t count,
                      struct covey_threads *threads)
{
    struct unary_job job = {f, in, out, count};
    covey_threads_run(threads, (count + PART - 1) / PART, unary_part, &job);
}

/* Puts one more dimension in front of the joined ones, or joins it to the first of them. Kept from
 * the last to the first; turned around at the end. */
static void push_dim(struct covey__broadcast *s, size_t dim, const size_t stride[2])
{
    if (dim == 1) {
        return;
    }
    if (s->rank > 0) {
        unsigned last = s->rank - 1;
        size_t inner = s->dims[last];
        if (stride[0] == s->stride[0][last] * inner && stride[1] == s->stride[1][last] * inner) {
            s->dims[last] *= dim;
            return;
        }
    }
    s->dims[s->rank] = dim;
    s->stride[0][s->rank] = stride[0];
    s->stride[1][s->rank] = stride[1];
    s->rank++;
}

static void turn(size_t *values, unsigned count)
{
    for (unsigned i = 0; i < count / 2; i++) {
        size_t value = values[i];
        values[i] = values[count - 1 - i];
        values[count - 1 - i] = value;
    }
}

struct covey__broadcast covey__broadcast_same(size_t count)
{
    return (struct covey__broadcast){.rank = 1, .dims = {count}, .stride = {{1}, {1}}};
}

covey_err covey__broadcast_init(struct covey__broadcast *out, const struct covey_shape *a,
                                const struct covey_shape *b, struct covey_shape *out_shape)
{
    struct covey__broadcast s = {0};
    struct covey_shape shape = {.rank = a->rank > b->rank ? a->rank : b->rank};
    size_t whole[2] = {1, 1}; /* elements behind the dimension */
    for (unsigned i = 0; i < shape.rank; i++) {
        size_t dims[2] = {i < a->rank ? a->dims[a->rank - 1 - i] : 1,
                          i < b->rank ? b->dims[b->rank - 1 - i] : 1};
        if (dims[0] != dims[1] && dims[0] != 1 && dims[1] != 1) {
            return COVEY_ERR_RANGE;
        }
        size_t dim = dims[0] == 1 ? dims[1] : dims[0];
        size_t stride[2] = {dims[0] == 1 ? 0 : whole[0], dims[1] == 1 ? 0 : whole[1]};
        push_dim(&s, dim, stride);
        shape.dims[shape.rank - 1 - i] = (uint32_t)dim;
        whole[0] *= dims[0];
        whole[1] *= dims[1];
    }
    if (s.rank == 0) {
        s = covey__broadcast_same(1);
    }
    turn(s.dims, s.rank);
    turn(s.stride[0], s.rank);
    turn(s.stride[1], s.rank);
    *out = s;
    *out_shape = shape;
    return COVEY_OK;
}

/* The last dimension is the inner loop. A part is some rows of it, or a piece of one. */
struct binary_job {
    const struct covey__binary_call *call;
    void (*loop)(const float *a, const float *b, float *out, size_t count);
    size_t inner, outer;
    size_t rows, pieces; /* rows in a part; parts in a row: one of the two is 1 */
};

/* Where outer row number row begins in both inputs. */
static void row_offsets(const struct covey__broadcast *s, size_t row, size_t out_offset[2])
{
    out_offset[0] = out_offset[1] = 0;
    for (unsigned i = s->rank - 1; i > 0; i--) {
        size_t at = row % s->dims[i - 1];
        row /= s->dims[i - 1];
        out_offset[0] += at * s->stride[0][i - 1];
        out_offset[1] += at * s->stride[1][i - 1];
    }
}

static void binary_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct binary_job *j = ctx;
    const struct covey__broadcast *s = j->call->shape;
    size_t first = part / j->pieces * j->rows, begin = part % j->pieces * PART;
    size_t last = smaller(j->outer, first + j->rows);
    size_t count = j->pieces > 1 ? smaller(PART, j->inner - begin) : j->inner;
    float *out = j->call->out + first * j->inner + begin;
    for (size_t row = first; row < last; row++) {
        size_t offset[2];
        row_offsets(s, row, offset);
        j->loop(j->call->a + offset[0] + begin * s->stride[0][s->rank - 1],
                j->call->b + offset[1] + begin * s->stride[1][s->rank - 1],
                out + (row - first) * j->inner, count);
    }
    covey__act_run(j->call->act, out, (last - first - 1) * j->inner + count);
}

void covey__binary_run(const struct covey__binary_call *call)
{
    const struct covey__broadcast *s = call->shape;
    struct binary_job j = {.call = call, .inner = s->dims[s->rank - 1], .outer = 1};
    for (unsigned i = 0; i + 1 < s->rank; i++) {
        j.outer *= s->dims[i];
    }
    if (j.inner == 0 || j.outer == 0) {
        return;
    }
    unsigned form = s->stride[1][s->rank - 1] == 0 ? 1 : s->stride[0][s->rank - 1] == 0 ? 2 : 0;
    j.loop = covey__vkernels()->binary[call->kind][form];
    j.rows = j.inner < PART ? PART / j.inner : 1;
    j.pieces = j.inner > PART ? (j.inner + PART - 1) / PART : 1;
    covey_threads_run(call->threads, (j.outer + j.rows - 1) / j.rows * j.pieces, binary_part, &j);
}

struct affine_job {
    const struct covey__affine_call *call;
    size_t planes; /* in a part; a multiple of the channels where pixels is 1 */
};

static void affine_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct affine_job *j = ctx;
    const struct covey__affine_call *c = j->call;
    const struct covey__vkernels *v = covey__vkernels();
    size_t first = part * j->planes, last = smaller(c->planes, first + j->planes);
    if (c->pixels == 1) {
        for (size_t row = first; row < last; row += c->channels) {
            v->affine_row(c->in + row, c->scale, c->shift, c->out + row, c->channels);
        }
    } else {
        for (size_t plane = first; plane < last; plane++) {
            size_t channel = plane % c->channels;
            struct covey__unary f = {COVEY__UNARY_LINEAR, c->scale[channel], c->shift[channel]};
            v->unary[f.kind](f, c->in + plane * c->pixels, c->out + plane * c->pixels, c->pixels);
        }
    }
    covey__act_run(c->act, c->out + first * c->pixels, (last - first) * c->pixels);
}

void covey__affine_run(const struct covey__affine_call *call)
{
    if (call->pixels == 0 || call->planes == 0) {
        return;
    }
    size_t unit = call->pixels == 1 ? call->channels : 1, floats = unit * call->pixels;
    struct affine_job job = {call, (floats < PART ? PART / floats : 1) * unit};
    covey_threads_run(call->threads, (call->planes + job.planes - 1) / job.planes, affine_part,
                      &job);
}
