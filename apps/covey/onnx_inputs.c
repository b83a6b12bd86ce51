/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "onnx_build.h"

/* What is given of the input of that name, the place-th. */
static const struct covey_onnx_given *find_given(const struct covey_onnx_build *b, const char *name,
                                                 size_t place)
{
    for (size_t i = 0; i < b->options->given_count; i++) {
        const struct covey_onnx_given *given = &b->options->given[i];
        if (given->name ? strcmp(given->name, name) == 0 : i == place) {
            return given;
        }
    }
    return NULL;
}

/* Dimension i as declared; 0: open. */
static int64_t declared(const Onnx__TypeProto__Tensor *t, size_t i)
{
    const Onnx__TensorShapeProto__Dimension *d = t->shape->dim[i];
    bool known = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    return known && d->dim_value != -1 ? d->dim_value : 0;
}

/* The given shape, where it agrees with the declared one. */
static struct covey_shape given_shape(struct covey_onnx_build *b, const char *name,
                                      const Onnx__TypeProto__Tensor *t,
                                      const struct covey_shape *given)
{
    bool differs = t->shape && t->shape->n_dim != given->rank;
    for (size_t i = 0; !differs && t->shape && i < given->rank; i++) {
        int64_t dim = declared(t, i);
        differs = dim > 0 && dim != given->dims[i];
    }
    if (differs) {
        covey__onnx_fail(b, COVEY_ERR_RANGE, "input '%.60s' is declared with another shape", name);
    }
    return *given;
}

static struct covey_shape declared_shape(struct covey_onnx_build *b, const char *name,
                                         const Onnx__TypeProto__Tensor *t)
{
    struct covey_shape shape = {0};
    if (!t->shape || t->shape->n_dim > COVEY_RANK_MAX) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "input '%.60s' has no shape of at most %d axes",
                         name, COVEY_RANK_MAX);
        return shape;
    }
    shape.rank = (uint8_t)t->shape->n_dim;
    for (size_t i = 0; i < shape.rank && !b->err; i++) {
        int64_t dim = declared(t, i);
        const char *param =
            t->shape->dim[i]->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM
                ? t->shape->dim[i]->dim_param
                : "";
        if (i == 0 && (dim == 0 || (dim == 1 && b->graph->inputs == 0))) {
            dim = b->options->batch ? (int64_t)b->options->batch : 1;
        }
        if (dim < 1 || dim > COVEY_TENSOR_ELEMENTS_MAX) {
            covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                             "input '%.60s': dimension %zu ('%.30s') is open or out of range", name,
                             i, param);
        }
        shape.dims[i] = (uint32_t)(b->err ? 0 : dim);
    }
    return shape;
}

/* A copy of what was given: a constant. */
static uint16_t bind(struct covey_onnx_build *b, const struct covey_tensor *given)
{
    uint16_t index = 0;
    void *data = covey__onnx_make(b, given->type, &given->shape, &index);
    size_t bytes = covey__onnx_count(b, index) * covey_type_size(given->type);
    if (data && bytes > 0) {
        memcpy(data, given->data, bytes);
    }
    return index;
}

static void define_input(struct covey_onnx_build *b, const Onnx__ValueInfoProto *info,
                         struct covey_onnx_value *v, size_t place)
{
    struct covey_graph_value value = {.data = NULL};
    size_t count = 0;
    const Onnx__TypeProto__Tensor *t =
        info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
            ? info->type->tensor_type
            : NULL;
    value.type = t ? covey__onnx_type(t->elem_type) : COVEY_TYPE_COUNT;
    if (value.type == COVEY_TYPE_COUNT) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "input '%.60s' is no tensor of a known type",
                         v->name);
        return;
    }
    const struct covey_onnx_given *given = find_given(b, v->name, place);
    value.shape =
        given ? given_shape(b, v->name, t, &given->tensor.shape) : declared_shape(b, v->name, t);
    if (!b->err && covey_shape_count(&value.shape, &count)) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "input '%.60s' has more than %d elements", v->name,
                         COVEY_TENSOR_ELEMENTS_MAX);
    }
    if (!b->err && given && given->tensor.data) {
        if (given->tensor.type != value.type) {
            covey__onnx_fail(b, COVEY_ERR_RANGE, "input '%.60s' is %s", v->name,
                             covey_type_name(value.type));
        }
        v->index = bind(b, &given->tensor);
        return;
    }
    if (b->err) {
        return;
    }
    char *name = strdup(v->name);
    if (!name || covey_graph_add_value(b->graph, &value, &v->index) ||
        covey_graph_add_input(b->graph, v->index)) {
        free(name);
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "out of memory or more than %d inputs",
                         COVEY_GRAPH_IO_MAX);
        return;
    }
    b->onnx->input_names[b->graph->inputs - 1] = name;
}

void covey__onnx_define_inputs(struct covey_onnx_build *b, const Onnx__GraphProto *g)
{
    b->onnx->input_names = calloc(COVEY_GRAPH_IO_MAX + 1, sizeof(char *));
    if (!b->onnx->input_names) {
        covey__onnx_fail(b, COVEY_ERR_NOMEM, "out of memory");
    }
    size_t place = 0;
    for (size_t i = 0; !b->err && i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        struct covey_onnx_value *v = name && name[0] ? covey__onnx_find(b, name) : NULL;
        if (!v) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "an input has no name");
        } else if (v->index == COVEY_VALUE_NONE) {
            /* else an initializer, as before IR version 4 */
            define_input(b, g->input[i], v, place++);
        }
    }
}
