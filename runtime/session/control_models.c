/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"
#include "covey/crypto.h"

enum { HEX_PREFIX_MIN = 8 };

/* ---- blobs and models: on the storage thread ---- */

struct storage_task {
    struct covey_task task;
    struct covey_daemon *daemon;
    uint64_t client;
    uint32_t id;
    enum covey_control_type type;
    struct covey_digest digest;
    struct covey_body *body;
    uint8_t *missing;
    struct covey_digest *added; /* kept from now on, for the client's sake */
    size_t added_count;
    struct covey_body *answer;
    struct covey_catalogue_entry entry;
    covey_err err;
    struct covey_nn_error why;
};

static void storage_work(struct covey_task *task, struct covey_scratch *scratch);
static void storage_done(struct covey_task *task);

/* What is here, of another device's model, may be gone when the manifest comes: the client sends
 * only what it hears is missing. False: it is not here. */
static bool keep_for_client(struct storage_task *t, const struct covey_digest *digest)
{
    const struct covey_store *store = &t->daemon->services.store;
    bool added = false;
    if (!covey__store_has(store, digest) || covey__store_keep(store, digest, &added) != COVEY_OK) {
        return false;
    }
    if (added) {
        t->added[t->added_count++] = *digest;
    }
    return covey__store_has(store, digest); /* in between another may have had to make room */
}

static void have_work(struct storage_task *t)
{
    size_t count = t->body->len / sizeof(struct covey_digest);
    t->missing = calloc((count + 7) / 8 + 1, 1);
    t->added = calloc(count + 1, sizeof(*t->added));
    if (t->missing == NULL || t->added == NULL) {
        t->err = COVEY_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct covey_digest digest;
        memcpy(digest.bytes, t->body->data + i * sizeof(digest.bytes), sizeof(digest.bytes));
        if (!keep_for_client(t, &digest)) {
            t->missing[i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
}

/* What is given is good: it is this device that cannot keep it. */
static void check_kept(struct storage_task *t)
{
    const char *why = t->err == COVEY_ERR_LIMIT ? "this device's store has no room (coveyd --store)"
                      : t->err == COVEY_ERR_SPACE ? "this device's disk is full"
                      : t->err == COVEY_ERR_IO    ? "this device's store cannot be written"
                                                  : NULL;
    if (why != NULL) {
        snprintf(t->why.text, sizeof(t->why.text), "%s", why);
        t->err = t->err == COVEY_ERR_LIMIT ? COVEY_ERR_SPACE : t->err;
    }
}

static void put_work(struct storage_task *t)
{
    const struct covey_store *store = &t->daemon->services.store;
    bool added = false;
    t->added = calloc(1, sizeof(*t->added));
    t->err = t->added != NULL ? covey__store_keep(store, &t->digest, &added) : COVEY_ERR_NOMEM;
    if (added) {
        t->added[t->added_count++] = t->digest;
    }
    if (t->err == COVEY_OK) {
        t->err = covey__store_put(store, &t->digest, covey_bytes_of(t->body->data, t->body->len));
        check_kept(t);
    }
}

static void fill_entry(const struct covey_manifest *mf, const struct covey_digest *id,
                       struct covey_catalogue_entry *entry)
{
    *entry = (struct covey_catalogue_entry){.id = *id};
    snprintf(entry->name, sizeof(entry->name), "%s", covey_manifest_name(mf));
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        entry->bytes += covey_manifest_blob(mf, i)->len;
    }
    entry->input = *covey_manifest_input(mf);
    entry->output = *covey_manifest_output(mf);
}

static void model_work(struct storage_task *t)
{
    const struct covey_store *store = &t->daemon->services.store;
    struct covey_bytes bytes = covey_bytes_of(t->body->data, t->body->len);
    struct covey_manifest *mf = NULL;
    covey_hash(&t->digest, bytes);
    t->err = covey_manifest_decode(bytes, &mf, &t->why);
    for (size_t i = 0; t->err == COVEY_OK && i < covey_manifest_blobs(mf); i++) {
        if (!covey__store_has(store, &covey_manifest_blob(mf, i)->digest)) {
            snprintf(t->why.text, sizeof(t->why.text), "the model's weights are not all here");
            t->err = COVEY_ERR_NOT_FOUND;
        }
    }
    if (t->err == COVEY_OK) {
        fill_entry(mf, &t->digest, &t->entry);
        t->err = covey__store_put_manifest(store, &t->digest, bytes);
        check_kept(t);
    }
    covey_manifest_free(mf);
}

static void storage_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct storage_task *t = (struct storage_task *)task;
    if (t->type == COVEY_CONTROL_BLOB_HAVE) {
        have_work(t);
    } else if (t->type == COVEY_CONTROL_BLOB_GET || t->type == COVEY_CONTROL_MODEL_GET) {
        t->err = covey__store_body(&t->daemon->services.store, &t->digest, &t->answer);
    } else if (t->type == COVEY_CONTROL_MODEL_REMOVE) {
        t->err = covey__store_remove_manifest(&t->daemon->services.store, &t->digest);
    } else if (t->type == COVEY_CONTROL_BLOB_PUT) {
        put_work(t);
    } else {
        model_work(t);
    }
}

static void list_model(struct covey_daemon *d, const struct covey_catalogue_entry *entry)
{
    for (size_t i = 0; i < d->model_count; i++) {
        if (covey_digest_equal(&d->models[i].id, &entry->id)) {
            return;
        }
    }
    if (d->model_count < COVEY_CONTROL_MODELS_MAX) {
        d->models[d->model_count++] = *entry;
    }
}

static void unlist_model(struct covey_daemon *d, const struct covey_digest *id)
{
    for (size_t i = 0; i < d->model_count; i++) {
        if (covey_digest_equal(&d->models[i].id, id)) {
            covey__daemon_log(d, "model %s removed", d->models[i].name);
            d->models[i] = d->models[--d->model_count];
            covey__owner_remove(d->owner, id);
            return;
        }
    }
}

static struct storage_task *new_task(struct covey_daemon *d, enum covey_control_type type,
                                     const struct covey_digest *digest)
{
    struct storage_task *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->task = (struct covey_task){.work = storage_work, .done = storage_done};
        t->daemon = d;
        t->type = type;
        t->digest = *digest;
    }
    return t;
}

void covey__control_forget(struct covey_daemon *d, const struct covey_digest *id)
{
    struct storage_task *t = new_task(d, COVEY_CONTROL_MODEL_REMOVE, id);
    unlist_model(d, id);
    if (t != NULL) {
        covey__pool_submit(d->services.storage, &t->task);
    }
}

static void answer(struct storage_task *t, struct covey_client *client)
{
    struct covey_control *out = t->daemon->out;
    out->id = t->id;
    if (t->err != COVEY_OK) {
        covey__control_error(client, t->id, t->err, t->why.text);
    } else if (t->type == COVEY_CONTROL_BLOB_HAVE) {
        size_t count = t->body->len / sizeof(struct covey_digest);
        out->type = COVEY_CONTROL_BLOB_HAVE_REPLY;
        covey__control_reply(client, covey_bytes_of(t->missing, (count + 7) / 8));
    } else if (t->answer != NULL) {
        out->type = t->type == COVEY_CONTROL_BLOB_GET ? COVEY_CONTROL_BLOB_GET_REPLY
                                                      : COVEY_CONTROL_MODEL_GET_REPLY;
        covey__control_reply(client, covey_bytes_of(t->answer->data, t->answer->len));
    } else {
        covey__control_done(client, t->id, &t->digest);
    }
}

static void storage_done(struct covey_task *task)
{
    struct storage_task *t = (struct storage_task *)task;
    struct covey_daemon *d = t->daemon;
    struct covey_client *client = covey__control_client(d, t->client);
    covey__control_added(d, t->client, t->added, t->added_count);
    if (t->type == COVEY_CONTROL_MODEL_PUT && t->err == COVEY_OK) {
        list_model(d, &t->entry);
        covey__daemon_log(d, "model %s added", t->entry.name);
        covey__models_publish(d, &t->entry, false);
        if (client != NULL) {
            covey__control_added_used(client);
        }
    }
    if (client != NULL && !d->closing) {
        answer(t, client);
    }
    covey_body_unref(t->body);
    covey_body_unref(t->answer);
    free(t->missing);
    free(t);
}

void covey__control_storage(struct covey_client *client, const struct covey_control *in,
                            struct covey_body *take_body)
{
    struct covey_daemon *d = client->daemon;
    bool sends = in->type == COVEY_CONTROL_BLOB_HAVE || in->type == COVEY_CONTROL_BLOB_PUT ||
                 in->type == COVEY_CONTROL_MODEL_PUT;
    bool fits = take_body != NULL || !sends;
    struct storage_task *t = fits ? new_task(d, in->type, &in->digest) : NULL;
    if (t == NULL) {
        covey_err err = fits ? COVEY_ERR_NOMEM : COVEY_ERR_SHORT;
        covey_body_unref(take_body);
        covey__control_error(client, in->id, err, NULL);
        return;
    }
    t->client = client->serial;
    t->id = in->id;
    t->body = take_body;
    covey__pool_submit(d->services.storage, &t->task);
}

static const struct covey_catalogue_entry *find_here(const struct covey_daemon *d,
                                                     const struct covey_digest *id)
{
    for (size_t i = 0; i < d->model_count; i++) {
        if (covey_digest_equal(&d->models[i].id, id)) {
            return &d->models[i];
        }
    }
    return NULL;
}

static void submit(struct covey_client *client, uint32_t id, enum covey_control_type type,
                   const struct covey_digest *digest)
{
    struct storage_task *t = new_task(client->daemon, type, digest);
    if (t == NULL) {
        covey__control_error(client, id, COVEY_ERR_NOMEM, NULL);
        return;
    }
    t->client = client->serial;
    t->id = id;
    covey__pool_submit(client->daemon->services.storage, &t->task);
}

void covey__control_get_model(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    struct covey_catalogue_model m;
    if (find_here(d, &in->digest) != NULL) {
        submit(client, in->id, in->type, &in->digest);
        return;
    }
    bool known = covey__models_find(d, &in->digest, &m) && !m.removed;
    covey_err err =
        known ? covey__bring_model(d->bring, &in->digest, client->serial, in->id, in->wait_ms)
              : COVEY_ERR_NOT_FOUND;
    if (err == COVEY_ERR_NOT_FOUND) {
        covey__control_error(client, in->id, err, "no model of this id is known here");
    } else if (err == COVEY_OK) {
        covey__daemon_log(d, "bringing model %s", m.name);
    } else {
        covey__control_error(
            client, in->id, err,
            err == COVEY_ERR_BUSY ? "too many models are being brought here: try again" : NULL);
    }
}

/* The device's own from now on, as far as it was not when asked. */
void covey__control_brought(void *user, const struct covey_brought *brought)
{
    struct covey_daemon *d = user;
    if (d->closing) {
        return;
    }
    if (brought->err == COVEY_OK && find_here(d, brought->id) == NULL) {
        struct covey_catalogue_entry entry;
        fill_entry(brought->manifest, brought->id, &entry);
        list_model(d, &entry);
        covey__daemon_log(d, "model %s brought here", entry.name);
    }
    struct covey_client *client = covey__control_client(d, brought->client);
    if (client == NULL) {
        return;
    }
    if (brought->err == COVEY_OK) {
        submit(client, brought->tag, COVEY_CONTROL_MODEL_GET, brought->id);
    } else {
        covey__control_error(client, brought->tag, brought->err, brought->why);
    }
}

void covey__control_remove_model(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    struct covey_catalogue_model m;
    const struct covey_catalogue_entry *e = find_here(d, &in->digest);
    bool listed = covey__models_find(d, &in->digest, &m) && !m.removed;
    if (listed && !covey_node_id_equal(&m.publisher, &d->identity->cert.node)) {
        char name[COVEY_NAME_MAX + 1], why[160];
        covey__models_device(d, &m.publisher, name);
        snprintf(why, sizeof(why), "the model was added at %s: remove it there", name);
        covey__control_error(client, in->id, COVEY_ERR_DENIED, why);
        return;
    }
    if (e == NULL && !listed) {
        covey__control_error(client, in->id, COVEY_ERR_NOT_FOUND,
                             "no model of this id is known here");
        return;
    }
    struct covey_catalogue_entry entry = {.id = in->digest};
    if (e != NULL) {
        entry = *e;
    } else {
        memcpy(entry.name, m.name, sizeof(entry.name));
    }
    unlist_model(d, &in->digest);
    if (listed) {
        covey__models_publish(d, &entry, true);
    }
    submit(client, in->id, in->type, &in->digest);
}

static void fill_model(const struct covey_daemon *d, const struct covey_catalogue_model *from,
                       struct covey_control_model *m)
{
    *m = (struct covey_control_model){.id = from->id,
                                      .bytes = from->bytes,
                                      .input_rank = from->input_rank,
                                      .output_rank = from->output_rank,
                                      .here = find_here(d, &from->id) != NULL};
    memcpy(m->name, from->name, sizeof(m->name));
    memcpy(m->input, from->input, sizeof(m->input));
    memcpy(m->output, from->output, sizeof(m->output));
    covey__models_device(d, &from->publisher, m->publisher);
}

static bool is_listed(const struct covey_control_models *models, const struct covey_digest *id)
{
    for (size_t i = 0; i < models->count; i++) {
        if (covey_digest_equal(&models->model[i].id, id)) {
            return true;
        }
    }
    return false;
}

/* A device without trust keeps its models to itself: they are in no catalogue. */
static void fill_own(const struct covey_daemon *d, const struct covey_catalogue_entry *e,
                     struct covey_control_model *m)
{
    struct covey_catalogue_model model = {.id = e->id,
                                          .bytes = e->bytes,
                                          .publisher = d->identity->cert.node,
                                          .input_rank = e->input.rank,
                                          .output_rank = e->output.rank};
    memcpy(model.name, e->name, sizeof(model.name));
    memcpy(model.input, e->input.dims, sizeof(model.input));
    memcpy(model.output, e->output.dims, sizeof(model.output));
    fill_model(d, &model, m);
}

/* Those that are here first, each once, whoever added it. */
void covey__control_models(struct covey_client *client, uint32_t id)
{
    struct covey_daemon *d = client->daemon;
    struct covey_control_models *models = &d->out->models;
    struct covey_catalogue_model m;
    d->out->type = COVEY_CONTROL_MODEL_LIST_REPLY;
    d->out->id = id;
    models->count = 0;
    for (size_t i = 0; i < d->model_count; i++) {
        struct covey_control_model *to = &models->model[models->count++];
        if (covey__models_find(d, &d->models[i].id, &m)) {
            fill_model(d, &m, to);
        } else {
            fill_own(d, &d->models[i], to);
        }
    }
    size_t count = covey_node_models(d->node);
    for (size_t i = 0; i < count && models->count < COVEY_CONTROL_MODELS_MAX; i++) {
        covey_node_model(d->node, i, &m);
        if (!m.removed && !is_listed(models, &m.id)) {
            fill_model(d, &m, &models->model[models->count++]);
        }
    }
    covey__control_reply(client, covey_bytes_of(NULL, 0));
}

static bool has_prefix(const struct covey_digest *id, const char *text)
{
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(id, hex);
    size_t len = strlen(text);
    return len >= HEX_PREFIX_MIN && len < COVEY_DIGEST_HEX && strncmp(hex, text, len) == 0;
}

/* A name resolves only if it is unique; of two models of one name the id must be given. */
const struct covey_catalogue_entry *covey__control_resolve(const struct covey_daemon *d,
                                                           const char *text, const char **out_why)
{
    const struct covey_catalogue_entry *found = NULL;
    for (size_t i = 0; i < d->model_count; i++) {
        const struct covey_catalogue_entry *e = &d->models[i];
        if (strcmp(e->name, text) != 0 && !has_prefix(&e->id, text)) {
            continue;
        }
        if (found != NULL) {
            *out_why = "several models have this name: give its id (covey model list)";
            return NULL;
        }
        found = e;
    }
    if (found == NULL) {
        *out_why = "no model of this name is here (covey model add FILE.onnx; 'covey infer' brings "
                   "those of others)";
    }
    return found;
}

/* The models that were added before; a manifest that no longer decodes is left out and said so. */
void covey__control_load_models(struct covey_daemon *d)
{
    struct covey_digest ids[COVEY_CONTROL_MODELS_MAX];
    size_t count = covey__store_manifests(&d->services.store, ids, COVEY_CONTROL_MODELS_MAX);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = NULL;
        size_t len = 0;
        struct covey_manifest *mf = NULL;
        struct covey_nn_error why = {{0}};
        struct covey_catalogue_entry entry;
        covey_err err = covey__store_get_manifest(&d->services.store, &ids[i], &bytes, &len);
        if (err == COVEY_OK) {
            err = covey_manifest_decode(covey_bytes_of(bytes, len), &mf, &why);
        }
        if (err == COVEY_OK) {
            fill_entry(mf, &ids[i], &entry);
            list_model(d, &entry);
        } else {
            covey__daemon_log(d, "a stored model is left out: %s", covey_strerror(err));
        }
        covey_manifest_free(mf);
        free(bytes);
    }
}
