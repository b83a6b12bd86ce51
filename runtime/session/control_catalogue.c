/* SPDX-License-Identifier: MIT
 *
 * The catalogue at this device: kept in STATE/catalogue as the messages that told of it, each
 * behind its length; models that it names and that are not here are brought here.
 */
#include <stdio.h>
#include <stdlib.h>

#include "control_private.h"
#include "covey/files.h"

enum {
    FILE_MAX = 4 * 1024 * 1024,
};

/* ---- the file ---- */

struct save {
    struct covey_task task;
    struct covey_daemon *daemon;
    struct covey_buf content;
    covey_err err;
};

static void catalogue_path(const struct covey_daemon *d, char *out, size_t size)
{
    snprintf(out, size, "%s/catalogue", d->services.store.dir);
}

static void save_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct save *s = (struct save *)task;
    char path[sizeof(s->daemon->services.store.dir) + 16];
    catalogue_path(s->daemon, path, sizeof(path));
    s->err = covey_file_write(path, covey_bytes_of(s->content.ptr, s->content.len), 0600);
}

static void save_done(struct covey_task *task)
{
    struct save *s = (struct save *)task;
    struct covey_daemon *d = s->daemon;
    if (s->err != COVEY_OK) {
        covey__daemon_log(d, "the catalogue cannot be written: %s", covey_strerror(s->err));
    }
    free(s->content.ptr);
    free(s);
    d->saving = false;
    if (d->unsaved && !d->closing) {
        covey__control_catalogue(d);
    }
}

static void write_content(const struct covey_daemon *d, struct covey_buf *out)
{
    size_t count = covey_node_models(d->node);
    for (size_t i = 0; i < count; i++) {
        struct covey_buf room = {out->ptr + out->len + 4, COVEY_CATALOGUE_MESSAGE_MAX};
        size_t len = 0;
        if (covey_node_model_wire(d->node, i, room, &len) == COVEY_OK) {
            covey_store32(out->ptr + out->len, (uint32_t)len);
            out->len += 4 + len;
        }
    }
}

static void save(struct covey_daemon *d)
{
    d->unsaved = d->saving;
    if (d->saving) {
        return;
    }
    size_t room = (covey_node_models(d->node) + 1) * (4 + COVEY_CATALOGUE_MESSAGE_MAX);
    struct save *s = calloc(1, sizeof(*s));
    uint8_t *bytes = s != NULL ? malloc(room) : NULL;
    if (bytes == NULL) {
        free(s);
        return; /* the next change tries again */
    }
    s->task = (struct covey_task){.work = save_work, .done = save_done};
    s->daemon = d;
    s->content = (struct covey_buf){bytes, 0};
    write_content(d, &s->content);
    d->saving = true;
    covey__pool_submit(d->services.storage, &s->task);
}

static void load_file(struct covey_daemon *d)
{
    char path[sizeof(d->services.store.dir) + 16];
    uint8_t *bytes = NULL;
    size_t len = 0;
    catalogue_path(d, path, sizeof(path));
    covey_err err = covey_file_read(path, FILE_MAX, &bytes, &len);
    if (err != COVEY_OK) {
        if (err != COVEY_ERR_NOT_FOUND) {
            covey__daemon_log(d, "the catalogue cannot be read: %s", covey_strerror(err));
        }
        return;
    }
    for (size_t at = 0; len - at > 4;) {
        size_t n = covey_load32(bytes + at);
        if (n > len - at - 4) {
            covey__daemon_log(d, "the catalogue ends early: the rest comes from the mesh");
            break;
        }
        struct covey_event event = {.type = COVEY_EVENT_CATALOGUE,
                                    .bytes = covey_bytes_of(bytes + at + 4, n)};
        d->services.feed(d->services.user, &event);
        at += 4 + n;
    }
    free(bytes);
}

/* ---- what is known of a model ---- */

/* An entry that counts, before one that was removed; one's own before others'. */
static bool is_better(const struct covey_daemon *d, const struct covey_catalogue_model *m,
                      const struct covey_catalogue_model *than)
{
    if (m->removed != than->removed) {
        return !m->removed;
    }
    return covey_node_id_equal(&m->publisher, &d->identity->cert.node);
}

bool covey__models_find(const struct covey_daemon *d, const struct covey_digest *id,
                        struct covey_catalogue_model *out)
{
    bool found = false;
    size_t count = covey_node_models(d->node);
    for (size_t i = 0; i < count; i++) {
        struct covey_catalogue_model m;
        covey_node_model(d->node, i, &m);
        if (covey_digest_equal(&m.id, id) && (!found || is_better(d, &m, out))) {
            *out = m;
            found = true;
        }
    }
    return found;
}

void covey__models_device(const struct covey_daemon *d, const struct covey_node_id *id,
                          char out[static COVEY_NAME_MAX + 1])
{
    struct covey_member_info info;
    if (covey_node_id_equal(id, &d->identity->cert.node)) {
        snprintf(out, COVEY_NAME_MAX + 1, "%s", d->identity->cert.name);
    } else if (covey_node_find(d->node, id, &info)) {
        snprintf(out, COVEY_NAME_MAX + 1, "%s", info.name);
    } else {
        for (size_t i = 0; i < sizeof(id->bytes); i++) {
            snprintf(out + 2 * i, 3, "%02x", id->bytes[i]);
        }
    }
}

/* ---- adding, removing ---- */

void covey__models_publish(struct covey_daemon *d, const struct covey_catalogue_entry *e,
                           bool removed)
{
    uint8_t bytes[COVEY_CATALOGUE_BODY_MAX];
    size_t len = 0;
    struct covey_catalogue_model m = {.id = e->id,
                                      .bytes = e->bytes,
                                      .input_rank = e->input.rank,
                                      .output_rank = e->output.rank,
                                      .removed = removed};
    memcpy(m.name, e->name, sizeof(m.name));
    memcpy(m.input, e->input.dims, sizeof(m.input));
    memcpy(m.output, e->output.dims, sizeof(m.output));
    covey_err err =
        covey_catalogue_model_encode(&m, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    if (err != COVEY_OK || d->identity->cert.trust != COVEY_TRUST_FULL) {
        return; /* what a device without trust adds stays its own */
    }
    struct covey_event event = {.type = COVEY_EVENT_PUBLISH, .bytes = covey_bytes_of(bytes, len)};
    d->services.feed(d->services.user, &event);
}

/* Models of this device that were removed where they were added are forgotten. */
static void forget_removed(struct covey_daemon *d)
{
    for (size_t i = d->model_count; i-- > 0;) {
        struct covey_catalogue_model m;
        if (covey__models_find(d, &d->models[i].id, &m) && m.removed) {
            struct covey_digest id = d->models[i].id;
            covey__control_forget(d, &id);
        }
    }
}

void covey__control_catalogue(struct covey_daemon *d)
{
    if (!d->closing && d->catalogue_open) {
        forget_removed(d);
        save(d);
    }
}

void covey__models_open(struct covey_daemon *d)
{
    struct covey_catalogue_model m;
    load_file(d);
    d->catalogue_open = true;
    for (size_t i = 0; i < d->model_count; i++) {
        if (!covey__models_find(d, &d->models[i].id, &m)) {
            covey__models_publish(d, &d->models[i], false);
        }
    }
    forget_removed(d);
}

/* ---- bringing ---- */

static bool can_give(const struct covey_daemon *d, const struct covey_member_info *info)
{
    return !info->self && info->channel && info->trust == COVEY_TRUST_FULL &&
           !covey_node_id_equal(&info->id, &d->identity->cert.node);
}

size_t covey__models_sources(void *user, const struct covey_digest *id, struct covey_node_id *out,
                             size_t max)
{
    const struct covey_daemon *d = user;
    struct covey_catalogue_model m;
    struct covey_member_info info;
    size_t used = 0;
    if (d->closing || !covey__models_find(d, id, &m)) {
        return 0;
    }
    bool publisher = covey_node_find(d->node, &m.publisher, &info) && can_give(d, &info);
    if (publisher && max > 0) {
        out[used++] = m.publisher;
    }
    size_t count = covey_node_members(d->node);
    for (size_t i = 0; i < count && used < max; i++) {
        covey_node_member(d->node, i, &info);
        if (can_give(d, &info) && !covey_node_id_equal(&info.id, &m.publisher)) {
            out[used++] = info.id;
        }
    }
    return used;
}
