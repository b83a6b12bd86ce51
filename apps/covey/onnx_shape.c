/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

/* Gives x the shape target, whose product is right: a constant under another shape, or a node that
 * also holds for other batches when the first axis stays. */
static covey_err finish_reshape(struct covey_onnx_build *b, const struct covey_onnx_value *x,
                                const struct covey_shape *in, const struct covey_shape *target)
{
    uint16_t index = 0;
    covey_err err = COVEY_OK;
    if (covey__onnx_constant(b, x)) {
        struct covey_graph_value v = b->graph->values[x->index];
        v.shape = *target;
        err = covey_graph_add_value(b->graph, &v, &index);
        return err ? covey__onnx_fail(b, err, "%s", covey_strerror(err))
                   : covey__onnx_define(b, index, -1);
    }
    int64_t dims[COVEY_RANK_MAX] = {0};
    for (size_t i = 0; i < target->rank; i++) {
        dims[i] = target->dims[i];
    }
    if (target->rank > 0 && in->rank > 0 && target->dims[0] == in->dims[0]) {
        dims[0] = 0;
    }
    err = covey__onnx_emit_reshape(b, x->index, dims, target->rank, &index);
    return err ? err : covey__onnx_define(b, index, -1);
}

/* The node's first input and its shape. */
static covey_err shaped_input(struct covey_onnx_build *b, struct covey_onnx_value **out_x,
                              struct covey_shape *out_shape)
{
    covey_err err = covey__onnx_floats(b, 0, true, out_x);
    return err ? err : covey__onnx_shape(b, (*out_x)->index, out_shape);
}

/* Resolves 0 (the same axis of in) and one -1 (what is left). */
static covey_err resolve(struct covey_onnx_build *b, const struct covey_shape *in,
                         const struct covey_onnx_value *want, struct covey_shape *out)
{
    struct covey_shape shape = {.rank = (uint8_t)want->count};
    size_t total = 0;
    size_t known = 1;
    size_t open = COVEY_RANK_MAX;
    bool bad = want->count > COVEY_RANK_MAX || covey_shape_count(in, &total) != COVEY_OK;
    for (size_t i = 0; !bad && i < want->count; i++) {
        int64_t dim = want->ints[i];
        if (dim == -1 && open == COVEY_RANK_MAX) {
            open = i;
            continue;
        }
        dim = dim == 0 && i < in->rank ? in->dims[i] : dim;
        bad = dim < 1 || dim > COVEY_TENSOR_ELEMENTS_MAX ||
              covey_size_mul(known, (size_t)dim, &known) != COVEY_OK;
        shape.dims[i] = (uint32_t)(bad ? 0 : dim);
    }
    if (!bad && open < COVEY_RANK_MAX) {
        bad = total % known != 0;
        shape.dims[open] = (uint32_t)(total / known);
        known = total;
    }
    if (bad || known != total) {
        return covey__onnx_fail(b, COVEY_ERR_MALFORMED,
                                "its input of %zu elements does not take the shape", total);
    }
    *out = shape;
    return COVEY_OK;
}

covey_err covey__onnx_reshape(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *want = NULL;
    struct covey_shape in = {0};
    struct covey_shape out = {0};
    int64_t allow_zero = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_integers(b, 1, true, &want);
    }
    if (!err) {
        err = covey__onnx_int(b, "allowzero", 0, &allow_zero);
    }
    if (err) {
        return err;
    }
    if (x->kind == COVEY_ONNX_INTEGERS && want->count <= 1 &&
        (want->count == 0 ? x->count == 1
                          : want->ints[0] == -1 || want->ints[0] == (int64_t)x->count)) {
        return covey__onnx_define_ints(b, x->ints, x->count, (uint8_t)want->count);
    }
    for (size_t i = 0; i < want->count; i++) {
        if (allow_zero && want->ints[i] == 0) {
            return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "allowzero with an empty shape");
        }
    }
    err = shaped_input(b, &x, &in);
    if (!err) {
        err = resolve(b, &in, want, &out);
    }
    return err ? err : finish_reshape(b, x, &in, &out);
}

covey_err covey__onnx_flatten(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_shape flat = {2, {1, 1}};
    struct covey_onnx_emit e;
    int64_t given = 1;
    uint8_t axis = 0;
    covey_err err = shaped_input(b, &x, &in);
    if (!err) {
        err = covey__onnx_int(b, "axis", 1, &given);
    }
    if (!err && given == in.rank) {
        axis = in.rank;
    } else if (!err) {
        err = covey__onnx_axis(b, given, in.rank, &axis);
    }
    if (err) {
        return err;
    }
    if (covey__onnx_constant(b, x)) {
        for (uint8_t i = 0; i < in.rank; i++) {
            flat.dims[i >= axis] *= in.dims[i];
        }
        return finish_reshape(b, x, &in, &flat);
    }
    covey__onnx_emit_init(&e, COVEY_OP_FLATTEN, x->index);
    e.attrs.axis = axis;
    return covey__onnx_finish(b, &e);
}

/* Element of a constant that stands at position `at` of its transposed form. */
static void transpose_constant(const struct covey_graph_value *v, const int64_t *perm,
                               const struct covey_shape *out_shape, float *out)
{
    size_t step[COVEY_RANK_MAX] = {0};
    size_t stride = 1;
    size_t count = 1;
    uint32_t at[COVEY_RANK_MAX] = {0};
    for (size_t i = v->shape.rank; i-- > 0;) {
        step[i] = stride;
        stride *= v->shape.dims[i];
        count *= v->shape.dims[i];
    }
    for (size_t i = 0; i < count; i++) {
        size_t from = 0;
        for (size_t d = 0; d < out_shape->rank; d++) {
            from += at[d] * step[perm[d]];
        }
        out[i] = ((const float *)v->data)[from];
        for (size_t d = out_shape->rank; d-- > 0;) {
            if (++at[d] < out_shape->dims[d]) {
                break;
            }
            at[d] = 0;
        }
    }
}

covey_err covey__onnx_transpose(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_shape out = {0};
    struct covey_onnx_emit e;
    int64_t perm[COVEY_RANK_MAX] = {0};
    size_t count = 0;
    unsigned seen = 0;
    covey_err err = shaped_input(b, &x, &in);
    if (!err) {
        err = covey__onnx_ints(b, "perm", perm, COVEY_RANK_MAX, &count);
    }
    if (err) {
        return err;
    }
    out.rank = in.rank;
    for (size_t i = 0; i < in.rank; i++) {
        perm[i] = count == 0 ? (int64_t)(in.rank - 1 - i) : perm[i];
        if ((count != 0 && count != in.rank) || perm[i] < 0 || perm[i] >= in.rank ||
            seen & (1U << perm[i])) {
            return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "perm is not an order of its %u axes",
                                    in.rank);
        }
        seen |= 1U << perm[i];
        out.dims[i] = in.dims[perm[i]];
    }
    if (covey__onnx_constant(b, x)) {
        float *data = NULL;
        uint16_t index = 0;
        err = covey__onnx_make(b, &out, &data, &index);
        if (err) {
            return err;
        }
        transpose_constant(&b->graph->values[x->index], perm, &out, data);
        return covey__onnx_define(b, index, -1);
    }
    covey__onnx_emit_init(&e, COVEY_OP_TRANSPOSE, x->index);
    e.attrs.shape_rank = in.rank;
    memcpy(e.attrs.shape, perm, sizeof perm);
    return covey__onnx_finish(b, &e);
}

/* Axes from the attribute before opset `since`, from input 1 from then on, as bits of rank axes. */
static covey_err axes_bits(struct covey_onnx_build *b, int64_t since, size_t rank,
                           uint32_t *out_bits, size_t *out_count)
{
    int64_t axes[COVEY_ONNX_INTS_MAX] = {0};
    size_t count = 0;
    uint32_t bits = 0;
    covey_err err = COVEY_OK;
    if (b->opset < since) {
        err = covey__onnx_ints(b, "axes", axes, COVEY_ONNX_INTS_MAX, &count);
    } else {
        struct covey_onnx_value *v = NULL;
        err = covey__onnx_integers(b, 1, false, &v);
        if (!err && v) {
            count = v->count;
            memcpy(axes, v->ints, sizeof axes);
        }
    }
    for (size_t i = 0; !err && i < count; i++) {
        uint8_t axis = 0;
        err = covey__onnx_axis(b, axes[i], rank, &axis);
        bits |= 1U << axis;
    }
    if (err) {
        return err;
    }
    *out_bits = bits;
    *out_count = count;
    return COVEY_OK;
}

covey_err covey__onnx_squeeze(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_shape out = {0};
    uint32_t bits = 0;
    size_t count = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err && x->kind == COVEY_ONNX_INTEGERS && x->count == 1) {
        covey__onnx_ignore(b, "axes");
        return covey__onnx_define_ints(b, x->ints, 1, 0);
    }
    if (!err) {
        err = shaped_input(b, &x, &in);
    }
    if (!err) {
        err = axes_bits(b, 13, in.rank, &bits, &count);
    }
    if (err) {
        return err;
    }
    for (uint8_t i = 0; i < in.rank; i++) {
        bool drop = count == 0 ? in.dims[i] == 1 : (bits >> i & 1) != 0;
        if (drop && in.dims[i] != 1) {
            return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "axis %u has %u elements", i,
                                    in.dims[i]);
        }
        if (!drop) {
            out.dims[out.rank++] = in.dims[i];
        }
    }
    return finish_reshape(b, x, &in, &out);
}

covey_err covey__onnx_unsqueeze(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_onnx_value *list = NULL;
    struct covey_shape in = {0};
    struct covey_shape out = {0};
    uint32_t bits = 0;
    size_t count = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err && x->kind == COVEY_ONNX_INTEGERS && x->shape.rank == 0) {
        covey__onnx_ignore(b, "axes");
        return covey__onnx_define_ints(b, x->ints, 1, 1);
    }
    if (!err) {
        err = shaped_input(b, &x, &in);
    }
    /* The rank of the output counts for negative axes; it follows from how many axes there are. */
    const Onnx__AttributeProto *a = covey__onnx_attribute(b, "axes");
    if (!err && b->opset >= 13) {
        err = covey__onnx_integers(b, 1, true, &list);
    }
    if (err) {
        return err;
    }
    size_t rank = in.rank + (list ? list->count : a ? a->n_ints : 0);
    if (rank > COVEY_RANK_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d dimensions", COVEY_RANK_MAX);
    }
    err = axes_bits(b, 13, rank, &bits, &count);
    if (err) {
        return err;
    }
    out.rank = (uint8_t)rank;
    size_t from = 0;
    for (size_t i = 0; i < rank; i++) {
        bool fresh = (bits >> i & 1) != 0;
        if (!fresh && from == in.rank) {
            return covey__onnx_fail(b, COVEY_ERR_MALFORMED, "an axis is given twice");
        }
        out.dims[i] = fresh ? 1 : in.dims[from++];
    }
    return finish_reshape(b, x, &in, &out);
}

covey_err covey__onnx_concat(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    int64_t given = 1;
    uint8_t axis = 0;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (!err) {
        err = covey__onnx_int(b, "axis", 1, &given);
    }
    if (!err && x->kind == COVEY_ONNX_INTEGERS) {
        return covey__onnx_fold_concat(b);
    }
    if (!err) {
        err = shaped_input(b, &x, &in);
    }
    if (!err) {
        err = covey__onnx_axis(b, given, in.rank, &axis);
    }
    if (err) {
        return err;
    }
    if (b->node->n_input > COVEY_NODE_INPUTS_MAX) {
        return covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d inputs", COVEY_NODE_INPUTS_MAX);
    }
    covey__onnx_emit_init(&e, COVEY_OP_CONCAT, x->index);
    e.attrs.axis = axis;
    for (size_t i = 1; i < b->node->n_input; i++) {
        err = covey__onnx_floats(b, i, true, &x);
        if (err) {
            return err;
        }
        e.input[i] = x->index;
        e.inputs = (uint8_t)(i + 1);
    }
    return covey__onnx_finish(b, &e);
}

/* pads: attribute before opset 11, input since. The list is begins, then ends. */
static covey_err read_pads(struct covey_onnx_build *b, int64_t *pads, size_t *out_count,
                           float *out_value)
{
    struct covey_onnx_value *v = NULL;
    if (b->opset < 11) {
        covey_err err = covey__onnx_float(b, "value", 0.0f, out_value);
        return err ? err : covey__onnx_ints(b, "pads", pads, COVEY_ONNX_INTS_MAX, out_count);
    }
    covey_err err = covey__onnx_integers(b, 1, true, &v);
    if (!err) {
        err = covey__onnx_scalar(b, 2, 0.0f, out_value);
    }
    if (!err && b->node->n_input > 3 && b->node->input[3][0]) {
        err = covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "axes");
    }
    if (!err) {
        memcpy(pads, v->ints, sizeof v->ints);
        *out_count = v->count;
    }
    return err;
}

covey_err covey__onnx_pad(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    int64_t pads[COVEY_ONNX_INTS_MAX] = {0};
    size_t count = 0;
    bool any = false;
    float value = 0.0f;
    char mode[16];
    covey_err err = shaped_input(b, &x, &in);
    if (err) {
        return err;
    }
    covey__onnx_emit_init(&e, COVEY_OP_PAD, x->index);
    err = covey__onnx_text(b, "mode", mode, sizeof mode);
    if (!err) {
        err = read_pads(b, pads, &count, &value);
        e.attrs.value = (double)value;
    }
    if (!err && count != 2U * in.rank) {
        err =
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%zu pads for %u dimensions", count, in.rank);
    }
    for (size_t i = 0; !err && i < count; i++) {
        if (pads[i] < 0 || pads[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            err = covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a pad of %lld", (long long)pads[i]);
        }
        any |= pads[i] != 0;
        e.attrs.pad[i] = (int32_t)pads[i];
    }
    if (err) {
        return err;
    }
    if (!any) {
        return covey__onnx_define(b, x->index, -1);
    }
    if (mode[0] && strcmp(mode, "constant") != 0) {
        return covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "mode %s", mode);
    }
    return covey__onnx_finish(b, &e);
}

covey_err covey__onnx_reduce_mean(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    struct covey_shape in = {0};
    struct covey_onnx_emit e;
    int64_t keep = 1;
    int64_t noop = 0;
    uint32_t bits = 0;
    size_t count = 0;
    covey_err err = shaped_input(b, &x, &in);
    if (!err) {
        err = axes_bits(b, 18, in.rank, &bits, &count);
    }
    if (!err) {
        err = covey__onnx_int(b, "keepdims", 1, &keep);
    }
    if (!err) {
        err = covey__onnx_int(b, "noop_with_empty_axes", 0, &noop);
    }
    if (err) {
        return err;
    }
    if (count == 0 && noop != 0) {
        return covey__onnx_define(b, x->index, -1);
    }
    covey__onnx_emit_init(&e, COVEY_OP_REDUCEMEAN, x->index);
    e.attrs.axes = count == 0 ? (1U << in.rank) - 1 : bits;
    e.attrs.keepdims = keep != 0;
    return covey__onnx_finish(b, &e);
}

covey_err covey__onnx_identity(struct covey_onnx_build *b)
{
    struct covey_onnx_value *x = NULL;
    covey_err err = covey__onnx_input(b, 0, true, &x);
    if (err) {
        return err;
    }
    if (strcmp(b->node->op_type, "Dropout") == 0) {
        covey__onnx_ignore(b, "ratio");
        covey__onnx_ignore(b, "seed");
    }
    if (x->kind == COVEY_ONNX_INTEGERS) {
        return covey__onnx_define_ints(b, x->ints, x->count, x->shape.rank);
    }
    err = covey__onnx_floats(b, 0, true, &x);
    return err ? err : covey__onnx_define(b, x->index, -1);
}
