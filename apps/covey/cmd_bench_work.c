/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "cmd_bench_work.h"
#include "commands.h"
#include "local.h"

enum { RUNS = 20 };

struct bench {
    struct covey__cli *cli;
    const struct covey__work_options *options;
    struct covey_rates rates;
    cJSON *models;
};

static void add_json(const struct bench *b, const char *path, const struct covey__local *l,
                     const struct covey__work_time *times, const struct covey__work_time *sum)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", path);
    cJSON_AddNumberToObject(o, "predicted_ms", sum->predicted_ms);
    cJSON_AddNumberToObject(o, "measured_ms", sum->measured_ms);
    cJSON_AddItemToObject(o, "nodes", covey__work_json(l->onnx.graph, l->model, times));
    cJSON_AddItemToArray(b->models, o);
}

static void print(const struct bench *b, const char *path, const struct covey__local *l,
                  const struct covey__work_time *times, const struct covey__work_time *sum)
{
    const char *slash = strrchr(path, '/');
    printf("%-24.24s %12.3f %12.3f %8.2f\n", slash != NULL ? slash + 1 : path, sum->predicted_ms,
           sum->measured_ms, sum->predicted_ms / sum->measured_ms);
    if (b->options->verbose) {
        covey__work_print(l->onnx.graph, l->model, times);
    }
    fflush(stdout);
}

static enum covey_exit bench_model(const struct bench *b, const char *path)
{
    struct covey_nn_error why = {""};
    struct covey__local l = {.model = NULL};
    const struct covey__local_options options = {
        .batch = b->options->batch, .model = {.threads = 1, .small = b->options->small}};
    struct covey__work_time *times = NULL, sum = {0, 0};
    covey_err err = covey__local_open_with(&l, path, &options, &why);
    if (err == COVEY_OK) {
        times = calloc(l.onnx.graph->node_count + 1, sizeof(*times));
        const struct covey__work_bench work = {
            .g = l.onnx.graph,
            .m = l.model,
            .rates = b->rates,
            .runs = b->options->runs > 0 ? b->options->runs : RUNS,
        };
        err = times != NULL ? covey__work_measure(&work, times, &sum) : COVEY_ERR_NOMEM;
    }
    enum covey_exit code = COVEY_EXIT_DONE;
    if (err != COVEY_OK) {
        bool unread = err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_IO;
        code = covey__cli_fail(b->cli, unread ? COVEY_EXIT_INPUT : covey__cli_exit_of(err), "%s",
                               why.text[0] != 0 ? why.text : covey_strerror(err));
    } else if (b->cli->json) {
        add_json(b, path, &l, times, &sum);
    } else {
        print(b, path, &l, times, &sum);
    }
    free(times);
    covey__local_close(&l);
    return code;
}

enum covey_exit covey__bench_work(struct covey__cli *cli, const struct covey__work_options *options,
                                  int count, char **paths)
{
    struct bench b = {.cli = cli, .options = options, .models = cJSON_CreateArray()};
    covey_err err = covey__work_rates(&b.rates);
    if (err != COVEY_OK) {
        cJSON_Delete(b.models);
        return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", covey_strerror(err));
    }
    if (!cli->json) {
        printf("here: products %.1f GFLOP/s, weights read %.1f GB/s, one thread\n",
               b.rates.mflops / 1e3, b.rates.stream_mbytes / 1e3);
        printf("%-24s %12s %12s %8s\n", "MODEL", "PREDICTED MS", "MEASURED MS", "RATIO");
    }
    enum covey_exit code = COVEY_EXIT_DONE;
    for (int i = 0; i < count && code == COVEY_EXIT_DONE; i++) {
        code = bench_model(&b, paths[i]);
    }
    if (code != COVEY_EXIT_DONE || !cli->json) {
        cJSON_Delete(b.models);
        return code;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddNumberToObject(document, "mflops", b.rates.mflops);
    cJSON_AddNumberToObject(document, "stream_mbytes", b.rates.stream_mbytes);
    cJSON_AddItemToObject(document, "models", b.models);
    return covey__cli_print(cli, document);
}
