/* SPDX-License-Identifier: MIT
 *
 * worker_tiles.h - the holder's tiles as a pure machine, called by worker.c alone.
 *
 * A job is one attempt at one tile run of one request. It waits for the pieces of its segment, has
 * it computed, sends out what others need of it, and goes on, until its run's last segment. A piece
 * is taken only from the device that the assignment's plan names as its source, and only with as
 * many bytes as the layout says, or fewer: then it came without zeros. Pieces may come before their
 * START. Where the run feeds a layer, the result is the input of one segment more at those who hold
 * units of that layer; what they compute with it is an ANSWER to the owner.
 */
#ifndef COVEY_CORE_WORKER_TILES_H
#define COVEY_CORE_WORKER_TILES_H

#include "covey/node.h"
#include "incoming.h"

struct covey_tiles;

size_t covey__tiles_size(void);
void covey__tiles_init(struct covey_tiles *tiles, const struct covey_node_id *self);

/* A plan in the machine, and which of its devices this one is. */
struct covey__given_plan {
    const struct covey_plan *plan;
    uint8_t me;
};

/* Keeps the plan of an assignment with tile runs until it is forgotten; one without says only who
 * else holds what, and is there until the next. An assignment without a plan needs no call; again
 * with the same fence: nothing new. LIMIT: no room; DENIED: not for this device. */
covey_err covey__tiles_assign(struct covey_tiles *tiles, const struct covey_node_id *owner,
                              const struct covey_fence *fence, struct covey_bytes plan,
                              struct covey__given_plan *out) COVEY_CHECK;
/* From now on STARTs and PIECEs are taken. */
void covey__tiles_ready(struct covey_tiles *tiles, const struct covey_node_id *owner,
                        const struct covey_fence *fence);
/* Only this version. */
void covey__tiles_forget(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_fence *fence);
/* The session's versions up to fence's, and those of lower epochs. */
void covey__tiles_retire(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_fence *fence);
/* All of this owner's. */
void covey__tiles_peer_down(struct covey_tiles *tiles, const struct covey_node_id *owner);

/* START, PIECE, DROP. True: the body is taken. */
bool covey__tiles_message(struct covey_tiles *tiles, const struct covey_incoming *in,
                          struct covey_update *out);
/* TILE_COMPUTED: takes its pieces. */
void covey__tiles_event(struct covey_tiles *tiles, const struct covey_event *event,
                        struct covey_update *out);
/* After any of the above; starts at most `room` tiles. False: the update is full. */
bool covey__tiles_pump(struct covey_tiles *tiles, unsigned room, struct covey_update *out);
/* How many are being computed, and whether one could be. */
unsigned covey__tiles_running(const struct covey_tiles *tiles);
bool covey__tiles_waiting(const struct covey_tiles *tiles);

/* EXECUTE (others: what the request's layer before was fed for) and CANCEL. */
void covey__tiles_cancel(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_work_execute *execute, bool others);

/* After each step: what is new counts from now on; what waits too long complains. Pump after it. */
void covey__tiles_tick(struct covey_tiles *tiles, uint64_t now_ms);
uint64_t covey__tiles_deadline_ms(const struct covey_tiles *tiles);

#endif /* COVEY_CORE_WORKER_TILES_H */
