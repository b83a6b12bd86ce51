/* SPDX-License-Identifier: MIT
 *
 * cbor_walk.h - reads any item through the public reader and writes it again: what is taken in
 * deterministic form must come out as the same bytes. For tests and the fuzz harness.
 */
#ifndef COVEY_TESTS_CBOR_WALK_H
#define COVEY_TESTS_CBOR_WALK_H

#include "covey/cbor.h"

static inline void cbor_walk_item(struct covey_cbor_reader *r, struct covey_cbor_writer *w);

static inline void cbor_walk_items(struct covey_cbor_reader *r, struct covey_cbor_writer *w)
{
    while (covey_cbor_peek(r) != COVEY_CBOR_NONE) {
        cbor_walk_item(r, w);
    }
    covey_cbor_leave(r);
}

/* Recursion ends by the reader's depth. A tag or a nameless simple value fails in get_null(). */
static inline void cbor_walk_item(struct covey_cbor_reader *r, struct covey_cbor_writer *w)
{
    switch (covey_cbor_peek(r)) {
    case COVEY_CBOR_NONE:
    case COVEY_CBOR_UINT:
        covey_cbor_put_uint(w, covey_cbor_get_uint(r, UINT64_MAX));
        return;
    case COVEY_CBOR_NINT:
        covey_cbor_put_int(w, covey_cbor_get_int(r));
        return;
    case COVEY_CBOR_BYTES:
        covey_cbor_put_bytes(w, covey_cbor_get_bytes(r, SIZE_MAX));
        return;
    case COVEY_CBOR_TEXT:
        covey_cbor_put_text_bytes(w, covey_cbor_get_text(r, SIZE_MAX));
        return;
    case COVEY_CBOR_ARRAY:
        covey_cbor_put_array(w, covey_cbor_enter_array(r, SIZE_MAX));
        cbor_walk_items(r, w);
        return;
    case COVEY_CBOR_MAP:
        covey_cbor_put_map(w, covey_cbor_enter_map(r, SIZE_MAX));
        cbor_walk_items(r, w);
        return;
    case COVEY_CBOR_BOOL:
        covey_cbor_put_bool(w, covey_cbor_get_bool(r));
        return;
    case COVEY_CBOR_FLOAT:
        covey_cbor_put_float(w, covey_cbor_get_float(r));
        return;
    case COVEY_CBOR_NULL:
    case COVEY_CBOR_OTHER:
        covey_cbor_get_null(r);
        covey_cbor_put_null(w);
        return;
    }
}

/* Exactly one item; the first error of reading, then of writing. */
static inline covey_err cbor_walk(struct covey_bytes in, struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_reader r;
    struct covey_cbor_writer w;
    covey_cbor_reader_init(&r, in);
    covey_cbor_writer_init(&w, out);
    cbor_walk_item(&r, &w);
    covey_err err = covey_cbor_reader_done(&r);
    return err != COVEY_OK ? err : covey_cbor_writer_done(&w, out_len);
}

#endif /* COVEY_TESTS_CBOR_WALK_H */
