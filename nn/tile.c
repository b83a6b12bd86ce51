/* SPDX-License-Identifier: MIT */
#include "covey/tile.h"

#include <stdlib.h>

#include "tile_node.h"

enum { ROWS = 2 };

/* Of each value of the whole graph. */
struct value {
    struct covey__tile_rows made;   /* what the strip has of it */
    struct covey__tile_rows sliced; /* what `slice` has of it */
    uint16_t index, slice;          /* in the strip's graph; NONE: not there yet */
};

struct tiler {
    const struct covey_graph *from;
    struct covey_graph *to;
    struct value *values;
    uint32_t first, last; /* nodes */
    uint16_t in, out;
    struct covey__tile_rows out_rows;
};

static struct covey__tile_rows join(struct covey__tile_rows a, struct covey__tile_rows b)
{
    if (a.begin == a.end) {
        return b;
    }
    return (struct covey__tile_rows){a.begin < b.begin ? a.begin : b.begin,
                                     a.end > b.end ? a.end : b.end};
}

static bool same(struct covey__tile_rows a, struct covey__tile_rows b)
{
    return a.begin == b.begin && a.end == b.end;
}

/* A picture, not a constant. */
static bool flows(const struct tiler *t, uint16_t value)
{
    return value != COVEY_VALUE_NONE && !t->from->values[value].constant;
}

/* What node takes of its input when it makes these rows. */
static struct covey__tile_rows takes(const struct covey__tile_rule *rule, unsigned input,
                                     struct covey__tile_rows made)
{
    return input == 0 ? covey__tile_takes(rule, made) : made;
}

/* From what is needed of its outputs to what it makes of them, and to what is needed of its inputs.
 */
static covey_err need_node(struct tiler *t, const struct covey_graph_node *node,
                           struct covey_nn_error *out_why)
{
    struct covey__tile_rule rule;
    struct covey__tile_rows rows = {0, 0};
    if (!covey__tile_rule(t->from, node, &rule)) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "%s: cannot be cut into rows",
                              covey__node_name(node));
    }
    for (unsigned i = 0; i < node->outputs; i++) {
        if (node->output[i] != COVEY_VALUE_NONE) {
            struct covey__tile_rows needed = t->values[node->output[i]].made;
            rows = needed.begin == needed.end ? rows : join(rows, needed);
        }
    }
    if (rows.begin == rows.end) {
        return COVEY_OK; /* nobody needs it */
    }
    rows = covey__tile_makes(&rule, rows);
    for (unsigned i = 0; i < node->outputs; i++) {
        if (node->output[i] != COVEY_VALUE_NONE) {
            t->values[node->output[i]].made = rows;
        }
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        if (flows(t, node->input[i])) {
            struct value *v = &t->values[node->input[i]];
            v->made = join(v->made, takes(&rule, i, rows));
        }
    }
    return COVEY_OK;
}

static covey_err need_all(struct tiler *t, const struct covey_strip *strip,
                          struct covey_nn_error *out_why)
{
    t->values[t->out].made = t->out_rows;
    for (uint32_t i = t->last; i > t->first; i--) {
        covey_err err = need_node(t, &t->from->nodes[i - 1], out_why);
        if (err != COVEY_OK) {
            return err;
        }
    }
    struct value *in = &t->values[t->in];
    if (in->made.begin < strip->in_begin || in->made.end > strip->in_end ||
        in->made.begin == in->made.end) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the strip needs rows [%u, %u)",
                              (unsigned)in->made.begin, (unsigned)in->made.end);
    }
    in->made = (struct covey__tile_rows){strip->in_begin, strip->in_end};
    return COVEY_OK;
}

/* Rows of a value that the strip has, cut out if it has more. */
static covey_err crop(struct tiler *t, uint16_t value, struct covey__tile_rows rows,
                      uint16_t *out_index)
{
    struct value *v = &t->values[value];
    *out_index = v->index;
    if (same(v->made, rows)) {
        return COVEY_OK;
    }
    *out_index = v->slice;
    if (v->slice != COVEY_VALUE_NONE && same(v->sliced, rows)) {
        return COVEY_OK;
    }
    const struct covey_shape *whole = &t->from->values[value].shape;
    struct covey_graph_node node = {
        .op = COVEY_OP_SLICE, .inputs = 1, .outputs = 1, .input = {v->index}};
    covey_op_attrs_init(&node.attrs);
    node.attrs.shape_rank = whole->rank;
    for (unsigned i = 0; i < whole->rank; i++) {
        node.attrs.step[i] = 1;
        node.attrs.shape[i] = whole->dims[i];
    }
    node.attrs.start[ROWS] = rows.begin - v->made.begin;
    node.attrs.shape[ROWS] = rows.end - rows.begin;
    struct covey_graph_value sliced = {.type = t->from->values[value].type};
    covey_err err = covey_graph_add_value(t->to, &sliced, &node.output[0]);
    if (err == COVEY_OK) {
        err = covey_graph_add_node(t->to, &node);
    }
    *out_index = v->slice = node.output[0];
    v->sliced = rows;
    return err;
}

static covey_err add_constant(struct tiler *t, uint16_t value, uint16_t *out_index)
{
    struct value *v = &t->values[value];
    covey_err err = COVEY_OK;
    if (v->index == COVEY_VALUE_NONE) {
        struct covey_graph_value borrowed = t->from->values[value];
        borrowed.writable = false;
        err = covey_graph_add_value(t->to, &borrowed, &v->index);
    }
    *out_index = v->index;
    return err;
}

/* Padding and whatever else in the attributes speaks of rows. */
static void adjust(const struct covey__tile_rule *rule, struct covey__tile_rows made,
                   struct covey_graph_node *node)
{
    if (rule->window) {
        uint32_t pads[2];
        covey__tile_pads(rule, made, pads);
        node->attrs.pads[0] = pads[0];
        node->attrs.pads_end[0] = pads[1];
    } else if (node->op == COVEY_OP_SLICE) {
        node->attrs.shape[ROWS] = made.end - made.begin;
    }
}

static covey_err add_outputs(struct tiler *t, struct covey_graph_node *node)
{
    for (unsigned i = 0; i < node->outputs; i++) {
        uint16_t value = node->output[i];
        if (value == COVEY_VALUE_NONE) {
            continue;
        }
        struct covey_graph_value made = {.type = t->from->values[value].type};
        covey_err err = covey_graph_add_value(t->to, &made, &node->output[i]);
        if (err != COVEY_OK) {
            return err;
        }
        t->values[value].index = node->output[i];
    }
    return COVEY_OK;
}

static covey_err add_node(struct tiler *t, const struct covey_graph_node *whole)
{
    struct covey__tile_rule rule;
    struct covey_graph_node node = *whole;
    struct covey__tile_rows made = t->values[whole->output[0]].made;
    covey_err err = COVEY_OK;
    if (made.begin == made.end || !covey__tile_rule(t->from, whole, &rule)) {
        return COVEY_OK; /* nobody needs it */
    }
    for (unsigned i = 0; i < node.inputs && err == COVEY_OK; i++) {
        if (flows(t, whole->input[i])) {
            err = crop(t, whole->input[i], takes(&rule, i, made), &node.input[i]);
        } else if (whole->input[i] != COVEY_VALUE_NONE) {
            err = add_constant(t, whole->input[i], &node.input[i]);
        }
    }
    if (err == COVEY_OK) {
        adjust(&rule, made, &node);
        err = add_outputs(t, &node);
    }
    return err == COVEY_OK ? covey_graph_add_node(t->to, &node) : err;
}

static covey_err add_input(struct tiler *t)
{
    struct value *in = &t->values[t->in];
    struct covey_graph_value value = t->from->values[t->in];
    value.shape.dims[ROWS] = in->made.end - in->made.begin;
    covey_err err = covey_graph_add_value(t->to, &value, &in->index);
    return err == COVEY_OK ? covey_graph_add_input(t->to, in->index) : err;
}

static covey_err build(struct tiler *t, struct covey_nn_error *out_why)
{
    uint16_t out = COVEY_VALUE_NONE;
    covey_err err = add_input(t);
    for (uint32_t i = t->first; i < t->last && err == COVEY_OK; i++) {
        err = add_node(t, &t->from->nodes[i]);
    }
    if (err == COVEY_OK) {
        err = crop(t, t->out, t->out_rows, &out);
    }
    if (err == COVEY_OK) {
        err = covey_graph_add_output(t->to, out);
    }
    if (err == COVEY_OK) {
        err = covey_graph_check(t->to, 0, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    struct covey_shape expected = t->from->values[t->out].shape;
    expected.dims[ROWS] = t->out_rows.end - t->out_rows.begin;
    return covey_shape_equal(&t->to->values[out].shape, &expected)
               ? COVEY_OK
               : covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "the strip has other rows");
}

/* Whether these are neighbours in g that can be cut, and the strip is of them. */
static bool fits(const struct covey_graph *g, const struct covey_cell *cells, size_t count,
                 const struct covey_strip *strip)
{
    for (size_t i = 0; i < count; i++) {
        if (!cells[i].tiles || cells[i].last_node > g->node_count ||
            cells[i].in >= g->value_count || cells[i].out >= g->value_count ||
            (i > 0 &&
             (cells[i].first_node != cells[i - 1].last_node || cells[i].in != cells[i - 1].out))) {
            return false;
        }
    }
    return count > 0 && strip->out_begin < strip->out_end &&
           strip->out_end <= cells[count - 1].out_rows && strip->in_begin < strip->in_end &&
           strip->in_end <= cells[0].in_rows;
}

covey_err covey_tile_graph(const struct covey_graph *g, const struct covey_cell *cells,
                           size_t count, const struct covey_strip *strip, struct covey_graph **out,
                           struct covey_nn_error *out_why)
{
    if (!fits(g, cells, count, strip)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "no strip of these cells");
    }
    covey_err err = COVEY_ERR_NOMEM;
    struct tiler t = {.from = g,
                      .first = cells[0].first_node,
                      .last = cells[count - 1].last_node,
                      .in = cells[0].in,
                      .out = cells[count - 1].out,
                      .out_rows = {strip->out_begin, strip->out_end}};
    t.values = calloc(g->value_count, sizeof(*t.values));
    if (t.values == NULL) {
        goto out;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        t.values[i].index = t.values[i].slice = COVEY_VALUE_NONE;
    }
    err = need_all(&t, strip, out_why);
    if (err == COVEY_OK) {
        err = covey_graph_new(&t.to);
    }
    if (err == COVEY_OK) {
        err = build(&t, out_why);
    }
    if (err == COVEY_OK) {
        *out = t.to;
        t.to = NULL;
    }
out:
    covey_graph_free(t.to);
    free(t.values);
    return err;
}
