/* SPDX-License-Identifier: MIT */
#include "custodian_gather.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/manifest.h"
#include "data_blob.h"
#include "fetching.h"
#include "training_checkpoint.h"

enum {
    GATHERS = 2 * COVEY_TRAININGS_MAX, /* of each session all of it, and a newer checkpoint */
    ITEMS_MAX = 1 << 16,  /* blobs: two data sets, a checkpoint, and a model of some thousand */
    PAPERS = 5,           /* job, manifest, two headers, a checkpoint's: what names other blobs */
    LOOK_BYTES = 1 << 26, /* that are read again after a start, before others get the disk */
};

struct item {
    struct covey_digest digest;
    uint32_t len; /* 0: not known */
    bool here;
};

enum paper_kind { PAPER_JOB, PAPER_MODEL, PAPER_DATA, PAPER_CHECKPOINT };
struct paper {
    enum paper_kind kind;
    struct covey_digest digest;
    bool read;
};

struct gather {
    struct covey_task task;
    struct covey_gatherer *all;
    bool used;
    bool again; /* asked in another way meanwhile */
    struct covey_gather_ask ask, next;
    struct covey__fetching fetching;
    size_t had; /* of the blobs, when it was last asked for some */
    /* of the task */
    struct paper paper[PAPERS];
    size_t papers;
    struct item *item; /* each is pinned */
    size_t items, room;
    bool has_job;
    struct covey_training_job job;
    size_t have;
    bool more; /* to be looked at still */
    covey_err err;
    char why[200];
};

struct covey_gatherer {
    struct covey_gather_config config;
    bool stopped;
    struct gather gather[GATHERS];
};

static bool is_zero(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++) {
        all |= p[i];
    }
    return all == 0;
}

covey_err covey__gather_new(const struct covey_gather_config *config, struct covey_gatherer **out)
{
    struct covey_gatherer *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        return COVEY_ERR_NOMEM;
    }
    g->config = *config;
    *out = g;
    return COVEY_OK;
}

/* ---- on the storage thread ---- */

static const struct covey_store *store_of(const struct gather *j)
{
    return &j->all->config.services->store;
}

static covey_err add(struct gather *j, const struct covey_digest *digest, size_t len)
{
    if (j->items == j->room) {
        size_t room = j->room == 0 ? 64 : 2 * j->room;
        struct item *grown = room <= ITEMS_MAX ? realloc(j->item, room * sizeof(*grown)) : NULL;
        if (grown == NULL) {
            return room <= ITEMS_MAX ? COVEY_ERR_NOMEM : COVEY_ERR_LIMIT;
        }
        j->item = grown;
        j->room = room;
    }
    covey_err err = covey__store_pin(store_of(j), digest);
    if (err == COVEY_OK) {
        j->item[j->items++] =
            (struct item){.digest = *digest, .len = len <= UINT32_MAX ? (uint32_t)len : 0};
    }
    return err;
}

static covey_err add_paper(struct gather *j, enum paper_kind kind,
                           const struct covey_digest *digest)
{
    if (is_zero(digest, sizeof(*digest)) || j->papers == PAPERS) {
        return COVEY_OK;
    }
    j->paper[j->papers++] = (struct paper){.kind = kind, .digest = *digest};
    return add(j, digest, 0);
}

static covey_err read_job(struct gather *j, struct covey_bytes bytes)
{
    covey_err err = covey__training_job_decode(bytes, &j->job);
    if (err != COVEY_OK) {
        return err;
    }
    j->has_job = true;
    err = add_paper(j, PAPER_MODEL, &j->job.model);
    if (err == COVEY_OK) {
        err = add_paper(j, PAPER_DATA, &j->job.data);
    }
    return err == COVEY_OK ? add_paper(j, PAPER_DATA, &j->job.test) : err;
}

static covey_err read_model(struct gather *j, struct covey_bytes bytes)
{
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why;
    covey_err err = covey_manifest_decode(bytes, &mf, &why);
    for (size_t i = 0; err == COVEY_OK && i < covey_manifest_blobs(mf); i++) {
        const struct covey_blob *blob = covey_manifest_blob(mf, i);
        err = add(j, &blob->digest, blob->len);
    }
    covey_manifest_free(mf);
    return err;
}

static covey_err read_data(struct gather *j, struct covey_bytes bytes)
{
    struct covey_data_header header;
    covey_err err = covey__data_header_decode(bytes, &header);
    for (uint32_t i = 0; err == COVEY_OK && i < header.chunks; i++) {
        struct covey_digest digest;
        memcpy(digest.bytes, header.digests + i * sizeof(digest.bytes), sizeof(digest.bytes));
        err = add(j, &digest, covey__data_chunk_bytes(&header, i));
    }
    return err;
}

static covey_err read_checkpoint(struct gather *j, struct covey_bytes bytes)
{
    struct covey_bytes record;
    struct covey_checkpoint_pieces pieces;
    covey_err err = covey__training_checkpoint_decode(bytes, &record, &pieces);
    for (size_t i = 0; err == COVEY_OK && i < pieces.count; i++) {
        struct covey_digest digest = covey__checkpoint_piece(&pieces, i);
        err = add(j, &digest, covey__checkpoint_piece_bytes(&pieces, i));
    }
    return err;
}

/* One that is here names what it needs; one that is not is asked for like any blob. */
static covey_err read_paper(struct gather *j, struct paper *paper)
{
    struct covey_body *body = NULL;
    covey_err err = covey__store_body(store_of(j), &paper->digest, &body);
    if (err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_MALFORMED) {
        return COVEY_OK;
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_bytes bytes = covey_bytes_of(body->data, body->len);
    paper->read = true;
    switch (paper->kind) {
    case PAPER_JOB:
        err = read_job(j, bytes);
        break;
    case PAPER_MODEL:
        err = read_model(j, bytes);
        break;
    case PAPER_DATA:
        err = read_data(j, bytes);
        break;
    case PAPER_CHECKPOINT:
        err = read_checkpoint(j, bytes);
        break;
    }
    covey_body_unref(body);
    if (err == COVEY_ERR_MALFORMED || err == COVEY_ERR_RANGE || err == COVEY_ERR_UNSUPPORTED) {
        snprintf(j->why, sizeof(j->why), "what the session needs cannot be read: %s",
                 covey_strerror(err));
    }
    return err;
}

static covey_err begin(struct gather *j)
{
    covey_err err = add_paper(j, PAPER_JOB, &j->ask.job);
    return err == COVEY_OK ? add_paper(j, PAPER_CHECKPOINT, &j->ask.checkpoint.digest) : err;
}

static void look_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct gather *j = (struct gather *)task;
    size_t looked = 0;
    j->have = 0;
    j->err = j->items == 0 ? begin(j) : COVEY_OK;
    for (size_t i = 0; i < j->papers && j->err == COVEY_OK; i++) {
        if (!j->paper[i].read) {
            j->err = read_paper(j, &j->paper[i]);
        }
    }
    for (size_t i = 0; i < j->items && j->err == COVEY_OK && looked < LOOK_BYTES; i++) {
        struct item *item = &j->item[i];
        bool known = item->here;
        item->here = known || covey__store_whole(store_of(j), &item->digest);
        looked += item->here && !known ? item->len : 0;
        if (item->here) {
            j->have++;
        } else {
            covey__fetching_want(&j->fetching, &item->digest, item->len);
        }
    }
    j->more = looked >= LOOK_BYTES;
}

/* ---- on the loop ---- */

void covey__gather_unpin(struct covey_services *services, struct covey_gather_pins *pins)
{
    for (size_t i = 0; i < pins->count; i++) {
        covey__store_unpin(&services->store, &pins->digest[i]);
    }
    free(pins->digest);
    *pins = (struct covey_gather_pins){NULL, 0};
}

static void forget_items(struct gather *j)
{
    for (size_t i = 0; i < j->items; i++) {
        covey__store_unpin(store_of(j), &j->item[i].digest);
    }
    free(j->item);
    j->item = NULL;
    j->items = j->room = j->papers = 0;
    j->has_job = false;
}

static struct covey_gather_pins take_pins(struct gather *j)
{
    struct covey_gather_pins pins = {.digest = malloc((j->items + 1) * sizeof(*pins.digest))};
    if (pins.digest == NULL) {
        return (struct covey_gather_pins){NULL, 0}; /* they stay pinned until the next start */
    }
    for (size_t i = 0; i < j->items; i++) {
        pins.digest[pins.count++] = j->item[i].digest;
    }
    j->items = 0;
    return pins;
}

static void look(struct gather *j);

/* Zeroed, but for what it belongs to. */
static void gather_done(struct gather *j)
{
    struct covey_gatherer *all = j->all;
    forget_items(j);
    covey__fetching_done(&j->fetching);
    *j = (struct gather){.all = all};
}

static void end(struct gather *j, covey_err err, const char *why)
{
    const struct covey_gather_config *config = &j->all->config;
    struct covey_gather_ask ask = j->ask;
    struct covey_training_job job = j->job;
    struct covey_gathered gathered = {.ask = &ask, .err = err, .job = j->has_job ? &job : NULL};
    char line[sizeof(j->why)];
    snprintf(line, sizeof(line), "%s", why);
    gathered.why = line;
    if (err == COVEY_OK) {
        gathered.pins = take_pins(j);
    }
    gather_done(j);
    config->done(config->user, &gathered);
}

static void restart(struct gather *j)
{
    j->ask = j->next;
    j->again = false;
    forget_items(j);
    j->fetching.round = 0;
    j->fetching.widely = false;
    j->had = SIZE_MAX;
    look(j);
}

static void widen(struct gather *j)
{
    if (!covey__fetching_widen(&j->fetching)) {
        end(j, COVEY_ERR_NOT_FOUND, "no device that is here has all that the session needs");
        return;
    }
    j->had = SIZE_MAX;
    look(j);
}

/* What it has is noted first: the answer may come before asking returns. */
static bool ask_for(struct gather *j)
{
    bool came = j->had != j->have;
    j->had = j->have;
    return came && covey__fetching_ask(&j->fetching);
}

/* Nobody can be asked, or need not be. */
static bool is_alone(const struct gather *j)
{
    return j->ask.here || is_zero(&j->fetching.source, sizeof(j->fetching.source));
}

static void look_done(struct covey_task *task)
{
    struct gather *j = (struct gather *)task;
    if (j->all->stopped) {
        return;
    }
    if (j->again) {
        restart(j);
    } else if (j->err != COVEY_OK) {
        end(j, j->err, j->why[0] != 0 ? j->why : covey_strerror(j->err));
    } else if (j->more) {
        look(j); /* what is here is known: it gets further */
    } else if (j->fetching.missing == 0) {
        end(j, COVEY_OK, "");
    } else if (is_alone(j)) {
        end(j, COVEY_ERR_NOT_FOUND, "not all that the session needs is on this device");
    } else if (!ask_for(j)) {
        widen(j); /* nothing came */
    }
}

/* Whoever was named first, then the others; zero: nobody is here. */
static size_t choose(const struct gather *j, struct covey_node_id source[COVEY_PLAN_DEVICES_MAX])
{
    const struct covey_gather_config *config = &j->all->config;
    size_t count = config->sources(config->user, source, COVEY_PLAN_DEVICES_MAX);
    for (size_t i = 1; i < count; i++) {
        if (covey_node_id_equal(&source[i], &j->ask.peer)) {
            struct covey_node_id first = source[0];
            source[0] = source[i];
            source[i] = first;
        }
    }
    return count;
}

static void look(struct gather *j)
{
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX] = {{{0}}};
    size_t count = j->ask.here ? 0 : choose(j, source);
    covey__fetching_begin(&j->fetching, source, count);
    j->task = (struct covey_task){.work = look_work, .done = look_done};
    covey__pool_submit(j->all->config.services->storage, &j->task);
}

bool covey__gather_fetched(struct covey_gatherer *g, const struct covey_action *action)
{
    for (unsigned i = 0; i < GATHERS; i++) {
        struct gather *j = &g->gather[i];
        if (!j->used || !covey__fetching_is(&j->fetching, action)) {
            continue;
        }
        if (j->again) {
            restart(j);
        } else if (action->err == COVEY_ERR_LIMIT || action->err == COVEY_ERR_SPACE) {
            end(j, COVEY_ERR_LIMIT, "this device's store has no room for what the session needs");
        } else if (action->err != COVEY_OK) {
            widen(j);
        } else {
            look(j);
        }
        return true;
    }
    return false;
}

void covey__gather_stop(struct covey_gatherer *g)
{
    g->stopped = true;
}

covey_err covey__gather_start(struct covey_gatherer *g, const struct covey_gather_ask *ask)
{
    struct gather *vacant = NULL;
    for (unsigned i = 0; i < GATHERS; i++) {
        struct gather *j = &g->gather[i];
        if (j->used && j->ask.kind == ask->kind &&
            covey_session_id_equal(&j->ask.fence.session, &ask->fence.session)) {
            j->next = *ask;
            j->again = true;
            return COVEY_OK;
        }
        vacant = j->used ? vacant : j;
    }
    if (vacant == NULL || g->stopped) {
        return COVEY_ERR_BUSY;
    }
    struct gather fresh = {.all = g, .used = true, .ask = *ask, .had = SIZE_MAX};
    covey_err err = covey__fetching_init(&fresh.fetching, g->config.services);
    if (err != COVEY_OK) {
        return err;
    }
    *vacant = fresh;
    look(vacant);
    return COVEY_OK;
}

void covey__gather_free(struct covey_gatherer *g)
{
    for (unsigned i = 0; g != NULL && i < GATHERS; i++) {
        if (g->gather[i].used) {
            gather_done(&g->gather[i]);
        }
    }
    free(g);
}
