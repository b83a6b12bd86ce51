/* SPDX-License-Identifier: MIT */
#include "manifest_private.h"

#include <stdlib.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "blobs are little-endian in memory");

struct encoder {
    const struct covey_graph *g;
    const char *name;
    uint32_t *unit_rows; /* of each value: 0 unless it is a split layer's weights */
    struct covey_digest *digests;
    size_t digest_count;
    covey_blob_fn put;
    void *user;
};

covey_err covey__manifest_cut(const struct covey_graph_value *v, uint32_t unit_rows,
                              struct covey__cut *out)
{
    const struct covey_shape *s = &v->shape;
    struct covey__cut cut = {unit_rows, 1, 0};
    size_t count = 0;
    covey_err err = covey_shape_count(s, &count);
    if (err != COVEY_OK) {
        return err;
    }
    if (count == 0) {
        return COVEY_ERR_RANGE;
    }
    size_t item = covey_type_size(v->type), room = COVEY_TENSOR_ELEMENTS_MAX * sizeof(float);
    if (item == 0) {
        return COVEY_ERR_RANGE;
    }
    cut.blob_bytes = count * item;
    if (unit_rows != 0) {
        uint32_t rows = 0, units = 0;
        if (s->rank < 2 || v->type != COVEY_TYPE_F32) {
            return COVEY_ERR_RANGE;
        }
        covey_layer_cut(s->dims[0], &rows, &units);
        if (rows != unit_rows) {
            return COVEY_ERR_RANGE;
        }
        cut.blobs = units;
        cut.blob_bytes = rows * (count / s->dims[0]) * item;
    }
    if (cut.blob_bytes > COVEY_BODY_MAX || cut.blobs * cut.blob_bytes > room) {
        return COVEY_ERR_LIMIT;
    }
    *out = cut;
    return COVEY_OK;
}

static covey_err put_blob(struct encoder *e, const void *data, size_t len)
{
    struct covey_bytes blob = covey_bytes_of(data, len);
    covey_err err = e->put(e->user, blob, &e->digests[e->digest_count]);
    e->digest_count += err == COVEY_OK;
    return err;
}

/* The last unit may have fewer rows than the others: it is padded with zeros. */
static covey_err put_units(struct encoder *e, const struct covey_graph_value *v,
                           const struct covey__cut *cut)
{
    size_t count = 0;
    const uint8_t *data = v->data;
    covey_err err = covey_shape_count(&v->shape, &count);
    for (size_t u = 0; u + 1 < cut->blobs && err == COVEY_OK; u++) {
        err = put_blob(e, data + u * cut->blob_bytes, cut->blob_bytes);
    }
    if (err != COVEY_OK) {
        return err;
    }
    uint8_t *last = calloc(cut->blob_bytes, 1);
    if (last == NULL) {
        return COVEY_ERR_NOMEM;
    }
    size_t done = (cut->blobs - 1) * cut->blob_bytes;
    memcpy(last, data + done, count * sizeof(float) - done);
    err = put_blob(e, last, cut->blob_bytes);
    free(last);
    return err;
}

static covey_err put_blobs(struct encoder *e)
{
    size_t total = 0;
    struct covey__cut cut;
    for (size_t i = 0; i < e->g->value_count; i++) {
        const struct covey_graph_value *v = &e->g->values[i];
        if (!v->constant) {
            continue;
        }
        covey_err err = covey__manifest_cut(v, e->unit_rows[i], &cut);
        if (err != COVEY_OK) {
            return err;
        }
        total += cut.blobs;
    }
    e->digests = calloc(total + 1, sizeof(*e->digests));
    if (e->digests == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < e->g->value_count; i++) {
        const struct covey_graph_value *v = &e->g->values[i];
        covey_err err = v->constant ? covey__manifest_cut(v, e->unit_rows[i], &cut) : COVEY_OK;
        if (v->constant && err == COVEY_OK) {
            err = cut.unit_rows != 0 ? put_units(e, v, &cut) : put_blob(e, v->data, cut.blob_bytes);
        }
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

static void put_shape(struct covey_cbor_writer *w, const struct covey_shape *s)
{
    covey_cbor_put_array(w, s->rank);
    for (unsigned i = 0; i < s->rank; i++) {
        covey_cbor_put_uint(w, s->dims[i]);
    }
}

/* A constant is a map, the input its shape, every other value null: its shape follows. */
static void put_values(struct covey_cbor_writer *w, const struct encoder *e)
{
    const struct covey_graph *g = e->g;
    size_t next = 0;
    covey_cbor_put_array(w, g->value_count);
    for (size_t i = 0; i < g->value_count; i++) {
        const struct covey_graph_value *v = &g->values[i];
        struct covey__cut cut = {0};
        if (!v->constant) {
            if (i == g->input[0]) {
                put_shape(w, &v->shape);
            } else {
                covey_cbor_put_null(w);
            }
            continue;
        }
        if (covey__manifest_cut(v, e->unit_rows[i], &cut) != COVEY_OK) {
            w->err = COVEY_ERR_RANGE; /* not reached: put_blobs() has cut it before */
            return;
        }
        covey_cbor_put_map(w, 2u + (cut.unit_rows != 0) + (v->type != COVEY_TYPE_F32));
        covey_cbor_put_uint(w, COVEY__VALUE_KEY_SHAPE);
        put_shape(w, &v->shape);
        if (cut.unit_rows != 0) {
            covey_cbor_put_uint(w, COVEY__VALUE_KEY_UNIT_ROWS);
            covey_cbor_put_uint(w, cut.unit_rows);
        }
        covey_cbor_put_uint(w, COVEY__VALUE_KEY_DIGESTS);
        covey_cbor_put_bytes(w, covey_bytes_of(e->digests + next, cut.blobs * 32));
        if (v->type != COVEY_TYPE_F32) {
            covey_cbor_put_uint(w, COVEY__VALUE_KEY_TYPE);
            covey_cbor_put_uint(w, (uint64_t)v->type);
        }
        next += cut.blobs;
    }
}

/* Names come from files: only printable ASCII goes on. */
static void put_name(struct covey_cbor_writer *w, const char *name)
{
    char clean[COVEY_NAME_MAX + 1] = {0};
    for (size_t i = 0; i < COVEY_NAME_MAX && name[i] != '\0'; i++) {
        clean[i] = name[i] >= 0x20 && name[i] < 0x7f ? name[i] : '_';
    }
    covey_cbor_put_text(w, clean);
}

static void put_indices(struct covey_cbor_writer *w, const uint16_t *values, size_t count)
{
    covey_cbor_put_array(w, count);
    for (size_t i = 0; i < count; i++) {
        if (values[i] == COVEY_VALUE_NONE) {
            covey_cbor_put_null(w);
        } else {
            covey_cbor_put_uint(w, values[i]);
        }
    }
}

static void put_node(struct covey_cbor_writer *w, const struct covey_graph_node *node)
{
    bool attrs = covey__attrs_count(&node->attrs) > 0, name = node->name[0] != '\0';
    covey_cbor_put_map(w, 3u + attrs + name);
    covey_cbor_put_uint(w, COVEY__NODE_KEY_OP);
    covey_cbor_put_uint(w, (uint64_t)node->op);
    covey_cbor_put_uint(w, COVEY__NODE_KEY_INPUTS);
    put_indices(w, node->input, node->inputs);
    covey_cbor_put_uint(w, COVEY__NODE_KEY_OUTPUTS);
    put_indices(w, node->output, node->outputs);
    if (attrs) {
        covey_cbor_put_uint(w, COVEY__NODE_KEY_ATTRS);
        covey__attrs_put(w, &node->attrs);
    }
    if (name) {
        covey_cbor_put_uint(w, COVEY__NODE_KEY_NAME);
        put_name(w, node->name);
    }
}

static covey_err write_all(const struct encoder *e, struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, 6);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_VERSION);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_VERSION);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_NAME);
    put_name(&w, e->name);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_INPUT);
    covey_cbor_put_uint(&w, e->g->input[0]);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_OUTPUT);
    covey_cbor_put_uint(&w, e->g->output[0]);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_VALUES);
    put_values(&w, e);
    covey_cbor_put_uint(&w, COVEY__MANIFEST_KEY_NODES);
    covey_cbor_put_array(&w, e->g->node_count);
    for (size_t i = 0; i < e->g->node_count; i++) {
        put_node(&w, &e->g->nodes[i]);
    }
    return covey_cbor_writer_done(&w, out_len);
}

covey_err covey_manifest_encode(const struct covey_graph *g, const struct covey_model *m,
                                const char *name, covey_blob_fn put, void *user, uint8_t **out,
                                size_t *out_len)
{
    struct encoder e = {.g = g, .name = name, .put = put, .user = user};
    struct covey_buf buf = {NULL, 0};
    size_t len = 0;
    covey_err err = COVEY_ERR_NOMEM;
    if (g->inputs != 1 || g->outputs != 1 || g->values[g->input[0]].type != COVEY_TYPE_F32 ||
        g->values[g->output[0]].type != COVEY_TYPE_F32) {
        return COVEY_ERR_UNSUPPORTED;
    }
    if (name[0] == '\0' || strlen(name) > COVEY_NAME_MAX) {
        return COVEY_ERR_RANGE;
    }
    e.unit_rows = calloc(g->value_count + 1, sizeof(*e.unit_rows));
    if (e.unit_rows == NULL) {
        goto out;
    }
    for (size_t i = 0; i < covey_model_layers(m); i++) {
        const struct covey_layer *l = covey_model_layer(m, i);
        e.unit_rows[covey_model_layer_weights(m, i)] = l->exact != 0 ? 0 : l->unit_rows;
    }
    err = put_blobs(&e);
    if (err == COVEY_OK) {
        err = write_all(&e, buf, &len);
    }
    if (err != COVEY_OK) {
        goto out;
    }
    buf = (struct covey_buf){malloc(len), len};
    err = buf.ptr == NULL ? COVEY_ERR_NOMEM : write_all(&e, buf, &len);
    if (err != COVEY_OK) {
        goto out;
    }
    *out = buf.ptr;
    *out_len = len;
    buf.ptr = NULL;
out:
    free(buf.ptr);
    free(e.unit_rows);
    free(e.digests);
    return err;
}
