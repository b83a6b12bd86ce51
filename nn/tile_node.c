/* SPDX-License-Identifier: MIT */
#include "tile_node.h"

enum { ROWS = 2, RANK = 4 };

bool covey__tile_picture(const struct covey_graph_value *v)
{
    return v->shape.rank == RANK;
}

static bool left_out(const struct covey_graph_node *node, unsigned output)
{
    return output >= node->outputs || node->output[output] == COVEY_VALUE_NONE;
}

static bool is_constant(const struct covey_graph *g, const struct covey_graph_node *node,
                        unsigned input)
{
    return input >= node->inputs || node->input[input] == COVEY_VALUE_NONE ||
           g->values[node->input[input]].constant;
}

/* Whether a constant that is broadcast (numpy) is the same for every row. */
static bool same_for_all_rows(const struct covey_shape *s)
{
    return s->rank < RANK - ROWS || s->dims[s->rank - (RANK - ROWS)] == 1;
}

/* Whether each row of the outputs comes from the same row of the inputs. */
static bool row_by_row(const struct covey_graph *g, const struct covey_graph_node *node)
{
    uint32_t rows = g->values[node->output[0]].shape.dims[ROWS];
    bool any = false;
    for (unsigned i = 0; i < node->inputs; i++) {
        if (node->input[i] == COVEY_VALUE_NONE) {
            continue;
        }
        const struct covey_graph_value *v = &g->values[node->input[i]];
        if (v->constant ? !same_for_all_rows(&v->shape) : v->shape.dims[ROWS] != rows) {
            return false;
        }
        any = any || !v->constant;
    }
    return any;
}

/* All inputs behind the first are constants. */
static bool one_input(const struct covey_graph *g, const struct covey_graph_node *node)
{
    for (unsigned i = 1; i < node->inputs; i++) {
        if (!is_constant(g, node, i)) {
            return false;
        }
    }
    return !is_constant(g, node, 0);
}

static bool along_channels(const struct covey_graph_node *node)
{
    return node->attrs.axis == 1 || node->attrs.axis == 1 - RANK;
}

/* One scale for all, or one for each channel. */
static bool scales_channels(const struct covey_graph *g, const struct covey_graph_node *node)
{
    const struct covey_shape *scale = &g->values[node->input[1]].shape;
    return one_input(g, node) &&
           (covey__shape_elements(scale) == 1 || (scale->rank == 1 && along_channels(node)));
}

/* Leaves images and rows whole. */
static bool slices_channels(const struct covey_graph *g, const struct covey_graph_node *node)
{
    const struct covey_shape *x = &g->values[node->input[0]].shape;
    const struct covey_shape *y = &g->values[node->output[0]].shape;
    const struct covey_op_attrs *a = &node->attrs;
    return x->dims[0] == y->dims[0] && x->dims[ROWS] == y->dims[ROWS] && a->start[0] == 0 &&
           a->start[ROWS] == 0;
}

static bool is_family(enum covey_op op, enum covey_op first)
{
    return (unsigned)op / COVEY_OP_FAMILY == (unsigned)first / COVEY_OP_FAMILY;
}

/* Operators without windows. */
static bool local_op(const struct covey_graph *g, const struct covey_graph_node *node)
{
    switch ((unsigned)node->op) {
    case COVEY_OP_BATCHNORM:
        return one_input(g, node);
    case COVEY_OP_DROPOUT:
    case COVEY_OP_LRN:
        return true;
    case COVEY_OP_CONCAT:
    case COVEY_OP_SPLIT:
        return along_channels(node);
    case COVEY_OP_SLICE:
        return slices_channels(g, node);
    case COVEY_OP_QUANTIZE:
    case COVEY_OP_DEQUANTIZE:
        return scales_channels(g, node);
    case COVEY_OP_DYNAMICQUANTIZE:
        return false;
    default:
        return is_family(node->op, COVEY_OP_RELU) || is_family(node->op, COVEY_OP_ADD);
    }
}

/* Every window has a row inside the picture: else a strip could need rows where there are none. */
static bool window_rule(const struct covey_graph *g, const struct covey_graph_node *node,
                        struct covey__tile_rule *out)
{
    const struct covey_op_attrs *a = &node->attrs;
    struct covey__tile_rule r = {.window = true,
                                 .stride = a->stride[0],
                                 .pads = a->pads[0],
                                 .pads_end = a->pads_end[0],
                                 .extent = (a->kernel[0] - 1) * a->dilation[0] + 1,
                                 .rows = g->values[node->input[0]].shape.dims[ROWS],
                                 .out_rows = g->values[node->output[0]].shape.dims[ROWS]};
    uint64_t reach = (uint64_t)(r.out_rows - 1) * r.stride + r.extent;
    r.last_with_previous = node->op == COVEY_OP_AVGPOOL && a->count_include_pad &&
                           reach > (uint64_t)r.rows + r.pads + r.pads_end;
    *out = r;
    return r.pads < r.extent && r.pads_end < r.extent;
}

static bool has_windows(const struct covey_graph *g, const struct covey_graph_node *node)
{
    switch ((unsigned)node->op) {
    case COVEY_OP_CONV:
        return is_constant(g, node, 1) && is_constant(g, node, 2) &&
               (node->inputs < 4 || node->input[3] == COVEY_VALUE_NONE || !is_constant(g, node, 3));
    case COVEY_OP_MAXPOOL:
        return left_out(node, 1);
    case COVEY_OP_AVGPOOL:
    case COVEY_OP_LPPOOL:
        return true;
    default:
        return false;
    }
}

bool covey__tile_rule(const struct covey_graph *g, const struct covey_graph_node *node,
                      struct covey__tile_rule *out)
{
    for (unsigned i = 0; i < node->outputs; i++) {
        if (!left_out(node, i) && !covey__tile_picture(&g->values[node->output[i]])) {
            return false;
        }
    }
    for (unsigned i = 0; i < node->inputs; i++) {
        if (!is_constant(g, node, i) && !covey__tile_picture(&g->values[node->input[i]])) {
            return false;
        }
    }
    if (has_windows(g, node)) {
        return !is_constant(g, node, 0) && window_rule(g, node, out);
    }
    *out = (struct covey__tile_rule){.stride = 1, .extent = 1};
    return local_op(g, node) && row_by_row(g, node);
}

struct covey__tile_rows covey__tile_makes(const struct covey__tile_rule *rule,
                                          struct covey__tile_rows needed)
{
    if (rule->last_with_previous && needed.end == rule->out_rows &&
        needed.begin == rule->out_rows - 1) {
        needed.begin--;
    }
    return needed;
}

/* Of windows [begin, end): the first row, which may be before the picture, and one behind the last.
 */
static void reach_of(const struct covey__tile_rule *rule, struct covey__tile_rows made,
                     int64_t out[2])
{
    out[0] = (int64_t)made.begin * rule->stride - rule->pads;
    out[1] = (int64_t)(made.end - 1) * rule->stride - rule->pads + rule->extent;
}

struct covey__tile_rows covey__tile_takes(const struct covey__tile_rule *rule,
                                          struct covey__tile_rows made)
{
    int64_t reach[2];
    if (!rule->window) {
        return made;
    }
    reach_of(rule, made, reach);
    return (struct covey__tile_rows){reach[0] > 0 ? (uint32_t)reach[0] : 0,
                                     reach[1] < (int64_t)rule->rows ? (uint32_t)reach[1]
                                                                    : rule->rows};
}

void covey__tile_pads(const struct covey__tile_rule *rule, struct covey__tile_rows made,
                      uint32_t out_pads[2])
{
    int64_t reach[2];
    reach_of(rule, made, reach);
    int64_t after = reach[1] - (int64_t)rule->rows;
    out_pads[0] = reach[0] < 0 ? (uint32_t)-reach[0] : 0;
    out_pads[1] = after > 0 ? (uint32_t)after : 0;
    if (rule->last_with_previous && out_pads[1] > rule->pads_end) {
        out_pads[1] = rule->pads_end; /* the last window is made by ceil_mode again */
    }
}
