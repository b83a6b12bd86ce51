/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "training_ended.h"
#include "training_way.h"

/* Sessions that are over and still shown: those of before a restart are among them. */
enum { ENDED_MAX = COVEY__TRAINING_ENDED_MAX };

struct covey_trainings {
    struct covey_training_config config;
    struct covey_training *first; /* the newest first */
    size_t count;
};

/* ---- one session ---- */

/* Perhaps after the services it was given. */
static void destroy(struct covey_training *t)
{
    covey__training_record_done(&t->record);
    free(t->products);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

static bool is_over(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    bool ended = t->ended;
    pthread_mutex_unlock(&t->mutex);
    return ended;
}

static void ask(struct covey_training *t, enum covey__training_ask what)
{
    pthread_mutex_lock(&t->mutex);
    t->ask = t->ask == COVEY__TRAINING_DROP ? t->ask : what;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->mutex);
    covey__training_way_stop(t);
}

/* The thread has ended or is about to. */
static void join(struct covey_training *t)
{
    if (t->joined) {
        return;
    }
    pthread_join(t->thread, NULL);
    t->joined = true;
    t->ended_ms = covey_loop_now_ms(t->services->loop);
    covey__training_way_close(t);
}

/* Any thread; the loop frees it, after this or in it. */
static void on_news(void *user);

void covey__training_post(struct covey_training *t)
{
    if (!t->posted) {
        t->posted = covey_loop_post(t->services->loop, on_news, t) == COVEY_OK;
    }
}

/* ---- what its thread says ---- */

static void tell_keeper(struct covey_training *t, const struct covey_checkpoint_ref *made)
{
    const struct covey_training_keeper *keeper = t->all->config.keeper;
    if (keeper != NULL) {
        keeper->checkpoint(keeper->user, &t->fence, made);
    } else {
        covey__trainings_kept(t->all, &t->fence, made->step);
        covey__trainings_settled(t->all, &t->fence, made->step);
    }
}

static void over(struct covey_training *t)
{
    const struct covey_training_keeper *keeper = t->all->config.keeper;
    char line[400];
    join(t);
    snprintf(line, sizeof(line), "training %s %s%s%s", t->job.name,
             t->err == COVEY_OK           ? "is done"
             : t->err == COVEY_ERR_CLOSED ? "stopped"
                                          : "failed",
             t->err == COVEY_OK || t->err == COVEY_ERR_CLOSED ? "" : ": ",
             t->err == COVEY_OK || t->err == COVEY_ERR_CLOSED ? "" : t->progress.why);
    t->services->log(t->services->user, line);
    if (t->ended_err != COVEY_OK) {
        snprintf(line, sizeof(line), "training %s will not be known after a restart: %s",
                 t->job.name, covey_strerror(t->ended_err));
        t->services->log(t->services->user, line);
    }
    bool begun = t->opened && t->way.err == COVEY_OK;
    bool goes_on = t->err != COVEY_OK && (begun || t->resumed);
    if (keeper != NULL && !t->leaving && t->ask != COVEY__TRAINING_DROP) {
        (goes_on ? keeper->stopped : keeper->closed)(keeper->user, &t->fence);
    }
}

static void warn(struct covey_training *t, bool unkept)
{
    char line[sizeof(t->progress.why)];
    if (unkept && !t->warned) {
        pthread_mutex_lock(&t->mutex);
        memcpy(line, t->progress.why, sizeof(line));
        pthread_mutex_unlock(&t->mutex);
        t->services->log(t->services->user, line);
    }
    t->warned = unkept;
}

/* What is idle closes, one thing after the other. */
static void make_room(struct covey_training *t)
{
    const struct covey_training_config *config = &t->all->config;
    bool roomed = config->make_room != NULL && config->make_room(config->user);
    pthread_mutex_lock(&t->mutex);
    t->scarce = false;
    t->roomed = roomed;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->mutex);
}

static void on_news(void *user)
{
    struct covey_training *t = user;
    struct covey_trainings *all = t->all;
    pthread_mutex_lock(&t->mutex);
    t->posted = false;
    bool opened = t->opened && !t->way.chosen, ended = t->ended, made = t->has_made;
    bool unkept = t->progress.unkept, scarce = t->scarce;
    struct covey_checkpoint_ref ref = t->made;
    t->has_made = false;
    pthread_mutex_unlock(&t->mutex);
    if (scarce) {
        make_room(t);
    }
    if (opened && !ended) {
        covey__training_choose(t);
    }
    if (made) {
        tell_keeper(t, &ref);
    }
    warn(t, unkept);
    if (ended && !t->joined) {
        over(t);
    }
    if (all->config.changed != NULL) {
        char name[COVEY_NAME_MAX + 1];
        memcpy(name, t->job.name, sizeof(name));
        all->config.changed(all->config.user, name);
    }
}

/* ---- all of them ---- */

static void init_sync(struct covey_training *t)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
}

/* As it was before the restart; ended before all that ends from now on. */
static struct covey_training *of_ended(struct covey_trainings *all, struct covey_training_ended *e)
{
    struct covey_training *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return NULL;
    }
    t->all = all;
    t->services = all->config.services;
    t->fence = e->fence;
    t->joined = t->opened = t->ended = t->has_result = true;
    t->ended_ms = all->count;
    t->report = e->progress.rounds;
    t->job = e->job;
    t->progress = e->progress;
    t->record = e->record;
    t->result = e->result;
    e->record.history = NULL;
    init_sync(t);
    return t;
}

static void restore(void *user, covey_err err, const char *name, struct covey_training_ended *e)
{
    struct covey_trainings *all = user;
    const struct covey_store *store = &all->config.services->store;
    struct covey_checkpoint_parts parts = {NULL, 0};
    struct covey_training *t = NULL;
    if (err == COVEY_OK) {
        err = covey__training_result_parts(store, &e->result, &parts);
    }
    if (err == COVEY_OK) {
        err = covey__checkpoint_pin(store, &parts);
    }
    if (err == COVEY_OK) {
        t = of_ended(all, e);
    }
    if (t != NULL) {
        t->model = parts;
        t->link = all->first;
        all->first = t;
        all->count++;
        return;
    }
    if (err == COVEY_OK) {
        covey__checkpoint_unpin(store, &parts);
        err = COVEY_ERR_NOMEM;
    }
    covey__checkpoint_parts_done(&parts);
    char line[200];
    snprintf(line, sizeof(line), "a training that is done cannot be shown any more: trained/%s: %s",
             name, covey_strerror(err));
    all->config.services->log(all->config.services->user, line);
}

covey_err covey__trainings_new(const struct covey_training_config *config,
                               struct covey_trainings **out)
{
    struct covey_trainings *all = calloc(1, sizeof(*all));
    if (all == NULL) {
        return COVEY_ERR_NOMEM;
    }
    all->config = *config;
    covey__training_ended_read(&config->services->store, restore, all);
    *out = all;
    return COVEY_OK;
}

/* Its thread is joined. */
static void release(struct covey_training *t)
{
    const struct covey_store *store = &t->services->store;
    for (size_t i = 0; i < sizeof(t->kept) / sizeof(t->kept[0]); i++) {
        covey__checkpoint_unpin(store, &t->kept[i]);
        covey__checkpoint_parts_done(&t->kept[i]);
    }
    covey__checkpoint_unpin(store, &t->model);
    covey__checkpoint_parts_done(&t->model);
    covey_loop_unpost(t->services->loop, t);
    destroy(t);
}

static void drop(struct covey_trainings *all, struct covey_training *t)
{
    struct covey_training **link = &all->first;
    while (*link != t) {
        link = &(*link)->link;
    }
    *link = t->link;
    all->count--;
    release(t);
}

void covey__trainings_leave(struct covey_trainings *all)
{
    for (struct covey_training *t = all != NULL ? all->first : NULL; t != NULL; t = t->link) {
        t->leaving = true;
        ask(t, COVEY__TRAINING_STOP);
    }
}

void covey__trainings_free(struct covey_trainings *all)
{
    if (all == NULL) {
        return;
    }
    covey__trainings_leave(all);
    while (all->first != NULL) {
        struct covey_training *t = all->first;
        join(t);
        if (t->has_made) {
            tell_keeper(t, &t->made);
        }
        drop(all, t);
    }
    free(all);
}

struct forgetting {
    struct covey_task task;
    const struct covey_store *store;
    struct covey_session_id id;
};

static void forget_work(struct covey_task *task, struct covey_scratch *scratch)
{
    const struct forgetting *f = (const struct forgetting *)task;
    (void)scratch;
    covey__training_ended_remove(f->store, &f->id);
}

static void forget_done(struct covey_task *task)
{
    free(task);
}

/* One that is over, for good. */
static void forget(struct covey_trainings *all, struct covey_training *t)
{
    struct covey_services *services = all->config.services;
    struct forgetting *f = t->has_result ? malloc(sizeof(*f)) : NULL;
    if (f != NULL) { /* without memory it is there again after a restart */
        *f = (struct forgetting){.task = {.work = forget_work, .done = forget_done},
                                 .store = &services->store,
                                 .id = t->fence.session};
        covey__pool_submit(services->storage, &f->task);
    }
    drop(all, t);
}

/* The one that ended first goes. */
static void drop_oldest(struct covey_trainings *all)
{
    struct covey_training *oldest = NULL;
    size_t ended = 0;
    for (struct covey_training *t = all->first; t != NULL; t = t->link) {
        if (t->joined) {
            ended++;
            oldest = oldest == NULL || t->ended_ms < oldest->ended_ms ? t : oldest;
        }
    }
    if (ended >= ENDED_MAX) {
        forget(all, oldest);
    }
}

/* What it was before goes on in the new one. */
static void drop_ended(struct covey_trainings *all, const struct covey_session_id *session)
{
    for (struct covey_training *t = all->first, *link = NULL; t != NULL; t = link) {
        link = t->link;
        if (t->joined && covey_session_id_equal(&t->fence.session, session)) {
            forget(all, t);
        }
    }
}

static size_t running(const struct covey_trainings *all)
{
    size_t count = 0;
    for (const struct covey_training *t = all->first; t != NULL; t = t->link) {
        count += !t->joined;
    }
    return count;
}

static struct covey_training *find(const struct covey_trainings *all,
                                   const struct covey_fence *fence)
{
    struct covey_training *t = all->first;
    while (t != NULL && !(covey_session_id_equal(&t->fence.session, &fence->session) &&
                          t->fence.epoch == fence->epoch)) {
        t = t->link;
    }
    return t;
}

/* The newest of this name. */
static struct covey_training *find_name(const struct covey_trainings *all, const char *name)
{
    struct covey_training *t = all->first;
    while (t != NULL && strcmp(t->job.name, name) != 0) {
        t = t->link;
    }
    return t;
}

covey_err covey__trainings_start(struct covey_trainings *all,
                                 const struct covey_training_start *start)
{
    const struct covey_training_keeper *keeper = all->config.keeper;
    struct covey_training *known = find(all, &start->fence);
    struct covey_training *same = start->fence.epoch == 1 ? find_name(all, start->job->name) : NULL;
    if ((known != NULL && !known->joined) || (same != NULL && !same->joined)) {
        return COVEY_ERR_EXISTS;
    }
    if (running(all) >= COVEY_TRAININGS_MAX) {
        return COVEY_ERR_BUSY;
    }
    drop_ended(all, &start->fence.session);
    drop_oldest(all);
    struct covey_training *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return COVEY_ERR_NOMEM;
    }
    t->all = all;
    t->services = all->config.services;
    t->fence = start->fence;
    t->job_digest = start->digest;
    t->needs_lease = keeper != NULL;
    t->resumed = start->newest != NULL;
    t->newest = start->newest != NULL ? *start->newest : t->newest;
    t->progress.test_accuracy = -1;
    t->progress.checkpoint_step = t->settled_step = t->newest.step;
    t->job = *start->job;
    init_sync(t);
    if (pthread_create(&t->thread, NULL, covey__training_thread, t) != 0) {
        destroy(t);
        return COVEY_ERR_NOMEM;
    }
    t->link = all->first;
    all->first = t;
    all->count++;
    if (keeper != NULL) {
        keeper->opened(keeper->user, &t->fence, &t->job_digest, start->newest);
    }
    return COVEY_OK;
}

void covey__trainings_lease(struct covey_trainings *all, const struct covey_fence *fence,
                            uint64_t until_ms)
{
    struct covey_training *t = find(all, fence);
    if (t != NULL) {
        pthread_mutex_lock(&t->mutex);
        t->lease_ms = until_ms;
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->mutex);
    }
}

void covey__trainings_custodians(struct covey_trainings *all, const struct covey_fence *fence,
                                 uint8_t held, uint8_t wanted)
{
    struct covey_training *t = find(all, fence);
    if (t != NULL) {
        pthread_mutex_lock(&t->mutex);
        t->progress.custodians = held;
        t->progress.custodians_wanted = wanted;
        covey__training_post(t);
        pthread_mutex_unlock(&t->mutex);
    }
}

void covey__trainings_kept(struct covey_trainings *all, const struct covey_fence *fence,
                           uint64_t step)
{
    struct covey_training *t = find(all, fence);
    if (t != NULL) {
        pthread_mutex_lock(&t->mutex);
        if (step > t->progress.checkpoint_step) {
            t->progress.checkpoint_step = step;
            pthread_cond_broadcast(&t->wake);
            covey__training_post(t);
        }
        pthread_mutex_unlock(&t->mutex);
    }
}

void covey__trainings_settled(struct covey_trainings *all, const struct covey_fence *fence,
                              uint64_t step)
{
    struct covey_training *t = find(all, fence);
    if (t != NULL) {
        pthread_mutex_lock(&t->mutex);
        t->settled_step = step > t->settled_step ? step : t->settled_step;
        pthread_cond_broadcast(&t->wake);
        pthread_mutex_unlock(&t->mutex);
    }
}

covey_err covey__trainings_stop(struct covey_trainings *all, const char *name)
{
    struct covey_training *t = find_name(all, name);
    if (t == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    if (t->joined) {
        forget(all, t);
    } else {
        ask(t, COVEY__TRAINING_STOP);
    }
    return COVEY_OK;
}

void covey__trainings_drop(struct covey_trainings *all, const struct covey_fence *fence)
{
    struct covey_training *t = find(all, fence);
    if (t != NULL && !is_over(t)) {
        ask(t, COVEY__TRAINING_DROP);
    }
}

bool covey__trainings_action(struct covey_trainings *all, const struct covey_action *action)
{
    struct covey_training *t = find(all, &action->fence);
    return t != NULL && covey__training_way_action(t, action);
}

/* ---- looking in ---- */

size_t covey__trainings_count(const struct covey_trainings *all)
{
    return all->count;
}

const struct covey_training_job *covey__trainings_get(const struct covey_trainings *all,
                                                      size_t index,
                                                      struct covey_training_progress *out)
{
    struct covey_training *t = all->first;
    COVEY_ASSERT(index < all->count);
    for (; index > 0; index--) {
        t = t->link;
    }
    pthread_mutex_lock(&t->mutex);
    *out = t->progress;
    pthread_mutex_unlock(&t->mutex);
    covey__training_way_report(t, &out->rounds);
    return &t->job;
}

bool covey__trainings_find(const struct covey_trainings *all, const char *name, size_t *out_index)
{
    size_t index = 0;
    for (struct covey_training *t = all->first; t != NULL; t = t->link, index++) {
        if (strcmp(t->job.name, name) == 0) {
            *out_index = index;
            return true;
        }
    }
    return false;
}

bool covey__trainings_done(const struct covey_trainings *all,
                           const struct covey_session_id *session)
{
    const struct covey_training *t = all->first;
    while (t != NULL && !(t->joined && t->has_result && t->err == COVEY_OK &&
                          covey_session_id_equal(&t->fence.session, session))) {
        t = t->link;
    }
    return t != NULL;
}

covey_err covey__trainings_result(const struct covey_trainings *all, const char *name,
                                  struct covey_digest *out_manifest)
{
    struct covey_training *t = find_name(all, name);
    if (t == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    pthread_mutex_lock(&t->mutex);
    bool has = t->has_result && t->ended;
    struct covey_digest result = t->result;
    pthread_mutex_unlock(&t->mutex);
    if (!has) {
        return COVEY_ERR_STATE;
    }
    *out_manifest = result;
    return COVEY_OK;
}

covey_err covey__trainings_record(const struct covey_trainings *all, const char *name,
                                  struct covey_buf *out)
{
    struct covey_training *t = find_name(all, name);
    struct covey_buf room = {NULL, 0};
    if (t == NULL) {
        return COVEY_ERR_NOT_FOUND;
    }
    pthread_mutex_lock(&t->mutex);
    covey_err err = t->record.history == NULL
                        ? COVEY_ERR_STATE
                        : covey__training_record_encode(&t->record, room, &room.len);
    if (err == COVEY_OK) {
        room.ptr = malloc(room.len);
        err = room.ptr == NULL ? COVEY_ERR_NOMEM
                               : covey__training_record_encode(&t->record, room, &room.len);
    }
    pthread_mutex_unlock(&t->mutex);
    if (err != COVEY_OK) {
        free(room.ptr);
        return err;
    }
    *out = room;
    return COVEY_OK;
}
