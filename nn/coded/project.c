/* SPDX-License-Identifier: MIT */
#include "project.h"

#include "../kernels/vkernels.h"

#include <string.h>

/* Directly: every channel's plane times a plane of numbers for each tap; few sums along whole
 * planes, but as many planes as taps. By rows: rows times the kernel's columns, then those sums
 * times its rows; fewer multiplications, but a short sum for every row. */
enum { VECTORS = COVEY__CHECK_VECTORS, PLANES_FLOATS = 1 << 16, LANES = 16, SUM_COST = 10 };

static size_t taps_of(const struct covey_layer *l)
{
    return (size_t)l->kernel[0] * l->kernel[1];
}

static size_t cost_of_sum(size_t count)
{
    return (count + LANES - 1) / LANES + SUM_COST;
}

static bool is_direct(const struct covey_layer *l)
{
    size_t plane = (size_t)l->height * l->width;
    return plane <= PLANES_FLOATS && taps_of(l) * plane <= PLANES_FLOATS / VECTORS &&
           l->kernel[0] * cost_of_sum(plane) <= l->height * cost_of_sum(l->width);
}

uint64_t covey__project_init(const struct covey_layer *l, float *base, struct covey__project *out)
{
    bool conv = l->kind == COVEY_LAYER_CONV, direct = conv && is_direct(l);
    uint64_t planes = (uint64_t)VECTORS * taps_of(l) * l->height * l->width;
    uint64_t around = (uint64_t)l->kernel[0] * l->height + (uint64_t)l->kernel[1] * l->width;
    uint64_t lines =
        (uint64_t)VECTORS * l->kernel[1] * l->width + (uint64_t)l->kernel[0] * l->height;
    const uint64_t sizes[] = {
        (uint64_t)VECTORS * l->out_width,
        (uint64_t)VECTORS * l->batch * l->out_height,
        (uint64_t)VECTORS * covey_layer_columns(l),
        direct ? planes + around
        : conv ? lines
               : 0,
        conv && !direct ? (uint64_t)VECTORS * l->kernel[1] * l->channels * l->height : 0,
        (uint64_t)VECTORS * l->k,
    };
    float **const places[] = {&out->across, &out->down,   &out->column,
                              &out->taps,   &out->shrunk, &out->product};
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        *places[i] = base != NULL ? base + total : NULL;
        total += sizes[i];
    }
    return total;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

float covey__project_draw(uint64_t *state)
{
    uint64_t bits = mix(state);
    float size = 0.5f + (float)(bits >> 40) * 0x1p-24f;
    return (bits & 1) != 0 ? size : -size;
}

static void fill(uint64_t *state, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = covey__project_draw(state);
    }
}

static void fill_columns(const struct covey_layer *l, uint64_t seed, const struct covey__project *p)
{
    size_t rows = (size_t)l->batch * l->out_height, width = l->out_width;
    fill(&seed, p->across, VECTORS * width);
    fill(&seed, p->down, VECTORS * rows);
    for (size_t i = 0; i < VECTORS * rows; i++) {
        const float *across = p->across + i / rows * width;
        for (size_t x = 0; x < width; x++) {
            p->column[i * width + x] = p->down[i] * across[x];
        }
    }
}

/* out [kernel][size]: what each input place is multiplied with at each tap, along one axis. */
static void spread(const struct covey_layer *l, unsigned axis, const float *secret, float *out)
{
    size_t size = axis == 0 ? l->height : l->width;
    size_t outputs = axis == 0 ? l->out_height : l->out_width;
    memset(out, 0, l->kernel[axis] * size * sizeof(float));
    for (size_t tap = 0; tap < l->kernel[axis]; tap++) {
        for (size_t o = 0; o < outputs; o++) {
            size_t at = o * l->stride[axis] + tap * l->dilation[axis];
            if (at >= l->pads[axis] && at - l->pads[axis] < size) {
                out[tap * size + at - l->pads[axis]] = secret[o];
            }
        }
    }
}

void covey__skinny_multiply(struct covey__skinny s)
{
    size_t columns = s.columns;
    for (size_t first = 0; first < columns; first += COVEY__SKINNY_COLUMNS_MAX) {
        size_t left = columns - first;
        s.columns = left < COVEY__SKINNY_COLUMNS_MAX ? left : COVEY__SKINNY_COLUMNS_MAX;
        covey__skinny_rows(&s, 0, s.rows);
        s.vectors += COVEY__SKINNY_COLUMNS_MAX * s.vector_stride;
        s.out += COVEY__SKINNY_COLUMNS_MAX * s.column_stride;
    }
}

/* Tap by tap: out [taps][height width] = by_row [kernel height][height] x by_width. */
static void make_planes(const struct covey_layer *l, const float *by_row, const float *by_width,
                        float *out)
{
    for (size_t tap = 0; tap < taps_of(l); tap++) {
        const float *row = by_row + tap / l->kernel[1] * l->height;
        const float *line = by_width + tap % l->kernel[1] * l->width;
        for (size_t y = 0; y < l->height; y++) {
            for (size_t x = 0; x < l->width; x++) {
                *out++ = row[y] * line[x];
            }
        }
    }
}

/* Adds one image's part. */
static void project_planes(const struct covey_layer *l, const float *input, size_t image,
                           const struct covey__project *p)
{
    size_t plane = (size_t)l->height * l->width, taps = taps_of(l);
    float *by_row = p->taps, *by_width = by_row + (size_t)l->kernel[0] * l->height;
    float *planes = by_width + (size_t)l->kernel[1] * l->width;
    for (size_t v = 0; v < VECTORS; v++) {
        spread(l, 0, p->down + (v * l->batch + image) * l->out_height, by_row);
        spread(l, 1, p->across + v * l->out_width, by_width);
        make_planes(l, by_row, by_width, planes);
        covey__skinny_multiply((struct covey__skinny){.rows = l->channels,
                                                      .columns = taps,
                                                      .k = plane,
                                                      .matrix = input + image * l->channels * plane,
                                                      .matrix_stride = plane,
                                                      .vectors = planes,
                                                      .vector_stride = plane,
                                                      .out = p->product + v * l->k,
                                                      .row_stride = taps,
                                                      .column_stride = 1,
                                                      .accumulate = image > 0});
    }
}

/* Adds one image's part for vector v: shrunk columns to one number for each tap. */
static void shrink_columns(const struct covey_layer *l, size_t image, size_t v,
                           const struct covey__project *p)
{
    size_t lines = (size_t)l->channels * l->height;
    float *by_row = p->taps + (size_t)VECTORS * l->kernel[1] * l->width;
    spread(l, 0, p->down + (v * l->batch + image) * l->out_height, by_row);
    for (size_t kx = 0; kx < l->kernel[1]; kx++) {
        const float *matrix = p->shrunk + (v * l->kernel[1] + kx) * lines;
        covey__skinny_multiply((struct covey__skinny){.rows = l->channels,
                                                      .columns = l->kernel[0],
                                                      .k = l->height,
                                                      .matrix = matrix,
                                                      .matrix_stride = l->height,
                                                      .vectors = by_row,
                                                      .vector_stride = l->height,
                                                      .out = p->product + v * l->k + kx,
                                                      .row_stride = taps_of(l),
                                                      .column_stride = l->kernel[1],
                                                      .accumulate = image > 0});
    }
}

/* Adds one image's part. */
static void project_rows(const struct covey_layer *l, const float *input, size_t image,
                         const struct covey__project *p)
{
    size_t lines = (size_t)l->channels * l->height;
    for (size_t v = 0; v < VECTORS; v++) {
        spread(l, 1, p->across + v * l->out_width, p->taps + v * l->kernel[1] * l->width);
    }
    covey__skinny_multiply((struct covey__skinny){.rows = lines,
                                                  .columns = (size_t)VECTORS * l->kernel[1],
                                                  .k = l->width,
                                                  .matrix = input + image * lines * l->width,
                                                  .matrix_stride = l->width,
                                                  .vectors = p->taps,
                                                  .vector_stride = l->width,
                                                  .out = p->shrunk,
                                                  .row_stride = 1,
                                                  .column_stride = lines});
    for (size_t v = 0; v < VECTORS; v++) {
        shrink_columns(l, image, v, p);
    }
}

/* The columns of X are the images. */
static void project_vectors(const struct covey_layer *l, const float *input,
                            const struct covey__project *p)
{
    const struct covey__vkernels *kernels = covey__vkernels();
    memset(p->product, 0, (size_t)VECTORS * l->k * sizeof(float));
    for (size_t i = 0; i < (size_t)VECTORS * l->batch; i++) {
        const float *x = input + i % l->batch * l->k;
        kernels->update_axpy(p->column[i], x, p->product + i / l->batch * l->k, l->k);
    }
}

void covey__project_run(const struct covey_layer *l, uint64_t seed, const float *input,
                        const struct covey__project *p)
{
    fill_columns(l, seed, p);
    if (l->kind == COVEY_LAYER_DENSE) {
        project_vectors(l, input, p);
        return;
    }
    bool direct = is_direct(l);
    for (size_t image = 0; image < l->batch; image++) {
        if (direct) {
            project_planes(l, input, image, p);
        } else {
            project_rows(l, input, image, p);
        }
    }
}
