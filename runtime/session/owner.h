/* SPDX-License-Identifier: MIT
 *
 * owner.h - inference sessions of this device as their owner: the mathematics and memory behind
 * core's job machine. All calls are on the loop; loading, coding and layers are on the compute
 * pool.
 *
 * A request waits until its session's first plan is active, then runs stage by stage: the run stops
 * in front of a coded layer or of a tile run, the job machine says when enough of it is there, the
 * answers are checked and combined, the strips are joined, and the run goes on.
 */
#ifndef COVEY_SESSION_OWNER_H
#define COVEY_SESSION_OWNER_H

#include "covey/message_control.h"
#include "services.h"
#include "version.h"

struct covey_owner;
struct covey_session;

covey_err covey__owner_new(struct covey_services *services, const struct covey_node_id *self,
                           struct covey_owner **out) COVEY_CHECK;
/* After the pools have stopped. */
void covey__owner_free(struct covey_owner *o);

/* What a request ends with: result and output, or err with one line in why. */
struct covey_infer_end {
    covey_err err;
    const char *why;
    const struct covey_control_result *result;
    const float *output;
    size_t output_floats;
};
struct covey_infer {
    struct covey_digest model;
    struct covey_control_infer options;
    void *user;   /* of done; 0 once its asker is gone */
    uint32_t tag; /* the asker's id of the request */
    void (*done)(void *user, uint32_t tag, const struct covey_infer_end *end);
};
/* Starts one inference; done is called once, from the loop, unless forgotten; of an error it may be
 * before this returns. Takes the input, which must have the model's input size. BUSY when too many
 * are waiting. */
covey_err covey__owner_infer(struct covey_owner *o, const struct covey_infer *infer,
                             struct covey_body *take_input) COVEY_CHECK;
/* The asker is gone: its requests end untold. */
void covey__owner_forget(struct covey_owner *o, const void *user);

/* What a session of the model plans with. */
struct covey_owner_costs {
    const struct covey_fence *session; /* perhaps not open yet */
    struct covey_model_share *share;   /* a reference is to be taken to keep it */
    const struct covey_plan_request *costs;
};
/* Calls fn for that, of the model loaded if need be (`covey plan`). */
typedef void (*covey_costs_fn)(void *user, uint32_t tag, covey_err err, const char *why,
                               const struct covey_owner_costs *costs);
covey_err covey__owner_costs(struct covey_owner *o, const struct covey_infer *infer,
                             covey_costs_fn fn) COVEY_CHECK;

/* The job's actions PREPARE .. TILES_DONE. */
void covey__owner_prepare(struct covey_owner *o, const struct covey_action *action);
void covey__owner_assign(struct covey_owner *o, const struct covey_action *action);
void covey__owner_active(struct covey_owner *o, const struct covey_action *action);
void covey__owner_refused(struct covey_owner *o, const struct covey_action *action);
void covey__owner_forget_version(struct covey_owner *o, const struct covey_action *action);
void covey__owner_compute_local(struct covey_owner *o, const struct covey_action *action);
void covey__owner_layer_done(struct covey_owner *o, const struct covey_action *action);
void covey__owner_tiles_cut(struct covey_owner *o, const struct covey_action *action);
void covey__owner_tiles_done(struct covey_owner *o, const struct covey_action *action);

/* Time-outs and idle sessions; some times a second. */
void covey__owner_tick(struct covey_owner *o);
/* Closes the session that has been idle longest; NULL: none has for so long. */
struct covey_session *covey__owner_make_room(struct covey_owner *o, uint64_t idle_ms);

/* The model is gone: its sessions close at once, those with requests when the last one is answered,
 * that of work which goes on (detached.h) among them. */
void covey__owner_remove(struct covey_owner *o, const struct covey_digest *model);
/* The session closes at once, or when what it was asked is answered; who asks anew gets another.
 * NOT_FOUND. */
covey_err covey__owner_stop(struct covey_owner *o, const struct covey_session_id *id) COVEY_CHECK;

/* Sessions that are open, for SESSIONS. */
struct covey_owner_session {
    struct covey_session_id id;
    struct covey_digest model;
    unsigned requests; /* begun or waiting */
    bool ending;       /* when those are answered */
};
void covey__owner_sessions(const struct covey_owner *o,
                           void (*fn)(void *user, const struct covey_owner_session *session),
                           void *user);

/* Sessions, for STATUS. */
typedef void (*covey_owner_visit_fn)(void *user, const struct covey_fence *session);
void covey__owner_visit(const struct covey_owner *o, covey_owner_visit_fn fn, void *user);

#endif /* COVEY_SESSION_OWNER_H */
