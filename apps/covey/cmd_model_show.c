/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "covey/cost.h"
#include "covey/model.h"
#include "dims.h"
#include "local.h"
#include "model_show.h"

const char covey__help_model_show[] =
    "usage: covey model show FILE.onnx|NAME [--optimised] [--json]\n"
    "Lists the operators of a model with the shapes they make, their parameters and "
    "floating-point\n"
    "operations (a multiplication and an addition are two), for a batch of one. --optimised shows\n"
    "what is run: normalisation folded into weights, activations and additions fused. NAME or id "
    "is\n"
    "that of a model that was added; it is shown as it is run, with its labels and preparation.\n";

static void value_text(const struct covey_graph *g, uint16_t value, char *out)
{
    const struct covey_shape *s = &g->values[value].shape;
    covey__dims_text(out, s->rank, s->dims);
}

static cJSON *value_json(const struct covey_graph *g, uint16_t value)
{
    cJSON *o = cJSON_CreateObject();
    const struct covey_shape *s = &g->values[value].shape;
    cJSON_AddStringToObject(o, "type", covey_type_name(g->values[value].type));
    cJSON_AddItemToObject(o, "shape", covey__dims_json(s->rank, s->dims));
    return o;
}

static cJSON *ends_json(const struct covey_graph *g, const uint16_t *ends, unsigned count)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; i < count; i++) {
        cJSON_AddItemToArray(list, value_json(g, ends[i]));
    }
    return list;
}

static cJSON *three_json(const float *values)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < 3; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)values[i]));
    }
    return list;
}

static const char *layout_name(const struct covey_manifest_notes *n)
{
    static const char *const names[] = {"auto", "rgb", "bgr", "gray"};
    return names[n->layout <= COVEY_NOTES_LAYOUT_MAX ? n->layout : 0];
}

static void add_notes(cJSON *document, const struct covey__notes *notes)
{
    const struct covey_manifest_notes *n = &notes->manifest;
    cJSON_AddNumberToObject(document, "labels", (double)notes->labels.count);
    if (!n->has_prepare) {
        cJSON_AddNullToObject(document, "prepare");
        return;
    }
    cJSON *o = cJSON_AddObjectToObject(document, "prepare");
    cJSON_AddNumberToObject(o, "scale", (double)n->scale);
    cJSON_AddItemToObject(o, "mean", three_json(n->mean));
    cJSON_AddItemToObject(o, "std", three_json(n->std));
    cJSON_AddStringToObject(o, "layout", layout_name(n));
}

static void print_notes(const struct covey__notes *notes)
{
    const struct covey_manifest_notes *n = &notes->manifest;
    if (notes->labels.count > 0) {
        printf("%zu labels: %s ...\n", notes->labels.count, notes->labels.line[0]);
    }
    if (n->has_prepare) {
        printf("pictures: x becomes (x * %g - %g,%g,%g) / %g,%g,%g, channels %s\n",
               (double)n->scale, (double)n->mean[0], (double)n->mean[1], (double)n->mean[2],
               (double)n->std[0], (double)n->std[1], (double)n->std[2], layout_name(n));
    }
}

static enum covey_exit print_json(struct covey__cli *cli, const char *path,
                                  const struct covey_graph *g, const struct covey__notes *notes)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", path);
    cJSON_AddItemToObject(document, "inputs", ends_json(g, g->input, g->inputs));
    cJSON_AddItemToObject(document, "outputs", ends_json(g, g->output, g->outputs));
    cJSON *nodes = cJSON_AddArrayToObject(document, "nodes");
    for (size_t i = 0; i < g->node_count; i++) {
        const struct covey_graph_node *node = &g->nodes[i];
        cJSON *o = value_json(g, node->output[0]);
        cJSON_AddStringToObject(o, "name", node->name);
        cJSON_AddStringToObject(o, "op", covey_op_name(node->op));
        cJSON_AddNumberToObject(o, "parameters", (double)covey_graph_node_parameters(g, i));
        cJSON_AddNumberToObject(o, "flops", (double)covey_graph_flops(g, i));
        cJSON_AddItemToArray(nodes, o);
    }
    cJSON_AddNumberToObject(document, "parameters", (double)covey_graph_parameters(g));
    cJSON_AddNumberToObject(document, "flops", (double)covey_graph_total_flops(g));
    cJSON_AddNumberToObject(document, "weights_bytes", (double)covey_graph_constant_bytes(g));
    if (notes != NULL) {
        add_notes(document, notes);
    }
    return covey__cli_print(cli, document);
}

static void print_table(const struct covey_graph *g)
{
    char text[COVEY__DIMS_TEXT];
    for (unsigned i = 0; i < g->inputs; i++) {
        value_text(g, g->input[i], text);
        printf("input %s %s\n", covey_type_name(g->values[g->input[i]].type), text);
    }
    printf("%-24s %-20s %-18s %12s %12s\n", "NAME", "OPERATOR", "MAKES", "PARAMETERS", "MFLOP");
    for (size_t i = 0; i < g->node_count; i++) {
        const struct covey_graph_node *node = &g->nodes[i];
        value_text(g, node->output[0], text);
        printf("%-24.24s %-20s %-18s %12llu %12.3f\n", node->name, covey_op_name(node->op), text,
               (unsigned long long)covey_graph_node_parameters(g, i),
               (double)covey_graph_flops(g, i) / 1e6);
    }
    printf("%zu operators, %llu parameters, %.3f MFLOP, %.1f MB of constants\n", g->node_count,
           (unsigned long long)covey_graph_parameters(g), (double)covey_graph_total_flops(g) / 1e6,
           (double)covey_graph_constant_bytes(g) / 1e6);
}

static covey_err load(const char *path, bool optimised, struct covey_onnx *onnx,
                      struct covey_nn_error *why)
{
    covey_err err = covey_onnx_load(path, NULL, onnx, why);
    if (err == COVEY_OK && optimised) {
        err = covey_graph_optimize(onnx->graph, why);
        if (err == COVEY_OK) {
            err = covey_graph_check(onnx->graph, 0, why);
        }
    }
    return err;
}

enum covey_exit covey__model_show(struct covey__cli *cli, const char *name,
                                  const struct covey_graph *g, const struct covey__notes *notes)
{
    if (cli->json) {
        return print_json(cli, name, g, notes);
    }
    print_table(g);
    if (notes != NULL) {
        print_notes(notes);
    }
    return COVEY_EXIT_DONE;
}

enum covey_exit covey__cmd_model_show(struct covey__cli *cli, int argc, char **argv)
{
    bool optimised = false;
    const struct covey__option options[] = {
        {.name = "--optimised", .kind = COVEY__OPTION_FLAG, .value = &optimised},
    };
    if (!covey__cli_options(cli, options, 1, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2) {
        return covey__cli_usage(cli, "usage: covey model show FILE.onnx|NAME");
    }
    if (!covey__looks_like_file(argv[1])) {
        return covey__model_show_known(cli, argv[1]);
    }
    struct covey_onnx onnx = {.graph = NULL};
    struct covey_nn_error why = {""};
    enum covey_exit code = COVEY_EXIT_DONE;
    if (load(argv[1], optimised, &onnx, &why) != COVEY_OK) {
        code = covey__cli_fail(cli, COVEY_EXIT_INPUT, "%s", why.text);
    } else {
        code = covey__model_show(cli, argv[1], onnx.graph, NULL);
    }
    covey_onnx_free(&onnx);
    return code;
}
