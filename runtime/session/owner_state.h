/* SPDX-License-Identifier: MIT
 *
 * owner_state.h - the structs that owner.c (sessions and plans) and owner_request.c (requests)
 * share.
 */
#ifndef COVEY_SESSION_OWNER_STATE_H
#define COVEY_SESSION_OWNER_STATE_H

#include "model_share.h"
#include "owner.h"

struct covey_request {
    struct covey_task task; /* the one step that runs now: advance, combine, join, or cut */
    bool used;
    bool running; /* the task is on the pool */
    bool alone;   /* whatever the plan says */
    uint64_t id;
    struct covey_infer infer;
    struct covey_session *session;
    struct covey_version *version; /* NULL: not begun */
    struct covey_body *input;
    struct covey_run *run;
    struct covey_request *next; /* in the session's waiting list */
    uint64_t start_ns, stage_ns, deadline_ms;
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
    const float *tile_input;        /* in the run's memory until it goes on */
    uint32_t wrong;                 /* devices whose answers were: nothing was combined */
    uint32_t lied;                  /* the same of strips, which were made here then */
    uint32_t local_us;              /* from the stage before to this one */
    covey_err err;
    /* given to the task */
    struct covey_answers answers; /* COMBINE; JOIN: pieces by device */
    struct covey_tile_layout layout;
    struct covey_tile_layout twin;                  /* segments 0: rows are made once */
    struct covey_body *cut[COVEY_PLAN_DEVICES_MAX]; /* made by it */
    uint8_t attempt;
    covey_handle layer_handle;
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
    struct covey_run *free_run; /* one, kept for the next request */
    unsigned requests;          /* begun or waiting */
    unsigned tasks;             /* that point at this session */
    uint64_t used_ms;
};

struct covey_owner {
    struct covey_services *services;
    struct covey_node_id self;
    uint64_t next_request;
    uint32_t epoch;
    struct covey_model_table models;
    struct covey_session session[COVEY_SESSIONS_MAX];
    struct covey_request request[COVEY_REQUESTS_MAX];
    /* Of each request, counted on at each layer's end: what is computed here for one before stops.
     */
    _Atomic uint32_t stage[COVEY_REQUESTS_MAX];
};

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
void covey__infer_begin(struct covey_request *r);
/* All of it here, whatever the plan. */
void covey__infer_alone(struct covey_request *r);
void covey__infer_end(struct covey_request *r, covey_err err, const char *why);
void covey__session_start_waiting(struct covey_session *s);
struct covey_request *covey__request_of(struct covey_owner *o, uint64_t id);
/* The next step on the pool. */
void covey__request_step(struct covey_request *r, enum covey_request_step step);
/* owner_step.c; on the compute pool */
covey_err covey__request_advance(struct covey_request *r, struct covey_scratch *scratch);
/* owner_trace.c */
void covey__trace_local(struct covey_request *r);
void covey__trace_layer(struct covey_request *r, const struct covey_layer_done *done);
void covey__trace_tiles(struct covey_request *r, const struct covey_layer_done *done);

#endif /* COVEY_SESSION_OWNER_STATE_H */
