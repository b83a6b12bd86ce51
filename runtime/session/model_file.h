/* SPDX-License-Identifier: MIT
 *
 * model_file.h - a model read from the store, with its weights, ready to run and to be split.
 */
#ifndef COVEY_SESSION_MODEL_FILE_H
#define COVEY_SESSION_MODEL_FILE_H

#include "covey/manifest.h"
#include "covey/tile.h"
#include "store.h"

/* Constant once loaded; shared by reference. */
struct covey_model_file {
    struct covey_digest id;
    struct covey_manifest *manifest;
    struct covey_graph *graph; /* belongs to manifest */
    struct covey_model *model;
    struct covey_cell *cell; /* the chain */
    size_t cells;
};

/* Blocking. One line in out_why on failure. */
covey_err covey__model_file_load(const struct covey_store *store, const struct covey_digest *id,
                                 struct covey_model_file **out,
                                 struct covey_nn_error *out_why) COVEY_CHECK;
void covey__model_file_free(struct covey_model_file *m);
/* Weights of one unit: covey_layer_unit_floats() floats, the last one padded with zeros. */
const float *covey__model_file_unit(const struct covey_model_file *m, size_t layer, size_t unit);

#endif /* COVEY_SESSION_MODEL_FILE_H */
