/* SPDX-License-Identifier: MIT */
#include "covey/node.h"

#include "node_state.h"

enum { ALIGN = 64 };

static size_t aligned(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

size_t covey_node_size(const struct covey_node_config *config)
{
    (void)config; /* every table has a fixed limit */
    return aligned(sizeof(struct covey_node)) + aligned(covey__job_size()) +
           aligned(covey__worker_size()) + aligned(covey__fetch_size()) +
           aligned(covey__catalogue_size()) + aligned(covey__custody_size()) +
           covey__node_train_size();
}

size_t covey_node_session_bytes(void)
{
    return covey__job_session_bytes();
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When a machine that requests have nothing to do with is to be looked at. */
static uint64_t chores_deadline_ms(const struct covey_node *node)
{
    uint64_t at = covey__membership_deadline_ms(&node->members);
    at = sooner(at, covey__election_deadline_ms(&node->election));
    at = sooner(at, covey__custody_deadline_ms(node->custody));
    at = sooner(at, covey__taskpool_deadline_ms(node->pool));
    at = sooner(at, sooner(node->push_pull_ms, node->expiry_ms));
    if (!covey__queue_empty(&node->queue) && node->members.alive > 1) {
        at = sooner(at, node->gossip_ms);
    }
    if (node->leave_ms != UINT64_MAX) {
        return node->leave_told > COVEY_LEAVE_TIMES ? at : sooner(at, node->leave_ms);
    }
    at = sooner(at, covey__discovery_deadline_ms(&node->discovery));
    for (uint16_t i = 1; i < node->members.used; i++) {
        const struct covey__member_cold *cold = &node->members.cold[i];
        if (covey__member_is(&node->members, i, COVEY_MEMBER_ALIVE) &&
            !node->members.hot[i].channel && cold->gossip_addr.port != 0) {
            at = sooner(at, cold->dial_ms);
        }
    }
    return at;
}

covey_err covey_node_init(void *memory, const struct covey_node_config *config, uint64_t now_ms,
                          struct covey_node **out)
{
    struct covey_node *node = memory;
    if (config->addr_count > COVEY_RECORD_ADDRS_MAX || config->identity == NULL) {
        return COVEY_ERR_RANGE;
    }
    memset(node, 0, sizeof(*node));
    const struct covey_node_id *self = &config->identity->cert.node;
    bool full = config->identity->cert.trust == COVEY_TRUST_FULL;
    node->config = *config;
    node->identity = config->identity;
    node->now_ms = now_ms;
    node->rng = config->seed;
    node->leave_ms = UINT64_MAX;
    node->view_stale = true;
    node->gossip_ms = now_ms + covey__random_below(&node->rng, COVEY_GOSSIP_MS);
    node->push_pull_ms = now_ms + covey__random_below(&node->rng, COVEY_PUSH_PULL_MS);
    node->expiry_ms = now_ms + COVEY_EXPIRY_MS;
    covey__membership_init(&node->members, config->identity, covey__random_next(&node->rng),
                           now_ms);
    covey__election_init(&node->election, self, full, covey__random_next(&node->rng), now_ms);
    covey__discovery_init(&node->discovery, self, covey__random_next(&node->rng), now_ms);
    uint8_t *rest = (uint8_t *)memory + aligned(sizeof(*node));
    node->job = (struct covey_job *)(void *)rest;
    node->worker = (struct covey_worker *)(void *)(rest + aligned(covey__job_size()));
    covey__job_init(node->job, self, covey__random_next(&node->rng));
    covey__worker_init(node->worker, self);
    node->fetch =
        (struct covey_fetch *)(void *)((uint8_t *)node->worker + aligned(covey__worker_size()));
    covey__fetch_init(node->fetch, self);
    node->catalogue =
        (struct covey_catalogue *)(void *)((uint8_t *)node->fetch + aligned(covey__fetch_size()));
    covey__catalogue_init(node->catalogue, config->identity);
    node->custody = (struct covey_custody *)(void *)((uint8_t *)node->catalogue +
                                                     aligned(covey__catalogue_size()));
    node->custody_stale = true;
    covey__custody_init(node->custody, self, covey__random_next(&node->rng));
    covey__node_train_init(node, (uint8_t *)node->custody + aligned(covey__custody_size()));
    covey_err err = covey__node_sign_record(node);
    node->chores_ms = chores_deadline_ms(node);
    if (err == COVEY_OK) {
        *out = node;
    }
    return err;
}

void covey_node_done(struct covey_node *node)
{
    covey__membership_done(&node->members);
    covey_wipe(node, sizeof(*node));
}

/* How many would claim before this one: by certified tier, quantised capability, id. */
static unsigned rank_of(const struct covey_node *node)
{
    const struct covey__member_cold *self = &node->members.cold[COVEY_SELF];
    unsigned rank = 0;
    for (uint16_t i = 1; i < node->members.used; i++) {
        const struct covey__member_cold *cold = &node->members.cold[i];
        const struct covey_node_id *id = &node->members.hot[i].id;
        if (!covey__member_is(&node->members, i, COVEY_MEMBER_ALIVE) ||
            cold->cert.trust != COVEY_TRUST_FULL ||
            covey_node_id_equal(id, &node->election.coordinator)) {
            continue;
        }
        int tier = (int)cold->cert.tier - (int)self->cert.tier;
        int order = covey_node_id_compare(id, &node->election.self);
        /* Powers of two: small differences between equal boards must not matter. */
        int rate = __builtin_clz(self->record.rates.mflops | 1) -
                   __builtin_clz(cold->record.rates.mflops | 1);
        rank += tier > 0 || (tier == 0 && (rate > 0 || (rate == 0 && order > 0)));
    }
    return rank;
}

static void leave_step(struct covey_node *node)
{
    const struct covey__membership *members = &node->members;
    struct covey__news news;
    if (node->now_ms < node->leave_ms || node->leave_told > COVEY_LEAVE_TIMES) {
        return;
    }
    if (node->leave_told++ == COVEY_LEAVE_TIMES || members->alive < 2) {
        struct covey_action *action = covey__update_add(node->out, COVEY_ACTION_LEFT);
        node->leave_told = action != NULL ? COVEY_LEAVE_TIMES + 1 : COVEY_LEAVE_TIMES;
        return;
    }
    node->leave_ms = node->now_ms + COVEY_LEAVE_MS;
    if (covey__node_sign_accusation(node, COVEY_SELF, COVEY_STATEMENT_LEAVE, &news) != COVEY_OK) {
        return;
    }
    unsigned told = 0;
    for (uint16_t i = 1; i < members->used && told < COVEY_LEAVE_MEMBERS; i++) {
        struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS};
        m.statement[m.statements++] = covey__news_view(&news);
        if (!covey__member_present(members, i)) {
            continue;
        }
        if (members->hot[i].channel && node->leave_told == 1) {
            covey__node_send_channel(node, i, &m);
        } else {
            covey__node_send_gossip(node, i, &m);
        }
        told++;
    }
}

/* Channels to a member whose certificate ended close, and it gets no more work. */
static void expire(struct covey_node *node)
{
    if (node->now_ms < node->expiry_ms) {
        return;
    }
    node->expiry_ms = node->now_ms + COVEY_EXPIRY_MS;
    for (uint16_t i = 1; i < node->members.used; i++) {
        if (node->members.hot[i].used && node->members.cold[i].cert.not_after_s < node->wall_s) {
            covey__membership_expel(&node->members, i, node->now_ms, &node->swim);
            covey__node_drop(node, i);
        }
    }
}

static void tick(struct covey_node *node)
{
    struct covey__election_out done = {0};
    covey__membership_tick(&node->members, node->now_ms, &node->swim);
    expire(node);
    covey__node_swim_done(node);
    node->election.rank = rank_of(node);
    covey__election_tick(&node->election, node->now_ms, &done);
    covey__node_election_done(node, &done);
    covey__node_discover(node);
    covey__node_dial_members(node);
    covey__node_gossip_round(node);
    leave_step(node);
}

static void start_leaving(struct covey_node *node)
{
    struct covey__election_out done = {0};
    if (node->leave_ms == UINT64_MAX) {
        node->leave_ms = node->now_ms;
        covey__election_resign(&node->election, &done);
        covey__node_election_done(node, &done);
    }
}

/* A new incarnation, or the others would keep the record they have. */
static covey_err measured(struct covey_node *node, const struct covey_event *event)
{
    node->config.rates = event->rates;
    if (event->memory_bytes != 0) {
        node->config.memory_bytes = event->memory_bytes;
        covey__fetch_limit(node->fetch, event->memory_bytes / COVEY__NODE_FETCH_SHARE);
    }
    if (event->store_bytes != 0) {
        node->config.store_bytes = event->store_bytes;
    }
    node->members.hot[COVEY_SELF].incarnation++;
    node->view_stale = true;
    return covey__node_sign_record(node);
}

static void channel(struct covey_node *node, const struct covey_event *event)
{
    if (event->type == COVEY_EVENT_CHANNEL_UP) {
        covey__node_channel_up(node, event);
    } else if (event->type == COVEY_EVENT_CHANNEL_DOWN) {
        covey__node_channel_down(node, &event->peer);
    } else {
        covey__node_channel_stalled(node, &event->peer);
    }
}

static covey_err dispatch(struct covey_node *node, const struct covey_event *event)
{
    switch (event->type) {
    case COVEY_EVENT_TICK:
    case COVEY_EVENT_DIAL_FAILED: /* a dial is repeated by its own timer */
        return COVEY_OK;
    case COVEY_EVENT_HELLO:
        covey__node_hello(node, event);
        return COVEY_OK;
    case COVEY_EVENT_GOSSIP:
        covey__node_datagram(node, event);
        return COVEY_OK;
    case COVEY_EVENT_CHANNEL_UP:
    case COVEY_EVENT_CHANNEL_DOWN:
    case COVEY_EVENT_CHANNEL_STALLED:
        channel(node, event);
        return COVEY_OK;
    case COVEY_EVENT_MESSAGE:
        return covey__node_message(node, event);
    case COVEY_EVENT_JOIN:
        return covey__discovery_join(&node->discovery, &event->addr, node->now_ms)
                   ? COVEY_OK
                   : COVEY_ERR_LIMIT;
    case COVEY_EVENT_LEAVE:
        start_leaving(node);
        return COVEY_OK;
    case COVEY_EVENT_MEASURED:
        return measured(node, event);
    case COVEY_EVENT_ASSIGN_CHECKED:
    case COVEY_EVENT_STORED:
    case COVEY_EVENT_LACKED:
    case COVEY_EVENT_COMPUTED:
    case COVEY_EVENT_SESSION_OPEN:
    case COVEY_EVENT_SESSION_CLOSE:
    case COVEY_EVENT_PLANNED:
    case COVEY_EVENT_PREPARED:
    case COVEY_EVENT_REQUEST_BEGIN:
    case COVEY_EVENT_LAYER:
    case COVEY_EVENT_COMPUTED_LOCAL:
    case COVEY_EVENT_REQUEST_END:
    case COVEY_EVENT_TILE_COMPUTED:
    case COVEY_EVENT_LIED:
    case COVEY_EVENT_TILES:
    case COVEY_EVENT_TILES_CUT:
    case COVEY_EVENT_PUBLISH:
    case COVEY_EVENT_CATALOGUE:
    case COVEY_EVENT_FETCH:
    case COVEY_EVENT_GROWING:
        return covey__node_work_event(node, event);
    case COVEY_EVENT_TRAIN_OPEN:
    case COVEY_EVENT_TRAIN_CLOSE:
    case COVEY_EVENT_ROUND_BEGIN:
    case COVEY_EVENT_ROUND_TASK:
    case COVEY_EVENT_ROUND_LIED:
    case COVEY_EVENT_ROUND_END:
    case COVEY_EVENT_ENLIST_CHECKED:
    case COVEY_EVENT_TASK_DONE:
        return covey__node_train_event(node, event);
    case COVEY_EVENT_CUSTODY_OPEN:
    case COVEY_EVENT_CUSTODY_CHECKPOINT:
    case COVEY_EVENT_CUSTODY_CLOSE:
    case COVEY_EVENT_CUSTODY_STOP:
    case COVEY_EVENT_CUSTODY_RESUME:
    case COVEY_EVENT_CUSTODY_HELD:
    case COVEY_EVENT_CUSTODY_STORED:
    case COVEY_EVENT_CUSTODY_STATE:
    case COVEY_EVENT_PERSISTED:
        return covey__node_custody_event(node, event);
    }
    return COVEY_ERR_STATE;
}

/* The job names a peer; where it is, is known here. A peer of unknown place is not dialled. */
static void place_dials(const struct covey_node *node, struct covey_update *out)
{
    for (size_t i = 0; i < out->count; i++) {
        struct covey_action *action = &out->actions[i];
        if (action->type != COVEY_ACTION_DIAL || action->addr.port != 0) {
            continue;
        }
        uint16_t index = covey__member_find(&node->members, &action->peer);
        if (index == COVEY_NOBODY || node->members.cold[index].gossip_addr.port == 0) {
            action->type = COVEY_ACTION_NONE;
            continue;
        }
        action->addr = node->members.cold[index].gossip_addr;
        action->addr.port = node->members.cold[index].record.channel_port;
    }
}

covey_err covey_node_step(struct covey_node *node, const struct covey_event *event,
                          struct covey_update *out)
{
    out->count = 0;
    out->done_count = 0;
    out->arena_len = 0;
    out->more = false;
    node->out = out;
    node->now_ms = event->now_ms > node->now_ms ? event->now_ms : node->now_ms;
    node->wall_s = event->wall_s;
    /* A gap is noticed before what piled up behind it is believed. */
    covey__membership_gap(&node->members, node->now_ms);
    node->of_requests = false;
    covey_err err = dispatch(node, event);
    /* A request has several messages a millisecond: each would look through every machine. */
    bool chores = !node->of_requests || node->now_ms >= node->chores_ms;
    if (chores) {
        tick(node);
    }
    covey__node_view(node);
    covey_err worked = covey__worker_tick(node->worker, node->now_ms, out);
    covey_err owned = covey__job_tick(node->job, &node->view, out);
    covey_err kept = chores ? covey__node_custody_tick(node) : COVEY_OK;
    covey_err trained = chores ? covey__node_train_tick(node) : COVEY_OK;
    covey__node_fetch_tick(node);
    if (chores) {
        covey__catalogue_tick(node->catalogue, out);
        node->chores_ms = chores_deadline_ms(node);
    }
    place_dials(node, out);
    node->out = NULL;
    err = err != COVEY_OK ? err : worked;
    err = err != COVEY_OK ? err : owned;
    err = err != COVEY_OK ? err : trained;
    return err != COVEY_OK ? err : kept;
}

void covey_node_sent(struct covey_node *node, uint64_t now_ms)
{
    if (node != NULL) {
        covey__job_sent(node->job, now_ms);
    }
}

uint64_t covey_node_deadline_ms(const struct covey_node *node)
{
    uint64_t at = sooner(node->chores_ms, covey__job_deadline_ms(node->job));
    at = sooner(at, covey__worker_deadline_ms(node->worker));
    return sooner(at, covey__fetch_deadline_ms(node->fetch));
}
