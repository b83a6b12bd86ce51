/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/tile.h"
#include "model_private.h"
#include "tile_node.h"

enum { ROWS = 2, WIDTH = 3 };

/* Rows [a, b) of a value need rows [a * stride - before, (b - 1) * stride + after + 1) of the
 * cell's input. */
struct reach {
    bool known;
    uint64_t stride, before, after;
};

struct finder {
    const struct covey_graph *g;
    const struct covey_model *m;
    uint32_t *last_use;    /* of each value: one behind the last node that takes it; 0: none */
    uint32_t *counted;     /* of each constant: the cell that counted its bytes, from 1 */
    struct reach *reaches; /* of each value */
    struct covey_cell *cells;
    size_t count;
    uint16_t layers; /* so far */
};

static void note_uses(struct finder *f)
{
    const struct covey_graph *g = f->g;
    for (size_t i = 0; i < g->node_count; i++) {
        for (unsigned j = 0; j < g->nodes[i].inputs; j++) {
            if (g->nodes[i].input[j] != COVEY_VALUE_NONE) {
                f->last_use[g->nodes[i].input[j]] = (uint32_t)i + 1;
            }
        }
    }
    for (unsigned i = 0; i < g->outputs; i++) {
        f->last_use[g->output[i]] = (uint32_t)g->node_count + 1;
    }
}

/* Values between two nodes: how many, and one of them (the sum of their indices). */
struct live {
    uint32_t count, sum;
};

static void begin(const struct finder *f, struct live *l, uint16_t value)
{
    if (value != COVEY_VALUE_NONE && !f->g->values[value].constant && f->last_use[value] != 0) {
        l->count++;
        l->sum += value;
    }
}

/* Those that only this node still took are gone, those it made are there. */
static void pass_node(const struct finder *f, struct live *l, uint32_t i)
{
    const struct covey_graph_node *node = &f->g->nodes[i];
    for (unsigned j = 0; j < node->inputs; j++) {
        uint16_t v = node->input[j];
        bool again = false;
        for (unsigned k = 0; k < j; k++) {
            again = again || node->input[k] == v;
        }
        if (v != COVEY_VALUE_NONE && !again && !f->g->values[v].constant &&
            f->last_use[v] == i + 1) {
            l->count--;
            l->sum -= v;
        }
    }
    for (unsigned j = 0; j < node->outputs; j++) {
        begin(f, l, node->output[j]);
    }
}

/* The value's reach through a node that takes it as input `input`. */
static struct reach through(const struct covey__tile_rule *rule, unsigned input, struct reach in)
{
    if (!rule->window || input != 0) {
        return in;
    }
    uint64_t beyond = rule->extent - 1 - rule->pads;
    uint64_t before = rule->pads + (rule->last_with_previous ? rule->stride : 0);
    return (struct reach){true, in.stride * rule->stride, in.before + before * in.stride,
                          in.after + beyond * in.stride};
}

/* What a node's outputs need of the cell's input; unknown when it can not be cut. */
static struct reach node_reach(const struct finder *f, const struct covey_graph_node *node)
{
    struct covey__tile_rule rule;
    struct reach all = {false, 0, 0, 0};
    if (!covey__tile_rule(f->g, node, &rule)) {
        return all;
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        uint16_t v = node->input[i];
        if (v == COVEY_VALUE_NONE || f->g->values[v].constant) {
            continue;
        }
        struct reach r = through(&rule, i, f->reaches[v]);
        if (!f->reaches[v].known || (all.known && r.stride != all.stride) ||
            r.stride > UINT32_MAX || r.before > UINT32_MAX || r.after > UINT32_MAX) {
            return (struct reach){false, 0, 0, 0};
        }
        all.before = r.before > all.before ? r.before : all.before;
        all.after = r.after > all.after ? r.after : all.after;
        all.stride = r.stride;
        all.known = true;
    }
    return all;
}

static bool floats(const struct covey_graph_value *v)
{
    return covey__tile_picture(v) && v->type == COVEY_TYPE_F32;
}

static void find_rows(struct finder *f, struct covey_cell *c)
{
    const struct covey_graph *g = f->g;
    const struct covey_graph_value *in = &g->values[c->in], *out = &g->values[c->out];
    if (!floats(in) || !floats(out) || in->shape.dims[0] != out->shape.dims[0]) {
        return;
    }
    f->reaches[c->in] = (struct reach){true, 1, 0, 0};
    for (uint32_t i = c->first_node; i < c->last_node; i++) {
        struct reach r = node_reach(f, &g->nodes[i]);
        if (!r.known) {
            return;
        }
        for (unsigned j = 0; j < g->nodes[i].outputs; j++) {
            if (g->nodes[i].output[j] != COVEY_VALUE_NONE) {
                f->reaches[g->nodes[i].output[j]] = r;
            }
        }
    }
    struct reach r = f->reaches[c->out];
    if (!r.known || c->in == c->out) {
        return;
    }
    c->tiles = true;
    c->stride = (uint32_t)r.stride;
    c->before = (uint32_t)r.before;
    c->after = (uint32_t)r.after;
    c->in_rows = in->shape.dims[ROWS];
    c->out_rows = out->shape.dims[ROWS];
    c->in_width = in->shape.dims[WIDTH];
    c->out_width = out->shape.dims[WIDTH];
    c->in_planes = in->shape.dims[0] * in->shape.dims[1];
    c->out_planes = out->shape.dims[0] * out->shape.dims[1];
}

static void count_weights(struct finder *f, struct covey_cell *c, const struct covey_graph_node *n)
{
    uint32_t mark = (uint32_t)f->count + 1;
    for (unsigned i = 0; i < n->inputs; i++) {
        uint16_t v = n->input[i];
        if (v != COVEY_VALUE_NONE && f->g->values[v].constant && f->counted[v] != mark) {
            f->counted[v] = mark;
            c->weight_bytes += covey__graph_bytes(&f->g->values[v]);
        }
    }
}

/* Work of rows [begin, end) of a cell's output. */
static covey_err strip_work(const struct finder *f, const struct covey_cell *c, uint32_t begin,
                            uint32_t end, struct covey_work *out)
{
    const struct covey_model_options options = {.threads = covey__model_threads(f->m),
                                                .plan_only = true};
    struct covey_strip strip = {0, c->in_rows, begin, end};
    uint64_t last = (uint64_t)(end - 1) * c->stride + c->after + 1;
    uint64_t first = (uint64_t)begin * c->stride;
    strip.in_begin = first > c->before ? (uint32_t)(first - c->before) : 0;
    strip.in_end = last < c->in_rows ? (uint32_t)last : c->in_rows;
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    covey_err err = covey_tile_graph(f->g, c, 1, &strip, &g, NULL);
    if (err == COVEY_OK) {
        err = covey_model_new(g, &options, &m, NULL);
    }
    if (err == COVEY_OK) {
        covey_model_work(m, out);
    }
    covey_model_free(m);
    covey_graph_free(g);
    return err;
}

/* at = strip + rows * row, through two strips. */
static void fit(uint64_t few, uint64_t many, const uint32_t rows[2], uint64_t *out_row,
                uint64_t *out_strip)
{
    *out_row = many > few ? (many - few) / (rows[1] - rows[0]) : 0;
    *out_strip = few > rows[0] * *out_row ? few - rows[0] * *out_row : 0;
}

/* Strips from the middle, where nothing is padded: an eighth and a half of the rows, as for some
 * devices and for two. Without the constants' data there are no strips to plan: then rows share
 * all but the weights evenly. */
static void find_strip_work(const struct finder *f, struct covey_cell *c)
{
    uint32_t all = c->out_rows;
    uint32_t rows[2] = {all >= 8 ? all / 8 : 1, all >= 4 ? all / 2 : all};
    struct covey_work few, many;
    if (rows[0] == rows[1] ||
        strip_work(f, c, (all - rows[0]) / 2, (all + rows[0]) / 2, &few) != COVEY_OK ||
        strip_work(f, c, (all - rows[1]) / 2, (all + rows[1]) / 2, &many) != COVEY_OK) {
        c->row.flops = c->whole.flops / all;
        c->strip.bytes = c->whole.bytes;
        return;
    }
    fit(few.flops, many.flops, rows, &c->row.flops, &c->strip.flops);
    fit(few.bytes, many.bytes, rows, &c->row.bytes, &c->strip.bytes);
}

static void find_work(const struct finder *f, struct covey_cell *c)
{
    for (uint32_t i = c->first_node; i < c->last_node; i++) {
        struct covey_work node;
        covey_model_node_work(f->m, i, &node);
        c->whole.flops += node.flops;
        c->whole.bytes += node.bytes;
    }
    if (c->tiles) {
        find_strip_work(f, c);
    }
}

/* alone: nothing but its `out` comes out of it. */
static void add_cell(struct finder *f, struct covey_cell c, bool alone)
{
    c.first_layer = f->layers;
    for (uint32_t i = c.first_node; i < c.last_node; i++) {
        size_t layer;
        if (covey__model_node_layer(f->m, i, &layer) != NULL) {
            f->layers++;
        }
        count_weights(f, &c, &f->g->nodes[i]);
    }
    c.layers = (uint16_t)(f->layers - c.first_layer);
    if (alone && c.in != COVEY_VALUE_NONE) {
        find_rows(f, &c);
    }
    find_work(f, &c);
    f->cells[f->count++] = c;
}

/* A cut is where one value lives that is not the one of the cut before (behind nodes that nobody
 * needs it still is). */
static void find_cells(struct finder *f)
{
    const struct covey_graph *g = f->g;
    struct live live = {0, 0};
    struct covey_cell c = {.in = g->inputs > 0 ? g->input[0] : COVEY_VALUE_NONE};
    for (unsigned i = 0; i < g->inputs; i++) {
        begin(f, &live, g->input[i]);
    }
    c.in = live.count == 1 ? (uint16_t)live.sum : c.in;
    for (uint32_t i = 0; i < g->node_count; i++) {
        pass_node(f, &live, i);
        bool end = i + 1 == g->node_count;
        if (!end && (live.count != 1 || live.sum == c.in)) {
            continue;
        }
        c.last_node = i + 1;
        c.out = end ? g->output[0] : (uint16_t)live.sum;
        add_cell(f, c, live.count == 1);
        c = (struct covey_cell){.first_node = i + 1, .in = c.out};
    }
}

covey_err covey_cells_find(const struct covey_graph *g, const struct covey_model *m,
                           struct covey_cell **out, size_t *out_count,
                           struct covey_nn_error *out_why)
{
    covey_err err = COVEY_ERR_NOMEM;
    struct finder f = {.g = g, .m = m};
    f.last_use = calloc(g->value_count + 1, sizeof(*f.last_use));
    f.counted = calloc(g->value_count + 1, sizeof(*f.counted));
    f.reaches = calloc(g->value_count + 1, sizeof(*f.reaches));
    f.cells = calloc(g->node_count + 1, sizeof(*f.cells));
    if (f.last_use == NULL || f.counted == NULL || f.reaches == NULL || f.cells == NULL) {
        covey__nn_fail(out_why, err, "no memory for the cells");
        goto out;
    }
    note_uses(&f);
    find_cells(&f);
    *out = f.cells;
    *out_count = f.count;
    f.cells = NULL;
    err = COVEY_OK;
out:
    free(f.last_use);
    free(f.counted);
    free(f.reaches);
    free(f.cells);
    return err;
}
