/* SPDX-License-Identifier: MIT */
#include "tiles.h"

#include <stdatomic.h>
#include <stdlib.h>

/* One strip being computed, then, as long as its output is kept, waiting for the next segment. */
struct tile {
    struct covey_task task;
    struct covey_tiling *tiling;
    struct covey_assignment *assignment;
    struct tile *next;
    uint64_t request;
    uint32_t work;
    uint8_t run, attempt, segment;
    uint16_t layer; /* whose input is the run's result, where segment is behind its last */
    bool share;     /* several get the same rows */
    bool running;
    _Atomic bool dropped;
    struct tile *before; /* whose output is needed; this one's alone now */
    struct covey_tile_layout layout;
    struct covey_strip_task strip;
    struct covey_strip_result result;
    covey_err err;
    uint32_t spent_us;
};

struct covey_tiling {
    struct covey_services *services;
    struct tile *tiles;
};

covey_err covey__tiling_new(struct covey_services *services, struct covey_tiling **out)
{
    struct covey_tiling *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return COVEY_ERR_NOMEM;
    }
    t->services = services;
    *out = t;
    return COVEY_OK;
}

static void free_tile(struct tile *tile)
{
    if (tile == NULL) {
        return;
    }
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(tile->strip.piece[d]);
        covey_body_unref(tile->result.piece[d]);
    }
    covey__kept_free(tile->result.kept);
    covey__assignment_unref(tile->assignment);
    free_tile(tile->before); /* it has none itself */
    free(tile);
}

static void unlink_tile(struct covey_tiling *t, struct tile *tile)
{
    struct tile **link = &t->tiles;
    while (*link != tile) {
        link = &(*link)->next;
    }
    *link = tile->next;
}

void covey__tiling_free(struct covey_tiling *t)
{
    if (t == NULL) {
        return;
    }
    while (t->tiles != NULL) {
        struct tile *tile = t->tiles;
        t->tiles = tile->next;
        free_tile(tile);
    }
    free(t);
}

/* In the devices' order, as core has cut it. */
static covey_err join_pieces(struct covey_body *const *piece, struct covey_body **out)
{
    size_t len = 0;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        len += piece[d] != NULL ? piece[d]->len : 0;
    }
    struct covey_body *whole = NULL;
    covey_err err = covey_body_new(len, &whole);
    size_t at = 0;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX && err == COVEY_OK; d++) {
        if (piece[d] != NULL) {
            memcpy(whole->data + at, piece[d]->data, piece[d]->len);
            at += piece[d]->len;
        }
    }
    *out = whole;
    return err;
}

/* This device's part of the layer that the run feeds, or whose input was relayed. */
static covey_err multiply(struct tile *tile, struct covey_scratch *scratch)
{
    const struct covey_assignment *a = tile->assignment;
    struct covey_body *input = NULL;
    covey_err err = tile->run == COVEY_WORK_NO_RUN
                        ? join_pieces(tile->strip.piece, &input)
                        : covey__strips_join(a->strips, &tile->strip, &input);
    if (err == COVEY_OK && !covey__assignment_accepts(a, tile->layer, input->len)) {
        err = COVEY_ERR_RANGE;
    }
    if (err == COVEY_OK) {
        struct covey_body **answer = &tile->result.piece[COVEY_TILE_OWNER];
        err = covey__assignment_compute(a, tile->layer, input, scratch, answer);
    }
    covey_body_unref(input);
    return err;
}

static covey_err compute(struct tile *tile, struct covey_scratch *scratch)
{
    struct covey_strips *strips = tile->assignment->strips;
    if (atomic_load(&tile->dropped)) {
        return COVEY_ERR_CANCELLED;
    }
    if (tile->segment == tile->layout.segments) {
        return multiply(tile, scratch);
    }
    covey_err err = covey__strips_compute(strips, &tile->strip, &tile->result);
    if (err == COVEY_OK && tile->share && tile->result.piece[COVEY_TILE_OWNER] != NULL) {
        covey_err ignored = covey_body_share(tile->result.piece[COVEY_TILE_OWNER]);
        (void)ignored; /* without memory it is sealed for each, as always */
    }
    return err;
}

static void work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct tile *tile = (struct tile *)task;
    uint64_t start = covey_thread_cpu_ns();
    tile->err = compute(tile, scratch);
    tile->spent_us = (uint32_t)((covey_thread_cpu_ns() - start) / 1000);
}

static void tell(struct covey_tiling *t, const struct covey_node_id *owner, uint32_t number,
                 struct tile *tile)
{
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1] = {0};
    struct covey_event event = {.type = COVEY_EVENT_TILE_COMPUTED,
                                .peer = *owner,
                                .work = number,
                                .err = tile != NULL ? tile->err : COVEY_ERR_NOT_FOUND};
    for (unsigned d = 0; tile != NULL && d <= COVEY_PLAN_DEVICES_MAX; d++) {
        struct covey_body *body = tile->result.piece[d];
        tile->result.piece[d] = NULL;
        covey__lab_lie(&t->services->lab, body);
        pieces[d] = body != NULL ? covey__handles_put(&t->services->handles, body) : 0;
        if (body != NULL && pieces[d] == 0) {
            event.err = COVEY_ERR_LIMIT; /* without this piece somebody would wait in vain */
        }
    }
    event.spent_us = tile != NULL ? tile->spent_us : 0;
    event.index = tile != NULL ? tile->result.wrong : 0;
    event.pieces = tile != NULL ? pieces : NULL;
    t->services->feed(t->services->user, &event);
}

static void done(struct covey_task *task)
{
    struct tile *tile = (struct tile *)task;
    struct covey_tiling *t = tile->tiling;
    if (covey__lab_late(&t->services->lab, task)) {
        return;
    }
    tile->running = false;
    free_tile(tile->before);
    tile->before = NULL;
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(tile->strip.piece[d]);
        tile->strip.piece[d] = NULL;
    }
    bool keep = tile->err == COVEY_OK && !atomic_load(&tile->dropped) && tile->result.kept != NULL;
    if (!keep) {
        unlink_tile(t, tile);
    }
    /* This may drop it, where it is kept. */
    struct covey_node_id owner = tile->assignment->owner;
    tell(t, &owner, tile->work, tile);
    if (!keep) {
        free_tile(tile);
    }
}

/* The output that the request's next segment builds upon. */
static struct tile *take_kept(struct covey_tiling *t, const struct covey_assignment *a,
                              const struct covey_action *action)
{
    const struct covey_tile_task *task = action->tile;
    for (struct tile *tile = t->tiles; tile != NULL; tile = tile->next) {
        if (tile->assignment == a && tile->request == action->request && !tile->running &&
            tile->run == task->run && tile->attempt == task->attempt &&
            tile->segment + 1 == task->segment) {
            unlink_tile(t, tile);
            return tile;
        }
    }
    return NULL;
}

static struct tile *new_tile(struct covey_tiling *t, struct covey_assignment *a,
                             const struct covey_action *action)
{
    bool can = a != NULL && (a->strips != NULL || action->tile->run == COVEY_WORK_NO_RUN);
    struct tile *tile = can ? calloc(1, sizeof(*tile)) : NULL;
    if (tile == NULL) {
        return NULL;
    }
    tile->tiling = t;
    tile->assignment = covey__assignment_ref(a);
    tile->request = action->request;
    tile->work = action->work;
    tile->run = action->tile->run;
    tile->attempt = action->tile->attempt;
    tile->segment = action->tile->segment;
    tile->layout = *action->tile->layout;
    tile->layer = action->tile->layer;
    /* A body that is sealed must not change any more, and a lie is told when it is done. */
    tile->share = (action->tile->fed & ~(1U << action->tile->device)) != 0 &&
                  tile->segment + 1U == tile->layout.segments && covey__lab_idle(&t->services->lab);
    tile->before = take_kept(t, a, action);
    tile->strip.run = tile->run;
    tile->strip.segment = tile->segment;
    tile->strip.device = action->tile->device;
    tile->strip.layout = &tile->layout;
    tile->strip.whole = !covey__lab_idle(&t->services->lab); /* whoever lies lies about numbers */
    tile->strip.kept = tile->before != NULL ? tile->before->result.kept : NULL;
    tile->task.work = work;
    tile->task.done = done;
    return tile;
}

void covey__tiling_compute(struct covey_tiling *t, struct covey_assignment *a,
                           const struct covey_action *action)
{
    struct tile *tile = new_tile(t, a, action);
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        struct covey_body *piece =
            covey__handles_take(&t->services->handles, action->tile->piece[d]);
        if (tile != NULL) {
            tile->strip.piece[d] = piece;
        } else {
            covey_body_unref(piece);
        }
    }
    if (tile == NULL) {
        tell(t, &action->peer, action->work, NULL);
        return;
    }
    tile->running = true;
    tile->next = t->tiles;
    t->tiles = tile;
    covey__pool_submit(t->services->compute, &tile->task);
}

void covey__tiling_dropped(struct covey_tiling *t, const struct covey_action *action)
{
    struct tile *next = NULL;
    for (struct tile *tile = t->tiles; tile != NULL; tile = next) {
        const struct covey_assignment *a = tile->assignment;
        next = tile->next;
        if (tile->request != action->request || !covey_node_id_equal(&a->owner, &action->peer) ||
            !covey_session_id_equal(&a->fence.session, &action->fence.session) ||
            a->fence.epoch != action->fence.epoch || a->fence.version != action->fence.version) {
            continue;
        }
        if (tile->running) {
            atomic_store(&tile->dropped, true);
        } else {
            unlink_tile(t, tile);
            free_tile(tile);
        }
    }
}
