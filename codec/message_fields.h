/* SPDX-License-Identifier: MIT
 *
 * message_fields.h - messages as tables of their fields: one way to read and to write them all.
 *
 * A field says where in a struct it is kept, how it is written, and its bound; a message is a table
 * of fields. What a table cannot say, a field's own functions do.
 */
#ifndef COVEY_CODEC_MESSAGE_FIELDS_H
#define COVEY_CODEC_MESSAGE_FIELDS_H

#include "covey/cbor.h"
#include "covey/ids.h"

#include <stddef.h>

enum {
    COVEY__MAP_MAX = 32, /* keys of one map, those of later versions included */
    COVEY__KEY_TYPE = 0, /* the first one in deterministic form */
};

enum covey__field_kind {
    COVEY__FIELD_UINT,     /* of 1, 2, 4 or 8 bytes, or an enum */
    COVEY__FIELD_BOOL,     /* a bool */
    COVEY__FIELD_BYTES,    /* struct covey_bytes, borrowed */
    COVEY__FIELD_FIXED,    /* an array of bytes, copied */
    COVEY__FIELD_STRING,   /* an array of char: covey_cbor_get_string() */
    COVEY__FIELD_LINE,     /* the same, may be empty */
    COVEY__FIELD_RECORD,   /* a struct: a CBOR array of its fields, all of them, without keys */
    COVEY__FIELD_LIST,     /* an array with a count beside it: a CBOR array of items */
    COVEY__FIELD_OPTIONAL, /* an item with a bool beside it: the item, or null */
    COVEY__FIELD_OWN,      /* read and written by functions of its own */
};

/* Fill it in with the macros below. */
struct covey__field {
    uint8_t key; /* in a map; a record has none */
    uint8_t kind;
    uint8_t count_size;
    uint32_t at, size; /* in the struct; of a LIST: the size of an item */
    uint32_t count_at;
    uint64_t max; /* UINT: its value; BYTES: their number; LIST: its items */
    /* RECORD: its fields. LIST, OPTIONAL: one field, what an item is, at 0 of the item. */
    const struct covey__field *of;
    unsigned of_count;
    /* OWN: both take the struct as a whole. get() sets r->err on a fault. */
    void (*get)(struct covey_cbor_reader *r, void *whole);
    void (*put)(struct covey_cbor_writer *w, const void *whole);
};

/* Keys ascend; at most 31 fields. */
struct covey__fields {
    const struct covey__field *field;
    unsigned count;
};

#define COVEY__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define COVEY__SIZE(type, member) sizeof(((type *)0)->member)
#define COVEY__ROOM(type, array) COVEY__COUNT(((type *)0)->array)
#define COVEY__AT(type, member) .at = offsetof(type, member), .size = COVEY__SIZE(type, member)
#define COVEY__FIELDS(array)                                                                       \
    {                                                                                              \
        array, COVEY__COUNT(array)                                                                 \
    }

/* A number of at most max; it can never be more than the member holds. */
#define COVEY__UINT(key_, type, member, max_)                                                      \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_UINT, COVEY__AT(type, member), .max = (max_)           \
    }
#define COVEY__NUMBER(key_, type, member) COVEY__UINT(key_, type, member, UINT64_MAX)
#define COVEY__BOOL(key_, type, member)                                                            \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_BOOL, COVEY__AT(type, member)                          \
    }
#define COVEY__BYTES(key_, type, member, max_)                                                     \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_BYTES, COVEY__AT(type, member), .max = (max_)          \
    }
#define COVEY__FIXED(key_, type, member)                                                           \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_FIXED, COVEY__AT(type, member)                         \
    }
#define COVEY__STRING(key_, type, member)                                                          \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_STRING, COVEY__AT(type, member)                        \
    }
#define COVEY__LINE(key_, type, member)                                                            \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_LINE, COVEY__AT(type, member)                          \
    }
#define COVEY__RECORD(key_, type, member, fields)                                                  \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_RECORD, COVEY__AT(type, member), .of = (fields),       \
        .of_count = COVEY__COUNT(fields)                                                           \
    }
/* As many items as the member has room for. */
#define COVEY__LIST(key_, type, count, array, item)                                                \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_LIST, .at = offsetof(type, array),                     \
        .size = COVEY__SIZE(type, array[0]), .max = COVEY__ROOM(type, array), .of = (item),        \
        .of_count = 1, .count_at = offsetof(type, count), .count_size = COVEY__SIZE(type, count)   \
    }
#define COVEY__OPTIONAL(key_, type, has, member, item)                                             \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_OPTIONAL, COVEY__AT(type, member), .of = (item),       \
        .of_count = 1, .count_at = offsetof(type, has)                                             \
    }
#define COVEY__OWN(key_, get_, put_)                                                               \
    {                                                                                              \
        .key = (key_), .kind = COVEY__FIELD_OWN, .get = (get_), .put = (put_)                      \
    }

/* Items: a device's id, a number of 32 bits. */
extern const struct covey__field covey__item_id, covey__item_u32;
/* What an item is that is a struct. */
#define COVEY__ITEM(fields)                                                                        \
    {                                                                                              \
        .kind = COVEY__FIELD_RECORD, .of = (fields), .of_count = COVEY__COUNT(fields)              \
    }

/* One value. The struct is unspecified after a fault. */
void covey__field_get(struct covey_cbor_reader *r, const struct covey__field *field, void *whole);
void covey__field_put(struct covey_cbor_writer *w, const struct covey__field *field,
                      const void *whole);

/* Opens an array of exactly so many items. */
void covey__record_enter(struct covey_cbor_reader *r, size_t fields);

/* All of a list's fields, as bits. */
unsigned covey__fields_all(struct covey__fields list);

/* in: one map. Unknown keys are skipped. out_seen: bit i for field i. */
covey_err covey__map_read(struct covey_bytes in, struct covey__fields list, void *whole,
                          unsigned *out_seen) COVEY_CHECK;
/* The same; a field that is not there is MALFORMED. */
covey_err covey__map_decode(struct covey_bytes in, struct covey__fields list,
                            void *whole) COVEY_CHECK;
/* The fields that `wanted` names. */
covey_err covey__map_encode(struct covey__fields list, unsigned wanted, const void *whole,
                            struct covey_buf out, size_t *out_len) COVEY_CHECK;

/* Messages with key 0 as their type, which says what fields there are: all of them, always. */
struct covey__message {
    unsigned type;
    struct covey__fields fields;
};

struct covey__messages {
    const struct covey__message *message;
    unsigned count;
    size_t len_max; /* bytes of a message */
};

/* A type that is none of these: UNSUPPORTED. whole: zeros before; the type is not written to it. */
covey_err covey__message_decode(const struct covey__messages *set, struct covey_bytes in,
                                void *whole, unsigned *out_type) COVEY_CHECK;
covey_err covey__message_encode(const struct covey__messages *set, unsigned type, const void *whole,
                                struct covey_buf out, size_t *out_len) COVEY_CHECK;

#endif /* COVEY_CODEC_MESSAGE_FIELDS_H */
