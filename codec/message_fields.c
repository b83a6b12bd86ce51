/* SPDX-License-Identifier: MIT */
#include "message_fields.h"

const struct covey__field covey__item_id = {.kind = COVEY__FIELD_FIXED,
                                            .size = sizeof(struct covey_node_id)};
const struct covey__field covey__item_u32 = {
    .kind = COVEY__FIELD_UINT, .size = sizeof(uint32_t), .max = UINT32_MAX};

/* ---- numbers of any width ---- */

static void store(uint8_t *at, size_t size, uint64_t value)
{
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    const void *from = size == 1   ? (const void *)&u8
                       : size == 2 ? (const void *)&u16
                       : size == 4 ? (const void *)&u32
                                   : (const void *)&value;
    memcpy(at, from, size);
}

static uint64_t load(const uint8_t *at, size_t size)
{
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    void *to = size == 1   ? (void *)&u8
               : size == 2 ? (void *)&u16
               : size == 4 ? (void *)&u32
                           : (void *)&u64;
    memcpy(to, at, size);
    return u64 | u32 | u16 | u8;
}

static uint64_t largest(const struct covey__field *field)
{
    uint64_t holds = UINT64_MAX >> (64 - 8 * field->size);
    return field->max < holds ? field->max : holds;
}

/* ---- reading ---- */

void covey__record_enter(struct covey_cbor_reader *r, size_t fields)
{
    size_t count = covey_cbor_enter_array(r, fields);
    if (r->err == COVEY_OK && count != fields) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

/* As covey_cbor_get_string(), but may be empty: it goes to a terminal, so no control characters. */
static void get_line(struct covey_cbor_reader *r, char *out, size_t cap)
{
    struct covey_bytes text = covey_cbor_get_text(r, cap - 1);
    for (size_t i = 0; i < text.len && r->err == COVEY_OK; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            r->err = COVEY_ERR_MALFORMED;
        }
    }
    if (r->err != COVEY_OK) {
        return;
    }
    if (text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
    out[text.len] = 0;
}

static void get_record(struct covey_cbor_reader *r, const struct covey__field *field, void *at)
{
    covey__record_enter(r, field->of_count);
    for (unsigned i = 0; i < field->of_count && r->err == COVEY_OK; i++) {
        covey__field_get(r, &field->of[i], at);
    }
    covey_cbor_leave(r);
}

/* What no reader holds more of than a size says. */
static size_t most(const struct covey__field *field)
{
    return field->max < SIZE_MAX ? (size_t)field->max : SIZE_MAX;
}

static void get_list(struct covey_cbor_reader *r, const struct covey__field *field, uint8_t *whole)
{
    size_t count = covey_cbor_enter_array(r, most(field));
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        covey__field_get(r, field->of, whole + field->at + i * field->size);
    }
    store(whole + field->count_at, field->count_size, count);
    covey_cbor_leave(r);
}

static void get_optional(struct covey_cbor_reader *r, const struct covey__field *field,
                         uint8_t *whole)
{
    bool has = covey_cbor_peek(r) != COVEY_CBOR_NULL;
    *(bool *)(whole + field->count_at) = has;
    if (has) {
        covey__field_get(r, field->of, whole + field->at);
    } else {
        covey_cbor_get_null(r);
    }
}

void covey__field_get(struct covey_cbor_reader *r, const struct covey__field *field, void *whole)
{
    uint8_t *at = (uint8_t *)whole + field->at;
    switch ((enum covey__field_kind)field->kind) {
    case COVEY__FIELD_UINT:
        store(at, field->size, covey_cbor_get_uint(r, largest(field)));
        break;
    case COVEY__FIELD_BOOL:
        *(bool *)at = covey_cbor_get_bool(r);
        break;
    case COVEY__FIELD_BYTES:
        *(struct covey_bytes *)(void *)at = covey_cbor_get_bytes(r, most(field));
        break;
    case COVEY__FIELD_FIXED:
        covey_cbor_get_fixed(r, at, field->size);
        break;
    case COVEY__FIELD_STRING:
        covey_cbor_get_string(r, (char *)at, field->size);
        break;
    case COVEY__FIELD_LINE:
        get_line(r, (char *)at, field->size);
        break;
    case COVEY__FIELD_RECORD:
        get_record(r, field, at);
        break;
    case COVEY__FIELD_LIST:
        get_list(r, field, whole);
        break;
    case COVEY__FIELD_OPTIONAL:
        get_optional(r, field, whole);
        break;
    case COVEY__FIELD_OWN:
        field->get(r, whole);
        break;
    }
}

/* The rest of an open map. Keys ascend on both sides. */
static unsigned get_fields(struct covey_cbor_reader *r, struct covey__fields list, void *whole)
{
    unsigned seen = 0;
    unsigned i = 0;
    uint64_t key = 0;
    while (covey_cbor_next_key(r, &key)) {
        while (i < list.count && list.field[i].key < key) {
            i++;
        }
        if (i < list.count && list.field[i].key == key) {
            covey__field_get(r, &list.field[i], whole);
            seen |= 1U << i;
        } else {
            covey_cbor_skip(r);
        }
    }
    return seen;
}

unsigned covey__fields_all(struct covey__fields list)
{
    return (1U << list.count) - 1;
}

covey_err covey__map_read(struct covey_bytes in, struct covey__fields list, void *whole,
                          unsigned *out_seen)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, COVEY__MAP_MAX);
    unsigned seen = get_fields(&r, list, whole);
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        *out_seen = seen;
    }
    return err;
}

covey_err covey__map_decode(struct covey_bytes in, struct covey__fields list, void *whole)
{
    unsigned seen = 0;
    covey_err err = covey__map_read(in, list, whole, &seen);
    return err == COVEY_OK && seen != covey__fields_all(list) ? COVEY_ERR_MALFORMED : err;
}

static const struct covey__message *find(const struct covey__messages *set, uint64_t type)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (set->message[i].type == type) {
            return &set->message[i];
        }
    }
    return NULL;
}

covey_err covey__message_decode(const struct covey__messages *set, struct covey_bytes in,
                                void *whole, unsigned *out_type)
{
    struct covey_cbor_reader r;
    const struct covey__message *message = NULL;
    uint64_t key = 0;
    if (in.len > set->len_max) {
        return COVEY_ERR_LIMIT;
    }
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, COVEY__MAP_MAX);
    if (covey_cbor_next_key(&r, &key) && key == COVEY__KEY_TYPE) {
        message = find(set, covey_cbor_get_uint(&r, UINT64_MAX));
    }
    if (r.err != COVEY_OK) {
        return r.err;
    }
    if (message == NULL) {
        return COVEY_ERR_UNSUPPORTED;
    }
    unsigned seen = get_fields(&r, message->fields, whole);
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && seen != covey__fields_all(message->fields)) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out_type = message->type;
    }
    return err;
}

/* ---- writing ---- */

static void put_record(struct covey_cbor_writer *w, const struct covey__field *field,
                       const void *at)
{
    covey_cbor_put_array(w, field->of_count);
    for (unsigned i = 0; i < field->of_count; i++) {
        covey__field_put(w, &field->of[i], at);
    }
}

static void put_list(struct covey_cbor_writer *w, const struct covey__field *field,
                     const uint8_t *whole)
{
    size_t count = (size_t)load(whole + field->count_at, field->count_size);
    COVEY_ASSERT(count <= field->max);
    covey_cbor_put_array(w, count);
    for (size_t i = 0; i < count; i++) {
        covey__field_put(w, field->of, whole + field->at + i * field->size);
    }
}

static void put_optional(struct covey_cbor_writer *w, const struct covey__field *field,
                         const uint8_t *whole)
{
    if (*(const bool *)(whole + field->count_at)) {
        covey__field_put(w, field->of, whole + field->at);
    } else {
        covey_cbor_put_null(w);
    }
}

void covey__field_put(struct covey_cbor_writer *w, const struct covey__field *field,
                      const void *whole)
{
    const uint8_t *at = (const uint8_t *)whole + field->at;
    switch ((enum covey__field_kind)field->kind) {
    case COVEY__FIELD_UINT:
        covey_cbor_put_uint(w, load(at, field->size));
        break;
    case COVEY__FIELD_BOOL:
        covey_cbor_put_bool(w, *(const bool *)at);
        break;
    case COVEY__FIELD_BYTES:
        covey_cbor_put_bytes(w, *(const struct covey_bytes *)(const void *)at);
        break;
    case COVEY__FIELD_FIXED:
        covey_cbor_put_bytes(w, covey_bytes_of(at, field->size));
        break;
    case COVEY__FIELD_STRING:
    case COVEY__FIELD_LINE:
        covey_cbor_put_text(w, (const char *)at);
        break;
    case COVEY__FIELD_RECORD:
        put_record(w, field, at);
        break;
    case COVEY__FIELD_LIST:
        put_list(w, field, whole);
        break;
    case COVEY__FIELD_OPTIONAL:
        put_optional(w, field, whole);
        break;
    case COVEY__FIELD_OWN:
        field->put(w, whole);
        break;
    }
}

static void put_fields(struct covey_cbor_writer *w, struct covey__fields list, unsigned wanted,
                       const void *whole)
{
    for (unsigned i = 0; i < list.count; i++) {
        if ((wanted & 1U << i) != 0) {
            covey_cbor_put_uint(w, list.field[i].key);
            covey__field_put(w, &list.field[i], whole);
        }
    }
}

covey_err covey__map_encode(struct covey__fields list, unsigned wanted, const void *whole,
                            struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, (size_t)__builtin_popcount(wanted));
    put_fields(&w, list, wanted, whole);
    return covey_cbor_writer_done(&w, out_len);
}

covey_err covey__message_encode(const struct covey__messages *set, unsigned type, const void *whole,
                                struct covey_buf out, size_t *out_len)
{
    const struct covey__message *message = find(set, type);
    struct covey_cbor_writer w;
    if (message == NULL) {
        return COVEY_ERR_UNSUPPORTED;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, 1U + message->fields.count);
    covey_cbor_put_uint(&w, COVEY__KEY_TYPE);
    covey_cbor_put_uint(&w, type);
    put_fields(&w, message->fields, covey__fields_all(message->fields), whole);
    return covey_cbor_writer_done(&w, out_len);
}
