/* SPDX-License-Identifier: MIT
 *
 * owner_state.h - the structs that owner.c (sessions and plans) and owner_request.c (requests)
 * share.
 */
#ifndef COVEY_SESSION_OWNER_STATE_H
#define COVEY_SESSION_OWNER_STATE_H

#include "model_share.h"
#include "owner.h"

/* What a layer was put together from and is not checked yet. */
struct covey_check {
    struct covey_task task;
    struct covey_owner *owner;
    struct covey_session *session;
    struct covey_version *version;
    uint64_t request;
    uint16_t layer;
    struct covey_body *input;
    struct covey_answers answers;
    uint32_t fed; /* as the request's */
    uint32_t wrong;
    covey_err err;
};

struct covey_request {
    struct covey_task task; /* the one step that runs now: advance, combine, join, or cut */
    bool used;
    bool running;  /* the task is at work, or held back */
    bool alone;    /* whatever the plan says */
    bool checking; /* answers of a layer before are on the pool: no step begins meanwhile */
    bool held;     /* a step waits for that */
    uint64_t id;
    uint64_t alone_ms; /* when it began without waiting for a plan any longer; 0: it did not */
    struct covey_infer infer;
    struct covey_session *session;
    struct covey_version *version; /* NULL: not begun */
    struct covey_body *input;
    struct covey_run *run;
    struct covey_request *next; /* in the session's waiting list */
    uint64_t start_ns, deadline_ms;
    uint64_t stage_ns; /* when the stage, or the step between two, began */
    enum covey_request_step {
        COVEY_STEP_START,
        COVEY_STEP_COMBINE,
        COVEY_STEP_JOIN,
        COVEY_STEP_LOCAL
    } step; /* what the task begins with */
    /* set by the task */
    bool stopped; /* at a stage; else the run is over */
    struct covey_version_stage at;
    struct covey_body *layer_input; /* float32; numbers that float16 has when half */
    struct covey_body *layer_wire;  /* the same as it is sent */
    /* Of a layer by rows instead, by device; as float32 they are in answers.block. */
    struct covey_body *part_wire[COVEY_PLAN_DEVICES_MAX];
    const float *tile_input;   /* in the run's memory until it goes on */
    uint32_t fed;              /* devices that have this layer's input from others */
    bool has_run;              /* memory for one is its own */
    struct covey_check *check; /* not begun yet */
    uint32_t wrong;            /* devices whose answers were: what is there is not used */
    bool again;                /* all of it is to be computed again then, not the layer only */
    uint32_t unsure;           /* of the wrong ones may be others' doing */
    uint32_t lied;             /* the same of strips, which were made here then */
    uint32_t local_us;         /* what nodes took from the stage before to this one */
    covey_err err;
    /* given to the task */
    uint32_t found;               /* wrong answers of a layer before */
    uint32_t found_fed;           /* whose input there came from others */
    covey_err found_err;          /* it could not be checked */
    struct covey_answers answers; /* COMBINE; JOIN: pieces by device. block: from the step before */
    struct covey_tile_layout layout;
    struct covey_tile_layout twin;                  /* segments 0: rows are made once */
    struct covey_body *cut[COVEY_PLAN_DEVICES_MAX]; /* made by it */
    uint8_t attempt;
    covey_handle layer_handle;
    covey_handle part_handle[COVEY_PLAN_DEVICES_MAX + 1];
    struct covey_control_result *result;
};

enum covey_session_state { COVEY_SESSION_LOADING, COVEY_SESSION_OPEN, COVEY_SESSION_FAILED };

struct covey_session {
    bool used;
    struct covey_owner *owner;
    struct covey_digest model;
    struct covey_control_infer options; /* the first request's: how it is shared out */
    enum covey_session_state state;
    struct covey_task load;
    struct covey_model_share *share;
    const struct covey_model_file *file; /* the share's */
    struct covey_coded *coded;           /* the share's */
    struct covey_nn_error why;
    covey_err load_err;
    struct covey_fence fence;
    struct covey_plan_request costs;
    struct covey_version *versions;
    struct covey_version *active;
    struct covey_request *waiting;
    struct covey_costs_waiter {
        covey_costs_fn fn;
        void *user;
        uint32_t tag;
        struct covey_costs_waiter *next;
    } * costs_waiters;
    bool apart;                 /* loaded without the weights of layers that can be split */
    bool awaits_room;           /* LOADING again at the next tick */
    uint64_t roomless_ms;       /* since when its model found no memory; 0: it did not yet */
    uint64_t run_bytes;         /* of one run; for one there is memory as long as it is open */
    unsigned running;           /* requests that have a run */
    struct covey_run *free_run; /* one, kept for the next request */
    unsigned requests;          /* begun or waiting */
    unsigned tasks;             /* that point at this session */
    bool planned;               /* a plan was ready once */
    uint64_t used_ms;           /* last by a request, or when its first plan became ready */
    uint64_t planless_ms;       /* since when it is open and no plan is ready */
    uint32_t patience_ms;       /* for that long requests wait for one at least */
    uint64_t alone_ms;          /* no request begins without a plan before */
    bool removed;               /* its model is: closed once nobody asks any more */
    bool stopped;               /* closed once what it was asked is answered */
};

struct covey_owner {
    struct covey_services *services;
    struct covey_node_id self;
    uint64_t next_request;
    uint32_t epoch;
    struct covey_model_table models;
    struct covey_timer *alone; /* then requests wait for a plan no longer */
    bool scarce;               /* some wait for memory */
    struct covey_session session[COVEY_SESSIONS_MAX];
    struct covey_request request[COVEY_REQUESTS_MAX];
    /* Of each request, counted on at each layer's end: what is computed here for one before stops.
     */
    _Atomic uint32_t stage[COVEY_REQUESTS_MAX];
    _Atomic uint32_t late[COVEY_REQUESTS_MAX]; /* 1: its time is over, and what runs for it stops */
};

static inline _Atomic uint32_t *covey__request_late(const struct covey_request *r)
{
    struct covey_owner *o = r->session->owner;
    return &o->late[r - o->request];
}

static inline void covey__owner_feed(struct covey_owner *o, const struct covey_event *event)
{
    o->services->feed(o->services->user, event);
}

/* owner.c */
struct covey_version *covey__session_version(struct covey_session *s, const struct covey_fence *f);
struct covey_session *covey__owner_session(struct covey_owner *o, const struct covey_fence *f);
/* owner_costs.c; in the background. UNSUPPORTED: s->why says what was asked for in vain. */
covey_err covey__session_costs(struct covey_session *s) COVEY_CHECK;
/* owner_request.c */
/* Both only where there is memory for it; else it goes on waiting (begin: false). */
bool covey__infer_begin(struct covey_request *r);
/* All of it here, whatever the plan. */
void covey__infer_alone(struct covey_request *r);
void covey__infer_end(struct covey_request *r, covey_err err, const char *why);
/* Its time is over: it ends now, or, where something runs for it, when that has stopped. */
void covey__infer_late(struct covey_request *r);
void covey__session_start_waiting(struct covey_session *s);
void covey__owner_close(struct covey_session *s);
static inline bool covey__session_is_idle(const struct covey_session *s)
{
    return s->used && s->requests == 0 && s->tasks == 0 && s->state == COVEY_SESSION_OPEN;
}
/* owner_memory.c */
/* Who asks several models in turn has them all in memory, or the last ones apart; what is idle
 * longer makes room. */
enum { COVEY_SESSION_RECENT_MS = 10000 };
/* Its model had no room: whether it is loaded once more, now that there may be some, or when what
 * takes it may have ended, at a tick. */
bool covey__session_load_again(struct covey_session *s);
void covey__session_load_awaited(struct covey_session *s);
/* What units of the owner's can have of the account, with those that there are. */
uint64_t covey__session_room(const struct covey_owner *o, const struct covey_coded *coded);
/* After its model is there, off the loop; BUSY: there is no memory for it. */
covey_err covey__session_take(struct covey_session *s) COVEY_CHECK;
void covey__session_give(struct covey_session *s);
/* Whether there is a run's memory for it; else it waits. */
bool covey__request_take_run(struct covey_request *r);
/* kept: the run can be started again. */
void covey__request_give_run(struct covey_request *r, bool kept);
struct covey_request *covey__request_of(struct covey_owner *o, uint64_t id);
/* The next step: on the pool, or, where it is light, before this returns. */
void covey__request_step(struct covey_request *r, enum covey_request_step step);
/* The check of what came before is done. */
void covey__request_checked(struct covey_request *r);
/* owner_check.c; on the compute pool. Of exact layers every answer is checked before it is used. */
bool covey__layer_is_exact(const struct covey_request *r);
/* Takes the layer's answers and input to check them later; whether that may be after what it has
 * stopped at was asked for; and checks them at once. */
covey_err covey__check_keep(struct covey_request *r) COVEY_CHECK;
bool covey__check_may_wait(const struct covey_request *r);
covey_err covey__check_now(struct covey_request *r, struct covey_scratch *scratch) COVEY_CHECK;
void covey__answers_drop(struct covey_answers *answers);
/* On the loop: begins the check of what was kept, if anything. */
void covey__check_later(struct covey_request *r);
void covey__check_free(struct covey_check *c);
void covey__parts_drop(struct covey_request *r);
/* owner_step.c; on the compute pool, or, where it is light, on the loop */
covey_err covey__request_advance(struct covey_request *r, struct covey_scratch *scratch);
/* owner_trace.c */
void covey__trace_local(struct covey_request *r);
void covey__trace_layer(struct covey_request *r, const struct covey_layer_done *done);
void covey__trace_tiles(struct covey_request *r, const struct covey_layer_done *done);

#endif /* COVEY_SESSION_OWNER_STATE_H */
