/* SPDX-License-Identifier: MIT */
#include "cbor_item.h"

#include <cbor.h>

enum {
    INFO_MASK = 0x1f,
    INFO_1_BYTE = 24,
    INFO_8_BYTES = 27,
    SIMPLE_NAMED_MIN = 20, /* false, true, null, undefined: libcbor has a callback for each */
    SIMPLE_1_BYTE_MIN = 32,
};

static void set(void *ctx, enum covey__cbor_kind kind, uint64_t arg)
{
    struct covey__cbor_item *item = ctx;
    item->kind = kind;
    item->arg = arg;
}

static void set_indefinite(void *ctx, enum covey__cbor_kind kind)
{
    struct covey__cbor_item *item = ctx;
    item->kind = kind;
    item->indefinite = true;
}

static void set_float(void *ctx, double v)
{
    struct covey__cbor_item *item = ctx;
    item->kind = COVEY__CBOR_FLOAT;
    item->number = v;
}

static void on_uint8(void *ctx, uint8_t v)
{
    set(ctx, COVEY__CBOR_UINT, v);
}

static void on_uint16(void *ctx, uint16_t v)
{
    set(ctx, COVEY__CBOR_UINT, v);
}

static void on_uint32(void *ctx, uint32_t v)
{
    set(ctx, COVEY__CBOR_UINT, v);
}

static void on_uint64(void *ctx, uint64_t v)
{
    set(ctx, COVEY__CBOR_UINT, v);
}

static void on_nint8(void *ctx, uint8_t v)
{
    set(ctx, COVEY__CBOR_NINT, v);
}

static void on_nint16(void *ctx, uint16_t v)
{
    set(ctx, COVEY__CBOR_NINT, v);
}

static void on_nint32(void *ctx, uint32_t v)
{
    set(ctx, COVEY__CBOR_NINT, v);
}

static void on_nint64(void *ctx, uint64_t v)
{
    set(ctx, COVEY__CBOR_NINT, v);
}

static void on_bytes(void *ctx, cbor_data body, size_t len)
{
    struct covey__cbor_item *item = ctx;
    set(item, COVEY__CBOR_BYTES, len);
    item->body = body;
}

static void on_text(void *ctx, cbor_data body, size_t len)
{
    struct covey__cbor_item *item = ctx;
    set(item, COVEY__CBOR_TEXT, len);
    item->body = body;
}

static void on_array(void *ctx, size_t count)
{
    set(ctx, COVEY__CBOR_ARRAY, count);
}

static void on_map(void *ctx, size_t pairs)
{
    set(ctx, COVEY__CBOR_MAP, pairs);
}

static void on_indefinite_bytes(void *ctx)
{
    set_indefinite(ctx, COVEY__CBOR_BYTES);
}

static void on_indefinite_text(void *ctx)
{
    set_indefinite(ctx, COVEY__CBOR_TEXT);
}

static void on_indefinite_array(void *ctx)
{
    set_indefinite(ctx, COVEY__CBOR_ARRAY);
}

static void on_indefinite_map(void *ctx)
{
    set_indefinite(ctx, COVEY__CBOR_MAP);
}

static void on_tag(void *ctx, uint64_t tag)
{
    set(ctx, COVEY__CBOR_TAG, tag);
}

static void on_float(void *ctx, float v)
{
    set_float(ctx, (double)v);
}

static void on_double(void *ctx, double v)
{
    set_float(ctx, v);
}

static void on_bool(void *ctx, bool v)
{
    set(ctx, COVEY__CBOR_SIMPLE, v ? CBOR_CTRL_TRUE : CBOR_CTRL_FALSE);
}

static void on_null(void *ctx)
{
    set(ctx, COVEY__CBOR_SIMPLE, CBOR_CTRL_NULL);
}

static void on_undefined(void *ctx)
{
    set(ctx, COVEY__CBOR_SIMPLE, CBOR_CTRL_UNDEF);
}

static void on_break(void *ctx)
{
    set(ctx, COVEY__CBOR_BREAK, 0);
}

static const struct cbor_callbacks item_callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint8 = on_nint8,
    .negint16 = on_nint16,
    .negint32 = on_nint32,
    .negint64 = on_nint64,
    .byte_string_start = on_indefinite_bytes,
    .byte_string = on_bytes,
    .string = on_text,
    .string_start = on_indefinite_text,
    .indef_array_start = on_indefinite_array,
    .array_start = on_array,
    .indef_map_start = on_indefinite_map,
    .map_start = on_map,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .undefined = on_undefined,
    .null = on_null,
    .boolean = on_bool,
    .indef_break = on_break,
};

/* libcbor refuses the tags and simple values to which nobody gave a meaning (0.8: tags 6 to 20 in
 * one byte, every simple value without a name); they are well-formed all the same. */
static bool is_unassigned(uint8_t initial)
{
    unsigned kind = initial >> 5;
    unsigned info = initial & INFO_MASK;
    return (kind == COVEY__CBOR_TAG && info < INFO_1_BYTE) ||
           (kind == COVEY__CBOR_SIMPLE && (info < SIMPLE_NAMED_MIN || info == INFO_1_BYTE));
}

static covey_err read_unassigned(struct covey_bytes in, struct covey__cbor_item *out)
{
    unsigned info = in.ptr[0] & INFO_MASK;
    set(out, (enum covey__cbor_kind)(in.ptr[0] >> 5), info);
    out->size = 1;
    if (info < INFO_1_BYTE) {
        return COVEY_OK;
    }
    if (in.len < 2) {
        return COVEY_ERR_SHORT;
    }
    /* RFC 8949 3.3: a two-byte sequence that starts with 0xf8 and continues with a byte less than
     * 0x20 is not well-formed. */
    if (in.ptr[1] < SIMPLE_1_BYTE_MIN) {
        return COVEY_ERR_MALFORMED;
    }
    out->arg = in.ptr[1];
    out->size = 2;
    return COVEY_OK;
}

/* libcbor hands lengths on as size_t, so where that has 32 bits a large one would come out small.
 */
static bool length_is_huge(struct covey_bytes in)
{
    unsigned kind = in.ptr[0] >> 5;
    if (kind < COVEY__CBOR_BYTES || kind > COVEY__CBOR_MAP || in.len < COVEY__CBOR_HEAD_MAX ||
        (in.ptr[0] & INFO_MASK) != INFO_8_BYTES) {
        return false;
    }
    return (in.ptr[1] | in.ptr[2] | in.ptr[3] | in.ptr[4]) != 0;
}

static covey_err read_item(struct covey_bytes in, struct covey__cbor_item *out)
{
    if (length_is_huge(in)) {
        return COVEY_ERR_SHORT;
    }
    struct cbor_decoder_result result = cbor_stream_decode(in.ptr, in.len, &item_callbacks, out);
    if (result.status == CBOR_DECODER_NEDATA) {
        return COVEY_ERR_SHORT;
    }
    if (result.status != CBOR_DECODER_FINISHED) {
        return COVEY_ERR_MALFORMED;
    }
    out->size = result.read;
    return COVEY_OK;
}

covey_err covey__cbor_item_read(struct covey_bytes in, struct covey__cbor_item *out)
{
    if (in.len == 0) {
        return COVEY_ERR_SHORT;
    }
    struct covey__cbor_item item = {0};
    covey_err err = is_unassigned(in.ptr[0]) ? read_unassigned(in, &item) : read_item(in, &item);
    if (err != COVEY_OK) {
        return err;
    }
    /* An item takes at least one byte, a pair two: no count is believed beyond that. */
    size_t left = in.len - item.size;
    if ((item.kind == COVEY__CBOR_ARRAY && item.arg > left) ||
        (item.kind == COVEY__CBOR_MAP && item.arg > left / 2)) {
        return COVEY_ERR_SHORT;
    }
    *out = item;
    return COVEY_OK;
}

static size_t head_len(uint64_t arg)
{
    if (arg < INFO_1_BYTE) {
        return 1;
    }
    if (arg <= UINT8_MAX) {
        return 2;
    }
    if (arg <= UINT16_MAX) {
        return 3;
    }
    return arg <= UINT32_MAX ? 5 : COVEY__CBOR_HEAD_MAX;
}

bool covey__cbor_item_is_shortest(const struct covey__cbor_item *item, const uint8_t *head)
{
    if (item->indefinite) {
        return false;
    }
    if (item->kind == COVEY__CBOR_FLOAT) {
        uint8_t shortest[COVEY__CBOR_HEAD_MAX];
        size_t len = covey__cbor_float_encode(item->number, shortest);
        return len == item->size && memcmp(shortest, head, len) == 0;
    }
    size_t len = item->size;
    if (item->kind == COVEY__CBOR_BYTES || item->kind == COVEY__CBOR_TEXT) {
        len -= (size_t)item->arg;
    }
    return len == head_len(item->arg);
}
