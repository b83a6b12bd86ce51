/* SPDX-License-Identifier: MIT */
#include "custody_state.h"

/* A stop by hand is one more deed. It counts like any other: whoever wins later has it or a newer
 * one, so that a session goes on after it only where a majority had not heard of it. Going on by
 * hand is an election that a person begins: an epoch of a session has one owner, whoever asked. */

bool covey__custody_rests(const struct covey__custody_session *s)
{
    return s->deed.stopped && s->resume_ms == 0;
}

covey_err covey__custody_stop(const struct covey_custody *c, struct covey__custody_session *s)
{
    if (s->deed.stopped) {
        return COVEY_OK;
    }
    s->deed.stopped = true;
    s->offered = ++s->deed.version;
    s->dirty = true;
    s->lease_ms = 0;
    s->told_lease_ms = 0; /* session has ended it: nothing more is to be told */
    s->heard_ms = c->view->now_ms;
    return COVEY_OK;
}

void covey__custody_retire(struct covey_custody *c, struct covey__custody_session *s)
{
    covey__custody_step_down(c, s);
    s->has_owner = false;
    s->owes_loss = false;
    s->promise_ms = c->view->now_ms; /* nothing runs that it could wait for */
    s->wait_ms = c->view->now_ms + COVEY__REST_ASK_MS;
}

void covey__custody_rest_tick(struct covey_custody *c, struct covey__custody_session *s)
{
    if (c->view->now_ms >= s->wait_ms) {
        s->wait_ms = c->view->now_ms + COVEY__REST_ASK_MS;
        s->absent_count = 0;
        covey__custody_ask(c, s, false);
    }
}

covey_err covey__custody_resume(struct covey_custody *c, struct covey__custody_session *s)
{
    if (s->role == COVEY__CUSTODY_OWNER && !s->deed.stopped) {
        return COVEY_ERR_EXISTS;
    }
    if (!covey__custody_member(c, s)) {
        return COVEY_ERR_DENIED;
    }
    if (s->role == COVEY__CUSTODY_OWNER) {
        covey__custody_retire(c, s);
    }
    s->resume_ms = c->view->now_ms + COVEY__RESUME_MS;
    s->wait_ms = c->view->now_ms;
    s->owes_refusal = false;
    return COVEY_OK;
}

void covey__custody_refuse(struct covey__custody_session *s, covey_err why)
{
    if (s->resume_ms == 0) {
        return;
    }
    s->resume_ms = 0;
    s->owes_refusal = true;
    s->why_refused = why;
    if (s->deed.stopped && s->role != COVEY__CUSTODY_ENDING) {
        s->role = COVEY__CUSTODY_CUSTODIAN; /* votes that come later change nothing */
        s->owes_canvass = false;
        s->absent_count = 0;
    }
}

void covey__custody_end_stopped(struct covey_custody *c, struct covey__custody_session *s)
{
    covey__custody_know_members(c, s);
    covey__custody_end(c, s);
}

void covey__custody_make_room(struct covey_custody *c)
{
    struct covey__custody_session *oldest = NULL;
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        struct covey__custody_session *s = &c->session[i];
        if (s->role == COVEY__CUSTODY_FREE || s->role == COVEY__CUSTODY_ENDING) {
            return;
        }
        bool rests = covey__custody_rests(s) && s->role != COVEY__CUSTODY_CLOSING;
        oldest = rests && (oldest == NULL || s->heard_ms < oldest->heard_ms) ? s : oldest;
    }
    if (oldest != NULL) {
        covey__custody_forget(oldest);
        oldest->end = COVEY_ERR_LIMIT;
        covey__custody_settle(c, oldest);
    }
}
