/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"
#include "model_share.h"
#include "plan_report.h"

enum { DETACHED_TIMEOUT_MS = 24 * 3600 * 1000 };

static void infer_done(void *user, uint32_t tag, const struct covey_infer_end *end)
{
    struct covey_client *client = user;
    struct covey_daemon *d = client->daemon;
    if (d->closing) {
        return;
    }
    if (end->err != COVEY_OK) {
        covey__control_error(client, tag, end->err, end->why);
        return;
    }
    d->out->type = COVEY_CONTROL_INFER_REPLY;
    d->out->id = tag;
    d->out->result = *end->result;
    covey__control_reply(client, covey_bytes_of(end->output, end->output_floats * sizeof(float)));
}

void covey__control_infer(struct covey_client *client, const struct covey_control *in,
                          struct covey_body *take_body)
{
    struct covey_daemon *d = client->daemon;
    const char *why = NULL;
    const struct covey_catalogue_entry *e = covey__control_resolve(d, in->infer.model, &why);
    covey_err err = e != NULL ? COVEY_OK : COVEY_ERR_NOT_FOUND;
    size_t count = 0;
    if (err == COVEY_OK) {
        err = covey_shape_count(&e->input, &count);
    }
    uint64_t bytes = (uint64_t)count * sizeof(float) * covey_control_batch(&in->infer);
    if (err == COVEY_OK && (take_body == NULL || take_body->len != bytes)) {
        err = COVEY_ERR_RANGE;
        why = "the input does not have the model's size, or not as often as the batch says";
    }
    if (err == COVEY_OK) {
        struct covey_infer infer = {.model = e->id,
                                    .options = in->infer,
                                    .user = client,
                                    .tag = in->id,
                                    .done = infer_done};
        err = covey__owner_infer(d->owner, &infer, take_body);
        why = "too many requests or sessions are open here: try again";
    }
    if (err != COVEY_OK) {
        covey_body_unref(take_body);
        covey__control_error(client, in->id, err, why);
    }
}

/* ---- detached work ---- */

void covey__control_detach(struct covey_client *client, const struct covey_control *in,
                           struct covey_body *take_body)
{
    const struct covey_digest none = {.bytes = {0}};
    struct covey_daemon *d = client->daemon;
    const char *why = NULL;
    const struct covey_catalogue_entry *e = covey__control_resolve(d, in->infer.model, &why);
    struct covey_detached_config config = {.name = in->name, .options = in->infer};
    covey_err err = e != NULL ? COVEY_OK : COVEY_ERR_NOT_FOUND;
    if (err == COVEY_OK) {
        config.model_name = e->name;
        config.model = e->id;
        config.output = e->output;
        config.options.batch = 1;
        if (config.options.timeout_ms == 0) {
            config.options.timeout_ms = DETACHED_TIMEOUT_MS; /* nobody waits for it */
        }
        err = covey_shape_count(&e->input, &config.input_floats);
    }
    if (err == COVEY_OK) {
        err = covey_shape_count(&e->output, &config.output_floats);
    }
    if (err == COVEY_OK && take_body == NULL) {
        err = COVEY_ERR_SHORT;
    }
    if (err == COVEY_OK) {
        err = covey__detached_start(d->detached, &config, take_body);
        why = err == COVEY_ERR_EXISTS  ? "other work has this id"
              : err == COVEY_ERR_RANGE ? "the inputs do not have the model's size, or are too many"
              : err == COVEY_ERR_LIMIT ? "the inputs and answers are too many to be kept"
              : err == COVEY_ERR_BUSY  ? "there is no room for more kept answers until others end"
                                       : NULL;
    } else {
        covey_body_unref(take_body);
    }
    if (err == COVEY_OK) {
        covey__control_done(client, in->id, &none);
    } else {
        covey__control_error(client, in->id, err, why);
    }
}

/* The first digits of its id, as it is shown. */
static void session_name(const struct covey_session_id *id, char out[static COVEY_NAME_MAX + 1])
{
    for (size_t i = 0; i < 8; i++) {
        snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
    }
}

static void list_session(void *user, const struct covey_owner_session *session)
{
    const struct covey_daemon *d = user;
    struct covey_control_sessions *list = &d->out->sessions;
    struct covey_catalogue_model m;
    if (list->count == COVEY_CONTROL_SESSIONS_MAX) {
        return;
    }
    struct covey_control_session *s = &list->session[list->count++];
    *s = (struct covey_control_session){.running = !session->ending, .total = session->requests};
    session_name(&session->id, s->name);
    if (covey__models_find(d, &session->model, &m)) {
        memcpy(s->model, m.name, sizeof(s->model));
    }
}

void covey__control_sessions(struct covey_client *client, uint32_t id)
{
    struct covey_daemon *d = client->daemon;
    d->out->type = COVEY_CONTROL_SESSIONS_REPLY;
    d->out->id = id;
    d->out->sessions.count = 0;
    covey__detached_list(d->detached, &d->out->sessions);
    covey__owner_sessions(d->owner, list_session, d);
    covey__control_train_list(d, &d->out->sessions);
    covey__control_custody_list(d, &d->out->sessions);
    covey__control_reply(client, covey_bytes_of(NULL, 0));
}

void covey__control_session_get(struct covey_client *client, const struct covey_control *in)
{
    struct covey_daemon *d = client->daemon;
    struct covey_bytes answers;
    if (covey__control_train_get(client, in)) {
        return;
    }
    covey_err err = covey__detached_get(d->detached, in->name, &answers);
    if (err != COVEY_OK) {
        covey__control_error(client, in->id, err, "no kept answers of this id are here");
        return;
    }
    d->out->type = COVEY_CONTROL_SESSION_GET_REPLY;
    d->out->id = in->id;
    covey__control_reply(client, answers);
}

struct named {
    const char *name;
    struct covey_session_id id;
    bool found;
};

static void find_named(void *user, const struct covey_owner_session *session)
{
    struct named *named = user;
    char name[COVEY_NAME_MAX + 1];
    session_name(&session->id, name);
    if (strcmp(name, named->name) == 0) {
        named->id = session->id;
        named->found = true;
    }
}

static covey_err stop_session(struct covey_owner *o, const char *name)
{
    struct named named = {.name = name};
    covey__owner_sessions(o, find_named, &named);
    return named.found ? covey__owner_stop(o, &named.id) : COVEY_ERR_NOT_FOUND;
}

void covey__control_session_stop(struct covey_client *client, const struct covey_control *in)
{
    const struct covey_digest none = {.bytes = {0}};
    char why[256];
    covey_err train = covey__control_train_stop(client->daemon, in->name, why);
    covey_err err = train;
    if (err != COVEY_OK) { /* other work may have this name, too */
        err = covey__detached_stop(client->daemon->detached, in->name);
    }
    if (err == COVEY_ERR_NOT_FOUND) {
        err = stop_session(client->daemon->owner, in->name);
    }
    if (err == COVEY_OK) {
        covey__control_done(client, in->id, &none);
    } else if (why[0] != 0) {
        covey__control_error(client, in->id, train, why);
    } else {
        covey__control_error(client, in->id, err,
                             "no session of this id is here: see 'covey sessions'");
    }
}

/* ---- plan ---- */

/* The client may go meanwhile, and the session be closed. */
struct plan_asked {
    struct covey_planning planning;
    struct covey_daemon *daemon;
    uint64_t client; /* its serial */
    uint32_t id;
    struct covey_model_share *share;
};

static struct covey_client *asker(const struct covey_planning *planning)
{
    const struct plan_asked *asked = (const struct plan_asked *)planning;
    return covey__control_client(asked->daemon, asked->client);
}

static bool plan_wanted(const struct covey_planning *planning)
{
    return asker(planning) != NULL;
}

static void plan_done(struct covey_planning *planning, covey_err err, struct covey_plan *plan)
{
    struct plan_asked *asked = (struct plan_asked *)planning;
    struct covey_daemon *d = asked->daemon;
    struct covey_client *client = d->closing ? NULL : asker(planning);
    if (client != NULL && err == COVEY_OK) {
        struct covey_control_plan *p = &d->out->plan;
        d->out->type = COVEY_CONTROL_PLAN_REPLY;
        d->out->id = asked->id;
        plan->coordinator = d->identity->cert.node;
        covey__plan_report(asked->share->file->model, plan, &planning->request, p);
        p->has_coordinator = covey_node_coordinator(d->node, &p->coordinator, &p->term);
        covey__control_reply(client, covey_bytes_of(NULL, 0));
    } else if (client != NULL) {
        covey__control_error(client, asked->id, err, NULL);
    }
    covey__model_share_unref(asked->share);
    free(asked);
}

static void on_costs(void *user, uint32_t tag, covey_err err, const char *why,
                     const struct covey_owner_costs *costs)
{
    struct covey_client *client = user;
    struct covey_daemon *d = client->daemon;
    struct plan_asked *asked = NULL;
    if (d->closing) {
        return;
    }
    if (err == COVEY_OK && covey__planner_is_full(d->planner)) {
        err = COVEY_ERR_LIMIT;
        why = "too many plans are asked for here";
    }
    if (err == COVEY_OK) {
        asked = malloc(sizeof(*asked));
        err = asked != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    }
    if (err != COVEY_OK) {
        covey__control_error(client, tag, err, why);
        return;
    }
    asked->planning.wanted = plan_wanted;
    asked->planning.done = plan_done;
    asked->daemon = d;
    asked->client = client->serial;
    asked->id = tag;
    asked->share = covey__model_share_ref(costs->share);
    covey__planning_set(&asked->planning, costs->costs);
    covey_node_plan_devices(d->node, costs->session, &asked->planning.request);
    covey__planner_submit(d->planner, &asked->planning);
}

void covey__control_plan(struct covey_client *client, const struct covey_control *in)
{
    const char *why = NULL;
    const struct covey_catalogue_entry *e =
        covey__control_resolve(client->daemon, in->infer.model, &why);
    covey_err err = COVEY_ERR_NOT_FOUND;
    if (e != NULL) {
        struct covey_infer infer = {
            .model = e->id, .options = in->infer, .user = client, .tag = in->id};
        err = covey__owner_costs(client->daemon->owner, &infer, on_costs);
        why = "too many sessions are open here: try again";
    }
    if (err != COVEY_OK) {
        covey__control_error(client, in->id, err, why);
    }
}
