/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "covey/cost.h"
#include "covey/model.h"
#include "dims.h"
#include "local.h"

const char covey__help_model_show[] =
    "usage: covey model show FILE.onnx [--optimised] [--json]\n"
    "Lists the operators of a model with the shapes they make, their parameters and "
    "floating-point\n"
    "operations (a multiplication and an addition are two), for a batch of one. --optimised shows\n"
    "what is run: normalisation folded into weights, activations and additions fused.\n";

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

static enum covey_exit print_json(struct covey__cli *cli, const char *path,
                                  const struct covey_graph *g)
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
        return covey__cli_usage(cli, "usage: covey model show FILE.onnx");
    }
    struct covey_onnx onnx = {.graph = NULL};
    struct covey_nn_error why = {""};
    enum covey_exit code = COVEY_EXIT_DONE;
    if (load(argv[1], optimised, &onnx, &why) != COVEY_OK) {
        code = covey__cli_fail(cli, COVEY_EXIT_INPUT, "%s", why.text);
    } else if (cli->json) {
        code = print_json(cli, argv[1], onnx.graph);
    } else {
        print_table(onnx.graph);
    }
    covey_onnx_free(&onnx);
    return code;
}
