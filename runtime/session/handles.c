/* SPDX-License-Identifier: MIT */
#include "handles.h"

#include <stdlib.h>

/* Bodies the machines may hold at once: requests x devices, and some. */
enum { HANDLES_MAX = 8192, HANDLES_END = 0xffff };

covey_err covey__handles_init(struct covey_handles *h)
{
    h->slots = calloc(HANDLES_MAX, sizeof(*h->slots));
    if (h->slots == NULL) {
        return COVEY_ERR_NOMEM;
    }
    h->count = HANDLES_MAX;
    for (size_t i = 0; i < HANDLES_MAX; i++) {
        h->slots[i].next_free = i + 1 < HANDLES_MAX ? (uint16_t)(i + 1) : HANDLES_END;
    }
    h->free_head = 0;
    return COVEY_OK;
}

void covey__handles_done(struct covey_handles *h)
{
    for (size_t i = 0; i < h->count; i++) {
        covey_body_unref(h->slots[i].body);
    }
    free(h->slots);
    h->slots = NULL;
    h->count = 0;
}

covey_handle covey__handles_put(struct covey_handles *h, struct covey_body *take_body)
{
    if (take_body == NULL) {
        return 0;
    }
    if (h->free_head == HANDLES_END) {
        covey_body_unref(take_body);
        return 0;
    }
    uint16_t index = h->free_head;
    struct covey_handle_slot *slot = &h->slots[index];
    h->free_head = slot->next_free;
    slot->body = take_body;
    return ((covey_handle)slot->generation << 16) | (covey_handle)(index + 1u);
}

static struct covey_handle_slot *find(const struct covey_handles *h, covey_handle handle)
{
    if (handle == 0) {
        return NULL;
    }
    size_t index = (handle & 0xffff) - 1u;
    COVEY_ASSERT(index < h->count);
    struct covey_handle_slot *slot = &h->slots[index];
    COVEY_ASSERT(slot->body != NULL && slot->generation == handle >> 16);
    return slot;
}

struct covey_body *covey__handles_get(const struct covey_handles *h, covey_handle handle)
{
    struct covey_handle_slot *slot = find(h, handle);
    return slot != NULL ? slot->body : NULL;
}

struct covey_body *covey__handles_take(struct covey_handles *h, covey_handle handle)
{
    struct covey_handle_slot *slot = find(h, handle);
    if (slot == NULL) {
        return NULL;
    }
    struct covey_body *body = slot->body;
    slot->body = NULL;
    slot->generation++;
    slot->next_free = h->free_head;
    h->free_head = (uint16_t)(slot - h->slots);
    return body;
}
