/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

static bool none(const struct covey_checkpoint_ref *checkpoint)
{
    static const struct covey_digest zero;
    return covey_digest_equal(&checkpoint->digest, &zero);
}

void covey__custody_enter(struct covey_custody *c, struct covey__custody_session *s, uint32_t epoch,
                          const struct covey_node_id *voted)
{
    if (s->role == COVEY__CUSTODY_OWNER) {
        covey__custody_step_down(c, s);
    }
    s->role = COVEY__CUSTODY_CUSTODIAN;
    s->epoch = epoch;
    memset(&s->voted, 0, sizeof(s->voted));
    if (voted != NULL) {
        s->voted = *voted;
    }
    s->dirty = true;
    s->owes_vote = false;
    s->owes_canvass = false;
    s->owes_accept = false;
    s->owes_ready = false;
    s->owes_grant = 0;
    s->has_owner = false;
    s->has_target = false; /* told by the owner of an earlier epoch */
}

static bool is_owner(const struct covey__custody_session *s, const struct covey_node_id *id)
{
    return s->has_owner && covey_node_id_equal(&s->owner, id);
}

/* A word of whoever owns the session, who is told when it is not so any more. One who has stopped
 * needs no promise. Within one, to another or to oneself as the owner, it is of a custodian: who is
 * none and has become the owner since then says so again when it has ended. */
static bool heed(struct covey_custody *c, struct covey__custody_session *s,
                 const struct covey_node_id *from, uint32_t epoch, bool runs)
{
    uint64_t now_ms = c->view->now_ms;
    if (epoch < s->epoch) {
        covey__custody_say(c, s, from, COVEY_CUSTODY_ABSENT);
        return false;
    }
    bool mine = epoch == s->epoch && s->role == COVEY__CUSTODY_OWNER;
    bool others = epoch == s->epoch && s->has_owner && !is_owner(s, from);
    bool stranger = !is_owner(s, from) && !covey__custody_has(s, from);
    if (epoch == 0 || mine || others || !covey__custody_epoch_sane(s, epoch) ||
        (stranger && covey__custody_promised(c, s))) {
        return false; /* an epoch has one owner: no honest device says so */
    }
    if (epoch > s->epoch) {
        covey__custody_enter(c, s, epoch, from);
    }
    s->owes_news = s->owes_news || !s->has_owner;
    s->role = COVEY__CUSTODY_CUSTODIAN;
    s->owes_canvass = false; /* another one has won the epoch */
    s->has_owner = true;
    s->owner = *from;
    s->heard_ms = now_ms;
    if (runs) {
        covey__custody_refuse(s, COVEY_ERR_EXISTS);
        s->promise_ms = now_ms + COVEY__PROMISE_MS;
        s->wait_ms = s->promise_ms + covey__custody_jitter(c);
    }
    return true;
}

void covey__custody_lease(struct covey_custody *c, struct covey__custody_session *s,
                          const struct covey_node_id *from, const struct covey_custody_message *m)
{
    if (heed(c, s, from, m->epoch, true)) {
        s->owes_grant = m->sequence;
    }
}

void covey__custody_appoint(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_node_id *from, const struct covey_custody_message *m)
{
    const struct covey_custody_deed *deed = &m->deed;
    if (deed->version == 0 || !heed(c, s, from, m->epoch, !deed->stopped)) {
        if (s->epoch == 0) {
            s->role = COVEY__CUSTODY_FREE; /* was made for this message */
        }
        return;
    }
    if (covey__deed_compare(deed->epoch, deed->version, s->deed.epoch, s->deed.version) <= 0) {
        s->owes_accept = true;
        return;
    }
    bool coming = s->fetching && s->fetch.epoch == deed->epoch && s->fetch.version >= deed->version;
    if (!coming && (!s->has_target || s->target.version < deed->version)) {
        s->has_target = true;
        s->target = *deed;
        s->source = *from;
    }
}

static void take(struct covey__custody_session *s, const struct covey_custody_deed *deed)
{
    s->owes_news = true;
    s->deed = *deed;
    s->dirty = true;
    s->owes_accept = true;
    if (covey__custody_rests(s)) {
        s->role = COVEY__CUSTODY_CUSTODIAN; /* what it began by itself is over */
        s->owes_canvass = false;
    }
}

void covey__custody_fetch(struct covey_custody *c, struct covey__custody_session *s)
{
    if (s->fetching || !s->has_target) {
        return;
    }
    const struct covey_custody_deed *deed = &s->target;
    bool job = s->job_held && covey_digest_equal(&s->job, &deed->job);
    bool checkpoint = none(&deed->checkpoint) ||
                      (s->deed.version != 0 &&
                       covey_digest_equal(&s->deed.checkpoint.digest, &deed->checkpoint.digest));
    if (job && checkpoint) {
        s->has_target = false;
        take(s, deed);
        return;
    }
    struct covey_action *action =
        covey__update_add(c->out, job ? COVEY_ACTION_CUSTODY_KEEP : COVEY_ACTION_CUSTODY_APPOINTED);
    if (action == NULL) {
        return;
    }
    action->peer = s->source;
    action->has_peer = true;
    action->fence.session = s->id;
    action->fence.epoch = s->epoch;
    action->digest = deed->job;
    if (job) {
        action->checkpoint = deed->checkpoint;
    } /* else that comes last: the owner may have made others by then */
    s->fetch = *deed;
    s->fetching = true;
    s->has_target = false;
}

/* It cannot be had here: the owner looks for another device. */
static void refuse(struct covey_custody *c, struct covey__custody_session *s)
{
    struct covey_custody_message m = {
        .type = COVEY_CUSTODY_ACCEPT, .session = s->id, .epoch = s->epoch};
    m.deed.version = s->fetch.version;
    if (s->has_owner) {
        (void)covey__custody_send(c, &s->owner, &m); /* else it is told when it asks again */
    }
    covey__custody_forget(s);
}

/* The owner tells it again, or another device. */
static void missed(struct covey_custody *c, struct covey__custody_session *s, bool held,
                   covey_err err)
{
    bool hopeless = held || err != COVEY_ERR_NOT_FOUND;
    if (hopeless && s->deed.version == 0 && !s->has_target) {
        refuse(c, s);
    }
    s->owes_ready = !hopeless; /* it has gone meanwhile: which one is there now? */
}

void covey__custody_fetched(struct covey_custody *c, struct covey__custody_session *s,
                            const struct covey_event *event)
{
    bool held = event->type == COVEY_EVENT_CUSTODY_HELD;
    bool job = s->job_held && covey_digest_equal(&s->job, &s->fetch.job);
    if (!s->fetching || held == job ||
        (!held && !covey_digest_equal(&event->checkpoint.digest, &s->fetch.checkpoint.digest))) {
        return; /* of an earlier asking */
    }
    s->fetching = false;
    if (event->err != COVEY_OK) {
        missed(c, s, held, event->err);
        return;
    }
    if (held) {
        s->job_held = true;
        s->job = s->fetch.job;
    }
    /* What an earlier owner told is on this disk, but counts no more. */
    if (s->fetch.epoch != s->epoch || s->role == COVEY__CUSTODY_OWNER) {
        return;
    }
    if (!held || none(&s->fetch.checkpoint)) {
        take(s, &s->fetch);
        return;
    }
    s->owes_ready = true;
    if (!s->has_target) {
        s->has_target = true;
        s->target = s->fetch;
    }
}

void covey__custody_forget(struct covey__custody_session *s)
{
    s->role = COVEY__CUSTODY_ENDING;
    s->owes_end = true;
    s->owes_erase = true;
    s->owes_loss = false;
}

void covey__custody_close(struct covey_custody *c, struct covey__custody_session *s,
                          const struct covey_node_id *from, const struct covey_custody_message *m)
{
    if (m->epoch < s->epoch || (m->epoch == s->epoch && s->role == COVEY__CUSTODY_OWNER)) {
        covey__custody_say(c, s, from, COVEY_CUSTODY_ABSENT);
        return;
    }
    /* Its owner may end it; where none is heard of any more, a custodian who knows of the end. */
    bool unowned = covey__custody_has(s, from) && !covey__custody_promised(c, s);
    if (!is_owner(s, from) && !unowned) {
        return;
    }
    struct covey_custody_message answer = {.type = COVEY_CUSTODY_ABSENT, .session = s->id};
    (void)covey__custody_send(c, from, &answer);
    covey__custody_forget(s);
}
