/* SPDX-License-Identifier: MIT */
#include "held.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/large.h"

covey_err covey__held_table_init(struct covey_held_table *table)
{
    table->first = NULL;
    return pthread_mutex_init(&table->lock, NULL) == 0 ? COVEY_OK : COVEY_ERR_NOMEM;
}

void covey__held_table_done(struct covey_held_table *table)
{
    COVEY_ASSERT(table->first == NULL);
    pthread_mutex_destroy(&table->lock);
}

static bool is_same(const struct covey_held *h, const struct covey_held_slots *slots)
{
    if (h->slots != slots->count || memcmp(&h->layer, slots->layer, sizeof(h->layer)) != 0) {
        return false;
    }
    for (size_t i = 0; i < h->slots; i++) {
        if (!covey_digest_equal(&h->digest[i], &slots->slot[i].digest)) {
            return false;
        }
    }
    return true;
}

static size_t unit_bytes(const struct covey_layer *layer)
{
    return covey_layer_unit_floats(layer) * sizeof(float);
}

static void held_free(struct covey_held *h)
{
    if (h->used_bytes != NULL) {
        atomic_fetch_sub(h->used_bytes, atomic_load(&h->bytes));
    }
    covey_product_free(h->product);
    pthread_mutex_destroy(&h->lock);
    free(h->weights);
    free(h->digest);
    free(h->loaded);
    free(h);
}

/* Every length is bounded: covey_layer_check() limits a unit, the assignment the number of slots.
 */
static covey_err allocate(struct covey_held *h, _Atomic uint64_t *used_bytes, uint64_t limit)
{
    uint64_t bytes = (uint64_t)h->slots * unit_bytes(&h->layer);
    uint64_t before = atomic_fetch_add(used_bytes, bytes);
    h->used_bytes = used_bytes;
    atomic_init(&h->bytes, bytes);
    if (before + bytes > limit || bytes > SIZE_MAX) {
        return COVEY_ERR_LIMIT;
    }
    h->digest = calloc(h->slots, sizeof(*h->digest));
    h->loaded = calloc(h->slots, sizeof(*h->loaded));
    h->weights = covey_large_new((size_t)bytes);
    bool all = h->digest != NULL && h->loaded != NULL && h->weights != NULL;
    return all ? COVEY_OK : COVEY_ERR_NOMEM;
}

static covey_err held_new(const struct covey_held_slots *slots, _Atomic uint64_t *used_bytes,
                          uint64_t limit, struct covey_held **out)
{
    struct covey_held *h = calloc(1, sizeof(*h));
    if (h == NULL || pthread_mutex_init(&h->lock, NULL) != 0) {
        free(h);
        return COVEY_ERR_NOMEM;
    }
    h->refs = 1;
    h->layer = *slots->layer;
    h->session = slots->session;
    h->slots = h->missing = slots->count;
    covey_err err = allocate(h, used_bytes, limit);
    if (err != COVEY_OK) {
        held_free(h);
        return err;
    }
    for (size_t i = 0; i < h->slots; i++) {
        h->digest[i] = slots->slot[i].digest;
    }
    *out = h;
    return COVEY_OK;
}

static struct covey_held *find(const struct covey_held_table *table,
                               const struct covey_held_slots *slots)
{
    struct covey_held *h = table->first;
    while (h != NULL && !is_same(h, slots)) {
        h = h->next;
    }
    return h;
}

covey_err covey__held_get(struct covey_held_table *table, const struct covey_held_slots *slots,
                          _Atomic uint64_t *used_bytes, uint64_t limit, struct covey_held **out)
{
    if (table == NULL) {
        return held_new(slots, used_bytes, limit, out);
    }
    covey_err err = COVEY_OK;
    pthread_mutex_lock(&table->lock);
    struct covey_held *h = find(table, slots);
    if (h != NULL) {
        h->refs++;
        h->shared = h->shared || !covey_session_id_equal(&h->session, &slots->session);
    } else {
        err = held_new(slots, used_bytes, limit, &h);
        if (err == COVEY_OK) {
            h->table = table;
            h->next = table->first;
            table->first = h;
        }
    }
    pthread_mutex_unlock(&table->lock);
    if (err == COVEY_OK) {
        *out = h;
    }
    return err;
}

void covey__held_unref(struct covey_held *h)
{
    if (h == NULL) {
        return;
    }
    struct covey_held_table *table = h->table;
    if (table != NULL) {
        pthread_mutex_lock(&table->lock);
    }
    bool last = --h->refs == 0;
    for (struct covey_held **link = table != NULL ? &table->first : NULL;
         last && link != NULL && *link != NULL; link = &(*link)->next) {
        if (*link == h) {
            *link = h->next;
            break;
        }
    }
    if (table != NULL) {
        pthread_mutex_unlock(&table->lock);
    }
    if (last) {
        held_free(h);
    }
}

uint64_t covey__held_of(struct covey_held_table *table, const struct covey_session_id *session)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&table->lock);
    for (struct covey_held *h = table->first; h != NULL; h = h->next) {
        bool own = !h->shared && covey_session_id_equal(&h->session, session);
        bytes += own ? atomic_load(&h->bytes) : 0;
    }
    pthread_mutex_unlock(&table->lock);
    return bytes;
}

void covey__held_load(struct covey_held *h, const struct covey_store *store)
{
    size_t floats = covey_layer_unit_floats(&h->layer);
    for (size_t i = 0; i < h->slots && h->missing > 0; i++) {
        if (!h->loaded[i] && covey__store_get(store, &h->digest[i], h->weights + i * floats,
                                              unit_bytes(&h->layer)) == COVEY_OK) {
            h->loaded[i] = true;
            h->missing--;
        }
    }
}

static covey_err lay_out(struct covey_held *h)
{
    covey_err err = covey_product_new(&h->layer, h->weights, h->slots, &h->product);
    if (err == COVEY_OK && !covey_product_reads(h->product)) {
        uint64_t bytes = covey_product_bytes(h->product);
        uint64_t before = atomic_exchange(&h->bytes, bytes);
        atomic_fetch_add(h->used_bytes, bytes - before); /* modulo 2^64: either may be larger */
        free(h->weights);
        h->weights = NULL;
    }
    return err;
}

covey_err covey__held_fill(struct covey_held *h)
{
    pthread_mutex_lock(&h->lock);
    covey_err err = h->product == NULL ? lay_out(h) : COVEY_OK;
    pthread_mutex_unlock(&h->lock);
    return err;
}
