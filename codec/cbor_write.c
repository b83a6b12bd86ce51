/* SPDX-License-Identifier: MIT */
#include "covey/cbor.h"

#include <cbor.h>
#include <float.h>
#include <math.h>

#include "cbor_item.h"

/* IEEE 754 binary16: exponents of normal numbers, and of the smallest subnormal one. */
enum {
    HALF_EXPONENT_MAX = 15,
    HALF_EXPONENT_MIN = -14,
    HALF_SUBNORMAL_MIN = -24,
    HALF_INFINITY = 0x7c00,
    HALF_NAN = 0x7e00,
    HALF_HEAD = 0xf9,
};

static void put(struct covey_cbor_writer *w, const uint8_t *src, size_t len)
{
    if (w->err != COVEY_OK || len == 0) {
        return;
    }
    if (len > w->cap - w->pos) {
        w->err = w->ptr == NULL ? COVEY_ERR_LIMIT : COVEY_ERR_SPACE;
        return;
    }
    if (w->ptr != NULL) {
        memcpy(w->ptr + w->pos, src, len);
    }
    w->pos += len;
}

void covey_cbor_writer_init(struct covey_cbor_writer *w, struct covey_buf out)
{
    struct covey_cbor_writer fresh = {.ptr = out.ptr, .cap = out.ptr == NULL ? SIZE_MAX : out.len};
    *w = fresh;
}

void covey_cbor_put_uint(struct covey_cbor_writer *w, uint64_t v)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_uint(v, head, sizeof(head)));
}

void covey_cbor_put_int(struct covey_cbor_writer *w, int64_t v)
{
    if (v >= 0) {
        covey_cbor_put_uint(w, (uint64_t)v);
        return;
    }
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_negint((uint64_t)(-1 - v), head, sizeof(head)));
}

void covey_cbor_put_bool(struct covey_cbor_writer *w, bool v)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_bool(v, head, sizeof(head)));
}

void covey_cbor_put_null(struct covey_cbor_writer *w)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_null(head, sizeof(head)));
}

/* The bits of v in half precision, if it is there exactly (v is not a NaN). libcbor 0.8 is no help:
 * cbor_encode_half() loses bits of most subnormal numbers and wraps what is too large. */
static bool half_bits(float v, uint16_t *out)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    uint32_t sign = (bits >> 16) & 0x8000;
    int exponent = (int)((bits >> 23) & 0xff) - 127;
    uint32_t fraction = bits & 0x7fffff;
    if (v == 0.0F || isinf(v)) {
        *out = (uint16_t)(sign | (v == 0.0F ? 0 : HALF_INFINITY));
        return true;
    }
    if (exponent < HALF_SUBNORMAL_MIN || exponent > HALF_EXPONENT_MAX) {
        return false;
    }
    /* Below the normal range the leading one is written out and moves right with the exponent. */
    bool normal = exponent >= HALF_EXPONENT_MIN;
    uint32_t significand = normal ? fraction : fraction | 0x800000;
    unsigned dropped = normal ? 13 : (unsigned)(-1 - exponent);
    if ((significand & ((1U << dropped) - 1)) != 0) {
        return false;
    }
    uint32_t biased = normal ? (uint32_t)(exponent - HALF_EXPONENT_MIN + 1) : 0;
    *out = (uint16_t)(sign | biased << 10 | significand >> dropped);
    return true;
}

size_t covey__cbor_float_encode(double v, uint8_t out[static COVEY__CBOR_HEAD_MAX])
{
    uint16_t half = HALF_NAN;
    bool is_single = !isfinite(v) || (fabs(v) <= (double)FLT_MAX && (double)(float)v == v);
    if (!is_single) {
        return cbor_encode_double(v, out, COVEY__CBOR_HEAD_MAX);
    }
    if (!isnan(v) && !half_bits((float)v, &half)) {
        return cbor_encode_single((float)v, out, COVEY__CBOR_HEAD_MAX);
    }
    out[0] = HALF_HEAD;
    out[1] = (uint8_t)(half >> 8);
    out[2] = (uint8_t)half;
    return 3;
}

void covey_cbor_put_float(struct covey_cbor_writer *w, double v)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, covey__cbor_float_encode(v, head));
}

void covey_cbor_put_bytes(struct covey_cbor_writer *w, struct covey_bytes b)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_bytestring_start(b.len, head, sizeof(head)));
    put(w, b.ptr, b.len);
}

void covey_cbor_put_text(struct covey_cbor_writer *w, const char *s)
{
    covey_cbor_put_text_bytes(w, covey_bytes_of(s, strlen(s)));
}

void covey_cbor_put_text_bytes(struct covey_cbor_writer *w, struct covey_bytes text)
{
    if (w->err == COVEY_OK && !covey__utf8_valid(text)) {
        w->err = COVEY_ERR_MALFORMED;
        return;
    }
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_string_start(text.len, head, sizeof(head)));
    put(w, text.ptr, text.len);
}

void covey_cbor_put_array(struct covey_cbor_writer *w, size_t count)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_array_start(count, head, sizeof(head)));
}

void covey_cbor_put_map(struct covey_cbor_writer *w, size_t pairs)
{
    uint8_t head[COVEY__CBOR_HEAD_MAX];
    put(w, head, cbor_encode_map_start(pairs, head, sizeof(head)));
}

covey_err covey_cbor_writer_done(const struct covey_cbor_writer *w, size_t *out_len)
{
    if (w->err == COVEY_OK) {
        *out_len = w->pos;
    }
    return w->err;
}
