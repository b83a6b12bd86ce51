/* SPDX-License-Identifier: MIT */
#include "onnx_write.h"

#include <stdio.h>
#include <stdlib.h>

#include "onnx.pb-c.h"

enum { ATTRIBUTES_MAX = 8, NAME_BYTES = 32 };

/* In front of everything that is allocated for the messages. */
struct block {
    struct block *next;
};

struct covey_onnx_writer {
    const struct covey_graph *g;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset;
    Onnx__OperatorSetIdProto *opsets[1];
    char **names; /* of each value */
    size_t made;  /* constants made for nodes, for their names */
    struct block *blocks;
    covey_err err;
};

/* Zeroed, freed with the writer; NULL sticks as NOMEM. */
static void *take(struct covey_onnx_writer *w, size_t count, size_t size)
{
    size_t bytes = 0;
    covey_err err = covey_size_mul(count, size, &bytes);
    struct block *b = err == COVEY_OK ? calloc(1, sizeof(*b) + bytes) : NULL;
    if (b == NULL) {
        w->err = COVEY_ERR_NOMEM;
        return NULL;
    }
    b->next = w->blocks;
    w->blocks = b;
    return b + 1;
}

static char *text(struct covey_onnx_writer *w, const char *s)
{
    size_t len = strlen(s);
    char *copy = take(w, len + 1, 1);
    if (copy != NULL) {
        memcpy(copy, s, len);
    }
    return copy;
}

static bool is_end(const uint16_t *ends, unsigned count, size_t value)
{
    for (unsigned i = 0; i < count; i++) {
        if (ends[i] == value) {
            return true;
        }
    }
    return false;
}

/* "input", "output", "weights7", "value9"; numbers are the graph's. */
static void name_value(struct covey_onnx_writer *w, size_t v)
{
    char name[NAME_BYTES];
    const struct covey_graph *g = w->g;
    if (v == g->input[0] && g->inputs > 0) {
        snprintf(name, sizeof(name), "input");
    } else if (v == g->output[0]) {
        snprintf(name, sizeof(name), "output");
    } else {
        snprintf(name, sizeof(name), "%s%zu", g->values[v].constant ? "weights" : "value", v);
    }
    w->names[v] = text(w, name);
}

/* The first dimension of what goes in and out is the batch. */
static Onnx__ValueInfoProto *value_info(struct covey_onnx_writer *w, uint16_t v)
{
    const struct covey_shape *s = &w->g->values[v].shape;
    Onnx__ValueInfoProto *info = take(w, 1, sizeof(*info));
    Onnx__TypeProto *type = take(w, 1, sizeof(*type));
    Onnx__TypeProto__Tensor *tensor = take(w, 1, sizeof(*tensor));
    Onnx__TensorShapeProto *shape = take(w, 1, sizeof(*shape));
    Onnx__TensorShapeProto__Dimension *dims = take(w, s->rank + 1u, sizeof(*dims));
    Onnx__TensorShapeProto__Dimension **list = take(w, s->rank + 1u, sizeof(void *));
    if (w->err != COVEY_OK) {
        return NULL;
    }
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    for (unsigned i = 0; i < s->rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&dims[i]);
        if (i == 0) {
            dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dims[i].dim_param = text(w, "batch");
        } else {
            dims[i].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dims[i].dim_value = s->dims[i];
        }
        list[i] = &dims[i];
    }
    shape->n_dim = s->rank;
    shape->dim = list;
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    info->name = w->names[v];
    info->type = type;
    return info;
}

/* data is borrowed and only read. */
static void add_tensor(struct covey_onnx_writer *w, char *name, const struct covey_shape *s,
                       int32_t data_type, struct covey_bytes data)
{
    Onnx__TensorProto *t = take(w, 1, sizeof(*t));
    int64_t *dims = take(w, s->rank + 1u, sizeof(*dims));
    if (w->err != COVEY_OK) {
        return;
    }
    union { /* the message's field is not const; packing only reads it */
        const uint8_t *in;
        uint8_t *out;
    } bridge = {.in = data.ptr};
    onnx__tensor_proto__init(t);
    for (unsigned i = 0; i < s->rank; i++) {
        dims[i] = s->dims[i];
    }
    t->n_dims = s->rank;
    t->dims = dims;
    t->has_data_type = 1;
    t->data_type = data_type;
    t->name = name;
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){data.len, bridge.out};
    w->graph.initializer[w->graph.n_initializer++] = t;
}

static void add_constants(struct covey_onnx_writer *w)
{
    for (size_t v = 0; v < w->g->value_count; v++) {
        const struct covey_graph_value *value = &w->g->values[v];
        size_t count = 0;
        if (!value->constant || w->err != COVEY_OK) {
            continue;
        }
        w->err = value->type == COVEY_TYPE_F32 ? covey_shape_count(&value->shape, &count)
                                               : COVEY_ERR_UNSUPPORTED;
        if (w->err == COVEY_OK) {
            add_tensor(w, w->names[v], &value->shape, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                       covey_bytes_of(value->data, count * sizeof(float)));
        }
    }
}

static void add_ends(struct covey_onnx_writer *w)
{
    for (unsigned i = 0; i < w->g->inputs; i++) {
        w->graph.input[w->graph.n_input++] = value_info(w, w->g->input[i]);
    }
    for (unsigned i = 0; i < w->g->outputs; i++) {
        w->graph.output[w->graph.n_output++] = value_info(w, w->g->output[i]);
    }
}

/* An output that nothing makes would need an Identity, which no builder leaves behind. */
static covey_err check_ends(const struct covey_graph *g)
{
    for (unsigned i = 0; i < g->outputs; i++) {
        if (g->values[g->output[i]].constant || is_end(g->input, g->inputs, g->output[i])) {
            return COVEY_ERR_UNSUPPORTED;
        }
    }
    return COVEY_OK;
}

covey_err covey__write_new(const struct covey_graph *g, const char *name,
                           struct covey_onnx_writer **out)
{
    struct covey_onnx_writer *w = NULL;
    covey_err err = check_ends(g);
    if (err != COVEY_OK) {
        return err;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->g = g;
    onnx__model_proto__init(&w->model);
    onnx__graph_proto__init(&w->graph);
    w->names = take(w, g->value_count + 1, sizeof(char *));
    w->graph.node = take(w, g->node_count + 1, sizeof(void *));
    w->graph.initializer = take(w, g->value_count + 2 * g->node_count + 1, sizeof(void *));
    w->graph.input = take(w, g->inputs + 1u, sizeof(void *));
    w->graph.output = take(w, g->outputs + 1u, sizeof(void *));
    w->graph.name = text(w, name);
    for (size_t v = 0; v < g->value_count && w->err == COVEY_OK; v++) {
        name_value(w, v);
    }
    if (w->err == COVEY_OK) {
        add_constants(w);
        add_ends(w);
    }
    err = w->err;
    if (err != COVEY_OK) {
        covey__write_free(w);
        return err;
    }
    *out = w;
    return COVEY_OK;
}

void covey__write_free(struct covey_onnx_writer *w)
{
    if (w == NULL) {
        return;
    }
    for (struct block *b = w->blocks; b != NULL;) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
    free(w);
}

unsigned covey__write_rank(const struct covey_onnx_writer *w, uint16_t value)
{
    return w->g->values[value].shape.rank;
}

void covey__write_node(struct covey_onnx_writer *w, const struct covey_graph_node *node,
                       const char *op_type)
{
    Onnx__NodeProto *n = take(w, 1, sizeof(*n));
    char **inputs = take(w, node->inputs + 2u, sizeof(char *)); /* two more may be added */
    char **outputs = take(w, node->outputs, sizeof(char *));
    Onnx__AttributeProto **attributes = take(w, ATTRIBUTES_MAX, sizeof(void *));
    char *empty = text(w, ""), *type = text(w, op_type), *name = text(w, node->name);
    if (w->err != COVEY_OK) {
        return;
    }
    onnx__node_proto__init(n);
    for (unsigned i = 0; i < node->inputs; i++) {
        inputs[i] = node->input[i] != COVEY_VALUE_NONE ? w->names[node->input[i]] : empty;
    }
    for (unsigned i = 0; i < node->outputs; i++) {
        outputs[i] = node->output[i] != COVEY_VALUE_NONE ? w->names[node->output[i]] : empty;
    }
    n->input = inputs;
    n->n_input = node->inputs;
    n->output = outputs;
    n->n_output = node->outputs;
    n->attribute = attributes;
    n->op_type = type;
    n->name = name;
    w->graph.node[w->graph.n_node++] = n;
}

static Onnx__AttributeProto *add_attribute(struct covey_onnx_writer *w, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = take(w, 1, sizeof(*a));
    char *copy = text(w, name);
    if (w->err != COVEY_OK) {
        return NULL;
    }
    Onnx__NodeProto *n = w->graph.node[w->graph.n_node - 1];
    COVEY_ASSERT(n->n_attribute < ATTRIBUTES_MAX);
    onnx__attribute_proto__init(a);
    a->name = copy;
    a->has_type = 1;
    a->type = type;
    n->attribute[n->n_attribute++] = a;
    return a;
}

void covey__write_int(struct covey_onnx_writer *w, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a != NULL) {
        a->has_i = 1;
        a->i = v;
    }
}

void covey__write_float(struct covey_onnx_writer *w, const char *name, float v)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a != NULL) {
        a->has_f = 1;
        a->f = v;
    }
}

void covey__write_ints(struct covey_onnx_writer *w, const char *name, const int64_t *v,
                       size_t count)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = take(w, count + 1, sizeof(*copy));
    if (a != NULL && copy != NULL) {
        memcpy(copy, v, count * sizeof(*v));
        a->ints = copy;
        a->n_ints = count;
    }
}

/* A constant of its own as the node's next input. */
static void add_input(struct covey_onnx_writer *w, const struct covey_shape *s, int32_t data_type,
                      struct covey_bytes data)
{
    char name[NAME_BYTES];
    uint8_t *copy = take(w, data.len + 1, 1);
    snprintf(name, sizeof(name), "constant%zu", w->made++);
    char *kept = text(w, name);
    if (w->err != COVEY_OK) {
        return;
    }
    memcpy(copy, data.ptr, data.len);
    add_tensor(w, kept, s, data_type, covey_bytes_of(copy, data.len));
    Onnx__NodeProto *n = w->graph.node[w->graph.n_node - 1];
    n->input[n->n_input++] = kept;
}

void covey__write_input_float(struct covey_onnx_writer *w, float v)
{
    const struct covey_shape scalar = {0, {0}};
    add_input(w, &scalar, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, covey_bytes_of(&v, sizeof(v)));
}

void covey__write_input_ints(struct covey_onnx_writer *w, const int64_t *v, size_t count)
{
    const struct covey_shape list = {1, {(uint32_t)count}};
    add_input(w, &list, ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
              covey_bytes_of(v, count * sizeof(*v)));
}

covey_err covey__write_done(struct covey_onnx_writer *w, int64_t opset, int64_t ir_version,
                            uint8_t **out, size_t *out_len)
{
    char *producer = text(w, "covey");
    if (w->err != COVEY_OK) {
        return w->err;
    }
    onnx__operator_set_id_proto__init(&w->opset);
    w->opset.has_version = 1;
    w->opset.version = opset;
    w->opsets[0] = &w->opset;
    w->model.opset_import = w->opsets;
    w->model.n_opset_import = 1;
    w->model.has_ir_version = 1;
    w->model.ir_version = ir_version;
    w->model.producer_name = producer;
    w->model.graph = &w->graph;
    size_t len = onnx__model_proto__get_packed_size(&w->model);
    uint8_t *bytes = malloc(len + 1);
    if (bytes == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *out_len = onnx__model_proto__pack(&w->model, bytes);
    *out = bytes;
    return COVEY_OK;
}
