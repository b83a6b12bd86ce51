/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"
#include "covey/crypto.h"
#include "training_progress.h"

/* ---- beginning: the job is kept by the storage thread, which sees whether all else is there ----
 */

struct train_task {
    struct covey_task task;
    struct covey_daemon *daemon;
    uint64_t client;
    uint32_t id;
    struct covey_body *body;
    struct covey_digest digest;
    struct covey_training_job job;
    covey_err err;
    const char *why;
};

static covey_err keep_job(struct train_task *t)
{
    const struct covey_digest none = {.bytes = {0}};
    const struct covey_store *store = &t->daemon->services.store;
    bool there = covey__store_has(store, &t->job.model) && covey__store_has(store, &t->job.data) &&
                 (covey_digest_equal(&t->job.test, &none) || covey__store_has(store, &t->job.test));
    if (!there) {
        t->why = "the model or the samples of the job are not here";
        return COVEY_ERR_NOT_FOUND;
    }
    struct covey_bytes bytes = covey_bytes_of(t->body->data, t->body->len);
    covey_hash(&t->digest, bytes);
    return covey__store_add(store, &t->digest, bytes);
}

static void train_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct train_task *t = (struct train_task *)task;
    (void)scratch;
    t->err = keep_job(t);
}

static covey_err start(struct train_task *t)
{
    struct covey_training_start s = {.digest = t->digest, .job = &t->job};
    s.fence.epoch = 1;
    covey_random(s.fence.session.bytes, sizeof(s.fence.session.bytes));
    covey_err err = covey__trainings_start(t->daemon->trainings, &s);
    t->why = err == COVEY_ERR_EXISTS ? "a training session of this name runs here"
             : err == COVEY_ERR_BUSY ? "as many training sessions run here as can: try again"
                                     : NULL;
    return err;
}

static void train_done(struct covey_task *task)
{
    const struct covey_digest none = {.bytes = {0}};
    struct train_task *t = (struct train_task *)task;
    struct covey_daemon *d = t->daemon;
    struct covey_client *client = covey__control_client(d, t->client);
    if (t->err == COVEY_OK && !d->closing) {
        t->err = start(t);
    }
    if (t->err == COVEY_OK && !d->closing) {
        covey__daemon_log(d, "training %s begins", t->job.name);
    }
    if (client != NULL && !d->closing) {
        if (t->err == COVEY_OK) {
            covey__control_done(client, t->id, &none);
        } else {
            covey__control_error(client, t->id, t->err, t->why);
        }
    }
    covey_body_unref(t->body);
    free(t);
}

void covey__control_train(struct covey_client *client, const struct covey_control *in,
                          struct covey_body *take_body)
{
    struct covey_daemon *d = client->daemon;
    struct train_task *t = take_body != NULL ? calloc(1, sizeof(*t)) : NULL;
    covey_err err = take_body == NULL ? COVEY_ERR_SHORT : t == NULL ? COVEY_ERR_NOMEM : COVEY_OK;
    if (err == COVEY_OK) {
        err = covey__training_job_decode(covey_bytes_of(take_body->data, take_body->len), &t->job);
    }
    if (err != COVEY_OK) {
        free(t);
        covey_body_unref(take_body);
        covey__control_error(client, in->id, err, "the training job cannot be read");
        return;
    }
    t->task = (struct covey_task){.work = train_work, .done = train_done};
    t->daemon = d;
    t->client = client->serial;
    t->id = in->id;
    t->body = take_body;
    covey__control_added_used(client);
    covey__pool_submit(d->services.storage, &t->task);
}

/* ---- watching ---- */

struct covey_train_watcher {
    uint64_t client;
    uint32_t id;
    char name[COVEY_NAME_MAX + 1];
    struct covey_train_watcher *next;
};

static void reply_progress(struct covey_client *client, uint32_t id,
                           const struct covey_training_progress *p)
{
    uint8_t bytes[COVEY_TRAINING_PROGRESS_MAX];
    struct covey_control *out = client->daemon->out;
    size_t len = 0;
    covey_err err =
        covey__training_progress_encode(p, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    if (err != COVEY_OK) {
        covey__control_error(client, id, err, NULL);
        return;
    }
    out->type = COVEY_CONTROL_TRAIN_PROGRESS;
    out->id = id;
    covey__control_reply(client, covey_bytes_of(bytes, len));
}

static void reply_end(struct covey_client *client, uint32_t id, const char *name,
                      const struct covey_training_progress *p)
{
    struct covey_digest result = {.bytes = {0}};
    char why[160];
    int len =
        snprintf(why, sizeof(why), "stopped in epoch %u after step %u", p->epoch + 1, p->step);
    if (p->state == COVEY_TRAINING_DONE &&
        covey__trainings_result(client->daemon->trainings, name, &result) == COVEY_OK) {
        covey__control_done(client, id, &result);
    } else if (p->moved) {
        snprintf(why + len, sizeof(why) - (size_t)len, " here: another device goes on with it");
        covey__control_error(client, id, COVEY_ERR_STATE, why);
    } else if (p->state == COVEY_TRAINING_STOPPED) {
        covey__control_error(client, id, COVEY_ERR_CANCELLED, why);
    } else {
        covey__control_error(client, id, COVEY_ERR_STATE, p->why);
    }
}

static bool has_ended(const struct covey_training_progress *p)
{
    return p->state == COVEY_TRAINING_DONE || p->state == COVEY_TRAINING_FAILED ||
           p->state == COVEY_TRAINING_STOPPED;
}

/* What it says now; true: it has ended, and that was said. */
static bool tell(struct covey_client *client, uint32_t id, const char *name)
{
    struct covey_trainings *all = client->daemon->trainings;
    struct covey_training_progress p;
    size_t index = 0;
    if (!covey__trainings_find(all, name, &index)) {
        covey__control_error(client, id, COVEY_ERR_NOT_FOUND,
                             "no training session of this name is here");
        return true;
    }
    (void)covey__trainings_get(all, index, &p);
    bool ended = has_ended(&p);
    reply_progress(client, id, &p);
    if (ended) {
        reply_end(client, id, name, &p);
    }
    return ended;
}

/* Those who have gone, or have seen the end, watch no more. */
static void tell_watchers(struct covey_daemon *d, const char *name)
{
    for (struct covey_train_watcher **link = &d->watchers; *link != NULL;) {
        struct covey_train_watcher *w = *link;
        struct covey_client *client = covey__control_client(d, w->client);
        size_t index = 0;
        bool its =
            strcmp(w->name, name) == 0 || !covey__trainings_find(d->trainings, w->name, &index);
        if (client == NULL || (its && tell(client, w->id, w->name))) {
            *link = w->next;
            free(w);
        } else {
            link = &w->next;
        }
    }
}

static void changed(void *user, const char *name)
{
    struct covey_daemon *d = user;
    if (!d->closing) {
        tell_watchers(d, name);
    }
}

/* What is idle goes, as for any other session of this node. */
static bool make_room(void *user)
{
    struct covey_daemon *d = user;
    return !d->closing && covey__owner_make_room(d->owner, 0) != NULL;
}

void covey__control_train_watch(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    if (tell(client, in->id, in->name)) {
        return;
    }
    struct covey_train_watcher *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        covey__control_error(client, in->id, COVEY_ERR_NOMEM, NULL);
        return;
    }
    *w = (struct covey_train_watcher){.client = client->serial, .id = in->id, .next = d->watchers};
    memcpy(w->name, in->name, sizeof(w->name));
    d->watchers = w;
}

/* ---- sessions ---- */

void covey__control_train_list(const struct covey_daemon *d, struct covey_control_sessions *list)
{
    size_t count = covey__trainings_count(d->trainings);
    for (size_t i = 0; i < count && list->count < COVEY_CONTROL_SESSIONS_MAX; i++) {
        struct covey_training_progress p;
        const struct covey_training_job *job = covey__trainings_get(d->trainings, i, &p);
        struct covey_control_session *s = &list->session[list->count++];
        uint64_t total = (uint64_t)p.epochs * p.steps;
        *s = (struct covey_control_session){.training = true};
        s->running = !has_ended(&p);
        s->total = total < UINT32_MAX ? (uint32_t)total : UINT32_MAX;
        s->answered = p.total_steps < UINT32_MAX ? (uint32_t)p.total_steps : UINT32_MAX;
        memcpy(s->name, job->name, sizeof(s->name));
        memcpy(s->model, job->model_name, sizeof(s->model));
    }
}

bool covey__control_train_get(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    struct covey_buf record = {NULL, 0};
    covey_err err = covey__trainings_record(d->trainings, in->name, &record);
    if (err == COVEY_ERR_NOT_FOUND) {
        return false;
    }
    if (err == COVEY_OK) {
        d->out->type = COVEY_CONTROL_SESSION_GET_REPLY;
        d->out->id = in->id;
        covey__control_reply(client, covey_bytes_of(record.ptr, record.len));
        free(record.ptr);
    } else {
        covey__control_error(client, in->id, err, "the session has not begun yet");
    }
    return true;
}

static bool is_running(const struct covey_trainings *all, const char *name)
{
    struct covey_training_progress p;
    size_t index = 0;
    if (!covey__trainings_find(all, name, &index)) {
        return false;
    }
    (void)covey__trainings_get(all, index, &p);
    return !has_ended(&p);
}

covey_err covey__control_train_stop(const struct covey_daemon *d, const char *name,
                                    char out_why[static 256])
{
    out_why[0] = 0;
    bool runs = is_running(d->trainings, name);
    covey_err err = covey__trainings_stop(d->trainings, name);
    if (runs) {
        return err;
    }
    /* It was stopped before, perhaps at another device. */
    covey_err forgotten = covey__custodian_forget(d->custodian, name, out_why);
    return err == COVEY_OK ? COVEY_OK : forgotten;
}

/* ---- life ---- */

struct trimming {
    struct covey_task task;
    const struct covey_store *store;
};

static void trim_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    covey__store_trim(((const struct trimming *)task)->store);
}

static void trim_done(struct covey_task *task)
{
    free(task);
}

/* Behind the pins of all that the custodian and the trainings keep. */
static covey_err trim_store(struct covey_services *services)
{
    struct trimming *t = malloc(sizeof(*t));
    if (t == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *t = (struct trimming){.task = {.work = trim_work, .done = trim_done},
                           .store = &services->store};
    covey__pool_submit(services->storage, &t->task);
    return COVEY_OK;
}

covey_err covey__control_train_open(struct covey_daemon *d)
{
    const struct covey_training_config config = {.services = &d->services,
                                                 .keeper = covey__custodian_keeper(d->custodian),
                                                 .make_room = make_room,
                                                 .changed = changed,
                                                 .user = d};
    covey_err err = covey__trainings_new(&config, &d->trainings);
    return err == COVEY_OK ? trim_store(&d->services) : err;
}

void covey__control_train_close(struct covey_daemon *d)
{
    covey__trainings_free(d->trainings);
    d->trainings = NULL;
    while (d->watchers != NULL) {
        struct covey_train_watcher *w = d->watchers;
        d->watchers = w->next;
        free(w);
    }
}
