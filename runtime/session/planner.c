/* SPDX-License-Identifier: MIT */
#include "planner.h"

#include <stdlib.h>

#include "owner_state.h"

enum {
    PLAN_NICE = 2, /* as computing: requests wait for the first plan of their session */
    WAITING_MAX = 64,
};

struct covey_planner {
    struct covey_task task;
    struct covey_services *services;
    struct covey_owner *owner;
    struct covey_pool *pool; /* one thread */
    struct covey_planning *making;
    struct covey_planning *first, **last; /* that wait */
    unsigned waiting;
    bool closing;
    covey_err err;
    struct covey_plan plan; /* of what is being made */
};

static struct covey_planning *take_first(struct covey_planner *p)
{
    struct covey_planning *planning = p->first;
    p->first = planning->next;
    p->last = p->first == NULL ? &p->first : p->last;
    p->waiting--;
    return planning;
}

static void end(struct covey_planner *p, struct covey_planning *planning, covey_err err)
{
    covey__account_table_give(&p->services->memory, sizeof(*planning));
    planning->done(planning, err, err == COVEY_OK ? &p->plan : NULL);
}

static void make_next(struct covey_planner *p)
{
    while (p->making == NULL && p->first != NULL) {
        struct covey_planning *planning = take_first(p);
        if (p->closing || !planning->wanted(planning)) {
            end(p, planning, COVEY_ERR_CANCELLED);
            continue;
        }
        p->making = planning;
        covey__pool_submit(p->pool, &p->task);
    }
}

static struct covey_planner *planner_of(struct covey_task *task)
{
    return (struct covey_planner *)task;
}

static void plan_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct covey_planner *p = planner_of(task);
    (void)scratch;
    p->err = covey_plan_make(&p->making->request, &p->plan);
}

static void plan_done(struct covey_task *task)
{
    struct covey_planner *p = planner_of(task);
    /* What it asks for next comes behind those that wait: the plan is its own until then. */
    end(p, p->making, p->err);
    p->making = NULL;
    make_next(p);
}

covey_err covey__planner_new(struct covey_services *services, struct covey_owner *owner,
                             struct covey_planner **out)
{
    const struct covey_pool_config one = {
        .threads = 1, .nice = PLAN_NICE, .class = COVEY_PACE_COMPUTE};
    struct covey_planner *p = calloc(1, sizeof(*p));
    covey_err err = p != NULL ? covey__pool_new(services->loop, &one, &p->pool) : COVEY_ERR_NOMEM;
    if (err != COVEY_OK) {
        free(p);
        return err;
    }
    p->task = (struct covey_task){.work = plan_work, .done = plan_done};
    p->services = services;
    p->owner = owner;
    p->last = &p->first;
    *out = p;
    return COVEY_OK;
}

void covey__planner_free(struct covey_planner *p)
{
    if (p != NULL) {
        p->closing = true;
        covey__pool_free(p->pool);
        make_next(p);
        free(p);
    }
}

void covey__planning_set(struct covey_planning *planning, const struct covey_plan_request *request)
{
    planning->request = *request;
    if (request->held != NULL) {
        planning->held = *request->held;
        planning->request.held = &planning->held;
    }
}

void covey__planner_submit(struct covey_planner *p, struct covey_planning *planning)
{
    covey__account_table(&p->services->memory, sizeof(*planning));
    planning->next = NULL;
    *p->last = planning;
    p->last = &planning->next;
    p->waiting++;
    make_next(p);
}

bool covey__planner_is_full(const struct covey_planner *p)
{
    return p->waiting >= WAITING_MAX;
}

/* ---- for the node ---- */

struct node_planning {
    struct covey_planning planning;
    struct covey_planner *planner;
    struct covey_fence fence;
    uint32_t work;
    uint64_t until_ms; /* of another owner */
};

static void tell(const struct covey_planner *p, const struct covey_event *event)
{
    p->services->feed(p->services->user, event);
}

static bool node_wants(const struct covey_planning *planning)
{
    const struct node_planning *n = (const struct node_planning *)planning;
    const struct covey_planner *p = n->planner;
    return n->work != 0 ? covey_loop_now_ms(p->services->loop) < n->until_ms
                        : covey__owner_session(p->owner, &n->fence) != NULL;
}

static void node_done(struct covey_planning *planning, covey_err err, struct covey_plan *plan)
{
    struct node_planning *n = (struct node_planning *)planning;
    struct covey_event event = {
        .type = COVEY_EVENT_PLANNED, .fence = n->fence, .work = n->work, .err = err, .plan = plan};
    tell(n->planner, &event);
    free(n);
}

void covey__planner_plan(struct covey_planner *p, const struct covey_action *action)
{
    struct node_planning *n = malloc(sizeof(*n));
    if (n == NULL) {
        struct covey_event event = {.type = COVEY_EVENT_PLANNED,
                                    .fence = action->fence,
                                    .work = action->work,
                                    .err = COVEY_ERR_NOMEM};
        tell(p, &event);
        return;
    }
    n->planning.wanted = node_wants;
    n->planning.done = node_done;
    n->planner = p;
    n->fence = action->fence;
    n->work = action->work;
    n->until_ms = action->request;
    covey__planning_set(&n->planning, action->costs);
    covey__planner_submit(p, &n->planning);
}
