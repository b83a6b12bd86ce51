/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <stdlib.h>

/* PGM and PPM of Netpbm: P2 and P3 have their values as text, P5 and P6 as bytes. */

enum { VALUE_MAX = 65535, DIGITS_MAX = 6 };

struct pnm {
    size_t width, height, largest, channels;
    bool plain;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

bool covey__is_pnm(struct covey_bytes in)
{
    return in.len >= 3 && in.ptr[0] == 'P' && memchr("2356", in.ptr[1], 4) != NULL &&
           is_space(in.ptr[2]);
}

/* Takes a number, after white space and comments. */
static bool take_number(struct covey_bytes *in, size_t *out)
{
    size_t i = 0, digits = 0;
    for (bool comment = false;
         i < in->len && (comment || in->ptr[i] == '#' || is_space(in->ptr[i])); i++) {
        comment = in->ptr[i] != '\n' && (comment || in->ptr[i] == '#');
    }
    *out = 0;
    for (; i < in->len && in->ptr[i] >= '0' && in->ptr[i] <= '9' && digits < DIGITS_MAX; i++) {
        *out = *out * 10 + (size_t)(in->ptr[i] - '0');
        digits++;
    }
    *in = covey_bytes_of(in->ptr + i, in->len - i);
    return digits > 0;
}

static covey_err take_header(struct covey_bytes *in, struct pnm *out, struct covey_nn_error *why)
{
    out->channels = in->ptr[1] == '3' || in->ptr[1] == '6' ? 3 : 1;
    out->plain = in->ptr[1] == '2' || in->ptr[1] == '3';
    *in = covey_bytes_of(in->ptr + 2, in->len - 2);
    if (!take_number(in, &out->width) || !take_number(in, &out->height) ||
        !take_number(in, &out->largest) || in->len == 0 || !is_space(in->ptr[0])) {
        return covey__why(COVEY_ERR_MALFORMED, why, "its PGM or PPM header is malformed");
    }
    *in = covey_bytes_of(in->ptr + 1, in->len - 1); /* the one white space behind it */
    covey_err err = covey__check_picture(out->width, out->height, why);
    if (err == COVEY_OK && (out->largest < 1 || out->largest > VALUE_MAX)) {
        err = covey__why(COVEY_ERR_MALFORMED, why, "its largest value is %zu", out->largest);
    }
    return err;
}

/* The next value of its pixels. */
static bool take_value(const struct pnm *p, struct covey_bytes *in, size_t *out)
{
    if (p->plain) {
        return take_number(in, out) && *out <= p->largest &&
               (in->len == 0 || is_space(in->ptr[0]) || in->ptr[0] == '#');
    }
    size_t wide = p->largest > 255 ? 2 : 1;
    *out = wide == 2 ? (size_t)in->ptr[0] << 8 | in->ptr[1] : in->ptr[0];
    *in = covey_bytes_of(in->ptr + wide, in->len - wide);
    return true;
}

covey_err covey__decode_pnm(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why)
{
    struct pnm p;
    if (!covey__is_pnm(in)) {
        return covey__why(COVEY_ERR_UNSUPPORTED, why, "it is not a PGM or PPM picture");
    }
    covey_err err = take_header(&in, &p, why);
    if (err != COVEY_OK) {
        return err;
    }
    size_t pixels = p.width * p.height, values = pixels * p.channels;
    /* As text a value has a digit, and a space in front of the next one. */
    size_t least = p.plain ? 2 * values - 1 : values * (p.largest > 255 ? 2 : 1);
    if (in.len < least) {
        return covey__why(COVEY_ERR_SHORT, why, "%zu bytes of pixels, %zu x %zu need %zu", in.len,
                          p.width, p.height, least);
    }
    float *data = malloc(values * sizeof *data);
    if (data == NULL) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    float scale = 255.0f / (float)p.largest;
    for (size_t i = 0; i < values; i++) {
        size_t value = 0;
        if (!take_value(&p, &in, &value)) {
            free(data);
            return covey__why(COVEY_ERR_MALFORMED, why,
                              "value %zu of its %zu is none, or above %zu", i + 1, values,
                              p.largest);
        }
        data[i % p.channels * pixels + i / p.channels] =
            p.largest == 255 ? (float)value : (float)value * scale;
    }
    out->shape =
        (struct covey_shape){3, {(uint32_t)p.channels, (uint32_t)p.height, (uint32_t)p.width}};
    out->data = data;
    return COVEY_OK;
}
