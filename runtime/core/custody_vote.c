/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

/* As in Ongaro's "Consensus: Bridging Theory and Practice" (2014): votes of section 3.4, the deed
 * in place of the log's end (3.6.1), a poll before the epoch is raised (9.6), and no vote while an
 * owner may still hold a lease (6.4.1). */

uint64_t covey__custody_jitter(struct covey_custody *c)
{
    return covey__random_below(&c->rng, COVEY__CANVASS_MS);
}

/* Of a session that this device knows nothing of yet every epoch may be true. */
bool covey__custody_epoch_sane(const struct covey__custody_session *s, uint32_t epoch)
{
    return epoch != UINT32_MAX &&
           (s->epoch == 0 || epoch <= s->epoch || epoch - s->epoch <= COVEY__EPOCH_JUMP_MAX);
}

bool covey__custody_promised(const struct covey_custody *c, const struct covey__custody_session *s)
{
    uint64_t until_ms = s->role == COVEY__CUSTODY_OWNER ? s->lease_ms : s->promise_ms;
    /* Not before session was told to stop, either. */
    return c->view->now_ms < (s->told_lease_ms > until_ms ? s->told_lease_ms : until_ms);
}

static bool agrees(const struct covey__custody_session *s, const struct covey_node_id *from,
                   const struct covey_custody_message *m)
{
    static const struct covey_node_id nobody;
    int order = covey__deed_compare(m->deed.epoch, m->deed.version, s->deed.epoch, s->deed.version);
    bool voted = m->epoch == s->epoch && !covey_node_id_equal(&s->voted, &nobody) &&
                 !covey_node_id_equal(&s->voted, from);
    bool member = order > 0 || covey__custodians_have(&s->deed.set, from) ||
                  covey__custodians_have(&s->deed.next, from);
    return m->epoch >= s->epoch && !voted && order >= 0 && member;
}

void covey__custody_canvass(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from, const struct covey_custody_message *m)
{
    struct covey_custody_message answer = {
        .type = COVEY_CUSTODY_VOTE, .session = s->id, .epoch = s->epoch, .binding = m->binding};
    if (s->deed.version == 0 || !covey__custody_epoch_sane(s, m->epoch)) {
        return;
    }
    if (covey__custody_promised(c, s) || !agrees(s, from, m)) {
        covey__custody_stranger(c, s, from);
        covey__custody_replaced(c, s, from, m);
        (void)covey__custody_send(c, from, &answer);
        return;
    }
    if (!m->binding) {
        answer.epoch = m->epoch;
        answer.agreed = true;
        (void)covey__custody_send(c, from, &answer);
        return;
    }
    if (m->epoch > s->epoch) {
        covey__custody_enter(c, s, m->epoch, from);
    } else if (!covey_node_id_equal(&s->voted, from)) {
        s->voted = *from;
        s->dirty = true;
    }
    s->role = COVEY__CUSTODY_CUSTODIAN;
    s->owes_vote = true;
    s->vote_to = *from;
    /* The one it voted for gets the time to win. */
    s->wait_ms = c->view->now_ms + 2 * COVEY__CANVASS_MS + covey__custody_jitter(c);
}

static bool noted(const struct covey_node_id *list, uint8_t count, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < count; i++) {
        if (covey_node_id_equal(&list[i], id)) {
            return true;
        }
    }
    return false;
}

static void note(struct covey_node_id *list, uint8_t *count, const struct covey_node_id *id)
{
    if (*count < COVEY__KEEPERS_MAX && !noted(list, *count, id)) {
        list[(*count)++] = *id;
    }
}

static bool majority(const struct covey_custodians *set, const struct covey_node_id *list,
                     uint8_t count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < set->count; i++) {
        found += noted(list, count, &set->id[i]);
    }
    return set->count == 0 || found > set->count / 2U;
}

/* While the set is changing both decide. */
static bool majorities(const struct covey__custody_session *s, const struct covey_node_id *list,
                       uint8_t count)
{
    return majority(&s->deed.set, list, count) && majority(&s->deed.next, list, count);
}

void covey__custody_ask(struct covey_custody *c, const struct covey__custody_session *s,
                        bool binding)
{
    struct covey_custody_message m = {.type = COVEY_CUSTODY_CANVASS,
                                      .session = s->id,
                                      .epoch = s->epoch + (binding ? 0 : 1),
                                      .deed.epoch = s->deed.epoch,
                                      .deed.version = s->deed.version,
                                      .binding = binding};
    struct covey_custodians all = s->deed.set;
    for (unsigned i = 0; i < s->deed.next.count; i++) {
        const struct covey_node_id *id = &s->deed.next.id[i];
        if (!covey__custodians_have(&s->deed.set, id) && covey__custody_here(c, id)) {
            (void)covey__custody_send(c, id, &m); /* the next try comes soon */
        }
    }
    for (unsigned i = 0; i < all.count; i++) {
        if (covey__custody_here(c, &all.id[i])) {
            (void)covey__custody_send(c, &all.id[i], &m);
        }
    }
}

/* Others would vote for it: it votes for itself, and asks once that is on disk. */
static void stand(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t wait_ms = s->wait_ms;
    covey__custody_enter(c, s, s->epoch + 1, &c->self);
    s->role = COVEY__CUSTODY_CANDIDATE;
    s->owes_canvass = true;
    s->yes_count = 0;
    s->wait_ms = wait_ms;
}

static void poll(struct covey_custody *c, struct covey__custody_session *s)
{
    s->role = COVEY__CUSTODY_POLLING;
    s->has_owner = s->owes_canvass = false;
    s->yes_count = s->absent_count = 0;
    s->wait_ms = c->view->now_ms + COVEY__CANVASS_MS + covey__custody_jitter(c);
    if (!covey__custody_epoch_sane(s, s->epoch + 1)) {
        return;
    }
    note(s->yes, &s->yes_count, &c->self);
    if (majorities(s, s->yes, s->yes_count)) {
        stand(c, s);
    } else {
        covey__custody_ask(c, s, false);
    }
}

void covey__custody_own_vote(struct covey_custody *c, struct covey__custody_session *s)
{
    if (!s->owes_canvass || s->role != COVEY__CUSTODY_CANDIDATE || s->disk.epoch != s->epoch) {
        return;
    }
    s->owes_canvass = false;
    s->wait_ms = c->view->now_ms + COVEY__CANVASS_MS + covey__custody_jitter(c);
    note(s->yes, &s->yes_count, &c->self);
    if (majorities(s, s->yes, s->yes_count)) {
        covey__custody_win(c, s);
    } else {
        covey__custody_ask(c, s, true);
    }
}

void covey__custody_vote(struct covey_custody *c, struct covey__custody_session *s,
                         const struct covey_node_id *from, const struct covey_custody_message *m)
{
    enum covey__custody_role asking =
        m->binding ? COVEY__CUSTODY_CANDIDATE : COVEY__CUSTODY_POLLING;
    if (!covey__custody_has(s, from)) {
        return; /* nobody else was asked */
    }
    if (m->agreed) {
        if (s->role != asking || m->epoch != s->epoch + (m->binding ? 0U : 1U)) {
            return;
        }
        note(s->yes, &s->yes_count, from);
        if (!majorities(s, s->yes, s->yes_count)) {
            return;
        }
        if (m->binding) {
            covey__custody_win(c, s);
        } else {
            stand(c, s);
        }
    } else if (m->epoch > s->epoch && covey__custody_epoch_sane(s, m->epoch) &&
               s->role != COVEY__CUSTODY_OWNER) {
        uint64_t wait_ms = s->wait_ms; /* the next try is above it */
        covey__custody_enter(c, s, m->epoch, NULL);
        s->wait_ms = wait_ms;
    }
}

void covey__custody_absent(struct covey_custody *c, struct covey__custody_session *s,
                           const struct covey_node_id *from, const struct covey_custody_message *m)
{
    /* Who was replaced while it was away may be in any epoch, and who never kept it in none. */
    bool stranger = s->role == COVEY__CUSTODY_OWNER ? covey__custody_keeper(s, from) == NULL
                                                    : !covey__custody_has(s, from);
    if (m->epoch > s->epoch && covey__custody_epoch_sane(s, m->epoch) && !stranger) {
        covey__custody_enter(c, s, m->epoch, NULL);
        return;
    }
    if (m->epoch != 0) {
        return;
    }
    if (s->role == COVEY__CUSTODY_OWNER) {
        struct covey__keeper *k = covey__custody_keeper(s, from);
        if (k != NULL) {
            k->lost = true;
            k->version = k->granted = 0;
        }
    } else if (covey__custody_has(s, from) &&
               (s->role == COVEY__CUSTODY_POLLING || covey__custody_rests(s))) {
        /* It has ended while this device was away. */
        note(s->absent, &s->absent_count, from);
        if (majorities(s, s->absent, s->absent_count)) {
            covey__custody_forget(s);
        }
    }
}

void covey__custody_vote_tick(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t now_ms = c->view->now_ms;
    if (s->role == COVEY__CUSTODY_ENDING) {
        return;
    }
    if (s->resume_ms != 0 && now_ms >= s->resume_ms) {
        covey__custody_refuse(s, COVEY_ERR_TIMEOUT);
    }
    if (!covey__custody_member(c, s)) {
        if (now_ms >= s->heard_ms + COVEY__ORPHAN_MS) {
            covey__custody_forget(s);
            s->end = COVEY_ERR_TIMEOUT;
        }
        return;
    }
    if (covey__custody_rests(s)) {
        covey__custody_rest_tick(c, s);
    } else if (!s->owes_canvass && now_ms >= s->promise_ms && now_ms >= s->wait_ms) {
        poll(c, s);
    }
}
