/* SPDX-License-Identifier: MIT */
#include "bench_work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "covey/measure.h"
#include "covey/tile.h"

static uint64_t thread_ns(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

covey_err covey__work_rates(struct covey_rates *out)
{
    return covey_measure_rates(thread_ns, out);
}

static double predicted_ms(const struct covey_rates *rates, const struct covey_work *w)
{
    return (double)w->flops / rates->mflops / 1e3 + (double)w->bytes / rates->stream_mbytes / 1e3;
}

/* The least of each node's times: what disturbs only adds. */
static void profile(const struct covey__work_bench *b, struct covey_run *r, const float *input,
                    uint64_t *room, struct covey__work_time *out_times)
{
    const void *inputs[] = {input};
    for (uint32_t i = 0; i < b->runs; i++) {
        memset(room, 0, b->g->node_count * sizeof(*room));
        covey_run_profile(r, thread_ns, room);
        covey_run_inputs(r, inputs);
        for (size_t n = 0; n < b->g->node_count; n++) {
            double ms = (double)room[n] / 1e6;
            bool less = i == 0 || ms < out_times[n].measured_ms;
            out_times[n].measured_ms = less ? ms : out_times[n].measured_ms;
        }
    }
}

static float *make_input(const struct covey_model *m)
{
    size_t count = 0;
    if (covey_shape_count(covey_model_input(m), &count) != COVEY_OK) {
        return NULL;
    }
    float *input = calloc(count + 1, sizeof(*input));
    for (size_t i = 0; input != NULL && i < count; i++) {
        input[i] = (float)(i % 255) / 255.0f;
    }
    return input;
}

covey_err covey__work_measure(const struct covey__work_bench *b, struct covey__work_time *out_times,
                              struct covey__work_time *out_sum)
{
    struct covey_run *r = NULL;
    struct covey__work_time sum = {0, 0};
    float *input = make_input(b->m);
    uint64_t *room = calloc(b->g->node_count + 1, sizeof(*room));
    covey_err err = input != NULL && room != NULL ? covey_run_new(b->m, &r) : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        profile(b, r, input, room, out_times);
        for (size_t n = 0; n < b->g->node_count; n++) {
            struct covey_work w;
            covey_model_node_work(b->m, n, &w);
            out_times[n].predicted_ms = predicted_ms(&b->rates, &w);
            sum.predicted_ms += out_times[n].predicted_ms;
            sum.measured_ms += out_times[n].measured_ms;
        }
        *out_sum = sum;
    }
    covey_run_free(r);
    free(room);
    free(input);
    return err;
}

cJSON *covey__work_json(const struct covey_graph *g, const struct covey_model *m,
                        const struct covey__work_time *times)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < g->node_count; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", g->nodes[i].name);
        cJSON_AddStringToObject(o, "op", covey_op_name(g->nodes[i].op));
        cJSON_AddStringToObject(o, "kernel", covey_model_kernel(m, i));
        cJSON_AddNumberToObject(o, "predicted_ms", times[i].predicted_ms);
        cJSON_AddNumberToObject(o, "measured_ms", times[i].measured_ms);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

void covey__work_print(const struct covey_graph *g, const struct covey_model *m,
                       const struct covey__work_time *times)
{
    printf("  %-28s %-18s %-12s %12s %12s\n", "NODE", "OP", "KERNEL", "PREDICTED MS",
           "MEASURED MS");
    for (size_t i = 0; i < g->node_count; i++) {
        printf("  %-28.28s %-18.18s %-12.12s %12.3f %12.3f\n", g->nodes[i].name,
               covey_op_name(g->nodes[i].op), covey_model_kernel(m, i), times[i].predicted_ms,
               times[i].measured_ms);
    }
}
