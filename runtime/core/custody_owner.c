/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

struct covey__keeper *covey__custody_keeper(struct covey__custody_session *s,
                                            const struct covey_node_id *id)
{
    for (unsigned i = 0; i < s->keepers; i++) {
        if (covey_node_id_equal(&s->keeper[i].id, id)) {
            return &s->keeper[i];
        }
    }
    return NULL;
}

void covey__custody_drop_keeper(struct covey__custody_session *s, struct covey__keeper *k)
{
    *k = s->keeper[--s->keepers];
}

/* What the owner itself, or another device, counts with. */
enum counted { COUNT_GRANTS, COUNT_VERSIONS };

static uint64_t count_of(const struct covey_custody *c, const struct covey__custody_session *s,
                         const struct covey_node_id *id, enum counted what)
{
    if (covey_node_id_equal(id, &c->self)) {
        uint64_t version = s->disk.deed_epoch == s->epoch ? s->disk.version : 0;
        return what == COUNT_GRANTS ? c->view->now_ms + 1 : version;
    }
    for (unsigned i = 0; i < s->keepers; i++) {
        const struct covey__keeper *k = &s->keeper[i];
        if (covey_node_id_equal(&k->id, id)) {
            return what == COUNT_GRANTS ? k->granted : k->version;
        }
    }
    return 0;
}

/* The greatest number that a majority of the set has reached. */
static uint64_t reached(const struct covey_custody *c, const struct covey__custody_session *s,
                        const struct covey_custodians *set, enum counted what)
{
    uint64_t value[COVEY_CUSTODIANS_MAX] = {0};
    for (unsigned i = 0; i < set->count; i++) {
        uint64_t one = count_of(c, s, &set->id[i], what);
        unsigned at = i;
        for (; at > 0 && value[at - 1] < one; at--) {
            value[at] = value[at - 1];
        }
        value[at] = one;
    }
    return value[set->count / 2];
}

uint64_t covey__custody_committed(const struct covey_custody *c,
                                  const struct covey__custody_session *s)
{
    uint64_t version = reached(c, s, &s->deed.set, COUNT_VERSIONS);
    if (s->deed.next.count > 0) {
        uint64_t next = reached(c, s, &s->deed.next, COUNT_VERSIONS);
        version = next < version ? next : version;
    }
    return version;
}

/* It counts from when it was asked for: a custodian's promise began later. */
uint64_t covey__custody_lease_of(const struct covey_custody *c,
                                 const struct covey__custody_session *s,
                                 const struct covey_custodians *set)
{
    if (set->count == 1 && covey_node_id_equal(&set->id[0], &c->self)) {
        return COVEY__LEASE_FOREVER;
    }
    uint64_t sequence = reached(c, s, set, COUNT_GRANTS);
    uint64_t until_ms = sequence == 0 ? 0 : sequence - 1 + COVEY__LEASE_MS;
    return until_ms > c->view->now_ms ? until_ms : 0;
}

covey_err covey__custody_open(struct covey_custody *c, const struct covey_event *event)
{
    if (!(event->fence.epoch > 0 && event->fence.epoch < UINT32_MAX)) {
        return COVEY_ERR_RANGE;
    }
    struct covey__custody_session *s = covey__custody_add(c, &event->fence.session);
    if (s == NULL) {
        return COVEY_ERR_LIMIT;
    }
    s->epoch = event->fence.epoch;
    s->voted = c->self;
    s->deed.set.number = 1;
    covey__custodians_add(&s->deed.set, &c->self);
    s->deed.job = event->digest;
    s->deed.checkpoint = event->checkpoint;
    s->job = event->digest;
    s->job_held = true;
    covey__custody_win(c, s);
    s->owes_lead = false; /* session knows */
    return COVEY_OK;
}

/* Its deed, as it is, becomes the first of its own epoch: only what it wrote itself may count, or a
 * deed of an epoch in between could still win over it (Ongaro 2014, section 3.6.2). */
void covey__custody_win(struct covey_custody *c, struct covey__custody_session *s)
{
    s->role = COVEY__CUSTODY_OWNER;
    s->has_owner = true;
    s->owner = c->self;
    s->has_target = false;
    s->owned = s->epoch;
    s->restarts = s->deed.stopped;
    s->deed.stopped = false;
    s->resume_ms = 0;
    s->deed.epoch = s->epoch;
    s->deed.version = s->config = s->offered = 1;
    s->dirty = true;
    s->keepers = 0;
    s->asked = s->asked_ms = 0;
    s->both_ms = c->view->now_ms;
    s->lease_ms = 0;
    s->owes_lead = s->owes_news = true;
    memset(&s->news_kept, 0, sizeof(s->news_kept));
    s->news_settled = 0;
}

void covey__custody_step_down(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t now_ms = c->view->now_ms;
    bool ends = s->told_lease_ms != 0 && s->told_lease_ms != COVEY__LEASE_FOREVER;
    s->role = COVEY__CUSTODY_CUSTODIAN;
    s->keepers = 0;
    s->lease_ms = 0;
    s->owes_loss = !s->owes_lead; /* of what session was never told it need not hear the end */
    /* Session may be in the middle of something that it began in its lease. */
    s->promise_ms = ends ? s->told_lease_ms : now_ms + COVEY__LEASE_MS;
    s->heard_ms = now_ms;
    s->wait_ms = s->promise_ms + covey__custody_jitter(c);
}

void covey__custody_checkpoint(struct covey__custody_session *s,
                               const struct covey_checkpoint_ref *checkpoint)
{
    s->deed.checkpoint = *checkpoint;
    s->offered = ++s->deed.version;
    s->dirty = true;
}

/* A majority has the present checkpoint, and whoever is to join and lacks only that has it too, or
 * had its time: if the owner made the next one before, and forgot this one, nobody would ever get
 * one from an owner that is fast. */
bool covey__custody_settled(const struct covey_custody *c, const struct covey__custody_session *s)
{
    bool settled = covey__custody_committed(c, s) >= s->offered;
    uint64_t learn_ms = COVEY__LEARN_MS + s->deed.checkpoint.len / COVEY__LEARN_BYTES;
    for (unsigned i = 0; i < s->keepers && settled; i++) {
        const struct covey__keeper *k = &s->keeper[i];
        bool waits = k->ready && !k->lost && k->away_ms == 0 && k->version < s->offered &&
                     c->view->now_ms < k->ready_ms + learn_ms;
        settled = !waits || covey__custodians_have(&s->deed.set, &k->id);
    }
    return settled;
}

void covey__custody_end(struct covey_custody *c, struct covey__custody_session *s)
{
    s->role = COVEY__CUSTODY_CLOSING;
    s->lease_ms = 0;
    s->told_lease_ms = 0; /* session has ended it: nothing more is to be told */
    s->close_ms = c->view->now_ms;
    s->close_until_ms = c->view->now_ms + COVEY__CLOSE_MS;
    s->owes_end = s->owes_erase = true;
}

void covey__custody_granted(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from, const struct covey_custody_message *m)
{
    if (s->role != COVEY__CUSTODY_OWNER || m->epoch != s->epoch) {
        return;
    }
    struct covey__keeper *k = covey__custody_keeper(s, from);
    if (k == NULL) {
        covey__custody_stranger(c, s, from);
    } else if (!k->lost && m->sequence > k->granted && m->sequence <= s->asked) {
        k->granted = m->sequence;
    }
}

static void remember_refusal(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *id)
{
    unsigned at = s->refusals < COVEY__REFUSALS_MAX ? s->refusals++ : 0;
    for (unsigned i = 0; i < s->refusals; i++) {
        bool older = s->refusal[i].until_ms < s->refusal[at].until_ms;
        at = covey_node_id_equal(&s->refusal[i].id, id) || older ? i : at;
    }
    s->refusal[at].id = *id;
    s->refusal[at].until_ms = c->view->now_ms + COVEY__REFUSED_MS;
}

/* It asks for the deed as it is now. */
static void readied(const struct covey_custody *c, struct covey__keeper *k)
{
    uint64_t now_ms = c->view->now_ms, again_ms = now_ms + COVEY__AGAIN_MS;
    k->ready_ms = k->ready ? k->ready_ms : now_ms;
    k->ready = true;
    if (k->sent_ms + COVEY__RESEND_MS > again_ms && again_ms >= COVEY__RESEND_MS) {
        k->sent_ms = again_ms - COVEY__RESEND_MS;
    }
}

void covey__custody_accepted(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from,
                             const struct covey_custody_message *m)
{
    if (s->role != COVEY__CUSTODY_OWNER || m->epoch != s->epoch) {
        return;
    }
    struct covey__keeper *k = covey__custody_keeper(s, from);
    if (k == NULL) {
        covey__custody_stranger(c, s, from);
        return;
    }
    bool member =
        covey__custodians_have(&s->deed.set, from) || covey__custodians_have(&s->deed.next, from);
    if (!m->agreed && !member) {
        remember_refusal(c, s, from);
        covey__custody_drop_keeper(s, k);
    } else if (!m->agreed) {
        k->lost = true;
        k->version = k->granted = 0;
    } else if (m->deed.version == 0) {
        readied(c, k);
    } else if (m->deed.version > k->version && m->deed.version <= s->deed.version && !k->lost) {
        k->version = m->deed.version;
        k->checkpoint = m->deed.checkpoint;
    }
}

void covey__custody_stranger(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from)
{
    if (s->role == COVEY__CUSTODY_OWNER && s->deed.next.count == 0 &&
        covey__custody_committed(c, s) >= s->config && covey__custody_keeper(s, from) == NULL) {
        covey__custody_say(c, s, from, COVEY_CUSTODY_CLOSE);
    }
}

/* It was replaced while it was away, and asks those of its old set, of whom none need be the owner
 * by now. A set stands alone only after majorities of both knew that it would; this device is of
 * it, so that whoever goes on has the newer deed, and the vote of one who is not is worth nothing.
 */
void covey__custody_replaced(struct covey_custody *c, struct covey__custody_session *s,
                             const struct covey_node_id *from,
                             const struct covey_custody_message *m)
{
    bool follows =
        s->role == COVEY__CUSTODY_CUSTODIAN && s->has_owner && c->view->now_ms < s->promise_ms &&
        covey__custodians_have(&s->deed.set, &c->self) &&
        covey__deed_compare(s->disk.deed_epoch, s->disk.version, s->deed.epoch, s->deed.version) ==
            0;
    bool older =
        covey__deed_compare(m->deed.epoch, m->deed.version, s->deed.epoch, s->deed.version) < 0;
    if (follows && older && s->deed.next.count == 0 &&
        !covey__custodians_have(&s->deed.set, from)) {
        covey__custody_say(c, s, from, COVEY_CUSTODY_CLOSE);
    }
}

static void tell_deed(struct covey_custody *c, struct covey__custody_session *s,
                      struct covey__keeper *k)
{
    uint64_t now_ms = c->view->now_ms;
    struct covey_custody_message m = {
        .type = COVEY_CUSTODY_APPOINT, .session = s->id, .epoch = s->epoch, .deed = s->deed};
    bool due = k->sent_version < s->deed.version || now_ms >= k->sent_ms + COVEY__RESEND_MS;
    if (k->away_ms == 0 && !k->lost && k->version < s->deed.version && due &&
        covey__custody_send(c, &k->id, &m)) {
        k->sent_version = s->deed.version;
        k->sent_ms = now_ms;
    }
}

static void ask_leases(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t now_ms = c->view->now_ms;
    if (s->asked != 0 && s->asked_ms != 0 && now_ms < s->asked_ms + COVEY__LEASE_ASK_MS) {
        return;
    }
    s->asked_ms = now_ms;
    s->asked = now_ms + 1;
    struct covey_custody_message m = {
        .type = COVEY_CUSTODY_LEASE, .session = s->id, .epoch = s->epoch, .sequence = s->asked};
    for (unsigned i = 0; i < s->keepers; i++) {
        if (s->keeper[i].away_ms == 0 && !s->deed.stopped) {
            (void)covey__custody_send(c, &s->keeper[i].id, &m); /* asked again soon */
        }
    }
}

static void watch_keepers(struct covey_custody *c, struct covey__custody_session *s)
{
    for (unsigned i = 0; i < s->keepers; i++) {
        struct covey__keeper *k = &s->keeper[i];
        uint64_t now_ms = c->view->now_ms > 0 ? c->view->now_ms : 1;
        if (covey__custody_here(c, &k->id)) {
            k->away_ms = 0;
        } else if (k->away_ms == 0) {
            k->away_ms = now_ms;
        }
    }
}

static void renew(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t lease_ms = covey__custody_lease_of(c, s, &s->deed.set);
    if (s->deed.next.count > 0) {
        uint64_t next_ms = covey__custody_lease_of(c, s, &s->deed.next);
        s->both_ms = next_ms != 0 ? c->view->now_ms : s->both_ms;
        lease_ms = next_ms < lease_ms ? next_ms : lease_ms;
    }
    s->restarts = s->restarts && covey__custody_committed(c, s) == 0;
    /* Not before this device would know of it after a restart. */
    bool may = s->disk.epoch == s->epoch && !s->restarts && !s->deed.stopped;
    s->lease_ms = may ? lease_ms : 0;
}

/* Whoever is in the sets has the deed, or nothing at all. */
static bool all_told(const struct covey__custody_session *s)
{
    bool told = s->deed.next.count == 0 && s->write == 0 && !s->dirty;
    for (unsigned i = 0; i < s->keepers && told; i++) {
        const struct covey__keeper *k = &s->keeper[i];
        told = k->lost || k->version >= s->deed.version ||
               !covey__custodians_have(&s->deed.set, &k->id);
    }
    return told;
}

void covey__custody_owner_tick(struct covey_custody *c, struct covey__custody_session *s)
{
    watch_keepers(c, s);
    if (!s->deed.stopped || s->deed.next.count > 0) { /* a change that was begun is ended */
        covey__custody_sets(c, s);
    }
    renew(c, s);
    /* No lease that came from fewer may be left when the sets have changed. */
    covey__custody_settle(c, s);
    for (unsigned i = 0; i < s->keepers; i++) {
        tell_deed(c, s, &s->keeper[i]);
    }
    ask_leases(c, s);
    if (s->deed.stopped && all_told(s)) {
        covey__custody_retire(c, s);
    }
}

void covey__custody_closing_tick(struct covey_custody *c, struct covey__custody_session *s)
{
    uint64_t now_ms = c->view->now_ms;
    if (s->keepers == 0 || now_ms >= s->close_until_ms) {
        s->role = COVEY__CUSTODY_ENDING;
        return;
    }
    if (now_ms < s->close_ms) {
        return;
    }
    s->close_ms = now_ms + COVEY__CLOSE_AGAIN_MS;
    for (unsigned i = 0; i < s->keepers; i++) {
        if (covey__custody_here(c, &s->keeper[i].id)) {
            covey__custody_say(c, s, &s->keeper[i].id, COVEY_CUSTODY_CLOSE);
        }
    }
}
