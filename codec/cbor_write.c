/* SPDX-License-Identifier: MIT */
#include "covey/cbor.h"

#include <cbor.h>
#include <float.h>
#include <math.h>

#include "cbor_item.h"

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

/* libcbor rounds what a half cannot hold, and wraps what is too large: read it back to know. */
static size_t encode_exact_half(float v, uint8_t out[static COVEY__CBOR_HEAD_MAX])
{
    struct covey__cbor_item item;
    size_t len = cbor_encode_half(v, out, COVEY__CBOR_HEAD_MAX);
    if (covey__cbor_item_read(covey_bytes_of(out, len), &item) != COVEY_OK) {
        return 0;
    }
    double back = item.number;
    bool same = back == (double)v && (signbit(back) != 0) == (signbit(v) != 0);
    return same || isnan(v) ? len : 0;
}

size_t covey__cbor_float_encode(double v, uint8_t out[static COVEY__CBOR_HEAD_MAX])
{
    bool in_range = !isfinite(v) || fabs(v) <= (double)FLT_MAX;
    if (isnan(v)) {
        return cbor_encode_half(NAN, out, COVEY__CBOR_HEAD_MAX);
    }
    if (!in_range || (double)(float)v != v) {
        return cbor_encode_double(v, out, COVEY__CBOR_HEAD_MAX);
    }
    size_t len = encode_exact_half((float)v, out);
    return len != 0 ? len : cbor_encode_single((float)v, out, COVEY__CBOR_HEAD_MAX);
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
