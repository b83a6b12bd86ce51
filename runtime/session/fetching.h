/* SPDX-License-Identifier: MIT
 *
 * fetching.h - blobs asked for until they are all here: what a store lacks is written down in a
 * list, the list is fetched from one device, the store is looked at again. When nothing comes, all
 * devices are asked at once. Whose blobs they are, and what ends it, is the caller's.
 */
#ifndef COVEY_SESSION_FETCHING_H
#define COVEY_SESSION_FETCHING_H

#include "services.h"

/* In a struct whose first member is its task. Zeroed but for what init() sets. */
struct covey__fetching {
    struct covey_services *services;
    struct covey_fence fence; /* of this device's own: nobody else's session */
    unsigned round;
    bool widely;                 /* everybody is asked, not only the likeliest */
    bool once;                   /* each in turn, and none again before the next ask() */
    struct covey_node_id source; /* the likeliest; zeros: nobody is here */
    size_t missing;              /* blobs, counted by want() */
    size_t wants_len;
    uint8_t *wants; /* COVEY_WANTS_BYTES_MAX */
};

covey_err covey__fetching_init(struct covey__fetching *f,
                               struct covey_services *services) COVEY_CHECK;
void covey__fetching_done(struct covey__fetching *f);

/* Whose FETCHED it is. */
bool covey__fetching_is(const struct covey__fetching *f, const struct covey_action *action);

/* An empty list, with whom to ask in front; source: the likeliest first. */
void covey__fetching_begin(struct covey__fetching *f, const struct covey_node_id *source,
                           size_t count);
/* Of any thread, as long as it is the only one; len 0: not known. */
void covey__fetching_want(struct covey__fetching *f, const struct covey_digest *digest, size_t len);
/* The list is fetched: FETCHED follows, maybe at once. False: it was asked for too often already.
 */
bool covey__fetching_ask(struct covey__fetching *f);
/* From now on everybody is asked; false: everybody was. */
bool covey__fetching_widen(struct covey__fetching *f);

#endif /* COVEY_SESSION_FETCHING_H */
