/* SPDX-License-Identifier: MIT */
#include "model_file.h"

#include <stdio.h>
#include <stdlib.h>

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

covey_err covey__model_file_load(const struct covey_store *store, const struct covey_digest *id,
                                 struct covey_model_file **out, struct covey_nn_error *out_why)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct covey_model_file *m = calloc(1, sizeof(*m));
    covey_err err = m != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    out_why->text[0] = 0;
    if (err == COVEY_OK) {
        m->id = *id;
        err = covey__store_get_manifest(store, id, &bytes, &len);
    }
    if (err == COVEY_OK) {
        err = covey_manifest_decode(covey_bytes_of(bytes, len), &m->manifest, out_why);
    }
    if (err == COVEY_OK) {
        struct covey_store *user = (struct covey_store *)(uintptr_t)store;
        err = covey_manifest_bind(m->manifest, 1, fetch, user, &m->graph, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_model_new(m->graph, NULL, &m->model, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_cells_find(m->graph, m->model, &m->cell, &m->cells, out_why);
    }
    free(bytes);
    if (err != COVEY_OK) {
        if (out_why->text[0] == 0) {
            snprintf(out_why->text, sizeof(out_why->text), "cannot load the model: %s",
                     covey_strerror(err));
        }
        covey__model_file_free(m);
        return err;
    }
    *out = m;
    return COVEY_OK;
}

void covey__model_file_free(struct covey_model_file *m)
{
    if (m == NULL) {
        return;
    }
    free(m->cell);
    covey_model_free(m->model);
    covey_manifest_free(m->manifest);
    free(m);
}

const float *covey__model_file_unit(const struct covey_model_file *m, size_t layer, size_t unit)
{
    const struct covey_layer *l = covey_model_layer(m->model, layer);
    const float *w = m->graph->values[covey_model_layer_weights(m->model, layer)].data;
    return w + unit * covey_layer_unit_floats(l);
}
