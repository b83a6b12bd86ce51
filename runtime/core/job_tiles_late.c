/* SPDX-License-Identifier: MIT */
#include "job_state.h"
#include "plan_private.h"

/* Who of a tile run is lost or late, and what that changes: the run is shared out again without
 * those devices (job_tiles.c), or gets more time. */

uint32_t covey__run_makers(const struct covey_tile_layout *layout)
{
    uint32_t mask = 0;
    for (unsigned s = 0; s < layout->segments; s++) {
        for (unsigned d = 0; d < layout->devices; d++) {
            mask |= layout->rows[s][d] < layout->rows[s][d + 1] ? covey__run_bit(d) : 0;
        }
    }
    return mask;
}

const struct covey_tile_layout *covey__run_layout(const struct covey__tiles *tiles, unsigned device)
{
    return (covey__run_makers(&tiles->twin) & covey__run_bit(device)) != 0 ? &tiles->twin
                                                                           : &tiles->layout;
}

uint32_t covey__run_unanswered(const struct covey__tiles *tiles)
{
    uint32_t mask = 0;
    unsigned last = tiles->layout.segments - 1u;
    for (unsigned d = 0; d < tiles->layout.devices; d++) {
        struct covey_rows rows = covey_tile_made(covey__run_layout(tiles, d), last, d);
        mask |= rows.begin < rows.end && tiles->answer[d] == 0 ? covey__run_bit(d) : 0;
    }
    return mask;
}

/* ---- losses ---- */

static void lose(struct covey__tiles *tiles, uint32_t devices)
{
    tiles->lost |= devices;
    if (tiles->state == COVEY__TILES_CUTTING) {
        tiles->again = true;
    } else {
        tiles->state = COVEY__TILES_TO_SHARE;
    }
}

void covey__job_tiles_peer(struct covey__request *request, unsigned device)
{
    struct covey__tiles *tiles = &request->tiles;
    tiles->told &= ~covey__run_bit(device);
    bool is_open = tiles->state == COVEY__TILES_TO_CUT || tiles->state == COVEY__TILES_CUTTING ||
                   tiles->state == COVEY__TILES_TO_START || tiles->state == COVEY__TILES_WAITING;
    /* Whose rows of the result are here has sent all that others need of it. */
    if (is_open && (tiles->used & covey__run_bit(device)) != 0 && tiles->answer[device] == 0) {
        lose(tiles, covey__run_bit(device));
    }
}

void covey__run_lose_slow(struct covey__turn *turn, struct covey__request *request,
                          uint32_t devices)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    for (unsigned d = 0; d < version->plan.devices; d++) {
        if ((devices & covey__run_bit(d)) == 0 || version->peer[d] == COVEY__JOB_NO_PEER) {
            continue;
        }
        struct covey__job_peer_entry *entry = &turn->job->peer[version->peer[d]];
        entry->tile_avoid_ms = turn->now_ms + ((uint64_t)COVEY__JOB_TILE_AVOID_MS << entry->stalls);
        entry->stalls = (uint8_t)(entry->stalls + (entry->stalls < COVEY__JOB_TILE_AVOIDS));
    }
    lose(&request->tiles, devices);
}

/* Whoever is waited for and does not wait itself. Where all wait for one another rows were lost
 * between two: one of those is left out. */
static uint32_t root_cause(const struct covey__tiles *tiles, unsigned self)
{
    uint32_t roots = (tiles->unable | (tiles->missed & ~tiles->complained)) & tiles->used;
    for (unsigned d = 0; roots == 0 && d < COVEY_PLAN_DEVICES_MAX; d++) {
        roots = d != self ? tiles->missed & tiles->used & covey__run_bit(d) : 0;
    }
    return roots != 0 ? roots : tiles->missed & tiles->used;
}

void covey__job_tiles_stalled(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_tile *said = &in->message->tile;
    struct covey__request *request = covey__request_find(turn->job, said->request);
    if (request == NULL || request->tiles.attempt != said->attempt ||
        request->tiles.run != said->run || said->missing.len != 4) {
        return;
    }
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__version *version = covey__request_version(turn->job, request);
    uint8_t d = covey__version_device(turn->job, version, &in->peer);
    if (d == COVEY__JOB_NO_DEVICE || (tiles->used & covey__run_bit(d)) == 0 ||
        version->number != said->fence.version || covey__feed_stalled(turn, request, d, said) ||
        tiles->state != COVEY__TILES_WAITING) {
        return;
    }
    uint32_t missing = covey_load32(said->missing.ptr) & tiles->used;
    missing |=
        missing == 0 ? covey__run_bit(d) : 0; /* it knows no plan, so not its own number either */
    tiles->unable |= missing & covey__run_bit(d);
    tiles->missed |= missing;
    tiles->complained |= covey__run_bit(d);
    if (tiles->grace_ms == 0) {
        tiles->grace_ms = turn->now_ms + COVEY__JOB_GRACE_MS;
    }
}

/* ---- deadlines ---- */

/* Nobody complained of anyone, and rows are missing. When few are, it is those devices; when most
 * are, all may be slower than thought: once they get more time. */
static void overdue(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__tiles *tiles = &request->tiles;
    uint32_t late = covey__run_unanswered(tiles);
    if (2 * covey__count_of(late) > covey__count_of(tiles->used) &&
        covey__count_of(tiles->used) > 1 && !tiles->patient) {
        tiles->patient = true;
        tiles->overdue_ms = turn->now_ms + (turn->now_ms - tiles->began_ms);
        covey__job_wake(turn->job, tiles->overdue_ms);
        return;
    }
    uint32_t others = late;
    if (version->self != COVEY__JOB_NO_DEVICE) {
        others &= ~covey__run_bit(version->self);
    }
    covey__run_lose_slow(turn, request, others != 0 ? others : late);
}

void covey__run_watch(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__version *version = covey__request_version(turn->job, request);
    if (tiles->grace_ms != 0 && turn->now_ms >= tiles->grace_ms) {
        uint32_t roots = root_cause(tiles, version->self);
        tiles->grace_ms = 0;
        if (roots != 0) {
            covey__run_lose_slow(turn, request, roots);
            return;
        }
    }
    if (turn->now_ms >= tiles->overdue_ms && covey__request_beside(turn->job, request)) {
        const struct covey__session *session = covey__request_session(turn->job, request);
        tiles->overdue_ms = tiles->began_ms +
                            covey__run_patience_ms(session, covey__run_of(turn, request), request);
    }
    if (turn->now_ms >= tiles->overdue_ms) {
        overdue(turn, request);
        return;
    }
    covey__job_wake(turn->job, tiles->overdue_ms);
    if (tiles->grace_ms != 0) {
        covey__job_wake(turn->job, tiles->grace_ms);
    }
}
