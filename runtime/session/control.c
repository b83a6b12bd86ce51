/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"

/* ---- replies ---- */

void covey__control_reply(struct covey_client *client, struct covey_bytes body)
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

void covey__control_error(struct covey_client *client, uint32_t id, covey_err code,
                          const char *text)
{
    struct covey_control *out = client->daemon->out;
    out->type = COVEY_CONTROL_ERROR;
    out->id = id;
    out->error = (struct covey_control_error){.code = code};
    snprintf(out->error.text, sizeof(out->error.text), "%s",
             text != NULL && text[0] != 0 ? text : covey_strerror(code));
    covey__control_reply(client, covey_bytes_of(NULL, 0));
}

void covey__control_done(struct covey_client *client, uint32_t id,
                         const struct covey_digest *digest)
{
    struct covey_control *out = client->daemon->out;
    out->type = COVEY_CONTROL_DONE;
    out->id = id;
    out->digest = *digest;
    covey__control_reply(client, covey_bytes_of(NULL, 0));
}

struct covey_client *covey__control_client(struct covey_daemon *d, uint64_t serial)
{
    struct covey_client *c = d->clients;
    while (c != NULL && c->serial != serial) {
        c = c->next;
    }
    return c;
}

/* ---- lab ---- */

static void on_lab(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    covey_err err = covey__lab_set(&d->services.lab, &in->lab);
    if (err == COVEY_OK) {
        struct covey_digest none = {.bytes = {0}};
        covey__daemon_log(d, "lab: answers %u ms late, %u %% of them wrong%s",
                          (unsigned)in->lab.delay_ms, (unsigned)in->lab.lie_percent,
                          in->lab.latency.kind != COVEY_LATENCY_NONE ? ", tasks by a law" : "");
        covey__control_done(client, in->id, &none);
    } else {
        covey__control_error(client, in->id, err,
                             "this node was not started for a lab (coveyd --lab)");
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
            *c = (struct covey_client){
                .daemon = d, .socket = socket, .serial = ++d->next_serial, .next = d->clients};
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
    case COVEY_CONTROL_BLOB_GET:
        covey__control_storage(client, in, take_body);
        return;
    case COVEY_CONTROL_INFER:
        covey__control_infer(client, in, take_body);
        return;
    case COVEY_CONTROL_DETACH:
        covey__control_detach(client, in, take_body);
        return;
    case COVEY_CONTROL_PRODUCT:
        covey__control_product(client, in, take_body);
        return;
    case COVEY_CONTROL_TRAIN:
        covey__control_train(client, in, take_body);
        return;
    case COVEY_CONTROL_TRAIN_RESUME:
    case COVEY_CONTROL_TRAIN_FORK:
        covey__control_custody_resume(client, in);
        break;
    case COVEY_CONTROL_TRAIN_WATCH:
        covey__control_train_watch(client, in);
        break;
    case COVEY_CONTROL_SESSIONS:
        covey__control_sessions(client, in->id);
        break;
    case COVEY_CONTROL_SESSION_GET:
        covey__control_session_get(client, in);
        break;
    case COVEY_CONTROL_SESSION_STOP:
        covey__control_session_stop(client, in);
        break;
    case COVEY_CONTROL_STATUS:
        covey__control_tell_status(client, in->id);
        break;
    case COVEY_CONTROL_MODEL_GET:
        covey__control_get_model(client, in);
        break;
    case COVEY_CONTROL_MODEL_REMOVE:
        covey__control_remove_model(client, in);
        break;
    case COVEY_CONTROL_MODEL_LIST:
        covey__control_models(client, in->id);
        break;
    case COVEY_CONTROL_PLAN:
        covey__control_plan(client, in);
        break;
    case COVEY_CONTROL_LAB:
        on_lab(client, in);
        break;
    default:
        covey__control_error(client, in->id, COVEY_ERR_UNSUPPORTED,
                             "this node does not know the request");
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
        covey__control_error(client, 0, err, "the request could not be read");
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
            covey__product_benches_forget(d->benches, c);
            covey__control_added_end(c);
            free(c);
            return;
        }
    }
}

covey_err covey__control_listen(struct covey_daemon *d, const char *state_dir,
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
    struct covey_bring_config bring = {.services = &d->services,
                                       .sources = covey__models_sources,
                                       .done = covey__control_brought,
                                       .user = d};
    covey_err err = covey__bring_new(&bring, &d->bring);
    if (err == COVEY_OK) {
        err = covey__detached_new(&d->services, d->owner, &d->detached);
    }
    if (err == COVEY_OK) {
        err = covey__control_custody_open(d, state_dir, out_why);
    }
    if (err == COVEY_OK) {
        err = covey__control_train_open(d);
    }
    if (err != COVEY_OK) {
        return err;
    }
    covey__control_load_models(d);
    covey__models_open(d);
    struct covey_socket_config config = {
        .path = path, .user = d, .on_frame = on_frame, .on_closed = on_closed};
    return covey_socket_open(d->loop, &config, &d->socket, out_why);
}

void covey__control_stop(struct covey_daemon *d)
{
    if (d->socket != NULL) {
        covey_socket_close(d->socket);
        d->socket = NULL;
    }
    while (d->clients != NULL) {
        struct covey_client *c = d->clients;
        d->clients = c->next;
        free(c->added); /* the next start keeps what manifests name */
        free(c);
    }
    covey__detached_free(d->detached);
    d->detached = NULL;
    covey__bring_free(d->bring);
    d->bring = NULL;
    free(d->in);
    free(d->out);
    free(d->frame);
    d->in = d->out = NULL;
    d->frame = NULL;
}
