/* SPDX-License-Identifier: MIT */
#include "covey/pack.h"

#include <stdio.h>

struct pack_sink {
    covey_pack_fn put;
    void *user;
};

static covey_err hash_and_put(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    const struct pack_sink *sink = user;
    covey_hash(out, blob);
    return sink->put(sink->user, out, blob);
}

covey_err covey_pack_plain(struct covey_graph *g, const char *name, covey_pack_fn put, void *user,
                           uint8_t **out_manifest, size_t *out_len, struct covey_digest *out_id,
                           struct covey_nn_error *out_why)
{
    const struct covey_model_options options = {.plan_only = true};
    struct covey_model *model = NULL;
    covey_err err = covey_graph_check(g, 1, out_why);
    if (err == COVEY_OK) {
        err = covey_model_new(g, &options, &model, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct pack_sink sink = {put, user};
    err = covey_manifest_encode(g, model, name, hash_and_put, &sink, out_manifest, out_len);
    if (err == COVEY_OK) {
        covey_hash(out_id, covey_bytes_of(*out_manifest, *out_len));
    } else {
        snprintf(out_why->text, sizeof(out_why->text), "cannot pack the model: %s",
                 covey_strerror(err));
    }
    covey_model_free(model);
    return err;
}

covey_err covey_pack(struct covey_graph *g, const char *name, covey_pack_fn put, void *user,
                     uint8_t **out_manifest, size_t *out_len, struct covey_digest *out_id,
                     struct covey_nn_error *out_why)
{
    covey_err err = covey_graph_optimize(g, out_why);
    return err == COVEY_OK
               ? covey_pack_plain(g, name, put, user, out_manifest, out_len, out_id, out_why)
               : err;
}
