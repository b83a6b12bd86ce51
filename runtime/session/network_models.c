/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/large.h"
#include "covey/pace.h"

#include "network_private.h"

/* ---- rooms ---- */

static void room_free(struct covey_network *n, struct strip_room *room)
{
    if (room != NULL) {
        covey__network_given_back(n, room->bytes);
        free(room->data);
        free(room);
    }
}

static void drop_rooms(struct covey_network *n)
{
    while (n->rooms != NULL) {
        struct strip_room *room = n->rooms;
        n->rooms = room->next;
        room_free(n, room);
    }
    n->room_count = 0;
}

/* All are as large as the largest strip needs: whatever runs next fits. */
static void rooms_enlarge(struct covey_network *n, size_t bytes)
{
    if (bytes > n->room_bytes) {
        n->room_bytes = bytes;
        drop_rooms(n);
    }
}

/* Whether there is memory for one of so many bytes instead of those that are idle. */
static bool room_fits(const struct covey_network *n, uint64_t bytes)
{
    uint64_t others = atomic_load(n->used_bytes) - n->room_count * (uint64_t)n->room_bytes;
    return others <= n->limit && bytes <= n->limit - others;
}

static struct strip_room *room_take(struct covey_network *n)
{
    struct strip_room *room = n->rooms;
    if (room != NULL) {
        n->rooms = room->next;
        n->room_count--;
        return room;
    }
    room = calloc(1, sizeof(*room));
    if (room == NULL) {
        return NULL;
    }
    room->bytes = n->room_bytes;
    room->data = covey_large_new(room->bytes); /* no page is there until it is used */
    covey__network_held(n, room->bytes);
    if (room->data == NULL) {
        room_free(n, room);
        return NULL;
    }
    return room;
}

static void room_give_back(struct covey_network *n, struct strip_room *room)
{
    if (room == NULL) {
        return;
    }
    if (room->bytes == n->room_bytes && n->room_count < STRIP_IDLE_ROOMS) {
        room->next = n->rooms;
        n->rooms = room;
        n->room_count++;
    } else {
        room_free(n, room);
    }
}

enum { TOUCH_BYTES = 1 << 20 };

void covey__network_warm(struct covey_network *n)
{
    struct strip_room *room = NULL;
    pthread_mutex_lock(&n->lock);
    if (n->rooms == NULL && n->room_bytes > 0 && room_fits(n, n->room_bytes)) {
        room = room_take(n);
    }
    pthread_mutex_unlock(&n->lock);
    for (size_t at = 0; room != NULL && at < room->bytes; at += TOUCH_BYTES) {
        size_t left = room->bytes - at;
        memset((uint8_t *)room->data + at, 0, left < TOUCH_BYTES ? left : TOUCH_BYTES);
        covey_pace_step();
    }
    pthread_mutex_lock(&n->lock);
    room_give_back(n, room);
    pthread_mutex_unlock(&n->lock);
}

/* ---- models ---- */

static void run_delete(struct strip_run *k)
{
    covey_run_free(k->run);
    free(k);
}

static void free_model(struct covey_network *n, struct strip_model *m)
{
    while (m->idle != NULL) {
        struct strip_run *k = m->idle;
        m->idle = k->next;
        run_delete(k);
        covey__network_given_back(n, m->run_bytes);
    }
    covey_model_free(m->model);
    covey_graph_free(m->graph);
    covey__network_given_back(n, m->table_bytes);
    memset(m, 0, sizeof(*m));
}

void covey__network_free_models(struct covey_network *n)
{
    for (unsigned i = 0; i < STRIP_MODELS; i++) {
        free_model(n, &n->model[i]);
    }
    drop_rooms(n);
}

static bool is_same_rows(struct covey_rows a, struct covey_rows b)
{
    return a.begin == b.begin && a.end == b.end;
}

static struct strip_model *find_model(struct covey_network *n, const struct strip_model *like)
{
    struct strip_model *oldest = NULL;
    for (unsigned i = 0; i < STRIP_MODELS; i++) {
        struct strip_model *m = &n->model[i];
        if (m->model != NULL && m->first_cell == like->first_cell && m->cells == like->cells &&
            is_same_rows(m->out, like->out) && is_same_rows(m->in, like->in)) {
            return m;
        }
        if (m->users == 0 && (oldest == NULL || m->used_at < oldest->used_at)) {
            oldest = m;
        }
    }
    if (oldest != NULL) {
        free_model(n, oldest);
    }
    return oldest;
}

covey_err covey__network_graph(const struct covey_network *n, const struct strip_model *like,
                               struct covey_graph **out)
{
    const struct covey_strip strip = {like->in.begin, like->in.end, like->out.begin, like->out.end};
    return covey_tile_graph(n->graph, &n->cell[like->first_cell], like->cells, &strip, out, NULL);
}

static size_t room_bytes(const struct covey_model *m)
{
    return covey_model_room(m) / 64 * 64 + 64;
}

static covey_err make_model(struct covey_network *n, const struct strip_model *like,
                            struct strip_model *m)
{
    const struct covey_model_options options = {.layouts = n->layouts};
    covey_err err = covey__network_graph(n, like, &m->graph);
    if (err == COVEY_OK) {
        err = covey_model_new(m->graph, &options, &m->model, NULL);
    }
    if (err != COVEY_OK) {
        free_model(n, m);
        return err;
    }
    m->first_cell = like->first_cell;
    m->cells = like->cells;
    m->in = like->in;
    m->out = like->out;
    m->run_bytes = covey_model_memory(m->model) - covey_model_room(m->model);
    m->table_bytes = covey_model_table(m->model);
    covey__network_held(n, m->table_bytes);
    rooms_enlarge(n, room_bytes(m->model));
    return COVEY_OK;
}

static covey_err take_run(struct covey_network *n, struct strip_model *m, struct strip_run **out)
{
    struct strip_run *k = m->idle;
    if (k != NULL) {
        m->idle = k->next;
        m->idle_count--;
    } else {
        k = calloc(1, sizeof(*k));
        covey_err err = k != NULL ? covey_run_new_bare(m->model, &k->run) : COVEY_ERR_NOMEM;
        if (err != COVEY_OK) {
            free(k);
            return err;
        }
        covey_run_stages(k->run, NULL, 0);
        covey__network_held(n, m->run_bytes);
    }
    k->model = m;
    m->users++;
    *out = k;
    return COVEY_OK;
}

/* Under the lock: two requests of new rows make one model. */
static covey_err model_of(struct covey_network *n, const struct strip_model *like,
                          struct strip_model **out)
{
    struct strip_model *m = find_model(n, like);
    covey_err err = m == NULL ? COVEY_ERR_BUSY : COVEY_OK;
    if (err == COVEY_OK && m->model == NULL) {
        err = make_model(n, like, m);
    }
    if (err == COVEY_OK) {
        m->used_at = ++n->used_at;
        *out = m;
    }
    return err;
}

covey_err covey__network_model(struct covey_network *n, const struct strip_model *like)
{
    struct strip_model *m = NULL;
    pthread_mutex_lock(&n->lock);
    covey_err err = model_of(n, like, &m);
    pthread_mutex_unlock(&n->lock);
    return err;
}

void covey__network_reserve(struct covey_network *n, const struct strip_model *like)
{
    const struct covey_model_options options = {.plan_only = true, .layouts = n->layouts};
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    covey_err err = covey__network_graph(n, like, &g);
    if (err == COVEY_OK) {
        err = covey_model_new(g, &options, &m, NULL);
    }
    pthread_mutex_lock(&n->lock);
    /* As much is left for weights to come. */
    if (err == COVEY_OK && room_fits(n, 2 * (uint64_t)room_bytes(m))) {
        rooms_enlarge(n, room_bytes(m));
    }
    pthread_mutex_unlock(&n->lock);
    covey_model_free(m);
    covey_graph_free(g);
}

static covey_err take(struct covey_network *n, const struct strip_model *like,
                      struct strip_run **out)
{
    struct strip_model *m = NULL;
    covey_err err = model_of(n, like, &m);
    if (err != COVEY_OK) {
        return err;
    }
    struct strip_room *room = room_take(n);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    err = take_run(n, m, out);
    if (err != COVEY_OK) {
        room_give_back(n, room);
        return err;
    }
    (*out)->room = room;
    return COVEY_OK;
}

covey_err covey__network_take(struct covey_network *n, const struct strip_model *like,
                              struct strip_run **out)
{
    struct strip_run *k = NULL;
    pthread_mutex_lock(&n->lock);
    covey_err err = take(n, like, &k);
    pthread_mutex_unlock(&n->lock);
    if (err == COVEY_OK) {
        covey_run_place(k->run, k->room->data);
        *out = k;
    }
    return err;
}

void covey__network_give_back(struct covey_network *n, struct strip_run *k)
{
    struct strip_model *m = k->model;
    pthread_mutex_lock(&n->lock);
    m->users--;
    room_give_back(n, k->room);
    k->room = NULL;
    if (m->idle_count < STRIP_IDLE_RUNS && atomic_load(n->used_bytes) <= n->limit) {
        k->next = m->idle;
        m->idle = k;
        m->idle_count++;
    } else {
        run_delete(k);
        covey__network_given_back(n, m->run_bytes);
    }
    pthread_mutex_unlock(&n->lock);
}
