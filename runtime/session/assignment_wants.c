/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "assignment.h"
#include "covey/pace.h"
#include "covey/wants.h"

/* What is missing, in the making. */
struct list {
    const struct covey_store *store;
    uint8_t *bytes;
    size_t len, count;
    /* Of the devices of the plan, as they are listed: who needs the blobs of its strips too, and
     * who all units of a layer. The same at each of them. */
    uint32_t strips;
    uint32_t rows[COVEY_LAYERS_MAX];
    /* Of the devices that had units of an older plan: each one's bit as they are listed. */
    uint32_t holder[COVEY_PLAN_DEVICES_MAX];
};

static void list_add(struct list *l, const struct covey_digest *digest, size_t len,
                     uint32_t sources)
{
    if (l->count < COVEY_WANTS_MAX) {
        struct covey_want want = {*digest, (uint32_t)len, sources};
        l->len += covey_wants_put(l->bytes + l->len, &want);
        l->count++;
    }
}

static uint32_t sources_of(const struct list *l, const struct covey_work_slot *slot)
{
    uint32_t sources = l->rows[slot->layer];
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        sources |= (slot->holders >> d & 1) != 0 ? l->holder[d] : 0;
    }
    return sources;
}

/* Units and parities have one holder each, but for a layer by rows, where all have all; others may
 * have had them under an older plan. slot: of the first. */
static void list_part(struct list *l, const struct covey_work_slot *slot, struct covey_held *h)
{
    covey__held_load(h, l->store);
    for (size_t i = 0; i < h->slots && h->missing > 0; i++) {
        if (!h->loaded[i]) {
            list_add(l, &h->digest[i], covey_layer_unit_floats(&h->layer) * sizeof(float),
                     sources_of(l, slot + i));
        }
    }
}

static covey_err list_units(struct list *l, struct covey_assignment *a)
{
    for (size_t i = 0; i < a->count && !a->units_pinned; i++) {
        covey_err err = covey__assignment_pin(a, l->store, &a->slots[i].digest);
        if (err != COVEY_OK) {
            return err;
        }
    }
    a->units_pinned = true;
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        const struct covey_work_slot *slot = a->slots + a->first[i];
        for (size_t p = 0; p < a->part_count[i]; p++) {
            list_part(l, slot, a->parts[i][p]);
            slot += a->parts[i][p]->slots;
        }
    }
    return COVEY_OK;
}

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

static void *fetch_user(const struct covey_store *store)
{
    return (struct covey_store *)(uintptr_t)store;
}

/* ---- stages of tile runs: manifest, small constants and graph, the runs' constants ---- */

static covey_err pin_blobs(struct covey_assignment *a, struct list *l, size_t first, size_t count,
                           size_t longest)
{
    covey_err err = COVEY_OK;
    for (size_t i = first; i < first + count && err == COVEY_OK; i++) {
        const struct covey_blob *blob = covey_manifest_blob(a->network->manifest, i);
        err = blob->len <= longest ? covey__assignment_pin(a, l->store, &blob->digest) : COVEY_OK;
    }
    return err;
}

static covey_err read_manifest(struct covey_assignment *a, struct list *l)
{
    struct covey_body *body = NULL;
    if (!a->model_pinned) {
        covey_err pinned = covey__assignment_pin(a, l->store, &a->model);
        if (pinned != COVEY_OK) {
            return pinned;
        }
        a->model_pinned = true;
    }
    if (a->network->manifest != NULL) { /* another assignment's */
        return COVEY_OK;
    }
    covey_err err = covey__store_body(l->store, &a->model, &body);
    if (err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_MALFORMED) {
        list_add(l, &a->model, 0, l->strips);
        return COVEY_OK;
    }
    if (err == COVEY_OK) {
        err = covey__network_manifest(a->network, covey_bytes_of(body->data, body->len));
    }
    covey_body_unref(body);
    return err;
}

static void list_blobs(struct list *l, const struct covey_manifest *mf, size_t first, size_t count,
                       size_t longest)
{
    for (size_t i = first; i < first + count; i++) {
        const struct covey_blob *blob = covey_manifest_blob(mf, i);
        if (blob->len <= longest && !covey__store_has(l->store, &blob->digest)) {
            list_add(l, &blob->digest, blob->len, l->strips);
        }
    }
}

static covey_err pin_constants(struct covey_assignment *a, struct list *l)
{
    covey_err err = COVEY_OK;
    for (unsigned v = 0; v < a->network->graph->value_count && err == COVEY_OK; v++) {
        if (covey__strips_reads(a->strips, (uint16_t)v)) {
            size_t first = 0, count = 0;
            covey_manifest_value_blobs(a->network->manifest, (uint16_t)v, &first, &count);
            err = pin_blobs(a, l, first, count, SIZE_MAX);
        }
    }
    return err;
}

static covey_err open_network(struct covey_assignment *a, struct list *l)
{
    if (!a->small_pinned) {
        size_t blobs = covey_manifest_blobs(a->network->manifest);
        covey_err err = pin_blobs(a, l, 0, blobs, COVEY_MANIFEST_SMALL);
        if (err != COVEY_OK) {
            return err;
        }
        a->small_pinned = true;
    }
    if (a->network->graph != NULL) {
        return COVEY_OK;
    }
    list_blobs(l, a->network->manifest, 0, covey_manifest_blobs(a->network->manifest),
               COVEY_MANIFEST_SMALL);
    return l->count == 0 ? covey__network_open(a->network, fetch, fetch_user(l->store)) : COVEY_OK;
}

static covey_err make_strips(struct covey_assignment *a, struct list *l)
{
    covey_err err = covey__strips_new(a->network, a->plan, &a->plan->device[a->device], &a->strips);
    return err == COVEY_OK ? pin_constants(a, l) : err;
}

static void list_constants(struct covey_assignment *a, struct list *l)
{
    for (unsigned v = 0; v < a->network->graph->value_count; v++) {
        if (covey__strips_needs(a->strips, (uint16_t)v)) {
            size_t first = 0, count = 0;
            covey_manifest_value_blobs(a->network->manifest, (uint16_t)v, &first, &count);
            list_blobs(l, a->network->manifest, first, count, SIZE_MAX);
        }
    }
}

/* As far as it goes with what is in the store. */
static covey_err list_tiles(struct covey_assignment *a, struct list *l)
{
    covey_err err = read_manifest(a, l);
    if (err == COVEY_OK && a->network->manifest != NULL) {
        err = open_network(a, l);
    }
    if (err == COVEY_OK && a->network->graph != NULL && a->strips == NULL) {
        err = make_strips(a, l);
    }
    if (err == COVEY_OK && a->strips != NULL) {
        err = covey__strips_room(a->strips); /* before anything travels */
    }
    if (err == COVEY_OK && a->strips != NULL) {
        list_constants(a, l);
    }
    return err;
}

/* ---- who else has it ---- */

static bool has_strips(const struct covey_plan *plan, unsigned device)
{
    for (unsigned r = 0; r < plan->runs; r++) {
        for (unsigned s = 0; s < plan->run[r].segments; s++) {
            const uint16_t *rows = plan->run[r].segment[s].rows;
            if (rows[device] < rows[device + 1]) {
                return true;
            }
        }
        const uint16_t *twin = plan->run[r].twin;
        if (plan->run[r].twice && twin[device] < twin[device + 1]) {
            return true;
        }
    }
    return false;
}

static bool has_block(const struct covey_plan_layer *layer, unsigned device)
{
    bool has = false;
    for (unsigned s = 0; layer->by_rows && s < layer->slots; s++) {
        has = has || layer->holder[s] == device;
    }
    return has;
}

/* Who had units before, behind those, where they are none of these. */
static uint8_t list_holders(struct list *l, const struct covey_assignment *a,
                            struct covey_node_id *inout, uint8_t count)
{
    for (unsigned d = 0; d < a->holders; d++) {
        uint8_t at = 0;
        while (at < count && !covey_node_id_equal(&inout[at], &a->holder[d])) {
            at++;
        }
        if (at < COVEY_PLAN_DEVICES_MAX && !covey_node_id_equal(&a->holder[d], &a->owner)) {
            inout[at] = a->holder[d];
            count = at == count ? (uint8_t)(count + 1) : count;
            l->holder[d] = UINT32_C(1) << at;
        }
    }
    return count;
}

/* The devices that need blobs which others need too; which, goes to the list. The owner has all,
 * and is asked by one of these for each. Their places are the same at each of them. */
static uint8_t list_sources(struct list *l, const struct covey_assignment *a,
                            struct covey_node_id *out)
{
    const struct covey_plan *plan = a->plan;
    uint8_t count = 0;
    for (unsigned d = 0; plan != NULL && d < plan->devices; d++) {
        uint32_t bit = UINT32_C(1) << count;
        if (covey_node_id_equal(&plan->device[d], &a->owner)) {
            continue;
        }
        bool strips = has_strips(plan, d), any = strips;
        l->strips |= strips ? bit : 0;
        for (unsigned i = 0; i < plan->layers; i++) {
            bool block = has_block(&plan->layer[i], d);
            l->rows[i] |= block ? bit : 0;
            any = any || block;
        }
        if (any) {
            out[count++] = plan->device[d];
        }
    }
    return list_holders(l, a, out, count);
}

covey_err covey__assignment_wants(struct covey_assignment *a, const struct covey_store *store,
                                  struct covey_bytes *out)
{
    *out = covey_bytes_of(NULL, 0);
    struct list l = {.store = store, .bytes = malloc(COVEY_WANTS_BYTES_MAX)};
    if (l.bytes == NULL) {
        return COVEY_ERR_NOMEM;
    }
    struct covey_node_id source[COVEY_PLAN_DEVICES_MAX];
    uint8_t sources = list_sources(&l, a, source);
    l.len = covey_wants_begin(l.bytes, source, sources);
    covey_err err = list_units(&l, a);
    if (err == COVEY_OK && covey__assignment_has_runs(a)) {
        err = list_tiles(a, &l);
    }
    if (err != COVEY_OK || l.count == 0) {
        free(l.bytes);
        return err;
    }
    *out = covey_bytes_of(l.bytes, l.len);
    return COVEY_OK;
}

static uint64_t held_bytes(const struct covey_assignment *a)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < COVEY_LAYERS_MAX; i++) {
        if (a->held[i] > 0) {
            bytes += a->held[i] * covey_layer_unit_floats(&a->layer[i]) * sizeof(float);
        }
    }
    return bytes;
}

covey_err covey__assignment_fill(struct covey_assignment *a, const struct covey_store *store)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < COVEY_LAYERS_MAX && err == COVEY_OK; i++) {
        for (size_t p = 0; p < a->part_count[i] && err == COVEY_OK; p++) {
            err = covey__held_fill(a->parts[i][p]);
            covey_pace_step();
        }
    }
    if (err == COVEY_OK && a->strips != NULL) {
        err = covey__strips_fill(a->strips, held_bytes(a), fetch, fetch_user(store));
    }
    return err;
}
