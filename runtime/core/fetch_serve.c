/* SPDX-License-Identifier: MIT */
#include "fetch_state.h"

/* Digests that go out together, in the update's arena. */
struct batch {
    uint8_t *bytes;
    size_t count;
};

static void batch_add(struct batch *batch, const struct covey_digest *digest)
{
    memcpy(batch->bytes + batch->count++ * sizeof(*digest), digest->bytes, sizeof(*digest));
}

static struct covey_bytes batch_bytes(const struct batch *batch)
{
    return covey_bytes_of(batch->bytes, batch->count * sizeof(struct covey_digest));
}

/* No room only delays: who wants it asks another, or again. */
static void serve(struct covey_fetch *f, const struct covey_node_id *peer,
                  const struct batch *batch, bool at_once)
{
    struct covey_bytes bytes = batch_bytes(batch);
    struct covey_update *out = f->out;
    if (batch->count == 0 || bytes.len > sizeof(out->arena) - out->arena_len) {
        return;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_SERVE);
    if (action != NULL) {
        action->peer = *peer;
        action->has_peer = true;
        action->index = at_once;
        memcpy(out->arena + out->arena_len, bytes.ptr, bytes.len);
        action->bytes = covey_bytes_of(out->arena + out->arena_len, bytes.len);
        out->arena_len += bytes.len;
    }
}

static void lack(struct covey_fetch *f, const struct covey_node_id *peer, const struct batch *batch)
{
    struct covey_work_message m = {.type = COVEY_WORK_LACK};
    m.blobs.digests = batch_bytes(batch);
    if (batch->count > 0) {
        covey_err ignored = covey__update_send(f->out, peer, &m, 0);
        (void)ignored; /* its time-out tells it the same */
    }
}

/* Keeps a WANT back; false: there is no room for more of this peer. */
static bool park(struct covey_fetch *f, const struct covey_node_id *peer,
                 const struct covey_digest *digest, uint64_t ms)
{
    unsigned vacant = f->parked_used;
    unsigned of_peer = 0;
    for (unsigned i = 0; i < f->parked_used; i++) {
        const struct covey__parked *p = &f->parked[i];
        if (p->until_ms == 0) {
            vacant = i;
        } else {
            of_peer += covey_node_id_equal(&p->peer, peer);
        }
    }
    if (vacant == COVEY__FETCH_PARKED || of_peer >= COVEY__FETCH_PARKED_PEER) {
        return false;
    }
    f->parked_used += vacant == f->parked_used;
    f->parked_count++;
    f->parked[vacant] = (struct covey__parked){f->now_ms + ms, *peer, *digest};
    f->parked_ms = f->now_ms + ms < f->parked_ms ? f->now_ms + ms : f->parked_ms;
    return true;
}

static void unpark(struct covey_fetch *f, struct covey__parked *p)
{
    p->until_ms = 0;
    f->parked_count--;
    while (f->parked_used > 0 && f->parked[f->parked_used - 1].until_ms == 0) {
        f->parked_used--;
    }
}

static struct covey_digest digest_at(struct covey_bytes digests, size_t at)
{
    struct covey_digest digest;
    memcpy(digest.bytes, digests.ptr + at, sizeof(digest.bytes));
    return digest;
}

/* Two that wait for one another would both wait for nothing. */
static bool is_asked_of(const struct covey_fetch *f, const struct covey__fetch_blob *blob,
                        const struct covey_node_id *peer)
{
    return (blob->state == COVEY__BLOB_ASKED || blob->state == COVEY__BLOB_QUEUED) &&
           covey_node_id_equal(&f->source[blob->source].id, peer);
}

void covey__fetch_wanted(struct covey_fetch *f, const struct covey_incoming *in)
{
    struct covey_bytes digests = in->message->blobs.digests;
    uint8_t here[COVEY_WORK_WANT_MAX * sizeof(struct covey_digest)];
    uint8_t not_here[COVEY_WORK_WANT_MAX * sizeof(struct covey_digest)];
    struct batch serves = {here, 0};
    struct batch lacks = {not_here, 0};
    for (size_t at = 0; at < digests.len; at += sizeof(struct covey_digest)) {
        struct covey_digest digest = digest_at(digests, at);
        const struct covey__fetch_blob *blob = f->jobs > 0 ? covey__fetch_find(f, &digest) : NULL;
        if (blob == NULL) {
            batch_add(&serves, &digest);
        } else if (in->message->blobs.at_once || is_asked_of(f, blob, &in->peer) ||
                   !park(f, &in->peer, &digest, COVEY__FETCH_PARK_MS)) {
            batch_add(&lacks, &digest);
        }
    }
    serve(f, &in->peer, &serves, in->message->blobs.at_once);
    lack(f, &in->peer, &lacks);
}

void covey__fetch_lacked(struct covey_fetch *f, const struct covey_event *event)
{
    uint8_t not_here[COVEY_WORK_WANT_MAX * sizeof(struct covey_digest)];
    struct batch lacks = {not_here, 0};
    for (size_t at = 0; at + sizeof(struct covey_digest) <= event->bytes.len;
         at += sizeof(struct covey_digest)) {
        struct covey_digest digest = digest_at(event->bytes, at);
        const struct covey__fetch_blob *blob = f->jobs > 0 ? covey__fetch_find(f, &digest) : NULL;
        bool at_once = event->index != 0 || (blob != NULL && is_asked_of(f, blob, &event->peer));
        uint64_t ms = blob != NULL ? COVEY__FETCH_PARK_MS : COVEY__FETCH_PARK_SOON_MS;
        if (lacks.count < COVEY_WORK_WANT_MAX && (at_once || !park(f, &event->peer, &digest, ms))) {
            batch_add(&lacks, &digest);
        }
    }
    lack(f, &event->peer, &lacks);
}

void covey__fetch_here(struct covey_fetch *f, const struct covey_digest *digest)
{
    for (unsigned i = 0; i < f->parked_used; i++) {
        struct covey__parked *p = &f->parked[i];
        if (p->until_ms != 0 && covey_digest_equal(&p->digest, digest)) {
            struct covey_digest one = *digest;
            struct batch batch = {one.bytes, 1};
            serve(f, &p->peer, &batch, false);
            unpark(f, p);
        }
    }
}

void covey__fetch_gone(struct covey_fetch *f, const struct covey_node_id *peer)
{
    for (unsigned i = 0; i < f->parked_used; i++) {
        if (f->parked[i].until_ms != 0 && covey_node_id_equal(&f->parked[i].peer, peer)) {
            unpark(f, &f->parked[i]);
        }
    }
}

/* Those of one peer whose time is over, as one LACK. */
static void lack_overdue(struct covey_fetch *f, unsigned first)
{
    uint8_t not_here[COVEY_WORK_WANT_MAX * sizeof(struct covey_digest)];
    struct batch lacks = {not_here, 0};
    struct covey_node_id peer = f->parked[first].peer;
    for (unsigned i = first; i < f->parked_used && lacks.count < COVEY_WORK_WANT_MAX; i++) {
        struct covey__parked *p = &f->parked[i];
        if (p->until_ms != 0 && p->until_ms <= f->now_ms && covey_node_id_equal(&p->peer, &peer)) {
            batch_add(&lacks, &p->digest);
            unpark(f, p);
        }
    }
    lack(f, &peer, &lacks);
}

void covey__fetch_overdue(struct covey_fetch *f)
{
    if (f->now_ms < f->parked_ms) {
        return;
    }
    f->parked_ms = UINT64_MAX;
    for (unsigned i = 0; i < f->parked_used; i++) {
        while (i < f->parked_used && f->parked[i].until_ms != 0 &&
               f->parked[i].until_ms <= f->now_ms) {
            lack_overdue(f, i);
        }
        uint64_t until = i < f->parked_used ? f->parked[i].until_ms : 0;
        f->parked_ms = until != 0 && until < f->parked_ms ? until : f->parked_ms;
    }
}
