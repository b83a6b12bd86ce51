/* SPDX-License-Identifier: MIT */
#include "job_state.h"

/* A run that feeds a layer: those who make its result send it to the layer's holders too. They are
 * asked with START, and may answer before the owner has reached the layer. Whoever cannot have all
 * rows soon says so, and is sent the whole input as any other; so is everybody where the run is
 * tried again, and where an answer was wrong: then nobody knows yet who lied. */

void covey__feed_begin(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    const struct covey_plan_run *run = covey__run_of(turn, request);
    struct covey__tiles *tiles = &request->tiles;
    request->fed = request->relay.members = 0;
    if (run->feeds == 0 || run->feeds > version->plan.layers || tiles->tries != 1 ||
        tiles->twin.segments > 0 || session->fed_wrong == version->number) {
        return;
    }
    /* Session computes all of it again: something was wrong, and nobody knows whose fault it was.
     */
    if (request->fed_runs >> tiles->run != 0) {
        session->fed_wrong = version->number;
        return;
    }
    const struct covey_plan_layer *layer = &version->plan.layer[run->feeds - 1U];
    request->layer = (uint16_t)(run->feeds - 1U);
    memset(request->out, 0, sizeof(request->out));
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        unsigned d = layer->holder[slot];
        bool asked = d != version->self && (tiles->used & covey__run_bit(d)) != 0 &&
                     covey__request_may_ask(turn, request, d);
        request->fed |= asked ? covey__run_bit(d) : 0;
    }
    request->feeding = request->fed != 0;
    request->fed_runs = (uint8_t)(request->fed_runs | (unsigned)request->feeding << tiles->run);
}

void covey__feed_start(struct covey__turn *turn, struct covey__request *request, unsigned device,
                       struct covey_work_tile *out)
{
    out->layer = request->layer;
    out->work = 0;
    out->fed = request->feeding ? request->fed : 0;
    if ((out->fed & covey__run_bit(device)) != 0) {
        const struct covey__version *version = covey__request_version(turn->job, request);
        out->work = turn->job->peer[version->peer[device]].work + 1;
    }
}

void covey__feed_started(struct covey__turn *turn, struct covey__request *request, unsigned device)
{
    if (!request->feeding || (request->fed & covey__run_bit(device)) == 0) {
        return;
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__job_peer_entry *peer = &turn->job->peer[version->peer[device]];
    struct covey__out *out = &request->out[device];
    out->work = ++peer->work;
    out->state = COVEY__OUT_ASKED;
    peer->asked_ms = turn->now_ms;
    const struct covey__session *session = covey__request_session(turn->job, request);
    peer->due_ms = turn->now_ms + covey__run_usual_ms(session, request);
    request->stale[device] = 0; /* START cancels it at the holder */
}

bool covey__feed_give_up(struct covey__turn *turn, struct covey__request *request)
{
    for (unsigned d = 0; request->feeding && d < COVEY_PLAN_DEVICES_MAX; d++) {
        struct covey__out *out = &request->out[d];
        if (!covey__update_release(turn->out, &out->answer)) {
            return false;
        }
        request->stale[d] = out->state == COVEY__OUT_ASKED ? out->work : request->stale[d];
        *out = (struct covey__out){0};
    }
    request->feeding = false;
    request->fed = 0;
    return true;
}

bool covey__feed_layer(struct covey__turn *turn, struct covey__request *request, unsigned layer)
{
    if (request->feeding && request->layer == layer) {
        request->feeding = false;
        return true;
    }
    /* Asked again, after answers to what others gave: whoever they were, this ends it. */
    if (request->fed != 0 && request->layer == layer) {
        struct covey__session *session = covey__request_session(turn->job, request);
        session->fed_wrong = covey__request_version(turn->job, request)->number;
    }
    bool given_up = covey__feed_give_up(turn, request);
    (void)given_up; /* node.c gives an empty update, so there is room */
    request->fed = 0;
    return false;
}

bool covey__feed_refused(struct covey__request *request, unsigned device)
{
    if ((request->fed & covey__run_bit(device)) == 0) {
        return false;
    }
    request->fed &= ~covey__run_bit(device);
    request->out[device].state = COVEY__OUT_TO_ASK;
    return true;
}

bool covey__feed_stalled(struct covey__turn *turn, struct covey__request *request, unsigned device,
                         const struct covey_work_tile *said)
{
    const struct covey__tiles *tiles = &request->tiles;
    uint32_t missing = covey_load32(said->missing.ptr) & tiles->used;
    if (missing == 0 || said->segment != covey__run_of(turn, request)->segments ||
        (request->fed & covey__run_bit(device)) == 0 || said->run != tiles->run ||
        said->attempt != tiles->attempt) {
        return false;
    }
    /* Rows that are not here either are the run's own trouble. */
    for (unsigned d = 0; tiles->state == COVEY__TILES_WAITING && d < COVEY_PLAN_DEVICES_MAX; d++) {
        if ((missing & covey__run_bit(d)) != 0 && tiles->answer[d] == 0) {
            return false;
        }
    }
    if (request->out[device].state == COVEY__OUT_ASKED) {
        (void)covey__feed_refused(request, device);
    }
    return true;
}

struct covey__times *covey__request_times(struct covey__session *session,
                                          const struct covey__request *request)
{
    if (request->relay.members != 0) {
        return &session->relay_times[request->layer];
    }
    return request->fed != 0 ? &session->fed_times[request->tiles.run]
                             : &session->layer_times[request->layer];
}
