/* SPDX-License-Identifier: MIT */
#include "coded.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "covey/large.h"
#include "covey/check.h"
#include "covey/crypto.h"
#include "covey/pace.h"

enum { SLOT_LISTS = 256 };

struct parity_entry {
    struct covey_coded_group group;
    unsigned t;
    struct covey_digest digest;
};

struct own_entry {
    struct covey_own own; /* first: what is given out */
    _Atomic uint32_t refs;
    size_t layer;
    struct covey_digest key;
    float *weights; /* while the product reads them */
    struct own_entry *next;
    struct covey_coded *coded;
    uint64_t bytes; /* counted */
};

struct secret_entry {
    struct covey_secret secret; /* first */
    _Atomic uint32_t refs;
    size_t layer;
    struct covey_digest key;
    struct slot_secret **slot; /* [secret.slots]: what it was made of */
    struct secret_entry *next;
    struct covey_account *account;
    uint64_t bytes; /* there */
};

/* Of one slot's weights. */
struct slot_secret {
    size_t layer;
    struct covey_digest digest;
    struct slot_secret *next;
    uint64_t bytes; /* counted */
    unsigned used;  /* by devices' secrets */
    float s[];      /* [unit_rows], and behind it what covey_check_add() makes of it */
};

struct covey_coded {
    const struct covey_model_file *file;
    const struct covey_store *store;
    pthread_mutex_t mutex;       /* held by the version that is being made */
    pthread_mutex_t parity_lock; /* of the three below: they are read beside */
    struct parity_entry *parity;
    size_t parities, parity_room;
    struct own_entry *own;
    _Atomic uint64_t own_bytes;
    struct secret_entry *secret;
    struct slot_secret *slot[SLOT_LISTS]; /* by the digest's first byte */
};

covey_err covey__coded_new(const struct covey_model_file *file, const struct covey_store *store,
                           struct covey_coded **out)
{
    struct covey_coded *coded = calloc(1, sizeof(*coded));
    if (coded == NULL || pthread_mutex_init(&coded->mutex, NULL) != 0) {
        free(coded);
        return COVEY_ERR_NOMEM;
    }
    if (pthread_mutex_init(&coded->parity_lock, NULL) != 0) {
        pthread_mutex_destroy(&coded->mutex);
        free(coded);
        return COVEY_ERR_NOMEM;
    }
    coded->file = file;
    coded->store = store;
    *out = coded;
    return COVEY_OK;
}

static bool own_take(struct own_entry *e, uint64_t bytes)
{
    if (!covey__account_take(e->coded->file->account, bytes)) {
        return false;
    }
    e->bytes += bytes;
    atomic_fetch_add(&e->coded->own_bytes, bytes);
    return true;
}

static void own_give(struct own_entry *e, uint64_t bytes)
{
    covey__account_give(e->coded->file->account, bytes);
    e->bytes -= bytes;
    atomic_fetch_sub(&e->coded->own_bytes, bytes);
}

static void own_free(struct own_entry *e)
{
    own_give(e, e->bytes);
    covey_product_free(e->own.product);
    free(e->weights);
    free(e);
}

static void secret_free(struct secret_entry *e)
{
    covey__account_give(e->account, e->bytes);
    free(e->slot);
    free(e->secret.s);
    free(e->secret.c);
    free(e);
}

void covey__own_unref(const struct covey_own *own)
{
    struct own_entry *e = (struct own_entry *)(uintptr_t)own;
    if (e != NULL && atomic_fetch_sub(&e->refs, 1) == 1) {
        own_free(e);
    }
}

void covey__secret_unref(const struct covey_secret *secret)
{
    struct secret_entry *e = (struct secret_entry *)(uintptr_t)secret;
    if (e != NULL && atomic_fetch_sub(&e->refs, 1) == 1) {
        secret_free(e);
    }
}

void covey__coded_lock(struct covey_coded *coded)
{
    pthread_mutex_lock(&coded->mutex);
}

static void sweep_secrets(struct covey_coded *coded, bool all)
{
    for (struct secret_entry **link = &coded->secret; *link != NULL;) {
        struct secret_entry *e = *link;
        if (all || atomic_load(&e->refs) == 1) {
            for (size_t i = 0; i < e->secret.slots; i++) {
                e->slot[i]->used--;
            }
            *link = e->next;
            covey__secret_unref(&e->secret);
        } else {
            link = &e->next;
        }
    }
    for (size_t i = 0; i < SLOT_LISTS; i++) {
        for (struct slot_secret **link = &coded->slot[i]; *link != NULL;) {
            struct slot_secret *e = *link;
            if (e->used == 0) {
                *link = e->next;
                covey__account_give(coded->file->account, e->bytes);
                free(e);
            } else {
                link = &e->next;
            }
        }
    }
}

static void sweep(struct covey_coded *coded, bool all)
{
    for (struct own_entry **link = &coded->own; *link != NULL;) {
        struct own_entry *e = *link;
        if (all || atomic_load(&e->refs) == 1) {
            *link = e->next;
            covey__own_unref(&e->own);
        } else {
            link = &e->next;
        }
    }
    sweep_secrets(coded, all);
}

uint64_t covey__coded_own_bytes(const struct covey_coded *coded)
{
    return atomic_load(&coded->own_bytes);
}

void covey__coded_unlock(struct covey_coded *coded)
{
    sweep(coded, false);
    pthread_mutex_unlock(&coded->mutex);
}

void covey__coded_tidy(struct covey_coded *coded)
{
    if (pthread_mutex_trylock(&coded->mutex) == 0) {
        covey__coded_unlock(coded);
    }
}

void covey__coded_free(struct covey_coded *coded)
{
    if (coded == NULL) {
        return;
    }
    sweep(coded, true);
    pthread_mutex_destroy(&coded->parity_lock);
    pthread_mutex_destroy(&coded->mutex);
    free(coded->parity);
    free(coded);
}

/* ---- parities ---- */

/* One unit after the other: only one is in memory besides the sum. */
static covey_err encode_apart(const struct covey_model_file *file,
                              const struct covey_coded_group *group, unsigned t, float *out)
{
    size_t floats = covey_layer_unit_floats(covey_model_layer(file->model, group->layer));
    float *room = malloc(floats * sizeof(float));
    covey_err err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    memset(out, 0, floats * sizeof(float));
    for (unsigned j = 0; j < group->count && err == COVEY_OK; j++) {
        const float *unit = NULL;
        float g = 0;
        err = covey_split_coefficient(t, j, &g);
        if (err == COVEY_OK) {
            err = covey__model_file_unit(file, group->layer, (size_t)group->first + j, room, &unit);
        }
        for (size_t i = 0; i < floats && err == COVEY_OK; i++) {
            out[i] += g * unit[i];
        }
    }
    free(room);
    return err;
}

covey_err covey__coded_encode(const struct covey_model_file *file,
                              const struct covey_coded_group *group, unsigned t, float *out)
{
    const float *units[COVEY_GROUP_UNITS_MAX];
    COVEY_ASSERT(group->count <= COVEY_GROUP_UNITS_MAX);
    if (file->sparse || covey_model_layer(file->model, group->layer)->exact != 0) {
        return encode_apart(file, group, t, out);
    }
    for (unsigned j = 0; j < group->count; j++) {
        covey_err err =
            covey__model_file_unit(file, group->layer, (size_t)group->first + j, NULL, &units[j]);
        if (err != COVEY_OK) {
            return err;
        }
    }
    size_t floats = covey_layer_unit_floats(covey_model_layer(file->model, group->layer));
    return covey_split_encode(t, group->count, units, floats, out);
}

static bool parity_find(struct covey_coded *coded, const struct covey_coded_group *group,
                        unsigned t, struct covey_digest *out)
{
    bool found = false;
    pthread_mutex_lock(&coded->parity_lock);
    for (size_t i = 0; i < coded->parities && !found; i++) {
        const struct parity_entry *e = &coded->parity[i];
        found = e->t == t && e->group.layer == group->layer && e->group.first == group->first &&
                e->group.count == group->count;
        *out = found ? e->digest : *out;
    }
    pthread_mutex_unlock(&coded->parity_lock);
    return found;
}

static covey_err parity_add(struct covey_coded *coded, const struct parity_entry *entry)
{
    covey_err err = COVEY_OK;
    pthread_mutex_lock(&coded->parity_lock);
    if (coded->parities == coded->parity_room) {
        size_t room = coded->parity_room * 2 + 64;
        struct parity_entry *bigger = realloc(coded->parity, room * sizeof(*bigger));
        err = bigger != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
        coded->parity = bigger != NULL ? bigger : coded->parity;
        coded->parity_room = bigger != NULL ? room : coded->parity_room;
    }
    if (err == COVEY_OK) {
        coded->parity[coded->parities++] = *entry;
    }
    pthread_mutex_unlock(&coded->parity_lock);
    return err;
}

static size_t parity_bytes(const struct covey_coded *coded, const struct covey_coded_group *group)
{
    return covey_layer_unit_floats(covey_model_layer(coded->file->model, group->layer)) *
           sizeof(float);
}

/* Kept for whoever asks for it, but that is no more than convenient: it can be made again. */
covey_err covey__coded_parity(struct covey_coded *coded, const struct covey_coded_group *group,
                              unsigned t, struct covey_digest *out)
{
    if (parity_find(coded, group, t, out)) {
        return COVEY_OK;
    }
    size_t bytes = parity_bytes(coded, group);
    float *weights = malloc(bytes);
    if (weights == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey__account_add(coded->file->account, bytes);
    struct parity_entry e = {*group, t, {{0}}};
    covey_err err = covey__coded_encode(coded->file, group, t, weights);
    if (err == COVEY_OK) {
        struct covey_bytes blob = covey_bytes_of(weights, bytes);
        covey_hash(&e.digest, blob);
        err = covey__store_put(coded->store, &e.digest, blob);
        err = err == COVEY_ERR_LIMIT ? COVEY_OK : err;
    }
    free(weights);
    covey__account_give(coded->file->account, bytes);
    covey_pace_step();
    if (err == COVEY_OK) {
        *out = e.digest;
        err = parity_add(coded, &e);
    }
    return err;
}

covey_err covey__coded_again(struct covey_coded *coded, const struct covey_digest *digest,
                             struct covey_body **out)
{
    struct parity_entry e = {.t = COVEY_PARITY_MAX};
    pthread_mutex_lock(&coded->parity_lock);
    for (size_t i = 0; i < coded->parities; i++) {
        if (covey_digest_equal(&coded->parity[i].digest, digest)) {
            e = coded->parity[i];
            break;
        }
    }
    pthread_mutex_unlock(&coded->parity_lock);
    if (e.t == COVEY_PARITY_MAX) {
        return COVEY_ERR_NOT_FOUND;
    }
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(parity_bytes(coded, &e.group), &body);
    if (err == COVEY_OK) {
        float *to = (float *)(void *)body->data;
        err = covey__coded_encode(coded->file, &e.group, e.t, to);
    }
    covey_pace_step();
    if (err == COVEY_OK) {
        *out = body;
        body = NULL;
    }
    covey_body_unref(body);
    return err;
}

/* ---- a device's slots ---- */

static void key_of(const struct covey_node_id *device, const struct covey_coded_slots *slots,
                   struct covey_digest *out)
{
    struct covey_hasher hasher;
    covey_hasher_init(&hasher);
    if (device != NULL) {
        covey_hasher_update(&hasher, covey_bytes_of(device->bytes, sizeof(device->bytes)));
    }
    covey_hasher_update(&hasher,
                        covey_bytes_of(slots->digests, slots->count * sizeof(*slots->digests)));
    /* A product is of one shape: one block of all rows is as high as the layer, but brings what the
     * layer pads. s and c are the same for all. */
    if (device == NULL) {
        covey_hasher_update(&hasher, covey_bytes_of(slots->shape, sizeof(*slots->shape)));
    }
    covey_hasher_final(&hasher, out);
}

static float *floats_new(size_t count)
{
    return count > SIZE_MAX / sizeof(float) - 64 ? NULL
                                                 : covey_large_new(count * sizeof(float) + 64);
}

static covey_err own_make(const struct covey_coded_slots *slots, struct own_entry *e)
{
    const struct covey_layer *layer = slots->shape;
    size_t floats = covey_layer_unit_floats(layer);
    uint64_t bytes = (uint64_t)slots->count * floats * sizeof(float);
    if (!own_take(e, bytes)) {
        return COVEY_ERR_LIMIT;
    }
    e->weights = floats_new(slots->count * floats);
    covey_err err = e->weights != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    for (size_t i = 0; i < slots->count && err == COVEY_OK; i++) {
        const float *from = NULL;
        float *to = e->weights + i * floats;
        err = slots->weights(slots->user, i, to, &from);
        if (err == COVEY_OK && from != to) {
            memcpy(to, from, floats * sizeof(float));
        }
        covey_pace_step();
    }
    if (err == COVEY_OK) {
        err = covey_product_new(layer, e->weights, slots->count, &e->own.product);
    }
    if (err == COVEY_OK && !covey_product_reads(e->own.product)) {
        free(e->weights);
        e->weights = NULL;
        own_give(e, bytes);
        err = own_take(e, covey_product_bytes(e->own.product)) ? COVEY_OK : COVEY_ERR_LIMIT;
    }
    return err;
}

covey_err covey__coded_own(struct covey_coded *coded, const struct covey_coded_slots *slots,
                           const struct covey_own **out)
{
    struct covey_digest key;
    key_of(NULL, slots, &key);
    for (struct own_entry *e = coded->own; e != NULL; e = e->next) {
        if (e->layer == slots->layer && covey_digest_equal(&e->key, &key)) {
            atomic_fetch_add(&e->refs, 1);
            *out = &e->own;
            return COVEY_OK;
        }
    }
    struct own_entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return COVEY_ERR_NOMEM;
    }
    e->coded = coded;
    covey_err err = own_make(slots, e);
    if (err != COVEY_OK) {
        own_free(e);
        return err;
    }
    atomic_init(&e->refs, 2);
    e->own.slots = slots->count;
    e->layer = slots->layer;
    e->key = key;
    e->next = coded->own;
    coded->own = e;
    *out = &e->own;
    return COVEY_OK;
}

/* Of either sign, with magnitudes in [0.5, 1.5): no row's error can hide behind a small factor. */
static void draw(float *s, size_t count)
{
    uint32_t bits[256];
    for (size_t i = 0; i < count; i++) {
        if (i % 256 == 0) {
            covey_random(bits, sizeof(bits));
        }
        uint32_t b = bits[i % 256];
        float magnitude = 0.5f + (float)(b >> 8) * 0x1p-24f;
        s[i] = (b & 1) != 0 ? magnitude : -magnitude;
    }
}

/* ---- a slot's secret: made once for all versions that have the slot, whoever holds it ---- */

static struct slot_secret *slot_find(struct covey_coded *coded, size_t layer,
                                     const struct covey_digest *digest)
{
    struct slot_secret *e = coded->slot[digest->bytes[0]];
    while (e != NULL && (e->layer != layer || !covey_digest_equal(&e->digest, digest))) {
        e = e->next;
    }
    return e;
}

static covey_err slot_make(struct covey_coded *coded, const struct covey_coded_slots *slots,
                           size_t index, float *room, struct slot_secret **out)
{
    const struct covey_layer *layer = covey_model_layer(coded->file->model, slots->layer);
    struct covey_account *account = coded->file->account;
    size_t sums = covey_check_floats(layer);
    size_t bytes = sizeof(struct slot_secret) + ((size_t)layer->unit_rows + sums) * sizeof(float);
    const float *weights = NULL;
    if (!covey__account_take(account, bytes)) {
        return COVEY_ERR_LIMIT;
    }
    struct slot_secret *e = malloc(bytes);
    covey_err err =
        e != NULL ? slots->weights(slots->user, index, room, &weights) : COVEY_ERR_NOMEM;
    if (err != COVEY_OK) {
        free(e);
        covey__account_give(account, bytes);
        return err;
    }
    e->bytes = bytes;
    e->layer = slots->layer;
    e->digest = slots->digests[index];
    e->used = 0;
    draw(e->s, layer->unit_rows);
    memset(e->s + layer->unit_rows, 0, sums * sizeof(float));
    covey_check_add(layer, e->s, weights, e->s + layer->unit_rows);
    e->next = coded->slot[e->digest.bytes[0]];
    coded->slot[e->digest.bytes[0]] = e;
    *out = e;
    covey_pace_step();
    return COVEY_OK;
}

/* c is a sum over the rows, so that of a device is the sum of its slots'. */
static covey_err secret_make(struct covey_coded *coded, const struct covey_coded_slots *slots,
                             struct secret_entry *entry)
{
    struct covey_secret *secret = &entry->secret;
    const struct covey_layer *layer = covey_model_layer(coded->file->model, slots->layer);
    size_t sums = covey_check_floats(layer), rows = layer->unit_rows;
    uint64_t bytes = ((uint64_t)slots->count * rows + sums) * sizeof(float);
    if (!covey__account_take(coded->file->account, bytes)) {
        return COVEY_ERR_LIMIT;
    }
    entry->account = coded->file->account;
    entry->bytes = bytes;
    float *room = floats_new(covey_layer_unit_floats(layer));
    secret->s = floats_new(slots->count * rows);
    secret->c = floats_new(sums);
    secret->slots = slots->count;
    entry->slot = calloc(slots->count, sizeof(struct slot_secret *));
    covey_err err = COVEY_ERR_NOMEM;
    if (room != NULL && secret->s != NULL && secret->c != NULL && entry->slot != NULL) {
        memset(secret->c, 0, sums * sizeof(float));
        err = COVEY_OK;
    }
    for (size_t i = 0; i < slots->count && err == COVEY_OK; i++) {
        struct slot_secret *e = slot_find(coded, slots->layer, &slots->digests[i]);
        err = e == NULL ? slot_make(coded, slots, i, room, &e) : COVEY_OK;
        if (err != COVEY_OK) {
            break;
        }
        entry->slot[i] = e;
        memcpy(secret->s + i * rows, e->s, rows * sizeof(float));
        covey_check_join(layer, e->s + rows, secret->c);
    }
    free(room);
    return err;
}

covey_err covey__coded_secret(struct covey_coded *coded, const struct covey_node_id *device,
                              const struct covey_coded_slots *slots,
                              const struct covey_secret **out)
{
    struct covey_digest key;
    key_of(device, slots, &key);
    for (struct secret_entry *e = coded->secret; e != NULL; e = e->next) {
        if (e->layer == slots->layer && covey_digest_equal(&e->key, &key)) {
            atomic_fetch_add(&e->refs, 1);
            *out = &e->secret;
            return COVEY_OK;
        }
    }
    struct secret_entry *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_err err = secret_make(coded, slots, e);
    if (err != COVEY_OK) {
        secret_free(e);
        return err;
    }
    for (size_t i = 0; i < slots->count; i++) {
        e->slot[i]->used++;
    }
    atomic_init(&e->refs, 2);
    e->layer = slots->layer;
    e->key = key;
    e->next = coded->secret;
    coded->secret = e;
    *out = &e->secret;
    return COVEY_OK;
}
