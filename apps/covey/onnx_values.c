/* SPDX-License-Identifier: MIT */
#include "onnx_build.h"

#include <math.h>

#include "read_typed.h"

struct covey_onnx_value *covey__onnx_find(const struct covey_onnx_build *b, const char *name)
{
    size_t low = 0;
    size_t high = b->value_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, b->values[middle].name);
        if (order == 0) {
            return &b->values[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static const char *input_name(const struct covey_onnx_build *b, size_t i)
{
    return i < b->node->n_input && b->node->input[i] ? b->node->input[i] : "";
}

bool covey__onnx_has(const struct covey_onnx_build *b, size_t i)
{
    return input_name(b, i)[0] != '\0';
}

uint16_t covey__onnx_input(struct covey_onnx_build *b, size_t i)
{
    const char *name = input_name(b, i);
    if (b->err || name[0] == '\0') {
        return COVEY_VALUE_NONE;
    }
    const struct covey_onnx_value *v = covey__onnx_find(b, name);
    if (!v || v->index == COVEY_VALUE_NONE) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "its input '%.60s' %s", name,
                         v ? "is not made by any earlier node" : "does not exist");
        return COVEY_VALUE_NONE;
    }
    return v->index;
}

uint16_t covey__onnx_need(struct covey_onnx_build *b, size_t i)
{
    uint16_t index = covey__onnx_input(b, i);
    if (index == COVEY_VALUE_NONE) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "input %zu is missing", i);
    }
    return b->err ? 0 : index;
}

/* False after an error, and of an input that is left out. */
static bool is_value(const struct covey_onnx_build *b, uint16_t index)
{
    return !b->err && index < b->graph->value_count;
}

struct covey_shape covey__onnx_shape(const struct covey_onnx_build *b, uint16_t index)
{
    return !is_value(b, index) ? (struct covey_shape){0} : b->graph->values[index].shape;
}

enum covey_type covey__onnx_type_of(const struct covey_onnx_build *b, uint16_t index)
{
    return is_value(b, index) ? b->graph->values[index].type : COVEY_TYPE_F32;
}

size_t covey__onnx_count(const struct covey_onnx_build *b, uint16_t index)
{
    size_t count = 0;
    bool bad = !is_value(b, index) ||
               covey_shape_count(&b->graph->values[index].shape, &count) != COVEY_OK;
    return bad ? 0 : count;
}

const void *covey__onnx_constant(const struct covey_onnx_build *b, uint16_t index)
{
    if (covey__onnx_count(b, index) == 0) {
        return NULL;
    }
    return b->graph->values[index].constant ? b->graph->values[index].data : NULL;
}

double covey__onnx_element(const struct covey_onnx_build *b, uint16_t index, size_t i)
{
    const struct covey_graph_value *v = &b->graph->values[index];
    union { /* only read */
        const void *in;
        void *data;
    } bridge = {.in = v->data};
    struct covey_tensor t = {v->type, v->shape, bridge.data};
    return covey_tensor_element(&t, i);
}

int64_t covey__onnx_element_int(const struct covey_onnx_build *b, uint16_t index, size_t i)
{
    const struct covey_graph_value *v = &b->graph->values[index];
    if (v->type == COVEY_TYPE_I64) {
        return ((const int64_t *)v->data)[i];
    }
    double x = covey__onnx_element(b, index, i);
    return isnan(x) ? 0 : x >= 0x1p63 ? INT64_MAX : x < -0x1p63 ? INT64_MIN : (int64_t)x;
}

/* Value of input i, constant; NONE: left out or an error. Its elements are in *out_count. */
static uint16_t known(struct covey_onnx_build *b, size_t i, size_t *out_count)
{
    uint16_t index = covey__onnx_input(b, i);
    *out_count = 0;
    if (b->err || index == COVEY_VALUE_NONE) {
        return COVEY_VALUE_NONE;
    }
    if (!b->graph->values[index].constant) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its input '%.60s' must be known before the run",
                         input_name(b, i));
        return COVEY_VALUE_NONE;
    }
    *out_count = covey__onnx_count(b, index);
    return index;
}

size_t covey__onnx_known(struct covey_onnx_build *b, size_t i, int64_t *out, size_t max)
{
    size_t count = 0;
    uint16_t index = known(b, i, &count);
    if (index == COVEY_VALUE_NONE) {
        return SIZE_MAX;
    }
    if (count > max) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "its input '%.60s' has %zu numbers, at most %zu fit",
                         input_name(b, i), count, max);
        return SIZE_MAX;
    }
    for (size_t j = 0; j < count; j++) {
        out[j] = covey__onnx_element_int(b, index, j);
    }
    return count;
}

size_t covey__onnx_list(struct covey_onnx_build *b, const char *name, size_t i, int64_t since,
                        int64_t out[static COVEY_ONNX_INTS_MAX])
{
    if (b->opset >= since) {
        return covey__onnx_known(b, i, out, COVEY_ONNX_INTS_MAX);
    }
    if (!covey__onnx_attribute(b, name)) {
        return SIZE_MAX;
    }
    return covey__onnx_ints(b, name, out, COVEY_ONNX_INTS_MAX);
}

double covey__onnx_scalar(struct covey_onnx_build *b, size_t i, double fallback)
{
    size_t count = 0;
    uint16_t index = known(b, i, &count);
    if (index == COVEY_VALUE_NONE || count == 0) {
        return fallback;
    }
    if (count != 1) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its input '%.60s' is not one number",
                         input_name(b, i));
        return fallback;
    }
    return covey__onnx_element(b, index, 0);
}

uint8_t covey__onnx_axis(struct covey_onnx_build *b, int64_t axis, size_t rank)
{
    int64_t r = (int64_t)rank;
    if (axis < -r || axis >= r) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "axis %lld of %zu dimensions", (long long)axis, rank);
        return 0;
    }
    return (uint8_t)(axis < 0 ? axis + r : axis);
}

void *covey__onnx_make(struct covey_onnx_build *b, enum covey_type type,
                       const struct covey_shape *shape, uint16_t *out_index)
{
    struct covey_graph_value v = {.type = type, .shape = *shape, .constant = true};
    void *data = NULL;
    size_t count = 0;
    *out_index = 0;
    if (b->err) {
        return NULL;
    }
    covey_err err = covey_shape_count(shape, &count);
    size_t bytes = err ? 0 : count * covey_type_size(type);
    if (!err && bytes > COVEY_ONNX_MADE_MAX - b->made) {
        err = COVEY_ERR_LIMIT;
    }
    if (!err) {
        err = covey_graph_alloc(b->graph, bytes, &data);
    }
    if (!err) {
        v.data = data;
        err = covey_graph_add_value(b->graph, &v, out_index);
    }
    if (err) {
        covey__onnx_fail(b, err, "a constant of %zu elements: %s", count, covey_strerror(err));
        return NULL;
    }
    b->made += bytes;
    return data;
}

void covey__onnx_define(struct covey_onnx_build *b, size_t i, uint16_t index)
{
    const char *name = i < b->node->n_output ? b->node->output[i] : "";
    if (b->err || (i > 0 && name[0] == '\0')) {
        return;
    }
    struct covey_onnx_value *v = name[0] ? covey__onnx_find(b, name) : NULL;
    if (!v || v->index != COVEY_VALUE_NONE) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "it has no output of its own");
        return;
    }
    v->index = index;
}
