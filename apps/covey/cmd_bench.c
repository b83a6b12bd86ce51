/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bench_layers.h"
#include "bench_measure.h"
#include "cmd_bench_work.h"
#include "commands.h"
#include "covey/blas.h"
#include "covey/cost.h"
#include "covey/threads.h"

enum { WARM_UP_RUNS = 2, RUNS_MIN = 10, RUNS_MAX = 1000000, RUNS_AUTO_MAX = 300 };
static const uint64_t auto_ns = 3000000000u; /* without --runs */

struct bench {
    struct covey__cli *cli;
    uint32_t runs, batch, threads;
    bool small, layers, work, verbose;
    double peak_gflops;
    cJSON *models;
};

/* One model's measurement. */
struct result {
    struct covey__local local;
    float *input, *output;
    double *ms;
    size_t count;
    struct covey__layer_time *times;
    double file_bytes;
    struct covey__memory memory;
};

static void result_done(struct result *r)
{
    covey__local_close(&r->local);
    free(r->input);
    free(r->output);
    free(r->ms);
    free(r->times);
}

static covey_err open_model(const struct bench *b, const char *path, struct result *r,
                            struct covey_nn_error *out_why)
{
    struct covey__local_options options = {.batch = b->batch,
                                           .model = {.threads = b->threads, .small = b->small}};
    struct stat file;
    r->file_bytes = stat(path, &file) == 0 ? (double)file.st_size : 0;
    covey__memory_restart();
    covey_err err = covey__local_open_with(&r->local, path, &options, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    r->input = calloc(r->local.input_floats + 1, sizeof(float));
    r->output = calloc(r->local.output_floats + 1, sizeof(float));
    r->ms = calloc(b->runs > 0 ? b->runs : RUNS_AUTO_MAX, sizeof(double));
    r->times = calloc(r->local.onnx.graph->node_count + 1, sizeof(*r->times));
    if (r->input == NULL || r->output == NULL || r->ms == NULL || r->times == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < r->local.input_floats; i++) {
        r->input[i] = (float)(i % 255) / 255.0f;
    }
    return COVEY_OK;
}

static bool more_runs(const struct bench *b, const struct result *r, uint64_t begin)
{
    if (b->runs > 0) {
        return r->count < b->runs;
    }
    return r->count < RUNS_MIN || (r->count < RUNS_AUTO_MAX && covey__now_ns() - begin < auto_ns);
}

static covey_err measure(const struct bench *b, struct result *r)
{
    for (int i = 0; i < WARM_UP_RUNS; i++) {
        covey_run_all(r->local.run, r->input, r->output);
    }
    for (uint64_t begin = covey__now_ns(); more_runs(b, r, begin); r->count++) {
        uint64_t start = covey__now_ns();
        covey_run_all(r->local.run, r->input, r->output);
        r->ms[r->count] = (double)(covey__now_ns() - start) / 1e6;
    }
    r->memory = covey__memory_now();
    if (!b->layers) {
        return COVEY_OK;
    }
    uint32_t runs = r->count < RUNS_AUTO_MAX / 10 ? (uint32_t)r->count : RUNS_AUTO_MAX / 10;
    return covey__layers_measure(&r->local, r->input, runs, r->times);
}

static double gflop_of(const struct result *r)
{
    double flops = 0;
    for (size_t i = 0; i < r->local.onnx.graph->node_count; i++) {
        flops += (double)covey_graph_flops(r->local.onnx.graph, i);
    }
    return flops / 1e9;
}

static cJSON *memory_json(const struct result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "file_bytes", r->file_bytes);
    cJSON_AddNumberToObject(o, "run_bytes", (double)covey_model_memory(r->local.model));
    cJSON_AddNumberToObject(o, "prepared_bytes", (double)covey_model_state(r->local.model));
    cJSON_AddNumberToObject(o, "resident_bytes", (double)r->memory.resident);
    cJSON_AddNumberToObject(o, "peak_bytes", (double)r->memory.peak);
    return o;
}

static cJSON *result_json(const struct bench *b, const char *path, struct result *r)
{
    double gflop = gflop_of(r);
    double median = covey__percentile(r->ms, r->count, 0.5);
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "model", path);
    cJSON_AddNumberToObject(o, "batch", covey_model_input(r->local.model)->dims[0]);
    cJSON_AddNumberToObject(o, "threads", b->threads);
    cJSON_AddBoolToObject(o, "small", b->small);
    cJSON_AddNumberToObject(o, "runs", (double)r->count);
    cJSON_AddNumberToObject(o, "median_ms", median);
    cJSON_AddNumberToObject(o, "p90_ms", covey__percentile(r->ms, r->count, 0.9));
    cJSON_AddNumberToObject(o, "min_ms", covey__percentile(r->ms, r->count, 0));
    cJSON_AddNumberToObject(o, "gflop", gflop);
    cJSON_AddNumberToObject(o, "gflops", gflop / median * 1e3);
    cJSON_AddNumberToObject(o, "peak_share", gflop / median * 1e3 / b->peak_gflops);
    cJSON_AddItemToObject(o, "memory", memory_json(r));
    if (b->layers) {
        cJSON_AddItemToObject(o, "layers", covey__layers_json(&r->local, r->times));
    }
    return o;
}

static void print_result(const struct bench *b, const char *path, struct result *r)
{
    double gflop = gflop_of(r);
    double median = covey__percentile(r->ms, r->count, 0.5);
    const char *slash = strrchr(path, '/');
    printf("%-24.24s %5u %5zu %10.3f %10.3f %9.1f %5.0f%% %8.1f %8.1f\n",
           slash != NULL ? slash + 1 : path, covey_model_input(r->local.model)->dims[0], r->count,
           median, covey__percentile(r->ms, r->count, 0.9), gflop / median * 1e3,
           100 * gflop / median * 1e3 / b->peak_gflops, (double)r->memory.resident / 1048576,
           (double)r->memory.peak / 1048576);
    if (b->layers) {
        covey__layers_print(&r->local, r->times);
    }
}

static enum covey_exit bench_model(struct bench *b, const char *path)
{
    struct covey_nn_error why = {""};
    struct result r = {.input = NULL};
    covey_err err = open_model(b, path, &r, &why);
    if (err == COVEY_OK) {
        err = measure(b, &r);
    }
    /* Behind the first model, whose memory is not to hold what this needs. */
    if (err == COVEY_OK && b->peak_gflops <= 0) {
        err = covey__measure_peak(b->threads, &b->peak_gflops);
        if (err == COVEY_OK && !b->cli->json) {
            printf("SGEMM here: %.1f GFLOP/s with %u thread%s (OpenBLAS, %s)\n", b->peak_gflops,
                   b->threads, b->threads == 1 ? "" : "s", covey_blas_core());
            printf("%-24s %5s %5s %10s %10s %9s %6s %8s %8s\n", "MODEL", "BATCH", "RUNS",
                   "MEDIAN MS", "P90 MS", "GFLOP/S", "PEAK", "MB", "MB PEAK");
        }
    }
    enum covey_exit code = COVEY_EXIT_DONE;
    if (err != COVEY_OK) {
        bool unread = err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_IO;
        code = covey__cli_fail(b->cli, unread ? COVEY_EXIT_INPUT : covey__cli_exit_of(err), "%s",
                               why.text[0] != 0 ? why.text : covey_strerror(err));
    } else if (b->cli->json) {
        cJSON_AddItemToArray(b->models, result_json(b, path, &r));
    } else {
        print_result(b, path, &r);
        fflush(stdout);
    }
    result_done(&r);
    return code;
}

static enum covey_exit run_nn(struct covey__cli *cli, int argc, char **argv)
{
    struct bench b = {.cli = cli, .batch = 1, .threads = 1};
    const struct covey__option options[] = {
        {"--runs", COVEY__OPTION_NUMBER, &b.runs, 1, RUNS_MAX, NULL},
        {"--batch", COVEY__OPTION_NUMBER, &b.batch, 1, UINT16_MAX, NULL},
        {"--threads", COVEY__OPTION_NUMBER, &b.threads, 1, COVEY_THREADS_MAX, NULL},
        {"--small", COVEY__OPTION_FLAG, &b.small, 0, 0, NULL},
        {"--layers", COVEY__OPTION_FLAG, &b.layers, 0, 0, NULL},
        {"--work", COVEY__OPTION_FLAG, &b.work, 0, 0, NULL},
        {"--verbose", COVEY__OPTION_FLAG, &b.verbose, 0, 0, NULL},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc < 2) {
        return covey__cli_usage(cli, "usage: covey bench nn MODEL...: see 'covey bench nn --help'");
    }
    if (b.work) {
        const struct covey__work_options work = {
            .runs = b.runs, .batch = b.batch, .small = b.small, .verbose = b.verbose};
        return covey__bench_work(cli, &work, argc - 1, argv + 1);
    }
    b.models = cJSON_CreateArray();
    enum covey_exit code = COVEY_EXIT_DONE;
    for (int i = 1; i < argc && code == COVEY_EXIT_DONE; i++) {
        code = bench_model(&b, argv[i]);
    }
    if (code != COVEY_EXIT_DONE || !cli->json) {
        cJSON_Delete(b.models);
        return code;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "blas_core", covey_blas_core());
    cJSON_AddNumberToObject(document, "peak_gflops", b.peak_gflops);
    cJSON_AddItemToObject(document, "models", b.models);
    return covey__cli_print(cli, document);
}

enum covey_exit covey__cmd_bench(struct covey__cli *cli, int argc, char **argv)
{
    static const struct covey__cli_command table[] = {
        {"nn", "time models on this device",
         "usage: covey bench nn MODEL.onnx... [options]\n"
         "Times models here, without a node: median and 90th percentile of a run, GFLOP/s, their\n"
         "share of what SGEMM does on this machine (measured in the same go), memory.\n"
         "  --runs N      runs of each (as many as fit into 3 seconds, at least 10)\n"
         "  --batch B     inputs of one run (1)\n"
         "  --threads N   threads of one run (1)\n"
         "  --small       as little memory as possible: slower\n"
         "  --layers      where the time goes, layer by layer\n"
         "  --work        how long a plan expects it to take, beside how long it does, on one\n"
         "                thread; with --verbose node by node\n"
         "  --json        one JSON document\n",
         run_nn},
        {"gemm", "what this machine's matrix products and memory can do",
         "usage: covey bench gemm [--threads N] [--json]\n"
         "SGEMM of OpenBLAS in GFLOP/s at several sizes; products of a large matrix and a few\n"
         "columns as the engine runs them, in GB/s beside the speed of reading memory.\n",
         covey__cmd_bench_gemm},
        {"train", "coded matrix products: what coding costs, how accurate it is",
         "usage: covey bench train --product [options]\n"
         "Computes A B by every code on threads of this process, loses some of the answers, and\n"
         "prints what encoding, decoding and checking take beside the product (milliseconds, "
         "GB/s,\n"
         "share of the product on one thread), and the error of what is decoded: in these rounds,\n"
         "over every loss of MDS (12,10), and how often LT codes of 10 blocks decode.\n"
         "  --rows M, --depth K, --columns N   A is M x K, B is K x N (4000, 1000, 500)\n"
         "  --blocks N, --tasks M              (10, 20)\n"
         "  --loss PERCENT                     of the answers of a round (20)\n"
         "  --rounds R, --threads T, --seed S  (20, 1, 1)\n"
         "  --private T                        also both factors masked against T workers\n"
         "  --json                             one JSON document\n"
         "With --mesh: rounds of one product over this device's mesh.\n"
         "  --strategy S    uncoded, replication, mds, vandermonde, lt, field, private,\n"
         "                  private-inputs (mds)\n"
         "  --size N        of the matrices, where --rows and so on do not say (512)\n"
         "  --picture N     a convolution instead: --rows samples, --depth and --columns\n"
         "                  channels of N x N; --kernel K (3)\n"
         "  --gradient input|weight   that product of the layer\n"
         "  --blocks, --tasks         (by the number of workers)\n"
         "  --private T     masks (1)\n"
         "  --devices N     workers at most; --await N: begin with so many (1)\n"
         "  --check-all     check all answers; --any-trust: also workers of trust none\n"
         "  --own-work      this device computes tasks too\n"
         "  --model         what the cost model says is faster here stays here\n",
         covey__cmd_bench_train},
        {NULL, NULL, NULL, NULL},
    };
    return covey__cli_dispatch(cli, "covey bench", table, argc, argv);
}
