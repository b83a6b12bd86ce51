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

/* len and data are fixed once the body is shared; then it is read-only, but for one that is made
 * while it is sent: its maker alone writes, behind the bytes that are ready. */
struct covey_body {
    uint8_t *data;
    size_t len;
    size_t capacity;
    struct covey_body_shared *shared; /* sealed once for many; or NULL */
    struct covey_body *of;            /* whose bytes these are; or NULL: its own */
    bool patient;         /* others go first on its channel; set by the maker before it is sent */
    _Atomic size_t ready; /* bytes that may be read; COVEY_BODY_WHOLE: all */
    _Atomic uint32_t refs;
};

#define COVEY_BODY_WHOLE SIZE_MAX
#define COVEY_BODY_GIVEN_UP (SIZE_MAX - 1)

/* One reference, len bytes (capacity may grow in steps: covey_body_grow keeps len <= limit). NOMEM,
 * LIMIT above COVEY_BODY_MAX. */
covey_err covey_body_new(size_t len, struct covey_body **out) COVEY_CHECK;
covey_err covey_body_append(struct covey_body *b, struct covey_bytes more) COVEY_CHECK;
/* A part of a body that is whole and does not change any more, without a copy: keeps a reference to
 * it. from is a multiple of 64, from + len <= the body's. */
covey_err covey_body_slice(struct covey_body *b, size_t from, size_t len,
                           struct covey_body **out) COVEY_CHECK;
/* Seals the body once for all whom it will be sent to; worth it from two receivers on. Any thread,
 * before the body is sent. On NOMEM it is sealed for each, as always. */
covey_err covey_body_share(struct covey_body *b) COVEY_CHECK;
/* A body that is made while it is sent: ready is 0 before anybody else sees it, then grows, from
 * any one thread, to COVEY_BODY_WHOLE, or ends as GIVEN_UP: the message then arrives without it.
 * covey_channels_wake() sends what became ready. Not for a body that was sealed for many. */
void covey_body_make_ready(struct covey_body *b, size_t ready);
struct covey_body *covey_body_ref(struct covey_body *b);
void covey_body_unref(struct covey_body *b); /* NULL is a no-op */
/* For a process whose memory is bounded: that of large bodies goes back to the system as soon as
 * they are free, from now on, instead of being used again for some seconds. */
void covey_body_keep_none(void);

#endif /* COVEY_BODY_H */
