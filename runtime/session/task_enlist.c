/* SPDX-License-Identifier: MIT */
#include "task_enlist.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/manifest.h"
#include "covey/wants.h"

static bool is_of(const struct covey__enlisted *e, const struct covey_node_id *peer,
                  const struct covey_fence *fence)
{
    return covey_node_id_equal(&e->peer, peer) && e->fence.epoch == fence->epoch &&
           covey_session_id_equal(&e->fence.session, &fence->session);
}

struct covey__enlisted *covey__enlist_find(struct covey__enlisted *list,
                                           const struct covey_node_id *peer,
                                           const struct covey_fence *fence)
{
    while (list != NULL && !(list->work != NULL && is_of(list, peer, fence))) {
        list = list->next;
    }
    return list;
}

struct covey__enlisted *covey__enlist_ref(struct covey__enlisted *e)
{
    e->refs++;
    return e;
}

void covey__enlist_unref(struct covey__enlisted *e)
{
    if (e == NULL || --e->refs > 0) {
        return;
    }
    covey__gradient_work_free(e->work);
    free(e->wants);
    free(e);
}

static void tell_checked(struct covey_services *s, const struct covey_node_id *peer,
                         const struct covey_fence *fence, covey_err err)
{
    const struct covey_event event = {
        .type = COVEY_EVENT_ENLIST_CHECKED, .peer = *peer, .fence = *fence, .err = err};
    s->feed(s->user, &event);
}

/* ---- on the storage thread ---- */

static void want(struct covey__enlisted *e, const struct covey_digest *digest, size_t len)
{
    const struct covey_want w = {.digest = *digest, .len = (uint32_t)len};
    if (++e->missing <= COVEY_WANTS_MAX) {
        e->wants_len += covey_wants_put(e->wants + e->wants_len, &w);
    }
}

/* What the owner is to be asked for. */
static void look_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey__enlisted *e = (struct covey__enlisted *)task;
    const struct covey_store *store = &e->services->store;
    struct covey_manifest *manifest = NULL;
    struct covey_body *body = NULL;
    struct covey_nn_error *why = &e->why;
    e->missing = 0;
    e->unknown = false;
    e->wants_len = covey_wants_begin(e->wants, &e->peer, 1);
    e->err = covey__store_body(store, &e->spec.model, &body);
    if (e->err == COVEY_ERR_NOT_FOUND) {
        e->err = COVEY_OK;
        e->unknown = true;
        want(e, &e->spec.model, 0);
        return;
    }
    if (e->err == COVEY_OK) {
        e->err = covey_manifest_decode(covey_bytes_of(body->data, body->len), &manifest, why);
    }
    if (e->err == COVEY_OK) { /* before anything is brought */
        e->err = covey__gradient_work_room(e->services, manifest, why);
    }
    for (size_t i = 0; e->err == COVEY_OK && i < covey_manifest_blobs(manifest); i++) {
        const struct covey_blob *blob = covey_manifest_blob(manifest, i);
        if (!covey__store_has(store, &blob->digest)) {
            want(e, &blob->digest, blob->len);
        }
    }
    covey_manifest_free(manifest);
    covey_body_unref(body);
}

/* ---- on a background thread ---- */

static void make_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct covey__enlisted *e = (struct covey__enlisted *)task;
    e->err = covey__gradient_work_new(e->services, &e->spec, &e->work, &e->why);
}

/* ---- on the loop ---- */

static void make_done(struct covey_task *task)
{
    struct covey__enlisted *e = (struct covey__enlisted *)task;
    const struct covey_services *s = e->services;
    if (!e->gone && e->err == COVEY_ERR_BUSY &&
        covey_seldom_due(e->no_room, covey_loop_now_ms(s->loop))) {
        char line[sizeof(e->why.text) + 32];
        snprintf(line, sizeof(line), "trains without this device: %s", e->why.text);
        s->tell(s->user, &e->peer, line);
    }
    if (!e->gone) {
        tell_checked(e->services, &e->peer, &e->fence, e->err);
    }
    covey__enlist_unref(e);
}

static void look_done(struct covey_task *task)
{
    struct covey__enlisted *e = (struct covey__enlisted *)task;
    /* How many blobs a manifest names is known once it is there. */
    bool nothing = e->unknown ? e->asked : e->missed > 0 && e->missing >= e->missed;
    bool stuck = e->missing > 0 && nothing;
    if (e->err == COVEY_OK && stuck) {
        e->err = COVEY_ERR_NOT_FOUND; /* nothing came */
    }
    if (e->err != COVEY_OK || e->gone) {
        make_done(task);
        return;
    }
    if (e->missing == 0) {
        e->task = (struct covey_task){.work = make_work, .done = make_done};
        covey__pool_submit(e->services->background, &e->task);
        return;
    }
    e->asked = e->asked || e->unknown;
    e->missed = e->unknown ? 0 : e->missing;
    e->fetching = true;
    e->fetch.version++;
    const struct covey_event event = {.type = COVEY_EVENT_FETCH,
                                      .peer = e->peer,
                                      .fence = e->fetch,
                                      .bytes = covey_bytes_of(e->wants, e->wants_len)};
    e->services->feed(e->services->user, &event);
}

static void look(struct covey__enlisted *e)
{
    e->task = (struct covey_task){.work = look_work, .done = look_done};
    covey__pool_submit(e->services->storage, &e->task);
}

bool covey__enlist_fetched(struct covey__enlisted *list, const struct covey_action *action)
{
    for (struct covey__enlisted *e = list; e != NULL; e = e->next) {
        if (!e->fetching || !covey_session_id_equal(&e->fetch.session, &action->fence.session)) {
            continue;
        }
        e->fetching = false;
        e->err = action->err;
        if (e->err == COVEY_OK) {
            look(e);
        } else {
            make_done(&e->task);
        }
        return true;
    }
    return false;
}

static covey_err begin(struct covey__enlisted **list, struct covey_services *services,
                       const struct covey_action *action, const struct covey_enlist_spec *spec,
                       struct covey_seldom *no_room)
{
    struct covey__enlisted *e = calloc(1, sizeof(*e));
    uint8_t *wants = malloc(COVEY_WANTS_BYTES_MAX);
    if (e == NULL || wants == NULL) {
        free(e);
        free(wants);
        return COVEY_ERR_NOMEM;
    }
    e->services = services;
    e->no_room = no_room;
    e->peer = action->peer;
    e->fence = action->fence;
    e->spec = *spec;
    e->wants = wants;
    e->fetch.epoch = 1;
    covey_random(e->fetch.session.bytes, sizeof(e->fetch.session.bytes));
    e->refs = 2; /* the list's and its task's */
    e->next = *list;
    *list = e;
    look(e);
    return COVEY_OK;
}

void covey__enlist_begin(struct covey__enlisted **list, struct covey_services *services,
                         struct covey_seldom *no_room, const struct covey_action *action)
{
    struct covey_enlist_spec spec;
    covey_err err = covey__enlist_spec_decode(action->bytes, &spec);
    if (err == COVEY_OK && spec.mode == COVEY_TRAIN_DATA) {
        err = begin(list, services, action, &spec, no_room);
        if (err == COVEY_OK) {
            return;
        }
    }
    tell_checked(services, &action->peer, &action->fence, err);
}

void covey__enlist_end(struct covey__enlisted **list, const struct covey_action *action)
{
    for (struct covey__enlisted **link = list; *link != NULL; link = &(*link)->next) {
        struct covey__enlisted *e = *link;
        if (is_of(e, &action->peer, &action->fence)) {
            *link = e->next;
            e->gone = true;
            e->refs -= e->fetching; /* no FETCHED finds it any more */
            covey__enlist_unref(e);
            return;
        }
    }
}
