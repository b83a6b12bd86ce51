/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_private.h"

/* A layer whose holders get a piece of the input each and give it to the others, so that all of it
 * leaves this device once. Whoever misses a piece gets that piece from here. As where a run feeds a
 * layer, a wrong answer to what others gave accuses nobody: the input is asked with as a whole
 * then, from here, and so it is in all of that version's layers. */

static uint32_t members_of(const struct covey__turn *turn, const struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    uint32_t mask = 0;
    for (unsigned d = 0; d < version->plan.devices; d++) {
        const struct covey__out *out = &request->out[d];
        if (d != version->self && out->state == COVEY__OUT_TO_ASK && !out->doubted &&
            turn->job->peer[version->peer[d]].relay_avoid_ms <= turn->now_ms) {
            mask |= covey__run_bit(d);
        }
    }
    return mask;
}

/* Whether each of them has a piece, and none is too long. */
static bool can_be_cut(uint32_t bytes, uint32_t members)
{
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        uint32_t len = covey_relay_piece(bytes, members, d).len;
        if ((members >> d & 1) != 0 && (len == 0 || len > COVEY_RELAY_PIECE_MAX)) {
            return false;
        }
    }
    return (members & (members - 1)) != 0;
}

void covey__relay_begin(struct covey__turn *turn, struct covey__request *request,
                        size_t input_bytes)
{
    struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__relay *relay = &request->relay;
    relay->members = 0;
    memset(relay->owed, 0, sizeof(relay->owed));
    memset(relay->given, 0, sizeof(relay->given));
    memset(relay->missed, 0, sizeof(relay->missed));
    /* Asked again: something was wrong, and nobody knows whose fault it was. */
    if (request->layer < relay->reached) {
        session->fed_wrong = version->number;
    }
    if (!version->plan.layer[request->layer].relayed || request->fed != 0) {
        return;
    }
    uint32_t members = members_of(turn, request);
    if (session->fed_wrong == version->number || request->attempts == UINT8_MAX ||
        input_bytes > COVEY_BODY_MAX || !can_be_cut((uint32_t)input_bytes, members)) {
        return;
    }
    relay->reached = (uint16_t)(request->layer + 1);
    relay->members = members;
    relay->bytes = (uint32_t)input_bytes;
    relay->attempt = request->attempts++;
    request->fed = members;
}

/* As long as the layer usually takes: half of that is for the pieces at most. */
static uint16_t stall_ms(const struct covey__request *request)
{
    uint64_t ms = request->usual_ms + COVEY__JOB_STALL_MIN_MS;
    return ms < UINT16_MAX ? (uint16_t)ms : UINT16_MAX;
}

static struct covey_work_message message_of(const struct covey__turn *turn,
                                            const struct covey__request *request,
                                            enum covey_work_type type)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey_work_message message = {.type = type};
    message.tile.fence = covey__job_fence(covey__request_session(turn->job, request), version);
    message.tile.request = request->id;
    message.tile.attempt = request->relay.attempt;
    message.tile.run = COVEY_WORK_NO_RUN;
    return message;
}

bool covey__relay_ask(struct covey__turn *turn, struct covey__request *request, unsigned device)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    const struct covey__relay *relay = &request->relay;
    struct covey_work_message message = message_of(turn, request, COVEY_WORK_RELAY);
    message.tile.layer = request->layer;
    message.tile.work = request->out[device].work;
    message.tile.stall_ms = stall_ms(request);
    message.tile.fed = relay->members;
    message.tile.bytes = relay->bytes;
    return covey__update_send_part(
               turn->out, &version->plan.device[device], &message, request->input,
               covey_relay_piece(relay->bytes, relay->members, device)) == COVEY_OK;
}

/* Pieces that did not come, or will not, from those who should have given them. */
bool covey__relay_pump(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__relay *relay = &request->relay;
    for (unsigned d = 0; relay->members != 0 && d < version->plan.devices; d++) {
        bool waits =
            request->out[d].state == COVEY__OUT_ASKED && (request->fed & covey__run_bit(d)) != 0;
        relay->owed[d] = waits ? relay->owed[d] : 0;
        for (unsigned m = 0; relay->owed[d] != 0; m++) {
            struct covey_work_message message = message_of(turn, request, COVEY_WORK_PIECE);
            message.tile.source = (uint8_t)m;
            uint32_t bit = relay->owed[d] & covey__run_bit(m);
            if (bit != 0 && covey__update_send_part(
                                turn->out, &version->plan.device[d], &message, request->input,
                                covey_relay_piece(relay->bytes, relay->members, m)) != COVEY_OK) {
                return false;
            }
            relay->owed[d] &= ~bit;
            relay->given[d] |= bit;
        }
    }
    return true;
}

/* Each piece once: who says that it does not come gets no more than the input. */
static void owe(struct covey__relay *relay, unsigned device, uint32_t pieces)
{
    relay->owed[device] |= pieces & ~relay->given[device];
}

void covey__relay_lost(struct covey__request *request, unsigned device)
{
    struct covey__relay *relay = &request->relay;
    if (!request->running || (relay->members & covey__run_bit(device)) == 0) {
        return;
    }
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        owe(relay, d, d != device ? covey__run_bit(device) : 0);
    }
}

static void avoid(struct covey__turn *turn, const struct covey__request *request, unsigned device)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    turn->job->peer[version->peer[device]].relay_avoid_ms = turn->now_ms + COVEY__JOB_TILE_AVOID_MS;
}

/* It had its own piece, and something was wrong with it or another: like a wrong answer, but
 * nothing has to be computed again. */
void covey__relay_refused(struct covey__turn *turn, const struct covey__request *request,
                          unsigned device)
{
    if (request->running && (request->relay.members & covey__run_bit(device)) != 0) {
        avoid(turn, request, device);
    }
}

/* Who has answered has given its piece, and only that is late, or lost between two. Not so if it
 * happens again, in what began after that was known. */
static bool is_forgiven(const struct covey__turn *turn, const struct covey__request *request,
                        struct covey__job_peer_entry *giver)
{
    uint64_t before_ms = giver->relay_late_ms;
    giver->relay_late_ms = turn->now_ms;
    return before_ms == 0 || request->began_ms < before_ms ||
           turn->now_ms > before_ms + COVEY__JOB_TILE_AVOID_MS;
}

/* Whoever held others up is left out for a while. Who misses most pieces, all it ever said taken
 * together, has been held up itself. */
static void blame(struct covey__turn *turn, struct covey__request *request, unsigned device,
                  uint32_t missing)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__relay *relay = &request->relay;
    relay->missed[device] |= missing;
    if (2 * covey__count_of(relay->missed[device]) > covey__count_of(relay->members)) {
        avoid(turn, request, device);
        return;
    }
    for (unsigned d = 0; d < version->plan.devices; d++) {
        bool answered = request->out[d].state == COVEY__OUT_ANSWERED;
        if ((missing & covey__run_bit(d)) != 0 &&
            !(answered && is_forgiven(turn, request, &turn->job->peer[version->peer[d]]))) {
            avoid(turn, request, d);
        }
    }
}

void covey__relay_stalled(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_tile *said = &in->message->tile;
    struct covey__request *request = covey__request_find(turn->job, said->request);
    if (request == NULL || !request->running || said->attempt != request->relay.attempt ||
        said->missing.len != 4) {
        return;
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__relay *relay = &request->relay;
    uint8_t d = covey__version_device(turn->job, version, &in->peer);
    if (d == COVEY__JOB_NO_DEVICE || version->number != said->fence.version ||
        (request->fed & relay->members & covey__run_bit(d)) == 0 ||
        request->out[d].state != COVEY__OUT_ASKED) {
        return;
    }
    uint32_t missing = covey_load32(said->missing.ptr) & relay->members;
    if (missing == 0 || (missing & covey__run_bit(d)) != 0) {
        (void)covey__feed_refused(request, d); /* it cannot: asked as ever */
        covey__relay_lost(request, d);
        avoid(turn, request, d);
        return;
    }
    missing &= ~(relay->owed[d] | relay->given[d]);
    blame(turn, request, d, missing);
    owe(relay, d, missing);
}
