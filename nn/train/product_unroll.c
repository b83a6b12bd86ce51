/* SPDX-License-Identifier: MIT */
#include "im2col.h"
#include "train/product.h"

#include <string.h>

void covey__unrolled_init(struct covey__unrolled *out, const struct covey__conv_shape *s,
                          size_t columns)
{
    struct covey__unrolled u = {.m = s->out_channels,
                                .k = (size_t)s->in_channels * s->kernel[0] * s->kernel[1],
                                .pixels = (size_t)s->out_height * s->out_width,
                                .plane = (size_t)s->height * s->width,
                                .batch = s->batch};
    u.layer = (struct covey_layer){.kind = COVEY_LAYER_CONV,
                                   .channels = s->in_channels,
                                   .height = s->height,
                                   .width = s->width,
                                   .kernel = {s->kernel[0], s->kernel[1]},
                                   .stride = {s->stride[0], s->stride[1]},
                                   .dilation = {s->dilation[0], s->dilation[1]},
                                   .pads = {s->pads[0], s->pads[1], s->pads_end[0], s->pads_end[1]},
                                   .out_height = s->out_height,
                                   .out_width = s->out_width};
    u.images = columns / u.pixels > 0 ? columns / u.pixels : 1;
    u.images = u.images < u.batch ? u.images : u.batch;
    *out = u;
}

/* Outputs in rows as long as the input's: what a tap sees of a plane is the plane moved. */
static bool is_moved(const struct covey_layer *l)
{
    return l->stride[0] == 1 && l->stride[1] == 1 && l->out_width == l->width;
}

/* Zeros into count columns from `first` on of rows of the tap. */
static void clear_columns(const struct covey_layer *l, size_t first, size_t count, float *out)
{
    for (size_t y = 0; y < l->out_height && count > 0; y++) {
        for (size_t x = 0; x < count; x++) {
            out[y * l->out_width + first + x] = 0;
        }
    }
}

/* out [out_height out_width]: plane moved up and left, zeros where it ends. */
static void move_plane(const struct covey_layer *l, const float *plane, int64_t up, int64_t left,
                       float *out)
{
    int64_t width = l->width, height = l->height, rows = l->out_height;
    int64_t first = up < 0 ? -up : 0, last = height - up < rows ? height - up : rows;
    if (first >= last || left >= width || -left >= width) {
        memset(out, 0, (size_t)(rows * width) * sizeof(float));
        return;
    }
    int64_t from = first * width, to = last * width, move = up * width + left;
    from = from + move < 0 ? -move : from;
    to = to + move > height * width ? height * width - move : to;
    memset(out, 0, (size_t)from * sizeof(float));
    memcpy(out + from, plane + from + move, (size_t)(to - from) * sizeof(float));
    memset(out + to, 0, (size_t)(rows * width - to) * sizeof(float));
    clear_columns(l, 0, left < 0 ? (size_t)-left : 0, out);
    clear_columns(l, (size_t)(left > 0 ? width - left : 0), left > 0 ? (size_t)left : 0, out);
}

void covey__unrolled_fill(const struct covey__unrolled *u, const struct covey__unrolled_part *part,
                          float *out)
{
    size_t image = u->layer.channels * u->plane, columns = part->images * u->pixels;
    const float *x = part->x + part->image * image + part->channel * u->plane;
    struct covey_layer l = u->layer;
    l.channels = (uint32_t)part->channels;
    if (!is_moved(&l)) {
        covey__im2col(&l, image, x, 0, columns, out);
        return;
    }
    size_t taps = (size_t)l.kernel[0] * l.kernel[1];
    for (size_t i = 0; i < part->channels * taps; i++) {
        size_t tap = i % taps;
        int64_t up = (int64_t)(tap / l.kernel[1] * l.dilation[0]) - l.pads[0];
        int64_t left = (int64_t)(tap % l.kernel[1] * l.dilation[1]) - l.pads[1];
        for (size_t j = 0; j < part->images; j++) {
            move_plane(&l, x + j * image + i / taps * u->plane, up, left,
                       out + i * columns + j * u->pixels);
        }
    }
}

const float *covey__unrolled_gather(const struct covey__unrolled *u, const float *from,
                                    size_t count, float *room)
{
    if (count == 1) {
        return from;
    }
    for (size_t image = 0; image < count; image++) {
        for (size_t m = 0; m < u->m; m++, from += u->pixels) {
            memcpy(room + (m * count + image) * u->pixels, from, u->pixels * sizeof(float));
        }
    }
    return room;
}

void covey__unrolled_scatter(const struct covey__unrolled *u, const float *from, size_t count,
                             float *to)
{
    for (size_t image = 0; image < count; image++) {
        for (size_t m = 0; m < u->m; m++, to += u->pixels) {
            memcpy(to, from + (m * count + image) * u->pixels, u->pixels * sizeof(float));
        }
    }
}
