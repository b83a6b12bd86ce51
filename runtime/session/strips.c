/* SPDX-License-Identifier: MIT */
#include "strips_state.h"

#include <stdatomic.h>
#include <stdlib.h>

static void held(struct covey_strips *s, uint64_t bytes)
{
    atomic_fetch_add(s->used_bytes, bytes);
    s->bytes += bytes;
}

static void given_back(struct covey_strips *s, uint64_t bytes)
{
    atomic_fetch_sub(s->used_bytes, bytes);
    s->bytes -= bytes;
}

/* The plan's segments as cells of this graph: rows and bytes are those that will be computed. */
static bool is_segment(const struct covey_strips *s, const struct covey_plan_segment *segment)
{
    unsigned last = segment->first_cell + segment->cells - 1U;
    if (segment->cells == 0 || last >= s->cells) {
        return false;
    }
    for (unsigned i = segment->first_cell; i <= last; i++) {
        if (!s->cell[i].tiles) {
            return false;
        }
    }
    const struct covey_cell *a = &s->cell[segment->first_cell], *b = &s->cell[last];
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

static covey_err find_cells(struct covey_strips *s)
{
    const struct covey_model_options options = {.plan_only = true};
    struct covey_model *model = NULL;
    covey_err err = covey_model_new(s->graph, &options, &model, NULL);
    if (err == COVEY_OK) {
        err = covey_cells_find(s->graph, model, &s->cell, &s->cells, NULL);
    }
    covey_model_free(model);
    return err;
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
        uint32_t first = s->cell[run->segment[0].first_cell].first_node;
        uint32_t last = s->cell[end->first_cell + end->cells - 1].last_node;
        for (uint32_t n = first; n < last; n++) {
            const struct covey_graph_node *node = &s->graph->nodes[n];
            for (unsigned i = 0; i < node->inputs; i++) {
                uint16_t v = node->input[i];
                if (v != COVEY_VALUE_NONE && s->graph->values[v].constant) {
                    s->needs[v] = true;
                }
            }
        }
    }
}

covey_err covey__strips_new(const struct covey_graph *g, const struct covey_plan *plan,
                            const struct covey_node_id *self, _Atomic uint64_t *used_bytes,
                            uint64_t limit, struct covey_strips **out)
{
    struct covey_strips *s = calloc(1, sizeof(*s));
    if (s == NULL || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return COVEY_ERR_NOMEM;
    }
    s->graph = g;
    s->plan = *plan;
    s->used_bytes = used_bytes;
    s->limit = limit;
    s->needs = calloc(g->value_count + 1, sizeof(*s->needs));
    covey_err err = s->needs != NULL ? find_device(s, self) : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = find_cells(s);
    }
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

static void free_model(struct covey_strips *s, struct strip_model *m)
{
    while (m->idle != NULL) {
        struct covey_kept *k = m->idle;
        m->idle = k->next;
        covey_run_free(k->run);
        free(k);
        given_back(s, m->run_bytes);
    }
    covey_model_free(m->model);
    covey_graph_free(m->graph);
    memset(m, 0, sizeof(*m));
}

void covey__strips_free(struct covey_strips *s)
{
    if (s == NULL) {
        return;
    }
    for (unsigned i = 0; i < STRIP_MODELS; i++) {
        free_model(s, &s->model[i]);
    }
    covey_layouts_free(s->layouts);
    given_back(s, s->bytes);
    free(s->cell);
    free(s->needs);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

const struct covey_plan *covey__strips_plan(const struct covey_strips *s)
{
    return &s->plan;
}

bool covey__strips_needs(const struct covey_strips *s, uint16_t value)
{
    return value < s->graph->value_count && s->needs[value];
}

/* ---- models ---- */

static bool is_same_rows(struct covey_rows a, struct covey_rows b)
{
    return a.begin == b.begin && a.end == b.end;
}

static struct strip_model *find_model(struct covey_strips *s, const struct strip_model *like)
{
    struct strip_model *oldest = NULL;
    for (unsigned i = 0; i < STRIP_MODELS; i++) {
        struct strip_model *m = &s->model[i];
        if (m->model != NULL && m->run == like->run && m->segment == like->segment &&
            is_same_rows(m->out, like->out) && is_same_rows(m->in, like->in)) {
            return m;
        }
        if (m->users == 0 && (oldest == NULL || m->used_at < oldest->used_at)) {
            oldest = m;
        }
    }
    if (oldest != NULL) {
        free_model(s, oldest);
    }
    return oldest;
}

static covey_err make_graph(const struct covey_strips *s, const struct strip_model *like,
                            struct covey_graph **out)
{
    const struct covey_plan_segment *segment = &s->plan.run[like->run].segment[like->segment];
    const struct covey_strip strip = {like->in.begin, like->in.end, like->out.begin, like->out.end};
    return covey_tile_graph(s->graph, &s->cell[segment->first_cell], segment->cells, &strip, out,
                            NULL);
}

static covey_err make_model(struct covey_strips *s, const struct strip_model *like,
                            struct strip_model *m)
{
    const struct covey_model_options options = {.layouts = s->layouts};
    covey_err err = make_graph(s, like, &m->graph);
    if (err == COVEY_OK) {
        err = covey_model_new(m->graph, &options, &m->model, NULL);
    }
    if (err != COVEY_OK) {
        free_model(s, m);
        return err;
    }
    m->run = like->run;
    m->segment = like->segment;
    m->in = like->in;
    m->out = like->out;
    m->run_bytes = covey_model_memory(m->model);
    return COVEY_OK;
}

/* Under the lock: two requests of new rows make one model. */
static covey_err take_run(struct covey_strips *s, const struct strip_model *like,
                          struct covey_kept **out)
{
    struct strip_model *m = find_model(s, like);
    covey_err err = m == NULL ? COVEY_ERR_BUSY : COVEY_OK;
    if (err == COVEY_OK && m->model == NULL) {
        err = make_model(s, like, m);
    }
    if (err != COVEY_OK) {
        return err;
    }
    m->used_at = ++s->used_at;
    struct covey_kept *k = m->idle;
    if (k != NULL) {
        m->idle = k->next;
        m->idle_count--;
    } else {
        k = calloc(1, sizeof(*k));
        err = k != NULL ? covey_run_new(m->model, &k->run) : COVEY_ERR_NOMEM;
        if (err != COVEY_OK) {
            free(k);
            return err;
        }
        covey_run_stages(k->run, NULL, 0);
        held(s, m->run_bytes);
    }
    k->strips = s;
    k->model = m;
    m->users++;
    *out = k;
    return COVEY_OK;
}

covey_err covey__strips_take(struct covey_strips *s, const struct strip_model *like,
                             struct covey_kept **out)
{
    pthread_mutex_lock(&s->lock);
    covey_err err = take_run(s, like, out);
    pthread_mutex_unlock(&s->lock);
    return err;
}

void covey__kept_free(struct covey_kept *k)
{
    if (k == NULL) {
        return;
    }
    struct covey_strips *s = k->strips;
    struct strip_model *m = k->model;
    pthread_mutex_lock(&s->lock);
    m->users--;
    bool idle = m->idle_count < STRIP_IDLE_RUNS && atomic_load(s->used_bytes) <= s->limit;
    if (idle) {
        k->next = m->idle;
        m->idle = k;
        m->idle_count++;
    } else {
        covey_run_free(k->run);
        free(k);
        given_back(s, m->run_bytes);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- weights ---- */

static uint64_t value_bytes(const struct covey_graph *g, uint16_t value)
{
    size_t count = 0;
    const struct covey_graph_value *v = &g->values[value];
    bool ok = covey_shape_count(&v->shape, &count) == COVEY_OK;
    return ok ? (uint64_t)count * covey_type_size(v->type) : 0;
}

/* Bytes of the constants that are needed, or of those that are still read where they came. */
static uint64_t constant_bytes(const struct covey_strips *s, const struct covey_manifest *mf,
                               bool loaded_only)
{
    uint64_t bytes = 0;
    for (size_t v = 0; v < s->graph->value_count; v++) {
        if (s->needs[v] && (!loaded_only || covey_manifest_loaded(mf, (uint16_t)v))) {
            bytes += value_bytes(s->graph, (uint16_t)v);
        }
    }
    return bytes;
}

/* Rows of this device in the plan's own layout; false: none. */
static bool own_rows(const struct covey_strips *s, unsigned run, unsigned segment,
                     struct strip_model *out)
{
    const struct covey_plan_run *r = &s->plan.run[run];
    struct covey_tile_layout layout;
    covey_tile_layout_of(r, s->plan.devices, &layout);
    *out = (struct strip_model){.run = run,
                                .segment = segment,
                                .out = covey_tile_made(&layout, segment, s->device),
                                .in = covey_tile_need(r, &layout, segment, s->device)};
    return out->in.begin < out->in.end;
}

/* What will run decides how weights are laid out. */
static covey_err choose_layouts(struct covey_strips *s)
{
    for (unsigned r = 0; r < s->plan.runs; r++) {
        for (unsigned k = 0; k < s->plan.run[r].segments; k++) {
            struct strip_model like;
            struct covey_graph *g = NULL;
            if (!own_rows(s, r, k, &like)) {
                continue;
            }
            covey_err err = make_graph(s, &like, &g);
            if (err == COVEY_OK) {
                err = covey_layouts_choose(s->layouts, g);
            }
            covey_graph_free(g);
            if (err != COVEY_OK) {
                return err;
            }
        }
    }
    return COVEY_OK;
}

static void unload(struct covey_strips *s, struct covey_manifest *mf, uint16_t value)
{
    if (covey_layouts_has(s->layouts, s->graph->values[value].data)) {
        covey_manifest_unload(mf, value);
    }
}

/* One value after the other, so that no more than one is held twice. */
static covey_err load_values(struct covey_strips *s, struct covey_manifest *mf,
                             covey_fetch_fn fetch, void *user)
{
    covey_err err = COVEY_OK;
    for (size_t v = 0; v < s->graph->value_count && err == COVEY_OK; v++) {
        if (!s->needs[v]) {
            continue;
        }
        err = covey_manifest_load(mf, (uint16_t)v, fetch, user);
        if (err == COVEY_OK) {
            err = covey_layouts_fill(s->layouts, s->graph->values[v].data);
        }
        if (err == COVEY_OK) {
            unload(s, mf, (uint16_t)v);
        }
    }
    return err;
}

static covey_err make_models(struct covey_strips *s)
{
    for (unsigned r = 0; r < s->plan.runs; r++) {
        for (unsigned k = 0; k < s->plan.run[r].segments; k++) {
            struct strip_model like;
            struct covey_kept *kept = NULL;
            if (!own_rows(s, r, k, &like)) {
                continue;
            }
            covey_err err = covey__strips_take(s, &like, &kept);
            if (err != COVEY_OK) {
                return err;
            }
            covey__kept_free(kept);
        }
    }
    return COVEY_OK;
}

covey_err covey__strips_fill(struct covey_strips *s, struct covey_manifest *mf,
                             covey_fetch_fn fetch, void *user)
{
    uint64_t constants = constant_bytes(s, mf, false);
    uint64_t used = atomic_load(s->used_bytes);
    if (used > s->limit || constants > s->limit - used) {
        return COVEY_ERR_LIMIT;
    }
    /* Half of what is left for faster layouts, half for what requests need. */
    uint64_t more = (s->limit - used - constants) / 2;
    held(s, constants);
    covey_err err = covey_layouts_new(more > 0 ? more : 1, &s->layouts);
    if (err == COVEY_OK) {
        err = choose_layouts(s);
    }
    if (err == COVEY_OK) {
        err = load_values(s, mf, fetch, user);
    }
    if (err == COVEY_OK) {
        err = make_models(s);
    }
    for (size_t v = 0; v < s->graph->value_count && err == COVEY_OK; v++) {
        if (s->needs[v]) {
            unload(s, mf, (uint16_t)v);
        }
    }
    given_back(s, constants);
    held(s,
         constant_bytes(s, mf, true) + (s->layouts != NULL ? covey_layouts_bytes(s->layouts) : 0));
    return err;
}
