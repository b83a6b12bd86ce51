/* SPDX-License-Identifier: MIT */
#include "covey/cbor.h"

#include "cbor_item.h"
#include "covey/text.h"

enum level_kind {
    LEVEL_ARRAY,
    LEVEL_MAP_NEW, /* no key was read with next_key() yet */
    LEVEL_MAP_KEYED,
};

enum {
    SIMPLE_FALSE = 20,
    SIMPLE_TRUE = 21,
    SIMPLE_NULL = 22,
};

static void fail(struct covey_cbor_reader *r, covey_err err)
{
    if (r->err == COVEY_OK) {
        r->err = err;
    }
}

static bool at_end(const struct covey_cbor_reader *r)
{
    return r->depth > 0 ? r->left[r->depth - 1] == 0 : r->pos == r->len;
}

/* Looks at the next item; false on an error, which is then set. The reader takes definite lengths
 * only, so it never meets a break where one may stand. */
static bool look(struct covey_cbor_reader *r, struct covey__cbor_item *out)
{
    if (r->err != COVEY_OK) {
        return false;
    }
    if (r->depth > 0 && at_end(r)) {
        fail(r, COVEY_ERR_MALFORMED);
        return false;
    }
    struct covey__cbor_item item;
    fail(r, covey__cbor_item_read(covey_bytes_of(r->ptr + r->pos, r->len - r->pos), &item));
    if (r->err == COVEY_OK && (item.indefinite || item.kind == COVEY__CBOR_BREAK)) {
        fail(r, COVEY_ERR_MALFORMED);
    }
    if (r->err != COVEY_OK) {
        return false;
    }
    *out = item;
    return true;
}

static void consume(struct covey_cbor_reader *r, const struct covey__cbor_item *item)
{
    r->pos += item->size;
    if (r->depth > 0) {
        r->left[r->depth - 1]--;
    }
}

/* Takes an item of one kind in its shortest form; false on an error, which is then set. */
static bool take(struct covey_cbor_reader *r, enum covey__cbor_kind kind,
                 struct covey__cbor_item *out)
{
    struct covey__cbor_item item;
    if (!look(r, &item)) {
        return false;
    }
    if (item.kind != kind || !covey__cbor_item_is_shortest(&item, r->ptr + r->pos)) {
        fail(r, COVEY_ERR_MALFORMED);
        return false;
    }
    consume(r, &item);
    *out = item;
    return true;
}

void covey_cbor_reader_init(struct covey_cbor_reader *r, struct covey_bytes in)
{
    struct covey_cbor_reader fresh = {.ptr = in.ptr, .len = in.len};
    *r = fresh;
}

static enum covey_cbor_type simple_type(uint64_t value)
{
    if (value == SIMPLE_FALSE || value == SIMPLE_TRUE) {
        return COVEY_CBOR_BOOL;
    }
    return value == SIMPLE_NULL ? COVEY_CBOR_NULL : COVEY_CBOR_OTHER;
}

enum covey_cbor_type covey_cbor_peek(struct covey_cbor_reader *r)
{
    struct covey__cbor_item item;
    if (at_end(r) || !look(r, &item)) {
        return COVEY_CBOR_NONE;
    }
    switch (item.kind) {
    case COVEY__CBOR_UINT:
        return COVEY_CBOR_UINT;
    case COVEY__CBOR_NINT:
        return COVEY_CBOR_NINT;
    case COVEY__CBOR_BYTES:
        return COVEY_CBOR_BYTES;
    case COVEY__CBOR_TEXT:
        return COVEY_CBOR_TEXT;
    case COVEY__CBOR_ARRAY:
        return COVEY_CBOR_ARRAY;
    case COVEY__CBOR_MAP:
        return COVEY_CBOR_MAP;
    case COVEY__CBOR_SIMPLE:
        return simple_type(item.arg);
    case COVEY__CBOR_FLOAT:
        return COVEY_CBOR_FLOAT;
    case COVEY__CBOR_TAG:
        return COVEY_CBOR_OTHER;
    case COVEY__CBOR_BREAK:
        break;
    }
    return COVEY_CBOR_NONE;
}

uint64_t covey_cbor_get_uint(struct covey_cbor_reader *r, uint64_t max)
{
    struct covey__cbor_item item;
    if (!take(r, COVEY__CBOR_UINT, &item)) {
        return 0;
    }
    if (item.arg > max) {
        fail(r, COVEY_ERR_RANGE);
        return 0;
    }
    return item.arg;
}

int64_t covey_cbor_get_int(struct covey_cbor_reader *r)
{
    struct covey__cbor_item item;
    if (covey_cbor_peek(r) != COVEY_CBOR_NINT) {
        return (int64_t)covey_cbor_get_uint(r, INT64_MAX);
    }
    if (!take(r, COVEY__CBOR_NINT, &item)) {
        return 0;
    }
    if (item.arg > INT64_MAX) {
        fail(r, COVEY_ERR_RANGE);
        return 0;
    }
    return -1 - (int64_t)item.arg;
}

/* Takes one of the named simple values; false on an error, which is then set. */
static bool take_simple(struct covey_cbor_reader *r, enum covey_cbor_type type,
                        struct covey__cbor_item *out)
{
    struct covey__cbor_item item;
    if (!look(r, &item)) {
        return false;
    }
    if (item.kind != COVEY__CBOR_SIMPLE || simple_type(item.arg) != type) {
        fail(r, COVEY_ERR_MALFORMED);
        return false;
    }
    consume(r, &item);
    *out = item;
    return true;
}

bool covey_cbor_get_bool(struct covey_cbor_reader *r)
{
    struct covey__cbor_item item;
    return take_simple(r, COVEY_CBOR_BOOL, &item) && item.arg == SIMPLE_TRUE;
}

void covey_cbor_get_null(struct covey_cbor_reader *r)
{
    /* A failure is in r->err; there is no value to give back. */
    struct covey__cbor_item item;
    take_simple(r, COVEY_CBOR_NULL, &item);
}

double covey_cbor_get_float(struct covey_cbor_reader *r)
{
    struct covey__cbor_item item;
    return take(r, COVEY__CBOR_FLOAT, &item) ? item.number : 0.0;
}

static struct covey_bytes get_string(struct covey_cbor_reader *r, enum covey__cbor_kind kind,
                                     size_t max)
{
    struct covey_bytes none = {0};
    struct covey__cbor_item item;
    if (!take(r, kind, &item)) {
        return none;
    }
    if (item.arg > max) {
        fail(r, COVEY_ERR_LIMIT);
        return none;
    }
    struct covey_bytes string = covey_bytes_of(item.body, (size_t)item.arg);
    if (kind == COVEY__CBOR_TEXT && !covey__utf8_valid(string)) {
        fail(r, COVEY_ERR_MALFORMED);
        return none;
    }
    return string;
}

struct covey_bytes covey_cbor_get_bytes(struct covey_cbor_reader *r, size_t max)
{
    return get_string(r, COVEY__CBOR_BYTES, max);
}

struct covey_bytes covey_cbor_get_text(struct covey_cbor_reader *r, size_t max)
{
    return get_string(r, COVEY__CBOR_TEXT, max);
}

void covey_cbor_get_fixed(struct covey_cbor_reader *r, uint8_t *out, size_t len)
{
    struct covey_bytes b = covey_cbor_get_bytes(r, SIZE_MAX);
    if (r->err != COVEY_OK) {
        return;
    }
    if (b.len != len) {
        fail(r, COVEY_ERR_MALFORMED);
        return;
    }
    if (len > 0) {
        memcpy(out, b.ptr, len);
    }
}

void covey_cbor_get_string(struct covey_cbor_reader *r, char *out, size_t cap)
{
    COVEY_ASSERT(cap > 0);
    struct covey_bytes text = covey_cbor_get_text(r, cap - 1);
    if (r->err != COVEY_OK) {
        return;
    }
    if (text.len == 0 || !covey_text_is_plain(text)) { /* it is printed on terminals */
        fail(r, COVEY_ERR_MALFORMED);
        return;
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

static void open_level(struct covey_cbor_reader *r, const struct covey__cbor_item *item)
{
    if (r->depth == COVEY_CBOR_DEPTH_MAX) {
        fail(r, COVEY_ERR_LIMIT);
        return;
    }
    bool is_map = item->kind == COVEY__CBOR_MAP;
    r->kind[r->depth] = is_map ? LEVEL_MAP_NEW : LEVEL_ARRAY;
    r->left[r->depth] = is_map ? 2 * item->arg : item->arg;
    r->key[r->depth] = 0;
    r->depth++;
}

static size_t enter(struct covey_cbor_reader *r, enum covey__cbor_kind kind, size_t max)
{
    struct covey__cbor_item item;
    if (!take(r, kind, &item)) {
        return 0;
    }
    if (item.arg > max) {
        fail(r, COVEY_ERR_LIMIT);
        return 0;
    }
    open_level(r, &item);
    return r->err == COVEY_OK ? (size_t)item.arg : 0;
}

size_t covey_cbor_enter_array(struct covey_cbor_reader *r, size_t max)
{
    return enter(r, COVEY__CBOR_ARRAY, max);
}

size_t covey_cbor_enter_map(struct covey_cbor_reader *r, size_t max)
{
    return enter(r, COVEY__CBOR_MAP, max);
}

void covey_cbor_leave(struct covey_cbor_reader *r)
{
    if (r->err != COVEY_OK) {
        return;
    }
    COVEY_ASSERT(r->depth > 0);
    if (!at_end(r)) {
        fail(r, COVEY_ERR_MALFORMED);
        return;
    }
    r->depth--;
}

void covey_cbor_skip(struct covey_cbor_reader *r)
{
    unsigned outside = r->depth;
    bool tagged = false;
    do {
        struct covey__cbor_item item;
        if (!look(r, &item)) {
            return;
        }
        /* RFC 8949 3.4: a tag and its content are one item, so the tag alone is not counted. */
        tagged = item.kind == COVEY__CBOR_TAG;
        if (tagged) {
            r->pos += item.size;
            continue;
        }
        consume(r, &item);
        if (item.kind == COVEY__CBOR_ARRAY || item.kind == COVEY__CBOR_MAP) {
            open_level(r, &item);
        }
        while (r->depth > outside && at_end(r)) {
            r->depth--;
        }
    } while (r->err == COVEY_OK && (tagged || r->depth > outside));
}

bool covey_cbor_next_key(struct covey_cbor_reader *r, uint64_t *inout_key)
{
    if (r->err != COVEY_OK) {
        return false;
    }
    COVEY_ASSERT(r->depth > 0 && r->kind[r->depth - 1] != LEVEL_ARRAY);
    unsigned top = r->depth - 1;
    if (at_end(r)) {
        r->depth--;
        return false;
    }
    if (r->left[top] % 2 != 0) {
        fail(r, COVEY_ERR_MALFORMED);
        return false;
    }
    uint64_t key = covey_cbor_get_uint(r, UINT64_MAX);
    /* RFC 8949 4.2.1: the keys are sorted in the bytewise order of their encodings, which for
     * unsigned integers in shortest form is the order of the numbers. */
    if (r->kind[top] == LEVEL_MAP_KEYED && key <= r->key[top]) {
        fail(r, COVEY_ERR_MALFORMED);
    }
    if (r->err != COVEY_OK) {
        return false;
    }
    r->kind[top] = LEVEL_MAP_KEYED;
    r->key[top] = key;
    *inout_key = key;
    return true;
}

covey_err covey_cbor_reader_done(struct covey_cbor_reader *r)
{
    if (r->depth > 0 || r->pos != r->len) {
        fail(r, COVEY_ERR_MALFORMED);
    }
    return r->err;
}
