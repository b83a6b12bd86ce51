/* SPDX-License-Identifier: MIT */
#include "covey/body.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "body_shared.h"
#include "covey/crypto.h"
#include "spare.h"

enum {
    BODY_ALIGN = 64,
    /* Of a body that is only announced: addresses of so much. A larger one has them for all there
     * may ever be, where they are not scarce. */
    EXPECTED_MAX = 2 << 20,
};

static size_t rounded(size_t n)
{
    return n == 0 ? BODY_ALIGN : (n + BODY_ALIGN - 1) / BODY_ALIGN * BODY_ALIGN;
}

covey_err covey_body_new(size_t len, struct covey_body **out)
{
    if (len > COVEY_BODY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    struct covey_body *b = malloc(sizeof(*b));
    if (b == NULL) {
        return COVEY_ERR_NOMEM;
    }
    b->capacity = rounded(len);
    b->len = len;
    b->shared = NULL;
    b->of = NULL;
    b->patient = false;
    b->data = covey__spare_new(b->capacity);
    if (b->data == NULL) {
        free(b);
        return COVEY_ERR_NOMEM;
    }
    atomic_init(&b->ready, COVEY_BODY_WHOLE);
    atomic_init(&b->refs, 1);
    *out = b;
    return COVEY_OK;
}

covey_err covey_body_slice(struct covey_body *b, size_t from, size_t len, struct covey_body **out)
{
    COVEY_ASSERT(from % BODY_ALIGN == 0 && from <= b->len && len <= b->len - from);
    struct covey_body *part = malloc(sizeof(*part));
    if (part == NULL) {
        return COVEY_ERR_NOMEM;
    }
    part->data = b->data + from;
    part->len = part->capacity = len;
    part->shared = NULL;
    part->of = covey_body_ref(b);
    part->patient = false;
    atomic_init(&part->ready, COVEY_BODY_WHOLE);
    atomic_init(&part->refs, 1);
    *out = part;
    return COVEY_OK;
}

covey_err covey_body_share(struct covey_body *b)
{
    COVEY_ASSERT(b->shared == NULL);
    struct covey_body_shared *shared = malloc(sizeof(*shared));
    const size_t capacity = rounded(b->len);
    uint8_t *sealed = covey__spare_new(capacity);
    if (shared == NULL || sealed == NULL) {
        covey__spare_free(sealed, capacity, 0);
        free(shared);
        return COVEY_ERR_NOMEM;
    }
    shared->sealed = sealed;
    shared->capacity = capacity;
    covey_random(shared->key.bytes, sizeof(shared->key.bytes));
    covey_shared_xor(&shared->key, 0, b->data, b->len, shared->sealed);
    b->shared = shared;
    return COVEY_OK;
}

covey_err covey__body_reserve(struct covey_body *b, size_t need)
{
    if (need <= b->capacity) {
        return COVEY_OK;
    }
    /* Doubling keeps the copying linear; the memory that is taken stays within twice what arrived.
     */
    size_t capacity = b->capacity * 2 < need ? need : b->capacity * 2;
    if (capacity > COVEY_BODY_MAX) {
        capacity = COVEY_BODY_MAX;
    }
    capacity = rounded(capacity);
    if (capacity <= covey__spare_room(b->capacity)) {
        b->capacity = capacity;
        return COVEY_OK;
    }
    uint8_t *data = covey__spare_new(capacity);
    if (data == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (b->len > 0) {
        memcpy(data, b->data, b->len);
    }
    covey__spare_free(b->data, b->capacity, b->len);
    b->data = data;
    b->capacity = capacity;
    return COVEY_OK;
}

covey_err covey__body_expect(struct covey_body *b, size_t len)
{
    return covey__body_reserve(b, len < EXPECTED_MAX ? len : EXPECTED_MAX);
}

covey_err covey_body_append(struct covey_body *b, struct covey_bytes more)
{
    if (more.len > COVEY_BODY_MAX || b->len > COVEY_BODY_MAX - more.len) {
        return COVEY_ERR_LIMIT;
    }
    covey_err err = covey__body_reserve(b, b->len + more.len);
    if (err != COVEY_OK) {
        return err;
    }
    if (more.len > 0) {
        memcpy(b->data + b->len, more.ptr, more.len);
        b->len += more.len;
    }
    return COVEY_OK;
}

void covey_body_make_ready(struct covey_body *b, size_t ready)
{
    COVEY_ASSERT(b->shared == NULL);
    atomic_store_explicit(&b->ready, ready, memory_order_release);
}

struct covey_body *covey_body_ref(struct covey_body *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void covey_body_unref(struct covey_body *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        if (b->shared != NULL) {
            covey_wipe(&b->shared->key, sizeof(b->shared->key));
            covey__spare_free(b->shared->sealed, b->shared->capacity, b->len);
            free(b->shared);
        }
        if (b->of != NULL) {
            covey_body_unref(b->of);
        } else {
            covey__spare_free(b->data, b->capacity, b->len);
        }
        free(b);
    }
}
