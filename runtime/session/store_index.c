/* SPDX-License-Identifier: MIT */
#include "store_index.h"

#include <pthread.h>
#include <stdlib.h>

#include "covey/bytes.h"

enum {
    FIRST_SLOTS = 1024, /* a power of two */
    TOUCH_MS = 3600 * 1000,
    SPARE_PART = 32, /* of the quota is freed beyond need, so that not each put must search */
};

struct entry {
    struct covey_digest digest;
    uint64_t len, used_ms, touched_ms;
    uint32_t pins;
    bool used, here, kept, verified;
};

/* Open addressing; entries are never taken out, only marked as not here, until it grows. */
struct covey_index {
    pthread_mutex_t lock;
    uint64_t quota, bytes;
    covey_index_drop_fn drop;
    void *user;
    struct entry *entry;
    size_t slots, count;
};

covey_err covey__index_new(uint64_t quota, covey_index_drop_fn drop, void *user,
                           struct covey_index **out)
{
    struct covey_index *x = calloc(1, sizeof(*x));
    struct entry *entry = calloc(FIRST_SLOTS, sizeof(*entry));
    if (x == NULL || entry == NULL || pthread_mutex_init(&x->lock, NULL) != 0) {
        free(x);
        free(entry);
        return COVEY_ERR_NOMEM;
    }
    x->quota = quota;
    x->drop = drop;
    x->user = user;
    x->entry = entry;
    x->slots = FIRST_SLOTS;
    *out = x;
    return COVEY_OK;
}

void covey__index_free(struct covey_index *x)
{
    if (x != NULL) {
        pthread_mutex_destroy(&x->lock);
        free(x->entry);
        free(x);
    }
}

/* ---- under the lock ---- */

static struct entry *slot_of(const struct covey_index *x, const struct covey_digest *digest)
{
    size_t i = (size_t)covey_load64(digest->bytes) & (x->slots - 1);
    while (x->entry[i].used && !covey_digest_equal(&x->entry[i].digest, digest)) {
        i = (i + 1) & (x->slots - 1);
    }
    return &x->entry[i];
}

static struct entry *find(const struct covey_index *x, const struct covey_digest *digest)
{
    struct entry *e = slot_of(x, digest);
    return e->used ? e : NULL;
}

static bool is_live(const struct entry *e)
{
    return e->used && (e->here || e->pins > 0 || e->kept);
}

static covey_err grow(struct covey_index *x)
{
    struct entry *old = x->entry;
    size_t slots = x->slots, live = 0;
    for (size_t i = 0; i < slots; i++) {
        live += is_live(&old[i]);
    }
    size_t wanted = live * 4 > slots ? slots * 2 : slots;
    struct entry *entry = calloc(wanted, sizeof(*entry));
    if (entry == NULL) {
        return COVEY_ERR_NOMEM;
    }
    x->entry = entry;
    x->slots = wanted;
    x->count = live;
    for (size_t i = 0; i < slots; i++) {
        if (is_live(&old[i])) {
            *slot_of(x, &old[i].digest) = old[i];
        }
    }
    free(old);
    return COVEY_OK;
}

static covey_err take(struct covey_index *x, const struct covey_digest *digest, struct entry **out)
{
    if (x->count * 2 >= x->slots) {
        covey_err err = grow(x);
        if (err != COVEY_OK) {
            return err;
        }
    }
    struct entry *e = slot_of(x, digest);
    if (!e->used) {
        e->used = true;
        e->digest = *digest;
        x->count++;
    }
    *out = e;
    return COVEY_OK;
}

static void set_here(struct covey_index *x, struct entry *e, bool here, uint64_t len)
{
    if (e->here && !e->kept) {
        x->bytes -= e->len;
    }
    e->here = here;
    e->len = len;
    e->verified = e->verified && here;
    if (e->here && !e->kept) {
        x->bytes += e->len;
    }
}

static int older(const void *a, const void *b)
{
    const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
    return x->used_ms < y->used_ms ? -1 : x->used_ms > y->used_ms;
}

static void drop_to(struct covey_index *x, uint64_t target)
{
    struct entry **candidate = calloc(x->count + 1, sizeof(struct entry *));
    size_t count = 0;
    for (size_t i = 0; candidate != NULL && i < x->slots; i++) {
        struct entry *e = &x->entry[i];
        if (e->used && e->here && !e->kept && e->pins == 0) {
            candidate[count++] = e;
        }
    }
    if (count > 0) {
        qsort(candidate, count, sizeof(struct entry *), older);
    }
    for (size_t i = 0; i < count && x->bytes > target; i++) {
        x->drop(x->user, &candidate[i]->digest);
        set_here(x, candidate[i], false, 0);
    }
    free(candidate);
}

/* ---- for all ---- */

covey_err covey__index_found(struct covey_index *x, const struct covey_digest *digest, uint64_t len,
                             uint64_t used_ms)
{
    struct entry *e = NULL;
    pthread_mutex_lock(&x->lock);
    covey_err err = take(x, digest, &e);
    if (err == COVEY_OK) {
        set_here(x, e, true, len);
        e->used_ms = e->touched_ms = used_ms;
    }
    pthread_mutex_unlock(&x->lock);
    return err;
}

covey_err covey__index_keep(struct covey_index *x, const struct covey_digest *digest, bool *out_new)
{
    struct entry *e = NULL;
    pthread_mutex_lock(&x->lock);
    covey_err err = take(x, digest, &e);
    *out_new = err == COVEY_OK && !e->kept;
    if (*out_new) {
        x->bytes -= e->here ? e->len : 0;
        e->kept = true;
    }
    pthread_mutex_unlock(&x->lock);
    return err;
}

void covey__index_release(struct covey_index *x, const struct covey_digest *digest)
{
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL && e->kept) {
        x->bytes += e->here ? e->len : 0;
        e->kept = false;
    }
    pthread_mutex_unlock(&x->lock);
}

covey_err covey__index_pin(struct covey_index *x, const struct covey_digest *digest)
{
    struct entry *e = NULL;
    pthread_mutex_lock(&x->lock);
    covey_err err = take(x, digest, &e);
    if (err == COVEY_OK) {
        e->pins++;
    }
    pthread_mutex_unlock(&x->lock);
    return err;
}

void covey__index_unpin(struct covey_index *x, const struct covey_digest *digest)
{
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL && e->pins > 0) {
        e->pins--;
    }
    pthread_mutex_unlock(&x->lock);
}

covey_err covey__index_room(struct covey_index *x, const struct covey_digest *digest, uint64_t len)
{
    covey_err err = COVEY_OK;
    pthread_mutex_lock(&x->lock);
    const struct entry *e = find(x, digest);
    bool counts = e == NULL || (!e->kept && !e->here);
    if (counts && (len > x->quota || x->bytes > x->quota - len)) {
        uint64_t spare = x->quota / SPARE_PART;
        uint64_t target = x->quota > len + spare ? x->quota - len - spare : 0;
        drop_to(x, target);
        err = len > x->quota || x->bytes > x->quota - len ? COVEY_ERR_LIMIT : COVEY_OK;
    }
    pthread_mutex_unlock(&x->lock);
    return err;
}

covey_err covey__index_put(struct covey_index *x, const struct covey_digest *digest, uint64_t len,
                           uint64_t now_ms)
{
    struct entry *e = NULL;
    pthread_mutex_lock(&x->lock);
    covey_err err = take(x, digest, &e);
    if (err == COVEY_OK) {
        set_here(x, e, true, len);
        e->verified = true;
        e->used_ms = e->touched_ms = now_ms;
    }
    pthread_mutex_unlock(&x->lock);
    return err;
}

void covey__index_drop(struct covey_index *x, const struct covey_digest *digest)
{
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL && e->here && !e->kept && e->pins == 0) {
        x->drop(x->user, digest);
        set_here(x, e, false, 0);
    }
    pthread_mutex_unlock(&x->lock);
}

void covey__index_gone(struct covey_index *x, const struct covey_digest *digest)
{
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL) {
        set_here(x, e, false, 0);
    }
    pthread_mutex_unlock(&x->lock);
}

bool covey__index_used(struct covey_index *x, const struct covey_digest *digest, uint64_t now_ms)
{
    bool touch = false;
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL) {
        e->used_ms = now_ms;
        touch = e->touched_ms + TOUCH_MS <= now_ms;
        e->touched_ms = touch ? now_ms : e->touched_ms;
    }
    pthread_mutex_unlock(&x->lock);
    return touch;
}

bool covey__index_verified(struct covey_index *x, const struct covey_digest *digest, bool set)
{
    pthread_mutex_lock(&x->lock);
    struct entry *e = find(x, digest);
    if (e != NULL && e->here && set) {
        e->verified = true;
    }
    bool verified = e != NULL && e->here && e->verified;
    pthread_mutex_unlock(&x->lock);
    return verified;
}

uint64_t covey__index_len(struct covey_index *x, const struct covey_digest *digest)
{
    pthread_mutex_lock(&x->lock);
    const struct entry *e = find(x, digest);
    uint64_t len = e != NULL && e->here ? e->len : 0;
    pthread_mutex_unlock(&x->lock);
    return len;
}

uint64_t covey__index_quota(const struct covey_index *x)
{
    return x->quota;
}

uint64_t covey__index_bytes(struct covey_index *x)
{
    pthread_mutex_lock(&x->lock);
    uint64_t bytes = x->bytes;
    pthread_mutex_unlock(&x->lock);
    return bytes;
}
