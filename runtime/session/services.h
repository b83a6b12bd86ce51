/* SPDX-License-Identifier: MIT
 *
 * services.h - what the holder's and the owner's halves share of the daemon they live in.
 */
#ifndef COVEY_SESSION_SERVICES_H
#define COVEY_SESSION_SERVICES_H

#include "account.h"
#include "covey/channels.h"
#include "covey/node.h"
#include "handles.h"
#include "lab.h"
#include "pool.h"
#include "resident.h"
#include "store.h"

struct covey_model_table;

struct covey_services {
    struct covey_loop *loop;
    struct covey_pool *compute;    /* mathematics */
    struct covey_pool *storage;    /* one thread: disk, in order */
    struct covey_pool *background; /* one thread: what is made for later */
    struct covey_store store;
    struct covey_handles handles;
    struct covey_channels *channels;
    struct covey_lab lab;             /* what holders' answers go through */
    struct covey_account memory;      /* for weights, and what runs with them */
    uint64_t store_bytes;             /* on the disk, for others' weights */
    struct covey_model_table *models; /* of this node's sessions; NULL: none yet */
    struct covey_resident resident;
    void *user;
    /* Steps the node with the event; now_ms and wall_s are filled in. Never re-enters: an event fed
     * from inside an action waits its turn. Views in the event must live until then: bytes are
     * copied. */
    void (*feed)(void *user, const struct covey_event *event);
    void (*log)(void *user, const char *line);
    /* A line that begins with the device's name. */
    void (*tell)(void *user, const struct covey_node_id *device, const char *what);
    /* What this node knows of a device, NULL: of itself; false: it does not know it. */
    bool (*member)(void *user, const struct covey_node_id *device, struct covey_member_info *out);
    /* The devices that it knows, one after the other; false: there are no more. */
    bool (*device)(void *user, size_t index, struct covey_member_info *out);
};

#endif /* COVEY_SESSION_SERVICES_H */
