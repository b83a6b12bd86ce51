/* SPDX-License-Identifier: MIT */
#include <sys/mman.h>
#include <unistd.h>

#include "graph_private.h"
#include "manifest_private.h"

static size_t constant_bytes(const struct covey__constant *c)
{
    return c->cut.blobs * c->cut.blob_bytes;
}

/* Whole pages, so that giving one constant back takes nothing from its neighbours. */
static size_t page_bytes(const struct covey__constant *c)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (constant_bytes(c) + page - 1) / page * page;
}

/* Only the graph's values may be written here; the graph itself has its constants read-only. */
static uint8_t *place(const struct covey_manifest *mf, size_t value)
{
    union {
        const void *in;
        uint8_t *data;
    } bridge = {.in = mf->graph->values[value].data};
    return bridge.data;
}

static covey_err fetch_blobs(const struct covey_manifest *mf, const struct covey__constant *c,
                             uint8_t *data, covey_fetch_fn fetch, void *user)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < c->cut.blobs && err == COVEY_OK; i++) {
        const struct covey_blob *b = &mf->blobs[c->first + i];
        err = fetch(user, &b->digest, data + i * c->cut.blob_bytes, b->len);
    }
    return err;
}

/* Room for whole units: the padding of the last one follows the rows. */
static covey_err bind_value(struct covey_manifest *mf, size_t value, covey_fetch_fn fetch,
                            void *user)
{
    struct covey__constant *c = &mf->constants[value];
    if (mf->graph->values[value].data != NULL) {
        return covey_manifest_load(mf, (uint16_t)value, fetch, user);
    }
    void *room = NULL;
    covey_err err = covey_graph_alloc(mf->graph, constant_bytes(c), &room);
    if (err == COVEY_OK) {
        err = fetch_blobs(mf, c, room, fetch, user);
    }
    if (err == COVEY_OK) {
        mf->graph->values[value].data = room;
        c->loaded = true;
    }
    return err;
}

/* all: also the constants that are not small. */
static covey_err bind_values(struct covey_manifest *mf, bool all, covey_fetch_fn fetch, void *user)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < mf->graph->value_count && err == COVEY_OK; i++) {
        const struct covey__constant *c = &mf->constants[i];
        if (mf->graph->values[i].constant && (all || !c->lazy)) {
            err = bind_value(mf, i, fetch, user);
        }
    }
    return err;
}

static covey_err check(struct covey_manifest *mf, uint32_t batch, covey_err bound,
                       struct covey_graph **out_graph, struct covey_nn_error *out_why)
{
    if (bound != COVEY_OK) {
        return covey__nn_fail(out_why, bound, "weights: %s", covey_strerror(bound));
    }
    covey_err err = covey_graph_check(mf->graph, batch, out_why);
    if (err == COVEY_OK) {
        *out_graph = mf->graph;
    }
    return err;
}

covey_err covey_manifest_bind(struct covey_manifest *mf, uint32_t batch, covey_fetch_fn fetch,
                              void *user, struct covey_graph **out_graph,
                              struct covey_nn_error *out_why)
{
    return check(mf, batch, bind_values(mf, true, fetch, user), out_graph, out_why);
}

static bool wants_reserve(const struct covey_manifest *mf, size_t value)
{
    const struct covey_graph_value *v = &mf->graph->values[value];
    return v->constant && v->data == NULL &&
           constant_bytes(&mf->constants[value]) > COVEY_MANIFEST_SMALL;
}

/* One mapping for all: the system bounds how many there are. Decoding bounds its length. */
static covey_err reserve(struct covey_manifest *mf)
{
    uint64_t total = 0;
    for (size_t i = 0; i < mf->graph->value_count; i++) {
        total += wants_reserve(mf, i) ? page_bytes(&mf->constants[i]) : 0;
    }
    if (total == 0 || mf->reserve != NULL) {
        return COVEY_OK;
    }
    if (total > SIZE_MAX) {
        return COVEY_ERR_NOMEM;
    }
    void *at = mmap(NULL, (size_t)total, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        return COVEY_ERR_NOMEM;
    }
    mf->reserve = at;
    mf->reserve_bytes = (size_t)total;
    uint8_t *next = at;
    for (size_t i = 0; i < mf->graph->value_count; i++) {
        if (wants_reserve(mf, i)) {
            mf->graph->values[i].data = next;
            mf->constants[i].lazy = true;
            next += page_bytes(&mf->constants[i]);
        }
    }
    return COVEY_OK;
}

covey_err covey_manifest_reserve(struct covey_manifest *mf, uint32_t batch, covey_fetch_fn fetch,
                                 void *user, struct covey_graph **out_graph,
                                 struct covey_nn_error *out_why)
{
    covey_err err = reserve(mf);
    if (err == COVEY_OK) {
        err = bind_values(mf, false, fetch, user);
    }
    return check(mf, batch, err, out_graph, out_why);
}

void covey__manifest_release(struct covey_manifest *mf)
{
    if (mf->reserve != NULL) {
        munmap(mf->reserve, mf->reserve_bytes);
    }
}

void covey_manifest_value_blobs(const struct covey_manifest *mf, uint16_t value, size_t *out_first,
                                size_t *out_count)
{
    bool constant = value < mf->graph->value_count && mf->graph->values[value].constant;
    *out_first = constant ? mf->constants[value].first : 0;
    *out_count = constant ? mf->constants[value].cut.blobs : 0;
}

covey_err covey_manifest_load(struct covey_manifest *mf, uint16_t value, covey_fetch_fn fetch,
                              void *user)
{
    if (value >= mf->graph->value_count || !mf->graph->values[value].constant) {
        return COVEY_ERR_RANGE;
    }
    struct covey__constant *c = &mf->constants[value];
    if (mf->graph->values[value].data == NULL) {
        return COVEY_ERR_STATE;
    }
    if (c->loaded) {
        return COVEY_OK;
    }
    covey_err err = fetch_blobs(mf, c, place(mf, value), fetch, user);
    c->loaded = err == COVEY_OK;
    if (err != COVEY_OK) {
        madvise(place(mf, value), page_bytes(c), MADV_DONTNEED);
    }
    return err;
}

void covey_manifest_unload(struct covey_manifest *mf, uint16_t value)
{
    COVEY_ASSERT(value < mf->graph->value_count);
    struct covey__constant *c = &mf->constants[value];
    if (c->lazy && c->loaded) {
        c->loaded = false;
        madvise(place(mf, value), page_bytes(c), MADV_DONTNEED);
    }
}

bool covey_manifest_loaded(const struct covey_manifest *mf, uint16_t value)
{
    return value < mf->graph->value_count && mf->constants[value].loaded;
}
