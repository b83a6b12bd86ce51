/* SPDX-License-Identifier: MIT */
#include "covey/graph.h"

#include "graph_private.h"

covey_err covey_graph_optimize(struct covey_graph *g, struct covey_nn_error *out_why)
{
    return covey__graph_structure(g, out_why);
}
