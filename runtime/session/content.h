/* SPDX-License-Identifier: MIT
 *
 * content.h - blobs to and from other devices: verifies and keeps what core's fetch machine was
 * given, and reads what others want. Calls are on the loop; disk and hashes on the storage thread.
 *
 * What is given to a peer is read a little at a time, as its channel takes it: COVEY__SERVE_BYTES
 * wait at most, so that requests and other peers find room.
 */
#ifndef COVEY_SESSION_CONTENT_H
#define COVEY_SESSION_CONTENT_H

#include "services.h"

struct covey_content;

enum {
    COVEY__SERVE_PEERS = 64,
    COVEY__SERVE_QUEUE = 2048, /* digests of one peer: it has fewer asked for */
    COVEY__SERVE_BYTES = 2 * 1024 * 1024,
};

covey_err covey__content_new(struct covey_services *services,
                             struct covey_content **out) COVEY_CHECK;
/* After the pools have stopped. */
void covey__content_free(struct covey_content *c);

/* Actions STORE and SERVE. */
void covey__content_store(struct covey_content *c, const struct covey_action *action);
void covey__content_serve(struct covey_content *c, const struct covey_action *action);

#endif /* COVEY_SESSION_CONTENT_H */
