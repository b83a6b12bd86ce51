/* SPDX-License-Identifier: MIT */
#include "bring.h"

#include <stdlib.h>

#include "fetching.h"

enum {
    MODELS = 8,
    WAITERS = 16,
    WAIT_MS = 30000, /* for somebody who gives more of it */
    AGAIN_MS = 1000, /* after all were asked in vain */
};

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
    covey_err err;
    struct covey_nn_error why;
    /* on the loop */
    bool nobody;  /* is here that could be asked */
    bool asked;   /* somebody was: something may have come */
    size_t least; /* blobs missing, so far; SIZE_MAX: the manifest is */
    uint64_t wait_ms, until_ms;
    uint64_t again_ms; /* nothing is under way before; 0: something is */
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

static uint64_t now_ms(const struct job *j)
{
    return covey_loop_now_ms(j->bring->config.services->loop);
}

static size_t sources(const struct job *j, struct covey_node_id *out)
{
    const struct covey_bring_config *config = &j->bring->config;
    return config->sources(config->user, &j->id, out, COVEY_PLAN_DEVICES_MAX);
}

/* Nobody gives any of it now. */
static void rest(struct job *j)
{
    j->fetching.widely = false;
    j->fetching.round = 0;
    j->again_ms = now_ms(j) + AGAIN_MS;
}

static void look_done(struct covey_task *task);

static void look(struct job *j)
{
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX] = {0};
    size_t count = sources(j, source);
    j->nobody = count == 0;
    j->again_ms = 0;
    covey__fetching_begin(&j->fetching, source, count);
    j->task = (struct covey_task){.work = look_work, .done = look_done};
    covey__pool_submit(j->bring->config.services->storage, &j->task);
}

static void look_done(struct covey_task *task)
{
    struct job *j = (struct job *)task;
    if (j->err != COVEY_OK || j->complete) {
        end(j, j->err, j->why.text);
        return;
    }
    size_t left = j->manifest != NULL ? j->fetching.missing : SIZE_MAX;
    bool came = left < j->least;
    if (came) {
        j->least = left;
        j->until_ms = now_ms(j) + j->wait_ms;
        j->fetching.round = 0;
    }
    bool in_vain = j->asked && !came;
    j->asked = false;
    if (j->nobody || (in_vain && !covey__fetching_widen(&j->fetching))) {
        rest(j);
    } else if (in_vain) {
        look(j); /* the list names all devices then */
    } else {
        j->asked = true;
        bool may = covey__fetching_ask(&j->fetching);
        COVEY_ASSERT(may); /* no more than twice before anything comes, or all is quiet */
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
        } else {
            look(j);
        }
        return true;
    }
    return false;
}

static void job_tick(struct job *j)
{
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX];
    bool reached = sources(j, source) > 0;
    if (now_ms(j) >= j->until_ms) {
        end(j, COVEY_ERR_CLOSED,
            reached ? "no device that is here has all of this model's weights; is the one that "
                      "added it up?"
                    : "no device that may have this model can be reached now");
    } else if (reached && now_ms(j) >= j->again_ms) {
        look(j);
    }
}

void covey__bring_tick(struct covey_bring *b)
{
    for (unsigned i = 0; b != NULL && i < MODELS; i++) {
        if (b->job[i].used && b->job[i].again_ms != 0) {
            job_tick(&b->job[i]);
        }
    }
}

static covey_err wait_for(struct job *j, uint64_t client, uint32_t tag, uint32_t wait_ms)
{
    if (j->waiters == WAITERS) {
        return COVEY_ERR_BUSY;
    }
    uint64_t ms = wait_ms != 0 ? wait_ms : WAIT_MS;
    j->wait_ms = ms > j->wait_ms ? ms : j->wait_ms;
    j->until_ms = now_ms(j) + ms > j->until_ms ? now_ms(j) + ms : j->until_ms;
    j->waiter[j->waiters].client = client;
    j->waiter[j->waiters++].tag = tag;
    return COVEY_OK;
}

covey_err covey__bring_model(struct covey_bring *b, const struct covey_digest *id, uint64_t client,
                             uint32_t tag, uint32_t wait_ms)
{
    struct job *vacant = NULL;
    for (unsigned i = 0; i < MODELS; i++) {
        struct job *j = &b->job[i];
        if (j->used && covey_digest_equal(&j->id, id)) {
            return wait_for(j, client, tag, wait_ms);
        }
        vacant = j->used ? vacant : j;
    }
    if (vacant == NULL) {
        return COVEY_ERR_BUSY;
    }
    struct job fresh = {.bring = b, .used = true, .id = *id, .least = SIZE_MAX};
    covey_err err = covey__fetching_init(&fresh.fetching, b->config.services);
    if (err != COVEY_OK) {
        return err;
    }
    fresh.fetching.once = true;
    *vacant = fresh;
    err = wait_for(vacant, client, tag, wait_ms);
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
