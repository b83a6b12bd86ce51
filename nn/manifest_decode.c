/* SPDX-License-Identifier: MIT */
#include "manifest_private.h"

#include <stdlib.h>

#include "graph_private.h"

/* Bytes of all constants together: 4 GiB. */
#define CONSTANT_BYTES_MAX ((uint64_t)1 << 32)

static void get_shape(struct covey_cbor_reader *r, struct covey_shape *out)
{
    size_t rank = covey_cbor_enter_array(r, COVEY_RANK_MAX);
    for (size_t i = 0; i < rank && r->err == COVEY_OK; i++) {
        out->dims[i] = (uint32_t)covey_cbor_get_uint(r, COVEY_TENSOR_ELEMENTS_MAX);
    }
    covey_cbor_leave(r);
    out->rank = r->err == COVEY_OK ? (uint8_t)rank : 0;
}

/* The digests' bytes are in the input, so that memory follows the input's length. */
static covey_err add_blobs(struct covey_manifest *mf, struct covey__constant *c,
                           struct covey_bytes bytes)
{
    if (bytes.len != c->cut.blobs * sizeof(struct covey_digest)) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_blob *more =
        realloc(mf->blobs, (mf->blob_count + c->cut.blobs) * sizeof(*mf->blobs));
    if (more == NULL) {
        return COVEY_ERR_NOMEM;
    }
    mf->blobs = more;
    c->first = mf->blob_count;
    for (size_t i = 0; i < c->cut.blobs; i++) {
        struct covey_blob *b = &mf->blobs[mf->blob_count++];
        memcpy(b->digest.bytes, bytes.ptr + i * sizeof(b->digest.bytes), sizeof(b->digest.bytes));
        b->len = c->cut.blob_bytes;
    }
    return COVEY_OK;
}

static void get_constant(struct covey_cbor_reader *r, struct covey_manifest *mf,
                         struct covey__constant *c, struct covey_graph_value *out)
{
    struct covey_bytes digests = {NULL, 0};
    uint32_t unit_rows = 0;
    uint64_t key = 0;
    covey_cbor_enter_map(r, 4);
    while (covey_cbor_next_key(r, &key)) {
        switch (key) {
        case COVEY__VALUE_KEY_SHAPE:
            get_shape(r, &out->shape);
            break;
        case COVEY__VALUE_KEY_UNIT_ROWS:
            unit_rows = (uint32_t)covey_cbor_get_uint(r, COVEY_TENSOR_ELEMENTS_MAX);
            break;
        case COVEY__VALUE_KEY_DIGESTS:
            digests = covey_cbor_get_bytes(r, COVEY_LAYER_UNITS_MAX * sizeof(struct covey_digest));
            break;
        case COVEY__VALUE_KEY_TYPE:
            out->type = (enum covey_type)covey_cbor_get_uint(r, COVEY_TYPE_COUNT - 1);
            if (r->err == COVEY_OK && out->type == COVEY_TYPE_F32) {
                r->err = COVEY_ERR_MALFORMED; /* float32 is left out */
            }
            break;
        default:
            r->err = COVEY_ERR_UNSUPPORTED;
        }
    }
    if (r->err == COVEY_OK) {
        r->err = covey__manifest_cut(out, unit_rows, &c->cut);
    }
    if (r->err == COVEY_OK) {
        r->err = add_blobs(mf, c, digests);
    }
}

static void get_value(struct covey_cbor_reader *r, struct covey_manifest *mf, uint64_t *inout_bytes)
{
    struct covey_graph_value value = {.constant = false};
    struct covey__constant *c = &mf->constants[mf->graph->value_count];
    enum covey_cbor_type type = covey_cbor_peek(r);
    uint16_t index;
    if (type == COVEY_CBOR_MAP) {
        value.constant = true;
        get_constant(r, mf, c, &value);
        *inout_bytes += c->cut.blobs * c->cut.blob_bytes;
        if (r->err == COVEY_OK && *inout_bytes > CONSTANT_BYTES_MAX) {
            r->err = COVEY_ERR_LIMIT;
        }
    } else if (type == COVEY_CBOR_ARRAY) {
        get_shape(r, &value.shape);
    } else {
        covey_cbor_get_null(r);
    }
    if (r->err == COVEY_OK) {
        r->err = covey_graph_add_value(mf->graph, &value, &index);
    }
}

static void get_values(struct covey_cbor_reader *r, struct covey_manifest *mf)
{
    uint64_t bytes = 0;
    size_t count = covey_cbor_enter_array(r, COVEY_GRAPH_VALUES_MAX);
    if (r->err != COVEY_OK) {
        return;
    }
    mf->constants = calloc(count + 1, sizeof(*mf->constants));
    if (mf->constants == NULL) {
        r->err = COVEY_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        get_value(r, mf, &bytes);
    }
    covey_cbor_leave(r);
}

static uint8_t get_indices(struct covey_cbor_reader *r, uint16_t *values, size_t max)
{
    size_t count = covey_cbor_enter_array(r, max);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        if (covey_cbor_peek(r) == COVEY_CBOR_NULL) {
            covey_cbor_get_null(r);
            values[i] = COVEY_VALUE_NONE;
        } else {
            values[i] = (uint16_t)covey_cbor_get_uint(r, COVEY_GRAPH_VALUES_MAX);
        }
    }
    covey_cbor_leave(r);
    return r->err == COVEY_OK ? (uint8_t)count : 0;
}

static void get_node(struct covey_cbor_reader *r, struct covey_manifest *mf)
{
    struct covey_graph_node node = {.op = COVEY_OP_NONE};
    uint64_t key = 0;
    covey_op_attrs_init(&node.attrs);
    covey_cbor_enter_map(r, 5);
    while (covey_cbor_next_key(r, &key)) {
        switch (key) {
        case COVEY__NODE_KEY_OP:
            node.op = (enum covey_op)covey_cbor_get_uint(r, COVEY_OP_COUNT - 1);
            break;
        case COVEY__NODE_KEY_INPUTS:
            node.inputs = get_indices(r, node.input, COVEY_NODE_INPUTS_MAX);
            break;
        case COVEY__NODE_KEY_OUTPUTS:
            node.outputs = get_indices(r, node.output, COVEY_NODE_OUTPUTS_MAX);
            break;
        case COVEY__NODE_KEY_ATTRS:
            covey__attrs_get(r, &node.attrs);
            break;
        case COVEY__NODE_KEY_NAME:
            covey_cbor_get_string(r, node.name, sizeof(node.name));
            break;
        default:
            r->err = COVEY_ERR_UNSUPPORTED;
        }
    }
    if (r->err == COVEY_OK) {
        r->err = covey_graph_add_node(mf->graph, &node);
    }
}

static void get_nodes(struct covey_cbor_reader *r, struct covey_manifest *mf)
{
    size_t count = covey_cbor_enter_array(r, COVEY_GRAPH_NODES_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        get_node(r, mf);
    }
    covey_cbor_leave(r);
}

static covey_err read_all(struct covey_manifest *mf, struct covey_bytes in)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    unsigned seen = 0;
    covey_cbor_reader_init(&r, in);
    covey_cbor_enter_map(&r, COVEY__MANIFEST_KEY_PREPARE);
    while (covey_cbor_next_key(&r, &key)) {
        switch (key) {
        case COVEY__MANIFEST_KEY_VERSION:
            if (covey_cbor_get_uint(&r, UINT32_MAX) != COVEY__MANIFEST_VERSION &&
                r.err == COVEY_OK) {
                r.err = COVEY_ERR_UNSUPPORTED;
            }
            break;
        case COVEY__MANIFEST_KEY_NAME:
            covey_cbor_get_string(&r, mf->name, sizeof(mf->name));
            break;
        case COVEY__MANIFEST_KEY_INPUT:
            mf->graph->input[0] = (uint16_t)covey_cbor_get_uint(&r, COVEY_GRAPH_VALUES_MAX);
            break;
        case COVEY__MANIFEST_KEY_OUTPUT:
            mf->graph->output[0] = (uint16_t)covey_cbor_get_uint(&r, COVEY_GRAPH_VALUES_MAX);
            break;
        case COVEY__MANIFEST_KEY_VALUES:
            get_values(&r, mf);
            break;
        case COVEY__MANIFEST_KEY_NODES:
            get_nodes(&r, mf);
            break;
        case COVEY__MANIFEST_KEY_LABELS:
            covey__manifest_get_labels(&r, mf);
            break;
        case COVEY__MANIFEST_KEY_PREPARE:
            covey__manifest_get_prepare(&r, mf);
            break;
        default:
            r.err = COVEY_ERR_UNSUPPORTED;
        }
        seen += key <= COVEY__MANIFEST_KEYS;
    }
    covey_err err = covey_cbor_reader_done(&r);
    return err == COVEY_OK && seen != COVEY__MANIFEST_KEYS ? COVEY_ERR_MALFORMED : err;
}

/* Each layer that can be split must have its weights in units, since that is how they travel. But
 * for those of integers, whose units are no part of their bytes: their owner makes them. */
static covey_err find_layers(struct covey_manifest *mf, struct covey_nn_error *out_why)
{
    const struct covey_graph *g = mf->graph;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct covey_graph_node *node = &g->nodes[i];
        if (!covey__graph_splits(g, node)) {
            continue;
        }
        uint16_t weights = node->input[covey__op_weights(node->op)];
        bool units = mf->constants[weights].cut.unit_rows != 0;
        if (!units && g->values[weights].type == COVEY_TYPE_F32) {
            return covey__nn_fail(out_why, COVEY_ERR_MALFORMED, "%s: weights without units",
                                  covey__node_name(node));
        }
        if (mf->layer_count == COVEY_LAYERS_MAX) {
            return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "too many layers");
        }
        mf->layer_weights[mf->layer_count++] = weights;
    }
    return COVEY_OK;
}

/* Requests and answers are floats, and there are some. */
static bool travels(const struct covey_graph *g)
{
    const struct covey_graph_value *in = &g->values[g->input[0]], *out = &g->values[g->output[0]];
    return in->type == COVEY_TYPE_F32 && out->type == COVEY_TYPE_F32 && in->shape.rank > 0 &&
           covey__shape_elements(&in->shape) > 0 && covey__shape_elements(&out->shape) > 0;
}

covey_err covey_manifest_decode(struct covey_bytes in, struct covey_manifest **out,
                                struct covey_nn_error *out_why)
{
    struct covey_manifest *mf = NULL;
    covey_err err = COVEY_ERR_LIMIT;
    if (in.len > COVEY__MANIFEST_MAX) {
        goto out;
    }
    err = COVEY_ERR_NOMEM;
    mf = calloc(1, sizeof(*mf));
    if (mf == NULL) {
        goto out;
    }
    err = covey_graph_new(&mf->graph);
    if (err == COVEY_OK) {
        mf->graph->inputs = 1;
        mf->graph->outputs = 1;
        err = read_all(mf, in);
    }
    if (err != COVEY_OK) {
        goto out;
    }
    err = covey__graph_shapes(mf->graph, 0, out_why);
    if (err == COVEY_OK && !travels(mf->graph)) {
        err = covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "input or output cannot travel");
    }
    if (err == COVEY_OK) {
        err = find_layers(mf, out_why);
    }
    if (err != COVEY_OK) {
        covey_manifest_free(mf);
        return err;
    }
    *out = mf;
    return COVEY_OK;
out:
    covey_manifest_free(mf);
    return covey__nn_fail(out_why, err, "manifest: %s", covey_strerror(err));
}

void covey_manifest_free(struct covey_manifest *mf)
{
    if (mf == NULL) {
        return;
    }
    covey_graph_free(mf->graph);
    covey__manifest_release(mf);
    free(mf->constants);
    free(mf->blobs);
    free(mf);
}

const char *covey_manifest_name(const struct covey_manifest *mf)
{
    return mf->name;
}

const struct covey_shape *covey_manifest_input(const struct covey_manifest *mf)
{
    return &mf->graph->values[mf->graph->input[0]].shape;
}

const struct covey_shape *covey_manifest_output(const struct covey_manifest *mf)
{
    return &mf->graph->values[mf->graph->output[0]].shape;
}

size_t covey_manifest_blobs(const struct covey_manifest *mf)
{
    return mf->blob_count;
}

const struct covey_blob *covey_manifest_blob(const struct covey_manifest *mf, size_t index)
{
    COVEY_ASSERT(index < mf->blob_count);
    return &mf->blobs[index];
}

const struct covey_digest *covey_manifest_unit(const struct covey_manifest *mf, size_t layer,
                                               size_t unit)
{
    COVEY_ASSERT(layer < mf->layer_count);
    const struct covey__constant *c = &mf->constants[mf->layer_weights[layer]];
    COVEY_ASSERT(unit < c->cut.blobs);
    return &mf->blobs[c->first + unit].digest;
}
