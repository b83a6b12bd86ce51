/* SPDX-License-Identifier: MIT */
#include "model_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/cost.h"

/* A layer that takes no more than this, or this part of what there may be, stays in memory. */
enum { RESIDENT_BYTES = 1 << 20, RESIDENT_PART = 32 };

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

static covey_err read_manifest(struct covey_model_file *m, struct covey_nn_error *out_why)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    covey_err err = covey__store_get_manifest(m->store, &m->id, &bytes, &len);
    if (err == COVEY_OK) {
        err = covey_manifest_decode(covey_bytes_of(bytes, len), &m->manifest, out_why);
    }
    free(bytes);
    return err;
}

uint64_t covey__weight_bytes(const struct covey_manifest *mf)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        sum += covey_manifest_blob(mf, i)->len;
    }
    return sum;
}

static struct covey_store *user_of(const struct covey_model_file *m)
{
    return (struct covey_store *)(uintptr_t)m->store;
}

static covey_err take(struct covey_model_file *m, uint64_t bytes, struct covey_nn_error *out_why)
{
    if (!covey__account_take_for(m->account, "this model", bytes, out_why)) {
        return COVEY_ERR_BUSY;
    }
    m->counted_bytes += bytes;
    return COVEY_OK;
}

/* ---- all of it in memory ---- */

/* Weights are laid out anew for the kernels where that has room too. */
static covey_err make_dense(struct covey_model_file *m, struct covey_nn_error *out_why)
{
    const struct covey_model_options plan_only = {.plan_only = true};
    struct covey_model *plan = NULL;
    covey_err err = covey_model_new(m->graph, &plan_only, &plan, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_nn_error ignored;
    const struct covey_model_options options = {
        .small = take(m, covey_model_state(plan), &ignored) != COVEY_OK};
    covey_model_free(plan);
    return covey_model_new(m->graph, &options, &m->model, out_why);
}

static covey_err load_dense(struct covey_model_file *m, struct covey_nn_error *out_why)
{
    covey_err err = take(m, covey__weight_bytes(m->manifest), out_why);
    if (err == COVEY_OK) {
        err = covey_manifest_bind(m->manifest, m->batch, fetch, user_of(m), &m->graph, out_why);
    }
    return err == COVEY_OK ? make_dense(m, out_why) : err;
}

/* ---- what split layers do not need ---- */

static bool is_read_once(const struct covey_graph *g, uint16_t value)
{
    unsigned uses = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        for (unsigned k = 0; k < g->nodes[i].inputs; k++) {
            uses += g->nodes[i].input[k] == value;
        }
    }
    return uses == 1;
}

/* Small ones are needed again and again, and take little; those of integers have no units there. */
static bool stays_away(const struct covey_model_file *m, const struct covey_model *plan, size_t i)
{
    uint64_t part = m->most_bytes / RESIDENT_PART;
    const struct covey_layer *l = covey_model_layer(plan, i);
    uint64_t bytes = (uint64_t)l->units * covey_layer_unit_floats(l) * sizeof(float);
    return l->exact == 0 && bytes > (part < RESIDENT_BYTES ? part : RESIDENT_BYTES) &&
           is_read_once(m->graph, covey_model_layer_weights(plan, i));
}

static covey_err load_rest(struct covey_model_file *m, const bool *absent,
                           struct covey_nn_error *out_why)
{
    uint64_t bytes = 0;
    for (size_t v = 0; v < m->graph->value_count; v++) {
        bool here = m->graph->values[v].constant && !absent[v];
        bytes += here ? covey_graph_value_bytes(m->graph, v) : 0;
    }
    covey_err err = take(m, bytes, out_why);
    for (size_t v = 0; v < m->graph->value_count && err == COVEY_OK; v++) {
        if (m->graph->values[v].constant && !absent[v]) {
            err = covey_manifest_load(m->manifest, (uint16_t)v, fetch, user_of(m));
        }
    }
    return err;
}

static covey_err choose_away(struct covey_model_file *m, const struct covey_model *plan,
                             bool *absent)
{
    size_t layers = covey_model_layers(plan);
    m->layers = calloc(layers + 1, sizeof(*m->layers));
    if (m->layers == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < layers; i++) {
        if (stays_away(m, plan, i)) {
            absent[covey_model_layer_weights(plan, i)] = true;
            m->layers[m->layer_stages++] = (struct covey_stage){.layer = (uint16_t)i};
        }
    }
    return COVEY_OK;
}

static covey_err load_sparse(struct covey_model_file *m, struct covey_nn_error *out_why)
{
    const struct covey_model_options plan_only = {.plan_only = true};
    struct covey_model *plan = NULL;
    bool *absent = NULL;
    covey_err err =
        covey_manifest_reserve(m->manifest, m->batch, fetch, user_of(m), &m->graph, out_why);
    if (err == COVEY_OK) {
        err = covey_model_new(m->graph, &plan_only, &plan, out_why);
    }
    if (err == COVEY_OK) {
        absent = calloc(m->graph->value_count + 1u, sizeof(*absent));
        err = absent != NULL ? choose_away(m, plan, absent) : COVEY_ERR_NOMEM;
    }
    if (err == COVEY_OK) {
        err = load_rest(m, absent, out_why);
    }
    if (err == COVEY_OK) {
        const struct covey_model_options options = {.absent = absent};
        err = covey_model_new(m->graph, &options, &m->model, out_why);
    }
    if (err == COVEY_OK) {
        err = take(m, covey_model_state(m->model), out_why);
    }
    m->sparse = true;
    covey_model_free(plan);
    free(absent);
    return err;
}

/* ---- batches ---- */

/* A batch may not be what makes a tensor larger than a message: then its layer could be given to
 * nobody. */
static covey_err check_messages(const struct covey_graph *g, uint32_t batch,
                                struct covey_nn_error *out_why)
{
    uint64_t largest = 0;
    for (size_t v = 0; v < g->value_count; v++) {
        size_t count = 0;
        bool known =
            !g->values[v].constant && covey_shape_count(&g->values[v].shape, &count) == COVEY_OK;
        uint64_t one = known ? (uint64_t)count / batch * sizeof(float) : 0;
        largest = one <= COVEY_BODY_MAX && one > largest ? one : largest;
    }
    if (batch <= 1 || largest * batch <= COVEY_BODY_MAX) {
        return COVEY_OK;
    }
    snprintf(out_why->text, sizeof(out_why->text),
             "a batch of %u is too large: at most %u inputs of this model fit a message",
             (unsigned)batch, (unsigned)(COVEY_BODY_MAX / largest));
    return COVEY_ERR_LIMIT;
}

static covey_err check_room(const struct covey_graph *g, const struct covey_model_want *want,
                            struct covey_nn_error *out_why)
{
    const struct covey_model_options plan_only = {.plan_only = true};
    struct covey_model *plan = NULL;
    covey_err err = covey_model_new(g, &plan_only, &plan, out_why);
    if (err == COVEY_OK && covey_model_room(plan) > want->bytes) {
        snprintf(out_why->text, sizeof(out_why->text),
                 "a batch of %u is too large: it takes %zu bytes of memory", (unsigned)want->batch,
                 covey_model_room(plan));
        err = COVEY_ERR_LIMIT;
    }
    covey_model_free(plan);
    return err;
}

/* Before any large weight is read. */
static covey_err check_batch(const struct covey_store *store, const struct covey_model_want *want,
                             struct covey_nn_error *out_why)
{
    struct covey_model_file m = {.store = store, .id = want->id};
    struct covey_graph *g = NULL;
    covey_err err = read_manifest(&m, out_why);
    if (err == COVEY_OK) {
        err = covey_manifest_reserve(m.manifest, 1, fetch, user_of(&m), &g, out_why);
    }
    if (err == COVEY_OK) {
        err = covey_graph_batch(g, want->batch, out_why);
    }
    if (err == COVEY_OK) {
        err = check_messages(g, want->batch, out_why);
    }
    if (err == COVEY_OK) {
        err = check_room(g, want, out_why);
    }
    covey_manifest_free(m.manifest);
    return err;
}

static covey_err load(struct covey_model_file *m, const struct covey_model_want *want,
                      struct covey_nn_error *out_why)
{
    covey_err err = want->batch > COVEY_BATCH_MAX ? COVEY_ERR_LIMIT : COVEY_OK;
    if (err == COVEY_OK && want->batch > 1) {
        err = check_batch(m->store, want, out_why);
    }
    if (err == COVEY_OK) {
        err = read_manifest(m, out_why);
    }
    if (err == COVEY_OK) {
        bool fits = !want->apart && covey__weight_bytes(m->manifest) <= want->bytes;
        err = fits ? load_dense(m, out_why) : load_sparse(m, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    uint64_t table =
        covey_model_table(m->model) + covey_manifest_blobs(m->manifest) * sizeof(struct covey_blob);
    covey__account_add(m->account, table);
    m->counted_bytes += table;
    return covey_cells_find(m->graph, m->model, &m->cell, &m->cells, out_why);
}

covey_err covey__model_file_load_within(const struct covey_store *store,
                                        const struct covey_model_want *want,
                                        struct covey_model_file **out,
                                        struct covey_nn_error *out_why)
{
    struct covey_model_file *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return COVEY_ERR_NOMEM;
    }
    out_why->text[0] = 0;
    m->id = want->id;
    m->store = store;
    m->batch = want->batch > 1 ? want->batch : 1;
    m->most_bytes = want->bytes;
    m->account = want->account;
    covey_err err = load(m, want, out_why);
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

covey_err covey__model_file_load(const struct covey_store *store, const struct covey_digest *id,
                                 struct covey_model_file **out, struct covey_nn_error *out_why)
{
    const struct covey_model_want all = {.id = *id, .bytes = UINT64_MAX, .batch = 1};
    return covey__model_file_load_within(store, &all, out, out_why);
}

void covey__model_file_free(struct covey_model_file *m)
{
    if (m == NULL) {
        return;
    }
    free(m->layers);
    free(m->cell);
    covey_model_free(m->model);
    covey_manifest_free(m->manifest);
    covey__account_give(m->account, m->counted_bytes);
    free(m);
}

size_t covey__model_file_node(const struct covey_model_file *m, size_t layer)
{
    uint16_t weights = covey_model_layer_weights(m->model, layer);
    for (size_t i = 0; i < m->graph->node_count; i++) {
        const struct covey_graph_node *node = &m->graph->nodes[i];
        for (unsigned k = 1; k < node->inputs; k++) {
            if (node->input[k] == weights) {
                return i;
            }
        }
    }
    return m->graph->node_count;
}

covey_err covey__model_file_unit(const struct covey_model_file *m, size_t layer, size_t unit,
                                 float *room, const float **out)
{
    const struct covey_layer *l = covey_model_layer(m->model, layer);
    size_t floats = covey_layer_unit_floats(l);
    uint16_t value = covey_model_layer_weights(m->model, layer);
    if (l->exact != 0) {
        *out = room;
        covey_model_layer_unit(m->model, layer, unit, room);
        return COVEY_OK;
    }
    if (m->sparse && !covey_manifest_loaded(m->manifest, value)) {
        *out = room;
        return covey__store_get(m->store, covey_manifest_unit(m->manifest, layer, unit), room,
                                floats * sizeof(float));
    }
    const float *weights = m->graph->values[value].data;
    *out = weights + unit * floats;
    return COVEY_OK;
}

static covey_err unit_product(const struct covey_layer *l, const float *weights, const float *input,
                              void *room, float *out)
{
    struct covey_product *p = NULL;
    covey_err err = covey_product_new(l, weights, 1, &p);
    if (err == COVEY_OK) {
        err = covey_product_run(p, input, room, out);
    }
    covey_product_free(p);
    return err;
}

static size_t line(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* What any of the layer's units needs besides its weights. */
static covey_err scratch_floats(const struct covey_layer *l, const float *weights, size_t *out)
{
    struct covey_product *p = NULL;
    covey_err err = covey_product_new(l, weights, 1, &p);
    if (err == COVEY_OK) {
        *out = line(covey_product_scratch(p) / sizeof(float) + 1);
    }
    covey_product_free(p);
    return err;
}

covey_err covey__model_file_product(const struct covey_model_file *m, size_t layer,
                                    const float *input, struct covey_scratch *scratch,
                                    float *product)
{
    const struct covey_layer *l = covey_model_layer(m->model, layer);
    size_t floats = line(covey_layer_unit_floats(l)), more = 0;
    float *room = covey__scratch_get(scratch, floats);
    const float *weights = NULL;
    covey_err err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey__model_file_unit(m, layer, 0, room, &weights);
    }
    if (err == COVEY_OK) {
        err = scratch_floats(l, weights, &more);
    }
    if (err == COVEY_OK) {
        room = covey__scratch_get(scratch, floats + more);
        err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    }
    for (size_t u = 0; u < l->units && err == COVEY_OK; u++) {
        err = covey__model_file_unit(m, layer, u, room, &weights);
        if (err == COVEY_OK) {
            err = unit_product(l, weights, input, room + floats,
                               product + u * covey_layer_answer_floats(l));
        }
    }
    return err;
}
