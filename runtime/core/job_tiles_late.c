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

/* Devices with rows of the result. */
static uint32_t finishers(const struct covey__tiles *tiles)
{
    uint32_t mask = 0;
    unsigned last = tiles->layout.segments - 1u;
    for (unsigned d = 0; d < tiles->layout.devices; d++) {
        struct covey_rows rows = covey_tile_made(covey__run_layout(tiles, d), last, d);
        mask |= rows.begin < rows.end ? covey__run_bit(d) : 0;
    }
    return mask;
}

uint32_t covey__run_unanswered(const struct covey__tiles *tiles)
{
    uint32_t mask = finishers(tiles);
    for (unsigned d = 0; d < tiles->layout.devices; d++) {
        mask &= tiles->answer[d] != 0 ? ~covey__run_bit(d) : UINT32_MAX;
    }
    return mask;
}

/* Devices that may owe rows to others or to the owner. Who has none of the result may be done
 * before, and says so when it is asked. */
static uint32_t unfinished(const struct covey__tiles *tiles)
{
    uint32_t mask = covey__run_unanswered(tiles), others = tiles->used & ~finishers(tiles);
    for (unsigned d = 0; others != 0 && d < tiles->layout.devices; d++) {
        mask |= tiles->at[d] < tiles->layout.segments ? others & covey__run_bit(d) : 0;
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

/* ---- who lives ----
 *
 * Whoever lacks rows says so (STALLED), and the owner knows when a run's usual time is over. Then
 * all who may owe rows are asked (ASK). A device that lives says at once whose rows it lacks
 * itself, whatever its threads compute, and is waited for. Who says nothing for longer than answers
 * take is left out, if anybody waits for it; the others are asked again. */

static bool is_late(const struct covey__turn *turn, const struct covey__tiles *tiles)
{
    return (tiles->late_ms != 0 && turn->now_ms >= tiles->late_ms) ||
           turn->now_ms >= tiles->overdue_ms;
}

static void ask_all(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__session *session = covey__request_session(turn->job, request);
    struct covey__tiles *tiles = &request->tiles;
    tiles->ask = unfinished(tiles);
    tiles->asked = 0;
    tiles->looks = 0;
    tiles->asked_ms = turn->now_ms;
    tiles->verdict_ms =
        turn->now_ms + covey__run_answer_ms(session, covey__run_of(turn, request), request);
}

/* Whether d has sent what e waits for longer ago than a holder waits: before it began to wait
 * itself, and complained. */
static bool has_sent(const struct covey__tiles *tiles, unsigned d, unsigned e)
{
    return (tiles->complained & covey__run_bit(d)) != 0 && tiles->at[e] <= tiles->at[d];
}

/* Whether e has said that it waits since d complained, or just before: else d's rows may have come
 * meanwhile, or e is stopped. */
static bool has_said_since(const struct covey__tiles *tiles, unsigned e, unsigned d)
{
    return (tiles->complained & covey__run_bit(d)) == 0 ||
           tiles->said_ms[e] + COVEY__JOB_GRACE_MS >= tiles->complained_ms[d];
}

/* Devices that live, and whose rows do not reach one another. */
static uint32_t parted_from(const struct covey__tiles *tiles, unsigned d)
{
    uint32_t mask = 0;
    for (unsigned e = 0; e < tiles->layout.devices; e++) {
        bool both = (tiles->waits[d] & covey__run_bit(e)) != 0 &&
                    (tiles->waits[e] & covey__run_bit(d)) != 0 && has_said_since(tiles, e, d) &&
                    has_said_since(tiles, d, e);
        mask |= both && (has_sent(tiles, d, e) || has_sent(tiles, e, d)) ? covey__run_bit(e) : 0;
    }
    return mask;
}

/* Of all that are parted from others one: that is from most, or was in an attempt before. */
static uint32_t most_parted(struct covey__tiles *tiles, unsigned self)
{
    unsigned most = 0;
    uint32_t found = 0, all = 0;
    for (unsigned d = 0; d < tiles->layout.devices; d++) {
        uint32_t others = parted_from(tiles, d);
        unsigned before = (tiles->parted & covey__run_bit(d)) != 0 ? COVEY_PLAN_DEVICES_MAX : 0;
        unsigned parted = others != 0 ? covey__count_of(others) + before : 0;
        all |= others;
        if (d != self && parted > most) {
            most = parted;
            found = covey__run_bit(d);
        }
    }
    tiles->parted |= all;
    return found;
}

bool covey__run_ask(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey_work_message message = {.type = COVEY_WORK_ASK};
    message.tile.fence = covey__job_fence(covey__request_session(turn->job, request), version);
    message.tile.request = request->id;
    message.tile.run = tiles->run;
    message.tile.attempt = tiles->attempt;
    bool waiting = tiles->state == COVEY__TILES_WAITING;
    for (unsigned d = 0; waiting && tiles->ask != 0 && d < version->plan.devices; d++) {
        if ((tiles->ask & covey__run_bit(d)) == 0) {
            continue;
        }
        if (covey__update_send(turn->out, &version->plan.device[d], &message, 0) != COVEY_OK) {
            return false;
        }
        tiles->ask &= ~covey__run_bit(d);
        tiles->asked |= covey__run_bit(d);
        tiles->owes[d] = (uint8_t)(tiles->owes[d] + (tiles->owes[d] < UINT8_MAX));
    }
    return true;
}

/* A holder complains once in each segment; whatever else it says is an answer, however late. */
static void count_complaint(struct covey__tiles *tiles, unsigned d, unsigned segment,
                            uint64_t now_ms)
{
    tiles->said_ms[d] = now_ms;
    if (tiles->owes[d] == 0) {
        tiles->complained |= covey__run_bit(d);
        tiles->complained_ms[d] = now_ms;
    } else if (segment != tiles->at[d]) {
        tiles->complained &= ~covey__run_bit(d);
    }
    tiles->owes[d] = (uint8_t)(tiles->owes[d] - (tiles->owes[d] > 0));
}

void covey__job_tiles_stalled(struct covey__turn *turn, const struct covey_incoming *in)
{
    const struct covey_work_tile *said = &in->message->tile;
    if (said->run == COVEY_WORK_NO_RUN) {
        covey__relay_stalled(turn, in);
        return;
    }
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
    uint32_t named = covey_load32(said->missing.ptr), self = covey__run_bit(d);
    count_complaint(tiles, d, said->segment, turn->now_ms);
    if ((tiles->asked & self) != 0 && d != version->self) {
        covey__times_add(&covey__request_session(turn->job, request)->answer_times,
                         turn->now_ms - tiles->asked_ms);
    }
    tiles->asked &= ~self;
    if ((named & self) != 0) {
        uint32_t others = named != UINT32_MAX ? named & tiles->used & ~self : 0;
        tiles->unable |= others != 0 ? others : self;
        tiles->grace_ms =
            tiles->grace_ms != 0 ? tiles->grace_ms : turn->now_ms + COVEY__JOB_GRACE_MS;
        return;
    }
    tiles->waits[d] = named & tiles->used;
    tiles->at[d] = said->segment;
    if (tiles->grace_ms == 0 && parted_from(tiles, d) != 0) {
        tiles->grace_ms = turn->now_ms + COVEY__JOB_GRACE_MS;
    }
    if (tiles->waits[d] != 0 && tiles->verdict_ms == 0) {
        ask_all(turn, request);
    }
}

/* Devices that others wait for, unless they are done: then what they gave is on its way. */
static uint32_t missed_of(const struct covey__tiles *tiles)
{
    uint32_t missed = 0;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        missed |= tiles->waits[d];
    }
    return missed & unfinished(tiles);
}

/* Devices that somebody waits for, the owner too once the run is late. */
static uint32_t wanted_of(const struct covey__turn *turn, const struct covey__tiles *tiles)
{
    return missed_of(tiles) | (is_late(turn, tiles) ? covey__run_unanswered(tiles) : 0);
}

static void judge(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    if (turn->now_ms > tiles->verdict_ms + COVEY__JOB_HELD_UP_MS &&
        tiles->looks < COVEY__JOB_LOOKS_MAX) {
        /* What came while this device was busy is read before anybody is taken for silent. */
        tiles->looks++;
        tiles->verdict_ms = turn->now_ms + 1;
        return;
    }
    const struct covey__session *session = covey__request_session(turn->job, request);
    uint64_t again_ms =
        tiles->asked_ms + covey__run_stall_ms(session, covey__run_of(turn, request), request);
    uint32_t wanted = wanted_of(turn, tiles);
    uint32_t silent = (tiles->ask | tiles->asked) & unfinished(tiles);
    bool early = turn->now_ms < again_ms;
    tiles->verdict_ms = early ? again_ms : 0;
    if ((silent & wanted) != 0) { /* and with them who would be waited for in the next attempt */
        covey__run_lose_slow(turn, request, silent);
    } else if (!early && wanted != 0) {
        ask_all(turn, request);
    }
}

/* ---- deadlines ---- */

/* Whose rows are waited for, here or elsewhere, and who waits for nobody's itself. Who is done has
 * given all: who said before that it waits for that one has them since. Where all wait for one
 * another rows were lost between two: one of those. */
static uint32_t root_causes(const struct covey__tiles *tiles, unsigned self)
{
    uint32_t open = unfinished(tiles), missed = missed_of(tiles);
    uint32_t roots = covey__run_unanswered(tiles) | missed;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        roots &= (tiles->waits[d] & open) != 0 ? ~covey__run_bit(d) : UINT32_MAX;
    }
    for (unsigned d = 0; roots == 0 && d < COVEY_PLAN_DEVICES_MAX; d++) {
        roots = d != self ? missed & covey__run_bit(d) : 0;
    }
    return roots != 0 ? roots : missed;
}

/* Of them those in the earliest segment: the others wait for nobody now, but for these they did. */
static uint32_t furthest_behind(const struct covey__tiles *tiles, uint32_t devices)
{
    uint32_t behind = 0;
    unsigned least = UINT8_MAX;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        bool is_in = (devices & covey__run_bit(d)) != 0;
        behind = is_in && tiles->at[d] < least ? 0 : behind;
        least = is_in && tiles->at[d] < least ? tiles->at[d] : least;
        behind |= is_in && tiles->at[d] == least ? covey__run_bit(d) : 0;
    }
    return behind;
}

static bool are_in_last_segment(const struct covey__tiles *tiles, uint32_t devices)
{
    for (unsigned d = 0; d < tiles->layout.devices; d++) {
        if ((devices & covey__run_bit(d)) != 0 && tiles->at[d] + 1U < tiles->layout.segments) {
            return false;
        }
    }
    return true;
}

/* It takes twice as long as usual, though all live. Where most are the cause, all may be slower
 * than thought, and who is nearly done is sooner done than a new attempt: once they get half of
 * that time more. */
static void overdue(struct covey__turn *turn, struct covey__request *request)
{
    const struct covey__version *version = covey__request_version(turn->job, request);
    struct covey__tiles *tiles = &request->tiles;
    uint32_t late = root_causes(tiles, version->self);
    bool most = 2 * covey__count_of(late) > covey__count_of(tiles->used) &&
                covey__count_of(tiles->used) > 1;
    if (!tiles->patient && (most || are_in_last_segment(tiles, late))) {
        tiles->patient = true;
        tiles->overdue_ms = turn->now_ms + (turn->now_ms - tiles->began_ms) / 2;
        return;
    }
    late = furthest_behind(tiles, late);
    uint32_t others = late;
    if (version->self != COVEY__JOB_NO_DEVICE) {
        others &= ~covey__run_bit(version->self);
    }
    covey__run_lose_slow(turn, request, others != 0 ? others : late);
}

/* Who was asked has not answered yet: what it said before may be true no more. */
static bool awaits_word(const struct covey__turn *turn, const struct covey__tiles *tiles)
{
    return tiles->verdict_ms != 0 && ((tiles->ask | tiles->asked) & wanted_of(turn, tiles)) != 0;
}

void covey__run_watch(struct covey__turn *turn, struct covey__request *request)
{
    struct covey__tiles *tiles = &request->tiles;
    if (turn->now_ms >= tiles->overdue_ms && covey__request_beside(turn->job, request)) {
        const struct covey__session *session = covey__request_session(turn->job, request);
        tiles->overdue_ms = tiles->began_ms +
                            covey__run_patience_ms(session, covey__run_of(turn, request), request);
    }
    if (tiles->grace_ms != 0 && turn->now_ms >= tiles->grace_ms) {
        const struct covey__version *version = covey__request_version(turn->job, request);
        tiles->grace_ms = 0;
        uint32_t cause = tiles->unable | most_parted(tiles, version->self);
        if (cause != 0) {
            covey__run_lose_slow(turn, request, cause);
        }
    } else if (turn->now_ms >= tiles->overdue_ms && !awaits_word(turn, tiles)) {
        overdue(turn, request);
    } else if (tiles->verdict_ms != 0 && turn->now_ms >= tiles->verdict_ms) {
        judge(turn, request);
    }
    if (tiles->state != COVEY__TILES_WAITING) {
        return;
    }
    if (tiles->verdict_ms == 0 && is_late(turn, tiles)) {
        ask_all(turn, request);
    }
    const uint64_t at_ms[] = {turn->now_ms < tiles->overdue_ms ? tiles->overdue_ms : 0,
                              tiles->grace_ms, tiles->verdict_ms,
                              is_late(turn, tiles) ? 0 : tiles->late_ms};
    for (size_t i = 0; i < sizeof(at_ms) / sizeof(at_ms[0]); i++) {
        if (at_ms[i] != 0) {
            covey__job_wake(turn->job, at_ms[i]);
        }
    }
}
