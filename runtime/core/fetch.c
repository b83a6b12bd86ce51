/* SPDX-License-Identifier: MIT */
#include "fetch.h"

#include "fetch_state.h"

size_t covey__fetch_size(void)
{
    return sizeof(struct covey_fetch);
}

void covey__fetch_init(struct covey_fetch *f, const struct covey_node_id *self)
{
    /* The tables that a node without assignments never touches are not touched here either. */
    f->self = *self;
    f->now_ms = 0;
    f->out = NULL;
    f->jobs = 0;
    memset(f->job, 0, sizeof(f->job));
    memset(f->source, 0, sizeof(f->source));
    memset(f->bucket, 0xff, sizeof(f->bucket));
    covey__fetch_list_init(&f->later);
    f->storing_bytes = 0;
    f->fetched = (struct covey_fetched){0};
    f->most_bytes = UINT64_MAX;
    f->blobs_used = 0;
    f->free_blob = COVEY__FETCH_NONE;
    f->parked_used = f->parked_count = 0;
    f->parked_ms = UINT64_MAX;
}

void covey__fetch_limit(struct covey_fetch *f, uint64_t bytes)
{
    f->most_bytes = bytes;
}

/* ---- blobs by digest ---- */

static uint16_t *bucket_of(struct covey_fetch *f, const struct covey_digest *digest)
{
    return &f->bucket[covey_load16(digest->bytes + 8) % COVEY__FETCH_BUCKETS];
}

struct covey__fetch_blob *covey__fetch_find(struct covey_fetch *f,
                                            const struct covey_digest *digest)
{
    for (uint16_t i = *bucket_of(f, digest); i != COVEY__FETCH_NONE; i = f->blob[i].chain) {
        if (covey_digest_equal(&f->blob[i].digest, digest)) {
            return &f->blob[i];
        }
    }
    return NULL;
}

static struct covey__fetch_blob *blob_new(struct covey_fetch *f, const struct covey_want *want)
{
    uint16_t index = f->free_blob;
    if (index != COVEY__FETCH_NONE) {
        f->free_blob = f->blob[index].chain;
    } else if (f->blobs_used < COVEY__FETCH_BLOBS) {
        index = f->blobs_used++;
    } else {
        return NULL;
    }
    struct covey__fetch_blob *blob = &f->blob[index];
    uint16_t *bucket = bucket_of(f, &want->digest);
    memset(blob, 0, sizeof(*blob));
    blob->digest = want->digest;
    blob->len = want->len;
    blob->primary = COVEY__FETCH_SOURCES;
    blob->prev = blob->next = COVEY__FETCH_NONE;
    blob->chain = *bucket;
    *bucket = index;
    return blob;
}

static void end_storing(struct covey_fetch *f, struct covey__fetch_blob *blob)
{
    f->storing_bytes -= blob->storing;
    blob->storing = 0;
}

static void blob_free(struct covey_fetch *f, struct covey__fetch_blob *blob)
{
    end_storing(f, blob);
    uint16_t index = (uint16_t)(blob - f->blob);
    uint16_t *link = bucket_of(f, &blob->digest);
    while (*link != index) {
        link = &f->blob[*link].chain;
    }
    *link = blob->chain;
    blob->state = COVEY__BLOB_FREE;
    blob->chain = f->free_blob;
    f->free_blob = index;
}

/* ---- jobs ---- */

/* Takes the blob from all its jobs. */
static void settle(struct covey_fetch *f, struct covey__fetch_blob *blob, covey_err err)
{
    covey__fetch_unlink(f, blob);
    for (unsigned j = 0; j < COVEY__FETCH_JOBS; j++) {
        if ((blob->jobs >> j & 1) != 0) {
            f->job[j].left--;
            f->job[j].err = err != COVEY_OK ? err : f->job[j].err;
        }
    }
    blob_free(f, blob);
}

void covey__fetch_fail(struct covey_fetch *f, struct covey__fetch_blob *blob, covey_err err)
{
    settle(f, blob, err);
}

static void job_free(struct covey_fetch *f, struct covey__fetch_job *job)
{
    uint64_t bit = 1ull << (job - f->job);
    for (uint16_t i = 0; job->left > 0 && i < f->blobs_used; i++) {
        struct covey__fetch_blob *blob = &f->blob[i];
        if (blob->state == COVEY__BLOB_FREE || (blob->jobs & bit) == 0) {
            continue;
        }
        blob->jobs &= ~bit;
        job->left--;
        if (blob->jobs == 0) {
            covey__fetch_unlink(f, blob);
            blob_free(f, blob);
        } else if (blob->state == COVEY__BLOB_QUEUED) {
            covey__fetch_unlink(f, blob); /* its source was perhaps known to this job alone */
            covey__fetch_route(f, blob);
        }
    }
    if (job->owner_source < COVEY__FETCH_SOURCES) {
        f->source[job->owner_source].jobs--;
    }
    for (unsigned d = 0; d < job->devices; d++) {
        if (job->device[d] < COVEY__FETCH_SOURCES) {
            f->source[job->device[d]].jobs--;
        }
    }
    job->used = false;
    f->jobs--;
}

/* Ended ones tell it; the rest goes on in the next update when this one is full. */
static void tell_ended(struct covey_fetch *f)
{
    for (unsigned j = 0; j < COVEY__FETCH_JOBS; j++) {
        struct covey__fetch_job *job = &f->job[j];
        if (!job->used || job->left > 0 || f->now_ms < job->since_ms) {
            continue;
        }
        struct covey_action *action = covey__update_add(f->out, COVEY_ACTION_FETCHED);
        if (action == NULL) {
            return;
        }
        action->peer = job->owner;
        action->has_peer = true;
        action->fence = job->fence;
        action->err = job->err;
        job_free(f, job);
    }
}

static bool is_job(const struct covey__fetch_job *job, const struct covey_node_id *owner,
                   const struct covey_fence *fence)
{
    return job->used && covey_node_id_equal(&job->owner, owner) &&
           covey_session_id_equal(&job->fence.session, &fence->session);
}

static uint8_t use_source(struct covey_fetch *f, const struct covey_node_id *id)
{
    uint8_t source =
        covey_node_id_equal(id, &f->self) ? COVEY__FETCH_SOURCES : covey__fetch_source_new(f, id);
    if (source < COVEY__FETCH_SOURCES) {
        f->source[source].jobs++;
    }
    return source;
}

static struct covey__fetch_job *job_new(struct covey_fetch *f, const struct covey_event *event)
{
    struct covey__fetch_job *job = NULL;
    for (unsigned j = 0; j < COVEY__FETCH_JOBS; j++) {
        struct covey__fetch_job *other = &f->job[j];
        if (is_job(other, &event->peer, &event->fence) &&
            other->fence.epoch == event->fence.epoch &&
            other->fence.version == event->fence.version) {
            job_free(f, other);
        }
        job = other->used ? job : other;
    }
    if (job == NULL) {
        return NULL;
    }
    memset(job, 0, sizeof(*job));
    job->used = true;
    f->jobs++;
    job->once = event->type == COVEY_EVENT_FETCH && event->index != 0;
    job->owner = event->peer;
    job->fence = event->fence;
    job->since_ms = f->now_ms;
    job->owner_source = use_source(f, &event->peer);
    unsigned sources = event->bytes.ptr[0];
    for (unsigned i = 0; i < sources && i < COVEY_PLAN_DEVICES_MAX; i++) {
        struct covey_node_id id = covey_wants_source(event->bytes, i);
        job->device[job->devices++] = use_source(f, &id);
    }
    return job;
}

/* Who of the list has the blob, in its order; the primary is one of them by the digest, the same
 * at each of these devices. */
struct among {
    uint64_t sources;
    unsigned count;
    bool self;       /* this device is one of them: they all get it now */
    uint8_t primary; /* COVEY__FETCH_SOURCES: this device; meaningless without any */
};

static struct among among_of(const struct covey__fetch_job *job, const struct covey_want *want)
{
    struct among among = {.primary = COVEY__FETCH_SOURCES};
    uint8_t device[COVEY_PLAN_DEVICES_MAX];
    for (unsigned d = 0; d < job->devices; d++) {
        if ((want->sources >> d & 1) != 0) {
            device[among.count++] = job->device[d];
            among.sources |= job->device[d] < COVEY__FETCH_SOURCES ? 1ull << job->device[d] : 0;
            among.self = among.self || job->device[d] == COVEY__FETCH_SOURCES;
        }
    }
    if (among.count > 0) {
        among.primary = device[covey_load32(want->digest.bytes) % among.count];
    }
    return among;
}

/* Whether this device is the one that the others will ask for it. */
static bool is_primary(const struct covey__fetch_job *job, const struct covey_want *want)
{
    struct among among = among_of(job, want);
    return among.count > 0 && among.primary == COVEY__FETCH_SOURCES;
}

static void want_blob(struct covey_fetch *f, struct covey__fetch_job *job,
                      const struct covey_want *want)
{
    uint64_t bit = 1ull << (job - f->job);
    struct covey__fetch_blob *blob = covey__fetch_find(f, &want->digest);
    bool known = blob != NULL;
    blob = known ? blob : blob_new(f, want);
    if (blob == NULL || (blob->jobs & bit) != 0) {
        return; /* no room: named again after the others have come */
    }
    struct among among = among_of(job, want);
    blob->jobs |= bit;
    blob->lent = (!known || blob->lent) && among.count > 0 && !among.self;
    blob->among |= among.sources;
    blob->primary = blob->primary < COVEY__FETCH_SOURCES ? blob->primary : among.primary;
    job->left++;
    if (!known) {
        covey__fetch_route(f, blob);
    }
}

void covey__fetch_add(struct covey_fetch *f, const struct covey_event *event)
{
    struct covey__fetch_job *job = event->bytes.len > 0 ? job_new(f, event) : NULL;
    if (job == NULL) {
        return;
    }
    size_t count = covey_wants_count(event->bytes);
    for (unsigned pass = 0; pass < 2; pass++) { /* first what others wait for */
        for (size_t i = 0; i < count; i++) {
            struct covey_want want = covey_wants_get(event->bytes, i);
            if (is_primary(job, &want) == (pass == 0)) {
                want_blob(f, job, &want);
            }
        }
    }
    if (job->left == 0) {
        job->since_ms += COVEY__FETCH_ROUND_MS; /* all room is taken */
    }
}

void covey__fetch_retired(struct covey_fetch *f, const struct covey_node_id *owner,
                          const struct covey_fence *fence)
{
    for (unsigned j = 0; j < COVEY__FETCH_JOBS; j++) {
        struct covey__fetch_job *job = &f->job[j];
        if (is_job(job, owner, fence) &&
            (job->fence.epoch < fence->epoch ||
             (job->fence.epoch == fence->epoch && job->fence.version <= fence->version))) {
            job_free(f, job);
        }
    }
}

/* ---- what comes ---- */

/* Only what was asked for, of those who were asked; late, and from two at once, is fine. */
static bool take_give(struct covey_fetch *f, const struct covey_incoming *in)
{
    struct covey__fetch_blob *blob = covey__fetch_find(f, &in->message->give);
    uint8_t source = covey__fetch_source_of(f, &in->peer);
    if (blob == NULL || source == COVEY__FETCH_SOURCES || blob->state == COVEY__BLOB_STORING) {
        return false;
    }
    bool asked = blob->state == COVEY__BLOB_ASKED && blob->source == source;
    if (!asked && (blob->tried >> source & 1) == 0) {
        return false;
    }
    struct covey__fetch_source *s = &f->source[source];
    s->progress_ms = f->now_ms;
    if (asked && s->window < COVEY__FETCH_WINDOW_MAX) {
        s->window += in->body_len;
    }
    if (in->body == 0 || (blob->len != 0 && in->body_len != blob->len)) {
        s->lies++;
        covey__fetch_pass(f, blob, source);
        return false;
    }
    struct covey_action *action = covey__update_add(f->out, COVEY_ACTION_STORE);
    if (action == NULL) {
        covey__fetch_pass(f, blob, source);
        return false;
    }
    covey__fetch_unlink(f, blob);
    blob->state = COVEY__BLOB_STORING;
    blob->storing = (uint32_t)in->body_len; /* COVEY_BODY_MAX at most */
    f->storing_bytes += blob->storing;
    blob->source = source;
    action->peer = in->peer;
    action->has_peer = true;
    action->digest = blob->digest;
    action->body = in->body;
    return true;
}

static void take_lack(struct covey_fetch *f, const struct covey_incoming *in)
{
    struct covey_bytes digests = in->message->blobs.digests;
    uint8_t source = covey__fetch_source_of(f, &in->peer);
    for (size_t at = 0; at < digests.len; at += sizeof(struct covey_digest)) {
        struct covey_digest digest;
        memcpy(digest.bytes, digests.ptr + at, sizeof(digest.bytes));
        struct covey__fetch_blob *blob = covey__fetch_find(f, &digest);
        if (blob != NULL && blob->state == COVEY__BLOB_ASKED && blob->source == source) {
            f->source[source].progress_ms = f->now_ms;
            covey__fetch_pass(f, blob, source);
        }
    }
}

covey_err covey__fetch_message(struct covey_fetch *f, const struct covey_incoming *in,
                               uint64_t now_ms, struct covey_update *out)
{
    bool taken = false;
    f->now_ms = now_ms;
    f->out = out;
    if (in->message->type == COVEY_WORK_WANT) {
        covey__fetch_wanted(f, in);
    } else if (in->message->type == COVEY_WORK_GIVE) {
        taken = take_give(f, in);
    } else if (in->message->type == COVEY_WORK_LACK) {
        take_lack(f, in);
    }
    if (!taken && in->body != 0) {
        struct covey_action *action = covey__update_add(out, COVEY_ACTION_RELEASE);
        if (action == NULL) {
            return COVEY_ERR_SPACE;
        }
        action->body = in->body;
    }
    return COVEY_OK;
}

static void count_fetched(struct covey_fetch *f, const struct covey__fetch_blob *blob,
                          covey_err err)
{
    if (err == COVEY_OK && blob->state == COVEY__BLOB_STORING) {
        const struct covey__fetch_job *job = &f->job[__builtin_ctzll(blob->jobs)];
        bool owner = job->owner_source == blob->source;
        *(owner ? &f->fetched.owner_bytes : &f->fetched.others_bytes) += blob->storing;
    }
}

struct covey_fetched covey__fetch_fetched(const struct covey_fetch *f)
{
    return f->fetched;
}

static void stored(struct covey_fetch *f, const struct covey_event *event)
{
    struct covey__fetch_blob *blob = covey__fetch_find(f, &event->digest);
    if (event->err == COVEY_OK) {
        covey__fetch_here(f, &event->digest);
    }
    if (blob == NULL) {
        return; /* nobody here wants it any more */
    }
    count_fetched(f, blob, event->err);
    end_storing(f, blob);
    if (event->err == COVEY_ERR_AUTH && blob->state == COVEY__BLOB_STORING) {
        f->source[blob->source].lies++;
        covey__fetch_pass(f, blob, blob->source);
    } else if (event->err == COVEY_OK || blob->state == COVEY__BLOB_STORING) {
        settle(f, blob, event->err);
    }
}

void covey__fetch_event(struct covey_fetch *f, const struct covey_event *event,
                        struct covey_update *out)
{
    f->out = out;
    if (event->type == COVEY_EVENT_STORED) {
        stored(f, event);
    } else if (event->type == COVEY_EVENT_LACKED) {
        covey__fetch_lacked(f, event);
    }
}

void covey__fetch_peer(struct covey_fetch *f, const struct covey_node_id *peer,
                       enum covey_peer_state state)
{
    uint8_t source = covey__fetch_source_of(f, peer);
    if (state != COVEY_PEER_UP) {
        covey__fetch_gone(f, peer);
    }
    if (source == COVEY__FETCH_SOURCES || f->source[source].state == state) {
        return;
    }
    struct covey__fetch_source *s = &f->source[source];
    bool was_up = s->state == COVEY_PEER_UP;
    s->state = state;
    s->dialled_ms = 0;
    s->progress_ms = f->now_ms;
    if (state == COVEY_PEER_GONE || was_up) {
        covey__fetch_leave(f, source);
    }
}

void covey__fetch_growing(struct covey_fetch *f, const struct covey_node_id *peer, uint64_t now_ms)
{
    uint8_t source = f->jobs > 0 ? covey__fetch_source_of(f, peer) : COVEY__FETCH_SOURCES;
    if (source < COVEY__FETCH_SOURCES) {
        f->source[source].grown_ms = now_ms;
    }
}

void covey__fetch_tick(struct covey_fetch *f, uint64_t now_ms, struct covey_update *out)
{
    f->now_ms = now_ms;
    f->out = out;
    if (f->parked_count > 0) {
        covey__fetch_overdue(f);
    }
    if (f->jobs > 0) {
        covey__fetch_times(f);
        covey__fetch_ask(f);
        tell_ended(f);
    }
}

uint64_t covey__fetch_deadline_ms(const struct covey_fetch *f)
{
    uint64_t at = f->parked_count > 0 ? f->parked_ms : UINT64_MAX;
    for (unsigned j = 0; f->jobs > 0 && j < COVEY__FETCH_JOBS; j++) {
        const struct covey__fetch_job *job = &f->job[j];
        if (job->used && job->left == 0 && job->since_ms < at) {
            at = job->since_ms;
        }
    }
    uint64_t sources = f->jobs > 0 ? covey__fetch_source_deadline(f) : UINT64_MAX;
    return sources < at ? sources : at;
}
