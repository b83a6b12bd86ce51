/* SPDX-License-Identifier: MIT */
#include "custody_world.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LINK_UP_US = 700 * 1000,        /* a channel is there again after so long at most */
    LINK_DOWN_US = 9 * 1000 * 1000, /* a cut is noticed after so long at most */
    HOLD_US = 50 * 1000,
};

void world_fail(const struct world *w, const char *what)
{
    fprintf(stderr, "FAILED, seed %llu at %llu ms: %s\n", (unsigned long long)w->seed,
            (unsigned long long)(w->now_us / 1000), what);
    for (unsigned i = 0; i < w->devices; i++) {
        const struct world_device *d = &w->device[i];
        for (unsigned n = 0; n < COVEY_TRAININGS_MAX && d->machine != NULL; n++) {
            const struct covey__custody_session *s = &d->machine->session[n];
            if (s->role != COVEY__CUSTODY_FREE) {
                fprintf(stderr,
                        "  %u: session %u role %d epoch %u voted %u deed %u.%llu set %u of %u next "
                        "%u disk %u.%llu side %u%s%s%s promise %lld sees %u\n",
                        i, s->id.bytes[0], (int)s->role, s->epoch, s->voted.bytes[0], s->deed.epoch,
                        (unsigned long long)s->deed.version, s->deed.set.number, s->deed.set.count,
                        s->deed.next.count, s->disk.deed_epoch, (unsigned long long)s->disk.version,
                        w->side[i], d->frozen ? " frozen" : "", s->deed.stopped ? " stopped" : "",
                        s->resume_ms != 0 ? " by hand" : "",
                        (long long)(s->promise_ms - world_clock_ms(w, i)), d->view.count);
            }
        }
    }
    exit(1);
}

uint64_t world_random(struct world *w, uint64_t bound)
{
    return covey__random_below(&w->rng, bound);
}

uint64_t world_clock_ms(const struct world *w, unsigned device)
{
    const struct world_device *d = &w->device[device];
    return d->offset_ms + w->now_us / 1000000 * d->ppm / 1000 +
           w->now_us % 1000000 * d->ppm / 1000000000;
}

/* When the device's clock shows that, roughly: never much too late, and it is looked at again. */
static uint64_t when_us(const struct world *w, unsigned device, uint64_t at_ms)
{
    const struct world_device *d = &w->device[device];
    uint64_t now_ms = world_clock_ms(w, device);
    return at_ms <= now_ms ? w->now_us : w->now_us + (at_ms - now_ms) * 1000000000 / d->ppm + 1;
}

struct world_item *world_push(struct world *w, enum world_item_kind kind, unsigned device,
                              uint64_t delay_us)
{
    for (unsigned i = 0; i < WORLD_ITEMS_MAX; i++) {
        struct world_item *item = &w->item[i];
        if (!item->used) {
            memset(item, 0, sizeof(*item));
            item->used = true;
            item->kind = kind;
            item->device = device;
            item->life = w->device[device].life;
            item->at_us = w->now_us + delay_us;
            item->order = w->order++;
            return item;
        }
    }
    world_fail(w, "too much is under way");
}

bool world_connected(const struct world *w, unsigned a, unsigned b)
{
    return w->side[a] == w->side[b] && !w->blocked[a][b];
}

void world_block(struct world *w, unsigned a, unsigned b, bool blocked)
{
    w->blocked[a][b] = w->blocked[b][a] = blocked;
}

static unsigned *link_of(struct world *w, unsigned a, unsigned b)
{
    return a < b ? &w->link[a][b] : &w->link[b][a];
}

static void see_link(struct world *w, unsigned at, unsigned peer, unsigned link, uint64_t delay_us)
{
    struct world_item *item = world_push(w, WORLD_LINK, at, delay_us);
    item->from = peer;
    item->link = link;
    uint64_t *last = &w->last_us[peer][at]; /* in order with what comes over it */
    item->at_us = item->at_us > *last ? item->at_us : *last;
    *last = item->at_us;
}

void world_break_link(struct world *w, unsigned a, unsigned b)
{
    if (*link_of(w, a, b) == 0) {
        return;
    }
    *link_of(w, a, b) = 0;
    see_link(w, a, b, 0, world_random(w, 200 * 1000));
    see_link(w, b, a, 0, world_random(w, 200 * 1000));
    w->link_us[a < b ? a : b][a < b ? b : a] = w->now_us + world_random(w, LINK_UP_US);
}

/* Channels come and go by themselves, as those of real nodes do. */
static void links(struct world *w)
{
    for (unsigned a = 0; a < w->devices; a++) {
        for (unsigned b = a + 1; b < w->devices; b++) {
            bool up = w->link[a][b] != 0;
            bool on = w->device[a].machine != NULL && w->device[b].machine != NULL;
            bool can = on && world_connected(w, a, b);
            if (up == can) {
                w->link_us[a][b] = w->now_us + world_random(w, up ? LINK_DOWN_US : LINK_UP_US);
            } else if (w->now_us >= w->link_us[a][b] && !can) {
                world_break_link(w, a, b);
            } else if (w->now_us >= w->link_us[a][b] && !w->device[a].frozen &&
                       !w->device[b].frozen) {
                w->link[a][b] = ++w->links;
                see_link(w, a, b, w->links, world_random(w, 5000));
                see_link(w, b, a, w->links, world_random(w, 5000));
            }
        }
    }
}

static void step(struct world *w, unsigned device, const struct covey_event *event,
                 const struct world_item *message)
{
    struct world_device *d = &w->device[device];
    struct covey_custody_message m;
    covey_err err = COVEY_OK;
    w->update.count = w->update.arena_len = 0;
    w->update.more = false;
    d->view.now_ms = world_clock_ms(w, device);
    d->view.self = d->id;
    if (message != NULL && message->kind == WORLD_LINK) {
        err = covey__custody_peer(d->machine, &d->view, &w->device[message->from].id,
                                  message->link != 0 ? COVEY_PEER_UP : COVEY_PEER_NO_CHANNEL,
                                  &w->update);
    } else if (message != NULL) {
        err = covey_custody_decode(covey_bytes_of(message->bytes, message->len), &m);
        err = err != COVEY_OK
                  ? err
                  : covey__custody_message(d->machine, &d->view, &w->device[message->from].id, &m,
                                           &w->update);
    } else if (event != NULL) {
        err = covey__custody_event(d->machine, &d->view, event, &w->update);
    } else {
        err = covey__custody_tick(d->machine, &d->view, &w->update);
    }
    w->err = err;
    bool by_hand = event != NULL && event->type == COVEY_EVENT_CUSTODY_RESUME &&
                   (err == COVEY_ERR_EXISTS || err == COVEY_ERR_DENIED);
    /* An owner may hear too late that it is none any more. */
    if (err != COVEY_OK && err != COVEY_ERR_STATE && err != COVEY_ERR_NOT_FOUND && !by_hand) {
        world_fail(w, covey_strerror(err));
    }
    if (w->update.more) {
        world_fail(w, "an update was full");
    }
    for (size_t i = 0; i < w->update.count; i++) {
        world_action(w, device, &w->update.actions[i]);
    }
}

void world_event(struct world *w, unsigned device, struct covey_event *event)
{
    step(w, device, event, NULL);
}

static void view_link(struct world_device *d, const struct covey_node_id *peer, bool up)
{
    unsigned at = 0;
    while (at < d->view.count && !covey_node_id_equal(&d->view.device[at], peer)) {
        at++;
    }
    if (up && at == d->view.count) {
        d->view.device[d->view.count++] = *peer;
    } else if (!up && at < d->view.count) {
        d->view.device[at] = d->view.device[--d->view.count];
    }
}

/* All that goes the same way waits with it: what comes over a channel stays in order. */
static void hold(struct world *w, const struct world_item *first)
{
    uint64_t at_us = (w->now_us / HOLD_US + 1) * HOLD_US;
    unsigned device = first->device, from = first->from;
    for (unsigned i = 0; i < WORLD_ITEMS_MAX; i++) {
        struct world_item *item = &w->item[i];
        if (item->used && item->device == device && item->at_us < at_us &&
            (w->device[device].frozen || item->from == from)) {
            item->at_us = at_us;
        }
    }
}

static void handle(struct world *w, struct world_item *slot)
{
    struct world_item item = *slot;
    struct world_device *d = &w->device[item.device];
    bool network = item.kind == WORLD_MESSAGE;
    bool valid = item.life == d->life && d->machine != NULL;
    if (network && *link_of(w, item.device, item.from) != item.link) {
        valid = false;
    }
    bool cut = network && !world_connected(w, item.device, item.from);
    if (valid && (d->frozen || cut)) {
        hold(w, slot);
        return;
    }
    slot->used = false;
    if (!valid) {
        return;
    }
    if (item.kind == WORLD_LINK) {
        view_link(d, &w->device[item.from].id, *link_of(w, item.device, item.from) != 0);
        step(w, item.device, NULL, &item);
    } else if (network) {
        step(w, item.device, NULL, &item);
    } else {
        world_item(w, &item);
    }
}

/* The next thing that happens, until end_us at most. */
static bool advance(struct world *w, uint64_t end_us)
{
    struct world_item *next = NULL;
    unsigned device = UINT32_MAX;
    uint64_t at_us = end_us;
    links(w);
    for (unsigned i = 0; i < WORLD_ITEMS_MAX; i++) {
        struct world_item *item = &w->item[i];
        if (item->used && (item->at_us < at_us ||
                           (next != NULL && item->at_us == at_us && item->order < next->order))) {
            next = item;
            at_us = item->at_us;
        }
    }
    for (unsigned i = 0; i < w->devices; i++) {
        const struct world_device *d = &w->device[i];
        uint64_t deadline_ms =
            d->machine == NULL || d->frozen ? UINT64_MAX : covey__custody_deadline_ms(d->machine);
        if (deadline_ms != UINT64_MAX && when_us(w, i, deadline_ms) < at_us) {
            at_us = when_us(w, i, deadline_ms);
            device = i;
        }
    }
    /* Links are looked at often enough. */
    if (at_us > w->now_us + HOLD_US && w->now_us + HOLD_US < end_us) {
        w->now_us += HOLD_US;
        return true;
    }
    w->now_us = at_us > w->now_us ? at_us : w->now_us;
    if (device != UINT32_MAX) {
        step(w, device, NULL, NULL);
    } else if (next != NULL) {
        handle(w, next);
    } else {
        return false;
    }
    return true;
}

void world_run(struct world *w, uint64_t ms)
{
    uint64_t end_us = w->now_us + ms * 1000;
    unsigned still = 0;
    for (uint64_t before_us = w->now_us; advance(w, end_us); before_us = w->now_us) {
        still = w->now_us > before_us ? 0 : still + 1;
        if (still > 10000) {
            world_fail(w, "time stands still");
        }
    }
}

void world_start(struct world *w, unsigned device)
{
    struct world_device *d = &w->device[device];
    if (d->machine != NULL) {
        return;
    }
    d->machine = malloc(covey__custody_size());
    if (d->machine == NULL) {
        world_fail(w, "out of memory");
    }
    d->life++;
    d->frozen = false;
    d->offset_ms = world_random(w, 1000000);
    d->ppm = 990000 + world_random(w, 20001);
    d->disk_us = w->now_us;
    d->view.count = 0;
    covey__custody_init(d->machine, &d->id, world_random(w, UINT64_MAX));
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        struct world_part *p = &d->part[s];
        p->owner = p->stepping = p->stopping = p->asked = false;
        p->until_ms = 0;
        if (p->state_len > 0) {
            struct covey_event event = {.type = COVEY_EVENT_CUSTODY_STATE,
                                        .bytes = covey_bytes_of(p->state, p->state_len)};
            world_event(w, device, &event);
        }
    }
}

/* What was being written is on disk or not; what was written later is not unless what came before
 * is. */
void world_kill(struct world *w, unsigned device)
{
    struct world_device *d = &w->device[device];
    if (d->machine == NULL) {
        return;
    }
    bool whole = true;
    for (uint64_t order = 0; whole;) {
        struct world_item *first = NULL;
        for (unsigned i = 0; i < WORLD_ITEMS_MAX; i++) {
            struct world_item *item = &w->item[i];
            if (item->used && item->kind == WORLD_WRITTEN && item->device == device &&
                item->life == d->life && item->order >= order &&
                (first == NULL || item->order < first->order)) {
                first = item;
            }
        }
        whole = first != NULL && world_random(w, 2) == 0;
        if (whole) {
            memcpy(d->part[first->session].state, first->bytes, first->len);
            d->part[first->session].state_len = first->len;
            order = first->order + 1;
        }
    }
    free(d->machine);
    d->machine = NULL;
    d->life++;
    for (unsigned peer = 0; peer < w->devices; peer++) {
        if (peer != device) {
            world_break_link(w, device, peer);
        }
    }
    for (unsigned s = 0; s < WORLD_SESSIONS; s++) {
        d->part[s].owner = d->part[s].stopping = d->part[s].asked = false;
        d->part[s].saving = 0;
        d->part[s].until_ms = 0;
    }
}

void world_cut(struct world *w, const uint8_t *side)
{
    memcpy(w->side, side, sizeof(w->side));
}

void world_heal(struct world *w)
{
    memset(w->side, 0, sizeof(w->side));
    memset(w->blocked, 0, sizeof(w->blocked));
    for (unsigned i = 0; i < w->devices; i++) {
        w->device[i].frozen = false;
        w->device[i].slow_disk = false;
        world_start(w, i);
    }
}

struct world *world_new(uint64_t seed, unsigned devices, bool chatty)
{
    struct world *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        exit(1);
    }
    w->seed = w->rng = seed;
    w->devices = devices;
    w->step_us = seed % 3 == 0 ? WORLD_FAST_US : WORLD_STEP_US;
    w->chatty = chatty;
    w->now_us = 1000000;
    for (unsigned i = 0; i < devices; i++) {
        w->device[i].id.bytes[0] = (uint8_t)(i + 1);
        world_start(w, i);
    }
    return w;
}

void world_free(struct world *w)
{
    for (unsigned i = 0; i < w->devices; i++) {
        free(w->device[i].machine);
    }
    free(w);
}
