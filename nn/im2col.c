/* SPDX-License-Identifier: MIT */
#include "im2col.h"

struct span {
    size_t count;
    float *data;
};

/* Columns [first, first + count) of the unrolled matrix. */
struct strip {
    size_t first, count;
    float *data;
};

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* count pixels of one input row, from column x on, stride apart; zero outside [0, width). */
static void copy_row(const float *row, size_t width, int64_t x, uint32_t stride, struct span dst)
{
    size_t count = dst.count;
    if (stride == 1) {
        size_t left = x < 0 ? min_size((size_t)-x, count) : 0;
        int64_t avail = (int64_t)width - (x + (int64_t)left);
        size_t mid = avail > 0 ? min_size((size_t)avail, count - left) : 0;
        memset(dst.data, 0, left * sizeof(float));
        if (mid > 0) {
            memcpy(dst.data + left, row + (x + (int64_t)left), mid * sizeof(float));
        }
        memset(dst.data + left + mid, 0, (count - left - mid) * sizeof(float));
        return;
    }
    for (size_t i = 0; i < count; i++, x += stride) {
        dst.data[i] = x >= 0 && x < (int64_t)width ? row[x] : 0.0f;
    }
}

/* One row of the unrolled matrix: what one tap (channel, ky, kx) sees at each column. */
static void unroll_tap(const struct covey_layer *l, size_t image_stride, const float *plane,
                       const uint32_t tap[2], struct strip strip)
{
    size_t pixels = (size_t)l->out_height * l->out_width;
    size_t pos = strip.first, end = pos + strip.count;
    float *out = strip.data;
    while (pos < end) {
        size_t image = pos / pixels, oy = pos % pixels / l->out_width;
        size_t ox = pos % pixels % l->out_width;
        size_t count = min_size(l->out_width - ox, end - pos);
        int64_t y = (int64_t)oy * l->stride[0] - l->pads[0] + (int64_t)tap[0] * l->dilation[0];
        int64_t x = (int64_t)ox * l->stride[1] - l->pads[1] + (int64_t)tap[1] * l->dilation[1];
        if (y < 0 || y >= (int64_t)l->height) {
            memset(out, 0, count * sizeof(float));
        } else {
            struct span dst = {count, out};
            copy_row(plane + image * image_stride + (size_t)y * l->width, l->width, x, l->stride[1],
                     dst);
        }
        pos += count;
        out += count;
    }
}

void covey__im2col(const struct covey_layer *l, size_t image_stride, const float *in, size_t first,
                   size_t count, float *out)
{
    struct strip strip = {first, count, out};
    for (uint32_t c = 0; c < l->channels; c++) {
        const float *plane = in + (size_t)c * l->height * l->width;
        for (uint32_t ky = 0; ky < l->kernel[0]; ky++) {
            for (uint32_t kx = 0; kx < l->kernel[1]; kx++) {
                const uint32_t tap[2] = {ky, kx};
                unroll_tap(l, image_stride, plane, tap, strip);
                strip.data += count;
            }
        }
    }
}

bool covey__conv_pointwise(const struct covey_layer *l)
{
    return l->kernel[0] == 1 && l->kernel[1] == 1 && l->stride[0] == 1 && l->stride[1] == 1 &&
           l->pads[0] == 0 && l->pads[1] == 0 && l->pads[2] == 0 && l->pads[3] == 0;
}
