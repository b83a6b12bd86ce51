/* SPDX-License-Identifier: MIT
 *
 * owner_state.h - the structs that owner.c (sessions and plans) and owner_request.c (requests)
 * share.
 */
#ifndef COVEY_SESSION_OWNER_STATE_H
#define COVEY_SESSION_OWNER_STATE_H

#include "owner.h"

struct covey_request {
    struct covey_task task; /* the one step that runs now: advance, combine, or all of it here */
    bool used;
    bool running; /* the task is on the pool */
    uint64_t id;
    struct covey_infer infer;
    struct covey_session *session;
    struct covey_version *version; /* NULL: not begun, or computed here alone */
    struct covey_body *input;
    struct covey_run *run;
    struct covey_request *next; /* in the session's waiting list */
    uint64_t start_ns, layer_ns, deadline_ms;
    /* set by the task */
    bool started, stopped;
    size_t layer;
    struct covey_body *layer_input;
    struct covey_answers answers; /* to combine before going on */
    bool combine;
    covey_err err;
    covey_handle layer_handle;
    struct covey_control_result *result;
};

enum covey_session_state { COVEY_SESSION_LOADING, COVEY_SESSION_OPEN, COVEY_SESSION_FAILED };

struct covey_session {
    bool used;
    struct covey_owner *owner;
    struct covey_digest model;
    uint8_t devices_max, parity;
    enum covey_session_state state;
    struct covey_task load;
    struct covey_model_file *file;
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
    struct covey_session session[COVEY_SESSIONS_MAX];
    struct covey_request request[COVEY_REQUESTS_MAX];
};

static inline void covey__owner_feed(struct covey_owner *o, const struct covey_event *event)
{
    o->services->feed(o->services->user, event);
}

/* owner.c */
struct covey_version *covey__session_version(struct covey_session *s, const struct covey_fence *f);
struct covey_session *covey__owner_session(struct covey_owner *o, const struct covey_fence *f);
/* owner_request.c */
void covey__infer_begin(struct covey_request *r);
void covey__infer_end(struct covey_request *r, covey_err err, const char *why);
void covey__session_start_waiting(struct covey_session *s);

#endif /* COVEY_SESSION_OWNER_STATE_H */
