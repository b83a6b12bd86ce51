/* SPDX-License-Identifier: MIT */
#include "check_exact.h"

#include "covey/exact.h"

#include <string.h>

/* Two primes 2^31 - t: no difference of two int32 but zero is a multiple of both. Numbers along a
 * row of pixels are short, so that sums of them times int32 fit 64 bits; so do those of ROWS
 * numbers below a prime times weights. */
enum { VECTORS = 2, ROW_BITS = 24, ROW_TERMS = 128, ROWS = 4096, COLUMNS = 1024 };
_Static_assert(COVEY_EXACT_WEIGHT_MAX < 1 << 12, "ROWS x 2^31 x 2^12 < 2^63");
static const uint32_t below[VECTORS] = {1, 19};
#define PRIME(v) ((UINT32_C(1) << 31) - below[v])

/* modulo 2^31 - t: 2^31 is t there */
static uint32_t reduce(uint64_t x, unsigned v)
{
    const uint64_t mask = (UINT64_C(1) << 31) - 1;
    for (unsigned i = 0; i < 3; i++) { /* below 2^38, then 2^31 + 2^12, then 2^31 */
        x = (x & mask) + below[v] * (x >> 31);
    }
    return (uint32_t)(x >= PRIME(v) ? x - PRIME(v) : x);
}

static uint32_t reduce_signed(int64_t x, unsigned v)
{
    uint32_t r = reduce(x < 0 ? 0 - (uint64_t)x : (uint64_t)x, v);
    return x < 0 && r != 0 ? PRIME(v) - r : r;
}

/* a b + c, all below the prime */
static uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, unsigned v)
{
    return reduce((uint64_t)a * b + c, v);
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t state)
{
    uint64_t z = state + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Vector v's number in the place where check.h has the random float s. */
static uint32_t secret_of(float s, unsigned v)
{
    uint32_t bits;
    memcpy(&bits, &s, sizeof(bits));
    return reduce(mix((uint64_t)v << 32 | bits), v);
}

size_t covey__check_exact_numbers(const struct covey_layer *l)
{
    return (size_t)VECTORS * l->k + 1; /* the last: the largest sum of a row's magnitudes */
}

static uint32_t larger(uint64_t a, uint32_t b)
{
    return a > b ? (a < UINT32_MAX ? (uint32_t)a : UINT32_MAX) : b;
}

/* A block of W: c += s' W, without a remainder for each number. */
struct block {
    const float *s, *w; /* its first row's */
    size_t rows, columns;
};

/* NEON multiplies 32 bits by 32 and adds 64, but has no product of 64 bits; SSE2 is slower at both
 * than one such product at a time. */
#if defined(__x86_64__)
typedef int64_t factor;
#else
typedef int32_t factor;
#endif

static void add_block(const struct covey_layer *l, const struct block *b, unsigned v, uint32_t *c)
{
    int64_t sum[COLUMNS] = {0};
    for (size_t row = 0; row < b->rows; row++) {
        const float *w = b->w + row * l->k;
        factor secret = (factor)secret_of(b->s[row], v); /* below 2^31 */
        for (size_t k = 0; k < b->columns; k++) {
            sum[k] += (int64_t)secret * (int32_t)w[k];
        }
    }
    for (size_t k = 0; k < b->columns; k++) {
        c[k] = reduce((uint64_t)c[k] + reduce_signed(sum[k], v), v);
    }
}

static uint64_t magnitude(const float *w, size_t count)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        int32_t one = (int32_t)w[k];
        sum += (uint32_t)(one < 0 ? -one : one);
    }
    return sum;
}

void covey__check_exact_add(const struct covey_layer *l, const float *s, const float *unit,
                            uint32_t *c)
{
    uint32_t *most = &c[(size_t)VECTORS * l->k];
    size_t across = (l->k + COLUMNS - 1) / COLUMNS, down = (l->unit_rows + ROWS - 1) / ROWS;
    for (size_t i = 0; i < across * down; i++) {
        size_t row = i / across * ROWS, k = i % across * COLUMNS;
        struct block b = {s + row, unit + row * l->k + k, l->unit_rows - row, l->k - k};
        b.rows = b.rows < ROWS ? b.rows : ROWS;
        b.columns = b.columns < COLUMNS ? b.columns : COLUMNS;
        for (unsigned v = 0; v < VECTORS; v++) {
            add_block(l, &b, v, c + v * (size_t)l->k + k);
        }
    }
    for (size_t row = 0; row < l->unit_rows; row++) {
        *most = larger(magnitude(unit + row * l->k, l->k), *most);
    }
}

void covey__check_exact_join(const struct covey_layer *l, const uint32_t *more, uint32_t *c)
{
    for (size_t i = 0; i < (size_t)VECTORS * l->k; i++) {
        unsigned v = i < l->k ? 0 : 1;
        c[i] = reduce((uint64_t)c[i] + more[i], v);
    }
    c[(size_t)VECTORS * l->k] = larger(more[(size_t)VECTORS * l->k], c[(size_t)VECTORS * l->k]);
}

/* r is down[image][y] across[x]; product is X r. Of one vector at a time. */
struct room {
    uint32_t *across;  /* [out_width] */
    uint32_t *down;    /* [batch out_height] */
    uint32_t *shrunk;  /* [batch height], of one channel and column of the kernel */
    uint32_t *product; /* [k] */
    uint32_t below;    /* 2^31 times the sum of across */
};

static size_t carve(const struct covey_layer *l, uint32_t *base, struct room *out)
{
    const size_t sizes[] = {l->out_width, (size_t)l->batch * l->out_height,
                            (size_t)l->batch * l->height, l->k};
    uint32_t **const places[] = {&out->across, &out->down, &out->shrunk, &out->product};
    size_t total = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        *places[i] = base != NULL ? base + total : NULL;
        total += sizes[i];
    }
    return total;
}

size_t covey__check_exact_scratch(const struct covey_layer *l)
{
    struct room room;
    return carve(l, NULL, &room) * sizeof(uint32_t);
}

static void draw(const struct covey_layer *l, uint64_t seed, unsigned v, struct room *r)
{
    size_t images = (size_t)l->batch * l->out_height;
    uint64_t sum = 0;
    for (size_t i = 0; i < l->out_width; i++) {
        r->across[i] = (uint32_t)(mix(seed + 2 * i) >> (64 - ROW_BITS));
        sum += r->across[i];
    }
    r->below = multiply_add(reduce(sum, v), reduce(UINT64_C(1) << 31, v), 0, v);
    for (size_t i = 0; i < images; i++) {
        r->down[i] = reduce(mix(~(seed + 2 * i)), v);
    }
}

/* The output columns [first, last) whose tap lies within a row of the input. */
struct tap {
    size_t kx, first, last;
};

static struct tap reached(const struct covey_layer *l, size_t kx)
{
    size_t at = kx * l->dilation[1], pad = l->pads[1], stride = l->stride[1];
    size_t first = at < pad ? (pad - at + stride - 1) / stride : 0;
    size_t end = l->width + pad; /* the first tap place behind the row */
    size_t last = end > at ? (end - at + stride - 1) / stride : 0;
    last = last < l->out_width ? last : l->out_width;
    return (struct tap){kx, first < last ? first : last, last};
}

/* sum_x across[x] row[x stride + kx dilation - pad]: of bytes, so the sums fit */
static uint32_t shrink_row(const struct covey_layer *l, const float *row, const struct tap *tap,
                           const struct room *r, unsigned v)
{
    int64_t sum = 0;
    size_t at = tap->first * l->stride[1] + tap->kx * l->dilation[1] - l->pads[1];
    for (size_t x = tap->first; x < tap->last; x++, at += l->stride[1]) {
        sum += (int64_t)r->across[x] * (int32_t)row[at];
    }
    return reduce_signed(sum, v);
}

/* sum over images and y of down[image][y] shrunk[image][y stride + ky dilation - pad] */
static uint32_t shrink_column(const struct covey_layer *l, size_t ky, const struct room *r,
                              unsigned v)
{
    uint32_t sum = 0;
    for (size_t image = 0; image < l->batch; image++) {
        for (size_t y = 0; y < l->out_height; y++) {
            size_t at = y * l->stride[0] + ky * l->dilation[0];
            if (at >= l->pads[0] && at - l->pads[0] < l->height) {
                uint32_t x = r->shrunk[image * l->height + at - l->pads[0]];
                sum = multiply_add(r->down[image * l->out_height + y], x, sum, v);
            }
        }
    }
    return sum;
}

/* Rows of all images of a channel. */
static void project(const struct covey_layer *l, const float *channel, const struct tap *tap,
                    const struct room *r, unsigned v)
{
    size_t image_floats = (size_t)l->channels * l->height * l->width;
    for (size_t image = 0; image < l->batch; image++) {
        const float *from = channel + image * image_floats;
        for (size_t y = 0; y < l->height; y++) {
            r->shrunk[image * l->height + y] = shrink_row(l, from + y * l->width, tap, r, v);
        }
    }
}

/* X r, rows of the input first. */
static void project_all(const struct covey_layer *l, const float *input, const struct room *r,
                        unsigned v)
{
    size_t plane = (size_t)l->height * l->width, taps = (size_t)l->kernel[0] * l->kernel[1];
    for (size_t kx = 0; kx < l->kernel[1]; kx++) {
        struct tap tap = reached(l, kx);
        for (size_t channel = 0; channel < l->channels; channel++) {
            project(l, input + channel * plane, &tap, r, v);
            for (size_t ky = 0; ky < l->kernel[0]; ky++) {
                r->product[channel * taps + ky * l->kernel[1] + kx] = shrink_column(l, ky, r, v);
            }
        }
    }
}

/* sum_x across[x] y[x] of any int32: 2^31 is added to each, which makes them unsigned */
static uint32_t answer_row(const int32_t *y, size_t count, const struct room *r, unsigned v)
{
    uint64_t total = PRIME(v) - r->below;
    for (size_t first = 0; first < count; first += ROW_TERMS) {
        size_t last = count - first < ROW_TERMS ? count : first + ROW_TERMS;
        uint64_t sum = 0;
        for (size_t x = first; x < last; x++) {
            sum += (uint64_t)r->across[x] * ((uint32_t)y[x] ^ UINT32_C(0x80000000));
        }
        total += reduce(sum, v);
    }
    return reduce(total, v);
}

/* s' Y r */
static uint32_t left_side(const struct covey_layer *l, const struct covey_check_answer *a,
                          const struct room *r, unsigned v)
{
    const int32_t *y = (const int32_t *)(const void *)a->answer;
    size_t lines = (size_t)l->batch * l->out_height;
    uint32_t sum = 0;
    for (size_t row = 0; row < a->slots * l->unit_rows; row++) {
        uint32_t of_row = 0;
        for (size_t line = 0; line < lines; line++) {
            uint32_t x = answer_row(y + (row * lines + line) * l->out_width, l->out_width, r, v);
            of_row = multiply_add(r->down[line], x, of_row, v);
        }
        sum = multiply_add(secret_of(a->s[row], v), of_row, sum, v);
    }
    return sum;
}

/* c X r: the halves of the products are added apart, without a remainder for each */
static uint32_t right_side(const struct covey_layer *l, const struct covey_check_answer *a,
                           const struct room *r, unsigned v)
{
    const uint32_t *c = (const uint32_t *)(const void *)a->c + v * (size_t)l->k;
    uint64_t low = 0, high = 0;
    for (size_t k = 0; k < l->k; k++) {
        uint64_t product = (uint64_t)c[k] * r->product[k];
        low += (uint32_t)product;
        high += product >> 32;
    }
    uint32_t carry = reduce(UINT64_C(1) << 32, v);
    return multiply_add(reduce(high, v), carry, reduce(low, v), v);
}

static uint64_t largest(const struct covey_layer *l, const float *input)
{
    size_t count = covey_layer_input_floats(l);
    int32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t one = (int32_t)input[i];
        one = one < 0 ? -one : one;
        most = one > most ? one : most;
    }
    return (uint64_t)most;
}

void covey__check_exact(const struct covey_layer *l, const float *input, uint64_t seed,
                        struct covey_check_answer *answers, size_t count, void *scratch)
{
    struct room room;
    carve(l, scratch, &room);
    uint64_t most = largest(l, input);
    for (size_t i = 0; i < count; i++) {
        answers[i].wrong = false;
    }
    for (unsigned v = 0; v < VECTORS; v++) {
        draw(l, mix(seed + v), v, &room);
        project_all(l, input, &room, v);
        for (size_t i = 0; i < count; i++) {
            struct covey_check_answer *a = &answers[i];
            uint32_t row = a->answer != NULL ? ((const uint32_t *)(const void *)a->c)[2 * l->k] : 0;
            if (a->answer != NULL && row * most <= INT32_MAX && !a->wrong) {
                a->wrong = left_side(l, a, &room, v) != right_side(l, a, &room, v);
            }
        }
    }
}
