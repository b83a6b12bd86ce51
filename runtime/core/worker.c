/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include "job.h"
#include "worker_tiles.h"

enum {
    ASSIGNMENTS_MAX = 64,
    OWNER_ASSIGNMENTS_MAX = 32,  /* of one owner: another must find room too */
    SESSION_ASSIGNMENTS_MAX = 4, /* versions at once: one used, one made, some not retired yet */
    TASKS_MAX = 256,
    OWNER_TASKS_MAX =
        96, /* an owner has at most COVEY_REQUESTS_MAX in flight, and cancelled ones */
    /* Given to session at a time: more would only be out of reach of CANCEL. */
    RUNNING_MAX = 2,
};

enum assignment_state {
    ASSIGNMENT_FREE,
    ASSIGNMENT_CHECKING, /* or fetching what it lacks */
    ASSIGNMENT_READY,
    ASSIGNMENT_DROPPED, /* RETIRED is not told yet */
};

struct assignment {
    enum assignment_state state;
    struct covey_node_id owner;
    struct covey_fence fence;
};

enum task_state {
    TASK_FREE,
    TASK_QUEUED,
    TASK_RUNNING,
    TASK_ANSWERING, /* ANSWER is not sent yet */
    TASK_RELEASING, /* body is not given back yet */
};

struct task {
    enum task_state state;
    bool cancelled; /* RUNNING: its result is not wanted any more */
    bool orphan;    /* RUNNING: its owner's channel is gone, nobody is answered */
    struct covey_node_id owner;
    struct covey_work_execute execute;
    uint32_t ticket; /* names it to session: work numbers start anew with each boot of an owner */
    enum covey_work_status status;
    uint32_t spent_us;
    covey_handle body; /* QUEUED: the input; ANSWERING, RELEASING: the answer */
};

struct covey_worker {
    uint32_t ticket; /* the last given: queued tasks run in their order */
    struct assignment assignment[ASSIGNMENTS_MAX];
    unsigned task_end; /* tasks from here on are free */
    struct task task[TASKS_MAX];
    struct covey_tiles *tiles; /* behind it */
};

static size_t head_size(void)
{
    const size_t align = _Alignof(max_align_t);
    return (sizeof(struct covey_worker) + align - 1) / align * align;
}

size_t covey__worker_size(void)
{
    return head_size() + covey__tiles_size();
}

void covey__worker_init(struct covey_worker *worker, const struct covey_node_id *self)
{
    memset(worker, 0, sizeof(*worker));
    worker->tiles = (struct covey_tiles *)(void *)((uint8_t *)worker + head_size());
    covey__tiles_init(worker->tiles, self);
}

static bool is_live(const struct assignment *assignment)
{
    return assignment->state != ASSIGNMENT_FREE && assignment->state != ASSIGNMENT_DROPPED;
}

static struct assignment *find_assignment(struct covey_worker *worker,
                                          const struct covey_node_id *owner,
                                          const struct covey_fence *fence)
{
    for (unsigned i = 0; i < ASSIGNMENTS_MAX; i++) {
        struct assignment *a = &worker->assignment[i];
        if (is_live(a) && covey__fence_equal(&a->fence, fence) &&
            covey_node_id_equal(&a->owner, owner)) {
            return a;
        }
    }
    return NULL;
}

static bool send_answer(struct covey_update *out, const struct covey_node_id *owner,
                        const struct covey_work_answer *answer, covey_handle body)
{
    struct covey_work_message message = {.type = COVEY_WORK_ANSWER};
    message.answer = *answer;
    return covey__update_send(out, owner, &message, body) == COVEY_OK;
}

static struct covey_work_answer answer_to(const struct covey_work_execute *execute,
                                          enum covey_work_status status, uint32_t spent_us)
{
    return (struct covey_work_answer){.fence = execute->fence,
                                      .request = execute->request,
                                      .layer = execute->layer,
                                      .work = execute->work,
                                      .status = status,
                                      .spent_us = spent_us};
}

/* Tasks */

static void answer_later(struct task *task, enum covey_work_status status)
{
    task->status = status;
    task->state = TASK_ANSWERING;
}

/* Its owner is told that nothing comes; what runs already ends first. */
static void cancel_task(struct task *task)
{
    if (task->state == TASK_QUEUED) {
        answer_later(task, COVEY_WORK_STATUS_CANCELLED);
    } else if (task->state == TASK_RUNNING) {
        task->cancelled = true;
    }
}

static struct task *next_task(struct covey_worker *worker)
{
    struct task *next = NULL;
    unsigned running = covey__tiles_running(worker->tiles);
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        running += task->state == TASK_RUNNING;
        /* The difference, not the numbers: tickets wrap around. */
        if (task->state == TASK_QUEUED &&
            (next == NULL || (int32_t)(task->ticket - next->ticket) < 0)) {
            next = task;
        }
    }
    return running < RUNNING_MAX ? next : NULL;
}

static bool start_task(struct covey_update *out, struct task *task)
{
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_COMPUTE);
    if (action == NULL) {
        return false;
    }
    action->peer = task->owner;
    action->has_peer = true;
    action->fence = task->execute.fence;
    action->request = task->execute.request;
    action->layer = task->execute.layer;
    action->work = task->ticket;
    action->body = task->body;
    task->body = 0;
    task->state = TASK_RUNNING;
    return true;
}

static bool finish_task(struct covey_update *out, struct task *task)
{
    if (task->state == TASK_ANSWERING) {
        covey_handle body = task->status == COVEY_WORK_STATUS_DONE ? task->body : 0;
        struct covey_work_answer answer = answer_to(&task->execute, task->status, task->spent_us);
        if (!send_answer(out, &task->owner, &answer, body)) {
            return false;
        }
        task->state = TASK_RELEASING;
    }
    if (task->state == TASK_RELEASING) {
        if (!covey__update_release(out, &task->body)) {
            return false;
        }
        memset(task, 0, sizeof(*task));
    }
    return true;
}

/* Tiles may have all that does not run, but for one where an answer is asked for too. */
static unsigned room_for_tiles(const struct covey_worker *worker)
{
    unsigned running = covey__tiles_running(worker->tiles);
    bool queued = false, answering = false;
    for (unsigned i = 0; i < worker->task_end; i++) {
        queued = queued || worker->task[i].state == TASK_QUEUED;
        answering = answering || worker->task[i].state == TASK_RUNNING;
        running += worker->task[i].state == TASK_RUNNING;
    }
    running += queued && !answering;
    return running < RUNNING_MAX ? RUNNING_MAX - running : 0;
}

static void pump(struct covey_worker *worker, struct covey_update *out)
{
    for (unsigned i = 0; i < worker->task_end; i++) {
        if (!finish_task(out, &worker->task[i])) {
            return;
        }
    }
    while (worker->task_end > 0 && worker->task[worker->task_end - 1].state == TASK_FREE) {
        worker->task_end--;
    }
    if (!covey__tiles_pump(worker->tiles, room_for_tiles(worker), out)) {
        return;
    }
    for (unsigned i = 0; i < ASSIGNMENTS_MAX; i++) {
        struct assignment *a = &worker->assignment[i];
        if (a->state != ASSIGNMENT_DROPPED) {
            continue;
        }
        struct covey_action *action = covey__update_add(out, COVEY_ACTION_RETIRED);
        if (action == NULL) {
            return;
        }
        action->peer = a->owner;
        action->has_peer = true;
        action->fence = a->fence;
        a->state = ASSIGNMENT_FREE;
    }
    for (struct task *task = next_task(worker); task != NULL; task = next_task(worker)) {
        if (!start_task(out, task)) {
            return;
        }
    }
}

/* Messages */

/* Retires the session's versions up to fence's, and those of lower epochs. */
static void retire(struct covey_worker *worker, const struct covey_node_id *owner,
                   const struct covey_fence *fence)
{
    covey__tiles_retire(worker->tiles, owner, fence);
    for (unsigned i = 0; i < ASSIGNMENTS_MAX; i++) {
        struct assignment *a = &worker->assignment[i];
        if (is_live(a) && covey_node_id_equal(&a->owner, owner) &&
            covey__fence_session(&a->fence, fence) &&
            (a->fence.epoch < fence->epoch ||
             (a->fence.epoch == fence->epoch && a->fence.version <= fence->version))) {
            a->state = ASSIGNMENT_DROPPED;
        }
    }
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (task->state != TASK_FREE && covey_node_id_equal(&task->owner, owner) &&
            covey__fence_session(&task->execute.fence, fence) &&
            find_assignment(worker, owner, &task->execute.fence) == NULL) {
            cancel_task(task);
        }
    }
}

/* Room for one more version; a lower epoch than one that is known gets none. */
static struct assignment *add_assignment(struct covey_worker *worker,
                                         const struct covey_node_id *owner,
                                         const struct covey_fence *fence)
{
    struct assignment *vacant = NULL;
    const struct assignment *lowest = NULL;
    unsigned of_owner = 0;
    unsigned of_session = 0;
    for (unsigned i = 0; i < ASSIGNMENTS_MAX; i++) {
        struct assignment *a = &worker->assignment[i];
        if (a->state == ASSIGNMENT_FREE) {
            vacant = a;
        }
        if (!is_live(a) || !covey_node_id_equal(&a->owner, owner)) {
            continue;
        }
        of_owner++;
        if (!covey__fence_session(&a->fence, fence)) {
            continue;
        }
        of_session++;
        if (a->fence.epoch > fence->epoch) {
            return NULL;
        }
        if (lowest == NULL || a->fence.version < lowest->fence.version) {
            lowest = a;
        }
    }
    if (of_session >= SESSION_ASSIGNMENTS_MAX) {
        struct covey_fence oldest = lowest->fence;
        retire(worker, owner, &oldest);
    }
    return of_owner >= OWNER_ASSIGNMENTS_MAX ? NULL : vacant;
}

/* Where the update is full the owner is told nothing, and gives up when its time is over. */
static void refuse(const struct covey_node_id *owner, const struct covey_fence *fence,
                   uint64_t room_bytes, struct covey_update *out)
{
    struct covey_work_message message = {.type = COVEY_WORK_REFUSE};
    message.refuse = (struct covey_work_refuse){*fence, room_bytes};
    covey_err ignored = covey__update_send(out, owner, &message, 0);
    (void)ignored;
}

static void take_assign(struct covey_worker *worker, const struct covey_incoming *in,
                        struct covey_update *out)
{
    const struct covey_fence *fence = &in->message->assign.fence;
    struct assignment *a = find_assignment(worker, &in->peer, fence);
    if (a == NULL && fence->epoch > 0) {
        struct covey_fence before = {fence->session, fence->epoch - 1, UINT32_MAX};
        retire(worker, &in->peer, &before);
    }
    if (a == NULL) {
        a = add_assignment(worker, &in->peer, fence);
    }
    struct covey_bytes plan = in->message->assign.plan;
    struct covey__given_plan given = {NULL, 0};
    covey_err err = COVEY_OK;
    if (a != NULL && plan.len > 0) {
        err = covey__tiles_assign(worker->tiles, &in->peer, fence, plan, &given);
    }
    if (a == NULL || err != COVEY_OK) {
        refuse(&in->peer, fence, a == NULL || err == COVEY_ERR_LIMIT ? 0 : UINT64_MAX, out);
        return;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_ASSIGNED);
    if (action == NULL) {
        covey__tiles_forget(worker->tiles, &in->peer, fence);
        return;
    }
    a->state = ASSIGNMENT_CHECKING;
    a->owner = in->peer;
    a->fence = *fence;
    action->peer = in->peer;
    action->has_peer = true;
    action->fence = *fence;
    action->bytes = in->wire;
    action->plan = given.plan;
    action->device = given.me;
}

/* The owner is in another layer of the request now: nobody waits for those before it. */
static void cancel_others(struct covey_worker *worker, const struct covey_node_id *owner,
                          const struct covey_work_execute *execute)
{
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (task->state != TASK_FREE && !task->orphan && task->execute.work != execute->work &&
            task->execute.request == execute->request && covey_node_id_equal(&task->owner, owner)) {
            cancel_task(task);
        }
    }
    covey__tiles_cancel(worker->tiles, owner, execute, true);
}

static bool take_execute(struct covey_worker *worker, const struct covey_incoming *in)
{
    const struct covey_work_execute *execute = &in->message->execute;
    const struct assignment *a = find_assignment(worker, &in->peer, &execute->fence);
    struct task *vacant = NULL;
    unsigned of_owner = 0;
    if (a == NULL || a->state != ASSIGNMENT_READY || in->body == 0) {
        return false;
    }
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (task->state == TASK_FREE) {
            vacant = task;
        } else {
            of_owner += covey_node_id_equal(&task->owner, &in->peer);
        }
    }
    if (of_owner >= OWNER_TASKS_MAX || (vacant == NULL && worker->task_end == TASKS_MAX)) {
        return false;
    }
    vacant = vacant != NULL ? vacant : &worker->task[worker->task_end++];
    cancel_others(worker, &in->peer, execute);
    memset(vacant, 0, sizeof(*vacant));
    vacant->state = TASK_QUEUED;
    vacant->owner = in->peer;
    vacant->execute = *execute;
    vacant->ticket = ++worker->ticket;
    vacant->body = in->body;
    return true;
}

static void take_cancel(struct covey_worker *worker, const struct covey_incoming *in)
{
    const struct covey_work_execute *cancel = &in->message->cancel;
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (task->state != TASK_FREE && !task->orphan && task->execute.work == cancel->work &&
            task->execute.request == cancel->request &&
            covey_node_id_equal(&task->owner, &in->peer)) {
            cancel_task(task);
        }
    }
    covey__tiles_cancel(worker->tiles, &in->peer, cancel, false);
}

covey_err covey__worker_message(struct covey_worker *worker, const struct covey_incoming *in,
                                struct covey_update *out)
{
    bool taken = false;
    if (in->message->type == COVEY_WORK_ASSIGN) {
        take_assign(worker, in, out);
    } else if (in->message->type == COVEY_WORK_EXECUTE) {
        taken = take_execute(worker, in);
        struct covey_work_answer refused =
            answer_to(&in->message->execute, COVEY_WORK_STATUS_REFUSED, 0);
        if (!taken && !send_answer(out, &in->peer, &refused, 0)) {
            return COVEY_ERR_SPACE;
        }
    } else if (in->message->type == COVEY_WORK_CANCEL) {
        take_cancel(worker, in);
    } else if (in->message->type == COVEY_WORK_RETIRE) {
        retire(worker, &in->peer, &in->message->fence);
    } else {
        taken = covey__tiles_message(worker->tiles, in, out);
    }
    if (taken && in->message->type == COVEY_WORK_RELAY) {
        const struct covey_work_tile *tile = &in->message->tile;
        struct covey_work_execute execute = {tile->fence, tile->request, tile->layer, tile->work};
        cancel_others(worker, &in->peer, &execute);
    }
    covey_handle body = taken ? 0 : in->body;
    if (!covey__update_release(out, &body)) {
        return COVEY_ERR_SPACE;
    }
    pump(worker, out);
    return COVEY_OK;
}

/* Events */

static void send_ready(struct covey_worker *worker, struct assignment *a, struct covey_update *out)
{
    struct covey_work_message message = {.type = COVEY_WORK_READY};
    message.fence = a->fence;
    if (covey__update_send(out, &a->owner, &message, 0) == COVEY_OK) {
        a->state = ASSIGNMENT_READY;
        covey__tiles_ready(worker->tiles, &a->owner, &a->fence);
    }
}

/* What it lacks is fetched beside this machine; then it is checked again. */
static void assign_checked(struct covey_worker *worker, const struct covey_event *event,
                           struct covey_update *out)
{
    struct assignment *a = find_assignment(worker, &event->peer, &event->fence);
    if (a == NULL || a->state != ASSIGNMENT_CHECKING) {
        return;
    }
    if (event->err != COVEY_OK) {
        a->state = ASSIGNMENT_FREE;
        covey__tiles_forget(worker->tiles, &a->owner, &a->fence);
        bool room = event->err == COVEY_ERR_LIMIT;
        refuse(&a->owner, &a->fence, room ? event->room_bytes : UINT64_MAX, out);
    } else if (event->bytes.len == 0) {
        send_ready(worker, a, out);
    }
}

static void computed(struct covey_worker *worker, const struct covey_event *event,
                     struct covey_update *out)
{
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (task->state != TASK_RUNNING || task->ticket != event->work ||
            !covey_node_id_equal(&task->owner, &event->peer)) {
            continue;
        }
        task->body = event->body;
        task->spent_us = event->spent_us;
        if (task->orphan) {
            task->state = TASK_RELEASING;
        } else if (task->cancelled) {
            answer_later(task, COVEY_WORK_STATUS_CANCELLED);
        } else {
            bool done = event->body != 0 && event->err == COVEY_OK;
            answer_later(task, done ? COVEY_WORK_STATUS_DONE : COVEY_WORK_STATUS_REFUSED);
        }
        return;
    }
    covey_handle body = event->body;
    bool released = covey__update_release(out, &body);
    (void)released; /* node.c gives an empty update, so there is room. */
}

covey_err covey__worker_event(struct covey_worker *worker, const struct covey_event *event,
                              struct covey_update *out)
{
    if (event->type == COVEY_EVENT_ASSIGN_CHECKED) {
        assign_checked(worker, event, out);
    } else if (event->type == COVEY_EVENT_COMPUTED) {
        computed(worker, event, out);
    } else if (event->type == COVEY_EVENT_TILE_COMPUTED) {
        covey__tiles_event(worker->tiles, event, out);
    }
    pump(worker, out);
    return COVEY_OK;
}

covey_err covey__worker_peer_down(struct covey_worker *worker, const struct covey_node_id *peer,
                                  struct covey_update *out)
{
    covey__tiles_peer_down(worker->tiles, peer);
    for (unsigned i = 0; i < ASSIGNMENTS_MAX; i++) {
        struct assignment *a = &worker->assignment[i];
        if (is_live(a) && covey_node_id_equal(&a->owner, peer)) {
            a->state = ASSIGNMENT_DROPPED;
        }
    }
    for (unsigned i = 0; i < worker->task_end; i++) {
        struct task *task = &worker->task[i];
        if (!covey_node_id_equal(&task->owner, peer)) {
            continue;
        }
        if (task->state == TASK_RUNNING) {
            task->orphan = true;
        } else if (task->state != TASK_FREE) {
            task->state = TASK_RELEASING;
        }
    }
    pump(worker, out);
    return COVEY_OK;
}

covey_err covey__worker_tick(struct covey_worker *worker, uint64_t now_ms, struct covey_update *out)
{
    covey__tiles_tick(worker->tiles, now_ms);
    pump(worker, out);
    return COVEY_OK;
}

uint64_t covey__worker_deadline_ms(const struct covey_worker *worker)
{
    return covey__tiles_deadline_ms(worker->tiles);
}
