/* SPDX-License-Identifier: MIT */
#include "custody.h"

#include "custody_state.h"

size_t covey__custody_size(void)
{
    return sizeof(struct covey_custody);
}

void covey__custody_init(struct covey_custody *c, const struct covey_node_id *self, uint64_t seed)
{
    memset(c, 0, sizeof(*c));
    c->self = *self;
    c->rng = seed;
}

bool covey__custody_idle(const struct covey_custody *c)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        if (c->session[i].role != COVEY__CUSTODY_FREE) {
            return false;
        }
    }
    return true;
}

struct covey__custody_session *covey__custody_find(struct covey_custody *c,
                                                   const struct covey_session_id *id)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__custody_session *s = &c->session[i];
        if (s->role != COVEY__CUSTODY_FREE && covey_session_id_equal(&s->id, id)) {
            return s;
        }
    }
    return NULL;
}

struct covey__custody_session *covey__custody_add(struct covey_custody *c,
                                                  const struct covey_session_id *id)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__custody_session *s = &c->session[i];
        if (s->role == COVEY__CUSTODY_FREE) {
            memset(s, 0, sizeof(*s));
            s->role = COVEY__CUSTODY_CUSTODIAN;
            s->id = *id;
            s->heard_ms = c->view->now_ms;
            return s;
        }
    }
    return NULL;
}

bool covey__custodians_have(const struct covey_custodians *set, const struct covey_node_id *id)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (covey_node_id_equal(&set->id[i], id)) {
            return true;
        }
    }
    return false;
}

void covey__custodians_add(struct covey_custodians *set, const struct covey_node_id *id)
{
    COVEY_ASSERT(set->count < COVEY_CUSTODIANS_MAX);
    unsigned at = set->count++;
    for (; at > 0 && covey_node_id_compare(&set->id[at - 1], id) > 0; at--) {
        set->id[at] = set->id[at - 1];
    }
    set->id[at] = *id;
}

bool covey__custody_has(const struct covey__custody_session *s, const struct covey_node_id *id)
{
    return s->deed.version != 0 &&
           (covey__custodians_have(&s->deed.set, id) || covey__custodians_have(&s->deed.next, id));
}

bool covey__custody_member(const struct covey_custody *c, const struct covey__custody_session *s)
{
    return covey__custody_has(s, &c->self);
}

int covey__deed_compare(uint32_t a_epoch, uint64_t a_version, uint32_t b_epoch, uint64_t b_version)
{
    if (a_epoch != b_epoch) {
        return a_epoch < b_epoch ? -1 : 1;
    }
    return a_version == b_version ? 0 : a_version < b_version ? -1 : 1;
}

/* What was on this disk at the start. How long its last promise holds is not known any more. */
static covey_err restore(struct covey_custody *c, const struct covey_event *event)
{
    struct covey_custody_message m;
    covey_err err = covey_custody_decode(event->bytes, &m);
    if (err != COVEY_OK || m.type != COVEY_CUSTODY_STATE || m.deed.version == 0) {
        return err != COVEY_OK ? err : COVEY_ERR_MALFORMED;
    }
    if (covey__custody_find(c, &m.session) != NULL) {
        return COVEY_ERR_EXISTS;
    }
    struct covey__custody_session *s = covey__custody_add(c, &m.session);
    if (s == NULL) {
        return COVEY_ERR_LIMIT;
    }
    s->epoch = m.epoch;
    s->voted = m.voted;
    s->deed = m.deed;
    s->job_held = true;
    s->job = m.deed.job;
    s->disk = (struct covey__custody_disk){m.epoch, m.voted, m.deed.epoch, m.deed.version,
                                           m.deed.checkpoint};
    s->promise_ms = c->view->now_ms + COVEY__PROMISE_MS;
    s->wait_ms = s->promise_ms + covey__custody_jitter(c);
    s->owes_news = true;
    return COVEY_OK;
}

static void persisted(struct covey_custody *c, const struct covey_event *event)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX && event->index != 0; i++) {
        struct covey__custody_session *s = &c->session[i];
        if (s->role == COVEY__CUSTODY_FREE || s->write != event->index) {
            continue;
        }
        s->write = 0;
        if (event->err != COVEY_OK) {
            s->dirty = true;
            s->write_ms = c->view->now_ms + COVEY__DISK_AGAIN_MS;
            continue;
        }
        s->disk = s->writing;
        covey__custody_own_vote(c, s);
    }
}

static covey_err owned(struct covey_custody *c, const struct covey_event *event)
{
    struct covey__custody_session *s = covey__custody_find(c, &event->fence.session);
    if (s == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    bool owner = s->role == COVEY__CUSTODY_OWNER;
    bool close = event->type == COVEY_EVENT_CUSTODY_CLOSE;
    if (close && event->err == COVEY_ERR_CANCELLED && (!owner || s->deed.stopped)) {
        covey__custody_forget(s); /* by hand: whoever comes back cannot count on this device */
        return COVEY_OK;
    }
    if (close && s->deed.stopped) {
        covey__custody_end_stopped(c, s);
        return COVEY_OK;
    }
    if (!owner || s->epoch != event->fence.epoch) {
        return COVEY_ERR_STATE;
    }
    if (event->type == COVEY_EVENT_CUSTODY_CHECKPOINT) {
        if (event->checkpoint.step < s->deed.checkpoint.step) {
            return COVEY_ERR_RANGE; /* a newer one was there before it */
        }
        covey__custody_checkpoint(s, &event->checkpoint);
    } else if (event->type == COVEY_EVENT_CUSTODY_STOP) {
        return covey__custody_stop(c, s);
    } else {
        covey__custody_end(c, s);
    }
    return COVEY_OK;
}

static covey_err handle(struct covey_custody *c, const struct covey_event *event)
{
    struct covey__custody_session *s = covey__custody_find(c, &event->fence.session);
    switch ((int)event->type) {
    case COVEY_EVENT_CUSTODY_OPEN:
        return s != NULL ? COVEY_ERR_EXISTS : covey__custody_open(c, event);
    case COVEY_EVENT_CUSTODY_CHECKPOINT:
    case COVEY_EVENT_CUSTODY_CLOSE:
    case COVEY_EVENT_CUSTODY_STOP:
        return owned(c, event);
    case COVEY_EVENT_CUSTODY_RESUME:
        return s == NULL ? COVEY_ERR_NOT_FOUND : covey__custody_resume(c, s);
    case COVEY_EVENT_CUSTODY_HELD:
    case COVEY_EVENT_CUSTODY_STORED:
        if (s != NULL) {
            covey__custody_fetched(c, s, event);
        }
        return COVEY_OK;
    case COVEY_EVENT_CUSTODY_STATE:
        return restore(c, event);
    case COVEY_EVENT_PERSISTED:
        persisted(c, event);
        return COVEY_OK;
    default:
        return COVEY_ERR_STATE;
    }
}

static void tick(struct covey_custody *c)
{
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__custody_session *s = &c->session[i];
        if (s->role == COVEY__CUSTODY_FREE) {
            continue;
        }
        if (s->role == COVEY__CUSTODY_OWNER) {
            covey__custody_owner_tick(c, s);
        } else if (s->role == COVEY__CUSTODY_CLOSING) {
            covey__custody_closing_tick(c, s);
        } else {
            covey__custody_vote_tick(c, s);
        }
        covey__custody_settle(c, s);
    }
    covey__custody_make_room(c);
}

static void begin(struct covey_custody *c, const struct covey_custody_view *view,
                  struct covey_update *out)
{
    c->view = view;
    c->out = out;
}

covey_err covey__custody_event(struct covey_custody *c, const struct covey_custody_view *view,
                               const struct covey_event *event, struct covey_update *out)
{
    begin(c, view, out);
    covey_err err = handle(c, event);
    tick(c);
    return err;
}

/* Whether one more of this owner's may take a place. */
static bool has_place(const struct covey_custody *c, const struct covey_node_id *owner)
{
    unsigned of_owner = 0;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        const struct covey__custody_session *s = &c->session[i];
        of_owner += s->role != COVEY__CUSTODY_FREE && !covey__custody_rests(s) &&
                    covey_node_id_equal(&s->voted, owner);
    }
    return of_owner < COVEY__OWNER_SESSIONS_MAX;
}

/* Of a session that is not known here. */
static void unknown(struct covey_custody *c, const struct covey_node_id *from,
                    const struct covey_custody_message *m)
{
    struct covey_custody_message answer = {.type = COVEY_CUSTODY_ABSENT, .session = m->session};
    if (m->type == COVEY_CUSTODY_APPOINT) {
        struct covey__custody_session *s =
            has_place(c, from) ? covey__custody_add(c, &m->session) : NULL;
        if (s != NULL) {
            covey__custody_appoint(c, s, from, m);
            return;
        }
        answer.type = COVEY_CUSTODY_ACCEPT;
        answer.epoch = m->epoch;
        answer.deed.version = m->deed.version;
    } else if (m->type != COVEY_CUSTODY_LEASE && m->type != COVEY_CUSTODY_CANVASS &&
               m->type != COVEY_CUSTODY_CLOSE) {
        return;
    }
    (void)covey__custody_send(c, from, &answer); /* asked again when it got lost */
}

/* Ended here: who asks to own it is told that, who owns it that this device knows nothing of it. */
static void ended(struct covey_custody *c, struct covey__custody_session *s,
                  const struct covey_node_id *from, const struct covey_custody_message *m)
{
    if (m->type == COVEY_CUSTODY_ABSENT) {
        struct covey__keeper *k = covey__custody_keeper(s, from);
        if (k != NULL) {
            covey__custody_drop_keeper(s, k);
        }
    } else if (m->type == COVEY_CUSTODY_CANVASS) {
        covey__custody_say(c, s, from, COVEY_CUSTODY_CLOSE);
    } else if (m->type == COVEY_CUSTODY_LEASE || m->type == COVEY_CUSTODY_APPOINT ||
               m->type == COVEY_CUSTODY_CLOSE) {
        struct covey_custody_message answer = {.type = COVEY_CUSTODY_ABSENT, .session = m->session};
        (void)covey__custody_send(c, from, &answer);
    }
}

static void route(struct covey_custody *c, struct covey__custody_session *s,
                  const struct covey_node_id *from, const struct covey_custody_message *m)
{
    switch (m->type) {
    case COVEY_CUSTODY_APPOINT:
        covey__custody_appoint(c, s, from, m);
        break;
    case COVEY_CUSTODY_ACCEPT:
        covey__custody_accepted(c, s, from, m);
        break;
    case COVEY_CUSTODY_LEASE:
        covey__custody_lease(c, s, from, m);
        break;
    case COVEY_CUSTODY_GRANT:
        covey__custody_granted(c, s, from, m);
        break;
    case COVEY_CUSTODY_CANVASS:
        covey__custody_canvass(c, s, from, m);
        break;
    case COVEY_CUSTODY_VOTE:
        covey__custody_vote(c, s, from, m);
        break;
    case COVEY_CUSTODY_CLOSE:
        covey__custody_close(c, s, from, m);
        break;
    case COVEY_CUSTODY_ABSENT:
        covey__custody_absent(c, s, from, m);
        break;
    case COVEY_CUSTODY_STATE:
    case COVEY_CUSTODY_APPOINT_STOPPED:
    case COVEY_CUSTODY_STATE_STOPPED:
    case COVEY_CUSTODY_NONE:
        break;
    }
}

covey_err covey__custody_message(struct covey_custody *c, const struct covey_custody_view *view,
                                 const struct covey_node_id *peer,
                                 const struct covey_custody_message *message,
                                 struct covey_update *out)
{
    begin(c, view, out);
    struct covey__custody_session *s = covey__custody_find(c, &message->session);
    if (s == NULL) {
        unknown(c, peer, message);
    } else if (s->role == COVEY__CUSTODY_CLOSING || s->role == COVEY__CUSTODY_ENDING) {
        ended(c, s, peer, message);
    } else {
        route(c, s, peer, message);
    }
    tick(c);
    return COVEY_OK;
}

/* Who is back is told at once what it missed. */
covey_err covey__custody_peer(struct covey_custody *c, const struct covey_custody_view *view,
                              const struct covey_node_id *peer, enum covey_peer_state state,
                              struct covey_update *out)
{
    begin(c, view, out);
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX && state == COVEY_PEER_UP; i++) {
        struct covey__custody_session *s = &c->session[i];
        struct covey__keeper *k =
            s->role == COVEY__CUSTODY_FREE ? NULL : covey__custody_keeper(s, peer);
        if (k != NULL) {
            k->sent_version = 0;
            s->asked_ms = 0;
            s->close_ms = 0;
        }
    }
    tick(c);
    return COVEY_OK;
}

covey_err covey__custody_tick(struct covey_custody *c, const struct covey_custody_view *view,
                              struct covey_update *out)
{
    begin(c, view, out);
    tick(c);
    return COVEY_OK;
}

static uint64_t deadline_of(const struct covey_custody *c, const struct covey__custody_session *s)
{
    uint64_t at = UINT64_MAX;
    switch (s->role) {
    case COVEY__CUSTODY_FREE:
        return UINT64_MAX;
    case COVEY__CUSTODY_OWNER:
        at = s->keepers > 0 ? s->asked_ms + COVEY__LEASE_ASK_MS : at;
        at = s->told_lease_ms != 0 && s->told_lease_ms < at ? s->told_lease_ms : at;
        break;
    case COVEY__CUSTODY_CLOSING:
        at = s->close_ms;
        break;
    case COVEY__CUSTODY_CUSTODIAN:
    case COVEY__CUSTODY_POLLING:
    case COVEY__CUSTODY_CANDIDATE:
        if (!covey__custody_member(c, s)) {
            at = s->heard_ms + COVEY__ORPHAN_MS;
        } else if (covey__custody_rests(s)) {
            at = s->wait_ms;
        } else if (!s->owes_canvass) {
            at = s->wait_ms > s->promise_ms ? s->wait_ms : s->promise_ms;
        }
        at = s->resume_ms != 0 && s->resume_ms < at ? s->resume_ms : at;
        break;
    case COVEY__CUSTODY_ENDING:
        return 0;
    }
    bool due = s->dirty && s->deed.version != 0 && s->write == 0;
    return due && s->write_ms < at ? s->write_ms : at;
}

uint64_t covey__custody_deadline_ms(const struct covey_custody *c)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        uint64_t own = deadline_of(c, &c->session[i]);
        at = own < at ? own : at;
    }
    return at;
}
