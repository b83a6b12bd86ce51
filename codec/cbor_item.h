/* SPDX-License-Identifier: MIT
 *
 * cbor_item.h - one CBOR item at a time, shared by the reader, the checker and the writer.
 */
#ifndef COVEY_CBOR_ITEM_H
#define COVEY_CBOR_ITEM_H

#include "covey/bytes.h"

/* The longest head: one initial byte and eight of argument. */
enum { COVEY__CBOR_HEAD_MAX = 9 };

/* The first eight are the major types of RFC 8949 section 3.1, in their order. */
enum covey__cbor_kind {
    COVEY__CBOR_UINT,
    COVEY__CBOR_NINT,
    COVEY__CBOR_BYTES,
    COVEY__CBOR_TEXT,
    COVEY__CBOR_ARRAY,
    COVEY__CBOR_MAP,
    COVEY__CBOR_TAG,
    COVEY__CBOR_SIMPLE, /* false, true, null and undefined are 20 to 23 */
    COVEY__CBOR_FLOAT,
    COVEY__CBOR_BREAK,
};

struct covey__cbor_item {
    enum covey__cbor_kind kind;
    bool indefinite;     /* a string, array or map that a break ends */
    uint64_t arg;        /* value, length, count, tag or simple value; a NINT is -1 - arg */
    double number;       /* of a FLOAT */
    const uint8_t *body; /* of a definite string */
    size_t size;         /* bytes used: the head, and the body of a definite string */
};

/* The first item of in: a string with its body, of anything that holds items the head alone.
 * A definite string, array or map cannot be larger than the bytes that are left (SHORT). */
covey_err covey__cbor_item_read(struct covey_bytes in, struct covey__cbor_item *out) COVEY_CHECK;

/* Whether the head is the shortest for its argument; for a float, whether the value is in its
 * shortest exact form (RFC 8949 section 4.2.1). head is where the item was read from. */
bool covey__cbor_item_is_shortest(const struct covey__cbor_item *item, const uint8_t *head);

/* Writes the shortest exact form, every NaN as f97e00; returns the bytes written. */
size_t covey__cbor_float_encode(double v, uint8_t out[static COVEY__CBOR_HEAD_MAX]);

/* Whether text is UTF-8 as RFC 3629 says: no overlong forms, surrogates, or beyond U+10FFFF. */
bool covey__utf8_valid(struct covey_bytes text);

#endif /* COVEY_CBOR_ITEM_H */
