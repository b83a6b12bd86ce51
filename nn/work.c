/* SPDX-License-Identifier: MIT */
#include "covey/cost.h"
#include "covey/tile.h"
#include "graph_private.h"
#include "model_private.h"

void covey_model_node_work(const struct covey_model *m, size_t node, struct covey_work *out)
{
    const struct covey_graph *g = covey__model_graph(m);
    *out = (struct covey_work){.flops = covey_graph_flops(g, node)};
    const struct covey_graph_node *n = &g->nodes[node];
    if (n->op == COVEY_OP_DENSE && g->values[n->input[0]].shape.dims[0] <= 16) {
        out->flops = 0;
        out->bytes = covey__graph_bytes(&g->values[n->input[1]]);
    }
}

void covey_model_work(const struct covey_model *m, struct covey_work *out)
{
    struct covey_work sum = {0, 0}, one;
    for (size_t i = 0; i < covey__model_graph(m)->node_count; i++) {
        covey_model_node_work(m, i, &one);
        sum.flops += one.flops;
        sum.bytes += one.bytes;
    }
    *out = sum;
}
