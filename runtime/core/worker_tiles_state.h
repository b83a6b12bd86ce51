/* SPDX-License-Identifier: MIT
 *
 * worker_tiles_state.h - the inside of the tiles' machine: worker_tiles.c takes what comes,
 * worker_tiles_run.c drives the jobs.
 */
#ifndef COVEY_CORE_WORKER_TILES_STATE_H
#define COVEY_CORE_WORKER_TILES_STATE_H

#include "job.h"
#include "plan_codec.h"
#include "worker_tiles.h"

enum {
    COVEY__TILES_PLANS = 12,      /* 60 KiB each: only assignments whose pieces may come keep one */
    COVEY__TILES_OWNER_PLANS = 8, /* another owner must find room too */
    COVEY__TILES_JOBS = 64,
    COVEY__TILES_LATE = 16,       /* so many STARTs later nothing comes for a job that is done */
    COVEY__TILES_OWNER_JOBS = 48, /* another owner must find room too */
    COVEY__TILES_EARLY = 64,
    COVEY__TILES_PEER_EARLY = 16,                              /* of one holder, for all requests */
    COVEY__TILES_PEER_EARLY_BYTES = 2 * COVEY_RELAY_PIECE_MAX, /* more only if it is one piece */
    COVEY__TILES_EARLY_BYTES = 8 * COVEY_RELAY_PIECE_MAX,
    COVEY__TILES_EARLY_MS = 10000, /* its START comes by another way, but not that much later */
    COVEY__TILES_SILENT_MS = 60000,
};

struct covey__tiles_plan {
    bool used, ready;
    uint8_t me; /* this device in the plan */
    struct covey_node_id owner;
    struct covey_fence fence;
    struct covey_plan plan;
};

enum covey__tiles_state {
    COVEY__TILES_FREE,
    COVEY__TILES_WAITING, /* for the pieces of `segment`, or for its turn */
    COVEY__TILES_RUNNING,
    COVEY__TILES_DONE,    /* stays, so that what comes late is known as such */
    COVEY__TILES_DROPPED, /* gives back what it has; RUNNING when it was dropped: waits for its end
                           */
};

struct covey__tiles_job {
    enum covey__tiles_state state;
    bool running;  /* TILE_COMPUTED is to come */
    bool kept;     /* session keeps something of this attempt */
    bool complain; /* STALLED is to be sent */
    bool stalled;  /* told already, for this segment */
    bool moved;    /* waits since the next tick */
    bool heard;    /* heard of at the next tick */
    /* Fed: gets the run's result too, as if it were the input of one segment more, computes its
     * share of a layer with it, and answers that. */
    bool is_fed;
    bool answer_due, to_owner;     /* the owner is still to be told, is still to get its rows */
    enum covey_work_status status; /* of the answer */
    uint32_t relayed;              /* bytes of the layer's input in pieces; 0: it is of a run */
    uint32_t fed, to_feed;         /* who gets the result; who is still to get these rows of it */
    uint16_t layer;
    uint32_t work, spent_us;
    uint8_t run, attempt, segment, out_segment;
    uint16_t stall_ms;
    const struct covey__tiles_plan *plan; /* valid unless dropped */
    struct covey_node_id owner;
    struct covey_fence fence;
    uint64_t request;
    uint32_t order;   /* of its START */
    uint32_t ticket;  /* names what runs to session */
    uint32_t missing; /* to complain of */
    uint64_t since_ms, heard_ms;
    struct covey_tile_layout layout;
    covey_handle piece[COVEY_TILE_SEGMENTS_MAX + 1][COVEY_PLAN_DEVICES_MAX + 1]; /* by source */
    covey_handle out[COVEY_PLAN_DEVICES_MAX + 1]; /* by destination, of out_segment's input */
    struct covey_tile_task task;
};

/* A piece before its START. */
struct covey__tiles_early {
    bool used, fresh;
    bool dropped; /* only its body is to be given back */
    struct covey_fence fence;
    uint64_t request, at_ms;
    uint8_t run, attempt, segment, source;
    struct covey_node_id peer;
    covey_handle body;
    size_t body_len;
};

struct covey_tiles {
    struct covey_node_id self;
    uint32_t order, ticket;
    unsigned jobs, earlies; /* beyond them no entry was ever used: each event looks at all */
    struct covey__tiles_plan plan[COVEY__TILES_PLANS + 1]; /* one is always free to decode into */
    struct covey__tiles_job job[COVEY__TILES_JOBS];
    struct covey__tiles_early early[COVEY__TILES_EARLY];
};

static inline bool covey__tiles_live(const struct covey__tiles_job *job)
{
    return job->state != COVEY__TILES_FREE && job->state != COVEY__TILES_DROPPED;
}

static inline const struct covey_plan_run *covey__tiles_run(const struct covey__tiles_job *job)
{
    return &job->plan->plan.run[job->run];
}

/* It gives back what it has; session forgets it. */
void covey__tiles_drop(struct covey__tiles_job *job);
/* The next segment, from this one on, in which this device has rows. */
void covey__tiles_enter(struct covey__tiles_job *job, unsigned segment);
bool covey__tiles_has_out(const struct covey__tiles_job *job);
/* Devices whose pieces of its segment it waits for. */
uint32_t covey__tiles_missing(const struct covey__tiles_job *job);
/* worker_tiles_feed.c: a run's result at the holders of the layer behind it */

/* Rows of this segment's input that device `from` made for this one. */
struct covey_rows covey__tiles_rows(const struct covey__tiles_job *job, unsigned segment,
                                    unsigned from);
/* Bytes of the piece that the device gives this one. */
size_t covey__tiles_due(const struct covey__tiles_job *job, unsigned segment, unsigned from);
/* Of a piece that whoever sent it may send; 0: it may send none. */
size_t covey__tiles_piece_most(const struct covey__tiles_plan *plan,
                               const struct covey_incoming *in);
/* Whether pieces of its runs or layers may come. */
bool covey__tiles_is_of_use(const struct covey_plan *plan);
/* RELAY: a layer's input that its holders give one another, as if it were the result of a run of no
 * segments, of which each has its rows at once. */
bool covey__tiles_may_relay(const struct covey__tiles_plan *plan, const struct covey_incoming *in);
void covey__tiles_relay(struct covey__tiles_job *job, const struct covey_work_tile *start,
                        covey_handle take_piece);
/* What START says of it. */
void covey__tiles_fed(struct covey__tiles_job *job, const struct covey_work_tile *start);
/* Whether somebody may be late: a fed device without rows begins to wait long before the others
 * can have made theirs. */
bool covey__tiles_is_waiting(const struct covey__tiles_job *job);
/* How long it waits for the pieces of its segment before it says so. */
uint32_t covey__tiles_stall_ms(const struct covey__tiles_job *job);
/* Rows of out_segment to one who needs them. False: no room for it now. */
bool covey__tiles_send_piece(struct covey_update *out, const struct covey__tiles_job *job,
                             const struct covey_node_id *to, covey_handle body);
/* The last segment is computed: its rows go to the owner and to all that are fed. False: the update
 * is full. */
bool covey__tiles_send_result(struct covey_update *out, struct covey__tiles_job *job);
/* The layer's part is computed, refused or cancelled. False: the update is full. */
bool covey__tiles_answer(struct covey_update *out, struct covey__tiles_job *job);

/* False: the update is full. */
bool covey__tiles_stalled(struct covey_update *out, const struct covey_node_id *owner,
                          const struct covey_work_tile *tile, uint32_t devices);

#endif /* COVEY_CORE_WORKER_TILES_STATE_H */
