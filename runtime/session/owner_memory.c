/* SPDX-License-Identifier: MIT */
#include "owner_state.h"

/* What sessions and requests take of the node's account beside their models. A session has memory
 * for one run as long as it is open, so that one request of it can be computed whatever else the
 * node holds; others begin at once where there is memory for them, else behind it. */

struct covey_session *covey__owner_make_room(struct covey_owner *o, uint64_t idle_ms)
{
    uint64_t now_ms = covey_loop_now_ms(o->services->loop);
    struct covey_session *oldest = NULL;
    for (size_t i = 0; i < COVEY_SESSIONS_MAX; i++) {
        struct covey_session *s = &o->session[i];
        if (covey__session_is_idle(s) && now_ms - s->used_ms >= idle_ms &&
            (oldest == NULL || s->used_ms < oldest->used_ms)) {
            oldest = s;
        }
    }
    if (oldest != NULL) {
        covey__owner_close(oldest);
    }
    return oldest;
}

/* What nobody has used for a while goes first; then the model is read layer by layer, which takes
 * little, but time; then goes whatever is idle. What is left then is at work, of others or its own,
 * and may end while this waits for it. */
bool covey__session_load_again(struct covey_session *s)
{
    const struct covey_services *services = s->owner->services;
    bool room = covey__owner_make_room(s->owner, s->apart ? 0 : COVEY_SESSION_RECENT_MS) != NULL;
    if (room || !s->apart) {
        s->apart = s->apart || !room;
        covey__pool_submit(services->background, &s->load);
        return true;
    }
    uint64_t now_ms = covey_loop_now_ms(services->loop);
    s->roomless_ms = s->roomless_ms == 0 ? now_ms : s->roomless_ms;
    s->awaits_room = now_ms - s->roomless_ms < COVEY_SESSION_RECENT_MS &&
                     atomic_load(&services->memory.used_bytes) > 0;
    s->load_err = COVEY_ERR_NOMEM;
    return s->awaits_room;
}

void covey__session_load_awaited(struct covey_session *s)
{
    if (s->awaits_room) {
        s->awaits_room = false;
        s->apart = false;
        covey__pool_submit(s->owner->services->background, &s->load);
    }
}

uint64_t covey__session_room(const struct covey_owner *o, const struct covey_coded *coded)
{
    const struct covey_account *account = &o->services->memory;
    uint64_t used = atomic_load(&account->used_bytes);
    uint64_t own = covey__coded_own_bytes(coded);
    uint64_t others = used > own ? used - own : 0;
    return account->limit_bytes > others ? account->limit_bytes - others : 0;
}

covey_err covey__session_take(struct covey_session *s)
{
    struct covey_account *account = &s->owner->services->memory;
    uint64_t bytes = covey_model_memory(s->file->model);
    if (!covey__account_take_for(account, "a request of this model", bytes, &s->why)) {
        return COVEY_ERR_BUSY;
    }
    covey__account_table(account, covey_node_session_bytes() + sizeof(*s));
    s->run_bytes = bytes;
    return COVEY_OK;
}

void covey__session_give(struct covey_session *s)
{
    struct covey_account *account = &s->owner->services->memory;
    covey_run_free(s->free_run);
    s->free_run = NULL;
    if (s->run_bytes != 0) {
        covey__account_table_give(account, covey_node_session_bytes() + sizeof(*s));
        covey__account_give(account, s->run_bytes);
    }
    s->run_bytes = 0;
}

/* Counted are those that run and the free one; where there is neither, one. */
bool covey__request_take_run(struct covey_request *r)
{
    struct covey_session *s = r->session;
    struct covey_owner *o = s->owner;
    if (s->free_run == NULL && s->running > 0 &&
        !covey__account_take(&o->services->memory, s->run_bytes)) {
        o->scarce = true;
        return false;
    }
    r->run = s->free_run;
    s->free_run = NULL;
    s->running++;
    r->has_run = true;
    return true;
}

void covey__request_give_run(struct covey_request *r, bool kept)
{
    struct covey_session *s = r->session;
    if (!r->has_run) {
        return;
    }
    s->running--;
    r->has_run = false;
    if (kept && r->run != NULL && s->free_run == NULL) {
        s->free_run = r->run;
    } else {
        covey_run_free(r->run);
        bool other = s->running > 0 || s->free_run != NULL;
        covey__account_give(&s->owner->services->memory, other ? s->run_bytes : 0);
    }
    r->run = NULL;
}
