/* SPDX-License-Identifier: MIT */
#include "job_state.h"

struct covey__request *covey__request_find(struct covey_job *job, uint64_t id)
{
    for (unsigned i = 0; i < job->request_end; i++) {
        if (job->request[i].used && !job->request[i].ending && job->request[i].id == id) {
            return &job->request[i];
        }
    }
    return NULL;
}

bool covey__job_has_requests(const struct covey_job *job)
{
    for (unsigned i = 0; i < job->request_end; i++) {
        if (job->request[i].used) {
            return true;
        }
    }
    return false;
}

bool covey__request_beside(const struct covey_job *job, struct covey__request *request)
{
    uint16_t count = 0;
    for (unsigned i = 0; i < job->request_end; i++) {
        count = (uint16_t)(count + (job->request[i].used && !job->request[i].ending));
    }
    bool more = count > request->beside;
    request->beside = more ? count : request->beside;
    return more;
}

static void count_answer(struct covey__turn *turn, uint16_t peer)
{
    struct covey__job_peer_entry *entry = &turn->job->peer[peer];
    entry->late -= entry->late > 0;
    entry->heard_ms = turn->now_ms;
}

covey_err covey__request_begin(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey_job *job = turn->job;
    struct covey__session *session = covey__session_find(job, &event->fence);
    if (session == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    struct covey__version *version = covey__version_active(session);
    if (version == NULL) {
        return COVEY_ERR_STATE;
    }
    if (covey__request_find(job, event->request) != NULL) {
        return COVEY_ERR_EXISTS;
    }
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey__request *request = &job->request[i];
        if (request->used) {
            continue;
        }
        memset(request, 0, sizeof(*request));
        request->used = true;
        job->request_end = i >= job->request_end ? i + 1 : job->request_end;
        request->id = event->request;
        request->session = (uint8_t)(session - job->session);
        request->version = (uint8_t)(version - session->version);
        version->requests++;
        return COVEY_OK;
    }
    return COVEY_ERR_LIMIT;
}

covey_err covey__request_end(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    if (request == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    request->ending = true;
    return COVEY_OK;
}

covey_err covey__request_computed(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    turn->job->peer[0].late = 0;
    turn->job->peer[0].heard_ms = turn->now_ms;
    covey_handle body = event->err == COVEY_OK ? event->body : 0;
    if (request != NULL && request->running && request->layer == event->layer) {
        const struct covey__version *version = covey__request_version(turn->job, request);
        uint64_t own[COVEY_LAYER_SLOTS_MAX / 64] = {0};
        if (version->self != COVEY__JOB_NO_DEVICE) {
            covey__layer_slots(&version->plan.layer[event->layer], version->self, own);
            struct covey__out *out = &request->out[version->self];
            if (out->state == COVEY__OUT_ASKED && memcmp(own, event->slots, sizeof(own)) == 0) {
                out->state = body == 0 ? COVEY__OUT_FAILED : COVEY__OUT_ANSWERED;
                out->answer = body;
                return COVEY_OK;
            }
        }
        if (request->local == COVEY__LOCAL_ASKED && body != 0 &&
            memcmp(request->local_slots, event->slots, sizeof(own)) == 0) {
            request->local = COVEY__LOCAL_DONE;
            request->local_body = body;
            return COVEY_OK;
        }
    }
    return covey__job_release(turn, event->body) ? COVEY_OK : COVEY_ERR_SPACE;
}

/* A device whose answer cannot be used is not asked again before it took its assignment anew. */
static void refuse(struct covey__turn *turn, struct covey__version *version, unsigned device,
                   struct covey__out *out)
{
    out->state = COVEY__OUT_FAILED;
    if (version->holder[device] == COVEY__HOLDER_READY) {
        version->holder[device] = COVEY__HOLDER_IDLE;
        version->retry_ms[device] = turn->now_ms + COVEY__JOB_RETRY_MS;
    }
}

static bool is_right(const struct covey__turn *turn, const struct covey__request *request,
                     unsigned device, const struct covey_incoming *in)
{
    const struct covey_work_answer *answer = &in->message->answer;
    const struct covey__session *session = &turn->job->session[request->session];
    const struct covey__version *version = &session->version[request->version];
    const struct covey_plan_layer *layer = &version->plan.layer[request->layer];
    size_t slots = 0;
    for (unsigned slot = 0; slot < layer->slots; slot++) {
        slots += layer->holder[slot] == device;
    }
    struct covey_plan_cost cost;
    bool fits = covey_plan_slot_cost(&session->costs.cost[request->layer], layer, &cost);
    uint64_t bytes = fits ? slots * cost.answer_bytes : UINT64_MAX;
    return answer->status == COVEY_WORK_STATUS_DONE && answer->layer == request->layer &&
           covey_session_id_equal(&answer->fence.session, &session->id) &&
           answer->fence.epoch == session->epoch && answer->fence.version == version->number &&
           in->body != 0 && in->body_len == (version->plan.half ? bytes / 2 : bytes);
}

/* True: it is what this request waits for, and the body was taken. */
static bool take_answer(struct covey__turn *turn, struct covey__request *request,
                        const struct covey_incoming *in, bool *out_taken)
{
    struct covey__version *version = covey__request_version(turn->job, request);
    uint8_t d = covey__version_device(turn->job, version, &in->peer);
    if ((!request->running && !request->feeding) || d == COVEY__JOB_NO_DEVICE ||
        request->out[d].state != COVEY__OUT_ASKED ||
        request->out[d].work != in->message->answer.work) {
        return false;
    }
    *out_taken = is_right(turn, request, d, in);
    if (*out_taken) {
        turn->job->peer[version->peer[d]].late = 0;
        request->out[d].state = COVEY__OUT_ANSWERED;
        request->out[d].answer = in->body;
    } else if (covey__feed_refused(request, d)) {
        covey__relay_refused(turn, request, d);
    } else {
        refuse(turn, version, d, &request->out[d]);
    }
    turn->job->peer[version->peer[d]].heard_ms = turn->now_ms;
    return true;
}

covey_err covey__request_lied(struct covey__turn *turn, const struct covey_event *event)
{
    struct covey__request *request = covey__request_find(turn->job, event->request);
    uint16_t peer = covey__job_peer_find(turn->job, &event->peer);
    if (peer == COVEY__JOB_NO_PEER || peer == 0) {
        return COVEY_ERR_NOT_FOUND;
    }
    turn->job->peer[peer].lied = true;
    if (request != NULL) {
        covey__request_session(turn->job, request)->replan_ms = turn->now_ms;
    }
    return COVEY_OK;
}

/* It came after all: there is nothing to cancel. */
static void forget_stale(struct covey_job *job, struct covey__request *request,
                         const struct covey_incoming *in)
{
    const struct covey__version *version = covey__request_version(job, request);
    uint8_t d = covey__version_device(job, version, &in->peer);
    if (d != COVEY__JOB_NO_DEVICE && request->stale[d] == in->message->answer.work) {
        request->stale[d] = 0;
    }
}

void covey__request_answer(struct covey__turn *turn, const struct covey_incoming *in)
{
    struct covey__request *request = covey__request_find(turn->job, in->message->answer.request);
    bool taken = false;
    if (request == NULL || !take_answer(turn, request, in, &taken)) {
        uint16_t peer = covey__job_peer_find(turn->job, &in->peer);
        if (peer != COVEY__JOB_NO_PEER) {
            count_answer(turn, peer);
        }
        if (request != NULL) {
            forget_stale(turn->job, request, in);
        }
    }
    if (!taken) {
        bool released = covey__job_release(turn, in->body);
        (void)released; /* node.c gives an empty update, so there is room. */
    }
}

void covey__request_peer(struct covey_job *job, uint16_t peer)
{
    for (unsigned i = 0; i < COVEY_REQUESTS_MAX; i++) {
        struct covey__request *request = &job->request[i];
        if (!request->used) {
            continue;
        }
        const struct covey__version *version = covey__request_version(job, request);
        for (unsigned d = 0; d < version->plan.devices; d++) {
            enum covey__out_state state = request->out[d].state;
            if (version->peer[d] != peer) {
                continue;
            }
            if (state == COVEY__OUT_TO_ASK || state == COVEY__OUT_ASKED) {
                request->out[d].state = COVEY__OUT_FAILED;
                request->out[d].dead = true;
            }
            request->stale[d] = 0;
            covey__relay_lost(request, d);
            covey__job_tiles_peer(request, d);
        }
    }
}
