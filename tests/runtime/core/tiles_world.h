/* SPDX-License-Identifier: MIT
 *
 * tiles_world.h - several holders' worker machines, their sessions and an owner, without a network:
 * what is on its way arrives in whichever order the test wants. Every body is counted.
 */
#ifndef COVEY_TEST_TILES_WORLD_H
#define COVEY_TEST_TILES_WORLD_H

#include "worker.h"

enum {
    HOLDERS = 4,
    SEGMENTS = 3,
    ROWS = 24,
    BODIES = 20000,
    QUEUE = 4096,
    WIRE = 8192,
    REQUESTS = 64,
    STALL_MS = 50,
    OWNER = 0, /* the owner is the first device, too */
    FED_LAYER = 5,
    RELAYED_LAYER = 6,
    RELAYED_BYTES = 1000, /* pieces of 256, 256, 256 and 232 */
    MEMBERS = 15,         /* who gives the others its piece */
};

struct body {
    unsigned references;
    size_t len;
    struct covey_rows rows;
    uint8_t segment, source, attempt;
    uint64_t request;
};

/* On its way: a message, or an event of session. */
struct flight {
    bool is_event;
    unsigned to, from; /* COVEY_TILE_OWNER: the owner's session */
    struct covey_event event;
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1];
    covey_handle body;
    size_t len;
    uint8_t wire[WIRE];
};

struct holder {
    struct covey_worker *worker;
    bool dead;
    unsigned tiles, running, dropped;
    int kept[REQUESTS]; /* attempt whose rows session keeps, -1: none */
};

struct world {
    uint64_t random, now_ms;
    struct covey_plan plan;
    struct covey_fence fence;
    struct holder holder[HOLDERS];
    struct covey_update *update;
    struct body body[BODIES];
    unsigned bodies;
    struct flight *queue;
    unsigned queued;
    bool fail_compute;
    uint32_t fail_because;      /* of these devices; 0: of itself */
    uint32_t fed;               /* these get the result, for layer FED_LAYER */
    bool cut[HOLDERS][HOLDERS]; /* of a layer's input nothing comes from the one to the other */
    /* what the owner got */
    unsigned readies, stalled_count;
    uint32_t stalled_by, stalled_missing;
    struct covey_work_tile stalled; /* the last one, without its bytes */
    uint64_t rows[REQUESTS][256];   /* by attempt: bit: this row of the result is here */
    uint8_t attempt[REQUESTS];      /* whose answers count */
    uint32_t answered[REQUESTS];    /* bit d: with a product; refused, cancelled: without */
    uint32_t refused[REQUESTS], cancelled[REQUESTS];
};

unsigned below(struct world *w, unsigned n);
struct covey_node_id id_of(unsigned holder);
struct covey_node_id owner_id(void);
/* Of what a START of this attempt makes a fed device do. */
uint32_t work_of(uint64_t request, uint8_t attempt);
covey_handle new_body(struct world *w, const struct body *like);
void drop_body(struct world *w, covey_handle body);
void assert_no_bodies(const struct world *w);
void carry_out(struct world *w, unsigned at);
void tell(struct world *w, unsigned from, unsigned to, const struct covey_work_message *m,
          covey_handle body);
void deliver(struct world *w, unsigned which);
void deliver_all(struct world *w);
/* Less than `most` of them, drawn. */
void deliver_some(struct world *w, unsigned most);
void pass(struct world *w, uint64_t ms);
/* The owner's channel goes down at one holder. */
void lose_owner(struct world *w, unsigned at);
struct world *world_new(uint64_t seed);
/* The plan as it is now, for this holder; unready: it has not all of its units yet. */
void assign(struct world *w, unsigned at);
void assign_unready(struct world *w, unsigned at);
void world_free(struct world *w);
void queue_start(struct world *w, uint64_t request, uint8_t attempt, uint32_t gone);
/* RELAY of layer RELAYED_LAYER, and its way to all holders with a piece for each. */
struct covey_work_message relay_of(const struct world *w, uint64_t request, uint8_t attempt);
void queue_relay(struct world *w, uint64_t request, uint8_t attempt);
void assert_result(const struct world *w, uint64_t request, uint8_t attempt);
/* Requests 0 to 7 at once, each with its result, without a complaint or a body left. */
void assert_eight_end_well(struct world *w);

#endif /* COVEY_TEST_TILES_WORLD_H */
