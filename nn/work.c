/* SPDX-License-Identifier: MIT */
#include "covey/cost.h"
#include "covey/tile.h"
#include "graph_private.h"
#include "kernels/skinny.h"
#include "layouts_private.h"
#include "model_private.h"

/* As in kernels/conv_work.c. */
enum {
    NODE = 40000,    /* calling a kernel */
    POOL = 48,       /* an element read by a pooling */
    CHANNEL = 11200, /* a channel of a pooling */
    AVERAGE = 24,    /* an element of a channel that becomes one */
    MOVE = 32,       /* an element made by copying */
    MAP = 24,        /* an element read or made, element by element */
    CURVE = 100,     /* the same through an exponential and its like */
    ROW = 200,       /* floats that each row of a product with one column takes longer */
    ROW_MIN = 512,
};

static uint64_t elements(const struct covey_tensor *t)
{
    return t != NULL ? covey__shape_elements(&t->shape) : 0;
}

static uint64_t in_elements(const struct covey__op_call *c)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < c->inputs; i++) {
        sum += elements(c->in[i]);
    }
    return sum;
}

/* Few columns: the weights' way through memory takes the time. More: BLAS, at most of its rate. */
static void product_work(const struct covey__op_call *c, uint64_t flops, struct covey_work *out)
{
    const struct covey_shape *w = &c->in[1]->shape;
    uint64_t weights = covey__shape_elements(w), bytes = weights * covey_type_size(c->in[1]->type);
    uint64_t k = w->rank > 0 ? w->dims[w->rank - 1] : 1;
    k = k > ROW_MIN ? k : ROW_MIN;
    uint64_t columns = weights > 0 ? flops / (2 * weights) : 0;
    if (columns <= COVEY__SKINNY_COLUMNS_MAX) {
        out->flops = columns > 1 ? flops / 2 : 0;
        out->bytes = bytes + bytes * ROW / k;
    } else {
        out->flops = flops + flops / 5;
        out->bytes = bytes;
    }
}

static void conv_work(const struct covey__op_call *c, bool constant, struct covey_work *out)
{
    struct covey__conv_plan plan;
    struct covey__conv_work work;
    covey__conv_call_plan(c, constant && !c->small, &plan);
    covey__conv_work(&plan, c->inputs > 3 && c->in[3] != NULL, &work);
    *out = (struct covey_work){.flops = work.flops, .bytes = work.bytes};
}

static bool curved(enum covey_op op)
{
    bool unary = (unsigned)op / COVEY_OP_FAMILY == (unsigned)COVEY_OP_RELU / COVEY_OP_FAMILY;
    return (unary && op != COVEY_OP_RELU && op != COVEY_OP_LEAKYRELU && op != COVEY_OP_CLIP &&
            op != COVEY_OP_IDENTITY && op != COVEY_OP_ABS && op != COVEY_OP_NEG) ||
           op == COVEY_OP_SOFTMAX || op == COVEY_OP_LOGSOFTMAX || op == COVEY_OP_LRN ||
           op == COVEY_OP_POW;
}

/* Windows: taps that are read for each element made, at least the input once. */
static uint64_t pool_flops(const struct covey__op_call *c)
{
    const struct covey_shape *x = &c->in[0]->shape;
    uint64_t taps = 1, channels = x->rank > 1 ? (uint64_t)x->dims[0] * x->dims[1] : 1;
    for (unsigned i = 2; i < x->rank && i < 2 + COVEY_SPATIAL_MAX; i++) {
        taps *= c->attrs->kernel[i - 2];
    }
    uint64_t read = elements(c->in[0]), windows = elements(c->out[0]) * taps / 3;
    return (read > windows ? read : windows) * POOL + channels * CHANNEL;
}

static uint64_t other_flops(const struct covey__op_call *c, enum covey_op op)
{
    unsigned family = (unsigned)op / COVEY_OP_FAMILY;
    if (op == COVEY_OP_MAXPOOL || op == COVEY_OP_AVGPOOL || op == COVEY_OP_LPPOOL) {
        return pool_flops(c);
    }
    if (op == COVEY_OP_GLOBALAVGPOOL || op == COVEY_OP_GLOBALMAXPOOL) {
        return in_elements(c) * AVERAGE;
    }
    if (family == (unsigned)COVEY_OP_CONCAT / COVEY_OP_FAMILY) {
        return elements(c->out[0]) * MOVE;
    }
    return (in_elements(c) + elements(c->out[0])) * (curved(op) ? CURVE : MAP);
}

static uint64_t act_flops(const struct covey__op_call *c)
{
    enum covey_act act = c->attrs->act;
    bool clamps = act == COVEY_ACT_NONE || act == COVEY_ACT_RELU || act == COVEY_ACT_CLIP;
    return clamps ? 0 : elements(c->out[0]) * CURVE;
}

void covey_model_node_work(const struct covey_model *m, size_t node, struct covey_work *out)
{
    const struct covey_graph *g = covey__model_graph(m);
    const struct covey_graph_node *n = &g->nodes[node];
    struct covey__graph_frame frame;
    *out = (struct covey_work){0, 0};
    if (covey__op_find(n->op)->alias) {
        return;
    }
    covey__graph_frame(g, n, &frame);
    covey__model_call(m, node, &frame.call);
    frame.call.thread_count = 1;
    switch ((unsigned)n->op) {
    case COVEY_OP_CONV:
        conv_work(&frame.call, g->values[n->input[1]].constant, out);
        break;
    case COVEY_OP_DENSE:
    case COVEY_OP_GEMM:
    case COVEY_OP_MATMUL:
        product_work(&frame.call, covey_graph_flops(g, node), out);
        break;
    case COVEY_OP_CONVTRANSPOSE:
    case COVEY_OP_CONVINTEGER:
    case COVEY_OP_QLINEARCONV:
    case COVEY_OP_MATMULINTEGER:
    case COVEY_OP_QLINEARMATMUL:
        out->flops = 2 * covey_graph_flops(g, node) + in_elements(&frame.call) * MAP;
        break;
    default:
        out->flops = other_flops(&frame.call, n->op);
        break;
    }
    out->flops += NODE + act_flops(&frame.call);
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
