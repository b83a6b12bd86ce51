/* SPDX-License-Identifier: MIT
 *
 * held.h - the weights of one layer's slots, laid out, shared by all assignments that hold the same
 * slots: a new version of a plan takes memory only for what changed.
 *
 * Loaded on the storage thread, laid out on a compute thread under its own lock, then constant.
 */
#ifndef COVEY_SESSION_HELD_H
#define COVEY_SESSION_HELD_H

#include <pthread.h>

#include "covey/message_work.h"
#include "covey/split.h"
#include "store.h"

struct covey_held {
    struct covey_held_table *table; /* NULL: shared with nobody */
    struct covey_held *next;
    uint32_t refs; /* under the table's lock */
    struct covey_layer layer;
    size_t slots;
    struct covey_digest *digest; /* of each slot */
    bool *loaded;                /* by slot; storage thread */
    size_t missing;              /* storage thread */
    pthread_mutex_t lock;        /* of the two below */
    float *weights;              /* slots x unit_rows x k; NULL once laid out elsewhere */
    struct covey_product *product;
    _Atomic uint64_t bytes;
    _Atomic uint64_t *used_bytes; /* bytes are added to it */
    struct covey_session_id session;
    bool shared; /* under the table's lock: other sessions have had it too */
};

/* One holder's; zeroed by its maker, but for the lock. */
struct covey_held_table {
    pthread_mutex_t lock;
    struct covey_held *first;
};

covey_err covey__held_table_init(struct covey_held_table *table) COVEY_CHECK;
/* After all that is held. */
void covey__held_table_done(struct covey_held_table *table);

struct covey_held_slots {
    const struct covey_layer *layer;
    const struct covey_work_slot *slot;
    size_t count;
    struct covey_session_id session; /* that asks */
};
/* One reference to what holds these slots. LIMIT: *used_bytes would exceed limit. table may be
 * NULL. */
covey_err covey__held_get(struct covey_held_table *table, const struct covey_held_slots *slots,
                          _Atomic uint64_t *used_bytes, uint64_t limit,
                          struct covey_held **out) COVEY_CHECK;
void covey__held_unref(struct covey_held *h); /* NULL is a no-op */
/* Bytes of what no other session has had. Any thread. */
uint64_t covey__held_of(struct covey_held_table *table, const struct covey_session_id *session);

/* Reads what is missing still and the store has. */
void covey__held_load(struct covey_held *h, const struct covey_store *store);
/* Once nothing is missing. */
covey_err covey__held_fill(struct covey_held *h) COVEY_CHECK;

#endif /* COVEY_SESSION_HELD_H */
