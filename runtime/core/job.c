/* SPDX-License-Identifier: MIT */
#include "job.h"

#include "job_state.h"

size_t covey__job_size(void)
{
    return sizeof(struct covey_job);
}

size_t covey__job_session_bytes(void)
{
    return sizeof(struct covey__session);
}

void covey__job_init(struct covey_job *job, const struct covey_node_id *self, uint64_t seed)
{
    /* The tables are megabytes that a node without sessions never touches: only marks are set. */
    job->deadline_ms = UINT64_MAX;
    job->seed = seed;
    job->request_end = job->session_end = 0;
    memset(job->peer, 0, sizeof(job->peer));
    memset(job->request, 0, sizeof(job->request));
    for (unsigned i = 0; i < COVEY_SESSIONS_MAX; i++) {
        job->session[i].used = false;
    }
    job->peer[0].used = true;
    job->peer[0].id = *self;
    job->peer[0].state = COVEY_PEER_UP;
}

uint64_t covey__job_deadline_ms(const struct covey_job *job)
{
    return job->deadline_ms;
}

void covey__job_wake(struct covey_job *job, uint64_t at_ms)
{
    if (at_ms < job->deadline_ms) {
        job->deadline_ms = at_ms;
    }
}

struct covey_fence covey__job_fence(const struct covey__session *session,
                                    const struct covey__version *version)
{
    struct covey_fence fence = {session->id, session->epoch, version->number};
    return fence;
}

bool covey__job_release(struct covey__turn *turn, covey_handle body)
{
    return covey__update_release(turn->out, &body);
}

uint16_t covey__job_peer_find(const struct covey_job *job, const struct covey_node_id *id)
{
    for (uint16_t i = 0; i < COVEY__JOB_PEERS; i++) {
        if (job->peer[i].used && covey_node_id_equal(&job->peer[i].id, id)) {
            return i;
        }
    }
    return COVEY__JOB_NO_PEER;
}

uint16_t covey__peer_keep(struct covey_job *job, const struct covey_node_id *id)
{
    uint16_t found = covey__job_peer_find(job, id);
    for (uint16_t i = 1; found == COVEY__JOB_NO_PEER && i < COVEY__JOB_PEERS; i++) {
        if (!job->peer[i].used) {
            found = i;
        }
    }
    for (uint16_t i = 1; found == COVEY__JOB_NO_PEER && i < COVEY__JOB_PEERS; i++) {
        if (job->peer[i].plans == 0 && job->peer[i].state != COVEY_PEER_UP && !job->peer[i].lied) {
            found = i;
            job->peer[i].used = false;
        }
    }
    if (found != COVEY__JOB_NO_PEER && !job->peer[found].used) {
        memset(&job->peer[found], 0, sizeof(job->peer[found]));
        job->peer[found].used = true;
        job->peer[found].state = COVEY_PEER_NO_CHANNEL;
        job->peer[found].id = *id;
    }
    return found;
}

enum covey_peer_state covey__peer_state(const struct covey_job *job, uint16_t peer)
{
    return peer == COVEY__JOB_NO_PEER ? COVEY_PEER_GONE : job->peer[peer].state;
}

bool covey__peer_is_there(const struct covey__turn *turn, uint16_t peer)
{
    if (peer == COVEY__JOB_NO_PEER || turn->job->peer[peer].lied ||
        turn->job->peer[peer].state == COVEY_PEER_GONE) {
        return false;
    }
    for (unsigned i = 0; i < turn->view->devices; i++) {
        if (covey_node_id_equal(&turn->view->device[i].id, &turn->job->peer[peer].id)) {
            return true;
        }
    }
    return false;
}

bool covey__job_lied(const struct covey_job *job, const struct covey_node_id *peer)
{
    uint16_t index = covey__job_peer_find(job, peer);
    return index != COVEY__JOB_NO_PEER && job->peer[index].lied;
}

void covey__job_distrust(struct covey_job *job, const struct covey_node_id *peer)
{
    uint16_t index = covey__job_peer_find(job, peer);
    if (index != COVEY__JOB_NO_PEER && index != 0) {
        job->peer[index].lied = true;
    }
}

bool covey__peer_dial(struct covey__turn *turn, uint16_t peer)
{
    struct covey__job_peer_entry *entry = &turn->job->peer[peer];
    if (turn->now_ms >= entry->dial_ms) {
        struct covey_action *action = covey__update_add(turn->out, COVEY_ACTION_DIAL);
        if (action == NULL) {
            return false;
        }
        action->peer = entry->id;
        action->has_peer = true;
        entry->dial_ms = turn->now_ms + COVEY__JOB_RETRY_MS;
    }
    covey__job_wake(turn->job, entry->dial_ms);
    return true;
}

/* Requests first: an answer must not wait for a plan. */
static void pump(struct covey__turn *turn)
{
    struct covey_job *job = turn->job;
    job->deadline_ms = UINT64_MAX;
    for (unsigned i = 0; i < job->request_end; i++) {
        if (job->request[i].used && !covey__request_pump(turn, &job->request[i])) {
            covey__job_wake(job, turn->now_ms);
        }
    }
    for (unsigned i = 0; i < job->session_end; i++) {
        if (job->session[i].used && !covey__session_pump(turn, &job->session[i])) {
            covey__job_wake(job, turn->now_ms);
        }
    }
    while (job->request_end > 0 && !job->request[job->request_end - 1].used) {
        job->request_end--;
    }
    while (job->session_end > 0 && !job->session[job->session_end - 1].used) {
        job->session_end--;
    }
}

bool covey__job_owns(const struct covey_job *job, const struct covey_work_tile *tile)
{
    for (unsigned i = 0; i < job->session_end; i++) {
        const struct covey__session *session = &job->session[i];
        if (!session->used || session->epoch != tile->fence.epoch ||
            !covey_session_id_equal(&session->id, &tile->fence.session)) {
            continue;
        }
        for (unsigned v = 0; v < COVEY__JOB_VERSIONS; v++) {
            const struct covey__version *version = &session->version[v];
            if (version->state != COVEY__VERSION_FREE && version->number == tile->fence.version) {
                return tile->run < version->plan.runs &&
                       tile->segment == version->plan.run[tile->run].segments;
            }
        }
    }
    return false;
}

static struct covey__turn turn_of(struct covey_job *job, const struct covey_job_view *view,
                                  struct covey_update *out)
{
    struct covey__turn turn = {job, view, out, view->now_ms};
    return turn;
}

covey_err covey__job_event(struct covey_job *job, const struct covey_job_view *view,
                           const struct covey_event *event, struct covey_update *out)
{
    struct covey__turn turn = turn_of(job, view, out);
    covey_err err = COVEY_ERR_UNSUPPORTED;
    if (event->type == COVEY_EVENT_SESSION_OPEN) {
        err = covey__session_open(&turn, event);
    } else if (event->type == COVEY_EVENT_SESSION_CLOSE) {
        err = covey__session_close(&turn, event);
    } else if (event->type == COVEY_EVENT_PLANNED) {
        err = covey__session_planned(&turn, event);
    } else if (event->type == COVEY_EVENT_PREPARED) {
        err = covey__session_prepared(&turn, event);
    } else if (event->type == COVEY_EVENT_REQUEST_BEGIN) {
        err = covey__request_begin(&turn, event);
    } else if (event->type == COVEY_EVENT_LAYER) {
        err = covey__request_layer(&turn, event);
    } else if (event->type == COVEY_EVENT_COMPUTED_LOCAL) {
        err = covey__request_computed(&turn, event);
    } else if (event->type == COVEY_EVENT_LIED) {
        err = covey__request_lied(&turn, event);
    } else if (event->type == COVEY_EVENT_TILES) {
        err = covey__job_tiles_begin(&turn, event);
    } else if (event->type == COVEY_EVENT_TILES_CUT) {
        err = covey__job_tiles_cut(&turn, event);
    } else if (event->type == COVEY_EVENT_REQUEST_END) {
        err = covey__request_end(&turn, event);
    }
    pump(&turn);
    return err;
}

covey_err covey__job_message(struct covey_job *job, const struct covey_job_view *view,
                             const struct covey_incoming *in, struct covey_update *out)
{
    struct covey__turn turn = turn_of(job, view, out);
    if (in->message->type == COVEY_WORK_ANSWER) {
        covey__request_answer(&turn, in);
    } else if (in->message->type != COVEY_WORK_PIECE || !covey__job_tiles_piece(&turn, in)) {
        bool released = covey__job_release(&turn, in->body);
        (void)released; /* node.c gives an empty update, so there is room. */
        if (in->message->type == COVEY_WORK_STALLED) {
            covey__job_tiles_stalled(&turn, in);
        } else {
            covey__session_message(&turn, in);
        }
    }
    pump(&turn);
    return COVEY_OK;
}

covey_err covey__job_peer(struct covey_job *job, const struct covey_job_view *view,
                          const struct covey_node_id *peer, enum covey_peer_state state,
                          struct covey_update *out)
{
    struct covey__turn turn = turn_of(job, view, out);
    uint16_t index = covey__peer_keep(job, peer);
    if (index == 0) {
        return COVEY_OK;
    }
    if (index != COVEY__JOB_NO_PEER && job->peer[index].state != state) {
        bool was_up = job->peer[index].state == COVEY_PEER_UP;
        job->peer[index].state = state;
        job->peer[index].late = 0;
        /* Requests that go on without it go first. */
        job->peer[index].dial_ms = was_up ? turn.now_ms + COVEY__JOB_DIAL_MS : 0;
        if (state != COVEY_PEER_UP) {
            covey__request_peer(job, index);
            covey__session_peer(job, index);
        } else {
            job->peer[index].avoid_ms = 0;
            covey__refuse_forget(&turn, index);
        }
    }
    pump(&turn);
    return index == COVEY__JOB_NO_PEER ? COVEY_ERR_LIMIT : COVEY_OK;
}

covey_err covey__job_tick(struct covey_job *job, const struct covey_job_view *view,
                          struct covey_update *out)
{
    struct covey__turn turn = turn_of(job, view, out);
    pump(&turn);
    return COVEY_OK;
}
