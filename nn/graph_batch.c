/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "graph_private.h"

/* Whether the inputs of a batch are answered each by itself. Two things are needed: every value
 * that depends on the input leads with the batch, whatever that is (shapes show it, at 1 and at
 * another), and no operator mixes along its first dimension. Operators not named here are taken to
 * mix: then there is no batch. */

struct batcher {
    struct covey_graph *g;
    uint32_t batch;
    bool *carries;           /* by value: depends on the input */
    struct covey_shape *one; /* by value: its shape at batch 1 */
};

static bool carries(const struct batcher *b, const struct covey_graph_node *node, unsigned input)
{
    return input < node->inputs && node->input[input] != COVEY_VALUE_NONE &&
           b->carries[node->input[input]];
}

static const struct covey_shape *shape_of(const struct batcher *b, uint16_t value)
{
    return &b->g->values[value].shape;
}

/* Only the first input depends on the batch. */
static bool only_first(const struct batcher *b, const struct covey_graph_node *node)
{
    for (unsigned i = 1; i < node->inputs; i++) {
        if (carries(b, node, i)) {
            return false;
        }
    }
    return carries(b, node, 0);
}

/* Broadcasting puts last dimensions together: the first ones meet where all ranks are the same. A
 * constant that long has one element for all of the batch, as at batch 1. */
static bool meets(const struct batcher *b, const struct covey_graph_node *node)
{
    unsigned rank = shape_of(b, node->output[0])->rank;
    for (unsigned i = 0; i < node->inputs; i++) {
        if (carries(b, node, i) && shape_of(b, node->input[i])->rank != rank) {
            return false;
        }
    }
    return true;
}

/* Rows of the first factor are apart, and so are matrices behind a leading dimension. */
static bool multiplies_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    unsigned rank = shape_of(b, node->output[0])->rank;
    if (only_first(b, node)) {
        return rank >= 2 && shape_of(b, node->input[0])->rank == rank;
    }
    return rank >= 3 && meets(b, node);
}

static bool along_other(const struct covey_graph_node *node, unsigned rank)
{
    int32_t axis = node->attrs.axis;
    return (axis < 0 ? axis + (int32_t)rank : axis) > 0;
}

static bool is_layer_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    const struct covey_op_attrs *a = &node->attrs;
    switch ((unsigned)node->op) {
    case COVEY_OP_CONV:
        return !carries(b, node, 1) && !carries(b, node, 2);
    case COVEY_OP_MATMUL:
        return multiplies_apart(b, node);
    case COVEY_OP_GEMM:
        return (a->mode & COVEY_GEMM_TRANS_A) == 0 && !carries(b, node, 1) && meets(b, node);
    case COVEY_OP_DENSE:
    case COVEY_OP_CONVTRANSPOSE:
    case COVEY_OP_BATCHNORM:
        return only_first(b, node);
    default:
        return node->op == COVEY_OP_DROPOUT;
    }
}

static bool is_binary_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    const struct covey_shape *x = shape_of(b, node->input[0]);
    switch ((unsigned)node->op) {
    case COVEY_OP_QUANTIZE:
    case COVEY_OP_DEQUANTIZE:
        return only_first(b, node) && (covey__shape_elements(shape_of(b, node->input[1])) == 1 ||
                                       along_other(node, x->rank));
    case COVEY_OP_DYNAMICQUANTIZE: /* one scale for all */
        return false;
    default:
        return meets(b, node);
    }
}

static bool is_window_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    unsigned rank = shape_of(b, node->input[0])->rank;
    switch ((unsigned)node->op) {
    case COVEY_OP_MAXPOOL: /* indices count through all images */
        return node->outputs < 2 || node->output[1] == COVEY_VALUE_NONE;
    case COVEY_OP_AVGPOOL:
    case COVEY_OP_LPPOOL:
    case COVEY_OP_GLOBALAVGPOOL:
    case COVEY_OP_GLOBALMAXPOOL:
    case COVEY_OP_GLOBALLPPOOL:
    case COVEY_OP_LRN:
        return true;
    case COVEY_OP_INSTANCENORM:
    case COVEY_OP_GROUPNORM:
        return only_first(b, node);
    case COVEY_OP_LAYERNORM:
        return only_first(b, node) && along_other(node, rank);
    case COVEY_OP_MVN:
        return (node->attrs.axes & 1) == 0;
    default:
        /* Reductions go by bits, the others along one axis. */
        return node->op >= COVEY_OP_REDUCEMEAN && node->op <= COVEY_OP_REDUCELOGSUMEXP
                   ? (node->attrs.axes & 1) == 0
                   : along_other(node, rank);
    }
}

static bool is_move_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    const struct covey_op_attrs *a = &node->attrs;
    unsigned rank = shape_of(b, node->input[0])->rank;
    switch ((unsigned)node->op) {
    case COVEY_OP_RESHAPE: /* the first dimension is the batch before and after */
    case COVEY_OP_FLATTEN:
    case COVEY_OP_DEPTHTOSPACE:
    case COVEY_OP_SPACETODEPTH:
        return true;
    case COVEY_OP_CONCAT:
    case COVEY_OP_SPLIT:
        return along_other(node, rank);
    case COVEY_OP_TRANSPOSE:
        return a->shape[0] == 0;
    case COVEY_OP_PAD:
        return a->pad[0] == 0 && a->pad[rank] == 0;
    case COVEY_OP_SLICE:
        return a->start[0] == 0 && a->step[0] == 1;
    case COVEY_OP_GATHER:
        return only_first(b, node) && along_other(node, rank);
    case COVEY_OP_EXPAND:
    case COVEY_OP_TILE:
        return shape_of(b, node->output[0])->rank == rank;
    case COVEY_OP_RESIZE:
        return a->coordinates != COVEY_COORD_TF_CROP_AND_RESIZE;
    case COVEY_OP_REVERSE:
        return (a->axes & 1) == 0;
    default:
        return false;
    }
}

static bool is_integer_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    switch ((unsigned)node->op) {
    case COVEY_OP_CONVINTEGER:
    case COVEY_OP_QLINEARCONV:
        return only_first(b, node);
    case COVEY_OP_MATMULINTEGER:
    case COVEY_OP_QLINEARMATMUL:
        return only_first(b, node) && multiplies_apart(b, node);
    default:
        return node->op == COVEY_OP_QLINEARADD && meets(b, node);
    }
}

static bool is_apart(const struct batcher *b, const struct covey_graph_node *node)
{
    switch ((unsigned)node->op / COVEY_OP_FAMILY) {
    case 0:
        return is_layer_apart(b, node);
    case 1:
        return true;
    case 2:
        return is_binary_apart(b, node);
    case 3:
        return is_window_apart(b, node);
    case 4:
        return is_move_apart(b, node);
    default:
        return is_integer_apart(b, node);
    }
}

/* [1 ...] and [batch ...], with the same dimensions behind. */
static bool leads(const struct batcher *b, uint16_t value)
{
    const struct covey_shape *one = &b->one[value];
    struct covey_shape many = *shape_of(b, value);
    if (one->rank == 0 || many.rank == 0 || one->dims[0] != 1 || many.dims[0] != b->batch) {
        return false;
    }
    many.dims[0] = 1;
    return covey_shape_equal(one, &many);
}

static bool node_is_apart(struct batcher *b, const struct covey_graph_node *node)
{
    bool depends = false;
    for (unsigned i = 0; i < node->inputs; i++) {
        depends = depends || carries(b, node, i);
    }
    for (unsigned i = 0; i < node->outputs && depends; i++) {
        if (node->output[i] == COVEY_VALUE_NONE) {
            continue;
        }
        b->carries[node->output[i]] = true;
        if (!leads(b, node->output[i])) {
            return false;
        }
    }
    return !depends || is_apart(b, node);
}

static covey_err refuse(const char *what, struct covey_nn_error *out_why)
{
    return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED,
                          "%s: the model cannot answer several inputs at once", what);
}

static covey_err check_nodes(struct batcher *b, struct covey_nn_error *out_why)
{
    struct covey_graph *g = b->g;
    if (g->inputs != 1 || !leads(b, g->input[0])) {
        return refuse("its input", out_why);
    }
    b->carries[g->input[0]] = true;
    for (size_t i = 0; i < g->node_count; i++) {
        if (!node_is_apart(b, &g->nodes[i])) {
            return refuse(covey__node_name(&g->nodes[i]), out_why);
        }
    }
    for (unsigned i = 0; i < g->outputs; i++) {
        if (!b->carries[g->output[i]]) {
            return refuse("its output", out_why);
        }
    }
    return COVEY_OK;
}

covey_err covey_graph_batch(struct covey_graph *g, uint32_t batch, struct covey_nn_error *out_why)
{
    struct batcher b = {.g = g, .batch = batch};
    b.carries = calloc(g->value_count + 1, sizeof(*b.carries));
    b.one = calloc(g->value_count + 1, sizeof(*b.one));
    covey_err err = b.carries != NULL && b.one != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err != COVEY_OK) {
        covey__nn_fail(out_why, err, "no memory for a batch");
        goto out;
    }
    for (size_t i = 0; i < g->value_count; i++) {
        b.one[i] = g->values[i].shape;
    }
    struct covey_nn_error inner = {""};
    if (batch == 0 || covey_graph_check(g, batch, &inner) != COVEY_OK) {
        err = refuse(inner.text[0] != '\0' ? inner.text : "a batch of 0", out_why);
        goto out;
    }
    err = check_nodes(&b, out_why);
out:
    free(b.carries);
    free(b.one);
    return err;
}
