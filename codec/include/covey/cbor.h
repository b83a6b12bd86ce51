/* SPDX-License-Identifier: MIT
 *
 * cbor.h - bounded CBOR (RFC 8949) in deterministic form, without a heap, over libcbor's streaming
 * calls.
 *
 * Sticky error: after the first failure every call does nothing and returns zero values; done()
 * reports it. Check reader.err before a value that was read steers the decoding.
 */
#ifndef COVEY_CBOR_H
#define COVEY_CBOR_H

#include "covey/bytes.h"
#include "covey/limits.h"

/* Fixed size, on the caller's stack; do not touch the fields other than err. */
struct covey_cbor_reader {
    const uint8_t *ptr;
    size_t len;
    size_t pos;
    unsigned depth;
    uint64_t left[COVEY_CBOR_DEPTH_MAX]; /* items left in each open array or map */
    uint64_t key[COVEY_CBOR_DEPTH_MAX];  /* the last key that next_key() gave there */
    uint8_t kind[COVEY_CBOR_DEPTH_MAX];
    covey_err err;
};

enum covey_cbor_type {
    COVEY_CBOR_NONE, /* end of input, or an error */
    COVEY_CBOR_UINT,
    COVEY_CBOR_NINT,
    COVEY_CBOR_BYTES,
    COVEY_CBOR_TEXT,
    COVEY_CBOR_ARRAY,
    COVEY_CBOR_MAP,
    COVEY_CBOR_BOOL,
    COVEY_CBOR_NULL,
    COVEY_CBOR_FLOAT, /* half, single and double precision */
    COVEY_CBOR_OTHER, /* tags and simple values: well-formed, refused by every get */
};

void covey_cbor_reader_init(struct covey_cbor_reader *r, struct covey_bytes in);

/* The type of the next item, which is not consumed. NONE at the end of the open container. */
enum covey_cbor_type covey_cbor_peek(struct covey_cbor_reader *r);

uint64_t covey_cbor_get_uint(struct covey_cbor_reader *r, uint64_t max); /* > max: RANGE */
int64_t covey_cbor_get_int(struct covey_cbor_reader *r);                 /* beyond int64_t: RANGE */
bool covey_cbor_get_bool(struct covey_cbor_reader *r);
void covey_cbor_get_null(struct covey_cbor_reader *r);
double covey_cbor_get_float(struct covey_cbor_reader *r); /* not the shortest form: MALFORMED */
/* Borrowed from the input. len > max: LIMIT. Text must be UTF-8 (else MALFORMED). */
struct covey_bytes covey_cbor_get_bytes(struct covey_cbor_reader *r, size_t max);
struct covey_bytes covey_cbor_get_text(struct covey_cbor_reader *r, size_t max);
/* Byte string of exactly len bytes (else MALFORMED), copied; out is untouched on an error. */
void covey_cbor_get_fixed(struct covey_cbor_reader *r, uint8_t *out, size_t len);
/* Text of 1..cap-1 bytes without control characters, copied with a final zero; longer: LIMIT, empty
 * or with control characters: MALFORMED. out is untouched on an error. */
void covey_cbor_get_string(struct covey_cbor_reader *r, char *out, size_t cap);

/* Opens a definite array or map of at most max items (pairs for a map); returns the count.
 * leave() fails with MALFORMED unless all items were read. */
size_t covey_cbor_enter_array(struct covey_cbor_reader *r, size_t max);
size_t covey_cbor_enter_map(struct covey_cbor_reader *r, size_t max);
void covey_cbor_leave(struct covey_cbor_reader *r);
/* One item with all it holds, of any type, tags and simple values too; indefinite lengths are
 * MALFORMED and nesting beyond COVEY_CBOR_DEPTH_MAX, with what is open already, is LIMIT. */
void covey_cbor_skip(struct covey_cbor_reader *r);

/* Loop over an open map with unsigned integer keys in ascending order (deterministic form):
 *   while (covey_cbor_next_key(r, &key)) { switch (key) { case 1: ...; default: covey_cbor_skip(r);
 * } } False at the end (the map is then left) or on an error. Duplicate or descending keys:
 * MALFORMED, and so is a value that was not read. What *inout_key holds before the call does not
 * matter. */
bool covey_cbor_next_key(struct covey_cbor_reader *r, uint64_t *inout_key);

/* The error, or MALFORMED if a container is open or bytes are left over. */
covey_err covey_cbor_reader_done(struct covey_cbor_reader *r) COVEY_CHECK;

/* Whether the bytes are exactly one well-formed item (RFC 8949 section 5.3.1), indefinite lengths,
 * tags and depth up to COVEY_CBOR_DEPTH_MAX included. */
bool covey_cbor_well_formed(struct covey_bytes in);

struct covey_cbor_writer {
    uint8_t *ptr; /* NULL: count only */
    size_t cap;
    size_t pos;
    covey_err err;
};

/* With out.ptr NULL nothing is written and done() gives the length needed. */
void covey_cbor_writer_init(struct covey_cbor_writer *w, struct covey_buf out);
void covey_cbor_put_uint(struct covey_cbor_writer *w, uint64_t v);
void covey_cbor_put_int(struct covey_cbor_writer *w, int64_t v);
void covey_cbor_put_bool(struct covey_cbor_writer *w, bool v);
void covey_cbor_put_null(struct covey_cbor_writer *w);
void covey_cbor_put_float(struct covey_cbor_writer *w, double v); /* shortest exact form */
void covey_cbor_put_bytes(struct covey_cbor_writer *w, struct covey_bytes b);
void covey_cbor_put_text(struct covey_cbor_writer *w, const char *s); /* not UTF-8: MALFORMED */
void covey_cbor_put_text_bytes(struct covey_cbor_writer *w, struct covey_bytes text);
void covey_cbor_put_array(struct covey_cbor_writer *w, size_t count);
void covey_cbor_put_map(struct covey_cbor_writer *w, size_t pairs);
/* *out_len on success only; SPACE if it did not fit. */
covey_err covey_cbor_writer_done(const struct covey_cbor_writer *w, size_t *out_len) COVEY_CHECK;

#endif /* COVEY_CBOR_H */
