/* SPDX-License-Identifier: MIT */
#include "network.h"

#include <stdlib.h>

#include "network_private.h"

covey_err covey__network_table_init(struct covey_network_table *table)
{
    table->first = NULL;
    return pthread_mutex_init(&table->lock, NULL) == 0 ? COVEY_OK : COVEY_ERR_NOMEM;
}

void covey__network_table_done(struct covey_network_table *table)
{
    COVEY_ASSERT(table->first == NULL);
    pthread_mutex_destroy(&table->lock);
}

void covey__network_held(struct covey_network *n, uint64_t bytes)
{
    atomic_fetch_add(n->used_bytes, bytes);
    atomic_fetch_add(&n->bytes, bytes);
}

void covey__network_given_back(struct covey_network *n, uint64_t bytes)
{
    atomic_fetch_sub(n->used_bytes, bytes);
    atomic_fetch_sub(&n->bytes, bytes);
}

static bool is_same(const struct covey_network_id *a, const struct covey_network_id *b)
{
    return a->batch == b->batch && covey_digest_equal(&a->model, &b->model);
}

static covey_err network_new(const struct covey_network_id *id, const struct covey_budget *budget,
                             struct covey_network **out)
{
    struct covey_network *n = calloc(1, sizeof(*n));
    if (n == NULL || pthread_mutex_init(&n->lock, NULL) != 0) {
        free(n);
        return COVEY_ERR_NOMEM;
    }
    if (pthread_mutex_init(&n->filling, NULL) != 0) {
        pthread_mutex_destroy(&n->lock);
        free(n);
        return COVEY_ERR_NOMEM;
    }
    n->refs = 1;
    n->id = *id;
    n->used_bytes = budget->used_bytes;
    n->limit = budget->limit;
    n->session = budget->session;
    *out = n;
    return COVEY_OK;
}

covey_err covey__network_get(struct covey_network_table *table, const struct covey_network_id *id,
                             const struct covey_budget *budget, struct covey_network **out)
{
    if (id->batch == 0 || id->batch > COVEY_BATCH_MAX) {
        return COVEY_ERR_RANGE;
    }
    if (table == NULL) {
        return network_new(id, budget, out);
    }
    covey_err err = COVEY_OK;
    pthread_mutex_lock(&table->lock);
    struct covey_network *n = table->first;
    while (n != NULL && !is_same(&n->id, id)) {
        n = n->next;
    }
    if (n != NULL) {
        n->refs++;
        n->shared = n->shared || !covey_session_id_equal(&n->session, &budget->session);
    } else {
        err = network_new(id, budget, &n);
        if (err == COVEY_OK) {
            n->table = table;
            n->next = table->first;
            table->first = n;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (err == COVEY_OK) {
        *out = n;
    }
    return err;
}

static void network_free(struct covey_network *n)
{
    covey__network_free_models(n);
    covey_layouts_free(n->layouts);
    atomic_fetch_sub(n->used_bytes, atomic_load(&n->bytes));
    free((void *)n->filled);
    free(n->cell);
    covey_manifest_free(n->manifest);
    pthread_mutex_destroy(&n->filling);
    pthread_mutex_destroy(&n->lock);
    free(n);
}

void covey__network_unref(struct covey_network *n)
{
    if (n == NULL) {
        return;
    }
    struct covey_network_table *table = n->table;
    if (table == NULL) {
        network_free(n);
        return;
    }
    pthread_mutex_lock(&table->lock);
    bool last = --n->refs == 0;
    for (struct covey_network **link = &table->first; last && *link != NULL;
         link = &(*link)->next) {
        if (*link == n) {
            *link = n->next;
            break;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (last) {
        network_free(n);
    }
}

uint64_t covey__network_of(struct covey_network_table *table,
                           const struct covey_session_id *session)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&table->lock);
    for (struct covey_network *n = table->first; n != NULL; n = n->next) {
        bool own = !n->shared && covey_session_id_equal(&n->session, session);
        bytes += own ? atomic_load(&n->bytes) : 0;
    }
    pthread_mutex_unlock(&table->lock);
    return bytes;
}

covey_err covey__network_manifest(struct covey_network *n, struct covey_bytes bytes)
{
    struct covey_nn_error why;
    return covey_manifest_decode(bytes, &n->manifest, &why);
}

static covey_err find_cells(struct covey_network *n, struct covey_graph *g)
{
    const struct covey_model_options options = {.plan_only = true};
    struct covey_model *model = NULL;
    covey_err err = covey_model_new(g, &options, &model, NULL);
    if (err == COVEY_OK) {
        covey__network_held(n, covey_model_table(model) +
                                   covey_manifest_blobs(n->manifest) * sizeof(struct covey_blob));
        err = covey_cells_find(g, model, &n->cell, &n->cells, NULL);
    }
    covey_model_free(model);
    return err;
}

covey_err covey__network_open(struct covey_network *n, covey_fetch_fn fetch, void *user)
{
    struct covey_nn_error why;
    struct covey_graph *g = NULL;
    covey_err err = covey_manifest_reserve(n->manifest, n->id.batch, fetch, user, &g, &why);
    if (err == COVEY_OK) {
        err = find_cells(n, g);
    }
    if (err != COVEY_OK) {
        return err;
    }
    n->filled = calloc(g->value_count + 1u, sizeof(*n->filled));
    if (n->filled == NULL) {
        free(n->cell);
        n->cell = NULL;
        return COVEY_ERR_NOMEM;
    }
    n->graph = g;
    return COVEY_OK;
}
