/* SPDX-License-Identifier: MIT */
#include "transpose.h"

#include <string.h>

/* A tile's rows and columns stay in the first cache; elements in one part, about. */
enum { TILE = 16, PART = 16384 };

/* Output dimensions that lie side by side in the input too are one. The innermost pair, if the
 * last one is not contiguous in the input: out [.., rows, .., columns], where a step along rows
 * is one element of the input. */
struct transpose_job {
    unsigned rank, bytes;
    size_t dims[COVEY_RANK_MAX];    /* of out */
    size_t strides[COVEY_RANK_MAX]; /* in the input, in elements */
    size_t out_strides[COVEY_RANK_MAX];
    unsigned rows; /* the dimension of stride 1; rank - 1: lines are copied */
    const unsigned char *in;
    unsigned char *out;
    size_t bands, band;  /* pieces of the rows; rows in one */
    size_t count, group; /* bands in all; in a part */
};

static void join_dims(struct transpose_job *j, const struct covey__transpose_call *c)
{
    size_t strides[COVEY_RANK_MAX], stride = 1;
    for (unsigned i = c->rank; i > 0; i--) {
        strides[i - 1] = stride;
        stride *= c->dims[i - 1];
    }
    for (unsigned i = 0; i < c->rank; i++) {
        size_t dim = c->dims[c->perm[i]], step = strides[c->perm[i]];
        if (dim == 1) {
            continue;
        }
        if (j->rank > 0 && j->strides[j->rank - 1] == dim * step) {
            j->dims[j->rank - 1] *= dim;
            j->strides[j->rank - 1] = step;
        } else {
            j->dims[j->rank] = dim;
            j->strides[j->rank++] = step;
        }
    }
    if (j->rank == 0) {
        j->dims[0] = j->strides[0] = 1;
        j->rank = 1;
    }
    stride = 1;
    for (unsigned i = j->rank; i > 0; i--) {
        j->out_strides[i - 1] = stride;
        stride *= j->dims[i - 1];
        j->rows = j->strides[i - 1] == 1 ? i - 1 : j->rows;
    }
}

/* One tile of a matrix turned around; strides in elements. */
#define TRANSPOSE_TILE(type)                                                                       \
    static void tile_##type(const unsigned char *in, unsigned char *out, const size_t strides[2],  \
                            const size_t counts[2])                                                \
    {                                                                                              \
        for (size_t y = 0; y < counts[0]; y++) {                                                   \
            for (size_t x = 0; x < counts[1]; x++) {                                               \
                memcpy(out + (y * strides[1] + x) * sizeof(type),                                  \
                       in + (x * strides[0] + y) * sizeof(type), sizeof(type));                    \
            }                                                                                      \
        }                                                                                          \
    }

TRANSPOSE_TILE(uint8_t)
TRANSPOSE_TILE(uint16_t)
TRANSPOSE_TILE(uint32_t)
TRANSPOSE_TILE(uint64_t)

static void tile(const struct transpose_job *j, const size_t offsets[2], const size_t counts[2])
{
    const unsigned char *in = j->in + offsets[0] * j->bytes;
    unsigned char *out = j->out + offsets[1] * j->bytes;
    size_t strides[2] = {j->strides[j->rank - 1], j->out_strides[j->rows]};
    if (j->bytes == 1) {
        tile_uint8_t(in, out, strides, counts);
    } else if (j->bytes == 2) {
        tile_uint16_t(in, out, strides, counts);
    } else if (j->bytes == 4) {
        tile_uint32_t(in, out, strides, counts);
    } else {
        tile_uint64_t(in, out, strides, counts);
    }
}

/* Rows [first, last) of one matrix, tile by tile. */
static void matrix(const struct transpose_job *j, const size_t offsets[2], size_t first,
                   size_t last)
{
    size_t columns = j->dims[j->rank - 1];
    for (size_t y = first; y < last; y += TILE) {
        for (size_t x = 0; x < columns; x += TILE) {
            size_t counts[2] = {last - y < TILE ? last - y : TILE,
                                columns - x < TILE ? columns - x : TILE};
            size_t at[2] = {offsets[0] + y + x * j->strides[j->rank - 1],
                            offsets[1] + y * j->out_strides[j->rows] + x};
            tile(j, at, counts);
        }
    }
}

/* Band number of all bands of all matrices. */
static void transpose_band(const struct transpose_job *j, size_t number)
{
    size_t index = number / j->bands, offsets[2] = {0, 0};
    for (unsigned i = j->rank - 1; i > 0; i--) {
        if (i - 1 != j->rows) {
            size_t at = index % j->dims[i - 1];
            index /= j->dims[i - 1];
            offsets[0] += at * j->strides[i - 1];
            offsets[1] += at * j->out_strides[i - 1];
        }
    }
    size_t first = number % j->bands * j->band, rows = j->dims[j->rows];
    size_t last = rows - first < j->band ? rows : first + j->band;
    if (j->rows == j->rank - 1) {
        memcpy(j->out + (offsets[1] + first) * j->bytes, j->in + (offsets[0] + first) * j->bytes,
               (last - first) * j->bytes);
    } else {
        matrix(j, offsets, first, last);
    }
}

static void transpose_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct transpose_job *j = ctx;
    size_t first = part * j->group;
    size_t last = j->count - first < j->group ? j->count : first + j->group;
    for (size_t i = first; i < last; i++) {
        transpose_band(j, i);
    }
}

void covey__transpose_run(const struct covey__transpose_call *call)
{
    struct transpose_job j = {.bytes = call->element_bytes, .in = call->in, .out = call->out};
    join_dims(&j, call);
    size_t outer = 1, line = j.rows == j.rank - 1 ? 1 : j.dims[j.rank - 1];
    for (unsigned i = 0; i < j.rank; i++) {
        outer *= i == j.rows || i == j.rank - 1 ? 1 : j.dims[i];
    }
    if (outer * line * j.dims[j.rows] == 0) {
        return;
    }
    j.band = (PART / line + TILE) / TILE * TILE;
    j.bands = (j.dims[j.rows] + j.band - 1) / j.band;
    j.count = outer * j.bands;
    j.group = line * j.dims[j.rows] < PART ? PART / (line * j.dims[j.rows]) : 1;
    covey_threads_run(call->threads, (j.count + j.group - 1) / j.group, transpose_part, &j);
}
