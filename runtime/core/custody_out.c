/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

bool covey__custody_here(const struct covey_custody *c, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < c->view->count; i++) {
        if (covey_node_id_equal(&c->view->device[i], id)) {
            return true;
        }
    }
    return false;
}

/* Into the update's arena; empty when there is no room now. */
static struct covey_bytes encoded(struct covey_update *out,
                                  const struct covey_custody_message *message)
{
    struct covey_buf space = {out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
    size_t len = 0;
    if (out->count == COVEY_UPDATE_ACTIONS_MAX ||
        covey_custody_encode(message, space, &len) != COVEY_OK) {
        out->more = true;
        return covey_bytes_of(NULL, 0);
    }
    out->arena_len += len;
    return covey_bytes_of(space.ptr, len);
}

bool covey__custody_send(struct covey_custody *c, const struct covey_node_id *to,
                         const struct covey_custody_message *message)
{
    struct covey_bytes bytes = encoded(c->out, message);
    if (bytes.len == 0) {
        return false;
    }
    struct covey_action *action = covey__update_add(c->out, COVEY_ACTION_SEND);
    action->peer = *to;
    action->has_peer = true;
    action->bytes = bytes;
    return true;
}

void covey__custody_say(struct covey_custody *c, const struct covey__custody_session *s,
                        const struct covey_node_id *to, enum covey_custody_type type)
{
    struct covey_custody_message m = {.type = type, .session = s->id, .epoch = s->epoch};
    (void)covey__custody_send(c, to, &m); /* whoever needs it asks again */
}

static struct covey_action *act(struct covey_custody *c, const struct covey__custody_session *s,
                                enum covey_action_type type, uint32_t epoch)
{
    struct covey_action *action = covey__update_add(c->out, type);
    if (action != NULL) {
        action->fence.session = s->id;
        action->fence.epoch = epoch;
    }
    return action;
}

/* The end of a lease goes out before anything that could let another one begin. False: there is no
 * room now, nothing else may leave. */
static bool put_ownership(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_action *action = NULL;
    bool owner = s->role == COVEY__CUSTODY_OWNER;
    if (owner && s->owes_lead) {
        if ((action = act(c, s, COVEY_ACTION_CUSTODY_LEAD, s->owned)) == NULL) {
            return false;
        }
        action->digest = s->deed.job;
        action->checkpoint = s->deed.checkpoint;
    }
    s->owes_lead = false;
    uint64_t lease_ms = owner ? s->lease_ms : 0;
    if (lease_ms != s->told_lease_ms) {
        if ((action = act(c, s, COVEY_ACTION_CUSTODY_LEASE, s->owned)) == NULL) {
            return false;
        }
        action->request = lease_ms;
        s->told_lease_ms = lease_ms;
    }
    if (s->owes_loss) {
        if ((action = act(c, s, COVEY_ACTION_CUSTODY_OVER, s->owned)) == NULL) {
            return false;
        }
        action->err = COVEY_ERR_STATE;
        action->has_peer = s->has_owner;
        action->peer = s->owner;
        s->owes_loss = false;
    }
    return true;
}

static bool same_checkpoint(const struct covey_checkpoint_ref *a,
                            const struct covey_checkpoint_ref *b)
{
    return a->epoch == b->epoch && a->step == b->step && covey_digest_equal(&a->digest, &b->digest);
}

/* Members of the set that hold all of it and are there. */
static uint8_t held(const struct covey_custody *c, struct covey__custody_session *s)
{
    unsigned count = 0;
    for (unsigned i = 0; i < s->deed.set.count; i++) {
        const struct covey__keeper *k = covey__custody_keeper(s, &s->deed.set.id[i]);
        bool away = k != NULL && k->away_ms != 0 && c->view->now_ms >= k->away_ms + COVEY__SEEN_MS;
        count += k == NULL || (k->version != 0 && !k->lost && !away); /* oneself is no keeper */
    }
    return (uint8_t)count;
}

/* Of a version that is on as many disks as needed: who has it knows the checkpoint. */
static void kept(const struct covey_custody *c, const struct covey__custody_session *s,
                 struct covey_checkpoint_ref *out)
{
    uint64_t version = covey__custody_committed(c, s);
    if (version == 0) {
        return;
    }
    if (s->disk.deed_epoch == s->epoch && s->disk.version == version) {
        *out = s->disk.checkpoint;
    }
    for (unsigned i = 0; i < s->keepers; i++) {
        if (s->keeper[i].version == version) {
            *out = s->keeper[i].checkpoint;
        }
    }
}

static void put_news(struct covey_custody *c, struct covey__custody_session *s)
{
    bool owner = s->role == COVEY__CUSTODY_OWNER;
    uint8_t holders = owner ? held(c, s) : 0;
    struct covey_checkpoint_ref newest = owner ? s->news_kept : s->deed.checkpoint;
    if (owner) {
        kept(c, s, &newest);
        /* While a next set is behind, the set still has what counted before. */
        newest = newest.step < s->news_kept.step ? s->news_kept : newest;
        s->owes_news = s->owes_news || holders != s->news_held ||
                       s->deed.set.number != s->news_number ||
                       !same_checkpoint(&newest, &s->news_kept);
    }
    /* A new set is worth nothing before a majority of it knows that it is. */
    bool behind = owner && s->deed.next.count == 0 && covey__custody_committed(c, s) < s->config;
    bool settled = owner && covey__custody_settled(c, s);
    s->owes_news = s->owes_news || (settled && s->news_settled != s->offered);
    if (!s->owes_news || s->deed.version == 0 || (behind && holders > s->news_held)) {
        return;
    }
    struct covey_action *action = act(c, s, COVEY_ACTION_CUSTODY_NEWS, s->epoch);
    if (action == NULL) {
        return;
    }
    action->set = s->deed.set;
    action->index = holders;
    action->checkpoint = newest;
    action->settled = settled;
    action->stopped = s->deed.stopped;
    action->has_peer = s->has_owner;
    action->peer = s->owner;
    s->owes_news = false;
    s->news_settled = settled ? s->offered : 0;
    s->news_held = holders;
    s->news_number = s->deed.set.number;
    s->news_kept = newest;
}

/* One at a time: what changed meanwhile goes with the next. */
static void put_state(struct covey_custody *c, struct covey__custody_session *s)
{
    if (!s->dirty || s->write != 0 || s->deed.version == 0 || c->view->now_ms < s->write_ms) {
        return;
    }
    struct covey_custody_message m = {.type = COVEY_CUSTODY_STATE,
                                      .session = s->id,
                                      .epoch = s->epoch,
                                      .deed = s->deed,
                                      .voted = s->voted};
    struct covey_bytes bytes = encoded(c->out, &m);
    if (bytes.len == 0) {
        return;
    }
    struct covey_action *action = act(c, s, COVEY_ACTION_CUSTODY_PERSIST, s->epoch);
    action->bytes = bytes;
    c->write += c->write + 1 != 0 ? 1 : 2;
    action->index = s->write = c->write;
    s->writing = (struct covey__custody_disk){s->epoch, s->voted, s->deed.epoch, s->deed.version,
                                              s->deed.checkpoint};
    s->dirty = false;
}

static void put_vote(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_custody_message m = {.type = COVEY_CUSTODY_VOTE,
                                      .session = s->id,
                                      .epoch = s->epoch,
                                      .agreed = true,
                                      .binding = true};
    if (s->owes_vote && covey_node_id_equal(&s->disk.voted, &s->vote_to)) {
        s->owes_vote = !covey__custody_send(c, &s->vote_to, &m);
    }
}

/* It promises nothing: only the checkpoint is not here. */
static void put_ready(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_custody_message m = {
        .type = COVEY_CUSTODY_ACCEPT, .session = s->id, .epoch = s->epoch, .agreed = true};
    if (s->owes_ready && s->role == COVEY__CUSTODY_CUSTODIAN && s->has_owner) {
        (void)covey__custody_send(c, &s->owner, &m); /* a lost one costs time only */
    }
    s->owes_ready = false;
}

/* What is said about this disk is said once it is true. */
static void put_answers(struct covey_custody *c, struct covey__custody_session *s)
{
    put_ready(c, s);
    if (s->disk.epoch != s->epoch) {
        return;
    }
    put_vote(c, s);
    if (s->role != COVEY__CUSTODY_CUSTODIAN || !s->has_owner) {
        s->owes_accept = false;
        s->owes_grant = 0;
        return;
    }
    if (s->owes_accept && s->disk.deed_epoch == s->epoch && s->disk.version == s->deed.version) {
        struct covey_custody_message m = {
            .type = COVEY_CUSTODY_ACCEPT, .session = s->id, .epoch = s->epoch, .agreed = true};
        m.deed.version = s->disk.version;
        m.deed.checkpoint = s->disk.checkpoint;
        s->owes_accept = !covey__custody_send(c, &s->owner, &m);
    }
    if (s->owes_grant != 0) {
        struct covey_custody_message m = {.type = COVEY_CUSTODY_GRANT,
                                          .session = s->id,
                                          .epoch = s->epoch,
                                          .sequence = s->owes_grant};
        s->owes_grant = covey__custody_send(c, &s->owner, &m) ? 0 : s->owes_grant;
    }
}

/* What became of going on by hand, where it is not that this device leads. */
static void put_refusal(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_action *action =
        s->owes_refusal ? act(c, s, COVEY_ACTION_CUSTODY_REFUSED, s->epoch) : NULL;
    if (action != NULL) {
        action->err = s->why_refused;
        action->has_peer = s->has_owner;
        action->peer = s->owner;
        s->owes_refusal = false;
    }
}

/* The session and what is on disk of it are forgotten. */
static void put_end(struct covey_custody *c, struct covey__custody_session *s)
{
    if (s->owes_end) {
        struct covey_action *action = act(c, s, COVEY_ACTION_CUSTODY_OVER, s->epoch);
        if (action != NULL) {
            action->err = s->end;
            s->owes_end = false;
        }
    }
    if (!s->owes_end && s->owes_erase) {
        struct covey_action *action = act(c, s, COVEY_ACTION_CUSTODY_PERSIST, s->epoch);
        if (action != NULL) {
            c->write += c->write + 1 != 0 ? 1 : 2;
            action->index = c->write;
            s->owes_erase = false;
        }
    }
    if (s->role == COVEY__CUSTODY_ENDING && !s->owes_end && !s->owes_erase) {
        s->role = COVEY__CUSTODY_FREE;
    }
}

void covey__custody_settle(struct covey_custody *c, struct covey__custody_session *s)
{
    if (s->role == COVEY__CUSTODY_FREE || !put_ownership(c, s)) {
        return;
    }
    if (s->role == COVEY__CUSTODY_ENDING || s->role == COVEY__CUSTODY_CLOSING) {
        put_end(c, s);
        return;
    }
    put_refusal(c, s);
    if (s->role != COVEY__CUSTODY_OWNER) {
        covey__custody_fetch(c, s);
    }
    put_news(c, s);
    put_state(c, s);
    put_answers(c, s);
}
