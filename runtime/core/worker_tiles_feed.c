/* SPDX-License-Identifier: MIT */
#include "worker_tiles_state.h"

/* The result of a run that feeds a layer: pieces of one segment more, which those get who hold
 * units of the layer. What a holder computes with them it answers as if the owner had sent all of
 * it. */

struct covey_rows covey__tiles_rows(const struct covey__tiles_job *job, unsigned segment,
                                    unsigned from)
{
    if (segment < job->layout.segments) {
        return covey_tile_piece(covey__tiles_run(job), &job->layout, segment, from, job->plan->me);
    }
    bool wanted = job->is_fed && segment == job->layout.segments;
    return wanted ? covey_tile_made(&job->layout, segment - 1, from) : (struct covey_rows){0, 0};
}

size_t covey__tiles_due(const struct covey__tiles_job *job, unsigned segment, unsigned from)
{
    if (job->relayed > 0) {
        return segment == 0 ? covey_relay_piece(job->relayed, job->fed, from).len : 0;
    }
    struct covey_rows rows = covey__tiles_rows(job, segment, from);
    return segment == 0
               ? 0
               : covey_tile_piece_bytes(covey__tiles_run(job), segment, rows, job->plan->plan.half);
}

static bool relays(const struct covey_plan *plan)
{
    bool any = false;
    for (unsigned i = 0; i < plan->layers; i++) {
        any = any || plan->layer[i].relayed;
    }
    return any;
}

size_t covey__tiles_piece_most(const struct covey__tiles_plan *plan,
                               const struct covey_incoming *in)
{
    const struct covey_work_tile *tile = &in->message->tile;
    bool own = covey_node_id_equal(&plan->plan.device[tile->source], &in->peer);
    if (tile->run == COVEY_WORK_NO_RUN) {
        /* The owner gives what others did not. */
        bool may = relays(&plan->plan) && (own || covey_node_id_equal(&plan->owner, &in->peer));
        return may && tile->segment == 0 ? COVEY_RELAY_PIECE_MAX : 0;
    }
    if (!own || tile->run >= plan->plan.runs || tile->segment == 0) {
        return 0;
    }
    const struct covey_plan_run *run = &plan->plan.run[tile->run];
    if (tile->segment >= run->segments + (run->feeds > 0)) {
        return 0;
    }
    struct covey_rows all = {0, run->segment[tile->segment - 1].map.out_rows};
    return covey_tile_piece_bytes(run, tile->segment, all, plan->plan.half);
}

bool covey__tiles_is_of_use(const struct covey_plan *plan)
{
    return relays(plan) || plan->runs > 0;
}

bool covey__tiles_may_relay(const struct covey__tiles_plan *plan, const struct covey_incoming *in)
{
    const struct covey_work_tile *start = &in->message->tile;
    uint64_t devices = UINT64_C(1) << plan->plan.devices;
    return start->layer < plan->plan.layers && plan->plan.layer[start->layer].relayed &&
           start->fed < devices && in->body != 0 &&
           in->body_len == covey_relay_piece(start->bytes, start->fed, plan->me).len &&
           in->body_len > 0 && in->body_len <= COVEY_RELAY_PIECE_MAX;
}

void covey__tiles_relay(struct covey__tiles_job *job, const struct covey_work_tile *start,
                        covey_handle take_piece)
{
    job->layout.devices = job->plan->plan.devices;
    job->relayed = start->bytes;
    job->fed = start->fed;
    job->to_feed = job->fed & ~(1U << job->plan->me);
    job->is_fed = true;
    job->layer = start->layer;
    job->work = start->work;
    job->out[COVEY_TILE_OWNER] = take_piece;
    covey__tiles_enter(job, 0);
}

void covey__tiles_fed(struct covey__tiles_job *job, const struct covey_work_tile *start)
{
    uint32_t devices = (uint32_t)((UINT64_C(1) << job->layout.devices) - 1);
    bool feeds = covey__tiles_run(job)->feeds == start->layer + 1U;
    job->fed = feeds ? start->fed & devices : 0;
    job->is_fed = (job->fed >> job->plan->me & 1) != 0;
    job->layer = start->layer;
    job->work = start->work;
}

bool covey__tiles_is_waiting(const struct covey__tiles_job *job)
{
    if (job->state != COVEY__TILES_WAITING || job->stalled || job->stall_ms == 0) {
        return false;
    }
    bool any = job->segment < job->layout.segments;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX && !any; d++) {
        any = job->piece[job->segment][d] != 0;
    }
    return any;
}

/* Of a result twice as long as within the run: the owner is not to find out who is late, but to
 * send all of the input. */
uint32_t covey__tiles_stall_ms(const struct covey__tiles_job *job)
{
    bool result = job->relayed == 0 && job->segment == job->layout.segments;
    return result ? 2U * job->stall_ms : job->stall_ms;
}

bool covey__tiles_send_piece(struct covey_update *out, const struct covey__tiles_job *job,
                             const struct covey_node_id *to, covey_handle body)
{
    struct covey_work_message message = {.type = COVEY_WORK_PIECE};
    message.tile.fence = job->fence;
    message.tile.request = job->request;
    message.tile.attempt = job->attempt;
    message.tile.run = job->run;
    message.tile.segment = job->out_segment;
    message.tile.source = job->plan->me;
    return covey__update_send(out, to, &message, body) == COVEY_OK;
}

/* One after the other from its own place on, so that not all send to the same one first. */
bool covey__tiles_send_result(struct covey_update *out, struct covey__tiles_job *job)
{
    covey_handle *body = &job->out[COVEY_TILE_OWNER];
    unsigned me = job->plan->me;
    if (*body == 0) {
        return true;
    }
    if (job->to_owner && !covey__tiles_send_piece(out, job, &job->owner, *body)) {
        return false;
    }
    job->to_owner = false;
    for (unsigned i = 1; i < job->layout.devices && job->to_feed != 0; i++) {
        unsigned d = (me + i) % job->layout.devices;
        if ((job->to_feed >> d & 1) == 0) {
            continue;
        }
        if (!covey__tiles_send_piece(out, job, &job->plan->plan.device[d], *body)) {
            return false;
        }
        job->to_feed &= ~(1U << d);
    }
    if (job->is_fed && job->piece[job->out_segment][me] == 0) {
        job->piece[job->out_segment][me] = *body;
        *body = 0;
    }
    return covey__update_release(out, body);
}

bool covey__tiles_answer(struct covey_update *out, struct covey__tiles_job *job)
{
    if (!job->answer_due) {
        return true;
    }
    struct covey_work_message message = {.type = COVEY_WORK_ANSWER};
    message.answer = (struct covey_work_answer){.fence = job->fence,
                                                .request = job->request,
                                                .layer = job->layer,
                                                .work = job->work,
                                                .status = job->status,
                                                .spent_us = job->spent_us};
    covey_handle body = job->status == COVEY_WORK_STATUS_DONE ? job->out[COVEY_TILE_OWNER] : 0;
    if (covey__update_send(out, &job->owner, &message, body) != COVEY_OK) {
        return false;
    }
    job->answer_due = false;
    return covey__update_release(out, &job->out[COVEY_TILE_OWNER]);
}

void covey__tiles_cancel(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_work_execute *execute, bool others)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        bool open = job->state == COVEY__TILES_WAITING || job->state == COVEY__TILES_RUNNING;
        if (open && job->is_fed && job->request == execute->request &&
            (job->work == execute->work) != others && covey_node_id_equal(&job->owner, owner)) {
            job->answer_due = true;
            job->status = COVEY_WORK_STATUS_CANCELLED;
            covey__tiles_drop(job);
        }
    }
}
