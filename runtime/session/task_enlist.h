/* SPDX-License-Identifier: MIT
 *
 * task_enlist.h - what a worker prepares for a session before it pulls: nothing for products; for
 * gradients the model, fetched from the owner. Calls are on the loop.
 */
#ifndef COVEY_SESSION_TASK_ENLIST_H
#define COVEY_SESSION_TASK_ENLIST_H

#include "covey/seldom.h"
#include "gradient_work.h"
#include "services.h"
#include "train_spec.h"

/* One session of one owner; shared with the task that is computed for it. */
struct covey__enlisted {
    struct covey_task task; /* reading the store, making the model */
    struct covey__enlisted *next;
    struct covey_services *services;
    struct covey_node_id peer;
    struct covey_fence fence;
    struct covey_fence fetch; /* of this device's own: nobody's session */
    struct covey_enlist_spec spec;
    struct covey_gradient_work *work;  /* NULL: not ready, or products */
    uint8_t *wants;                    /* COVEY_WANTS_BYTES_MAX */
    size_t wants_len, missing, missed; /* missed: the time before; 0: unknown */
    bool unknown, asked;               /* the manifest is not here; it was asked for */
    bool fetching, gone;
    unsigned refs;
    covey_err err;
    struct covey_nn_error why;
    struct covey_seldom *no_room; /* that line of the log */
};

/* ENLISTED: ENLIST_CHECKED follows, now or later. no_room: outlives it. */
void covey__enlist_begin(struct covey__enlisted **list, struct covey_services *services,
                         struct covey_seldom *no_room, const struct covey_action *action);
/* DISMISSED */
void covey__enlist_end(struct covey__enlisted **list, const struct covey_action *action);
/* FETCHED of what one of them asked for. */
bool covey__enlist_fetched(struct covey__enlisted *list, const struct covey_action *action);
/* Ready for its tasks, or NULL. */
struct covey__enlisted *covey__enlist_find(struct covey__enlisted *list,
                                           const struct covey_node_id *peer,
                                           const struct covey_fence *fence);
struct covey__enlisted *covey__enlist_ref(struct covey__enlisted *e);
void covey__enlist_unref(struct covey__enlisted *e); /* NULL is a no-op */

#endif /* COVEY_SESSION_TASK_ENLIST_H */
