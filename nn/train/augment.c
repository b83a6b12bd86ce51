/* SPDX-License-Identifier: MIT */
#include "covey/augment.h"

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): every bit of z changes about half of the
 * result's. */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t covey_augment_draw(uint64_t seed, uint64_t round, uint64_t index)
{
    return mix(mix(mix(seed) ^ round) ^ index);
}

/* floor(n x / 2^32) with x the upper half of the draw: in [0, n), n below 2^32. */
static uint32_t below(uint64_t draw, uint32_t n)
{
    return (uint32_t)((draw >> 32) * n >> 32);
}

/* Uniform in [-most, most]. */
static int64_t move_of(uint64_t draw, uint32_t most)
{
    return (int64_t)below(draw, 2 * most + 1) - (int64_t)most;
}

/* Mirrored at the first and the last of n, which are not repeated: period 2 (n - 1). */
static int64_t mirror(int64_t i, int64_t n)
{
    if (i >= 0 && i < n) {
        return i;
    }
    if (n == 1) {
        return 0;
    }
    int64_t period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}

/* How one side of a picture is read. */
struct side {
    int64_t count, shift, crop;
    bool flip;
};

/* The place that is read for place i, or -1 where a zero comes in. */
static int64_t source(const struct side *s, int64_t i)
{
    i += s->shift;
    if (i < 0 || i >= s->count) {
        return -1;
    }
    i = mirror(i + s->crop, s->count);
    return s->flip ? s->count - 1 - i : i;
}

/* An affine map of the picture onto itself: what is read for place (y, x). */
struct warp {
    float yy, yx, xy, xx, y0, x0;
};

/* Uniform in [-1, 1). */
static float share(uint64_t draw)
{
    return (float)(int32_t)(draw >> 40) * 0x1p-23f - 1.0f;
}

/* (1 + A) (p - centre) + centre + b with every element of A within w, of b within w side / 2. */
static struct warp draw_warp(uint64_t draw, float w, const uint32_t size[static 3])
{
    float cy = (float)(size[1] - 1) * 0.5f, cx = (float)(size[2] - 1) * 0.5f;
    struct warp a = {.yy = 1.0f + w * share(mix(draw ^ 6)),
                     .yx = w * share(mix(draw ^ 7)),
                     .xy = w * share(mix(draw ^ 8)),
                     .xx = 1.0f + w * share(mix(draw ^ 9))};
    a.y0 = cy - a.yy * cy - a.yx * cx + w * share(mix(draw ^ 10)) * (float)size[1] * 0.5f;
    a.x0 = cx - a.xy * cy - a.xx * cx + w * share(mix(draw ^ 11)) * (float)size[2] * 0.5f;
    return a;
}

static float pixel(const float *plane, const uint32_t size[static 3], int64_t y, int64_t x)
{
    bool inside = y >= 0 && x >= 0 && y < size[1] && x < size[2];
    return inside ? plane[(size_t)y * size[2] + (size_t)x] : 0.0f;
}

/* The integer below; coordinates are small. */
static int32_t below_of(float v)
{
    int32_t i = (int32_t)v;
    return i - ((float)i > v);
}

/* Bilinear between four pixels; beyond the picture there are zeros. */
static float between(const float *plane, const uint32_t size[static 3], float y, float x)
{
    int32_t iy = below_of(y), ix = below_of(x);
    int32_t rows = (int32_t)size[1], columns = (int32_t)size[2];
    float dy = y - (float)iy, dx = x - (float)ix, corner[4];
    if (iy >= 0 && ix >= 0 && iy + 1 < rows && ix + 1 < columns) {
        const float *at = plane + (size_t)iy * size[2] + (size_t)ix;
        corner[0] = at[0];
        corner[1] = at[1];
        corner[2] = at[columns];
        corner[3] = at[columns + 1];
    } else {
        for (int32_t i = 0; i < 4; i++) {
            corner[i] = pixel(plane, size, iy + i / 2, ix + i % 2);
        }
    }
    float top = corner[0] * (1.0f - dx) + corner[1] * dx;
    float low = corner[2] * (1.0f - dx) + corner[3] * dx;
    return top * (1.0f - dy) + low * dy;
}

/* All that is drawn for one picture. */
struct change {
    struct side rows, columns;
    struct warp warp;
};

static void apply_warped(const struct change *c, const uint32_t size[static 3], const float *plane,
                         float *out)
{
    const struct warp *w = &c->warp;
    for (uint32_t row = 0; row < size[1]; row++, out += size[2]) {
        int64_t y = source(&c->rows, row);
        float y_of_y = w->yy * (float)y + w->y0, x_of_y = w->xy * (float)y + w->x0;
        for (uint32_t column = 0; column < size[2]; column++) {
            int64_t x = source(&c->columns, column);
            out[column] = y < 0 || x < 0 ? 0.0f
                                         : between(plane, size, y_of_y + w->yx * (float)x,
                                                   x_of_y + w->xx * (float)x);
        }
    }
}

static void fill_row(const struct side *s, const float *in, float *out)
{
    for (int64_t x = 0; x < s->count; x++) {
        int64_t from = source(s, x);
        out[x] = from < 0 ? 0.0f : in[from];
    }
}

static void apply_moved(const struct change *c, const uint32_t size[static 3], const float *plane,
                        float *out)
{
    for (uint32_t y = 0; y < size[1]; y++, out += size[2]) {
        int64_t from = source(&c->rows, y);
        if (from < 0) {
            memset(out, 0, size[2] * sizeof(*out));
        } else {
            fill_row(&c->columns, plane + (size_t)from * size[2], out);
        }
    }
}

void covey_augment_apply(const struct covey_augment *a, const uint32_t size[static 3],
                         uint64_t draw, const float *in, float *out)
{
    COVEY_ASSERT(a->shift <= COVEY_AUGMENT_MOVE_MAX && a->crop <= COVEY_AUGMENT_MOVE_MAX);
    COVEY_ASSERT(a->warp >= 0.0f && a->warp <= 1.0f);
    struct change c = {
        .rows = {size[1], move_of(mix(draw ^ 1), a->shift), move_of(mix(draw ^ 2), a->crop), false},
        .columns = {size[2], move_of(mix(draw ^ 3), a->shift), move_of(mix(draw ^ 4), a->crop),
                    a->flip && mix(draw ^ 5) >> 63 != 0},
        .warp = draw_warp(draw, a->warp, size),
    };
    size_t plane = (size_t)size[1] * size[2];
    for (uint32_t i = 0; i < size[0]; i++) {
        (a->warp > 0.0f ? apply_warped : apply_moved)(&c, size, in + i * plane, out + i * plane);
    }
}

/* Fisher and Yates, Durstenfeld's form. */
void covey_augment_order(uint64_t seed, uint64_t round, uint32_t *out, size_t count)
{
    COVEY_ASSERT(count <= UINT32_MAX);
    for (size_t i = 0; i < count; i++) {
        out[i] = (uint32_t)i;
    }
    for (size_t i = count; i > 1; i--) {
        uint32_t j = below(covey_augment_draw(seed, round, i), (uint32_t)i);
        uint32_t kept = out[i - 1];
        out[i - 1] = out[j];
        out[j] = kept;
    }
}
