/* SPDX-License-Identifier: MIT */
#include "onnx_walk.h"

#include <stdlib.h>

#include "read_why.h"

/* Wire types of protobuf. Groups (3, 4) are refused. */
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

enum message {
    MSG_MODEL,
    MSG_GRAPH,
    MSG_NODE,
    MSG_ATTRIBUTE,
    MSG_TENSOR,
    MSG_VALUE_INFO,
    MSG_TYPE,
    MSG_TENSOR_TYPE,
    MSG_SHAPE,
    MSG_DIMENSION,
    MSG_OPSET,
    MSG_ENTRY,
    MSG_SPARSE,
};

/* What a field that we read must be. LIST: repeated numbers, packed or one by one. FLOATS: a list
 * of floats, which many of, packed, are what raw_data would be, and become it. */
enum kind {
    KIND_NUMBER,
    KIND_FLOAT,
    KIND_BYTES,
    KIND_LIST,
    KIND_FLOATS,
    KIND_RAW,
    KIND_MESSAGE,
    KIND_MESSAGES
};

enum { TENSOR_RAW = 9, PACKED_MIN = 1024 };

struct field {
    enum message in;
    uint32_t number;
    enum kind kind;
    enum message sub;
};

/* The fields of onnx.proto that the importer reads; all others are skipped and left out. */
static const struct field fields[] = {
    {MSG_MODEL, 1, KIND_NUMBER, 0},
    {MSG_MODEL, 7, KIND_MESSAGE, MSG_GRAPH},
    {MSG_MODEL, 8, KIND_MESSAGES, MSG_OPSET},
    {MSG_GRAPH, 1, KIND_MESSAGES, MSG_NODE},
    {MSG_GRAPH, 5, KIND_MESSAGES, MSG_TENSOR},
    {MSG_GRAPH, 11, KIND_MESSAGES, MSG_VALUE_INFO},
    {MSG_GRAPH, 12, KIND_MESSAGES, MSG_VALUE_INFO},
    {MSG_GRAPH, 15, KIND_MESSAGES, MSG_SPARSE}, /* only that there is one */
    {MSG_NODE, 1, KIND_BYTES, 0},
    {MSG_NODE, 2, KIND_BYTES, 0},
    {MSG_NODE, 3, KIND_BYTES, 0},
    {MSG_NODE, 4, KIND_BYTES, 0},
    {MSG_NODE, 5, KIND_MESSAGES, MSG_ATTRIBUTE},
    {MSG_NODE, 7, KIND_BYTES, 0},
    {MSG_ATTRIBUTE, 1, KIND_BYTES, 0},
    {MSG_ATTRIBUTE, 2, KIND_FLOAT, 0},
    {MSG_ATTRIBUTE, 3, KIND_NUMBER, 0},
    {MSG_ATTRIBUTE, 4, KIND_BYTES, 0},
    {MSG_ATTRIBUTE, 5, KIND_MESSAGE, MSG_TENSOR},
    {MSG_ATTRIBUTE, 6, KIND_MESSAGE, MSG_GRAPH},
    {MSG_ATTRIBUTE, 7, KIND_LIST, 0},
    {MSG_ATTRIBUTE, 8, KIND_LIST, 0},
    {MSG_ATTRIBUTE, 11, KIND_MESSAGES, MSG_GRAPH},
    {MSG_ATTRIBUTE, 20, KIND_NUMBER, 0},
    {MSG_TENSOR, 1, KIND_LIST, 0},
    {MSG_TENSOR, 2, KIND_NUMBER, 0},
    {MSG_TENSOR, 4, KIND_FLOATS, 0},
    {MSG_TENSOR, 5, KIND_LIST, 0},
    {MSG_TENSOR, 7, KIND_LIST, 0},
    {MSG_TENSOR, 8, KIND_BYTES, 0},
    {MSG_TENSOR, TENSOR_RAW, KIND_RAW, 0},
    {MSG_TENSOR, 10, KIND_LIST, 0},
    {MSG_TENSOR, 11, KIND_LIST, 0},
    {MSG_TENSOR, 13, KIND_MESSAGES, MSG_ENTRY},
    {MSG_TENSOR, 14, KIND_NUMBER, 0},
    {MSG_ENTRY, 1, KIND_BYTES, 0},
    {MSG_ENTRY, 2, KIND_BYTES, 0},
    {MSG_VALUE_INFO, 1, KIND_BYTES, 0},
    {MSG_VALUE_INFO, 2, KIND_MESSAGE, MSG_TYPE},
    {MSG_TYPE, 1, KIND_MESSAGE, MSG_TENSOR_TYPE},
    {MSG_TENSOR_TYPE, 1, KIND_NUMBER, 0},
    {MSG_TENSOR_TYPE, 2, KIND_MESSAGE, MSG_SHAPE},
    {MSG_SHAPE, 1, KIND_MESSAGES, MSG_DIMENSION},
    {MSG_DIMENSION, 1, KIND_NUMBER, 0},
    {MSG_DIMENSION, 2, KIND_BYTES, 0},
    {MSG_OPSET, 1, KIND_BYTES, 0},
    {MSG_OPSET, 2, KIND_NUMBER, 0},
};

/* A length in the slim copy is always this many bytes, so that it can be filled in afterwards. */
enum { LENGTH_BYTES = 5 };

/* Two passes over the same code: the first checks and counts the bytes of the copy (dst NULL), the
 * second writes them. */
struct walk {
    const uint8_t *src;
    uint8_t *dst;
    size_t used;
    size_t messages, fields;
    struct covey_nn_error *why;
};

struct span {
    size_t at, end;
};

/* One field as it stands in the file: its tag and its payload. */
struct item {
    uint32_t number;
    enum wire wire;
    struct span tag, body;
};

static const struct field *field_find(enum message in, uint32_t number)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (fields[i].in == in && fields[i].number == number) {
            return &fields[i];
        }
    }
    return NULL;
}

static covey_err varint(struct walk *w, struct span *s, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (s->at == s->end) {
            return covey__why(COVEY_ERR_SHORT, w->why, "the file ends inside a number");
        }
        uint8_t byte = w->src[s->at++];
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return COVEY_OK;
        }
    }
    return covey__why(COVEY_ERR_MALFORMED, w->why, "a number has more than 64 bits");
}

static covey_err item_length(struct walk *w, struct span *s, enum wire wire, uint64_t *out)
{
    switch (wire) {
    case WIRE_VARINT: {
        struct span look = *s;
        uint64_t ignored = 0;
        covey_err err = varint(w, &look, &ignored);
        if (err) {
            return err;
        }
        *out = look.at - s->at;
        return COVEY_OK;
    }
    case WIRE_64:
        *out = 8;
        return COVEY_OK;
    case WIRE_32:
        *out = 4;
        return COVEY_OK;
    case WIRE_BYTES:
        return varint(w, s, out);
    }
    return covey__why(COVEY_ERR_MALFORMED, w->why, "a field has wire type %u", (unsigned)wire);
}

/* Reads a tag and finds its payload, which lies within s. */
static covey_err item_next(struct walk *w, struct span *s, struct item *out)
{
    struct item item = {.tag = {s->at, 0}};
    uint64_t tag = 0;
    uint64_t length = 0;
    if (++w->fields > COVEY_WALK_FIELDS_MAX) {
        return covey__why(COVEY_ERR_LIMIT, w->why, "more than %d fields", COVEY_WALK_FIELDS_MAX);
    }
    covey_err err = varint(w, s, &tag);
    if (err) {
        return err;
    }
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return covey__why(COVEY_ERR_MALFORMED, w->why, "a field has no valid number");
    }
    item.number = (uint32_t)(tag >> 3);
    item.wire = (enum wire)(tag & 7);
    item.tag.end = s->at;
    err = item_length(w, s, item.wire, &length);
    if (err) {
        return err;
    }
    if (length > s->end - s->at) {
        return covey__why(COVEY_ERR_SHORT, w->why, "a field is longer than the bytes left");
    }
    item.body = (struct span){s->at, s->at + (size_t)length};
    s->at = item.body.end;
    *out = item;
    return COVEY_OK;
}

static bool wire_fits(enum kind kind, enum wire wire)
{
    switch (kind) {
    case KIND_NUMBER:
        return wire == WIRE_VARINT;
    case KIND_FLOAT:
        return wire == WIRE_32;
    case KIND_LIST:
    case KIND_FLOATS:
        return true;
    case KIND_BYTES:
    case KIND_RAW:
    case KIND_MESSAGE:
    case KIND_MESSAGES:
        return wire == WIRE_BYTES;
    }
    return false;
}

static void put(struct walk *w, const uint8_t *bytes, size_t len)
{
    if (w->dst && len > 0) {
        memcpy(w->dst + w->used, bytes, len);
    }
    w->used += len;
}

static void put_length(struct walk *w, size_t at, size_t len)
{
    for (unsigned i = 0; w->dst && i < LENGTH_BYTES; i++) {
        uint8_t more = i + 1 < LENGTH_BYTES ? 0x80 : 0;
        w->dst[at + i] = (uint8_t)(((len >> (7 * i)) & 0x7f) | more);
    }
}

static void put_raw(struct walk *w, struct span body)
{
    uint8_t where[COVEY_WALK_RAW_BYTES];
    covey_store64(where, body.at);
    covey_store64(where + 8, body.end - body.at);
    put_length(w, w->used, sizeof where);
    w->used += LENGTH_BYTES;
    put(w, where, sizeof where);
}

static covey_err message(struct walk *w, struct span s, enum message type, unsigned depth);

static covey_err put_item(struct walk *w, const struct item *item, const struct field *field,
                          unsigned depth)
{
    if (field->kind == KIND_FLOATS && item->wire == WIRE_BYTES &&
        item->body.end - item->body.at >= PACKED_MIN) {
        static const uint8_t tag = TENSOR_RAW << 3 | WIRE_BYTES;
        put(w, &tag, 1);
        put_raw(w, item->body);
        return COVEY_OK;
    }
    put(w, w->src + item->tag.at, item->tag.end - item->tag.at);
    if (field->kind == KIND_RAW) {
        put_raw(w, item->body);
        return COVEY_OK;
    }
    if (field->kind != KIND_MESSAGE && field->kind != KIND_MESSAGES) {
        /* From behind the tag: the length as it stands, if there is one, and the payload. */
        put(w, w->src + item->tag.end, item->body.end - item->tag.end);
        return COVEY_OK;
    }
    size_t length_at = w->used;
    w->used += LENGTH_BYTES;
    covey_err err = message(w, item->body, field->sub, depth + 1);
    if (!err) {
        put_length(w, length_at, w->used - length_at - LENGTH_BYTES);
    }
    return err;
}

static covey_err message(struct walk *w, struct span s, enum message type, unsigned depth)
{
    uint32_t seen = 0;
    if (depth > COVEY_WALK_DEPTH_MAX) {
        return covey__why(COVEY_ERR_LIMIT, w->why, "messages are nested deeper than %d",
                          COVEY_WALK_DEPTH_MAX);
    }
    if (++w->messages > COVEY_WALK_MESSAGES_MAX) {
        return covey__why(COVEY_ERR_LIMIT, w->why, "more than %d messages",
                          COVEY_WALK_MESSAGES_MAX);
    }
    while (s.at < s.end) {
        struct item item = {0};
        covey_err err = item_next(w, &s, &item);
        if (err) {
            return err;
        }
        const struct field *field = field_find(type, item.number);
        if (!field) {
            continue;
        }
        if (!wire_fits(field->kind, item.wire)) {
            return covey__why(COVEY_ERR_MALFORMED, w->why, "field %u has the wrong wire type",
                              (unsigned)item.number);
        }
        /* Protobuf merges a message that is given twice; no exporter does so. */
        if ((field->kind == KIND_MESSAGE || field->kind == KIND_RAW) &&
            (seen & (1U << item.number))) {
            return covey__why(COVEY_ERR_MALFORMED, w->why, "field %u is given twice",
                              (unsigned)item.number);
        }
        seen |= item.number < 32 ? 1U << item.number : 0;
        err = put_item(w, &item, field, depth);
        if (err) {
            return err;
        }
    }
    return COVEY_OK;
}

covey_err covey_onnx_walk(struct covey_bytes in, enum covey_walk_root root, struct covey_buf *out,
                          struct covey_nn_error *out_why)
{
    enum message type = root == COVEY_WALK_MODEL ? MSG_MODEL : MSG_TENSOR;
    struct span all = {0, in.len};
    struct walk count = {.src = in.ptr, .why = out_why};
    if (in.len == 0) {
        return covey__why(COVEY_ERR_SHORT, out_why, "the file is empty");
    }
    covey_err err = message(&count, all, type, 1);
    if (err) {
        return err;
    }
    /* Lengths of the copy are written in five bytes: 35 bits. */
    if (count.used >> 31) {
        return covey__why(COVEY_ERR_LIMIT, out_why, "more than 2 GiB without the weights");
    }
    struct walk copy = {.src = in.ptr, .why = out_why, .dst = malloc(count.used + 1)};
    if (!copy.dst) {
        return covey__why(COVEY_ERR_NOMEM, out_why, "out of memory");
    }
    err = message(&copy, all, type, 1);
    if (err) {
        free(copy.dst);
        return err;
    }
    *out = (struct covey_buf){copy.dst, copy.used};
    return COVEY_OK;
}
