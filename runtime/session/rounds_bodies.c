/* SPDX-License-Identifier: MIT */
#include "rounds_product.h"

#include <stdatomic.h>

/* A body that was given out and that nobody but its maker has any more. */
static bool is_free(const struct covey_body *b)
{
    return atomic_load_explicit(&b->refs, memory_order_acquire) == 1;
}

/* As large as is asked for, and not wasteful. */
static bool fits(const struct covey_body *b, size_t len)
{
    return b->capacity >= len && b->capacity / 2 <= len;
}

static void drop(struct covey__product_cache *c, uint32_t i)
{
    c->spare_bytes -= c->spare[i]->capacity;
    covey_body_unref(c->spare[i]);
    c->spare[i] = c->spare[--c->spares];
}

covey_err covey__product_body(struct covey__product_cache *c, size_t len, struct covey_body **out)
{
    for (uint32_t i = 0; i < c->spares; i++) {
        if (is_free(c->spare[i]) && fits(c->spare[i], len)) {
            c->spare[i]->len = len;
            *out = covey_body_ref(c->spare[i]);
            return COVEY_OK;
        }
    }
    struct covey_body *b = NULL;
    covey_err err = covey_body_new(len, &b);
    if (err != COVEY_OK) {
        return err;
    }
    *out = b;
    for (uint32_t i = 0; i < c->spares && c->spare_bytes + b->capacity > c->spare_most;) {
        if (is_free(c->spare[i])) {
            drop(c, i);
        } else {
            i++;
        }
    }
    if (c->spares < COVEY__SPARES && c->spare_bytes + b->capacity <= c->spare_most) {
        c->spare[c->spares++] = covey_body_ref(b);
        c->spare_bytes += b->capacity;
    }
    return COVEY_OK;
}

void covey__product_bodies_free(struct covey__product_cache *c)
{
    while (c->spares > 0) {
        drop(c, c->spares - 1);
    }
}
