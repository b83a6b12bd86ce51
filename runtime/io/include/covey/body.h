/* SPDX-License-Identifier: MIT
 *
 * body.h - reference-counted, 64-byte aligned buffers for what travels as bodies.
 *
 * The only thing shared between the loop, the sealing threads and the compute pool.
 */
#ifndef COVEY_BODY_H
#define COVEY_BODY_H

#include "covey/bytes.h"
#include "covey/limits.h"

/* len and data are fixed once the body is shared; then it is read-only. */
struct covey_body {
    uint8_t *data;
    size_t len;
    size_t capacity;
    struct covey_body_shared *shared; /* sealed once for many; or NULL */
    bool patient; /* others go first on its channel; set by the maker before it is sent */
    _Atomic uint32_t refs;
};

/* One reference, len bytes (capacity may grow in steps: covey_body_grow keeps len <= limit). NOMEM,
 * LIMIT above COVEY_BODY_MAX. */
covey_err covey_body_new(size_t len, struct covey_body **out) COVEY_CHECK;
covey_err covey_body_append(struct covey_body *b, struct covey_bytes more) COVEY_CHECK;
/* Seals the body once for all whom it will be sent to; worth it from two receivers on. Any thread,
 * before the body is sent. On NOMEM it is sealed for each, as always. */
covey_err covey_body_share(struct covey_body *b) COVEY_CHECK;
struct covey_body *covey_body_ref(struct covey_body *b);
void covey_body_unref(struct covey_body *b); /* NULL is a no-op */

#endif /* COVEY_BODY_H */
