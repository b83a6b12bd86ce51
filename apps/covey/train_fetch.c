/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/manifest.h"
#include "onnx_export.h"
#include "train_mesh.h"

enum { TIMEOUT_MS = 60000 };

static covey_err get(struct covey__control *c, const struct covey_digest *digest)
{
    struct covey_digest found;
    c->request->digest = *digest;
    covey_err err = covey__control_call(c, COVEY_CONTROL_BLOB_GET, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_BLOB_GET_REPLY, TIMEOUT_MS);
    if (err != COVEY_OK) {
        return err;
    }
    covey_hash(&found, covey_bytes_of(c->body, c->body_len));
    return covey_digest_equal(&found, digest)
               ? COVEY_OK
               : covey__control_refuse(c, COVEY_ERR_MALFORMED, "a part of the model is another");
}

static covey_err fetch_blob(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    struct covey__control *c = user;
    covey_err err = get(c, digest);
    if (err == COVEY_OK && c->body_len != len) {
        err = covey__control_refuse(c, COVEY_ERR_MALFORMED, "a part of the model has another size");
    }
    if (err == COVEY_OK) {
        memcpy(data, c->body, len);
    }
    return err;
}

covey_err covey__train_fetch(struct covey__control *c, const struct covey_digest *manifest,
                             uint8_t **out, size_t *out_len)
{
    struct covey_nn_error why = {""};
    struct covey_manifest *mf = NULL;
    struct covey_graph *graph = NULL;
    c->why[0] = 0;
    covey_err err = get(c, manifest);
    if (err == COVEY_OK) {
        err = covey_manifest_decode(covey_bytes_of(c->body, c->body_len), &mf, &why);
    }
    if (err == COVEY_OK) {
        err = covey_manifest_bind(mf, 1, fetch_blob, c, &graph, &why);
    }
    if (err == COVEY_OK) {
        err = covey_onnx_encode(graph, covey_manifest_name(mf), out, out_len, &why);
    }
    covey_manifest_free(mf);
    if (err != COVEY_OK && c->why[0] == 0) {
        return covey__control_refuse(c, err, "%s",
                                     why.text[0] != 0 ? why.text : covey_strerror(err));
    }
    return err;
}

covey_err covey__train_fetch_record(struct covey__control *c, const char *name,
                                    struct covey_training_record *out)
{
    struct covey_training_record r = {.epoch = 0};
    memcpy(c->request->name, name, strlen(name) + 1);
    covey_err err = covey__control_call(c, COVEY_CONTROL_SESSION_GET, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_SESSION_GET_REPLY, TIMEOUT_MS);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__training_record_decode(covey_bytes_of(c->body, c->body_len),
                                        COVEY_TRAINING_EPOCHS_MAX, &r);
    if (err != COVEY_OK) {
        covey__training_record_done(&r);
        return covey__control_refuse(c, err, "the session's record cannot be read");
    }
    *out = r;
    return COVEY_OK;
}
