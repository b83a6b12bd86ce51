/* SPDX-License-Identifier: MIT */
#include "bring.h"

#include <stdlib.h>

#include "fetching.h"

enum { MODELS = 4, WAITERS = 16 };

/* One model on its way: looked for in the store, what is missing is fetched, looked for again. */
struct job {
    struct covey_task task;
    struct covey_bring *bring;
    bool used;
    struct covey_digest id;
    struct covey__fetching fetching;
    unsigned waiters;
    struct {
        uint64_t client;
        uint32_t tag;
    } waiter[WAITERS];
    /* of the task */
    struct covey_manifest *manifest;
    bool pinned, complete;
    size_t missed; /* blobs missing the round before */
    covey_err err;
    struct covey_nn_error why;
};

struct covey_bring {
    struct covey_bring_config config;
    struct job job[MODELS];
};

covey_err covey__bring_new(const struct covey_bring_config *config, struct covey_bring **out)
{
    struct covey_bring *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return COVEY_ERR_NOMEM;
    }
    b->config = *config;
    *out = b;
    return COVEY_OK;
}

/* ---- on the storage thread ---- */

static covey_err pin(struct job *j, const struct covey_store *store)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; !j->pinned && err == COVEY_OK && i < covey_manifest_blobs(j->manifest);
         i++) {
        err = covey__store_pin(store, &covey_manifest_blob(j->manifest, i)->digest);
    }
    j->pinned = true;
    return err;
}

/* The manifest came as a blob; it becomes one of this device's when all its blobs are here. */
static void look_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct job *j = (struct job *)task;
    const struct covey_store *store = &j->bring->config.services->store;
    struct covey_body *body = NULL;
    j->err = covey__store_body(store, &j->id, &body);
    if (j->err == COVEY_ERR_NOT_FOUND) {
        j->err = COVEY_OK;
        covey__fetching_want(&j->fetching, &j->id, 0);
        return;
    }
    struct covey_bytes bytes = {NULL, 0};
    if (j->err == COVEY_OK) {
        bytes = covey_bytes_of(body->data, body->len);
    }
    if (j->err == COVEY_OK && j->manifest == NULL) {
        j->err = covey_manifest_decode(bytes, &j->manifest, &j->why);
    }
    if (j->err == COVEY_OK) {
        j->err = pin(j, store);
    }
    for (size_t i = 0; j->err == COVEY_OK && i < covey_manifest_blobs(j->manifest); i++) {
        const struct covey_blob *blob = covey_manifest_blob(j->manifest, i);
        if (!covey__store_has(store, &blob->digest)) {
            covey__fetching_want(&j->fetching, &blob->digest, blob->len);
        }
    }
    if (j->err == COVEY_OK && j->fetching.missing == 0) {
        j->err = covey__store_put_manifest(store, &j->id, bytes);
        j->complete = j->err == COVEY_OK;
    }
    covey_body_unref(body);
}

/* ---- on the loop ---- */

static void job_done(struct job *j)
{
    const struct covey_store *store = &j->bring->config.services->store;
    for (size_t i = 0; j->pinned && i < covey_manifest_blobs(j->manifest); i++) {
        covey__store_unpin(store, &covey_manifest_blob(j->manifest, i)->digest);
    }
    covey_manifest_free(j->manifest);
    covey__fetching_done(&j->fetching);
    *j = (struct job){.used = false};
}

static void end(struct job *j, covey_err err, const char *why)
{
    const struct covey_bring_config *config = &j->bring->config;
    for (unsigned i = 0; i < j->waiters; i++) {
        struct covey_brought brought = {.id = &j->id,
                                        .err = err,
                                        .why = why,
                                        .manifest = j->manifest,
                                        .client = j->waiter[i].client,
                                        .tag = j->waiter[i].tag};
        config->done(config->user, &brought);
    }
    job_done(j);
}

static void look_done(struct covey_task *task);

static void look(struct job *j)
{
    const struct covey_bring_config *config = &j->bring->config;
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX];
    size_t count = config->sources(config->user, &j->id, source, COVEY_PLAN_DEVICES_MAX);
    if (count == 0) {
        end(j, COVEY_ERR_CLOSED, "no device that may have this model can be reached now");
        return;
    }
    covey__fetching_begin(&j->fetching, source, count);
    j->task = (struct covey_task){.work = look_work, .done = look_done};
    covey__pool_submit(config->services->storage, &j->task);
}

static void widen(struct job *j)
{
    if (!covey__fetching_widen(&j->fetching)) {
        end(j, COVEY_ERR_CLOSED,
            "no device that is here has all of this model's weights; is the one that added it up?");
        return;
    }
    j->missed = 0;
    look(j);
}

static void look_done(struct covey_task *task)
{
    struct job *j = (struct job *)task;
    if (j->err != COVEY_OK) {
        end(j, j->err, j->why.text);
        return;
    }
    if (j->complete) {
        end(j, COVEY_OK, "");
        return;
    }
    size_t missed = j->manifest != NULL ? j->missed : 0, missing = j->fetching.missing;
    if (missed > 0 && missing >= missed) {
        widen(j); /* nothing came */
        return;
    }
    j->missed = j->manifest != NULL ? missing : 0;
    if (!covey__fetching_ask(&j->fetching)) {
        widen(j);
    }
}

bool covey__bring_fetched(struct covey_bring *b, const struct covey_action *action)
{
    for (unsigned i = 0; i < MODELS; i++) {
        struct job *j = &b->job[i];
        if (!j->used || !covey__fetching_is(&j->fetching, action)) {
            continue;
        }
        if (action->err == COVEY_ERR_LIMIT || action->err == COVEY_ERR_SPACE) {
            end(j, COVEY_ERR_SPACE, "this device's store has no room for the model");
        } else if (action->err != COVEY_OK) {
            widen(j);
        } else {
            look(j);
        }
        return true;
    }
    return false;
}

static covey_err wait_for(struct job *j, uint64_t client, uint32_t tag)
{
    if (j->waiters == WAITERS) {
        return COVEY_ERR_BUSY;
    }
    j->waiter[j->waiters].client = client;
    j->waiter[j->waiters++].tag = tag;
    return COVEY_OK;
}

covey_err covey__bring_model(struct covey_bring *b, const struct covey_digest *id, uint64_t client,
                             uint32_t tag)
{
    struct job *vacant = NULL;
    struct covey_node_id source;
    for (unsigned i = 0; i < MODELS; i++) {
        struct job *j = &b->job[i];
        if (j->used && covey_digest_equal(&j->id, id)) {
            return wait_for(j, client, tag);
        }
        vacant = j->used ? vacant : j;
    }
    if (vacant == NULL) {
        return COVEY_ERR_BUSY;
    }
    if (b->config.sources(b->config.user, id, &source, 1) == 0) {
        return COVEY_ERR_CLOSED;
    }
    struct job fresh = {.bring = b, .used = true, .id = *id};
    covey_err err = covey__fetching_init(&fresh.fetching, b->config.services);
    if (err != COVEY_OK) {
        return err;
    }
    *vacant = fresh;
    err = wait_for(vacant, client, tag);
    look(vacant);
    return err;
}

void covey__bring_free(struct covey_bring *b)
{
    for (unsigned i = 0; b != NULL && i < MODELS; i++) {
        if (b->job[i].used) {
            job_done(&b->job[i]);
        }
    }
    free(b);
}
