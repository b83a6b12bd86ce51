/* SPDX-License-Identifier: MIT
 *
 * handles.h - the numbers by which the node's machines name bodies. Loop's thread only.
 */
#ifndef COVEY_SESSION_HANDLES_H
#define COVEY_SESSION_HANDLES_H

#include "covey/body.h"
#include "covey/update.h"

/* A handle is slot + 1 in the low 16 bits and a generation above, so a stale one is noticed. */
struct covey_handles {
    struct covey_handle_slot {
        struct covey_body *body;
        uint16_t generation;
        uint16_t next_free;
    } * slots;
    uint16_t free_head;
    size_t count;
};

covey_err covey__handles_init(struct covey_handles *h) COVEY_CHECK;
void covey__handles_done(struct covey_handles *h); /* drops what is left */
/* Takes one reference; 0 when all are in use (the reference is dropped then). */
covey_handle covey__handles_put(struct covey_handles *h, struct covey_body *take_body);
/* Borrowed; NULL for 0. */
struct covey_body *covey__handles_get(const struct covey_handles *h, covey_handle handle);
/* The reference passes to the caller; NULL for 0. */
struct covey_body *covey__handles_take(struct covey_handles *h, covey_handle handle);

#endif /* COVEY_SESSION_HANDLES_H */
