/* SPDX-License-Identifier: MIT
 *
 * fake_state.h - what the owner's and the worker's half of fake_session.h share.
 */
#ifndef COVEY_SIM_FAKE_STATE_H
#define COVEY_SIM_FAKE_STATE_H

#include "fake_model.h"

enum {
    FAKE_VERSIONS = 8,
    FAKE_ASSIGNMENTS = 64,
    FAKE_ENTRIES = 64,
    FAKE_CACHE = 4096,
    FAKE_COMPUTE_US = 150, /* a product, and each of its slots */
    FAKE_SLOT_US = 40,
    FAKE_PLAN_US = 20000,
    FAKE_ROWS_MAX = 64, /* of a tile run, one number each */
    FAKE_CELLS = 4,
    FAKE_ROW_US = 50, /* a row of one cell */
    FAKE_MADE = 64,
    FAKE_HIGH = 32, /* rows of a layer by rows, one number each */
    FAKE_FILTERS = 3,
    FAKE_ANSWER_MAX = FAKE_FILTERS * FAKE_HIGH, /* numbers of a slot, more than FAKE_ROWS */
};

struct fake_entry {
    uint16_t layer, slot;
    struct covey_digest digest;
    uint32_t sources; /* of the assignment's */
    unsigned cached;  /* index + 1 in the cache; 0: missing */
};

struct fake_assignment {
    bool used;
    bool rows; /* of layers by rows, with the plan */
    unsigned sources;
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX];
    struct covey_node_id owner;
    struct covey_fence fence;
    unsigned count;
    struct fake_entry entry[FAKE_ENTRIES];
};

struct fake_unit {
    struct covey_digest digest;
    size_t len;
    uint32_t weights[FAKE_WEIGHTS_MAX];
};

struct fake_version {
    uint32_t number; /* 0: none */
    const struct covey_plan *plan;
};

struct fake_stream {
    bool under_way, starting, refused;
    uint64_t request, began_us;
    unsigned layer;
    covey_handle input;
    uint32_t expected[FAKE_INPUT_MAX];
    uint32_t rows[FAKE_ROWS_MAX]; /* of a tile run: the input; by rows: the layer's */
    /* by rows */
    uint32_t version; /* of the plan that it began with */
    uint32_t first[FAKE_HIGH];
    covey_handle part[COVEY_PLAN_DEVICES_MAX + 1]; /* the layer's input by device */
};

/* What came of a layer. */
struct fake_came {
    size_t numbers; /* of a slot's answer */
    bool here[COVEY_LAYER_SLOTS_MAX];
    uint32_t value[COVEY_LAYER_SLOTS_MAX][FAKE_ANSWER_MAX];
};

/* What a holder made of a segment and needs for the next. */
struct fake_made {
    bool used;
    struct covey_node_id owner;
    uint64_t request;
    uint8_t attempt, segment;
    uint32_t rows[FAKE_ROWS_MAX];
};

struct fake_node {
    /* worker; the cache outlives restarts, as the disk does */
    struct fake_assignment assignment[FAKE_ASSIGNMENTS];
    unsigned units;
    struct fake_unit *cache;
    uint64_t busy_us; /* until then its one processor computes */
    bool lies;
    unsigned given; /* units, to others */
    struct fake_made made[FAKE_MADE];
    unsigned next_made;
    /* owner */
    bool open, running;
    bool tiles; /* its model is one tile run */
    bool rows;  /* all its layers are split by rows */
    struct covey_fence fence;
    uint32_t active; /* version */
    struct fake_version version[FAKE_VERSIONS];
    struct fake_stream stream[FAKE_STREAMS];
    struct fake_counts counts;
    struct covey_plan_request costs;
};

struct fake {
    struct cluster *c;
    uint64_t requests, sessions;
    struct fake_node node[CLUSTER_NODES_MAX];
};

/* When a product of that many slots that starts now is there, on the node's one processor. */
uint64_t fake_compute_us(struct fake *fake, unsigned node, unsigned slots);
/* Into the node's cache, unless it is there: its place there, from 1. */
unsigned fake_keep(struct fake *fake, unsigned node, const uint32_t *weights, size_t count);
void fake_send(struct fake *fake, unsigned from, const struct covey_node_id *to,
               const struct covey_work_message *message, covey_handle body);
void fake_fail(const struct fake *fake, unsigned node, const char *what);

void fake_owner_action(struct fake *fake, unsigned node, const struct covey_action *action);
void fake_owner_error(struct fake *fake, unsigned node, const struct covey_event *event,
                      covey_err err);
void fake_owner_stop(struct fake *fake, unsigned node);
void fake_worker_action(struct fake *fake, unsigned node, const struct covey_action *action);
void fake_worker_stop(struct fake *fake, unsigned node);
struct fake_stream *fake_stream_of(struct fake_node *n, uint64_t request);
const struct covey_plan *fake_plan_of(const struct fake_node *n, uint32_t version);
void fake_end_request(struct fake *fake, unsigned node, struct fake_stream *s, bool right);
/* fake_layer.c */
bool fake_has_slot(const uint64_t *slots, unsigned slot);
/* Takes what a layer was done with, slot by slot, gives the bodies back and counts. out->numbers is
 * set. */
void fake_layer_take(struct fake *fake, unsigned node, const struct covey_plan_layer *layer,
                     const struct covey_layer_done *done, struct fake_came *out);
/* The answers to COMPUTE_LOCAL, of so many slots, after the time that they take. */
void fake_layer_tell_local(struct fake *fake, unsigned node, const struct covey_action *action,
                           struct covey_bytes answers, unsigned slots);
/* fake_rows.c */
void fake_rows_costs(struct covey_plan_request *costs, unsigned parity);
void fake_rows_begin(struct fake *fake, unsigned node, struct fake_stream *s);
void fake_rows_local(struct fake *fake, unsigned node, const struct covey_action *action);
void fake_rows_done(struct fake *fake, unsigned node, const struct covey_action *action);
void fake_rows_drop(struct fake *fake, struct fake_stream *s);
/* Entries of an assignment: all units of the layer. How many. */
unsigned fake_rows_slots(struct fake *fake, unsigned node, unsigned layer, uint8_t *out);
/* Bytes of what the holder's units make of the input, wrong if it lies; 0: it is no block. */
size_t fake_rows_answer(const struct fake_node *n, const struct fake_assignment *a, unsigned layer,
                        struct covey_bytes input, uint32_t *out);
/* fake_tiles.c */
void fake_tiles_costs(struct covey_plan_request *costs);
void fake_tiles_begin(struct fake *fake, unsigned node, struct fake_stream *s);
bool fake_tiles_action(struct fake *fake, unsigned node, const struct covey_action *action);

#endif /* COVEY_SIM_FAKE_STATE_H */
