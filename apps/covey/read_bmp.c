/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <stdlib.h>

/* BMP as Windows has it: a file header of 14 bytes, an information header of 40 or more, a palette
 * of 4 bytes each, then rows from the bottom up (from the top if the height is negative), each
 * filled up to 4 bytes; all little-endian. Not compressed only: that is what is met. */
enum {
    FILE_HEADER = 14,
    INFO_MIN = 40,
    INFO_MAX = 124,
    NOT_COMPRESSED = 0,
    PALETTE_MAX = 256,
};

struct bmp {
    size_t width, height, depth, colours;
    size_t palette, pixels, stride; /* where they start in the file; bytes of a row */
    bool down;
};

bool covey__is_bmp(struct covey_bytes in)
{
    return in.len >= FILE_HEADER + INFO_MIN && in.ptr[0] == 'B' && in.ptr[1] == 'M';
}

static covey_err read_header(struct covey_bytes in, struct bmp *out, struct covey_nn_error *why)
{
    struct bmp b = {0};
    const uint8_t *info = in.ptr + FILE_HEADER;
    size_t info_len = covey_load32(info);
    int64_t height = (int32_t)covey_load32(info + 8);
    b.width = covey_load32(info + 4);
    b.down = height < 0;
    b.height = (size_t)(height < 0 ? -height : height);
    b.depth = covey_load16(info + 14);
    b.colours = covey_load32(info + 32);
    b.pixels = covey_load32(in.ptr + 10);
    b.palette = FILE_HEADER + info_len;
    if (info_len < INFO_MIN || info_len > INFO_MAX) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "BMP: a header of %zu bytes", info_len);
    }
    if ((b.depth != 8 && b.depth != 24 && b.depth != 32) ||
        covey_load32(info + 16) != NOT_COMPRESSED) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why,
                          "BMP: only 8, 24 and 32 bits a pixel, not compressed");
    }
    covey_err err = covey__check_picture(b.width, b.height, why);
    if (err) {
        return err;
    }
    b.colours = b.depth > 8 ? 0 : b.colours == 0 ? PALETTE_MAX : b.colours;
    b.stride = (b.width * b.depth / 8 + 3) / 4 * 4;
    if (b.colours > PALETTE_MAX || b.pixels < b.palette + 4 * b.colours || b.pixels > in.len ||
        in.len - b.pixels < b.stride * b.height) {
        return covey__why(COVEY_ERR_SHORT, why, "BMP: %zu bytes do not hold %zu x %zu pixels",
                          in.len, b.width, b.height);
    }
    *out = b;
    return COVEY_OK;
}

/* Blue, green and red of a pixel; false: its index is beyond the palette. */
static bool find_colour(struct covey_bytes in, const struct bmp *b, const uint8_t *pixel,
                        const uint8_t **out)
{
    *out = pixel;
    if (b->depth == 8) {
        *out = in.ptr + b->palette + 4 * (size_t)*pixel;
        return *pixel < b->colours;
    }
    return true;
}

static bool is_gray_palette(struct covey_bytes in, const struct bmp *b)
{
    bool gray = b->depth == 8;
    for (size_t i = 0; i < b->colours && gray; i++) {
        const uint8_t *c = in.ptr + b->palette + 4 * i;
        gray = c[0] == c[1] && c[1] == c[2];
    }
    return gray;
}

covey_err covey__decode_bmp(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why)
{
    struct bmp b = {0};
    if (!covey__is_bmp(in)) {
        return covey__why(COVEY_ERR_MALFORMED, why, "it is not a BMP picture");
    }
    covey_err err = read_header(in, &b, why);
    if (err) {
        return err;
    }
    size_t channels = is_gray_palette(in, &b) ? 1 : 3;
    size_t plane = b.width * b.height;
    float *data = malloc(plane * channels * sizeof *data);
    if (!data) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    for (size_t i = 0; i < plane; i++) {
        size_t row = b.down ? i / b.width : b.height - 1 - i / b.width;
        const uint8_t *pixel = in.ptr + b.pixels + row * b.stride + i % b.width * (b.depth / 8);
        const uint8_t *colour = NULL;
        if (!find_colour(in, &b, pixel, &colour)) {
            free(data);
            return covey__why(COVEY_ERR_RANGE, why, "BMP: a pixel is beyond its palette");
        }
        for (size_t c = 0; c < channels; c++) {
            data[c * plane + i] = (float)colour[2 - c];
        }
    }
    out->shape =
        (struct covey_shape){3, {(uint32_t)channels, (uint32_t)b.height, (uint32_t)b.width}};
    out->data = data;
    return COVEY_OK;
}
