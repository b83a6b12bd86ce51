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

void covey__unrolled_fill(const struct covey__unrolled *u, const float *x, const size_t range[2],
                          float *out)
{
    size_t image = u->layer.channels * u->plane;
    covey__im2col(&u->layer, image, x + range[0] * image, 0, range[1] * u->pixels, out);
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
