/* SPDX-License-Identifier: MIT */
#include "upload.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/pack.h"
#include "onnx_import.h"

enum {
    TIMEOUT_MS = 60000,
    BRING_MS = 2 * 24 * 3600 * 1000, /* the node says sooner when nothing comes any more */
    HAVE_MAX = 65536,                /* digests asked about at once: 2 MiB */
    DIGEST_BYTES = 32,
};

struct blob {
    struct covey_digest digest;
    uint8_t *data;
    size_t len;
};

struct bundle {
    struct blob *blobs;
    size_t count, capacity;
};

/* Keeps a copy: what the packer shows is valid only while it shows it. */
static covey_err keep(void *user, const struct covey_digest *digest, struct covey_bytes in)
{
    struct bundle *b = user;
    if (b->count == b->capacity) {
        size_t capacity = b->capacity == 0 ? 64 : b->capacity * 2;
        struct blob *grown = realloc(b->blobs, capacity * sizeof(*grown));
        if (grown == NULL) {
            return COVEY_ERR_NOMEM;
        }
        b->blobs = grown;
        b->capacity = capacity;
    }
    uint8_t *data = malloc(in.len > 0 ? in.len : 1);
    if (data == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (in.len > 0) {
        memcpy(data, in.ptr, in.len);
    }
    struct blob blob = {.digest = *digest, .data = data, .len = in.len};
    b->blobs[b->count++] = blob;
    return COVEY_OK;
}

static void bundle_done(struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        free(b->blobs[i].data);
    }
    free(b->blobs);
}

static covey_err put_blob(struct covey__control *c, const struct blob *blob)
{
    c->request->digest = blob->digest;
    return covey__control_call(c, COVEY_CONTROL_BLOB_PUT, covey_bytes_of(blob->data, blob->len),
                               COVEY_CONTROL_DONE, TIMEOUT_MS);
}

/* Asks which of blobs [first, first + count) are missing and sends those. */
static covey_err put_missing(struct covey__control *c, const struct bundle *b, size_t first,
                             size_t count, struct covey__upload *up)
{
    uint8_t *digests = malloc(count * DIGEST_BYTES);
    uint8_t *missing = calloc(1, (count + 7) / 8);
    covey_err err = COVEY_ERR_NOMEM;
    if (digests == NULL || missing == NULL) {
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(digests + i * DIGEST_BYTES, b->blobs[first + i].digest.bytes, DIGEST_BYTES);
    }
    err = covey__control_call(c, COVEY_CONTROL_BLOB_HAVE,
                              covey_bytes_of(digests, count * DIGEST_BYTES),
                              COVEY_CONTROL_BLOB_HAVE_REPLY, TIMEOUT_MS);
    if (err == COVEY_OK && c->body_len < (count + 7) / 8) {
        err = covey__control_refuse(c, COVEY_ERR_MALFORMED, "the node's answer is too short");
    }
    if (err == COVEY_OK) {
        memcpy(missing, c->body, (count + 7) / 8);
    }
    for (size_t i = 0; i < count && err == COVEY_OK; i++) {
        if ((missing[i / 8] >> (i % 8) & 1) != 0) {
            err = put_blob(c, &b->blobs[first + i]);
            up->blobs_sent++;
            up->bytes_sent += b->blobs[first + i].len;
        }
    }
out:
    free(digests);
    free(missing);
    return err;
}

static covey_err send_model(struct covey__control *c, const struct bundle *b,
                            struct covey_bytes manifest, struct covey__upload *up)
{
    covey_err err = COVEY_OK;
    up->blobs = b->count;
    for (size_t i = 0; i < b->count; i++) {
        up->bytes += b->blobs[i].len;
    }
    for (size_t first = 0; first < b->count && err == COVEY_OK; first += HAVE_MAX) {
        size_t left = b->count - first;
        err = put_missing(c, b, first, left < HAVE_MAX ? left : HAVE_MAX, up);
    }
    if (err == COVEY_OK) {
        err = covey__control_call(c, COVEY_CONTROL_MODEL_PUT, manifest, COVEY_CONTROL_DONE,
                                  TIMEOUT_MS);
    }
    return err;
}

/* As manifests have it. */
static void take_name(const char *text, size_t len, char out[static COVEY_NAME_MAX + 1])
{
    for (size_t i = 0; i < len; i++) {
        out[i] = text[i];
        if (out[i] < 0x20 || out[i] >= 0x7f) {
            out[i] = '_';
        }
    }
    out[len] = 0;
}

static covey_err name_of(const char *path, const char *name, char out[static COVEY_NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    const char *text = name != NULL ? name : slash != NULL ? slash + 1 : path;
    size_t len = strlen(text);
    static const char ending[] = ".onnx";
    size_t ending_len = sizeof(ending) - 1;
    if (name == NULL && len > ending_len && strcmp(text + len - ending_len, ending) == 0) {
        len -= ending_len;
    }
    if (len == 0 || len > COVEY_NAME_MAX) {
        return COVEY_ERR_RANGE;
    }
    take_name(text, len, out);
    return COVEY_OK;
}

/* The labels become one more blob, and both notes part of the manifest, which is replaced. */
static covey_err annotate(const struct covey__notes *notes, struct bundle *b,
                          uint8_t **inout_manifest, size_t *inout_len, struct covey_digest *out_id)
{
    struct covey_manifest_notes n = notes->manifest;
    struct covey_buf text = {NULL, 0};
    uint8_t *annotated = NULL;
    covey_err err = COVEY_OK;
    n.has_labels = notes->labels.count > 0;
    if (n.has_labels) {
        err = covey__labels_text(&notes->labels, &text);
        if (err == COVEY_OK) {
            n.labels.len = text.len;
            covey_hash(&n.labels.digest, covey_bytes_of(text.ptr, text.len));
            err = keep(b, &n.labels.digest, covey_bytes_of(text.ptr, text.len));
        }
        free(text.ptr);
    }
    if (err == COVEY_OK) {
        err = covey_manifest_annotate(covey_bytes_of(*inout_manifest, *inout_len), &n, &annotated,
                                      inout_len);
    }
    if (err == COVEY_OK) {
        free(*inout_manifest);
        *inout_manifest = annotated;
        covey_hash(out_id, covey_bytes_of(annotated, *inout_len));
    }
    return err;
}

covey_err covey__upload_file(struct covey__control *c, const char *path, const char *name,
                             const struct covey__notes *notes, struct covey__upload *out)
{
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {.graph = NULL};
    struct bundle bundle = {.blobs = NULL};
    struct covey__upload up = {.blobs = 0};
    uint8_t *manifest = NULL;
    size_t manifest_len = 0;
    if (name_of(path, name, up.name) != COVEY_OK) {
        return covey__control_refuse(c, COVEY_ERR_RANGE,
                                     "a model's name has 1 to 63 bytes: give one with --name");
    }
    covey_err err = covey_onnx_load(path, NULL, &onnx, &why);
    if (err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_IO) {
        err = COVEY_ERR_MALFORMED; /* the file is this command's input, and a bad one */
    }
    if (err == COVEY_OK) {
        err =
            covey_pack(onnx.graph, up.name, keep, &bundle, &manifest, &manifest_len, &up.id, &why);
    }
    if (err == COVEY_OK && notes != NULL) {
        size_t outputs = 0;
        err = covey_shape_count(&onnx.graph->values[onnx.graph->output[0]].shape, &outputs);
        err = err == COVEY_OK ? covey__labels_fit(&notes->labels, outputs, &why) : err;
    }
    if (err == COVEY_OK && notes != NULL) {
        err = annotate(notes, &bundle, &manifest, &manifest_len, &up.id);
    }
    if (err != COVEY_OK) {
        err =
            covey__control_refuse(c, err, "%s", why.text[0] != 0 ? why.text : covey_strerror(err));
        goto out;
    }
    up.input = onnx.graph->values[onnx.graph->input[0]].shape;
    up.output = onnx.graph->values[onnx.graph->output[0]].shape;
    err = send_model(c, &bundle, covey_bytes_of(manifest, manifest_len), &up);
    if (err == COVEY_OK) {
        *out = up;
    }
out:
    free(manifest);
    bundle_done(&bundle);
    covey_onnx_free(&onnx);
    return err;
}

static covey_err get_labels(struct covey__control *c, struct covey__notes *n)
{
    struct covey_nn_error why = {""};
    struct covey_digest found;
    c->request->digest = n->manifest.labels.digest;
    covey_err err = covey__control_call(c, COVEY_CONTROL_BLOB_GET, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_BLOB_GET_REPLY, TIMEOUT_MS);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_bytes text = covey_bytes_of(c->body, c->body_len);
    covey_hash(&found, text);
    if (!covey_digest_equal(&found, &n->manifest.labels.digest)) {
        return covey__control_refuse(c, COVEY_ERR_MALFORMED, "the model's labels are not those");
    }
    err = covey__labels_parse(&n->labels, text, "the model's labels", &why);
    return err == COVEY_OK ? COVEY_OK : covey__control_refuse(c, err, "%s", why.text);
}

covey_err covey__model_get(struct covey__control *c, const struct covey_digest *id,
                           uint32_t wait_ms)
{
    c->request->digest = *id;
    c->request->wait_ms = wait_ms;
    return covey__control_call(c, COVEY_CONTROL_MODEL_GET, covey_bytes_of(NULL, 0),
                               COVEY_CONTROL_MODEL_GET_REPLY, BRING_MS);
}

covey_err covey__notes_get(struct covey__control *c, const struct covey_digest *id,
                           uint32_t wait_ms, struct covey__notes *out)
{
    struct covey_manifest *mf = NULL;
    struct covey_nn_error why = {""};
    struct covey__notes notes = {.labels = {.count = 0}};
    covey_err err = covey__model_get(c, id, wait_ms);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_manifest_decode(covey_bytes_of(c->body, c->body_len), &mf, &why);
    if (err != COVEY_OK) {
        return covey__control_refuse(c, err, "the model cannot be read: %s", why.text);
    }
    notes.manifest = *covey_manifest_notes(mf);
    covey_manifest_free(mf);
    err = notes.manifest.has_labels ? get_labels(c, &notes) : COVEY_OK;
    if (err == COVEY_OK) {
        *out = notes;
    }
    return err;
}

void covey__notes_done(struct covey__notes *notes)
{
    covey__labels_done(&notes->labels);
}

static bool matches(const struct covey_control_model *m, const char *name)
{
    char id[65];
    covey__hex(id, m->id.bytes, sizeof(m->id.bytes));
    size_t len = strlen(name);
    return len >= 8 && len <= 64 && strncmp(id, name, len) == 0;
}

covey_err covey__model_find(struct covey__control *c, const char *name,
                            struct covey_control_model *out)
{
    covey_err err = covey__control_call(c, COVEY_CONTROL_MODEL_LIST, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_MODEL_LIST_REPLY, TIMEOUT_MS);
    if (err != COVEY_OK) {
        return err;
    }
    const struct covey_control_models *models = &c->reply->models;
    const struct covey_control_model *found = NULL;
    size_t count = 0, len = strlen(name);
    char called[COVEY_NAME_MAX + 1] = "";
    take_name(name, len <= COVEY_NAME_MAX ? len : 0, called); /* what it was added as */
    for (size_t i = 0; i < models->count; i++) {
        const struct covey_control_model *m = &models->model[i];
        if (strcmp(m->name, called) == 0 || matches(m, name)) {
            found = m;
            count++;
        }
    }
    if (count == 1) {
        *out = *found;
        return COVEY_OK;
    }
    if (count > 1) {
        return covey__control_refuse(
            c, COVEY_ERR_RANGE, "several models are called '%.80s': give the id instead", name);
    }
    return covey__control_refuse(
        c, COVEY_ERR_NOT_FOUND,
        "no model '%.80s' here: see 'covey model list' and 'covey model add'", name);
}

covey_err covey__model_bring(struct covey__control *c, const char *name, uint32_t wait_ms,
                             struct covey_control_model *out)
{
    covey_err err = covey__model_find(c, name, out);
    return err == COVEY_OK && !out->here ? covey__model_get(c, &out->id, wait_ms) : err;
}
