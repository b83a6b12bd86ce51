/* SPDX-License-Identifier: MIT
 *
 * bench_work.h - how long nodes should take and how long they do.
 */
#ifndef COVEY_CLI_BENCH_WORK_H
#define COVEY_CLI_BENCH_WORK_H

#include <cjson/cJSON.h>

#include "covey/ids.h"
#include "covey/model.h"

/* Milliseconds of one thread: by covey_model_node_work() and the rates measured here, and the least
 * of several runs by the thread's own clock. */
struct covey__work_time {
    double predicted_ms, measured_ms;
};

/* This machine's, measured now. */
covey_err covey__work_rates(struct covey_rates *out) COVEY_CHECK;
struct covey__work_bench {
    const struct covey_graph *g;
    const struct covey_model *m;
    struct covey_rates rates;
    uint32_t runs; /* at least 1 */
};
/* out_times [node_count]; out_sum: of all nodes. */
covey_err covey__work_measure(const struct covey__work_bench *b, struct covey__work_time *out_times,
                              struct covey__work_time *out_sum) COVEY_CHECK;

cJSON *covey__work_json(const struct covey_graph *g, const struct covey_model *m,
                        const struct covey__work_time *times);
void covey__work_print(const struct covey_graph *g, const struct covey_model *m,
                       const struct covey__work_time *times);

#endif /* COVEY_CLI_BENCH_WORK_H */
