/* SPDX-License-Identifier: MIT */
#include "worker_tiles_state.h"

size_t covey__tiles_size(void)
{
    return sizeof(struct covey_tiles);
}

void covey__tiles_init(struct covey_tiles *tiles, const struct covey_node_id *self)
{
    memset(tiles, 0, sizeof(*tiles));
    tiles->self = *self;
}

/* Jobs */

static void drop_early(struct covey_tiles *tiles, const struct covey_fence *fence,
                       const uint64_t *request)
{
    for (unsigned i = 0; i < tiles->earlies; i++) {
        struct covey__tiles_early *early = &tiles->early[i];
        if (early->used && covey__fence_equal(&early->fence, fence) &&
            (request == NULL || early->request == *request)) {
            early->dropped = true;
        }
    }
}

static struct covey__tiles_job *find_job(struct covey_tiles *tiles, const struct covey_fence *fence,
                                         uint64_t request)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        if (covey__tiles_live(job) && job->request == request &&
            covey__fence_equal(&job->fence, fence)) {
            return job;
        }
    }
    return NULL;
}

/* A request counts its attempts over all runs and relayed layers. */
static int compare_attempt(const struct covey_work_tile *a, uint8_t run, uint8_t attempt)
{
    return a->attempt != attempt ? (int)a->attempt - attempt : (int)a->run - run;
}

/* Plans */

static struct covey__tiles_plan *find_plan(struct covey_tiles *tiles,
                                           const struct covey_node_id *owner,
                                           const struct covey_fence *fence)
{
    for (unsigned i = 0; i <= COVEY__TILES_PLANS; i++) {
        struct covey__tiles_plan *plan = &tiles->plan[i];
        if (plan->used && covey__fence_equal(&plan->fence, fence) &&
            (owner == NULL || covey_node_id_equal(&plan->owner, owner))) {
            return plan;
        }
    }
    return NULL;
}

/* The rows between two segments are the same for both. */
static bool is_chain(const struct covey_plan_run *run)
{
    for (unsigned s = 1; s < run->segments; s++) {
        const struct covey_row_map *before = &run->segment[s - 1].map;
        const struct covey_row_map *map = &run->segment[s].map;
        if (before->out_rows != map->in_rows || before->out_row_bytes != map->in_row_bytes) {
            return false;
        }
    }
    return run->segments > 0 && run->segments <= COVEY_TILE_SEGMENTS_MAX;
}

static covey_err check_plan(const struct covey_plan *plan, const struct covey_node_id *self,
                            uint8_t *out_me)
{
    if (plan->devices > COVEY_PLAN_DEVICES_MAX || plan->runs > COVEY_TILE_RUNS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned i = 0; i < plan->runs; i++) {
        if (!is_chain(&plan->run[i])) {
            return COVEY_ERR_RANGE;
        }
    }
    for (unsigned d = 0; d < plan->devices; d++) {
        if (covey_node_id_equal(&plan->device[d], self)) {
            *out_me = (uint8_t)d;
            return COVEY_OK;
        }
    }
    return COVEY_ERR_DENIED;
}

static void forget(struct covey_tiles *tiles, struct covey__tiles_plan *plan)
{
    for (unsigned i = 0; i < tiles->jobs; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        if (covey__tiles_live(job) && job->plan == plan) {
            covey__tiles_drop(job);
        }
    }
    drop_early(tiles, &plan->fence, NULL);
    plan->used = false;
}

/* Another has the name of this owner's session, and had it first. */
static bool is_usurped(const struct covey__tiles_plan *plan, const struct covey_node_id *owner,
                       const struct covey_fence *fence)
{
    return plan->used && covey__fence_session(&plan->fence, fence) &&
           !covey_node_id_equal(&plan->owner, owner) &&
           covey_session_id_is_of(&fence->session, owner);
}

covey_err covey__tiles_assign(struct covey_tiles *tiles, const struct covey_node_id *owner,
                              const struct covey_fence *fence, struct covey_bytes bytes,
                              struct covey__given_plan *out)
{
    struct covey__tiles_plan *vacant = NULL;
    unsigned kept = 0, of_owner = 0;
    for (unsigned i = 0; i <= COVEY__TILES_PLANS; i++) {
        struct covey__tiles_plan *plan = &tiles->plan[i];
        if (is_usurped(plan, owner, fence)) {
            forget(tiles, plan);
        }
        if (!plan->used) {
            vacant = plan;
            continue;
        }
        kept++;
        of_owner += covey_node_id_equal(&plan->owner, owner);
        if (covey__fence_session(&plan->fence, fence)) {
            /* A session has one owner: pieces name the session alone. */
            if (!covey_node_id_equal(&plan->owner, owner)) {
                return COVEY_ERR_DENIED;
            }
            if (covey__fence_equal(&plan->fence, fence)) {
                *out = (struct covey__given_plan){&plan->plan, plan->me};
                return COVEY_OK;
            }
        }
    }
    covey_err err = covey__plan_decode(bytes, &vacant->plan);
    if (err == COVEY_OK) {
        err = check_plan(&vacant->plan, &tiles->self, &vacant->me);
    }
    if (err == COVEY_OK && covey__tiles_is_of_use(&vacant->plan)) {
        bool room = kept < COVEY__TILES_PLANS && of_owner < COVEY__TILES_OWNER_PLANS;
        err = room ? COVEY_OK : COVEY_ERR_LIMIT;
    }
    if (err == COVEY_OK) {
        vacant->owner = *owner;
        vacant->fence = *fence;
        vacant->ready = false;
        vacant->used = covey__tiles_is_of_use(&vacant->plan);
        *out = (struct covey__given_plan){&vacant->plan, vacant->me};
    }
    return err;
}

void covey__tiles_ready(struct covey_tiles *tiles, const struct covey_node_id *owner,
                        const struct covey_fence *fence)
{
    struct covey__tiles_plan *plan = find_plan(tiles, owner, fence);
    if (plan != NULL) {
        plan->ready = true;
    }
}

void covey__tiles_forget(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_fence *fence)
{
    struct covey__tiles_plan *plan = find_plan(tiles, owner, fence);
    if (plan != NULL) {
        forget(tiles, plan);
    }
}

void covey__tiles_retire(struct covey_tiles *tiles, const struct covey_node_id *owner,
                         const struct covey_fence *fence)
{
    for (unsigned i = 0; i <= COVEY__TILES_PLANS; i++) {
        struct covey__tiles_plan *plan = &tiles->plan[i];
        const struct covey_fence *f = &plan->fence;
        bool old =
            f->epoch < fence->epoch || (f->epoch == fence->epoch && f->version <= fence->version);
        if (plan->used && old && covey__fence_session(f, fence) &&
            covey_node_id_equal(&plan->owner, owner)) {
            forget(tiles, plan);
        }
    }
}

void covey__tiles_peer_down(struct covey_tiles *tiles, const struct covey_node_id *owner)
{
    for (unsigned i = 0; i <= COVEY__TILES_PLANS; i++) {
        struct covey__tiles_plan *plan = &tiles->plan[i];
        if (plan->used && covey_node_id_equal(&plan->owner, owner)) {
            forget(tiles, plan);
        }
    }
}

/* Messages */

/* Which of two to use for a new job: what was done long ago, then a vacant one, then what was done
 * lately. */
static unsigned rank_of(const struct covey_tiles *tiles, const struct covey__tiles_job *job)
{
    if (job->state == COVEY__TILES_FREE) {
        return 1;
    }
    return tiles->order - job->order > COVEY__TILES_LATE ? 0 : 2;
}

static struct covey__tiles_job *add_job(struct covey_tiles *tiles,
                                        const struct covey_node_id *owner)
{
    struct covey__tiles_job *best = NULL;
    unsigned of_owner = 0;
    for (unsigned i = 0; i < COVEY__TILES_JOBS; i++) {
        struct covey__tiles_job *job = &tiles->job[i];
        if (job->state != COVEY__TILES_FREE &&
            (job->state != COVEY__TILES_DONE || covey__tiles_has_out(job))) {
            of_owner += covey_node_id_equal(&job->owner, owner);
        } else if (best == NULL || rank_of(tiles, job) < rank_of(tiles, best)) {
            best = job;
        }
    }
    if (best == NULL || of_owner >= COVEY__TILES_OWNER_JOBS) {
        return NULL;
    }
    unsigned jobs = (unsigned)(best - tiles->job) + 1;
    tiles->jobs = jobs > tiles->jobs ? jobs : tiles->jobs;
    return best;
}

/* Whether each strip of this device has an input at all, and the body is segment 0's. */
static bool fits(const struct covey__tiles_plan *plan, const struct covey_tile_layout *layout,
                 const struct covey_incoming *in)
{
    const struct covey_plan_run *run = &plan->plan.run[in->message->tile.run];
    for (unsigned s = 0; s < layout->segments; s++) {
        struct covey_rows made = covey_tile_made(layout, s, plan->me);
        struct covey_rows need = covey_tile_need(run, layout, s, plan->me);
        if (made.begin < made.end && need.begin >= need.end) {
            return false;
        }
    }
    struct covey_rows rows = covey_tile_need(run, layout, 0, plan->me);
    size_t bytes = covey_tile_piece_bytes(run, 0, rows, plan->plan.half);
    bool whole = plan->plan.half || bytes == 0; /* else its zeros may have been left out */
    return (whole ? in->body_len == bytes : in->body_len <= bytes) &&
           (in->body != 0) == (bytes > 0);
}

/* Whether the job wants this piece; then it is its own. */
static bool put_piece(struct covey__tiles_job *job, const struct covey__tiles_early *piece)
{
    bool half = job->plan->plan.half;
    if (piece->segment < job->segment ||
        (piece->segment == job->segment && job->state != COVEY__TILES_WAITING) ||
        piece->source == job->plan->me || job->piece[piece->segment][piece->source] != 0) {
        return false;
    }
    size_t bytes = covey__tiles_due(job, piece->segment, piece->source);
    /* A result goes to the owner too, whole. */
    bool whole = half || piece->segment == job->layout.segments;
    if (bytes == 0 || piece->body_len > bytes || (whole && piece->body_len != bytes)) {
        return false;
    }
    /* Of a result that it is fed, the first piece says that the others are due. */
    bool waits = covey__tiles_is_waiting(job);
    job->piece[piece->segment][piece->source] = piece->body;
    job->heard = true;
    job->moved = job->moved || (!waits && covey__tiles_is_waiting(job));
    return true;
}

/* Pieces that were here before; those of older attempts are of no use any more. */
static void take_early(struct covey_tiles *tiles, struct covey__tiles_job *job)
{
    for (unsigned i = 0; i < tiles->earlies; i++) {
        struct covey__tiles_early *early = &tiles->early[i];
        if (!early->used || early->dropped || early->request != job->request ||
            !covey__fence_equal(&early->fence, &job->fence)) {
            continue;
        }
        struct covey_work_tile tile = {.run = early->run, .attempt = early->attempt};
        int order = compare_attempt(&tile, job->run, job->attempt);
        if (order == 0 && put_piece(job, early)) {
            early->used = false;
        } else if (order <= 0) {
            early->dropped = true;
        }
    }
}

static void new_job(struct covey_tiles *tiles, const struct covey__tiles_plan *plan,
                    const struct covey_incoming *in, struct covey__tiles_job *job)
{
    const struct covey_work_tile *start = &in->message->tile;
    memset(job, 0, sizeof(*job));
    job->plan = plan;
    job->owner = in->peer;
    job->fence = start->fence;
    job->request = start->request;
    job->run = start->run;
    job->attempt = start->attempt;
    job->stall_ms = start->stall_ms;
    job->order = ++tiles->order;
    job->heard = true;
}

static bool begin_relay(struct covey_tiles *tiles, const struct covey__tiles_plan *plan,
                        const struct covey_incoming *in)
{
    const struct covey_work_tile *start = &in->message->tile;
    if (plan == NULL || !plan->ready || !covey__tiles_may_relay(plan, in)) {
        return false;
    }
    struct covey__tiles_job *job = add_job(tiles, &in->peer);
    if (job == NULL) {
        return false;
    }
    new_job(tiles, plan, in, job);
    job->run = COVEY_WORK_NO_RUN;
    covey__tiles_relay(job, start, in->body);
    take_early(tiles, job);
    return true;
}

/* True: a job has begun. False: it cannot. */
static bool begin_job(struct covey_tiles *tiles, const struct covey__tiles_plan *plan,
                      const struct covey_incoming *in)
{
    const struct covey_work_tile *start = &in->message->tile;
    struct covey_tile_layout layout;
    if (plan == NULL || !plan->ready || start->run >= plan->plan.runs ||
        covey_tile_layout_decode(start->layout, &layout) != COVEY_OK ||
        covey_tile_layout_check(&layout, &plan->plan.run[start->run], plan->plan.devices) !=
            COVEY_OK ||
        !fits(plan, &layout, in)) {
        return false;
    }
    struct covey__tiles_job *job = add_job(tiles, &in->peer);
    if (job == NULL) {
        return false;
    }
    new_job(tiles, plan, in, job);
    job->layout = layout;
    job->piece[0][COVEY_TILE_OWNER] = in->body;
    covey__tiles_fed(job, start);
    covey__tiles_enter(job, 0);
    take_early(tiles, job);
    return true;
}

static bool take_start(struct covey_tiles *tiles, const struct covey_incoming *in,
                       struct covey_update *out)
{
    struct covey_work_tile start = in->message->tile;
    bool relay = in->message->type == COVEY_WORK_RELAY;
    start.run = relay ? COVEY_WORK_NO_RUN : start.run;
    struct covey__tiles_plan *plan = find_plan(tiles, &in->peer, &start.fence);
    struct covey__tiles_job *known =
        plan == NULL ? NULL : find_job(tiles, &start.fence, start.request);
    if (known != NULL && compare_attempt(&start, known->run, known->attempt) <= 0) {
        return false;
    }
    if (known != NULL) {
        covey__tiles_drop(known);
    }
    if (relay ? begin_relay(tiles, plan, in) : begin_job(tiles, plan, in)) {
        return true;
    }
    /* Who is not in a plan that is known here names all: the owner knows who says it. */
    bool sent =
        covey__tiles_stalled(out, &in->peer, &start, plan == NULL ? UINT32_MAX : 1U << plan->me);
    (void)sent; /* the owner goes on without this holder's word, only later */
    return false;
}

/* Of this peer, or of all, what is kept before its START. */
struct kept {
    unsigned count;
    size_t bytes;
};

static struct kept kept_of(const struct covey_tiles *tiles, const struct covey_node_id *peer)
{
    struct kept kept = {0, 0};
    for (unsigned i = 0; i < tiles->earlies; i++) {
        const struct covey__tiles_early *early = &tiles->early[i];
        if (early->used && !early->dropped &&
            (peer == NULL || covey_node_id_equal(&early->peer, peer))) {
            kept.count++;
            kept.bytes += early->body_len;
        }
    }
    return kept;
}

static size_t share_of(struct kept kept)
{
    return kept.bytes +
           kept.count * (size_t)(COVEY__TILES_PEER_EARLY_BYTES / COVEY__TILES_PEER_EARLY);
}

static struct covey__tiles_early *oldest_of(struct covey_tiles *tiles,
                                            const struct covey_node_id *peer)
{
    struct covey__tiles_early *oldest = NULL;
    for (unsigned i = 0; i < tiles->earlies; i++) {
        struct covey__tiles_early *early = &tiles->early[i];
        if (early->used && !early->dropped && covey_node_id_equal(&early->peer, peer) &&
            (oldest == NULL || early->at_ms < oldest->at_ms)) {
            oldest = early;
        }
    }
    return oldest;
}

/* What gives way where all there is room for is kept: the oldest of whoever has most of it, this
 * piece among it. So nobody drives out what those sent who send little. */
static struct covey__tiles_early *most_kept(struct covey_tiles *tiles,
                                            const struct covey__tiles_early *piece)
{
    struct kept own = kept_of(tiles, &piece->peer);
    size_t most = share_of((struct kept){own.count + 1, own.bytes + piece->body_len});
    const struct covey_node_id *peer = &piece->peer;
    for (unsigned i = 0; i < tiles->earlies; i++) {
        const struct covey__tiles_early *early = &tiles->early[i];
        size_t share = early->used && !early->dropped ? share_of(kept_of(tiles, &early->peer)) : 0;
        if (share > most) {
            most = share;
            peer = &early->peer;
        }
    }
    return oldest_of(tiles, peer);
}

static bool make_room(struct covey_tiles *tiles, const struct covey__tiles_early *piece)
{
    while (true) {
        struct kept own = kept_of(tiles, &piece->peer), all = kept_of(tiles, NULL);
        bool own_full =
            own.count > 0 && (own.count >= COVEY__TILES_PEER_EARLY ||
                              own.bytes + piece->body_len > COVEY__TILES_PEER_EARLY_BYTES);
        bool full = all.count >= COVEY__TILES_EARLY ||
                    all.bytes + piece->body_len > COVEY__TILES_EARLY_BYTES;
        if (!own_full && !full) {
            return true;
        }
        struct covey__tiles_early *evicted =
            own_full ? oldest_of(tiles, &piece->peer) : most_kept(tiles, piece);
        if (evicted == NULL) {
            return false;
        }
        evicted->dropped = true;
    }
}

/* Until its START comes. False: no room, it is not kept. */
static bool keep_early(struct covey_tiles *tiles, const struct covey__tiles_early *piece,
                       struct covey_update *out)
{
    if (!make_room(tiles, piece)) {
        return false;
    }
    unsigned at = 0;
    while (at < COVEY__TILES_EARLY && tiles->early[at].used) {
        at++;
    }
    for (unsigned i = 0; at == COVEY__TILES_EARLY && i < COVEY__TILES_EARLY; i++) {
        at = tiles->early[i].dropped ? i : at;
    }
    /* Fewer than all are wanted: what was not vacant was dropped. */
    struct covey__tiles_early *early = &tiles->early[at];
    if (early->used && !covey__update_release(out, &early->body)) {
        return false;
    }
    tiles->earlies = at >= tiles->earlies ? at + 1 : tiles->earlies;
    *early = *piece;
    return true;
}

static bool take_piece(struct covey_tiles *tiles, const struct covey_incoming *in,
                       struct covey_update *out)
{
    const struct covey_work_tile *tile = &in->message->tile;
    const struct covey__tiles_plan *plan = find_plan(tiles, NULL, &tile->fence);
    if (plan == NULL || !plan->ready || in->body == 0 || tile->source >= plan->plan.devices) {
        return false;
    }
    size_t most = covey__tiles_piece_most(plan, in);
    if (most == 0 || in->body_len > most) {
        return false;
    }
    struct covey__tiles_early piece = {.used = true,
                                       .fresh = true,
                                       .fence = tile->fence,
                                       .request = tile->request,
                                       .run = tile->run,
                                       .attempt = tile->attempt,
                                       .segment = tile->segment,
                                       .source = tile->source,
                                       .peer = in->peer,
                                       .at_ms = UINT64_MAX,
                                       .body = in->body,
                                       .body_len = in->body_len};
    struct covey__tiles_job *job = find_job(tiles, &tile->fence, tile->request);
    int order = job == NULL ? 1 : compare_attempt(tile, job->run, job->attempt);
    if (order <= 0) {
        return order == 0 && put_piece(job, &piece);
    }
    return keep_early(tiles, &piece, out);
}

static void take_drop(struct covey_tiles *tiles, const struct covey_incoming *in)
{
    const struct covey_work_tile *drop = &in->message->tile;
    if (find_plan(tiles, &in->peer, &drop->fence) == NULL) {
        return;
    }
    struct covey__tiles_job *job = find_job(tiles, &drop->fence, drop->request);
    if (job != NULL) {
        covey__tiles_drop(job);
    }
    drop_early(tiles, &drop->fence, &drop->request);
}

/* Nothing is missing of an attempt that is not here yet: its START may be longer under way. */
static void take_ask(struct covey_tiles *tiles, const struct covey_incoming *in,
                     struct covey_update *out)
{
    struct covey_work_tile tile = in->message->tile;
    const struct covey__tiles_plan *plan = find_plan(tiles, &in->peer, &tile.fence);
    if (plan == NULL) {
        return;
    }
    const struct covey__tiles_job *job = find_job(tiles, &tile.fence, tile.request);
    uint32_t missing = 0;
    tile.segment = 0;
    if (job != NULL && compare_attempt(&tile, job->run, job->attempt) == 0) {
        uint8_t end = job->layout.segments;
        tile.segment = job->segment < end ? job->segment : end;
        missing = job->segment < end ? covey__tiles_missing(job) : 0;
    }
    bool sent = covey__tiles_stalled(out, &in->peer, &tile, missing);
    (void)sent; /* the owner goes on without this holder's word */
}

bool covey__tiles_message(struct covey_tiles *tiles, const struct covey_incoming *in,
                          struct covey_update *out)
{
    if (in->message->type == COVEY_WORK_START || in->message->type == COVEY_WORK_RELAY) {
        return take_start(tiles, in, out);
    }
    if (in->message->type == COVEY_WORK_PIECE) {
        return take_piece(tiles, in, out);
    }
    if (in->message->type == COVEY_WORK_DROP) {
        take_drop(tiles, in);
    } else if (in->message->type == COVEY_WORK_ASK) {
        take_ask(tiles, in, out);
    }
    return false;
}
