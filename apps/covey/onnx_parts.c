/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

static int32_t read_axis(struct covey_onnx_build *b, int64_t fallback, uint16_t x)
{
    return covey__onnx_axis(b, covey__onnx_int(b, "axis", fallback), covey__onnx_shape(b, x).rank);
}

void covey__onnx_concat(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    size_t inputs = b->node->n_input;
    covey__onnx_begin(b, &e, inputs > 0 ? inputs : 1, SIZE_MAX);
    e.attrs.axis = read_axis(b, 1, e.input[0]);
    covey__onnx_finish(b, &e);
}

/* Sizes of equal parts; the last may be smaller (opset 18). */
static void even_sizes(struct covey_onnx_build *b, uint32_t dim, size_t parts, int64_t *out)
{
    size_t part = parts ? (dim + parts - 1) / parts : 0;
    if (parts == 0 || (b->opset < 18 && dim % parts != 0)) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%u is not divided by %zu", (unsigned)dim, parts);
    }
    for (size_t i = 0; i < parts; i++) {
        size_t left = dim > i * part ? dim - i * part : 0;
        out[i] = (int64_t)(left < part ? left : part);
    }
}

void covey__onnx_split(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t sizes[COVEY_ONNX_INTS_MAX] = {0};
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    size_t parts = b->node->n_output;
    e.attrs.axis = read_axis(b, 0, e.input[0]);
    size_t count = covey__onnx_list(b, "split", 1, 13, sizes);
    int64_t named = covey__onnx_int(b, "num_outputs", (int64_t)parts);
    if (parts > COVEY_NODE_OUTPUTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "more than %d outputs", COVEY_NODE_OUTPUTS_MAX);
    }
    if (b->err) {
        return;
    }
    if (count == SIZE_MAX || count == 0) {
        even_sizes(b, in.dims[e.attrs.axis], parts, sizes);
        count = parts;
    }
    if (count != parts || named != (int64_t)parts) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "%zu sizes for %zu outputs", count, parts);
    }
    for (size_t i = 0; !b->err && i < parts; i++) {
        if (sizes[i] < 0 || sizes[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "a part of %lld", (long long)sizes[i]);
        }
        e.attrs.sizes[i] = (uint32_t)sizes[i];
    }
    covey__onnx_finish(b, &e);
}

/* One axis of a slice. Slice-13: start and end are clamped to [0, dim] forwards, start to
 * [0, dim - 1] and end to [-1, dim - 1] backwards; negative ones count from the end. */
static void slice_axis(struct covey_op_attrs *a, size_t axis, int64_t dim, const int64_t by[3])
{
    int64_t start = by[0];
    int64_t end = by[1];
    int64_t step = by[2];
    int64_t low = step < 0 ? -1 : 0;
    int64_t high = step < 0 ? dim - 1 : dim;
    start = start < 0 ? (start < -dim ? -1 - dim : start) + dim : start;
    end = end < 0 ? (end < -dim ? -1 - dim : end) + dim : end;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    int64_t room = step < 0 ? start - end : end - start;
    uint64_t stride = step < 0 ? 0 - (uint64_t)step : (uint64_t)step;
    a->start[axis] = start < 0 ? 0 : start;
    a->step[axis] = step;
    a->shape[axis] = room > 0 ? (int64_t)(((uint64_t)room - 1) / stride + 1) : 0;
}

/* starts, ends, axes, steps: attributes before opset 10, inputs since. */
struct slice {
    int64_t list[4][COVEY_ONNX_INTS_MAX];
    size_t count[4];
};

static void read_slice(struct covey_onnx_build *b, struct slice *s)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    for (size_t i = 0; i < 4; i++) {
        s->count[i] = i == 3 && b->opset < 10
                          ? SIZE_MAX
                          : covey__onnx_list(b, names[i], i + 1, 10, s->list[i]);
    }
    for (size_t i = 0; i < 4 && !b->err; i++) {
        bool given = s->count[i] != SIZE_MAX;
        if (given ? s->count[i] != s->count[0] || s->count[i] > COVEY_RANK_MAX : i < 2) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its %s do not match", names[i]);
        }
    }
}

void covey__onnx_slice(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    struct slice s = {{{0}}, {0}};
    covey__onnx_begin(b, &e, 1, 1);
    struct covey_shape in = covey__onnx_shape(b, e.input[0]);
    read_slice(b, &s);
    e.attrs.shape_rank = in.rank;
    for (size_t i = 0; i < in.rank; i++) {
        e.attrs.start[i] = 0;
        e.attrs.step[i] = 1;
        e.attrs.shape[i] = -1; /* all, whatever the batch is */
    }
    for (size_t i = 0; !b->err && i < s.count[0]; i++) {
        int64_t given = s.count[2] == SIZE_MAX ? (int64_t)i : s.list[2][i];
        int64_t step = s.count[3] == SIZE_MAX ? 1 : s.list[3][i];
        uint8_t axis = covey__onnx_axis(b, given, in.rank);
        if (step == 0) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "a step of 0");
        }
        if (!b->err) {
            slice_axis(&e.attrs, axis, in.dims[axis],
                       (const int64_t[]){s.list[0][i], s.list[1][i], step});
        }
    }
    covey__onnx_finish(b, &e);
}

void covey__onnx_gather(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 2);
    e.attrs.axis = read_axis(b, 0, e.input[0]);
    covey__onnx_finish(b, &e);
}

void covey__onnx_gather_nd(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 2);
    e.attrs.size =
        (uint32_t)covey__onnx_int_in(b, "batch_dims", 0, (const int64_t[]){0, COVEY_RANK_MAX});
    covey__onnx_finish(b, &e);
}

/* ScatterElements (Scatter before opset 11) and ScatterND. */
void covey__onnx_scatter(struct covey_onnx_build *b)
{
    static const char *const reductions[] = {"none", "add", "mul", "max", "min", NULL};
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 3, 3);
    if (b->op == COVEY_OP_SCATTERELEMENTS) {
        e.attrs.axis = read_axis(b, 0, e.input[0]);
    }
    e.attrs.mode = covey__onnx_choice(b, "reduction", reductions);
    covey__onnx_finish(b, &e);
}

/* DepthToSpace and SpaceToDepth. */
void covey__onnx_blocks(struct covey_onnx_build *b)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    e.attrs.size = (uint32_t)covey__onnx_int_in(b, "blocksize", 0, (const int64_t[]){1, 1 << 15});
    if (b->op == COVEY_OP_DEPTHTOSPACE) {
        e.attrs.mode = covey__onnx_choice(b, "mode", modes);
    }
    covey__onnx_finish(b, &e);
}

void covey__onnx_one_hot(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t depth = 0;
    uint16_t indices = covey__onnx_need(b, 0);
    uint16_t values = covey__onnx_need(b, 2);
    if (covey__onnx_known(b, 1, &depth, 1) != 1 || depth < 1 || depth > COVEY_TENSOR_ELEMENTS_MAX) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "its depth is %lld", (long long)depth);
    }
    covey__onnx_emit_init(&e, b->op);
    covey__onnx_emit_add(b, &e, indices);
    covey__onnx_emit_add(b, &e, values);
    e.attrs.size = (uint32_t)depth;
    e.attrs.axis = covey__onnx_axis(b, covey__onnx_int(b, "axis", -1),
                                    covey__onnx_shape(b, indices).rank + 1U);
    covey__onnx_finish(b, &e);
}

void covey__onnx_trilu(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    int64_t k = 0;
    covey__onnx_begin(b, &e, 1, 1);
    (void)covey__onnx_known(b, 1, &k, 1);
    e.attrs.mode = covey__onnx_flag(b, "upper", true);
    /* Beyond any matrix one diagonal is like the other. */
    k = k < -COVEY_TENSOR_ELEMENTS_MAX ? -COVEY_TENSOR_ELEMENTS_MAX : k;
    e.attrs.axis = (int32_t)(k > COVEY_TENSOR_ELEMENTS_MAX ? COVEY_TENSOR_ELEMENTS_MAX : k);
    covey__onnx_finish(b, &e);
}
