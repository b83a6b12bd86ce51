/* SPDX-License-Identifier: MIT */
#include "memory_plan.h"

#include <stdlib.h>

#include "graph_private.h"
#include "model_private.h"

/* Each value belongs to the block of its root; a block lives from step first to step last, where
 * step i is node i - 1 and the input is written at step 0. */
struct block {
    size_t bytes, offset;
    uint32_t first, last;
    uint16_t root;
};

struct planner {
    const struct covey_graph *g;
    uint16_t *root;     /* of each value */
    uint32_t *last_use; /* of each value, then of each root */
    struct block *blocks;
    size_t block_count;
};

static size_t align(size_t bytes)
{
    return (bytes + COVEY__ALIGN - 1) / COVEY__ALIGN * COVEY__ALIGN;
}

static void note_uses(struct planner *p)
{
    for (size_t i = 0; i < p->g->node_count; i++) {
        const struct covey_graph_node *node = &p->g->nodes[i];
        for (unsigned j = 0; j < node->inputs; j++) {
            if (node->input[j] != COVEY_VALUE_NONE) {
                p->last_use[node->input[j]] = (uint32_t)i + 1;
            }
        }
    }
    for (unsigned i = 0; i < p->g->outputs; i++) {
        p->last_use[p->g->output[i]] = (uint32_t)p->g->node_count + 1;
    }
}

/* Whether node i may write over its first input: the same size, nobody needs it later, and no other
 * input lives in the same block. */
static bool may_overwrite(const struct planner *p, size_t i)
{
    const struct covey_graph *g = p->g;
    const struct covey_graph_node *node = &g->nodes[i];
    uint16_t root = p->root[node->input[0]];
    if (!covey__op_find(node->op)->in_place || p->last_use[root] > i + 1 || node->outputs != 1 ||
        covey__graph_bytes(&g->values[node->input[0]]) !=
            covey__graph_bytes(&g->values[node->output[0]])) {
        return false;
    }
    for (unsigned j = 1; j < node->inputs; j++) {
        uint16_t v = node->input[j];
        if (v != COVEY_VALUE_NONE && !g->values[v].constant && p->root[v] == root) {
            return false;
        }
    }
    return true;
}

static void add_block(struct planner *p, uint16_t value, uint32_t first)
{
    p->blocks[p->block_count++] = (struct block){
        .bytes = align(covey__graph_bytes(&p->g->values[value])), .first = first, .root = value};
}

/* Whether the first output lives where the first input does. */
static bool shares(const struct planner *p, size_t i)
{
    const struct covey_graph_node *node = &p->g->nodes[i];
    if (node->inputs == 0 || node->input[0] == COVEY_VALUE_NONE || node->outputs != 1 ||
        p->g->values[node->input[0]].constant) {
        return false;
    }
    return covey__op_find(node->op)->alias || may_overwrite(p, i);
}

static void find_blocks(struct planner *p)
{
    const struct covey_graph *g = p->g;
    for (size_t v = 0; v < g->value_count; v++) {
        p->root[v] = (uint16_t)v;
    }
    for (unsigned i = 0; i < g->inputs; i++) {
        add_block(p, g->input[i], 0);
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const struct covey_graph_node *node = &g->nodes[i];
        if (shares(p, i)) {
            uint16_t root = p->root[node->input[0]];
            p->root[node->output[0]] = root;
            if (p->last_use[node->output[0]] > p->last_use[root]) {
                p->last_use[root] = p->last_use[node->output[0]];
            }
            continue;
        }
        for (unsigned j = 0; j < node->outputs; j++) {
            if (node->output[j] != COVEY_VALUE_NONE) {
                add_block(p, node->output[j], (uint32_t)i + 1);
            }
        }
    }
    for (size_t i = 0; i < p->block_count; i++) {
        struct block *b = &p->blocks[i];
        b->last = p->last_use[b->root] > b->first ? p->last_use[b->root] : b->first;
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->bytes != y->bytes) {
        return x->bytes > y->bytes ? -1 : 1;
    }
    return (x->root > y->root) - (x->root < y->root);
}

static bool overlap(const struct block *a, const struct block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap between the placed blocks (sorted by offset) that live at the same time. */
static size_t find_gap(const struct block *const *placed, size_t count, const struct block *b)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!overlap(placed[i], b)) {
            continue;
        }
        if (placed[i]->offset >= at + b->bytes) {
            break;
        }
        size_t end = placed[i]->offset + placed[i]->bytes;
        at = end > at ? end : at;
    }
    return at;
}

/* Largest first, each as low as it fits. */
static covey_err place(struct planner *p, size_t *out_bytes)
{
    const struct block **placed = calloc(p->block_count + 1, sizeof(struct block *));
    uint64_t bytes = 0;
    if (placed == NULL) {
        return COVEY_ERR_NOMEM;
    }
    qsort(p->blocks, p->block_count, sizeof(*p->blocks), larger_first);
    for (size_t i = 0; i < p->block_count && bytes <= COVEY__MEMORY_MAX; i++) {
        struct block *b = &p->blocks[i];
        b->offset = find_gap(placed, i, b);
        uint64_t end = (uint64_t)b->offset + b->bytes;
        bytes = end > bytes ? end : bytes;
        size_t at = i;
        for (; at > 0 && placed[at - 1]->offset > b->offset; at--) {
            placed[at] = placed[at - 1];
        }
        placed[at] = b;
    }
    free(placed);
    if (bytes > COVEY__MEMORY_MAX) {
        return COVEY_ERR_LIMIT;
    }
    *out_bytes = (size_t)bytes;
    return COVEY_OK;
}

covey_err covey__plan_init(struct covey__plan *out, const struct covey_graph *g)
{
    covey_err err = COVEY_ERR_NOMEM;
    struct planner p = {.g = g};
    size_t bytes = 0;
    size_t *offset = calloc(g->value_count, sizeof(*offset));
    p.root = calloc(g->value_count, sizeof(*p.root));
    p.last_use = calloc(g->value_count, sizeof(*p.last_use));
    p.blocks = calloc(g->value_count + 1, sizeof(*p.blocks));
    if (offset == NULL || p.root == NULL || p.last_use == NULL || p.blocks == NULL) {
        goto out;
    }
    note_uses(&p);
    find_blocks(&p);
    err = place(&p, &bytes);
    if (err != COVEY_OK) {
        goto out;
    }
    for (size_t i = 0; i < p.block_count; i++) {
        offset[p.blocks[i].root] = p.blocks[i].offset;
    }
    for (size_t v = 0; v < g->value_count; v++) {
        offset[v] = offset[p.root[v]];
    }
    *out = (struct covey__plan){offset, bytes};
    offset = NULL;
out:
    free(offset);
    free(p.root);
    free(p.last_use);
    free(p.blocks);
    return err;
}

void covey__plan_done(struct covey__plan *p)
{
    free(p->offset);
    p->offset = NULL;
}
