/* SPDX-License-Identifier: MIT */
#include "cluster_state.h"

#include <stdio.h>
#include <stdlib.h>

void *sim_alloc(void *old, size_t count, size_t size)
{
    void *p = realloc(old, count * size);
    if (p == NULL) {
        fprintf(stderr, "simulation: out of memory\n");
        exit(1);
    }
    return p;
}

void sim_append(struct item ***list, size_t *count, size_t *cap, struct item *item)
{
    if (*count == *cap) {
        *cap = *cap == 0 ? 64 : *cap * 2;
        *list = sim_alloc(*list, *cap, sizeof(**list));
    }
    (*list)[(*count)++] = item;
}

struct item *sim_item(const struct cluster *c, enum item_kind kind, unsigned node,
                      const struct covey_event *event)
{
    struct item *item = sim_alloc(NULL, 1, sizeof(*item));
    memset(item, 0, sizeof(*item));
    item->kind = kind;
    item->node = node;
    item->life = c->nodes[node].life;
    if (event != NULL) {
        item->event = *event;
        if (event->bytes.len > 0) {
            item->bytes = sim_alloc(NULL, event->bytes.len, 1);
            memcpy(item->bytes, event->bytes.ptr, event->bytes.len);
            item->event.bytes.ptr = item->bytes;
        }
        if (event->pieces != NULL) {
            memcpy(item->pieces, event->pieces, sizeof(item->pieces));
            item->event.pieces = item->pieces;
        }
        if (event->plan != NULL) {
            item->plan = sim_alloc(NULL, 1, sizeof(*item->plan));
            *item->plan = *event->plan;
            item->event.plan = item->plan;
        }
    }
    return item;
}

/* A message that never arrives gives its body's reference back. */
void sim_item_free(struct cluster *c, struct item *item)
{
    cluster_body_unref(c, item->event.body);
    free(item->bytes);
    free(item->plan);
    free(item);
}

static bool before(const struct item *a, const struct item *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->order < b->order);
}

void sim_push(struct cluster *c, struct item *item, uint64_t at_us)
{
    item->at_us = at_us;
    item->order = c->order++;
    sim_append(&c->heap, &c->heap_count, &c->heap_cap, item);
    size_t at = c->heap_count - 1;
    while (at > 0 && before(item, c->heap[(at - 1) / 2])) {
        c->heap[at] = c->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    c->heap[at] = item;
}

struct item *sim_pop(struct cluster *c)
{
    struct item *top = c->heap[0], *last = c->heap[--c->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= c->heap_count) {
            break;
        }
        if (child + 1 < c->heap_count && before(c->heap[child + 1], c->heap[child])) {
            child++;
        }
        if (!before(c->heap[child], last)) {
            break;
        }
        c->heap[at] = c->heap[child];
        at = child;
    }
    c->heap[at] = last;
    return top;
}
