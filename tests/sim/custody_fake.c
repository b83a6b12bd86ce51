/* SPDX-License-Identifier: MIT */
#include "custody_world.h"

#include <stdio.h>

enum {
    DELAY_US = 3000,
    DISK_US = 15000,
    SLOW_DISK_US = 2500000,
    FETCH_US = 400000,
    FETCH_LEAST_US = 60000
};

struct covey_session_id world_session(unsigned session)
{
    struct covey_session_id id = {{(uint8_t)(session + 1)}};
    return id;
}

/* A blob's name is its number. */
static struct covey_digest name_of(unsigned blob)
{
    struct covey_digest digest = {{0}};
    covey_store32(digest.bytes, blob);
    return digest;
}

static unsigned device_of(const struct world *w, const struct covey_node_id *id)
{
    return id->bytes[0] > 0 && id->bytes[0] <= w->devices ? id->bytes[0] - 1U : UINT32_MAX;
}

static bool acts(const struct world *w, unsigned device, unsigned session)
{
    const struct world_device *d = &w->device[device];
    return d->machine != NULL && d->part[session].owner &&
           d->part[session].until_ms > world_clock_ms(w, device);
}

unsigned world_owner(const struct world *w, unsigned session)
{
    for (unsigned i = 0; i < w->devices; i++) {
        if (acts(w, i, session)) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* An epoch has one owner, and it began with everything that had counted before. */
static void led(struct world *w, unsigned session, unsigned device,
                const struct covey_action *action)
{
    uint32_t epoch = action->fence.epoch;
    COVEY_ASSERT(epoch < WORLD_EPOCHS_MAX);
    if (w->leader[session][epoch] != 0) {
        world_fail(w, "an epoch has two owners");
    }
    for (uint32_t e = 0; e < epoch; e++) {
        if (w->kept[session][e] > action->checkpoint.step) {
            world_fail(w, "an owner began without the newest checkpoint that a majority keeps");
        }
    }
    struct world_part *part = &w->device[device].part[session];
    if (w->rests[session] && !part->asked) {
        world_fail(w, "somebody goes on with a session that was stopped");
    }
    w->resumes += w->rests[session];
    w->rests[session] = part->asked = false;
    w->leads++;
    w->leader[session][epoch] = device + 1;
    w->began[session][epoch] = action->checkpoint.step;
}

/* What is on its disk is of this epoch or a later one, reaches that step, and the blob is there. */
static bool keeps(const struct world_device *d, unsigned session, uint32_t epoch, uint64_t step)
{
    struct covey_custody_message m;
    struct covey_bytes state = covey_bytes_of(d->part[session].state, d->part[session].state_len);
    return covey_custody_decode(state, &m) == COVEY_OK && m.deed.epoch >= epoch &&
           m.deed.checkpoint.step >= step && d->part[session].job &&
           d->blob[covey_load32(m.deed.checkpoint.digest.bytes)];
}

/* What is said to be kept, or something newer, is on the disks of a majority, and later owners
 * began with it. */
static void kept(struct world *w, unsigned session, const struct covey_action *action)
{
    uint32_t epoch = action->fence.epoch;
    uint64_t step = action->checkpoint.step;
    unsigned disks = 0;
    COVEY_ASSERT(epoch < WORLD_EPOCHS_MAX);
    if (step == 0 && !action->stopped) {
        return;
    }
    for (unsigned i = 0; i < action->set.count; i++) {
        disks += keeps(&w->device[device_of(w, &action->set.id[i])], session, epoch, step);
    }
    if (disks <= action->set.count / 2U) {
        world_fail(w, "a checkpoint counts and too few have it");
    }
    if (step < w->kept[session][epoch]) {
        world_fail(w, "the newest kept checkpoint went back");
    }
    for (uint32_t e = epoch + 1; e < WORLD_EPOCHS_MAX; e++) {
        if (w->leader[session][e] != 0 && w->began[session][e] < step) {
            world_fail(w, "a checkpoint came to count that a later owner did not begin with");
        }
    }
    /* A stop that counts: until now nobody else was elected, and nobody will be. */
    bool later = false;
    for (uint32_t e = epoch + 1; e < WORLD_EPOCHS_MAX; e++) {
        later = later || w->leader[session][e] != 0;
    }
    w->rests[session] = w->rests[session] || (action->stopped && action->settled && !later);
    w->kept[session][epoch] = step;
    w->newest_kept[session] = step > w->newest_kept[session] ? step : w->newest_kept[session];
}

static void lease(struct world *w, unsigned session, unsigned device,
                  const struct covey_action *action)
{
    struct world_part *part = &w->device[device].part[session];
    if (part->stopping && part->epoch == action->fence.epoch) {
        return; /* it has ended training, and the machine hears of it soon */
    }
    if (action->request != 0 && w->rests[session]) {
        world_fail(w, "a lease for a session that was stopped");
    }
    if (action->request != 0 && (!part->owner || part->epoch != action->fence.epoch)) {
        world_fail(w, "a lease without having been told to lead");
    }
    part->until_ms = action->request;
    for (unsigned i = 0; i < w->devices; i++) {
        if (i != device && acts(w, i, session) && acts(w, device, session)) {
            world_fail(w, "two devices hold a lease");
        }
    }
    if (acts(w, device, session) && !part->stepping) {
        part->stepping = true;
        world_push(w, WORLD_STEP, device, w->step_us)->session = session;
    }
}

static uint64_t disk_delay(struct world *w, unsigned device)
{
    struct world_device *d = &w->device[device];
    uint64_t at_us = w->now_us + world_random(w, d->slow_disk ? SLOW_DISK_US : DISK_US);
    d->disk_us = at_us > d->disk_us ? at_us : d->disk_us;
    for (unsigned i = 0; i < WORLD_ITEMS_MAX; i++) { /* held while the device was frozen */
        const struct world_item *item = &w->item[i];
        bool write = item->kind == WORLD_WRITTEN || item->kind == WORLD_SAVED;
        if (item->used && write && item->device == device && item->at_us > d->disk_us) {
            d->disk_us = item->at_us;
        }
    }
    return d->disk_us - w->now_us;
}

static void send(struct world *w, unsigned from, const struct covey_action *action)
{
    unsigned to = device_of(w, &action->peer);
    COVEY_ASSERT(to < WORLD_DEVICES_MAX && from < WORLD_DEVICES_MAX);
    unsigned link = from < to ? w->link[from][to] : w->link[to][from];
    COVEY_ASSERT(to != from && action->bytes.len <= COVEY__CUSTODY_STATE_MAX);
    if (link == 0) {
        return;
    }
    struct world_item *item = world_push(w, WORLD_MESSAGE, to, world_random(w, DELAY_US));
    uint64_t *last = &w->last_us[from][to];
    item->at_us = item->at_us > *last ? item->at_us : *last;
    *last = item->at_us;
    item->from = from;
    item->link = link;
    item->len = action->bytes.len;
    memcpy(item->bytes, action->bytes.ptr, item->len);
}

static void fetch(struct world *w, unsigned device, unsigned session,
                  const struct covey_action *action)
{
    struct world_item *item =
        world_push(w, WORLD_FETCHED, device, FETCH_LEAST_US + world_random(w, FETCH_US));
    item->session = session;
    item->held = action->type == COVEY_ACTION_CUSTODY_APPOINTED;
    item->fence = action->fence;
    item->checkpoint = action->checkpoint;
    item->from = device_of(w, &action->peer);
}

static void over(struct world *w, unsigned session, unsigned device,
                 const struct covey_action *action)
{
    struct world_part *part = &w->device[device].part[session];
    if (action->err == COVEY_OK || part->epoch == action->fence.epoch) {
        part->owner = false;
    }
}

void world_action(struct world *w, unsigned device, const struct covey_action *action)
{
    unsigned session = action->fence.session.bytes[0] - 1U;
    struct world_part *part = &w->device[device].part[session % WORLD_SESSIONS];
    struct world_item *item = NULL;
    if (w->chatty && action->type != COVEY_ACTION_SEND) {
        printf("%8llu ms  device %u action %d session %u epoch %u number %llu step %llu\n",
               (unsigned long long)(w->now_us / 1000), device, (int)action->type, session,
               action->fence.epoch, (unsigned long long)action->request,
               (unsigned long long)action->checkpoint.step);
    }
    switch ((int)action->type) {
    case COVEY_ACTION_SEND:
        send(w, device, action);
        break;
    case COVEY_ACTION_CUSTODY_PERSIST:
        item = world_push(w, WORLD_WRITTEN, device, disk_delay(w, device));
        item->session = session;
        item->index = action->index;
        item->len = action->bytes.len;
        COVEY_ASSERT(item->len <= sizeof(item->bytes));
        if (item->len > 0) {
            memcpy(item->bytes, action->bytes.ptr, item->len);
        }
        break;
    case COVEY_ACTION_CUSTODY_APPOINTED:
    case COVEY_ACTION_CUSTODY_KEEP:
        fetch(w, device, session, action);
        break;
    case COVEY_ACTION_CUSTODY_LEAD:
        led(w, session, device, action);
        part->owner = true;
        part->stopping = false;
        part->epoch = action->fence.epoch;
        part->step = action->checkpoint.step;
        part->saving = 0;
        break;
    case COVEY_ACTION_CUSTODY_REFUSED:
        part->asked = false;
        break;
    case COVEY_ACTION_CUSTODY_LEASE:
        lease(w, session, device, action);
        break;
    case COVEY_ACTION_CUSTODY_NEWS:
        if (action->has_peer && device_of(w, &action->peer) == device) {
            kept(w, session, action);
            part->marked = covey_load32(action->checkpoint.digest.bytes);
            part->saving =
                action->settled && action->checkpoint.step >= part->saving ? 0 : part->saving;
            w->held[session] = action->index;
            w->keepers[session] = action->set.count;
        }
        break;
    case COVEY_ACTION_CUSTODY_OVER:
        over(w, session, device, action);
        break;
    default:
        world_fail(w, "an action that is none of custody's");
    }
}

/* Of its own checkpoints an owner keeps the last two, the newest that counts, and the one that its
 * state names. */
static void save(struct world_device *d, unsigned session, unsigned blob)
{
    struct world_part *part = &d->part[session];
    unsigned oldest = part->saved[1], named = 0;
    struct covey_custody_message m;
    if (covey_custody_decode(covey_bytes_of(part->state, part->state_len), &m) == COVEY_OK) {
        named = covey_load32(m.deed.checkpoint.digest.bytes);
    }
    if (oldest != 0 && oldest != part->marked && oldest != named) {
        d->blob[oldest] = false;
    }
    part->saved[1] = part->saved[0];
    part->saved[0] = blob;
    d->blob[blob] = true;
}

static void save_soon(struct world *w, unsigned device, unsigned session)
{
    struct world_part *part = &w->device[device].part[session];
    struct world_item *saved = world_push(w, WORLD_SAVED, device, disk_delay(w, device));
    part->saving = part->step;
    saved->session = session;
    saved->fence.session = world_session(session);
    saved->fence.epoch = part->epoch;
    saved->checkpoint.epoch = part->epoch;
    saved->checkpoint.step = part->step;
    saved->checkpoint.digest = name_of(++w->blobs);
    COVEY_ASSERT(w->blobs < WORLD_BLOBS_MAX);
}

/* One step of training, unless it would not end within the lease. */
static void train(struct world *w, const struct world_item *item)
{
    struct world_part *part = &w->device[item->device].part[item->session];
    part->stepping = false;
    if (!acts(w, item->device, item->session)) {
        return;
    }
    part->step++;
    if (part->step % WORLD_STEPS == 0 && part->saving == 0) {
        save_soon(w, item->device, item->session);
    }
    part->stepping = true;
    world_push(w, WORLD_STEP, item->device, w->step_us)->session = item->session;
}

/* Whoever told of it must be there and have it. */
static void fetched(struct world *w, const struct world_item *item)
{
    struct world_device *d = &w->device[item->device];
    const struct world_device *source = &w->device[item->from];
    unsigned blob = covey_load32(item->checkpoint.digest.bytes);
    unsigned a = item->device < item->from ? item->device : item->from;
    unsigned b = item->device < item->from ? item->from : item->device;
    bool here = (blob == 0 || d->blob[blob]) && (!item->held || d->part[item->session].job);
    bool there = w->link[a][b] != 0 && world_connected(w, a, b) &&
                 (blob == 0 || source->blob[blob]) &&
                 (!item->held || source->part[item->session].job);
    struct covey_event event = {.type = item->held ? COVEY_EVENT_CUSTODY_HELD
                                                   : COVEY_EVENT_CUSTODY_STORED,
                                .fence = item->fence,
                                .checkpoint = item->checkpoint,
                                .err = here || there ? COVEY_OK : COVEY_ERR_NOT_FOUND};
    if (here || there) {
        d->blob[blob] = true;
        d->part[item->session].job = d->part[item->session].job || item->held;
    }
    world_event(w, item->device, &event);
}

void world_item(struct world *w, const struct world_item *item)
{
    struct world_device *d = &w->device[item->device];
    struct covey_event event = {.fence = item->fence, .checkpoint = item->checkpoint};
    switch (item->kind) {
    case WORLD_WRITTEN:
        memcpy(d->part[item->session].state, item->bytes, item->len);
        d->part[item->session].state_len = item->len;
        event.type = COVEY_EVENT_PERSISTED;
        event.index = item->index;
        event.err = COVEY_OK;
        world_event(w, item->device, &event);
        break;
    case WORLD_FETCHED:
        fetched(w, item);
        break;
    case WORLD_STEP:
        train(w, item);
        break;
    case WORLD_SAVED:
        save(d, item->session, covey_load32(item->checkpoint.digest.bytes));
        event.type = COVEY_EVENT_CUSTODY_CHECKPOINT;
        world_event(w, item->device, &event);
        break;
    case WORLD_STOP:
        d->part[item->session].stopping = false;
        event.type = COVEY_EVENT_CUSTODY_STOP;
        world_event(w, item->device, &event);
        break;
    case WORLD_MESSAGE:
    case WORLD_LINK:
        break;
    }
}

void world_open(struct world *w, unsigned device, unsigned session)
{
    struct world_part *part = &w->device[device].part[session];
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_OPEN,
                                .fence.session = world_session(session),
                                .fence.epoch = 1,
                                .digest.bytes = {0xaa, (uint8_t)session}};
    part->owner = part->job = true;
    part->epoch = 1;
    part->step = 0;
    w->leader[session][1] = device + 1;
    world_event(w, device, &event);
}

void world_close(struct world *w, unsigned device, unsigned session)
{
    struct world_part *part = &w->device[device].part[session];
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_CLOSE,
                                .fence.session = world_session(session),
                                .fence.epoch = part->epoch};
    world_event(w, device, &event);
    part->until_ms = 0;
}

void world_stop(struct world *w, unsigned session)
{
    unsigned device = world_owner(w, session);
    if (device == UINT32_MAX) {
        return;
    }
    struct world_part *part = &w->device[device].part[session];
    if (w->chatty) {
        printf("%8llu ms  device %u is asked to stop session %u\n",
               (unsigned long long)(w->now_us / 1000), device, session);
    }
    part->owner = false;
    part->stopping = true;
    part->until_ms = 0;
    save_soon(w, device, session);
    struct world_item *item = world_push(w, WORLD_STOP, device, disk_delay(w, device));
    item->session = session;
    item->fence.session = world_session(session);
    item->fence.epoch = part->epoch;
}

void world_resume(struct world *w, unsigned device, unsigned session)
{
    struct world_part *part = &w->device[device].part[session];
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_RESUME,
                                .fence.session = world_session(session)};
    if (w->device[device].machine == NULL || w->device[device].frozen || part->stopping) {
        return;
    }
    if (w->chatty) {
        printf("%8llu ms  device %u is asked to go on with session %u\n",
               (unsigned long long)(w->now_us / 1000), device, session);
    }
    bool before = part->asked;
    part->asked = true;
    world_event(w, device, &event);
    part->asked = w->err == COVEY_OK ? part->asked : before;
}

void world_end_stopped(struct world *w, unsigned device, unsigned session)
{
    struct covey_event event = {.type = COVEY_EVENT_CUSTODY_CLOSE,
                                .fence.session = world_session(session)};
    world_event(w, device, &event);
}
