/* SPDX-License-Identifier: MIT */
#include "build.h"

#include <math.h>
#include <stdio.h>

#include "ops.h"

enum {
    SIDE_MAX = 4096,       /* of an input image */
    CHANNELS_MAX = 1024,   /* of an input image */
    CLASSES_MAX = 1 << 20, /* far beyond any label list */
};

typedef void (*network_fn)(struct covey__build *b);

static const struct {
    const char *name;
    network_fn build;
} networks[] = {
    {"mlp", covey__build_mlp},
    {"lenet5", covey__build_lenet5},
    {"vgg8", covey__build_vgg8},
    {"vgg11", covey__build_vgg11},
    {"vgg16", covey__build_vgg16},
    {"vgg19", covey__build_vgg19},
    {"alexnet", covey__build_alexnet},
    {"squeezenet", covey__build_squeezenet},
    {"resnet20", covey__build_resnet20},
    {"resnet34", covey__build_resnet34},
    {"resnet50", covey__build_resnet50},
    {"wrn", covey__build_wrn},
    {"mobilenet", covey__build_mobilenet},
    {"mobilenet_v2", covey__build_mobilenet_v2},
};

size_t covey_build_count(void)
{
    return sizeof(networks) / sizeof(networks[0]);
}

const char *covey_build_name(size_t i)
{
    return i < covey_build_count() ? networks[i].name : NULL;
}

const struct covey_shape *covey__build_shape(const struct covey__build *b)
{
    return &b->g->values[b->x].shape;
}

uint32_t covey__build_channels(const struct covey__build *b)
{
    return covey__build_shape(b)->dims[1];
}

uint32_t covey__build_side(const struct covey__build *b)
{
    const struct covey_shape *s = covey__build_shape(b);
    if (s->rank < 4) {
        return 1;
    }
    return s->dims[2] < s->dims[3] ? s->dims[2] : s->dims[3];
}

static void fail(struct covey__build *b, covey_err err)
{
    if (b->err == COVEY_OK) {
        b->err = err;
    }
}

/* splitmix64 (Steele, Lea, Flood 2014): the top 24 bits as a float in [-1, 1). */
static float next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(int32_t)(z >> 40) * 0x1p-23f - 1.0f;
}

/* A constant, uniform within bound around middle. */
static uint16_t constant(struct covey__build *b, struct covey_shape shape, float middle,
                         float bound)
{
    struct covey_graph_value value = {.shape = shape, .constant = true};
    uint16_t index = COVEY_VALUE_NONE;
    size_t count = 0;
    void *data = NULL;
    covey_err err = b->err;
    if (err == COVEY_OK) {
        err = covey_shape_count(&shape, &count);
    }
    if (err == COVEY_OK) {
        err = covey_graph_alloc(b->g, count * sizeof(float), &data);
    }
    if (err == COVEY_OK) {
        value.data = data;
        err = covey_graph_add_value(b->g, &value, &index);
    }
    if (err != COVEY_OK) {
        fail(b, err);
        return COVEY_VALUE_NONE;
    }
    float *floats = data;
    for (size_t i = 0; i < count; i++) {
        floats[i] = middle + (bound != 0.0f ? bound * next_random(&b->random) : 0.0f);
    }
    return index;
}

static struct covey_graph_node new_node(enum covey_op op)
{
    struct covey_graph_node node = {.op = op, .outputs = 1};
    covey_op_attrs_init(&node.attrs);
    return node;
}

/* Adds a node over x and node->input[1..], named by its kind and number; its output is x. */
static void add(struct covey__build *b, struct covey_graph_node *node, const char *kind)
{
    struct covey_graph_value value = {.constant = false};
    if (b->err != COVEY_OK) {
        return;
    }
    snprintf(node->name, sizeof(node->name), "%s%u", kind, ++b->layers);
    covey_err err = covey_graph_add_value(b->g, &value, &node->output[0]);
    if (err == COVEY_OK) {
        err = covey_graph_add_node(b->g, node);
    }
    if (err == COVEY_OK) {
        err = covey_graph_infer_last(b->g, b->why);
    }
    if (err != COVEY_OK) {
        fail(b, err);
        return;
    }
    b->x = node->output[0];
}

static void add_simple(struct covey__build *b, enum covey_op op, const char *kind)
{
    struct covey_graph_node node = new_node(op);
    node.inputs = 1;
    node.input[0] = b->x;
    add(b, &node, kind);
}

/* Weights of a layer behind x and, unless no_bias, its bias. */
static void add_weights(struct covey__build *b, struct covey_graph_node *node,
                        struct covey_shape weights, bool no_bias)
{
    float fan_in = (float)covey__shape_range(&weights, 1, weights.rank);
    node->inputs = no_bias ? 2 : 3;
    node->input[0] = b->x;
    node->input[1] = constant(b, weights, 0.0f, sqrtf(6.0f / fan_in));
    if (!no_bias) {
        struct covey_shape row = {1, {weights.dims[0]}};
        node->input[2] = constant(b, row, 0.0f, 1.0f / sqrtf(fan_in));
    }
}

void covey__build_conv(struct covey__build *b, struct covey__build_conv conv)
{
    struct covey_graph_node node = new_node(COVEY_OP_CONV);
    uint32_t groups = conv.groups == 0 ? 1 : conv.groups;
    if (b->err != COVEY_OK) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        node.attrs.kernel[i] = conv.kernel;
        node.attrs.stride[i] = conv.stride == 0 ? 1 : conv.stride;
        node.attrs.pads[i] = node.attrs.pads_end[i] = conv.pad;
    }
    node.attrs.groups = groups;
    struct covey_shape weights = {
        4, {conv.filters, covey__build_channels(b) / groups, conv.kernel, conv.kernel}};
    add_weights(b, &node, weights, conv.no_bias);
    add(b, &node, "conv");
}

void covey__build_dense(struct covey__build *b, uint32_t units)
{
    struct covey_graph_node node = new_node(COVEY_OP_DENSE);
    if (b->err == COVEY_OK) {
        struct covey_shape weights = {2, {units, covey__build_channels(b)}};
        add_weights(b, &node, weights, false);
        add(b, &node, "dense");
    }
}

void covey__build_batchnorm(struct covey__build *b)
{
    struct covey_graph_node node = new_node(COVEY_OP_BATCHNORM);
    if (b->err != COVEY_OK) {
        return;
    }
    struct covey_shape row = {1, {covey__build_channels(b)}};
    node.inputs = 5;
    node.input[0] = b->x;
    node.input[1] = constant(b, row, 1.0f, 0.0f);
    node.input[2] = constant(b, row, 0.0f, 0.0f);
    node.input[3] = constant(b, row, 0.0f, 0.0f);
    node.input[4] = constant(b, row, 1.0f, 0.0f);
    add(b, &node, "norm");
}

void covey__build_relu(struct covey__build *b)
{
    add_simple(b, COVEY_OP_RELU, "relu");
}

void covey__build_relu6(struct covey__build *b)
{
    struct covey_graph_node node = new_node(COVEY_OP_CLIP);
    node.inputs = 1;
    node.input[0] = b->x;
    node.attrs.low = 0.0f;
    node.attrs.high = 6.0f;
    add(b, &node, "relu6_");
}

void covey__build_dropout(struct covey__build *b, float ratio)
{
    struct covey_graph_node node = new_node(COVEY_OP_DROPOUT);
    node.inputs = 1;
    node.input[0] = b->x;
    node.attrs.alpha = ratio;
    add(b, &node, "dropout");
}

void covey__build_flatten(struct covey__build *b)
{
    add_simple(b, COVEY_OP_FLATTEN, "flatten");
}

void covey__build_maxpool(struct covey__build *b, struct covey__build_pool pool)
{
    struct covey_graph_node node = new_node(COVEY_OP_MAXPOOL);
    if (b->err != COVEY_OK || covey__build_side(b) < pool.kernel) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        node.attrs.kernel[i] = pool.kernel;
        node.attrs.stride[i] = pool.stride;
        node.attrs.pads[i] = node.attrs.pads_end[i] = pool.pad;
    }
    node.attrs.ceil_mode = pool.ceil_mode;
    node.inputs = 1;
    node.input[0] = b->x;
    add(b, &node, "pool");
}

void covey__build_global_pool(struct covey__build *b)
{
    add_simple(b, COVEY_OP_GLOBALAVGPOOL, "pool");
    covey__build_flatten(b);
}

static void add_pair(struct covey__build *b, enum covey_op op, uint16_t other, const char *kind)
{
    struct covey_graph_node node = new_node(op);
    node.inputs = 2;
    node.input[0] = other;
    node.input[1] = b->x;
    add(b, &node, kind);
}

void covey__build_add(struct covey__build *b, uint16_t other)
{
    add_pair(b, COVEY_OP_ADD, other, "add");
}

void covey__build_concat(struct covey__build *b, uint16_t other)
{
    add_pair(b, COVEY_OP_CONCAT, other, "concat");
}

void covey__build_conv_bn(struct covey__build *b, struct covey__build_conv conv)
{
    conv.no_bias = true;
    covey__build_conv(b, conv);
    covey__build_batchnorm(b);
}

static covey_err check_options(const struct covey_build_options *o, struct covey_nn_error *why)
{
    if (o->channels == 0 || o->channels > CHANNELS_MAX || o->height == 0 || o->width == 0 ||
        o->height > SIDE_MAX || o->width > SIDE_MAX) {
        return covey__nn_fail(why, COVEY_ERR_RANGE,
                              "an input has 1 to %d channels and sides of 1 to %d", CHANNELS_MAX,
                              SIDE_MAX);
    }
    if (o->classes < 2 || o->classes > CLASSES_MAX) {
        return covey__nn_fail(why, COVEY_ERR_RANGE, "2 to %d classes", CLASSES_MAX);
    }
    if (o->depth > 1000 || o->units > 1 << 20 || !(o->scale >= 0.0f && o->scale <= 64.0f)) {
        return covey__nn_fail(why, COVEY_ERR_RANGE, "depth, units or width out of range");
    }
    return COVEY_OK;
}

static covey_err run_network(network_fn network, struct covey__build *b)
{
    const struct covey_build_options *o = b->options;
    struct covey_graph_value input = {.shape = {4, {1, o->channels, o->height, o->width}}};
    b->err = covey_graph_add_value(b->g, &input, &b->x);
    if (b->err == COVEY_OK) {
        b->err = covey_graph_add_input(b->g, b->x);
    }
    if (b->err == COVEY_OK) {
        network(b);
    }
    if (b->err == COVEY_OK) {
        b->err = covey_graph_add_output(b->g, b->x);
    }
    return b->err == COVEY_OK ? covey_graph_check(b->g, 0, b->why) : b->err;
}

covey_err covey_build(const char *name, const struct covey_build_options *options,
                      struct covey_graph **out, struct covey_nn_error *out_why)
{
    struct covey_nn_error why = {""};
    struct covey__build b = {.options = options, .random = options->seed, .why = &why};
    network_fn network = NULL;
    for (size_t i = 0; i < covey_build_count(); i++) {
        network = strcmp(networks[i].name, name) == 0 ? networks[i].build : network;
    }
    if (network == NULL) {
        return covey__nn_fail(out_why, COVEY_ERR_NOT_FOUND, "no network '%.40s'", name);
    }
    covey_err err = check_options(options, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_graph_new(&b.g);
    if (err == COVEY_OK) {
        err = run_network(network, &b);
    }
    if (err != COVEY_OK) {
        covey_graph_free(b.g);
        return covey__nn_fail(out_why, err, "%.40s: %.200s", name,
                              why.text[0] != '\0' ? why.text : covey_strerror(err));
    }
    *out = b.g;
    return COVEY_OK;
}
