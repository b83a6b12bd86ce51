/* SPDX-License-Identifier: MIT */
#include "covey/cost.h"

#include "graph_private.h"

static uint64_t elements(const struct covey_graph *g, uint16_t value)
{
    return covey__shape_elements(&g->values[value].shape);
}

/* Products of a window operator for each element made: channels of a group times taps. */
static uint64_t filter_taps(const struct covey_graph *g, uint16_t weights)
{
    const struct covey_shape *w = &g->values[weights].shape;
    return covey__shape_range(w, 1, w->rank);
}

uint64_t covey_graph_flops(const struct covey_graph *g, size_t i)
{
    const struct covey_graph_node *node = &g->nodes[i];
    const struct covey_shape *x = node->inputs > 0 ? &g->values[node->input[0]].shape : NULL;
    uint64_t made = elements(g, node->output[0]);
    switch ((unsigned)node->op) {
    case COVEY_OP_CONV:
    case COVEY_OP_CONVINTEGER:
        return 2 * made * filter_taps(g, node->input[1]);
    case COVEY_OP_QLINEARCONV:
        return 2 * made * filter_taps(g, node->input[3]);
    case COVEY_OP_CONVTRANSPOSE: /* each input element meets every tap of its group's filters */
        return 2 * elements(g, node->input[0]) * filter_taps(g, node->input[1]);
    case COVEY_OP_DENSE:
    case COVEY_OP_MATMUL:
    case COVEY_OP_MATMULINTEGER:
    case COVEY_OP_QLINEARMATMUL:
        return 2 * made * (x->rank > 0 ? x->dims[x->rank - 1] : 1);
    case COVEY_OP_GEMM:
        return 2 * made * x->dims[(node->attrs.mode & COVEY_GEMM_TRANS_A) != 0 ? 0 : 1];
    default:
        break;
    }
    bool moves =
        (unsigned)node->op / COVEY_OP_FAMILY == (unsigned)COVEY_OP_CONCAT / COVEY_OP_FAMILY;
    return moves || node->op == COVEY_OP_IDENTITY || node->op == COVEY_OP_DROPOUT ? 0 : made;
}

uint64_t covey_graph_total_flops(const struct covey_graph *g)
{
    uint64_t flops = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        flops += covey_graph_flops(g, i);
    }
    return flops;
}

/* Inputs of a node that training changes, as bits. */
static uint32_t trained_inputs(enum covey_op op)
{
    switch ((unsigned)op) {
    case COVEY_OP_CONV:
    case COVEY_OP_CONVTRANSPOSE:
    case COVEY_OP_DENSE:
    case COVEY_OP_GEMM:
    case COVEY_OP_BATCHNORM:
    case COVEY_OP_INSTANCENORM:
    case COVEY_OP_LAYERNORM:
    case COVEY_OP_GROUPNORM:
        return 1u << 1 | 1u << 2;
    case COVEY_OP_MATMUL:
    case COVEY_OP_PRELU:
    case COVEY_OP_CONVINTEGER:
    case COVEY_OP_MATMULINTEGER:
        return 1u << 1;
    case COVEY_OP_QLINEARCONV:
        return 1u << 3 | 1u << 8;
    case COVEY_OP_QLINEARMATMUL:
        return 1u << 3;
    case COVEY_OP_ADD:
        return 1u << 0 | 1u << 1;
    default:
        return 0;
    }
}

uint64_t covey_graph_node_parameters(const struct covey_graph *g, size_t i)
{
    const struct covey_graph_node *node = &g->nodes[i];
    uint32_t trained = trained_inputs(node->op);
    uint64_t count = 0;
    for (unsigned j = 0; j < node->inputs && j < 32; j++) {
        uint16_t v = node->input[j];
        if ((trained >> j & 1) != 0 && v != COVEY_VALUE_NONE && g->values[v].constant) {
            count += elements(g, v);
        }
    }
    return count;
}

uint64_t covey_graph_parameters(const struct covey_graph *g)
{
    uint64_t count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        count += covey_graph_node_parameters(g, i);
    }
    return count;
}

uint64_t covey_graph_value_bytes(const struct covey_graph *g, size_t value)
{
    return covey__graph_bytes(&g->values[value]);
}

uint64_t covey_graph_constant_bytes(const struct covey_graph *g)
{
    uint64_t bytes = 0;
    for (size_t v = 0; v < g->value_count; v++) {
        bytes += g->values[v].constant ? covey__graph_bytes(&g->values[v]) : 0;
    }
    return bytes;
}
