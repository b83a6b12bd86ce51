/* SPDX-License-Identifier: MIT */
#include "train_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "covey/builder.h"
#include "covey/crypto.h"
#include "onnx_export.h"
#include "read_why.h"

enum { STATISTICS_SAMPLES = 10000 }; /* the mean is then known to a hundredth of the deviation */

covey_err covey__train_model_read(struct covey__train_model *m,
                                  const struct covey__train_options *o,
                                  struct covey_nn_error *out_why)
{
    if (!covey__train_options_is_file(o)) {
        return COVEY_OK;
    }
    covey_err err = covey_onnx_load(o->model, NULL, &m->onnx, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    m->graph = m->onnx.graph;
    if (m->graph->inputs != 1 || m->graph->values[m->graph->input[0]].type != COVEY_TYPE_F32 ||
        m->graph->values[m->graph->input[0]].shape.rank == 0) {
        return covey__why(COVEY_ERR_UNSUPPORTED, out_why,
                          "%s has not one input of float32: it cannot be trained", o->model);
    }
    return COVEY_OK;
}

void covey__train_model_done(struct covey__train_model *m)
{
    if (m->onnx.graph != NULL) {
        covey_onnx_free(&m->onnx);
    } else {
        covey_graph_free(m->graph);
    }
    m->graph = NULL;
}

void covey__train_model_wishes(const struct covey__train_model *m,
                               struct covey_dataset_config *inout_config)
{
    if (m->graph == NULL) {
        return;
    }
    const struct covey_shape *s = &m->graph->values[m->graph->input[0]].shape;
    if (s->rank == 4) {
        inout_config->channels = s->dims[1];
        inout_config->height = s->dims[2];
        inout_config->width = s->dims[3];
    }
}

static covey_err build(struct covey__train_model *m, const struct covey__train_options *o,
                       const struct covey_dataset *d, struct covey_nn_error *out_why)
{
    struct covey_build_options options = {
        .channels = d->channels,
        .height = d->height,
        .width = d->width,
        .classes = d->classes,
        .seed = o->seed,
        .depth = o->depth,
        .scale = (float)o->width,
        .units = o->units,
    };
    covey_err err = covey_build(o->model, &options, &m->graph, out_why);
    if (err == COVEY_ERR_NOT_FOUND) {
        return covey__why(err, out_why,
                          "no network '%.40s': a file ends in .onnx, for the names see 'covey "
                          "model build --help'",
                          o->model);
    }
    return err;
}

/* A file's input is [n c h w] of the samples' form, or [n k] of their values. */
static covey_err check_form(const struct covey__train_model *m,
                            const struct covey__train_options *o, const struct covey_dataset *d,
                            struct covey_nn_error *out_why)
{
    const struct covey_shape *s = &m->graph->values[m->graph->input[0]].shape;
    bool picture = s->rank == 4 && s->dims[1] == d->channels && s->dims[2] == d->height &&
                   s->dims[3] == d->width;
    bool row = s->rank == 2 && s->dims[1] == covey_dataset_values(d);
    if (picture || row) {
        return COVEY_OK;
    }
    char form[64] = "";
    size_t len = 0;
    for (unsigned i = 1; i < s->rank && len < sizeof(form); i++) {
        int n = snprintf(form + len, sizeof(form) - len, "%s%u", i > 1 ? "x" : "", s->dims[i]);
        len += n > 0 ? (size_t)n : 0;
    }
    return covey__why(COVEY_ERR_RANGE, out_why,
                      "%.100s takes inputs of %s, the samples of %.60s have %ux%ux%u", o->model,
                      form, o->data, d->channels, d->height, d->width);
}

/* mean = sum x / n, std = sqrt(sum x^2 / n - mean^2), each channel over evenly chosen samples. */
static covey_err measure(struct covey__train_model *m, const struct covey_dataset *d)
{
    double sum[COVEY__TRAIN_CHANNELS_MAX] = {0}, squares[COVEY__TRAIN_CHANNELS_MAX] = {0};
    size_t plane = (size_t)d->height * d->width;
    size_t samples = d->count < STATISTICS_SAMPLES ? d->count : STATISTICS_SAMPLES;
    float *sample = calloc(covey_dataset_values(d), sizeof(*sample));
    if (sample == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < samples; i++) {
        (void)covey_dataset_sample(d, i * d->count / samples, sample);
        for (size_t k = 0; k < plane * d->channels; k++) {
            sum[k / plane] += (double)sample[k];
            squares[k / plane] += (double)sample[k] * (double)sample[k];
        }
    }
    free(sample);
    double n = (double)samples * (double)plane;
    for (uint32_t c = 0; c < d->channels; c++) {
        double mean = sum[c] / n, variance = squares[c] / n - mean * mean;
        /* A channel that never changes is only moved. */
        bool flat = !(variance > 1e-12 * (1 + mean * mean));
        m->mean[c] = (float)mean;
        m->std[c] = flat ? 1.0f : (float)sqrt(variance);
    }
    m->channels = d->channels;
    return COVEY_OK;
}

/* A constant for each channel; for a row of values, one for each of them. */
static covey_err add_constant(struct covey__train_model *m, const struct covey_dataset *d,
                              const float *channels, uint16_t *out)
{
    const struct covey_shape *input = &m->graph->values[m->graph->input[0]].shape;
    struct covey_graph_value value = {.constant = true};
    size_t count = input->rank == 4 ? d->channels : covey_dataset_values(d);
    size_t each = count / d->channels;
    void *data = NULL;
    value.shape.rank = input->rank;
    for (unsigned i = 0; i < input->rank; i++) {
        value.shape.dims[i] = i == 1 ? (uint32_t)count : 1;
    }
    covey_err err = covey_graph_alloc(m->graph, count * sizeof(float), &data);
    if (err != COVEY_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        ((float *)data)[i] = channels[i / each];
    }
    value.data = data;
    return covey_graph_add_value(m->graph, &value, out);
}

/* Adds a node behind x; x becomes its output. */
static covey_err add_node(struct covey_graph *g, enum covey_op op, uint16_t constant,
                          uint16_t *inout_x)
{
    struct covey_graph_value value = {.constant = false};
    struct covey_graph_node node = {.op = op, .inputs = 2, .outputs = 1};
    covey_op_attrs_init(&node.attrs);
    snprintf(node.name, sizeof(node.name), "%s", op == COVEY_OP_SUB ? "mean" : "deviation");
    covey_err err = covey_graph_add_value(g, &value, &node.output[0]);
    node.input[0] = *inout_x;
    node.input[1] = constant;
    if (err == COVEY_OK) {
        err = covey_graph_add_node(g, &node);
    }
    if (err == COVEY_OK) {
        *inout_x = node.output[0];
    }
    return err;
}

/* y = (x - mean) (1 / std) in front of all that reads the input. */
static covey_err put_in_front(struct covey__train_model *m, const struct covey_dataset *d)
{
    enum { ADDED = 2 };
    struct covey_graph *g = m->graph;
    struct covey_graph_node added[ADDED];
    float inverse[COVEY__TRAIN_CHANNELS_MAX];
    uint16_t input = g->input[0], x = input, mean = 0, scale = 0;
    size_t before = g->node_count;
    for (uint32_t c = 0; c < d->channels; c++) {
        inverse[c] = 1.0f / m->std[c];
    }
    covey_err err = add_constant(m, d, m->mean, &mean);
    if (err == COVEY_OK) {
        err = add_constant(m, d, inverse, &scale);
    }
    if (err == COVEY_OK) {
        err = add_node(g, COVEY_OP_SUB, mean, &x);
    }
    if (err == COVEY_OK) {
        err = add_node(g, COVEY_OP_MUL, scale, &x);
    }
    if (err != COVEY_OK) {
        return err;
    }
    for (size_t i = 0; i < before; i++) {
        for (unsigned k = 0; k < g->nodes[i].inputs; k++) {
            g->nodes[i].input[k] = g->nodes[i].input[k] == input ? x : g->nodes[i].input[k];
        }
    }
    memcpy(added, g->nodes + before, sizeof(added));
    memmove(g->nodes + ADDED, g->nodes, before * sizeof(*g->nodes));
    memcpy(g->nodes, added, sizeof(added));
    return COVEY_OK;
}

covey_err covey__train_model_fit(struct covey__train_model *m, const struct covey__train_options *o,
                                 const struct covey_dataset *d, struct covey_nn_error *out_why)
{
    bool file = covey__train_options_is_file(o);
    bool wanted = strcmp(o->normalise, "on") == 0 || (strcmp(o->normalise, "auto") == 0 && !file);
    covey_err err = file ? check_form(m, o, d, out_why) : build(m, o, d, out_why);
    if (err != COVEY_OK || !wanted) {
        return err;
    }
    if (d->channels > COVEY__TRAIN_CHANNELS_MAX) {
        return covey__why(COVEY_ERR_LIMIT, out_why, "samples have at most %d channels",
                          COVEY__TRAIN_CHANNELS_MAX);
    }
    err = measure(m, d);
    if (err == COVEY_OK) {
        err = put_in_front(m, d);
    }
    if (err != COVEY_OK) {
        return covey__why(err, out_why, "the input cannot be normalised: %s", covey_strerror(err));
    }
    m->normalised = true;
    return covey_graph_check(m->graph, 0, out_why);
}

void covey__train_model_name(const struct covey__train_options *o,
                             char out[static COVEY_NAME_MAX + 1])
{
    const char *slash = strrchr(o->model, '/');
    snprintf(out, COVEY_NAME_MAX + 1, "%s", slash != NULL ? slash + 1 : o->model);
    if (covey__train_options_is_file(o) && strlen(out) > 5 &&
        strcmp(out + strlen(out) - 5, ".onnx") == 0) {
        out[strlen(out) - 5] = 0;
    }
}

covey_err covey__train_model_encode(const struct covey__train_model *m,
                                    const struct covey__train_options *o, uint8_t **out,
                                    size_t *out_len, struct covey_nn_error *out_why)
{
    char name[COVEY_NAME_MAX + 1];
    covey__train_model_name(o, name);
    return covey_onnx_encode(m->graph, name, out, out_len, out_why);
}

void covey__train_data_digest(const struct covey_dataset *d, struct covey_digest *out)
{
    struct covey_hasher h;
    size_t values = d->count * covey_dataset_values(d);
    const uint32_t form[] = {d->channels, d->height, d->width, d->classes};
    covey_hasher_init(&h);
    covey_hasher_update(&h, covey_bytes_of(form, sizeof(form)));
    covey_hasher_update(&h, covey_bytes_of(d->labels, d->count * sizeof(*d->labels)));
    covey_hasher_update(&h, d->bytes != NULL ? covey_bytes_of(d->bytes, values)
                                             : covey_bytes_of(d->floats, values * sizeof(float)));
    covey_hasher_final(&h, out);
}
