/* SPDX-License-Identifier: MIT
 *
 * planner.h - plans, made one after the other on a thread of their own: one of many layers over
 * many devices takes seconds, and the loop's thread makes none. All calls are on the loop.
 */
#ifndef COVEY_SESSION_PLANNER_H
#define COVEY_SESSION_PLANNER_H

#include "owner.h"

struct covey_planner;

/* Embedded in what a plan is made for; the planner's from _submit() until done() was called. */
struct covey_planning {
    /* Whether anybody waits for it still: asked when its turn has come. */
    bool (*wanted)(const struct covey_planning *planning);
    /* CANCELLED: nobody did, or the planner is freed. *plan is of OK, until this returns. */
    void (*done)(struct covey_planning *planning, covey_err err, struct covey_plan *plan);
    struct covey_planning *next;
    struct covey_plan_request request;
    struct covey_plan_held held; /* request's, if it has any */
};

covey_err covey__planner_new(struct covey_services *services, struct covey_owner *owner,
                             struct covey_planner **out) COVEY_CHECK;
/* Waits for the plan that is being made. */
void covey__planner_free(struct covey_planner *p);

/* request is copied, with what it borrows. */
void covey__planning_set(struct covey_planning *planning, const struct covey_plan_request *request);
void covey__planner_submit(struct covey_planner *p, struct covey_planning *planning);
/* So many wait that whoever can do without is to be refused. */
bool covey__planner_is_full(const struct covey_planner *p);
/* The node's action PLAN; PLANNED is fed, of an error from inside this call too. */
void covey__planner_plan(struct covey_planner *p, const struct covey_action *action);

#endif /* COVEY_SESSION_PLANNER_H */
