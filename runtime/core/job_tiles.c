/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_private.h"

uint32_t covey__job_tiles_holders(const struct covey_plan *plan, unsigned run)
{
    return covey__run_holders(&plan->run[run], plan->devices);
}

/* ---- events ---- */

covey_err covey__job_tiles_begin(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    if (request == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    if (request->running || request->tiles.state != COVEY__TILES_NONE) {
        return COVEY_ERR_STATE;
    }
    if (event->run >= covey__request_version(turn->job, request)->plan.runs) {
        return COVEY_ERR_RANGE;
    }
    memset(&request->tiles, 0, sizeof(request->tiles));
    request->tiles.run = event->run;
    request->tiles.reached_ms = turn->now_ms;
    request->tiles.state = COVEY__TILES_TO_SHARE;
    request->beside = 0;
    (void)covey__request_beside(turn->job, request);
    return COVEY_OK;
}

/* What was cut, and what came. */
static bool give_back(struct covey__turn *turn, struct covey__tiles *tiles)
{
    bool done = true;
    for (unsigned d = 0; done && d < COVEY_PLAN_DEVICES_MAX; d++) {
        done = covey__update_release(turn->out, &tiles->cut[d]) &&
               covey__update_release(turn->out, &tiles->answer[d]);
    }
    return done;
}

static bool release_pieces(struct covey__turn *turn, const covey_handle *pieces)
{
    bool done = true;
    for (unsigned d = 0; pieces != NULL && d < COVEY_PLAN_DEVICES_MAX; d++) {
        done = covey__job_release(turn, pieces[d]) && done;
    }
    return done;
}

covey_err covey__job_tiles_cut(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    struct covey__tiles *tiles = request != NULL ? &request->tiles : NULL;
    if (tiles == NULL || tiles->state != COVEY__TILES_CUTTING || tiles->run != event->run ||
        tiles->attempt != event->attempt) {
        return release_pieces(turn, event->pieces) ? COVEY_OK : COVEY_ERR_SPACE;
    }
    if (event->pieces != NULL) {
        memcpy(tiles->cut, event->pieces, sizeof(tiles->cut));
    }
    if (event->err != COVEY_OK || event->pieces == NULL) {
        /* Memory is short here. The run needs less of it than its pieces. */
        tiles->tries = COVEY__JOB_ATTEMPTS;
        tiles->again = true;
    }
    tiles->state = tiles->again ? COVEY__TILES_TO_SHARE : COVEY__TILES_TO_START;
    tiles->tell = tiles->used;
    return COVEY_OK;
}

/* ---- the result ---- */

bool covey__job_tiles_piece(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_tile *said = &in->message->tile;
    struct covey__request *request = covey__request_find(turn->job, said->request);
    if (request == NULL || request->tiles.state != COVEY__TILES_WAITING ||
        request->tiles.attempt != said->attempt || request->tiles.run != said->run) {
        return false;
    }
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    unsigned d = said->source;
    if (!covey_session_id_equal(&session->id, &said->fence.session) ||
        session->epoch != said->fence.epoch || version->number != said->fence.version ||
        d >= version->plan.devices || !covey_node_id_equal(&version->plan.device[d], &in->peer) ||
        (covey__run_unanswered(tiles) & covey__run_bit(d)) == 0) {
        return false;
    }
    const struct covey_plan_run *run = &version->plan.run[tiles->run];
    struct covey_rows rows = covey_tile_made(covey__run_layout(tiles, d), run->segments - 1u, d);
    if (in->body == 0 ||
        in->body_len != covey_tile_piece_bytes(run, run->segments, rows, version->plan.half)) {
        covey__run_lose_slow(turn, request, covey__run_bit(d));
        return false;
    }
    tiles->answer[d] = in->body;
    tiles->waits[d] = 0;
    turn->job->peer[version->peer[d]].stalls = 0;
    if (covey__run_unanswered(tiles) == 0) {
        tiles->state = COVEY__TILES_COMPLETE;
    }
    return true;
}

static void add_layouts(struct covey_action *action, const struct covey__tiles *tiles)
{
    action->layout = &tiles->layout;
    action->twin = tiles->twin.segments > 0 ? &tiles->twin : NULL;
}

static bool tell_done(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    bool is_here = tiles->state == COVEY__TILES_COMPLETE;
    if (turn->out->done_count == COVEY_UPDATE_DONE_MAX) {
        turn->out->more = true;
        return false;
    }
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_TILES_DONE);
    if (action == NULL) {
        return false;
    }
    struct covey__session *session = covey__request_session(turn->job, request);
    struct covey_layer_done *done = &turn->out->done[turn->out->done_count++];
    memset(done, 0, sizeof(*done));
    if (is_here) {
        memcpy(done->answer, tiles->answer, sizeof(done->answer));
        memset(tiles->answer, 0, sizeof(tiles->answer));
        add_layouts(action, tiles);
        uint64_t ms = turn->now_ms - tiles->began_ms;
        covey__times_add_beside(&session->run_times[tiles->run],
                                ms * 1000 / (1000 + (uint64_t)tiles->more_permille),
                                request->beside);
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    done->recovered_dead = (uint16_t)covey__count_of(tiles->lost);
    done->fed = request->feeding ? request->fed : 0;
    action->fence = covey__job_fence(session, version);
    action->request = request->id;
    action->run = tiles->run;
    action->attempt = tiles->attempt;
    action->done = done;
    tiles->told = 0;
    tiles->state = COVEY__TILES_NONE;
    return true;
}

/* ---- sharing out ---- */

static bool may_take(const struct covey__turn *turn, const struct covey__version *version,
                     unsigned device)
{
    uint16_t peer = version->peer[device];
    return version->holder[device] == COVEY__HOLDER_READY &&
           covey__peer_state(turn->job, peer) == COVEY_PEER_UP &&
           covey__peer_is_there(turn, peer) && turn->job->peer[peer].tile_avoid_ms <= turn->now_ms;
}

static void rates_of(const struct covey__turn *turn, const struct covey_plan *plan,
                     uint32_t rate[static COVEY_PLAN_DEVICES_MAX])
{
    memset(rate, 0, COVEY_PLAN_DEVICES_MAX * sizeof(rate[0]));
    for (unsigned d = 0; d < plan->devices; d++) {
        for (unsigned i = 0; i < turn->view->devices; i++) {
            if (covey_node_id_equal(&turn->view->device[i].id, &plan->device[d])) {
                rate[d] = turn->view->device[i].mflops;
            }
        }
    }
}

static void set_layouts(struct covey__tiles *tiles, const struct covey_plan_run *run,
                        unsigned devices)
{
    covey_tile_layout_of(run, devices, &tiles->layout);
    tiles->twin.segments = 0;
    if (run->twice) {
        covey_tile_layout_twin(run, devices, &tiles->twin);
    }
}

/* How much longer those left take than all, by their rates. */
static uint32_t more_permille(uint32_t all, uint32_t left,
                              const uint32_t rate[static COVEY_PLAN_DEVICES_MAX])
{
    uint64_t whole = 0, part = 0;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        uint64_t own = rate[d] == 0 ? 1 : rate[d];
        whole += (all & covey__run_bit(d)) != 0 ? own : 0;
        part += (left & covey__run_bit(d)) != 0 ? own : 0;
    }
    uint64_t permille = (whole - part) * 1000 / part;
    return permille < UINT32_MAX ? (uint32_t)permille : UINT32_MAX;
}

/* The plan's own rows while all are there, else among those that are left. False: nobody is. */
static bool choose(const struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    const struct covey_plan *plan = &version->plan;
    struct covey__tiles *tiles = &request->tiles;
    uint32_t all = covey__job_tiles_holders(plan, tiles->run);
    uint32_t mask = 0;
    for (unsigned d = 0; d < plan->devices; d++) {
        bool wanted = (all & covey__run_bit(d)) != 0 && (tiles->lost & covey__run_bit(d)) == 0;
        mask |= wanted && may_take(turn, version, d) ? covey__run_bit(d) : 0;
    }
    if (mask == 0) {
        return false;
    }
    tiles->more_permille = 0;
    if (mask == all) {
        set_layouts(tiles, &plan->run[tiles->run], plan->devices);
        return true;
    }
    struct covey_plan_run run = plan->run[tiles->run];
    uint32_t rate[COVEY_PLAN_DEVICES_MAX];
    rates_of(turn, plan, rate);
    if (!covey_plan_share(&run, plan->devices, mask, rate)) {
        return false;
    }
    set_layouts(tiles, &run, plan->devices);
    tiles->more_permille = more_permille(all, mask, rate);
    return true;
}

/* In the time that was spent on it already this node would have computed all of it. */
static bool is_hopeless(const struct covey__turn *turn, struct covey__request *request)
{
    const struct covey_plan *plan = &covey__request_version(turn->job, request)->plan;
    const struct covey__tiles *tiles = &request->tiles;
    return tiles->tries > 1 && plan->local_us > 0 &&
           turn->now_ms - tiles->reached_ms > 2 * (uint64_t)plan->local_us / 1000;
}

static bool share(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    if (!covey__feed_give_up(turn, request) || !give_back(turn, tiles)) {
        return false;
    }
    tiles->again = tiles->patient = false;
    tiles->unable = tiles->complained = tiles->tell = tiles->ask = tiles->asked = 0;
    tiles->grace_ms = tiles->verdict_ms = 0;
    memset(tiles->waits, 0, sizeof(tiles->waits));
    memset(tiles->at, 0, sizeof(tiles->at));
    memset(tiles->owes, 0, sizeof(tiles->owes));
    bool shared = tiles->tries < COVEY__JOB_ATTEMPTS && request->attempts < UINT8_MAX &&
                  !is_hopeless(turn, request) && choose(turn, request);
    tiles->used = shared ? covey__run_makers(&tiles->layout) | covey__run_makers(&tiles->twin) : 0;
    /* Who gets a newer attempt drops the older by itself. */
    tiles->drop |= tiles->told & ~tiles->used;
    tiles->told &= tiles->used;
    if (!shared) {
        tiles->state = COVEY__TILES_TO_COMPUTE;
        return true;
    }
    tiles->drop &= ~tiles->used;
    tiles->tries++;
    tiles->attempt = request->attempts++;
    covey__feed_begin(turn, request);
    tiles->state = COVEY__TILES_TO_CUT;
    return true;
}

/* ---- pumps ---- */

static bool pump_cut(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_TILES_CUT);
    if (action == NULL) {
        return false;
    }
    const struct covey__version *version = covey__request_version(turn->job, request);
    action->fence = covey__job_fence(covey__request_session(turn->job, request), version);
    action->request = request->id;
    action->run = tiles->run;
    action->attempt = tiles->attempt;
    add_layouts(action, tiles);
    tiles->state = COVEY__TILES_CUTTING;
    return true;
}

static bool send_start(struct covey__turn *turn, struct covey__request *request, unsigned device)
{
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__session *session = covey__request_session(turn->job, request);
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey_buf space = {turn->job->scratch, sizeof(turn->job->scratch)};
    size_t len = 0;
    /* A layout always fits: the scratch holds the costs of all layers. */
    if (covey_tile_layout_encode(covey__run_layout(tiles, device), space, &len) != COVEY_OK) {
        return false;
    }
    struct covey_work_message message = {.type = COVEY_WORK_START};
    message.tile.fence = covey__job_fence(session, version);
    message.tile.request = request->id;
    message.tile.attempt = tiles->attempt;
    message.tile.run = tiles->run;
    message.tile.stall_ms = covey__run_stall_ms(session, covey__run_of(turn, request), request);
    message.tile.layout = covey_bytes_of(space.ptr, len);
    covey__feed_start(turn, request, device, &message.tile);
    if (covey__update_send(turn->out, &version->plan.device[device], &message,
                           tiles->cut[device]) != COVEY_OK) {
        return false;
    }
    tiles->tell &= ~covey__run_bit(device);
    tiles->told |= covey__run_bit(device);
    covey__feed_started(turn, request, device);
    return true;
}

static bool pump_start(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if ((tiles->tell & covey__run_bit(d)) != 0 && !send_start(turn, request, d)) {
            return false;
        }
        if (!covey__update_release(turn->out, &tiles->cut[d])) {
            return false;
        }
    }
    const struct covey__session *session = covey__request_session(turn->job, request);
    tiles->began_ms = turn->now_ms;
    tiles->overdue_ms =
        turn->now_ms + covey__run_patience_ms(session, covey__run_of(turn, request), request);
    uint64_t usual_ms = covey__run_usual_ms(session, request);
    tiles->late_ms = usual_ms != 0 ? turn->now_ms + usual_ms : 0;
    tiles->state = COVEY__TILES_WAITING;
    return true;
}

static bool pump_drops(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey_work_message message = {.type = COVEY_WORK_DROP};
    message.tile.fence = covey__job_fence(covey__request_session(turn->job, request), version);
    message.tile.request = request->id;
    for (unsigned d = 0; tiles->drop != 0 && d < version->plan.devices; d++) {
        if ((tiles->drop & covey__run_bit(d)) == 0) {
            continue;
        }
        if (covey__peer_state(turn->job, version->peer[d]) == COVEY_PEER_UP &&
            covey__update_send(turn->out, &version->plan.device[d], &message, 0) != COVEY_OK) {
            return false;
        }
        tiles->drop &= ~covey__run_bit(d);
    }
    return true;
}

/* False: the update is full. */
static bool pump_once(struct covey__turn *turn, struct covey__request *request)
{
    switch (request->tiles.state) {
    case COVEY__TILES_TO_SHARE:
        return share(turn, request);
    case COVEY__TILES_TO_CUT:
        return pump_cut(turn, request);
    case COVEY__TILES_TO_START:
        return pump_start(turn, request);
    case COVEY__TILES_WAITING:
        covey__run_watch(turn, request);
        return covey__run_ask(turn, request);
    case COVEY__TILES_COMPLETE:
    case COVEY__TILES_TO_COMPUTE:
        return tell_done(turn, request);
    case COVEY__TILES_NONE:
    case COVEY__TILES_CUTTING:
        break;
    }
    return true;
}

bool covey__job_tiles_pump(struct covey__turn *turn, struct covey__request *request)
{
    enum covey__tiles_state before;
    do {
        before = request->tiles.state;
        if (!pump_drops(turn, request) || !pump_once(turn, request)) {
            return false;
        }
    } while (request->tiles.state != before);
    return true;
}

bool covey__job_tiles_end(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    if (!give_back(turn, tiles)) {
        return false;
    }
    tiles->drop |= tiles->told;
    tiles->told = 0;
    tiles->state = COVEY__TILES_NONE;
    return pump_drops(turn, request);
}
