/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "daemon_state.h"
#include "plan_report.h"

enum { HEX_PREFIX_MIN = 8 };

/* ---- replies ---- */

static void reply(struct covey_client *client, struct covey_bytes body)
{
    struct covey_daemon *d = client->daemon;
    size_t len = 0;
    struct covey_buf room = {d->frame, COVEY_CONTROL_FRAME_HEADER_MAX};
    covey_err err = covey_control_encode(d->out, room, &len);
    struct covey_body *shared = NULL;
    if (err == COVEY_OK && body.len > 0) {
        err = covey_body_new(body.len, &shared);
        if (err == COVEY_OK) {
            memcpy(shared->data, body.ptr, body.len);
        }
    }
    if (err == COVEY_OK) {
        err = covey_socket_reply(client->socket, covey_bytes_of(d->frame, len), shared);
    }
    if (err != COVEY_OK) {
        covey__daemon_log(d, "a reply could not be sent: %s", covey_strerror(err));
    }
    covey_body_unref(shared);
}

static void reply_error(struct covey_client *client, uint32_t id, covey_err code, const char *text)
{
    struct covey_control *out = client->daemon->out;
    out->type = COVEY_CONTROL_ERROR;
    out->id = id;
    out->error = (struct covey_control_error){.code = code};
    snprintf(out->error.text, sizeof(out->error.text), "%s",
             text != NULL && text[0] != 0 ? text : covey_strerror(code));
    reply(client, covey_bytes_of(NULL, 0));
}

static void reply_done(struct covey_client *client, uint32_t id, const struct covey_digest *digest)
{
    struct covey_control *out = client->daemon->out;
    out->type = COVEY_CONTROL_DONE;
    out->id = id;
    out->digest = *digest;
    reply(client, covey_bytes_of(NULL, 0));
}

static struct covey_client *find_client(struct covey_daemon *d, uint64_t serial)
{
    struct covey_client *c = d->clients;
    while (c != NULL && c->serial != serial) {
        c = c->next;
    }
    return c;
}

/* ---- status ---- */

static void fill_member(const struct covey_daemon *d, const struct covey_member_info *info,
                        struct covey_control_member *m)
{
    *m = (struct covey_control_member){
        .id = info->id,
        .tier = (uint8_t)info->tier,
        .trust = (uint8_t)info->trust,
        .state = info->incompatible ? 0xff : (uint8_t)info->state,
        .rtt_us = info->rtt_us,
        .mflops = info->rates.mflops,
        .memory_bytes = info->memory_bytes,
        .self = info->self,
        .channel = info->channel,
        .lied = info->lied,
    };
    memcpy(m->name, info->name, sizeof(m->name));
    covey_addr_format(info->self ? &d->own_addr : &info->gossip_addr, m->address);
}

struct redundancy {
    struct covey_daemon *daemon;
    struct covey_control_status *status;
    unsigned usable; /* devices a plan could have now */
};

/* Redundant: every device of the active plan is alive and reachable, and no usable one is left out
 * (but for a limit the person set, which makes the plan smaller than what is there). */
static void visit_session(void *user, const struct covey_plan *plan)
{
    struct redundancy *r = user;
    r->status->sessions++;
    if (plan == NULL) {
        return;
    }
    if (covey_plan_is_local(plan)) {
        r->status->sessions_redundant++; /* there is nothing to lose */
        return;
    }
    for (unsigned i = 0; i < plan->devices; i++) {
        struct covey_member_info info;
        if (!covey_node_find(r->daemon->node, &plan->device[i], &info) ||
            info.state != COVEY_MEMBER_ALIVE || (!info.self && !info.channel)) {
            return;
        }
    }
    if (plan->devices >= r->usable) {
        r->status->sessions_redundant++;
    }
}

static void on_status(struct covey_client *client, uint32_t id)
{
    struct covey_daemon *d = client->daemon;
    struct covey_control_status *s = &d->out->status;
    d->out->type = COVEY_CONTROL_STATUS_REPLY;
    d->out->id = id;
    *s = (struct covey_control_status){.version = COVEY_VERSION};
    s->has_coordinator = covey_node_coordinator(d->node, &s->coordinator, &s->term);
    struct redundancy redundancy = {.daemon = d, .status = s};
    size_t count = covey_node_members(d->node);
    for (size_t i = 0; i < count && s->member_count < COVEY_MEMBERS_MAX; i++) {
        struct covey_member_info info;
        covey_node_member(d->node, i, &info);
        fill_member(d, &info, &s->member[s->member_count++]);
        redundancy.usable += info.state == COVEY_MEMBER_ALIVE && info.trust == COVEY_TRUST_FULL &&
                             !info.incompatible;
    }
    redundancy.usable =
        redundancy.usable < COVEY_PLAN_DEVICES_MAX ? redundancy.usable : COVEY_PLAN_DEVICES_MAX;
    covey__owner_visit(d->owner, visit_session, &redundancy);
    reply(client, covey_bytes_of(NULL, 0));
}

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
    struct covey_catalogue_entry entry;
    covey_err err;
    struct covey_nn_error why;
};

static void have_work(struct storage_task *t)
{
    size_t count = t->body->len / sizeof(struct covey_digest);
    t->missing = calloc((count + 7) / 8 + 1, 1);
    if (t->missing == NULL) {
        t->err = COVEY_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct covey_digest digest;
        memcpy(digest.bytes, t->body->data + i * sizeof(digest.bytes), sizeof(digest.bytes));
        if (!covey__store_has(&t->daemon->services.store, &digest)) {
            t->missing[i / 8] |= (uint8_t)(1u << (i % 8));
        }
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
    }
    covey_manifest_free(mf);
}

static void storage_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct storage_task *t = (struct storage_task *)task;
    if (t->type == COVEY_CONTROL_BLOB_HAVE) {
        have_work(t);
    } else if (t->type == COVEY_CONTROL_BLOB_PUT) {
        t->err = covey__store_add(&t->daemon->services.store, &t->digest,
                                  covey_bytes_of(t->body->data, t->body->len));
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

static void storage_done(struct covey_task *task)
{
    struct storage_task *t = (struct storage_task *)task;
    struct covey_daemon *d = t->daemon;
    struct covey_client *client = find_client(d, t->client);
    if (t->type == COVEY_CONTROL_MODEL_PUT && t->err == COVEY_OK) {
        list_model(d, &t->entry);
        covey__daemon_log(d, "model %s added", t->entry.name);
    }
    if (client != NULL && !d->closing) {
        if (t->err != COVEY_OK) {
            reply_error(client, t->id, t->err, t->why.text);
        } else if (t->type == COVEY_CONTROL_BLOB_HAVE) {
            d->out->type = COVEY_CONTROL_BLOB_HAVE_REPLY;
            d->out->id = t->id;
            size_t count = t->body->len / sizeof(struct covey_digest);
            reply(client, covey_bytes_of(t->missing, (count + 7) / 8));
        } else {
            reply_done(client, t->id, &t->digest);
        }
    }
    covey_body_unref(t->body);
    free(t->missing);
    free(t);
}

static void submit_storage(struct covey_client *client, const struct covey_control *in,
                           struct covey_body *take_body)
{
    struct covey_daemon *d = client->daemon;
    struct storage_task *t = take_body != NULL ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        covey_err err = take_body == NULL ? COVEY_ERR_SHORT : COVEY_ERR_NOMEM;
        covey_body_unref(take_body);
        reply_error(client, in->id, err, NULL);
        return;
    }
    *t = (struct storage_task){
        .task = {.work = storage_work, .done = storage_done},
        .daemon = d,
        .client = client->serial,
        .id = in->id,
        .type = in->type,
        .digest = in->digest,
        .body = take_body,
    };
    covey__pool_submit(d->services.storage, &t->task);
}

static void on_model_list(struct covey_client *client, uint32_t id)
{
    struct covey_daemon *d = client->daemon;
    d->out->type = COVEY_CONTROL_MODEL_LIST_REPLY;
    d->out->id = id;
    struct covey_control_models *models = &d->out->models;
    models->count = (uint16_t)d->model_count;
    for (size_t i = 0; i < d->model_count; i++) {
        const struct covey_catalogue_entry *e = &d->models[i];
        struct covey_control_model *m = &models->model[i];
        *m = (struct covey_control_model){.id = e->id,
                                          .bytes = e->bytes,
                                          .input_rank = e->input.rank,
                                          .output_rank = e->output.rank};
        memcpy(m->name, e->name, sizeof(m->name));
        memcpy(m->input, e->input.dims, sizeof(m->input));
        memcpy(m->output, e->output.dims, sizeof(m->output));
    }
    reply(client, covey_bytes_of(NULL, 0));
}

/* ---- inference ---- */

static bool has_prefix(const struct covey_digest *id, const char *text)
{
    char hex[COVEY_DIGEST_HEX];
    covey__digest_hex(id, hex);
    size_t len = strlen(text);
    return len >= HEX_PREFIX_MIN && len < COVEY_DIGEST_HEX && strncmp(hex, text, len) == 0;
}

/* A name resolves only if it is unique; of two models of one name the id must be given. */
static const struct covey_catalogue_entry *resolve(const struct covey_daemon *d, const char *text,
                                                   const char **out_why)
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
        *out_why = "no model of this name is here (covey model add FILE.onnx)";
    }
    return found;
}

static void infer_done(void *user, uint32_t tag, const struct covey_infer_end *end)
{
    struct covey_client *client = user;
    struct covey_daemon *d = client->daemon;
    if (d->closing) {
        return;
    }
    if (end->err != COVEY_OK) {
        reply_error(client, tag, end->err, end->why);
        return;
    }
    d->out->type = COVEY_CONTROL_INFER_REPLY;
    d->out->id = tag;
    d->out->result = *end->result;
    reply(client, covey_bytes_of(end->output, end->output_floats * sizeof(float)));
}

static void on_infer(struct covey_client *client, const struct covey_control *in,
                     struct covey_body *take_body)
{
    struct covey_daemon *d = client->daemon;
    const char *why = NULL;
    const struct covey_catalogue_entry *e = resolve(d, in->infer.model, &why);
    covey_err err = e != NULL ? COVEY_OK : COVEY_ERR_NOT_FOUND;
    size_t count = 0;
    if (err == COVEY_OK) {
        err = covey_shape_count(&e->input, &count);
    }
    if (err == COVEY_OK && (take_body == NULL || take_body->len != count * sizeof(float))) {
        err = COVEY_ERR_RANGE;
        why = "the input does not have the model's size";
    }
    if (err == COVEY_OK) {
        struct covey_infer infer = {.model = e->id,
                                    .options = in->infer,
                                    .user = client,
                                    .tag = in->id,
                                    .done = infer_done};
        err = covey__owner_infer(d->owner, &infer, take_body);
        why = "too many requests or sessions are open here";
    }
    if (err != COVEY_OK) {
        covey_body_unref(take_body);
        reply_error(client, in->id, err, why);
    }
}

/* ---- plan ---- */

static void plan_reply(struct covey_client *client, uint32_t id,
                       const struct covey_model_file *file, const struct covey_plan *plan,
                       const struct covey_plan_request *costs)
{
    struct covey_daemon *d = client->daemon;
    struct covey_control_plan *p = &d->out->plan;
    d->out->type = COVEY_CONTROL_PLAN_REPLY;
    d->out->id = id;
    covey__plan_report(file->model, plan, costs, p);
    p->has_coordinator = covey_node_coordinator(d->node, &p->coordinator, &p->term);
    reply(client, covey_bytes_of(NULL, 0));
}

static void on_costs(void *user, uint32_t tag, covey_err err, const char *why,
                     const struct covey_model_file *file, const struct covey_plan_request *costs)
{
    struct covey_client *client = user;
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    if (err == COVEY_OK) {
        err = plan != NULL ? covey_node_plan(client->daemon->node, costs, plan) : COVEY_ERR_NOMEM;
    }
    if (err == COVEY_OK) {
        plan_reply(client, tag, file, plan, costs);
    } else {
        reply_error(client, tag, err, why);
    }
    free(plan);
}

static void on_plan(struct covey_client *client, const struct covey_control *in)
{
    const char *why = NULL;
    const struct covey_catalogue_entry *e = resolve(client->daemon, in->infer.model, &why);
    covey_err err = COVEY_ERR_NOT_FOUND;
    if (e != NULL) {
        struct covey_infer infer = {
            .model = e->id, .options = in->infer, .user = client, .tag = in->id};
        err = covey__owner_costs(client->daemon->owner, &infer, on_costs);
        why = "too many sessions are open here";
    }
    if (err != COVEY_OK) {
        reply_error(client, in->id, err, why);
    }
}

/* ---- lab ---- */

static void on_lab(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    covey_err err = covey__lab_set(&d->services.lab, in->lab.delay_ms, in->lab.lie);
    if (err == COVEY_OK) {
        struct covey_digest none = {.bytes = {0}};
        covey__daemon_log(d, "lab: answers %u ms late%s", (unsigned)in->lab.delay_ms,
                          in->lab.lie ? " and wrong" : "");
        reply_done(client, in->id, &none);
    } else {
        reply_error(client, in->id, err, "this node was not started for a lab (coveyd --lab)");
    }
}

/* ---- frames ---- */

static struct covey_client *client_of(struct covey_daemon *d, struct covey_socket_client *socket)
{
    struct covey_client *c = d->clients;
    while (c != NULL && c->socket != socket) {
        c = c->next;
    }
    if (c == NULL) {
        c = calloc(1, sizeof(*c));
        if (c != NULL) {
            *c = (struct covey_client){d, socket, ++d->next_serial, d->clients};
            d->clients = c;
        }
    }
    return c;
}

static void dispatch(struct covey_client *client, const struct covey_control *in,
                     struct covey_body *take_body)
{
    switch ((int)in->type) {
    case COVEY_CONTROL_BLOB_HAVE:
    case COVEY_CONTROL_BLOB_PUT:
    case COVEY_CONTROL_MODEL_PUT:
        submit_storage(client, in, take_body);
        return;
    case COVEY_CONTROL_INFER:
        on_infer(client, in, take_body);
        return;
    case COVEY_CONTROL_STATUS:
        on_status(client, in->id);
        break;
    case COVEY_CONTROL_MODEL_LIST:
        on_model_list(client, in->id);
        break;
    case COVEY_CONTROL_PLAN:
        on_plan(client, in);
        break;
    case COVEY_CONTROL_LAB:
        on_lab(client, in);
        break;
    default:
        reply_error(client, in->id, COVEY_ERR_UNSUPPORTED, "this node does not know the request");
        break;
    }
    covey_body_unref(take_body);
}

static void on_frame(void *user, struct covey_socket_client *socket, struct covey_bytes header,
                     struct covey_body *take_body)
{
    struct covey_daemon *d = user;
    struct covey_client *client = client_of(d, socket);
    if (client == NULL) {
        covey_body_unref(take_body);
        return;
    }
    covey_err err = covey_control_decode(header, d->in);
    if (err != COVEY_OK) {
        covey_body_unref(take_body);
        reply_error(client, 0, err, "the request could not be read");
        return;
    }
    dispatch(client, d->in, take_body);
}

static void on_closed(void *user, struct covey_socket_client *socket)
{
    struct covey_daemon *d = user;
    for (struct covey_client **link = &d->clients; *link != NULL; link = &(*link)->next) {
        struct covey_client *c = *link;
        if (c->socket == socket) {
            *link = c->next;
            covey__owner_forget(d->owner, c);
            free(c);
            return;
        }
    }
}

/* The models that were added before; a manifest that no longer decodes is left out and said so. */
static void load_models(struct covey_daemon *d)
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

covey_err covey__control_open(struct covey_daemon *d, const char *state_dir,
                              char out_why[static 256])
{
    char path[COVEY_SOCKET_PATH_MAX + 1];
    if (covey_socket_path(state_dir, path) != COVEY_OK) {
        snprintf(out_why, 256, "the path of the state directory is too long for a socket in it");
        return COVEY_ERR_LIMIT;
    }
    d->in = calloc(1, sizeof(*d->in));
    d->out = calloc(1, sizeof(*d->out));
    d->frame = malloc(COVEY_CONTROL_FRAME_HEADER_MAX);
    if (d->in == NULL || d->out == NULL || d->frame == NULL) {
        return COVEY_ERR_NOMEM;
    }
    load_models(d);
    struct covey_socket_config config = {
        .path = path, .user = d, .on_frame = on_frame, .on_closed = on_closed};
    return covey_socket_open(d->loop, &config, &d->socket, out_why);
}

void covey__control_close(struct covey_daemon *d)
{
    if (d->socket != NULL) {
        covey_socket_close(d->socket);
        d->socket = NULL;
    }
    while (d->clients != NULL) {
        struct covey_client *c = d->clients;
        d->clients = c->next;
        free(c);
    }
    free(d->in);
    free(d->out);
    free(d->frame);
    d->in = d->out = NULL;
    d->frame = NULL;
}
