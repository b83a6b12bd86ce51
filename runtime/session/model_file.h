/* SPDX-License-Identifier: MIT
 *
 * model_file.h - a model read from the store, with its weights, ready to run and to be split.
 */
#ifndef COVEY_SESSION_MODEL_FILE_H
#define COVEY_SESSION_MODEL_FILE_H

#include "account.h"
#include "covey/manifest.h"
#include "covey/tile.h"
#include "pool.h"
#include "store.h"

/* Constant once loaded; shared by reference. */
struct covey_model_file {
    struct covey_digest id;
    struct covey_manifest *manifest;
    struct covey_graph *graph; /* belongs to manifest */
    struct covey_model *model;
    struct covey_cell *cell; /* the chain */
    size_t cells;
    const struct covey_store *store;
    uint32_t batch;      /* inputs of one request */
    uint64_t most_bytes; /* of weights in memory */
    /* It is larger than the memory it may take: the weights of split layers (but for those that
     * are resident) are read from the store when they are needed. */
    bool sparse;
    struct covey_stage *layers; /* when sparse: all split layers that are not resident */
    size_t layer_stages;
    struct covey_account *account;
    uint64_t counted_bytes; /* there */
};

/* What all constants of a manifest take. */
uint64_t covey__weight_bytes(const struct covey_manifest *mf);

/* Blocking. One line in out_why on failure. */
covey_err covey__model_file_load(const struct covey_store *store, const struct covey_digest *id,
                                 struct covey_model_file **out,
                                 struct covey_nn_error *out_why) COVEY_CHECK;
/* The same for requests of batch inputs, with at most that many bytes of weights in memory, if
 * those of layers that cannot be split leave any choice. UNSUPPORTED: the model does not answer the
 * inputs of a batch each by itself. LIMIT: the batch is too large, COVEY_BATCH_MAX, for the memory
 * or for messages that one input fits. BUSY: the account has no room; with `apart`, where only what
 * layers that cannot be split need is in memory whatever the bytes, not even for that. */
struct covey_model_want {
    struct covey_digest id;
    uint64_t bytes;
    uint32_t batch;
    struct covey_account *account; /* outlives the model; NULL: nothing is counted */
    bool apart;
};
covey_err covey__model_file_load_within(const struct covey_store *store,
                                        const struct covey_model_want *want,
                                        struct covey_model_file **out,
                                        struct covey_nn_error *out_why) COVEY_CHECK;
void covey__model_file_free(struct covey_model_file *m);
/* The node that takes the layer's weights; the graph's number of nodes: there is none. */
size_t covey__model_file_node(const struct covey_model_file *m, size_t layer);
/* Weights of one unit: covey_layer_unit_floats() floats, the last one padded with zeros; in room,
 * which is as large, where they are not in memory as such. */
covey_err covey__model_file_unit(const struct covey_model_file *m, size_t layer, size_t unit,
                                 float *room, const float **out) COVEY_CHECK;
/* A layer's product [units x unit_rows x n], unit by unit, with weights from the store. */
covey_err covey__model_file_product(const struct covey_model_file *m, size_t layer,
                                    const float *input, struct covey_scratch *scratch,
                                    float *product) COVEY_CHECK;

#endif /* COVEY_SESSION_MODEL_FILE_H */
