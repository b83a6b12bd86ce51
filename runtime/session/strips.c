/* SPDX-License-Identifier: MIT */
#include "strips_state.h"

#include <stdlib.h>

#include "covey/cost.h"

/* Of a slice's bytes, and besides: what faster layouts may take beyond the constants. */
enum { LAYOUT_PERCENT = 15, LAYOUT_BYTES = 1 << 20 };

/* The plan's segments as cells of this graph: rows and bytes are those that will be computed. */
static bool is_segment(const struct covey_strips *s, const struct covey_plan_segment *segment)
{
    unsigned last = segment->first_cell + segment->cells - 1U;
    if (segment->cells == 0 || last >= s->network->cells) {
        return false;
    }
    for (unsigned i = segment->first_cell; i <= last; i++) {
        if (!s->network->cell[i].tiles) {
            return false;
        }
    }
    const struct covey_cell *a = &s->network->cell[segment->first_cell],
                            *b = &s->network->cell[last];
    const struct covey_row_map *map = &segment->map;
    return map->in_rows == a->in_rows && map->out_rows == b->out_rows &&
           map->in_row_bytes == (uint64_t)a->in_planes * a->in_width * sizeof(float) &&
           map->out_row_bytes == (uint64_t)b->out_planes * b->out_width * sizeof(float);
}

static covey_err check_runs(const struct covey_strips *s)
{
    for (unsigned r = 0; r < s->plan.runs; r++) {
        const struct covey_plan_run *run = &s->plan.run[r];
        struct covey_tile_layout layout;
        covey_tile_layout_of(run, s->plan.devices, &layout);
        covey_err err = covey_tile_layout_check(&layout, run, s->plan.devices);
        for (unsigned k = 0; k < run->segments && err == COVEY_OK; k++) {
            bool follows = k == 0 || run->segment[k].first_cell ==
                                         run->segment[k - 1].first_cell + run->segment[k - 1].cells;
            err = follows && is_segment(s, &run->segment[k]) ? COVEY_OK : COVEY_ERR_RANGE;
        }
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

static covey_err find_device(struct covey_strips *s, const struct covey_node_id *self)
{
    for (unsigned d = 0; d < s->plan.devices; d++) {
        if (covey_node_id_equal(&s->plan.device[d], self)) {
            s->device = d;
            return COVEY_OK;
        }
    }
    return COVEY_ERR_RANGE;
}

static void find_constants(struct covey_strips *s)
{
    for (unsigned r = 0; r < s->plan.runs; r++) {
        const struct covey_plan_run *run = &s->plan.run[r];
        const struct covey_plan_segment *end = &run->segment[run->segments - 1];
        uint32_t first = s->network->cell[run->segment[0].first_cell].first_node;
        uint32_t last = s->network->cell[end->first_cell + end->cells - 1].last_node;
        for (uint32_t n = first; n < last; n++) {
            const struct covey_graph_node *node = &s->network->graph->nodes[n];
            for (unsigned i = 0; i < node->inputs; i++) {
                uint16_t v = node->input[i];
                if (v != COVEY_VALUE_NONE && s->network->graph->values[v].constant) {
                    s->reads[v] = true;
                }
            }
        }
    }
}

covey_err covey__strips_new(struct covey_network *n, const struct covey_plan *plan,
                            const struct covey_node_id *self, struct covey_strips **out)
{
    struct covey_strips *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return COVEY_ERR_NOMEM;
    }
    s->network = n;
    s->plan = *plan;
    s->reads = calloc(n->graph->value_count + 1u, sizeof(*s->reads));
    covey_err err = s->reads != NULL ? find_device(s, self) : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = check_runs(s);
    }
    if (err != COVEY_OK) {
        covey__strips_free(s);
        return err;
    }
    find_constants(s);
    *out = s;
    return COVEY_OK;
}

void covey__strips_free(struct covey_strips *s)
{
    if (s != NULL) {
        free(s->reads);
        free(s);
    }
}

const struct covey_plan *covey__strips_plan(const struct covey_strips *s)
{
    return &s->plan;
}

bool covey__strips_reads(const struct covey_strips *s, uint16_t value)
{
    return value < s->network->graph->value_count && s->reads[value];
}

bool covey__strips_needs(const struct covey_strips *s, uint16_t value)
{
    return covey__strips_reads(s, value) && !atomic_load(&s->network->filled[value]);
}

void covey__strips_like(const struct covey_strips *s, unsigned run, unsigned segment,
                        struct strip_model *out)
{
    const struct covey_plan_segment *k = &s->plan.run[run].segment[segment];
    *out = (struct strip_model){.first_cell = k->first_cell, .cells = k->cells};
}

/* ---- weights ---- */

/* Rows of a device in the plan's own layout; false: none. */
static bool rows_of(const struct covey_strips *s, unsigned run, unsigned segment, unsigned device,
                    struct strip_model *out)
{
    const struct covey_plan_run *r = &s->plan.run[run];
    struct covey_tile_layout layout;
    covey_tile_layout_of(r, s->plan.devices, &layout);
    if (r->twice && r->twin[device] < r->twin[device + 1]) {
        covey_tile_layout_twin(r, s->plan.devices, &layout);
    }
    covey__strips_like(s, run, segment, out);
    out->out = covey_tile_made(&layout, segment, device);
    out->in = covey_tile_need(r, &layout, segment, device);
    return out->in.begin < out->in.end;
}

/* Its own rows, or, where it has none, another's that it may have to take over. */
static bool likely_rows(const struct covey_strips *s, unsigned run, unsigned segment,
                        struct strip_model *out)
{
    bool any = rows_of(s, run, segment, s->device, out);
    for (unsigned d = 0; d < s->plan.devices && !any; d++) {
        any = rows_of(s, run, segment, d, out);
    }
    return any;
}

typedef covey_err (*segment_fn)(struct covey_strips *s, const struct strip_model *like);

static covey_err each_segment(struct covey_strips *s, segment_fn fn)
{
    covey_err err = COVEY_OK;
    for (unsigned r = 0; r < s->plan.runs; r++) {
        for (unsigned k = 0; k < s->plan.run[r].segments && err == COVEY_OK; k++) {
            struct strip_model like;
            err = likely_rows(s, r, k, &like) ? fn(s, &like) : COVEY_OK;
        }
    }
    return err;
}

/* What will run decides how weights are laid out. */
static covey_err choose_layouts(struct covey_strips *s, const struct strip_model *like)
{
    struct covey_graph *g = NULL;
    covey_err err = covey__network_graph(s->network, like, &g);
    if (err == COVEY_OK) {
        err = covey_layouts_choose(s->network->layouts, g);
    }
    covey_graph_free(g);
    return err;
}

static covey_err make_model(struct covey_strips *s, const struct strip_model *like)
{
    return covey__network_model(s->network, like);
}

/* As high as it may be while another device is left out, whose rows go to all others by their rates
 * (covey_plan_share()): rounded up, and a row more, since rates are no longer quite as in the plan.
 */
static void heighten(const struct covey_strips *s, unsigned run, unsigned segment,
                     struct strip_model *inout)
{
    const struct covey_row_map *map = &s->plan.run[run].segment[segment].map;
    uint32_t all = map->out_rows, most = 0, own = inout->out.end - inout->out.begin;
    for (unsigned d = 0; d < s->plan.devices; d++) {
        struct strip_model other;
        if (d != s->device && rows_of(s, run, segment, d, &other)) {
            uint32_t rows = other.out.end - other.out.begin;
            most = rows > most ? rows : most;
        }
    }
    uint32_t high = most < all ? own * all / (all - most) + 2 : all;
    high = high < all ? high : all;
    uint32_t begin = inout->out.begin < all - high ? inout->out.begin : all - high;
    inout->out = (struct covey_rows){(uint16_t)begin, (uint16_t)(begin + high)};
    inout->in = covey_row_map_need(map, inout->out);
}

/* Strips that come when a device is lost run where the plan's own do: nothing is to be had from the
 * system while a request waits. */
static void reserve(struct covey_strips *s)
{
    for (unsigned r = 0; r < s->plan.runs; r++) {
        for (unsigned k = 0; k < s->plan.run[r].segments; k++) {
            struct strip_model like;
            if (likely_rows(s, r, k, &like)) {
                heighten(s, r, k, &like);
                covey__network_reserve(s->network, &like);
            }
        }
    }
}

/* Gives a constant's own pages back where nothing reads them any more. */
static void unload(struct covey_network *n, uint16_t value)
{
    if (covey_layouts_has(n->layouts, n->graph->values[value].data)) {
        covey_manifest_unload(n->manifest, value);
    }
}

/* One value after the other, so that no more than one is held twice. */
static covey_err load_values(struct covey_strips *s, covey_fetch_fn fetch, void *user)
{
    struct covey_network *n = s->network;
    covey_err err = COVEY_OK;
    for (size_t v = 0; v < n->graph->value_count && err == COVEY_OK; v++) {
        if (!covey__strips_needs(s, (uint16_t)v)) {
            continue;
        }
        err = covey_manifest_load(n->manifest, (uint16_t)v, fetch, user);
        if (err == COVEY_OK) {
            err = covey_layouts_fill(n->layouts, n->graph->values[v].data);
        }
        if (err == COVEY_OK) {
            unload(n, (uint16_t)v);
            atomic_store(&n->filled[v], true);
        }
    }
    return err;
}

/* What is there now, in place of what was. */
static void account(struct covey_network *n)
{
    uint64_t bytes = n->layouts != NULL ? covey_layouts_bytes(n->layouts) : 0;
    for (size_t v = 0; v < n->graph->value_count; v++) {
        bool there =
            n->graph->values[v].constant && covey_manifest_loaded(n->manifest, (uint16_t)v);
        bytes += there ? covey_graph_value_bytes(n->graph, v) : 0;
    }
    covey__network_held(n, bytes);
    covey__network_given_back(n, n->weight_bytes);
    n->weight_bytes = bytes;
}

/* A constant that was given back is needed as it is after all: it comes again. */
static void forget_missing(struct covey_strips *s)
{
    struct covey_network *n = s->network;
    for (size_t v = 0; v < n->graph->value_count; v++) {
        if (s->reads[v] && !covey_manifest_loaded(n->manifest, (uint16_t)v) &&
            !covey_layouts_has(n->layouts, n->graph->values[v].data)) {
            atomic_store(&n->filled[v], false);
        }
    }
}

static uint64_t missing_bytes(const struct covey_strips *s)
{
    uint64_t bytes = 0;
    for (size_t v = 0; v < s->network->graph->value_count; v++) {
        bytes +=
            covey__strips_needs(s, (uint16_t)v) ? covey_graph_value_bytes(s->network->graph, v) : 0;
    }
    return bytes;
}

covey_err covey__strips_room(const struct covey_strips *s)
{
    const struct covey_network *n = s->network;
    uint64_t missing = missing_bytes(s), used = atomic_load(n->used_bytes);
    bool fits = missing == 0 || (used <= n->limit && missing <= n->limit - used);
    return fits ? COVEY_OK : COVEY_ERR_LIMIT;
}

/* Layouts that are larger than their constants save time, but a slice shall take little more
 * memory than its weights. */
static covey_err make_layouts(struct covey_network *n, uint64_t missing, uint64_t slice)
{
    uint64_t left = (n->limit - atomic_load(n->used_bytes) - missing) / 2;
    uint64_t more = slice / 100 * LAYOUT_PERCENT + LAYOUT_BYTES;
    more = more < left ? more : left;
    return covey_layouts_new(more > 0 ? more : 1, &n->layouts);
}

static covey_err fill(struct covey_strips *s, uint64_t others, covey_fetch_fn fetch, void *user)
{
    struct covey_network *n = s->network;
    uint64_t missing = missing_bytes(s);
    covey_err err = covey__strips_room(s);
    if (err != COVEY_OK) {
        return err;
    }
    err = n->layouts == NULL ? make_layouts(n, missing, missing + others) : COVEY_OK;
    if (err == COVEY_OK && missing > 0) {
        err = each_segment(s, choose_layouts);
    }
    if (err == COVEY_OK) {
        forget_missing(s);
        err = load_values(s, fetch, user);
    }
    if (err == COVEY_OK) {
        err = each_segment(s, make_model);
    }
    for (size_t v = 0; v < n->graph->value_count && err == COVEY_OK; v++) {
        if (s->reads[v]) {
            unload(n, (uint16_t)v);
        }
    }
    account(n);
    if (err == COVEY_OK) {
        reserve(s);
        covey__network_warm(n);
    }
    return err;
}

covey_err covey__strips_fill(struct covey_strips *s, uint64_t others, covey_fetch_fn fetch,
                             void *user)
{
    pthread_mutex_lock(&s->network->filling);
    covey_err err = fill(s, others, fetch, user);
    pthread_mutex_unlock(&s->network->filling);
    return err;
}
