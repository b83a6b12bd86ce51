/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "bench_measure.h"
#include "commands.h"
#include "covey/blas.h"
#include "covey/model.h"
#include "covey/threads.h"

enum { MATRIX_ROWS = 4096, MATRIX_COLUMNS = 9216, RUNS = 7 };

static const struct covey__gemm_speed gemms[] = {
    {.m = 256, .n = 256, .k = 256},    {.m = 512, .n = 512, .k = 512},
    {.m = 1024, .n = 1024, .k = 1024}, {.m = 64, .n = 3136, .k = 576},
    {.m = 512, .n = 196, .k = 4608},
};
static const uint32_t columns[] = {1, 2, 4, 8, 16};
enum { GEMMS = sizeof(gemms) / sizeof(gemms[0]), GEMVS = sizeof(columns) / sizeof(columns[0]) };

struct bench {
    struct covey__gemm_speed gemm[GEMMS];
    double gemv_ms[GEMVS];
    double reading; /* bytes a second, one thread */
};

static const double matrix_bytes = (double)MATRIX_ROWS * MATRIX_COLUMNS * sizeof(float);

/* Y [n x rows] = X [n x columns] W': a dense layer, as AlexNet's largest. */
static covey_err dense_graph(uint32_t batch, struct covey_graph **out)
{
    struct covey_graph *g = NULL;
    void *weights = NULL;
    uint16_t x, w, y;
    covey_err err = covey_graph_new(&g);
    if (err == COVEY_OK) {
        err = covey_graph_alloc(g, (size_t)matrix_bytes, &weights);
    }
    if (err != COVEY_OK) {
        goto out;
    }
    for (size_t i = 0; i < (size_t)MATRIX_ROWS * MATRIX_COLUMNS; i++) {
        ((float *)weights)[i] = (float)(i % 17) / 17.0f;
    }
    struct covey_graph_value input = {.shape = {2, {batch, MATRIX_COLUMNS}}}, output = {0};
    struct covey_graph_value matrix = {
        .shape = {2, {MATRIX_ROWS, MATRIX_COLUMNS}}, .constant = true, .data = weights};
    struct covey_graph_node node = {.op = COVEY_OP_DENSE, .inputs = 2, .outputs = 1};
    if ((err = covey_graph_add_value(g, &input, &x)) != COVEY_OK ||
        (err = covey_graph_add_value(g, &matrix, &w)) != COVEY_OK ||
        (err = covey_graph_add_value(g, &output, &y)) != COVEY_OK) {
        goto out;
    }
    covey_op_attrs_init(&node.attrs);
    node.input[0] = x;
    node.input[1] = w;
    node.output[0] = y;
    if ((err = covey_graph_add_input(g, x)) != COVEY_OK ||
        (err = covey_graph_add_node(g, &node)) != COVEY_OK ||
        (err = covey_graph_add_output(g, y)) != COVEY_OK) {
        goto out;
    }
    *out = g;
    g = NULL;
out:
    covey_graph_free(g);
    return err;
}

static double best_run_ms(struct covey_run *run, const float *input)
{
    const void *inputs[] = {input};
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = covey__now_ns();
        covey_run_inputs(run, inputs);
        double ms = (double)(covey__now_ns() - start) / 1e6;
        best = i == 0 || ms < best ? ms : best;
    }
    return best;
}

static covey_err measure_columns(uint32_t count, unsigned threads, double *out_ms)
{
    struct covey_model_options options = {.threads = threads};
    struct covey_nn_error why;
    struct covey_graph *g = NULL;
    struct covey_model *model = NULL;
    struct covey_run *run = NULL;
    float *input = calloc((size_t)count * MATRIX_COLUMNS, sizeof(float));
    covey_err err = input != NULL ? dense_graph(count, &g) : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        err = covey_graph_check(g, 0, &why);
    }
    if (err == COVEY_OK) {
        err = covey_model_new(g, &options, &model, &why);
    }
    if (err == COVEY_OK) {
        err = covey_run_new(model, &run);
    }
    if (err == COVEY_OK) {
        *out_ms = best_run_ms(run, input);
    }
    covey_run_free(run);
    covey_model_free(model);
    covey_graph_free(g);
    free(input);
    return err;
}

static covey_err measure(struct bench *b, unsigned threads)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < GEMMS && err == COVEY_OK; i++) {
        b->gemm[i] = gemms[i];
        err = covey__measure_gemm(&b->gemm[i], threads);
    }
    for (size_t i = 0; i < GEMVS && err == COVEY_OK; i++) {
        err = measure_columns(columns[i], threads, &b->gemv_ms[i]);
    }
    return err == COVEY_OK ? covey__measure_reading((size_t)matrix_bytes, &b->reading) : err;
}

static enum covey_exit report_json(struct covey__cli *cli, const struct bench *b, unsigned threads)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "blas_core", covey_blas_core());
    cJSON_AddNumberToObject(document, "threads", threads);
    cJSON *list = cJSON_AddArrayToObject(document, "gemm");
    for (size_t i = 0; i < GEMMS; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "m", (double)b->gemm[i].m);
        cJSON_AddNumberToObject(o, "n", (double)b->gemm[i].n);
        cJSON_AddNumberToObject(o, "k", (double)b->gemm[i].k);
        cJSON_AddNumberToObject(o, "ms", b->gemm[i].ms);
        cJSON_AddNumberToObject(o, "gflops", b->gemm[i].gflops);
        cJSON_AddItemToArray(list, o);
    }
    list = cJSON_AddArrayToObject(document, "gemv");
    for (size_t i = 0; i < GEMVS; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "rows", MATRIX_ROWS);
        cJSON_AddNumberToObject(o, "k", MATRIX_COLUMNS);
        cJSON_AddNumberToObject(o, "columns", columns[i]);
        cJSON_AddNumberToObject(o, "ms", b->gemv_ms[i]);
        cJSON_AddNumberToObject(o, "gbytes_s", matrix_bytes / b->gemv_ms[i] / 1e6);
        cJSON_AddItemToArray(list, o);
    }
    cJSON_AddNumberToObject(document, "reading_gbytes_s", b->reading / 1e9);
    return covey__cli_print(cli, document);
}

static void report(const struct bench *b, unsigned threads)
{
    printf("OpenBLAS as on %s, %u thread%s\n", covey_blas_core(), threads, threads == 1 ? "" : "s");
    printf("%-8s %6s %6s %6s %10s %10s\n", "SGEMM", "M", "N", "K", "MS", "GFLOP/S");
    for (size_t i = 0; i < GEMMS; i++) {
        printf("%-8s %6zu %6zu %6zu %10.3f %10.1f\n", "", b->gemm[i].m, b->gemm[i].n, b->gemm[i].k,
               b->gemm[i].ms, b->gemm[i].gflops);
    }
    printf("%-8s %6s %6s %6s %10s %10s\n", "FEW", "ROWS", "COLS", "K", "MS", "GB/S");
    for (size_t i = 0; i < GEMVS; i++) {
        printf("%-8s %6d %6u %6d %10.3f %10.1f\n", "", MATRIX_ROWS, columns[i], MATRIX_COLUMNS,
               b->gemv_ms[i], matrix_bytes / b->gemv_ms[i] / 1e6);
    }
    printf("reading memory with one thread: %.1f GB/s\n", b->reading / 1e9);
}

enum covey_exit covey__cmd_bench_gemm(struct covey__cli *cli, int argc, char **argv)
{
    uint32_t threads = 1;
    const struct covey__option options[] = {
        {"--threads", COVEY__OPTION_NUMBER, &threads, 1, COVEY_THREADS_MAX, NULL},
    };
    if (!covey__cli_options(cli, options, 1, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'bench gemm' takes no argument '%s'", argv[1]);
    }
    struct bench b;
    covey_err err = measure(&b, threads);
    if (err != COVEY_OK) {
        return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", covey_strerror(err));
    }
    if (cli->json) {
        return report_json(cli, &b, threads);
    }
    report(&b, threads);
    return COVEY_EXIT_DONE;
}
