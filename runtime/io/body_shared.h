/* SPDX-License-Identifier: MIT
 *
 * body_shared.h - a body sealed once for many receivers, and the receiving side's way to write into
 * a body where its next bytes go.
 */
#ifndef COVEY_BODY_SHARED_H
#define COVEY_BODY_SHARED_H

#include "covey/body.h"
#include "covey/channel.h"

struct covey_body_shared {
    struct covey_shared_key key;
    uint8_t *sealed; /* as many bytes as the body has */
    size_t capacity;
};

/* Room for need bytes in all. */
covey_err covey__body_reserve(struct covey_body *b, size_t need) COVEY_CHECK;
/* Room for a body that is empty and of which len bytes are announced, or for its beginning: of what
 * has not come nothing is in memory, and what does is not copied. */
covey_err covey__body_expect(struct covey_body *b, size_t len) COVEY_CHECK;

#endif /* COVEY_BODY_SHARED_H */
