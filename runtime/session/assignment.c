/* SPDX-License-Identifier: MIT */
#include "assignment.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "covey/tile.h"
#include "layers_codec.h"
#include "version.h"

enum { SLOT_ENTRY_BYTES = 36 };

struct covey_assignment *covey__assignment_new(const struct covey_node_id *owner,
                                               const struct covey_fence *fence)
{
    struct covey_assignment *a = calloc(1, sizeof(*a));
    if (a != NULL) {
        a->owner = *owner;
        a->fence = *fence;
        atomic_init(&a->refs, 1);
    }
    return a;
}

struct covey_assignment *covey__assignment_ref(struct covey_assignment *a)
{
    atomic_fetch_add(&a->refs, 1);
    return a;
}

void covey__assignment_unref(struct covey_assignment *a)
{
    if (a == NULL || atomic_fetch_sub(&a->refs, 1) != 1) {
        return;
    }
    covey__strips_free(a->strips);
    covey__network_unref(a->network);
    free(a->plan);
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        for (size_t p = 0; p < a->part_count[i]; p++) {
            covey__held_unref(a->parts[i][p]);
        }
        free(a->parts[i]);
    }
    for (size_t i = 0; i < a->pinned_count; i++) {
        covey__store_unpin(a->store, &a->pinned[i]);
    }
    free(a->pinned);
    free(a->slots);
    covey__account_table_give(a->memory, a->table_bytes);
    free(a);
}

static covey_err parse_slots(struct covey_assignment *a, struct covey_bytes in)
{
    size_t count = in.len / SLOT_ENTRY_BYTES;
    if ((count == 0 && !covey__assignment_has_runs(a)) || in.len % SLOT_ENTRY_BYTES != 0) {
        return COVEY_ERR_MALFORMED;
    }
    a->slots = calloc(count + 1, sizeof(*a->slots));
    if (a->slots == NULL) {
        return COVEY_ERR_NOMEM;
    }
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *p = in.ptr + i * SLOT_ENTRY_BYTES;
        struct covey_work_slot *s = &a->slots[i];
        s->layer = covey_load16(p);
        s->slot = covey_load16(p + 2);
        memcpy(s->digest.bytes, p + 4, sizeof(s->digest.bytes));
        uint32_t order = ((uint32_t)s->layer << 16 | s->slot) + 1;
        if (s->layer >= COVEY_LAYERS_MAX || s->slot >= COVEY_LAYER_SLOTS_MAX || order <= last ||
            !a->present[s->layer]) {
            return COVEY_ERR_MALFORMED;
        }
        last = order;
        if (a->held[s->layer]++ == 0) {
            a->first[s->layer] = i;
        }
    }
    a->count = count;
    return COVEY_OK;
}

/* Both are in the order of slots. */
static covey_err parse_holders(struct covey_assignment *a, struct covey_bytes in)
{
    struct covey_work_holders holders;
    covey_err err = covey_work_holders_read(in, &holders);
    if (in.len == 0 || err != COVEY_OK) {
        return in.len == 0 ? COVEY_OK : err;
    }
    a->holders = holders.devices;
    for (size_t d = 0; d < holders.devices; d++) {
        a->holder[d] = covey_work_holders_id(&holders, d);
    }
    size_t at = 0;
    for (size_t i = 0; i < covey_work_holders_count(&holders); i++) {
        struct covey_work_had had = covey_work_holders_get(&holders, i);
        while (at < a->count &&
               (a->slots[at].layer < had.layer ||
                (a->slots[at].layer == had.layer && a->slots[at].slot < had.slot))) {
            at++;
        }
        if (at < a->count && a->slots[at].layer == had.layer && a->slots[at].slot == had.slot) {
            a->slots[at].holders = had.devices;
        }
    }
    return COVEY_OK;
}

covey_err covey__assignment_plan(struct covey_assignment *a, const struct covey_plan *plan,
                                 uint8_t device)
{
    a->plan = malloc(sizeof(*a->plan));
    if (a->plan == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *a->plan = *plan;
    a->device = device;
    return COVEY_OK;
}

static covey_err take_parts(struct covey_assignment *a, size_t layer)
{
    const struct covey_layer *l = &a->layer[layer];
    size_t each = l->kind == COVEY_LAYER_DENSE ? 1 : a->held[layer];
    size_t count = a->held[layer] / each;
    a->parts[layer] = calloc(count, sizeof(struct covey_held *));
    if (a->parts[layer] == NULL) {
        return COVEY_ERR_NOMEM;
    }
    a->part_count[layer] = count;
    covey_err err = COVEY_OK;
    for (size_t p = 0; p < count && err == COVEY_OK; p++) {
        struct covey_held_slots slots = {l, a->slots + a->first[layer] + p * each, each,
                                         a->fence.session};
        err = covey__held_get(a->table, &slots, a->account, a->limit, &a->parts[layer][p]);
    }
    return err;
}

static size_t scratch_bytes(const struct covey_assignment *a, uint16_t layer)
{
    size_t most = 0;
    for (size_t p = 0; p < a->part_count[layer]; p++) {
        size_t bytes = covey_product_scratch(a->parts[layer][p]->product);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Each slot's digest is with the assignment, with what is held, and with what is pinned. */
static uint64_t table_bytes(const struct covey_assignment *a,
                            const struct covey_work_assign *assign)
{
    uint64_t slots = assign->slots.len / SLOT_ENTRY_BYTES;
    uint64_t each = sizeof(struct covey_work_slot) + sizeof(struct covey_held) +
                    2 * sizeof(struct covey_digest);
    /* Strips have the plan too. */
    return sizeof(*a) + (a->plan != NULL ? 2 * sizeof(*a->plan) : 0) + slots * each;
}

covey_err covey__assignment_parse(struct covey_assignment *a,
                                  const struct covey_work_assign *assign,
                                  _Atomic uint64_t *used_bytes, uint64_t limit)
{
    a->model = assign->model;
    a->account = used_bytes;
    a->limit = limit;
    a->table_bytes = table_bytes(a, assign);
    covey__account_table(a->memory, a->table_bytes);
    covey_err err = covey__layers_decode(assign->layers, a->layer, a->present, COVEY_LAYERS_MAX);
    if (err == COVEY_OK) {
        err = parse_slots(a, assign->slots);
    }
    if (err == COVEY_OK) {
        err = parse_holders(a, assign->holders);
    }
    for (size_t i = 0; i < COVEY_LAYERS_MAX && err == COVEY_OK; i++) {
        err = a->held[i] > 0 ? take_parts(a, i) : COVEY_OK;
    }
    if (err == COVEY_OK && covey__assignment_has_runs(a)) {
        const struct covey_budget budget = {used_bytes, limit, a->fence.session};
        const struct covey_network_id id = {a->model, assign->batch};
        err = covey__network_get(a->networks, &id, &budget, &a->network);
    }
    return err;
}

covey_err covey__assignment_pin(struct covey_assignment *a, const struct covey_store *store,
                                const struct covey_digest *digest)
{
    if (a->pinned_count == a->pinned_room) {
        size_t room = a->pinned_room * 2 + 64;
        struct covey_digest *more = realloc(a->pinned, room * sizeof(*more));
        if (more == NULL) {
            return COVEY_ERR_NOMEM;
        }
        a->pinned = more;
        a->pinned_room = room;
    }
    covey_err err = covey__store_pin(store, digest);
    if (err == COVEY_OK) {
        a->store = store;
        a->pinned[a->pinned_count++] = *digest;
    }
    return err;
}

uint64_t covey__assignment_room(const struct covey_assignment *a)
{
    uint64_t own = 0, used = a->account != NULL ? atomic_load(a->account) : 0;
    own += a->table != NULL ? covey__held_of(a->table, &a->fence.session) : 0;
    own += a->networks != NULL ? covey__network_of(a->networks, &a->fence.session) : 0;
    uint64_t others = used > own ? used - own : 0;
    return a->limit > others ? a->limit - others : 0;
}

uint64_t covey__assignment_stored(const struct covey_assignment *a)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < a->pinned_count; i++) {
        bytes += covey__store_len(a->store, &a->pinned[i]);
    }
    return bytes;
}

bool covey__assignment_accepts(const struct covey_assignment *a, uint16_t layer, size_t input_bytes)
{
    return layer < COVEY_LAYERS_MAX && a->held[layer] > 0 &&
           input_bytes <= covey_layer_input_floats(&a->layer[layer]) * sizeof(float);
}

static bool is_half(const struct covey_layer *l, const struct covey_body *input)
{
    return input->len == covey_layer_input_floats(l) * sizeof(uint16_t);
}

/* The layer's input from float16, or from what came without zeros. */
static covey_err whole_input(const struct covey_layer *l, const struct covey_body *input,
                             struct covey_body **out)
{
    if (is_half(l, input)) {
        return covey__body_widen(input, out);
    }
    size_t floats = covey_layer_input_floats(l);
    const struct covey_plane_rows all = {1, 1, (uint32_t)floats, 0, 1};
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(floats * sizeof(float), &body);
    if (err == COVEY_OK && !covey_rows_join_sparse(&all, (const float *)(const void *)input->data,
                                                   input->len, (float *)(void *)body->data)) {
        covey_body_unref(body);
        return COVEY_ERR_MALFORMED;
    }
    *out = body;
    return err;
}

/* Who asks with float16 is answered with it. */
static covey_err halve_answer(struct covey_body **inout)
{
    struct covey_body *wide = *inout;
    covey_err err = covey__body_halve((const float *)(const void *)wide->data,
                                      wide->len / sizeof(float), inout);
    covey_body_unref(wide);
    return err;
}

covey_err covey__assignment_compute(const struct covey_assignment *a, uint16_t layer,
                                    const struct covey_body *input, struct covey_scratch *scratch,
                                    struct covey_body **out)
{
    const struct covey_layer *l = &a->layer[layer];
    float *room = covey__scratch_get(scratch, scratch_bytes(a, layer) / sizeof(float) + 1);
    if (room == NULL) {
        return COVEY_ERR_NOMEM;
    }
    size_t floats = a->held[layer] * covey_layer_answer_floats(l);
    struct covey_body *body = NULL, *whole = NULL;
    covey_err err = COVEY_OK;
    bool half = is_half(l, input);
    if (input->len < covey_layer_input_floats(l) * sizeof(float)) {
        err = whole_input(l, input, &whole);
        input = whole;
    }
    if (err == COVEY_OK) {
        err = covey_body_new(floats * sizeof(float), &body);
    }
    if (err != COVEY_OK) {
        covey_body_unref(whole);
        return err;
    }
    float *to = (float *)(void *)body->data;
    for (size_t p = 0; p < a->part_count[layer] && err == COVEY_OK; p++) {
        const struct covey_held *part = a->parts[layer][p];
        err = covey_product_run(part->product, (const float *)(const void *)input->data, room, to);
        to += part->slots * covey_layer_answer_floats(l);
    }
    covey_body_unref(whole);
    if (err != COVEY_OK) {
        covey_body_unref(body);
        return err;
    }
    if (half) {
        err = halve_answer(&body);
    }
    *out = err == COVEY_OK ? body : *out;
    return err;
}
