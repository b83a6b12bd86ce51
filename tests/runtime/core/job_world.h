/* SPDX-License-Identifier: MIT
 *
 * job_world.h - the scripted world around one owner for test_job*.c.
 */
#ifndef COVEY_TEST_JOB_WORLD_H
#define COVEY_TEST_JOB_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "job.h"
#include "plan_codec.h"

/* A scripted world around one owner, device 0: it carries out what the machine wants, by itself
 * only where a test does not care. */
enum {
    DEVICES = 8,
    ANSWER_BYTES = 4,
    BODIES = 4096,
    PENDING = 256,
    INPUT = 1 << 20,
    ROWS = 64,
    VERSIONS = 4
};
/* Of a layer by rows over four blocks of 16. */
enum { BLOCK_ROW_BYTES = 40, BLOCK_BYTES = 16 * BLOCK_ROW_BYTES };

extern const struct covey_fence session; /* of each world's one session */

struct pending {
    enum { DO_PLANNED, DO_PREPARED, DO_READY, DO_UP, DO_CUT, DO_STALLED } what;
    unsigned device;
    struct covey_fence fence;
};

struct world {
    struct covey_job *job;
    struct covey_update *out;
    struct covey_job_view view;
    struct covey_plan_request costs;
    bool closing;
    size_t input_len; /* of a layer; start_layer() */
    bool by_rows;     /* device d gets input INPUT + 1 + d */
    bool no_plan;     /* PLAN is not answered */
    bool unreachable[DEVICES], never_ready[DEVICES];
    /* It refuses an assignment of more, or so many whatever they are, and says that it has room for
     * that. */
    bool bounded[DEVICES];
    uint64_t room[DEVICES];
    unsigned to_refuse[DEVICES];
    /* The owner has no room to prepare more for itself, and says what it has. */
    bool own_bounded;
    uint64_t own_room;
    covey_handle bodies; /* the last made */
    bool alive[BODIES];
    struct pending pending[PENDING];
    size_t pendings;
    /* what was seen */
    unsigned plans; /* that the owner made: the last, and its version */
    struct covey_plan made;
    uint32_t made_version;
    struct covey_plan plan;              /* of the last PREPARE */
    struct covey_plan plan_of[VERSIONS]; /* by version, of the last ones */
    uint32_t prepared, active, forgotten, retired[DEVICES];
    unsigned actives;          /* versions that were begun with */
    unsigned planned[DEVICES]; /* assignments that came with the plan */
    uint8_t holders[DEVICES][512];
    size_t holders_len[DEVICES]; /* of the last assignment */
    unsigned dials[DEVICES], assigns[DEVICES], places, cancels[DEVICES], sends[DEVICES];
    uint32_t place_version;
    unsigned refused[DEVICES]; /* assignments */
    unsigned told_refused;     /* REFUSED */
    uint64_t told_room[DEVICES];
    bool asked[DEVICES];
    struct covey_work_execute execute[DEVICES];
    unsigned locals;
    struct covey_action local[8];
    unsigned done;
    struct covey_layer_done layer_done;
    struct covey_fence units_fence;
    unsigned units;
    /* relayed inputs */
    unsigned pieces;                       /* sent by the owner */
    uint32_t relayed, given[DEVICES];      /* who was asked so; what it got of others' pieces */
    struct covey_work_tile relay[DEVICES]; /* the last */
    /* tile runs */
    bool no_cut;                     /* TILES_CUT is not answered */
    unsigned cuts, started, dropped; /* started, dropped: masks of devices */
    struct covey_action cut;         /* the last */
    struct covey_tile_layout layout, twin;
    struct covey_work_tile start[DEVICES];
    unsigned tiles_done, computed_here;
    unsigned asked_at[DEVICES]; /* how often */
    unsigned silent;            /* mask of those that do not answer it; the others' answers: */
    uint8_t at[DEVICES];
    uint32_t waits_for[DEVICES];
};

struct covey_node_id id_of(unsigned device);
covey_handle new_body(struct world *w);
void assert_no_bodies(const struct world *w);
covey_err give(struct world *w, struct covey_event *event);
void tell(struct world *w, unsigned device, const struct covey_work_message *m, covey_handle body,
          size_t len);
/* RELAY, or a piece for device d: as it must have it. */
void on_relay(struct world *w, unsigned d, const struct covey_work_message *m,
              const struct covey_action *action);
/* PLAN; whether it is answered at once. */
bool on_plan(struct world *w, const struct covey_action *action);
/* PLANNED of the version, with what was made last, or an error. */
void give_plan(struct world *w, uint32_t version, covey_err err);
/* READY or REFUSE. */
void answer_assign(struct world *w, unsigned device, const struct covey_fence *fence);
/* What w->plan gives the device. */
uint64_t given_bytes(const struct world *w, unsigned device);
void set_peer(struct world *w, unsigned device, enum covey_peer_state state);
void pass(struct world *w, uint64_t ms);
void set_devices(struct world *w, unsigned mask);
/* As long as it takes until a plan is made for other devices or rates. */
void plan_anew(struct world *w);
struct world *world_new(unsigned devices, unsigned parity);
void world_free(struct world *w);
void open_session(struct world *w);
covey_err begin(struct world *w, uint64_t request);
void end(struct world *w, uint64_t request);
/* The request ends, and with it the world, in which no body is left. */
void finish(struct world *w, uint64_t request);
void start_layer(struct world *w, uint64_t request, unsigned layer);
struct world *ready_world(unsigned devices, unsigned parity);
/* Its model is one convolution, split by rows; request 7 has begun. */
struct world *rows_world(unsigned devices, unsigned parity);
/* Its model is one tile run of four cells of ROWS rows; request 7 has begun. */
struct world *tiles_world(unsigned devices);
/* Each cell is a segment, since it needs many rows of its neighbours. */
struct world *segments_world(unsigned devices);
/* The same, and the result has two rows: most devices have none of it. */
struct world *narrow_world(unsigned devices);
/* The run feeds the one layer behind it. */
struct world *feed_world(unsigned devices);
/* Each row is made by two devices. */
struct world *twins_world(unsigned devices);
void start_tiles(struct world *w, uint64_t request);
void answer_cut(struct world *w);
/* The device's rows of the result, if it has any, of the last START. */
void give_piece(struct world *w, unsigned device);
/* Those of all devices that were started. */
void give_all(struct world *w);
void stall(struct world *w, unsigned device, uint32_t missing);
unsigned slots_of(const struct world *w, unsigned layer, unsigned device, bool units_only);
struct covey_work_message answer_of(const struct world *w, unsigned device);
void answer_local(struct world *w, unsigned index);
void answer(struct world *w, unsigned device);
/* Devices first to end - 1, and all but one. */
void answer_from(struct world *w, unsigned first, unsigned end);
void answer_but(struct world *w, unsigned devices, unsigned silent);
/* Until then the owner computes its own share only, then what is overdue too. */
void computed_here_after(struct world *w, uint64_t ms);
/* Layer 0 of request 7, eight times, each answered by all after 100 ms. */
void make_usual(struct world *w, unsigned devices);
unsigned rebuilt(const struct world *w, unsigned layer);
unsigned bits(const uint64_t *slots);

#endif /* COVEY_TEST_JOB_WORLD_H */
