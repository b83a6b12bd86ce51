/* SPDX-License-Identifier: MIT
 *
 * train_server - our training, driven line by line over standard input.
 *
 *   train_server NETWORK PICTURES.raw LABELS.raw BATCH LEARNING_RATE
 *
 * NETWORK is a builder's name; pictures are floats [1 28 28], labels bytes. Says one JSON line when
 * ready, then answers each line: "run N" with the times of N steps (forward, backward, update),
 * "loss" with that of the last one, "memory" with the kernel's account of this process.
 * torch_server.py speaks the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_measure.h"
#include "blas_core.h"
#include "covey/blas.h"
#include "covey/builder.h"
#include "covey/trainer.h"
#include "read_file.h"

enum { LINE_MAX_BYTES = 256, STEPS_MAX = 100000, SIDE = 28, CLASSES = 10 };

struct server {
    struct covey_graph *graph;
    struct covey_trainer *trainer;
    struct covey_buf pictures, labels;
    uint32_t *batch_labels;
    size_t batch, count, at; /* samples */
    float loss;
};

static covey_err build(struct server *s, char **argv, struct covey_nn_error *out_why)
{
    struct covey_build_options shape = {
        .channels = 1, .height = SIDE, .width = SIDE, .classes = CLASSES, .seed = 1};
    struct covey_train_options options;
    covey_train_options_init(&options);
    options.batch = (uint32_t)s->batch;
    options.lr = strtof(argv[5], NULL);
    options.momentum = 0.9f;
    covey_err err = covey_build(argv[1], &shape, &s->graph, out_why);
    if (err == COVEY_OK) {
        err = covey_trainer_new(s->graph, &options, &s->trainer, out_why);
    }
    return err;
}

static covey_err read_samples(struct server *s, char **argv, struct covey_nn_error *out_why)
{
    size_t sample = SIDE * SIDE * sizeof(float);
    covey_err err = covey__file_read(argv[2], COVEY_FILE_INPUT_MAX, &s->pictures, out_why);
    if (err == COVEY_OK) {
        err = covey__file_read(argv[3], COVEY_FILE_INPUT_MAX, &s->labels, out_why);
    }
    if (err != COVEY_OK) {
        return err;
    }
    s->count = s->labels.len;
    for (size_t i = 0; i < s->count; i++) {
        err = s->labels.ptr[i] < CLASSES ? err : COVEY_ERR_MALFORMED;
    }
    s->batch_labels = calloc(s->batch, sizeof(*s->batch_labels));
    if (s->batch_labels == NULL) {
        return COVEY_ERR_NOMEM;
    }
    bool fits = s->pictures.len == s->count * sample && s->batch <= s->count;
    return fits ? err : COVEY_ERR_MALFORMED;
}

/* The samples in order, again from the first when a batch is not left. */
static covey_err step(struct server *s, double *out_ms)
{
    struct covey_train_result result;
    if (s->at + s->batch > s->count) {
        s->at = 0;
    }
    for (size_t i = 0; i < s->batch; i++) {
        s->batch_labels[i] = s->labels.ptr[s->at + i];
    }
    const float *input = (const float *)(const void *)s->pictures.ptr + s->at * SIDE * SIDE;
    uint64_t start = covey__now_ns();
    covey_err err = covey_trainer_step(s->trainer, input, s->batch_labels, &result);
    *out_ms = (double)(covey__now_ns() - start) / 1e6;
    s->at += s->batch;
    s->loss = err == COVEY_OK ? result.loss : s->loss;
    return err;
}

static covey_err answer_run(struct server *s, const char *argument)
{
    unsigned long steps = strtoul(argument, NULL, 10);
    covey_err err = COVEY_OK;
    uint64_t cpu_start = covey__cpu_ns();
    printf("{\"ms\":[");
    for (unsigned long i = 0; i < steps && i < STEPS_MAX && err == COVEY_OK; i++) {
        double ms = 0;
        err = step(s, &ms);
        printf("%s%.6f", i == 0 ? "" : ",", ms);
    }
    printf("],\"cpu_ms\":%.6f}\n", (double)(covey__cpu_ns() - cpu_start) / 1e6);
    return err;
}

static covey_err serve(struct server *s)
{
    char line[LINE_MAX_BYTES];
    covey_err err = COVEY_OK;
    while (err == COVEY_OK && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "run ", 4) == 0) {
            err = answer_run(s, line + 4);
        } else if (strcmp(line, "loss") == 0) {
            printf("{\"loss\":%.6f}\n", (double)s->loss);
        } else if (strcmp(line, "memory") == 0) {
            struct covey__memory memory = covey__memory_now();
            printf("{\"rss_kb\":%" PRIu64 ",\"peak_kb\":%" PRIu64 "}\n", memory.resident / 1024,
                   memory.peak / 1024);
        } else {
            printf("{\"error\":\"not understood here\"}\n");
        }
        fflush(stdout);
    }
    return err;
}

int main(int argc, char **argv)
{
    covey__blas_core_correct(argv);
    if (argc != 6) {
        fprintf(stderr, "usage: train_server NETWORK PICTURES.raw LABELS.raw BATCH RATE\n");
        return 2;
    }
    struct server s = {.batch = strtoul(argv[4], NULL, 10)};
    struct covey_nn_error why = {""};
    covey_err err = build(&s, argv, &why);
    if (err == COVEY_OK) {
        err = read_samples(&s, argv, &why);
    }
    if (err == COVEY_OK) {
        printf("{\"engine\":\"covey\",\"parameters\":%zu,\"blas_core\":\"%s\"}\n",
               covey_trainer_parameters(s.trainer), covey_blas_core());
        fflush(stdout);
        err = serve(&s);
    }
    if (err != COVEY_OK) {
        why.text[strcspn(why.text, "\"\\\n")] = 0;
        printf("{\"error\":\"%s: %s\"}\n", covey_strerror(err), why.text);
    }
    covey_trainer_free(s.trainer);
    covey_graph_free(s.graph);
    free(s.pictures.ptr);
    free(s.labels.ptr);
    free(s.batch_labels);
    return err == COVEY_OK ? 0 : 1;
}
