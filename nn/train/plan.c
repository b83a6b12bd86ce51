/* SPDX-License-Identifier: MIT */
#include "train/plan.h"

#include <stdlib.h>

#include "covey/large.h"
#include "graph_private.h"

enum { ALIGN = 64, NONE = -1 };

/* A buffer for gradients, used by one value after the other. */
struct buffer {
    size_t bytes;
    bool taken;
};

struct planner {
    const struct covey_graph *g;
    struct covey__train_plan p;
    unsigned threads;
    uint32_t *uses;    /* of each value, by nodes that are run */
    bool *requires;    /* of each value: the loss depends on parameters through it */
    uint16_t *maker;   /* of each value: its node */
    int32_t *gradient; /* of each value: its buffer, or NONE */
    bool *started;     /* of each parameter's value: a gradient was made */
    struct buffer *buffers;
    size_t buffer_count, want_room;
    size_t spare_bytes;
};

static size_t align(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t value_bytes(const struct planner *p, uint16_t v)
{
    return align(covey__graph_bytes(&p->g->values[v]));
}

static size_t elements(const struct planner *p, uint16_t v)
{
    return covey__shape_elements(&p->g->values[v].shape);
}

/* All values of a large batch can be more than a pointer reaches: then places mean nothing. */
static size_t take_bytes(struct planner *p, size_t bytes)
{
    uint64_t at = p->p.arena_bytes;
    p->p.arena_bytes += ((uint64_t)bytes + ALIGN - 1) / ALIGN * ALIGN;
    return covey_size_of(at);
}

/* The output, or what its softmax is made of. */
static void find_logits(struct planner *p)
{
    const struct covey_graph *g = p->g;
    p->p.logits = g->output[0];
    p->p.last = g->node_count;
    for (size_t i = g->node_count; i-- > 0;) {
        const struct covey_graph_node *node = &g->nodes[i];
        bool softmax = node->op == COVEY_OP_SOFTMAX || node->op == COVEY_OP_LOGSOFTMAX;
        if (node->output[0] == p->p.logits && softmax) {
            p->p.logits = node->input[0];
        }
    }
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].output[0] == p->p.logits) {
            p->p.last = i + 1;
        }
    }
}

static void note_uses(struct planner *p)
{
    for (size_t i = 0; i < p->p.last; i++) {
        const struct covey_graph_node *node = &p->g->nodes[i];
        for (unsigned j = 0; j < node->inputs; j++) {
            if (node->input[j] != COVEY_VALUE_NONE) {
                p->uses[node->input[j]]++;
            }
        }
        for (unsigned j = 0; j < node->outputs; j++) {
            if (node->output[j] != COVEY_VALUE_NONE) {
                p->maker[node->output[j]] = (uint16_t)i;
            }
        }
    }
    p->uses[p->p.logits]++;
}

typedef void (*constant_fn)(struct planner *p, uint16_t v, bool parameter);

/* Visits the float constants that a gradient's row names as parameters or statistics. */
static void each_constant(struct planner *p, constant_fn visit)
{
    for (size_t i = 0; i < p->p.last; i++) {
        const struct covey_graph_node *node = &p->g->nodes[i];
        const struct covey__grad *row = covey__grad_find(node->op);
        for (unsigned j = 0; j < node->inputs && j < 32 && row != NULL; j++) {
            uint16_t v = node->input[j];
            bool parameter = (row->parameters >> j & 1) != 0;
            if (v != COVEY_VALUE_NONE && p->g->values[v].constant &&
                p->g->values[v].type == COVEY_TYPE_F32 &&
                (parameter || (row->statistics >> j & 1) != 0)) {
                visit(p, v, parameter);
            }
        }
    }
}

static void require_constant(struct planner *p, uint16_t v, bool parameter)
{
    p->requires[v] = p->requires[v] || parameter;
}

static void place_constant(struct planner *p, uint16_t v, bool parameter)
{
    struct covey__train_place *place = &p->p.place[v];
    size_t *total = parameter ? &p->p.parameters : &p->p.statistics;
    if (place->parameter || place->statistic || (parameter && !p->requires[v])) {
        return;
    }
    place->parameter = parameter;
    place->statistic = !parameter;
    place->at = *total;
    *total += elements(p, v);
}

/* The part that comes before any parameter, such as the input's normalisation, needs no gradient:
 * an addition of a constant to it is no bias. */
static covey_err find_required(struct planner *p, struct covey_nn_error *out_why)
{
    for (size_t i = 0; i < p->p.last; i++) {
        const struct covey_graph_node *node = &p->g->nodes[i];
        const struct covey__grad *row = covey__grad_find(node->op);
        struct covey__graph_frame frame;
        uint32_t wanted = 0;
        for (unsigned j = 0; j < node->inputs; j++) {
            uint16_t v = node->input[j];
            wanted |= v != COVEY_VALUE_NONE && p->requires[v] ? 1u << (j < 31 ? j : 31) : 0;
        }
        if (wanted == 0) {
            continue;
        }
        covey__graph_frame(p->g, node, &frame);
        frame.call.thread_count = p->threads;
        if (row == NULL || (wanted & ~row->inputs) != 0 || node->attrs.act != COVEY_ACT_NONE ||
            (row->fits != NULL && !row->fits(&frame.call)) ||
            p->g->values[node->output[0]].type != COVEY_TYPE_F32) {
            return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED,
                                  "%s: %s cannot be trained in this form", covey__node_name(node),
                                  covey_op_name(node->op));
        }
        p->requires[node->output[0]] = true;
    }
    return p->requires[p->p.logits]
               ? COVEY_OK
               : covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "nothing in it can be trained");
}

/* Constants in front of all layers are no parameters. */
static void drop_unused_parameters(struct planner *p)
{
    for (size_t i = 0; i < p->p.last; i++) {
        const struct covey_graph_node *node = &p->g->nodes[i];
        bool element_wise = node->op == COVEY_OP_ADD || node->op == COVEY_OP_MUL;
        bool behind = false;
        for (unsigned j = 0; j < node->inputs; j++) {
            uint16_t v = node->input[j];
            behind =
                behind || (v != COVEY_VALUE_NONE && !p->g->values[v].constant && p->requires[v]);
        }
        for (unsigned j = 0; j < node->inputs && element_wise && !behind; j++) {
            if (p->g->values[node->input[j]].constant) {
                p->requires[node->input[j]] = false;
            }
        }
        for (unsigned j = 0; j < node->inputs; j++) {
            uint16_t v = node->input[j];
            if (v != COVEY_VALUE_NONE && p->requires[v]) {
                p->requires[node->output[0]] = true;
            }
        }
    }
}

/* Whether a node may write over its input: element-wise, and nobody needs the input's values. */
static bool overwrites(const struct planner *p, size_t i)
{
    const struct covey_graph_node *node = &p->g->nodes[i];
    const struct covey__grad *row = covey__grad_find(node->op);
    const struct covey__op *op = covey__op_find(node->op);
    uint16_t x = node->inputs > 0 ? node->input[0] : COVEY_VALUE_NONE;
    if (x == COVEY_VALUE_NONE || p->g->values[x].constant || node->outputs != 1) {
        return false;
    }
    if (node->op == COVEY_OP_RESHAPE || node->op == COVEY_OP_FLATTEN ||
        node->op == COVEY_OP_IDENTITY) {
        return true;
    }
    if (!op->in_place || node->inputs != 1 || row == NULL || row->needs_x || p->uses[x] != 1 ||
        p->maker[x] >= p->g->node_count ||
        covey__graph_bytes(&p->g->values[x]) !=
            covey__graph_bytes(&p->g->values[node->output[0]])) {
        return false;
    }
    const struct covey__grad *before = covey__grad_find(p->g->nodes[p->maker[x]].op);
    return before != NULL && !before->needs_y && p->g->nodes[p->maker[x]].op != COVEY_OP_RESHAPE &&
           p->g->nodes[p->maker[x]].op != COVEY_OP_FLATTEN &&
           p->g->nodes[p->maker[x]].op != COVEY_OP_IDENTITY;
}

static void place_values(struct planner *p)
{
    const struct covey_graph *g = p->g;
    for (unsigned i = 0; i < g->inputs; i++) {
        p->p.value[g->input[i]] = take_bytes(p, value_bytes(p, g->input[i]));
    }
    for (size_t i = 0; i < p->p.last; i++) {
        const struct covey_graph_node *node = &g->nodes[i];
        const struct covey__grad *row = covey__grad_find(node->op);
        const struct covey__op *op = covey__op_find(node->op);
        struct covey__graph_frame frame;
        covey__graph_frame(g, node, &frame);
        frame.call.thread_count = p->threads;
        for (unsigned j = 0; j < node->outputs; j++) {
            if (node->output[j] != COVEY_VALUE_NONE) {
                p->p.value[node->output[j]] = overwrites(p, i)
                                                  ? p->p.value[node->input[0]]
                                                  : take_bytes(p, value_bytes(p, node->output[j]));
            }
        }
        if (row != NULL && row->saved != NULL) {
            p->p.saved[i] = take_bytes(p, row->saved(&frame.call));
        }
        size_t scratch = op->scratch != NULL ? op->scratch(&frame.call) : 0;
        size_t back = row != NULL && row->scratch != NULL ? row->scratch(&frame.call) : 0;
        scratch = back > scratch ? back : scratch;
        p->p.scratch_bytes = scratch > p->p.scratch_bytes ? scratch : p->p.scratch_bytes;
    }
}

/* The smallest free buffer that is large enough; else the largest free one grows; else a new one.
 */
static int32_t take_buffer(struct planner *p, size_t bytes)
{
    int32_t best = NONE;
    for (size_t i = 0; i < p->buffer_count; i++) {
        const struct buffer *b = &p->buffers[i], *old = best == NONE ? NULL : &p->buffers[best];
        if (b->taken) {
            continue;
        }
        bool fits = b->bytes >= bytes;
        if (old == NULL || (fits ? old->bytes < bytes || b->bytes < old->bytes
                                 : old->bytes < bytes && b->bytes > old->bytes)) {
            best = (int32_t)i;
        }
    }
    if (best == NONE) {
        best = (int32_t)p->buffer_count++;
    }
    struct buffer *b = &p->buffers[best];
    b->bytes = bytes > b->bytes ? bytes : b->bytes;
    b->taken = true;
    return best;
}

static void want_parameter(struct planner *p, uint16_t v, struct covey__train_want *w)
{
    w->parameter = true;
    w->at = p->p.place[v].at;
    w->add = p->started[v];
    p->started[v] = true;
}

/* at holds the buffer's number until all sizes are known. */
static void want_value(struct planner *p, const struct covey_graph_node *node, bool *inout_moved,
                       struct covey__train_want *w)
{
    uint16_t v = node->input[w->input], y = node->output[0];
    if (p->gradient[v] != NONE) {
        w->add = true;
    } else if (covey__grad_find(node->op)->in_place && w->input == 0 &&
               elements(p, v) == elements(p, y)) {
        p->gradient[v] = p->gradient[y];
        *inout_moved = true;
    } else {
        p->gradient[v] = take_buffer(p, value_bytes(p, v));
    }
    w->at = (size_t)p->gradient[v];
}

static void plan_back(struct planner *p, size_t i)
{
    const struct covey_graph_node *node = &p->g->nodes[i];
    uint16_t y = node->output[0];
    bool moved = false;
    if (p->gradient[y] == NONE) {
        return;
    }
    struct covey__train_back *b = &p->p.backs[p->p.back_count++];
    *b = (struct covey__train_back){.node = (uint32_t)i, .dy = (size_t)p->gradient[y]};
    b->first = (uint32_t)p->want_room;
    for (unsigned j = 0; j < node->inputs; j++) {
        uint16_t v = node->input[j];
        if (v == COVEY_VALUE_NONE || !p->requires[v]) {
            continue;
        }
        struct covey__train_want w = {.input = (uint8_t)j, .count = elements(p, v)};
        if (p->g->values[v].constant) {
            want_parameter(p, v, &w);
        } else {
            want_value(p, node, &moved, &w);
        }
        for (unsigned k = 0; k < j; k++) {
            w.again = w.again || node->input[k] == v;
        }
        if (w.add && value_bytes(p, v) > p->spare_bytes) {
            p->spare_bytes = value_bytes(p, v);
        }
        p->p.wants[p->want_room++] = w;
        b->count++;
    }
    if (!moved) {
        p->buffers[p->gradient[y]].taken = false;
    }
}

/* What of the gradient later steps still change. */
static void find_rests(struct planner *p)
{
    size_t rest = 0;
    for (size_t i = p->p.back_count; i-- > 0;) {
        struct covey__train_back *b = &p->p.backs[i];
        b->rest = rest;
        for (uint32_t k = 0; k < b->count; k++) {
            const struct covey__train_want *w = &p->p.wants[b->first + k];
            if (w->parameter && w->at + w->count > rest) {
                rest = w->at + w->count;
            }
        }
    }
}

/* Numbers of buffers become places in the arena. */
static covey_err place_buffers(struct planner *p)
{
    size_t *at = calloc(p->buffer_count + 1, sizeof(*at));
    if (at == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < p->buffer_count; i++) {
        at[i] = take_bytes(p, p->buffers[i].bytes);
    }
    p->p.dlogits = at[p->p.dlogits];
    for (size_t i = 0; i < p->p.back_count; i++) {
        p->p.backs[i].dy = at[p->p.backs[i].dy];
    }
    for (size_t i = 0; i < p->want_room; i++) {
        if (!p->p.wants[i].parameter) {
            p->p.wants[i].at = at[p->p.wants[i].at];
        }
    }
    p->p.scratch = take_bytes(p, p->p.scratch_bytes);
    p->p.spare = take_bytes(p, p->spare_bytes);
    free(at);
    return COVEY_OK;
}

static covey_err allocate(struct planner *p)
{
    size_t values = p->g->value_count + 1, nodes = p->g->node_count + 1, inputs = 1;
    for (size_t i = 0; i < p->g->node_count; i++) {
        inputs += p->g->nodes[i].inputs;
    }
    p->uses = calloc(values, sizeof(*p->uses));
    p->requires = calloc(values, sizeof(*p->requires));
    p->maker = calloc(values, sizeof(*p->maker));
    p->gradient = calloc(values, sizeof(*p->gradient));
    p->started = calloc(values, sizeof(*p->started));
    p->buffers = calloc(values, sizeof(*p->buffers));
    p->p.value = calloc(values, sizeof(*p->p.value));
    p->p.saved = calloc(nodes, sizeof(*p->p.saved));
    p->p.place = calloc(values, sizeof(*p->p.place));
    p->p.backs = calloc(nodes, sizeof(*p->p.backs));
    p->p.wants = calloc(inputs, sizeof(*p->p.wants));
    bool all = p->uses != NULL && p->requires != NULL && p->maker != NULL && p->gradient != NULL &&
               p->started != NULL && p->buffers != NULL && p->p.value != NULL &&
               p->p.saved != NULL && p->p.place != NULL && p->p.backs != NULL && p->p.wants != NULL;
    for (size_t v = 0; v < values && all; v++) {
        p->gradient[v] = NONE;
        p->maker[v] = COVEY_VALUE_NONE;
    }
    return all ? COVEY_OK : COVEY_ERR_NOMEM;
}

static covey_err plan(struct planner *p, struct covey_nn_error *out_why)
{
    find_logits(p);
    note_uses(p);
    each_constant(p, require_constant);
    drop_unused_parameters(p);
    each_constant(p, place_constant);
    covey_err err = find_required(p, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    place_values(p);
    p->gradient[p->p.logits] = take_buffer(p, value_bytes(p, p->p.logits));
    p->p.dlogits = (size_t)p->gradient[p->p.logits];
    for (size_t i = p->p.last; i-- > 0;) {
        plan_back(p, i);
    }
    find_rests(p);
    return place_buffers(p);
}

covey_err covey__train_plan_init(struct covey__train_plan *out, const struct covey_graph *g,
                                 unsigned threads, struct covey_nn_error *out_why)
{
    struct planner p = {.g = g, .threads = threads};
    covey_err err = allocate(&p);
    if (err == COVEY_OK) {
        err = plan(&p, out_why);
    }
    free(p.uses);
    free(p.requires);
    free(p.maker);
    free(p.gradient);
    free(p.started);
    free(p.buffers);
    if (err != COVEY_OK) {
        covey__train_plan_done(&p.p);
        return err;
    }
    *out = p.p;
    return COVEY_OK;
}

void covey__train_plan_done(struct covey__train_plan *p)
{
    free(p->value);
    free(p->saved);
    free(p->place);
    free(p->backs);
    free(p->wants);
    *p = (struct covey__train_plan){.value = NULL};
}
