/* SPDX-License-Identifier: MIT
 *
 * bench_layers.h - where a model's time goes, node by node.
 */
#ifndef COVEY_CLI_BENCH_LAYERS_H
#define COVEY_CLI_BENCH_LAYERS_H

#include <cjson/cJSON.h>

#include "local.h"

struct covey__layer_time {
    size_t node;
    double ms, gflops, share; /* median of the runs; share of all nodes' */
};

/* Runs so many times, at least once, with the profile on; out_times [node_count of the graph], in
 * running order. */
covey_err covey__layers_measure(struct covey__local *l, const float *input, uint32_t runs,
                                struct covey__layer_time *out_times) COVEY_CHECK;

cJSON *covey__layers_json(const struct covey__local *l, const struct covey__layer_time *times);
void covey__layers_print(const struct covey__local *l, const struct covey__layer_time *times);

#endif /* COVEY_CLI_BENCH_LAYERS_H */
