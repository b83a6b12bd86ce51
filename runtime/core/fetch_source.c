/* SPDX-License-Identifier: MIT */
#include "fetch_state.h"

/* ---- lists ---- */

void covey__fetch_list_init(struct covey__fetch_list *list)
{
    list->first = list->last = COVEY__FETCH_NONE;
}

static void push(struct covey_fetch *f, struct covey__fetch_list *list,
                 struct covey__fetch_blob *blob)
{
    uint16_t index = (uint16_t)(blob - f->blob);
    blob->prev = list->last;
    blob->next = COVEY__FETCH_NONE;
    *(list->last == COVEY__FETCH_NONE ? &list->first : &f->blob[list->last].next) = index;
    list->last = index;
}

static void take(struct covey_fetch *f, struct covey__fetch_list *list,
                 struct covey__fetch_blob *blob)
{
    *(blob->prev == COVEY__FETCH_NONE ? &list->first : &f->blob[blob->prev].next) = blob->next;
    *(blob->next == COVEY__FETCH_NONE ? &list->last : &f->blob[blob->next].prev) = blob->prev;
    blob->prev = blob->next = COVEY__FETCH_NONE;
}

static uint64_t bytes_of(const struct covey__fetch_blob *blob)
{
    return blob->len != 0 ? blob->len : COVEY__FETCH_LEN;
}

void covey__fetch_unlink(struct covey_fetch *f, struct covey__fetch_blob *blob)
{
    struct covey__fetch_source *s = &f->source[blob->source % COVEY__FETCH_SOURCES];
    if (blob->state == COVEY__BLOB_QUEUED) {
        take(f, &s->queue, blob);
    } else if (blob->state == COVEY__BLOB_ASKED) {
        take(f, &s->asked, blob);
        s->asked_count--;
        s->asked_bytes -= bytes_of(blob);
    } else if (blob->state == COVEY__BLOB_LATER) {
        take(f, &f->later, blob);
    }
    blob->state = COVEY__BLOB_FREE;
}

/* ---- sources ---- */

uint8_t covey__fetch_source_of(const struct covey_fetch *f, const struct covey_node_id *id)
{
    uint8_t i = 0;
    while (i < COVEY__FETCH_SOURCES &&
           !(f->source[i].used && covey_node_id_equal(&f->source[i].id, id))) {
        i++;
    }
    return i;
}

/* Its place is another's from now on. */
static void forget_source(struct covey_fetch *f, uint8_t source)
{
    for (uint16_t i = 0; f->source[source].used && i < f->blobs_used; i++) {
        struct covey__fetch_blob *blob = &f->blob[i];
        blob->among &= ~(1ull << source);
        blob->tried &= ~(1ull << source);
        blob->primary = blob->primary == source ? COVEY__FETCH_SOURCES : blob->primary;
    }
}

uint8_t covey__fetch_source_new(struct covey_fetch *f, const struct covey_node_id *id)
{
    uint8_t i = covey__fetch_source_of(f, id);
    uint8_t vacant = i;
    for (uint8_t j = 0; i == COVEY__FETCH_SOURCES && j < COVEY__FETCH_SOURCES; j++) {
        if (!f->source[j].used || f->source[j].jobs == 0) {
            vacant = j;
        }
    }
    if (i == COVEY__FETCH_SOURCES && vacant < COVEY__FETCH_SOURCES) {
        struct covey__fetch_source *s = &f->source[vacant];
        covey__fetch_leave(f, vacant);
        forget_source(f, vacant);
        memset(s, 0, sizeof(*s));
        s->used = true;
        s->id = *id;
        s->state = COVEY_PEER_NO_CHANNEL;
        s->window = COVEY__FETCH_WINDOW_MIN;
        s->silence_ms = COVEY__FETCH_SILENCE_MS;
        covey__fetch_list_init(&s->queue);
        covey__fetch_list_init(&s->asked);
    }
    return vacant;
}

static bool is_open(const struct covey_fetch *f, const struct covey__fetch_blob *blob,
                    uint8_t source)
{
    const struct covey__fetch_source *s = &f->source[source % COVEY__FETCH_SOURCES];
    return source < COVEY__FETCH_SOURCES && (blob->tried >> source & 1) == 0 &&
           s->state != COVEY_PEER_GONE && s->lies < COVEY__FETCH_LIES;
}

/* The primary, the owner, the rest, of each blob another first; COVEY__FETCH_SOURCES: all were
 * tried. */
static uint8_t next_source(const struct covey_fetch *f, const struct covey__fetch_blob *blob)
{
    const struct covey__fetch_job *job = &f->job[__builtin_ctzll(blob->jobs)];
    unsigned first = covey_load32(blob->digest.bytes) % COVEY__FETCH_SOURCES;
    if (is_open(f, blob, blob->primary)) {
        return blob->primary;
    }
    if (is_open(f, blob, job->owner_source)) {
        return job->owner_source;
    }
    for (unsigned i = 0; blob->among != 0 && i < COVEY__FETCH_SOURCES; i++) {
        uint8_t source = (uint8_t)((first + i) % COVEY__FETCH_SOURCES);
        if ((blob->among >> source & 1) != 0 && is_open(f, blob, source)) {
            return source;
        }
    }
    return COVEY__FETCH_SOURCES;
}

/* Some job of it waits for those who lack it now, or are away. */
static bool is_asked_again(const struct covey_fetch *f, const struct covey__fetch_blob *blob)
{
    for (uint64_t jobs = blob->jobs; jobs != 0; jobs &= jobs - 1) {
        if (!f->job[__builtin_ctzll(jobs)].once) {
            return blob->rounds < COVEY__FETCH_ROUNDS;
        }
    }
    return false;
}

void covey__fetch_route(struct covey_fetch *f, struct covey__fetch_blob *blob)
{
    uint8_t source = next_source(f, blob);
    if (source < COVEY__FETCH_SOURCES) {
        blob->source = source;
        blob->state = COVEY__BLOB_QUEUED;
        push(f, &f->source[source].queue, blob);
    } else if (is_asked_again(f, blob)) {
        blob->rounds++;
        blob->later_ms = f->now_ms + COVEY__FETCH_ROUND_MS;
        blob->state = COVEY__BLOB_LATER;
        push(f, &f->later, blob);
    } else {
        covey__fetch_fail(f, blob, COVEY_ERR_NOT_FOUND);
    }
}

void covey__fetch_pass(struct covey_fetch *f, struct covey__fetch_blob *blob, uint8_t source)
{
    blob->tried |= 1ull << source;
    covey__fetch_unlink(f, blob);
    covey__fetch_route(f, blob);
}

void covey__fetch_leave(struct covey_fetch *f, uint8_t source)
{
    struct covey__fetch_source *s = &f->source[source];
    while (s->used && s->asked_count > 0) {
        covey__fetch_pass(f, &f->blob[s->asked.first], source);
    }
    while (s->used && s->queue.first != COVEY__FETCH_NONE) {
        covey__fetch_pass(f, &f->blob[s->queue.first], source);
    }
    s->window = COVEY__FETCH_WINDOW_MIN;
}

/* ---- time ---- */

static bool is_waited_for(const struct covey__fetch_source *s)
{
    return s->used && s->state == COVEY_PEER_NO_CHANNEL && s->queue.first != COVEY__FETCH_NONE;
}

static void dial(struct covey_fetch *f, struct covey__fetch_source *s)
{
    struct covey_action *action = covey__update_add(f->out, COVEY_ACTION_DIAL);
    if (action != NULL) {
        action->peer = s->id;
        action->has_peer = true;
        s->dialled_ms = f->now_ms;
    }
}

/* The first in the list that it should have, and that the owner may be asked for instead. */
static uint16_t lent_of(const struct covey_fetch *f, uint8_t source, uint16_t first)
{
    for (uint16_t i = first; i != COVEY__FETCH_NONE; i = f->blob[i].next) {
        const struct covey__fetch_blob *blob = &f->blob[i];
        uint8_t owner = f->job[__builtin_ctzll(blob->jobs)].owner_source;
        if (blob->lent && owner != source && is_open(f, blob, owner) &&
            f->source[owner].state == COVEY_PEER_UP) {
            return i;
        }
    }
    return COVEY__FETCH_NONE;
}

/* When a source that gives nothing is passed over for such; UINT64_MAX: never. */
static uint64_t lent_due_ms(const struct covey_fetch *f, uint8_t source)
{
    const struct covey__fetch_source *s = &f->source[source];
    bool asked =
        s->used && s->asked_count > 0 && lent_of(f, source, s->asked.first) != COVEY__FETCH_NONE;
    return asked ? s->progress_ms + COVEY__FETCH_LENT_MS : UINT64_MAX;
}

static void leave_lent(struct covey_fetch *f, uint8_t source)
{
    struct covey__fetch_list *lists[] = {&f->source[source].asked, &f->source[source].queue};
    for (unsigned l = 0; l < 2; l++) {
        uint16_t i = lent_of(f, source, lists[l]->first);
        while (i != COVEY__FETCH_NONE) {
            covey__fetch_pass(f, &f->blob[i], source);
            i = lent_of(f, source, lists[l]->first);
        }
    }
}

/* When a source that was asked is taken for silent. */
static uint64_t silent_ms(const struct covey__fetch_source *s)
{
    uint64_t slowest_ms = s->progress_ms + s->asked_bytes / COVEY__FETCH_SLOWEST;
    uint64_t grown_ms = s->grown_ms < slowest_ms ? s->grown_ms : slowest_ms;
    return (grown_ms > s->progress_ms ? grown_ms : s->progress_ms) + s->silence_ms;
}

static void source_times(struct covey_fetch *f, uint8_t source)
{
    struct covey__fetch_source *s = &f->source[source];
    if (f->now_ms >= lent_due_ms(f, source)) {
        leave_lent(f, source);
    }
    if (is_waited_for(s) && s->dialled_ms == 0) {
        dial(f, s);
    } else if (is_waited_for(s) && f->now_ms >= s->dialled_ms + COVEY__FETCH_DIAL_MS) {
        s->dialled_ms = 0;
        covey__fetch_leave(f, source);
    } else if (s->asked_count > 0 && f->now_ms >= silent_ms(s)) {
        s->silence_ms = s->silence_ms * 2 < COVEY__FETCH_SILENCE_MAX_MS
                            ? s->silence_ms * 2
                            : COVEY__FETCH_SILENCE_MAX_MS;
        s->progress_ms = f->now_ms;
        covey__fetch_leave(f, source);
    }
}

void covey__fetch_times(struct covey_fetch *f)
{
    while (f->later.first != COVEY__FETCH_NONE && f->blob[f->later.first].later_ms <= f->now_ms) {
        struct covey__fetch_blob *blob = &f->blob[f->later.first];
        blob->tried = 0;
        covey__fetch_unlink(f, blob);
        covey__fetch_route(f, blob);
    }
    for (uint8_t i = 0; i < COVEY__FETCH_SOURCES; i++) {
        if (f->source[i].used) { /* of a job that is over there may be what another waits for */
            source_times(f, i);
        }
    }
}

uint64_t covey__fetch_source_deadline(const struct covey_fetch *f)
{
    uint64_t at =
        f->later.first != COVEY__FETCH_NONE ? f->blob[f->later.first].later_ms : UINT64_MAX;
    for (unsigned i = 0; i < COVEY__FETCH_SOURCES; i++) {
        const struct covey__fetch_source *s = &f->source[i];
        uint64_t due = UINT64_MAX;
        if (is_waited_for(s)) {
            due = s->dialled_ms == 0 ? f->now_ms : s->dialled_ms + COVEY__FETCH_DIAL_MS;
        } else if (s->used && s->asked_count > 0) {
            uint64_t lent_ms = lent_due_ms(f, (uint8_t)i);
            due = silent_ms(s);
            due = lent_ms < due ? lent_ms : due;
        }
        at = due < at ? due : at;
    }
    return at;
}

/* ---- asking ---- */

static bool has_room(const struct covey__fetch_source *s)
{
    return s->used && s->state == COVEY_PEER_UP && s->asked_bytes <= s->window / 2 &&
           s->asked_count <= COVEY_WORK_WANT_MAX / 2;
}

static uint64_t under_way(const struct covey_fetch *f)
{
    uint64_t bytes = f->storing_bytes;
    for (unsigned i = 0; i < COVEY__FETCH_SOURCES; i++) {
        bytes += f->source[i].used ? f->source[i].asked_bytes : 0;
    }
    return bytes;
}

/* Whom it is asked of should have it, and is not about to get it. */
static bool is_lent_by(const struct covey_fetch *f, const struct covey__fetch_blob *blob,
                       uint8_t source)
{
    return blob->lent && f->job[__builtin_ctzll(blob->jobs)].owner_source != source;
}

/* As many of the queue as fit and are like the first, in one message: a source is asked again once
 * half of it has come. */
static void ask_queue(struct covey_fetch *f, uint8_t source, struct covey__fetch_list *queue)
{
    struct covey__fetch_source *s = &f->source[source];
    uint8_t digests[COVEY_WORK_WANT_MAX * sizeof(struct covey_digest)];
    uint16_t chosen[COVEY_WORK_WANT_MAX];
    uint64_t bytes = s->asked_bytes, all = under_way(f);
    size_t count = 0;
    struct covey_work_message m = {.type = COVEY_WORK_WANT};
    m.blobs.at_once = is_lent_by(f, &f->blob[queue->first], source);
    for (uint16_t i = queue->first; i != COVEY__FETCH_NONE && count < COVEY_WORK_WANT_MAX;
         i = f->blob[i].next) {
        if (is_lent_by(f, &f->blob[i], source) != m.blobs.at_once) {
            continue;
        }
        uint64_t more = bytes_of(&f->blob[i]);
        if ((bytes > 0 && bytes + more > s->window) || (all > 0 && all + more > f->most_bytes)) {
            break;
        }
        bytes += more;
        all += more;
        memcpy(digests + count * sizeof(struct covey_digest), f->blob[i].digest.bytes,
               sizeof(struct covey_digest));
        chosen[count++] = i;
    }
    m.blobs.digests = covey_bytes_of(digests, count * sizeof(struct covey_digest));
    if (count == 0 || covey__update_send(f->out, &s->id, &m, 0) != COVEY_OK) {
        return;
    }
    s->progress_ms = s->asked_count == 0 ? f->now_ms : s->progress_ms;
    for (size_t i = 0; i < count; i++) {
        struct covey__fetch_blob *blob = &f->blob[chosen[i]];
        covey__fetch_unlink(f, blob);
        blob->state = COVEY__BLOB_ASKED;
        blob->source = source;
        push(f, &s->asked, blob);
        s->asked_count++;
        s->asked_bytes += bytes_of(blob);
    }
}

/* An owner with nothing to do for us does what waits for a busy or slow device. */
static void ask_owner(struct covey_fetch *f, const struct covey__fetch_job *job)
{
    const struct covey__fetch_source *owner = &f->source[job->owner_source];
    if (owner->state != COVEY_PEER_UP || owner->asked_count > 0 ||
        owner->lies >= COVEY__FETCH_LIES || f->now_ms < job->since_ms + COVEY__FETCH_HELP_MS) {
        return;
    }
    for (unsigned d = 0; d < job->devices && owner->asked_count == 0; d++) {
        uint8_t source = job->device[d];
        if (source < COVEY__FETCH_SOURCES && source != job->owner_source &&
            f->source[source].queue.first != COVEY__FETCH_NONE) {
            ask_queue(f, job->owner_source, &f->source[source].queue);
        }
    }
}

void covey__fetch_ask(struct covey_fetch *f)
{
    if (f->storing_bytes > COVEY__FETCH_STORING_MAX) {
        return;
    }
    for (uint8_t i = 0; i < COVEY__FETCH_SOURCES; i++) {
        const uint16_t *queued = &f->source[i].queue.first;
        for (unsigned kind = 0; kind < 2; kind++) { /* lent or not */
            if (*queued != COVEY__FETCH_NONE && has_room(&f->source[i])) {
                ask_queue(f, i, &f->source[i].queue);
            }
        }
    }
    for (unsigned j = 0; j < COVEY__FETCH_JOBS; j++) {
        const struct covey__fetch_job *job = &f->job[j];
        if (job->used && job->left > 0 && job->owner_source < COVEY__FETCH_SOURCES) {
            ask_owner(f, job);
        }
    }
}
