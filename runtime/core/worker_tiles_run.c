/* SPDX-License-Identifier: MIT */
#include "worker_tiles_state.h"

void covey__tiles_drop(struct covey__tiles_job *job)
{
    job->state = COVEY__TILES_DROPPED;
    job->plan = NULL;
}

/* The next segment in which this device has rows. */
void covey__tiles_enter(struct covey__tiles_job *job, unsigned segment)
{
    const struct covey_tile_layout *layout = &job->layout;
    for (; segment < layout->segments; segment++) {
        struct covey_rows made = covey_tile_made(layout, segment, job->plan->me);
        if (made.begin < made.end) {
            break;
        }
    }
    bool open = segment < layout->segments || (segment == layout->segments && job->is_fed);
    job->segment = (uint8_t)segment;
    job->state = open ? COVEY__TILES_WAITING : COVEY__TILES_DONE;
    job->moved = true;
    job->stalled = false;
    job->kept = job->kept && job->state == COVEY__TILES_WAITING;
}

uint32_t covey__tiles_missing(const struct covey__tiles_job *job)
{
    uint32_t missing = 0;
    bool waits = job->state == COVEY__TILES_WAITING;
    for (unsigned d = 0; d < job->layout.devices && waits; d++) {
        if (covey__tiles_due(job, job->segment, d) > 0 && d != job->plan->me &&
            job->piece[job->segment][d] == 0) {
            missing |= 1U << d;
        }
    }
    return missing;
}

bool covey__tiles_has_out(const struct covey__tiles_job *job)
{
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        if (job->out[d] != 0) {
            return true;
        }
    }
    return job->answer_due;
}

static bool is_startable(const struct covey__tiles_job *job)
{
    return job->state == COVEY__TILES_WAITING && !covey__tiles_has_out(job) &&
           covey__tiles_missing(job) == 0;
}

bool covey__tiles_stalled(struct covey_update *out, const struct covey_node_id *owner,
                          const struct covey_work_tile *tile, uint32_t devices)
{
    uint8_t missing[4];
    struct covey_work_message message = {.type = COVEY_WORK_STALLED};
    covey_store32(missing, devices);
    message.tile.fence = tile->fence;
    message.tile.request = tile->request;
    message.tile.attempt = tile->attempt;
    message.tile.run = tile->run;
    message.tile.segment = tile->segment;
    message.tile.missing = covey_bytes_of(missing, sizeof(missing));
    return covey__update_send(out, owner, &message, 0) == COVEY_OK;
}

/* Pump */

static bool release_all(struct covey_update *out, struct covey__tiles_job *job)
{
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        if (!covey__update_release(out, &job->out[d])) {
            return false;
        }
        for (unsigned s = 0; s <= COVEY_TILE_SEGMENTS_MAX; s++) {
            if (!covey__update_release(out, &job->piece[s][d])) {
                return false;
            }
        }
    }
    return true;
}

static bool tell_dropped(struct covey_update *out, struct covey__tiles_job *job)
{
    if (!job->kept) {
        return true;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_TILES_DROPPED);
    if (action == NULL) {
        return false;
    }
    action->peer = job->owner;
    action->has_peer = true;
    action->fence = job->fence;
    action->request = job->request;
    job->kept = false;
    return true;
}

static bool tell_stalled(struct covey_update *out, struct covey__tiles_job *job)
{
    struct covey_work_tile tile = {.fence = job->fence,
                                   .request = job->request,
                                   .attempt = job->attempt,
                                   .run = job->run,
                                   .segment = job->segment};
    if (job->complain && covey__tiles_stalled(out, &job->owner, &tile, job->missing)) {
        job->complain = false;
    }
    return !job->complain;
}

/* In this order: session forgets an attempt before anything of the next one reaches it. */
static bool end_job(struct covey_update *out, struct covey__tiles_job *job)
{
    if (!tell_dropped(out, job) || !tell_stalled(out, job) || !covey__tiles_answer(out, job) ||
        !release_all(out, job)) {
        return false;
    }
    if (!job->running) {
        job->state = COVEY__TILES_FREE;
    }
    return true;
}

/* Sends what was computed to those who need it. The driver keeps a body while it sends it. */
static bool send_out(struct covey_update *out, struct covey__tiles_job *job)
{
    if (job->answer_due) {
        return covey__tiles_answer(out, job);
    }
    if (job->out_segment == job->layout.segments) {
        return covey__tiles_send_result(out, job);
    }
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        if (job->out[d] == 0) {
            continue;
        }
        const struct covey_node_id *to =
            d == COVEY_TILE_OWNER ? &job->owner : &job->plan->plan.device[d];
        /* Both or none: a body that was sent must not be sent again. */
        if (out->count + 2 > COVEY_UPDATE_ACTIONS_MAX) {
            out->more = true;
            return false;
        }
        if (!covey__tiles_send_piece(out, job, to, job->out[d]) ||
            !covey__update_release(out, &job->out[d])) {
            return false;
        }
    }
    return true;
}

static bool start_tile(struct covey_tiles *tiles, struct covey__tiles_job *job,
                       struct covey_update *out)
{
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_TILE);
    if (action == NULL) {
        return false;
    }
    job->task = (struct covey_tile_task){.run = job->run,
                                         .attempt = job->attempt,
                                         .segment = job->segment,
                                         .device = job->plan->me,
                                         .layer = job->layer,
                                         .fed = job->fed,
                                         .layout = &job->layout,
                                         .plan = &job->plan->plan};
    memcpy(job->task.piece, job->piece[job->segment], sizeof(job->task.piece));
    memset(job->piece[job->segment], 0, sizeof(job->piece[job->segment]));
    job->ticket = ++tiles->ticket;
    job->state = COVEY__TILES_RUNNING;
    job->running = true;
    job->kept = true;
    action->peer = job->owner;
    action->has_peer = true;
    action->fence = job->fence;
    action->request = job->request;
    action->run = job->run;
    action->attempt = job->attempt;
    action->work = job->ticket;
    action->tile = &job->task;
    return true;
}

static struct covey__tiles_job *next_job(struct covey_tiles *tiles)
{
    struct covey__tiles_job *next = NULL;
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        /* The difference, not the numbers: they wrap around. */
        if (is_startable(job) && (next == NULL || (int32_t)(job->order - next->order) < 0)) {
            next = job;
        }
    }
    return next;
}

static bool clear_early(struct covey_tiles *tiles, struct covey_update *out)
{
    for (unsigned i = 0; i < tiles->earlies; i++) {
        struct covey__tiles_early *early = &tiles->early[i];
        if (!early->used || !early->dropped) {
            continue;
        }
        if (!covey__update_release(out, &early->body)) {
            return false;
        }
        early->used = false;
    }
    return true;
}

unsigned covey__tiles_running(const struct covey_tiles *tiles)
{
    unsigned running = 0;
    for (unsigned i = 0; i < tiles->jobs; i++) {
        running += tiles->job[i].running;
    }
    return running;
}

bool covey__tiles_waiting(const struct covey_tiles *tiles)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        if (is_startable(&tiles->job[i])) {
            return true;
        }
    }
    return false;
}

bool covey__tiles_pump(struct covey_tiles *tiles, unsigned room, struct covey_update *out)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        bool ok = true;
        if (job->state == COVEY__TILES_DROPPED) {
            ok = end_job(out, job);
        } else if (job->state != COVEY__TILES_FREE) {
            ok = tell_stalled(out, job) && send_out(out, job);
        }
        if (!ok) {
            return false;
        }
    }
    if (!clear_early(tiles, out)) {
        return false;
    }
    for (; room > 0; room--) {
        struct covey__tiles_job *job = next_job(tiles);
        if (job != NULL && !start_tile(tiles, job, out)) {
            return false;
        }
    }
    return true;
}

/* Events */

static void computed(struct covey__tiles_job *job, const struct covey_event *event)
{
    job->answer_due = job->segment == job->layout.segments;
    job->status = event->err == COVEY_OK ? COVEY_WORK_STATUS_DONE : COVEY_WORK_STATUS_REFUSED;
    job->spent_us = event->spent_us;
    job->out_segment = (uint8_t)(job->segment + 1);
    job->to_owner = job->out_segment == job->layout.segments;
    job->to_feed = job->to_owner ? job->fed & ~(1U << job->plan->me) : 0;
    covey__tiles_enter(job, job->out_segment);
}

void covey__tiles_event(struct covey_tiles *tiles, const struct covey_event *event,
                        struct covey_update *out)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        if (!job->running || job->ticket != event->work ||
            !covey_node_id_equal(&job->owner, &event->peer)) {
            continue;
        }
        job->running = false;
        job->heard = true;
        if (event->pieces != NULL) {
            memcpy(job->out, event->pieces, sizeof(job->out));
        }
        if (job->state != COVEY__TILES_RUNNING) {
            return;
        }
        if (event->err != COVEY_OK && job->segment < job->layout.segments) {
            job->complain = true;
            job->missing = event->index | 1U << job->plan->me;
            covey__tiles_drop(job);
            return;
        }
        computed(job, event);
        return;
    }
    for (unsigned d = 0; event->pieces != NULL && d <= COVEY_PLAN_DEVICES_MAX; d++) {
        covey_handle piece = event->pieces[d];
        bool released = covey__update_release(out, &piece);
        (void)released; /* node.c gives an empty update, so there is room */
    }
}

static void tick_job(struct covey__tiles_job *job, uint64_t now_ms)
{
    job->heard_ms = job->heard ? now_ms : job->heard_ms;
    job->since_ms = job->moved ? now_ms : job->since_ms;
    job->heard = job->moved = false;
    if (covey__tiles_is_waiting(job) && now_ms - job->since_ms >= covey__tiles_stall_ms(job)) {
        job->missing = covey__tiles_missing(job);
        job->complain = job->missing != 0;
        job->stalled = true;
    }
    if (job->state != COVEY__TILES_RUNNING && now_ms - job->heard_ms >= COVEY__TILES_SILENT_MS) {
        covey__tiles_drop(job);
    }
}

void covey__tiles_tick(struct covey_tiles *tiles, uint64_t now_ms)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        if (covey__tiles_live(&tiles->job[i])) {
            tick_job(&tiles->job[i], now_ms);
        }
    }
    for (unsigned i = 0; i < tiles->earlies; i++) {
        struct covey__tiles_early *early = &tiles->early[i];
        early->at_ms = early->fresh ? now_ms : early->at_ms;
        early->fresh = false;
        early->dropped = early->dropped || now_ms - early->at_ms >= COVEY__TILES_EARLY_MS;
    }
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t covey__tiles_deadline_ms(const struct covey_tiles *tiles)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < tiles->jobs; i++) {
        const struct covey__tiles_job *job = &tiles->job[i];
        if (covey__tiles_is_waiting(job)) {
            at = sooner(at, job->since_ms + covey__tiles_stall_ms(job));
        }
        if (job->state == COVEY__TILES_WAITING || job->state == COVEY__TILES_DONE) {
            at = sooner(at, job->heard_ms + COVEY__TILES_SILENT_MS);
        }
    }
    for (unsigned i = 0; i < tiles->earlies; i++) {
        if (tiles->early[i].used) {
            at = sooner(at, tiles->early[i].at_ms + COVEY__TILES_EARLY_MS);
        }
    }
    return at;
}
