/* SPDX-License-Identifier: MIT */
#include "bench_layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_measure.h"
#include "covey/cost.h"

enum { TEXT_MAX = 96 };

/* Of each run, node by node: ns [runs x node_count]. */
static void profile(struct covey__local *l, const float *input, uint32_t runs, uint64_t *ns)
{
    size_t nodes = l->onnx.graph->node_count;
    const void *inputs[] = {input};
    for (uint32_t i = 0; i < runs; i++) {
        covey_run_profile(l->run, covey__now_ns, ns + i * nodes);
        covey_run_inputs(l->run, inputs);
    }
    covey_run_profile(l->run, NULL, NULL);
}

/* Medians: a run that had to wait for the processor does not count for more. */
static double summarise(const uint64_t *ns, size_t nodes, uint32_t runs, double *room,
                        struct covey__layer_time *out_times)
{
    double total = 0;
    for (size_t i = 0; i < nodes; i++) {
        for (uint32_t k = 0; k < runs; k++) {
            room[k] = (double)ns[k * nodes + i] / 1e6;
        }
        out_times[i] =
            (struct covey__layer_time){.node = i, .ms = covey__percentile(room, runs, 0.5)};
        total += out_times[i].ms;
    }
    return total;
}

covey_err covey__layers_measure(struct covey__local *l, const float *input, uint32_t runs,
                                struct covey__layer_time *out_times)
{
    const struct covey_graph *g = l->onnx.graph;
    uint64_t *ns = calloc(runs * g->node_count + 1, sizeof(*ns));
    double *room = calloc(runs, sizeof(*room));
    covey_err err = ns != NULL && room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        profile(l, input, runs, ns);
        double total = summarise(ns, g->node_count, runs, room, out_times);
        for (size_t i = 0; i < g->node_count; i++) {
            double ms = out_times[i].ms;
            out_times[i].gflops = ms > 0 ? (double)covey_graph_flops(g, i) / ms / 1e6 : 0;
            out_times[i].share = total > 0 ? ms / total : 0;
        }
    }
    free(ns);
    free(room);
    return err;
}

static const char *act_name(enum covey_act act)
{
    static const char *const names[COVEY_ACT_COUNT] = {"",      "+relu", "+clip",     "+sigmoid",
                                                       "+tanh", "+silu", "+hardswish"};
    return act < COVEY_ACT_COUNT ? names[act] : "";
}

/* "Conv+add+relu": what is fused stands behind. */
static void op_text(const struct covey_graph_node *n, char out[static TEXT_MAX])
{
    bool adds = n->op == COVEY_OP_CONV && n->inputs > 3 && n->input[3] != COVEY_VALUE_NONE;
    snprintf(out, TEXT_MAX, "%s%s%s", covey_op_name(n->op), adds ? "+add" : "",
             act_name(n->attrs.act));
}

static void shape_text(const struct covey_shape *s, char out[static TEXT_MAX])
{
    size_t at = 0;
    out[0] = 0;
    for (unsigned i = 0; i < s->rank && at < TEXT_MAX; i++) {
        int n = snprintf(out + at, TEXT_MAX - at, i == 0 ? "%u" : "x%u", s->dims[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

cJSON *covey__layers_json(const struct covey__local *l, const struct covey__layer_time *times)
{
    const struct covey_graph *g = l->onnx.graph;
    cJSON *list = cJSON_CreateArray();
    for (size_t i = g->node_count; i-- > 0;) {
        const struct covey_graph_node *n = &g->nodes[i];
        char text[TEXT_MAX];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", n->name);
        op_text(n, text);
        cJSON_AddStringToObject(o, "op", text);
        cJSON_AddStringToObject(o, "kernel", covey_model_kernel(l->model, i));
        shape_text(&g->values[n->output[0]].shape, text);
        cJSON_AddStringToObject(o, "output", text);
        cJSON_AddNumberToObject(o, "ms", times[i].ms);
        cJSON_AddNumberToObject(o, "gflops", times[i].gflops);
        cJSON_AddNumberToObject(o, "share", times[i].share);
        cJSON_InsertItemInArray(list, 0, o);
    }
    return list;
}

void covey__layers_print(const struct covey__local *l, const struct covey__layer_time *times)
{
    const struct covey_graph *g = l->onnx.graph;
    printf("  %-28s %-18s %-12s %-18s %9s %9s %6s\n", "LAYER", "OP", "KERNEL", "OUTPUT", "MS",
           "GFLOP/S", "TIME");
    for (size_t i = 0; i < g->node_count; i++) {
        const struct covey_graph_node *n = &g->nodes[i];
        char op[TEXT_MAX], shape[TEXT_MAX];
        op_text(n, op);
        shape_text(&g->values[n->output[0]].shape, shape);
        printf("  %-28.28s %-18.18s %-12.12s %-18.18s %9.3f %9.1f %5.1f%%\n", n->name, op,
               covey_model_kernel(l->model, i), shape, times[i].ms, times[i].gflops,
               100 * times[i].share);
    }
}
