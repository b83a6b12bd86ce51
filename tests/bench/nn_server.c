/* SPDX-License-Identifier: MIT
 *
 * nn_server - our engine, driven line by line over standard input.
 *
 *   nn_server MODEL.onnx INPUT.raw BATCH THREADS [small]
 *
 * INPUT.raw holds as many floats as the input has; "-" stands for values made here. Says one JSON
 * line when ready, then answers each line: "run N" with the times of N runs,
 * "output FILE" by writing the last output's floats, "memory" with the kernel's account of this
 * process. onnxruntime_server.js speaks the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_measure.h"
#include "blas_core.h"
#include "covey/blas.h"
#include "local.h"

enum { LINE_MAX_BYTES = 4096, RUNS_MAX = 100000 };

struct server {
    struct covey__local local;
    float *input, *output;
};

static covey_err open_model(struct server *s, int argc, char **argv, struct covey_nn_error *why)
{
    struct covey__local_options options = {
        .batch = (uint32_t)strtoul(argv[3], NULL, 10),
        .model = {.threads = (unsigned)strtoul(argv[4], NULL, 10), .small = argc == 6}};
    return covey__local_open_with(&s->local, argv[1], &options, why);
}

static covey_err read_input(struct server *s, const char *path)
{
    s->input = calloc(s->local.input_floats, sizeof(float));
    s->output = calloc(s->local.output_floats, sizeof(float));
    if (s->input == NULL || s->output == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (strcmp(path, "-") == 0) {
        for (size_t i = 0; i < s->local.input_floats; i++) {
            s->input[i] = (float)(i % 255) / 255.0f;
        }
        return COVEY_OK;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return COVEY_ERR_IO;
    }
    size_t got = fread(s->input, sizeof(float), s->local.input_floats, file);
    bool whole = got == s->local.input_floats && fgetc(file) == EOF;
    fclose(file);
    return whole ? COVEY_OK : COVEY_ERR_MALFORMED;
}

static void answer_run(struct server *s, const char *argument)
{
    unsigned long runs = strtoul(argument, NULL, 10);
    uint64_t cpu_start = covey__cpu_ns();
    printf("{\"ms\":[");
    for (unsigned long i = 0; i < runs && i < RUNS_MAX; i++) {
        uint64_t start = covey__now_ns();
        covey_run_all(s->local.run, s->input, s->output);
        printf("%s%.6f", i == 0 ? "" : ",", (double)(covey__now_ns() - start) / 1e6);
    }
    printf("],\"cpu_ms\":%.6f}\n", (double)(covey__cpu_ns() - cpu_start) / 1e6);
}

static void answer_output(const struct server *s, const char *path)
{
    FILE *file = fopen(path, "wb");
    size_t put = file == NULL ? 0 : fwrite(s->output, sizeof(float), s->local.output_floats, file);
    bool closed = file != NULL && fclose(file) == 0;
    if (closed && put == s->local.output_floats) {
        printf("{\"floats\":%zu}\n", put);
    } else {
        printf("{\"error\":\"the output cannot be written\"}\n");
    }
}

static void answer_memory(void)
{
    struct covey__memory memory = covey__memory_now();
    printf("{\"rss_kb\":%" PRIu64 ",\"peak_kb\":%" PRIu64 "}\n", memory.resident / 1024,
           memory.peak / 1024);
}

static void serve(struct server *s)
{
    char line[LINE_MAX_BYTES];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "run ", 4) == 0) {
            answer_run(s, line + 4);
        } else if (strncmp(line, "output ", 7) == 0) {
            answer_output(s, line + 7);
        } else if (strcmp(line, "memory") == 0) {
            answer_memory();
        } else {
            printf("{\"error\":\"not understood here\"}\n");
        }
        fflush(stdout);
    }
}

static void say_ready(const struct server *s)
{
    printf(
        "{\"engine\":\"covey\",\"input_floats\":%zu,\"output_floats\":%zu,\"blas_core\":\"%s\"}\n",
        s->local.input_floats, s->local.output_floats, covey_blas_core());
    fflush(stdout);
}

int main(int argc, char **argv)
{
    covey__blas_core_correct(argv);
    if (argc != 5 && !(argc == 6 && strcmp(argv[5], "small") == 0)) {
        fprintf(stderr, "usage: nn_server MODEL.onnx INPUT.raw BATCH THREADS [small]\n");
        return 2;
    }
    struct server s = {.input = NULL};
    struct covey_nn_error why = {""};
    covey_err err = open_model(&s, argc, argv, &why);
    if (err == COVEY_OK) {
        err = read_input(&s, argv[2]);
    }
    if (err == COVEY_OK) {
        say_ready(&s);
        serve(&s);
    } else {
        /* The reader wants one line of JSON: what would end a string is left out. */
        why.text[strcspn(why.text, "\"\\\n")] = 0;
        printf("{\"error\":\"%s: %s\"}\n", covey_strerror(err), why.text);
    }
    covey__local_close(&s.local);
    free(s.input);
    free(s.output);
    return err == COVEY_OK ? 0 : 1;
}
