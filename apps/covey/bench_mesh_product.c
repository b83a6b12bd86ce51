/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_measure.h"
#include "bench_product.h"
#include "control.h"
#include "covey/limits.h"
#include "covey/product_bench.h"

enum { STATUS_MS = 10000 };

struct options {
    const char *strategy, *gradient;
    uint32_t size, rows, depth, columns; /* size: of all three, where they are not given */
    uint32_t picture, kernel;            /* a convolution; 0: dense */
    uint32_t blocks, tasks, masks, rounds, seed, devices, await, timeout;
    bool product, mesh, check_all, any_trust, own_work, model;
};

struct bench {
    struct covey__cli *cli;
    struct options o;
    struct covey_product_bench request;
    struct covey_product_bench_result result;
    double *ms; /* [rounds], then sorted */
    double mean_ms;
};

/* ---- what is asked for ---- */

static bool parse_kind(const char *name, enum covey_code_kind *out)
{
    for (unsigned k = 0; k < COVEY_CODE_KINDS; k++) {
        if (strcmp(name, covey_code_kind_name((enum covey_code_kind)k)) == 0) {
            *out = (enum covey_code_kind)k;
            return true;
        }
    }
    return false;
}

static bool parse_gradient(const char *name, enum covey_train_product_kind *out)
{
    if (name == NULL) {
        *out = COVEY_TRAIN_PRODUCT_FORWARD;
    } else if (strcmp(name, "input") == 0) {
        *out = COVEY_TRAIN_PRODUCT_INPUT_GRADIENT;
    } else if (strcmp(name, "weight") == 0) {
        *out = COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT;
    } else {
        return false;
    }
    return true;
}

/* A dense layer, or a convolution that keeps its pictures' size. */
static void set_product(const struct options *o, struct covey_train_product *p)
{
    uint32_t side = o->picture > 0 ? o->picture : 1, kernel = o->picture > 0 ? o->kernel : 1;
    uint32_t before = (kernel - 1) / 2, after = kernel - 1 - before;
    p->dense = o->picture == 0;
    p->batch = o->rows > 0 ? o->rows : o->size;
    p->in_channels = o->depth > 0 ? o->depth : o->size;
    p->out_channels = o->columns > 0 ? o->columns : o->size;
    p->height = p->width = p->out_height = p->out_width = side;
    for (unsigned i = 0; i < 2; i++) {
        p->kernel[i] = kernel;
        p->stride[i] = p->dilation[i] = 1;
        p->pads[i] = before;
        p->pads_end[i] = after;
    }
}

static enum covey_exit read_options(struct bench *b, int argc, char **argv)
{
    struct options *o = &b->o;
    struct covey_product_bench *r = &b->request;
    const struct covey__option options[] = {
        {"--product", COVEY__OPTION_FLAG, &o->product, 0, 0, NULL},
        {"--mesh", COVEY__OPTION_FLAG, &o->mesh, 0, 0, NULL},
        {"--strategy", COVEY__OPTION_TEXT, &o->strategy, 0, 0, NULL},
        {"--gradient", COVEY__OPTION_TEXT, &o->gradient, 0, 0, NULL},
        {"--size", COVEY__OPTION_NUMBER, &o->size, 1, 1 << 14, NULL},
        {"--rows", COVEY__OPTION_NUMBER, &o->rows, 1, 1 << 20, NULL},
        {"--depth", COVEY__OPTION_NUMBER, &o->depth, 1, 1 << 20, NULL},
        {"--columns", COVEY__OPTION_NUMBER, &o->columns, 1, 1 << 20, NULL},
        {"--picture", COVEY__OPTION_NUMBER, &o->picture, 1, 4096, NULL},
        {"--kernel", COVEY__OPTION_NUMBER, &o->kernel, 1, 31, NULL},
        {"--blocks", COVEY__OPTION_NUMBER, &o->blocks, 1, COVEY_CODE_BLOCKS_MAX, NULL},
        {"--tasks", COVEY__OPTION_NUMBER, &o->tasks, 1, COVEY_ROUND_TASKS_MAX, NULL},
        {"--private", COVEY__OPTION_NUMBER, &o->masks, 1, 16, NULL},
        {"--rounds", COVEY__OPTION_NUMBER, &o->rounds, 1, COVEY_PRODUCT_BENCH_ROUNDS_MAX, NULL},
        {"--seed", COVEY__OPTION_NUMBER, &o->seed, 0, UINT32_MAX, NULL},
        {"--devices", COVEY__OPTION_NUMBER, &o->devices, 0, COVEY_WORKERS_MAX, NULL},
        {"--await", COVEY__OPTION_NUMBER, &o->await, 1, COVEY_WORKERS_MAX, NULL},
        {"--timeout", COVEY__OPTION_NUMBER, &o->timeout, 1, 2000000, NULL},
        {"--check-all", COVEY__OPTION_FLAG, &o->check_all, 0, 0, NULL},
        {"--any-trust", COVEY__OPTION_FLAG, &o->any_trust, 0, 0, NULL},
        {"--own-work", COVEY__OPTION_FLAG, &o->own_work, 0, 0, NULL},
        {"--model", COVEY__OPTION_FLAG, &o->model, 0, 0, NULL},
    };
    if (!covey__cli_options(b->cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(b->cli, "'bench train' takes no argument '%s'", argv[1]);
    }
    if (!parse_kind(o->strategy, &r->kind)) {
        return covey__cli_usage(b->cli,
                                "--strategy: uncoded, replication, mds, vandermonde, lt, field, "
                                "private or private-inputs, not '%s'",
                                o->strategy);
    }
    if (!parse_gradient(o->gradient, &r->product.kind)) {
        return covey__cli_usage(b->cli, "--gradient: input or weight, not '%s'", o->gradient);
    }
    set_product(o, &r->product);
    if (covey_train_product_check(&r->product) != COVEY_OK) {
        return covey__cli_usage(b->cli, "there is no product of these sizes");
    }
    return COVEY_EXIT_DONE;
}

static void set_request(struct bench *b)
{
    const struct options *o = &b->o;
    struct covey_product_bench *r = &b->request;
    r->blocks = o->blocks;
    r->tasks = o->tasks;
    r->masks = o->masks;
    r->rounds = o->rounds;
    r->seed = o->seed;
    r->devices = (uint8_t)o->devices;
    r->await = (uint8_t)o->await;
    r->check_all = o->check_all;
    r->any_trust = o->any_trust;
    r->own_work = o->own_work;
    r->model = o->model;
}

/* ---- what came back ---- */

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static covey_err read_ms(struct bench *b)
{
    uint32_t rounds = b->result.rounds;
    b->ms = calloc((size_t)rounds + 1, sizeof(*b->ms));
    if (b->ms == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < rounds; i++) {
        float ms;
        uint32_t bits = covey_load32(b->result.ms + 4u * i);
        memcpy(&ms, &bits, sizeof(ms));
        b->ms[i] = (double)ms;
        b->mean_ms += (double)ms / rounds;
    }
    return COVEY_OK;
}

static double cpu_ms(const struct bench *b, uint64_t ns)
{
    return (double)ns / 1e6 / b->result.rounds;
}

/* Of the owner's processor, beside the time that the rounds took. */
static double owner_share(const struct bench *b)
{
    const struct covey_product_bench_result *r = &b->result;
    return cpu_ms(b, r->encode_ns + r->decode_ns + r->check_ns) / b->mean_ms;
}

static void add_counters(cJSON *o, const struct bench *b)
{
    const struct covey_product_bench_result *r = &b->result;
    cJSON_AddNumberToObject(o, "rounds", r->rounds);
    cJSON_AddNumberToObject(o, "here", r->here);
    cJSON_AddNumberToObject(o, "workers", r->workers);
    cJSON_AddNumberToObject(o, "lost", r->lost);
    cJSON_AddNumberToObject(o, "tasks", (double)r->tasks);
    cJSON_AddNumberToObject(o, "answers", (double)r->answers);
    cJSON_AddNumberToObject(o, "late", (double)r->late);
    cJSON_AddNumberToObject(o, "reissued", (double)r->reissued);
    cJSON_AddNumberToObject(o, "refused", (double)r->refused);
    cJSON_AddNumberToObject(o, "rough", (double)r->rough);
    cJSON_AddNumberToObject(o, "encode_ms", cpu_ms(b, r->encode_ns));
    cJSON_AddNumberToObject(o, "decode_ms", cpu_ms(b, r->decode_ns));
    cJSON_AddNumberToObject(o, "check_ms", cpu_ms(b, r->check_ns));
    cJSON_AddNumberToObject(o, "owner_share", owner_share(b));
    cJSON_AddNumberToObject(o, "local_ms", r->local_ms);
    cJSON_AddNumberToObject(o, "error", r->error);
    cJSON_AddBoolToObject(o, "exact", r->exact);
}

static enum covey_exit report_json(struct bench *b, const struct covey_control_status *s)
{
    char hex[33];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "strategy", covey_code_kind_name(b->request.kind));
    cJSON_AddNumberToObject(o, "blocks", b->request.blocks);
    cJSON_AddNumberToObject(o, "tasks_wanted", b->request.tasks);
    add_counters(o, b);
    cJSON_AddNumberToObject(o, "mean_ms", b->mean_ms);
    cJSON *list = cJSON_AddArrayToObject(o, "round_ms");
    for (uint32_t i = 0; i < b->result.rounds; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateNumber(b->ms[i]));
    }
    list = cJSON_AddArrayToObject(o, "liars");
    for (uint8_t i = 0; i < b->result.liars; i++) {
        cJSON_AddItemToArray(
            list, cJSON_CreateString(covey__cli_device_name(s, &b->result.liar[i], hex)));
    }
    return covey__cli_print(b->cli, o);
}

static void report(struct bench *b, const struct covey_control_status *s)
{
    const struct covey_product_bench_result *r = &b->result;
    char hex[33];
    qsort(b->ms, r->rounds, sizeof(*b->ms), ascending);
    printf("%s: %u rounds, %u workers", covey_code_kind_name(b->request.kind), r->rounds,
           r->workers);
    if (r->lost > 0) {
        printf(" (%u lost)", r->lost);
    }
    printf("\nround: mean %.2f ms, median %.2f, slowest %.2f; alone on one thread %.2f\n",
           b->mean_ms, b->ms[r->rounds / 2], b->ms[r->rounds - 1], r->local_ms);
    printf("a round: %.1f tasks handed out, %.1f answers used\n", (double)r->tasks / r->rounds,
           (double)r->answers / r->rounds);
    printf(
        "owner's processor: encoding %.2f ms, decoding %.2f, checking %.2f (%.1f %% of a round)\n",
        cpu_ms(b, r->encode_ns), cpu_ms(b, r->decode_ns), cpu_ms(b, r->check_ns),
        100 * owner_share(b));
    printf("largest relative error %.1e%s\n", r->error,
           r->exact ? ", exactly what this device computes" : "");
    if (r->here > 0) {
        printf("%u rounds were computed by this device alone\n", r->here);
    }
    for (uint8_t i = 0; i < r->liars; i++) {
        printf("%s gave wrong answers and got no more work\n",
               covey__cli_device_name(s, &r->liar[i], hex));
    }
}

enum covey_exit covey__bench_mesh_product(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__control c = {.fd = -1};
    uint8_t body[COVEY_PRODUCT_BENCH_BYTES];
    struct bench b = {.cli = cli,
                      .o = {.strategy = "mds",
                            .size = 512,
                            .kernel = 3,
                            .rounds = 20,
                            .seed = 1,
                            .await = 1,
                            .timeout = 600}};
    enum covey_exit exit = read_options(&b, argc, argv);
    if (exit != COVEY_EXIT_DONE) {
        return exit;
    }
    set_request(&b);
    covey_product_bench_encode(&b.request, body);
    exit = covey__cli_connect(cli, &c);
    if (exit != COVEY_EXIT_DONE) {
        return exit;
    }
    struct covey_control_status *status = calloc(1, sizeof(*status));
    covey_err err = status != NULL ? covey__control_status(&c, STATUS_MS) : COVEY_ERR_NOMEM;
    if (err == COVEY_OK) {
        *status = c.reply->status;
        err = covey__control_call(&c, COVEY_CONTROL_PRODUCT, covey_bytes_of(body, sizeof(body)),
                                  COVEY_CONTROL_PRODUCT_REPLY, (int)b.o.timeout * 1000);
    }
    if (err == COVEY_OK) {
        err = covey_product_bench_result_decode(covey_bytes_of(c.body, c.body_len), &b.result);
    }
    if (err == COVEY_OK) {
        err = read_ms(&b);
    }
    if (err != COVEY_OK) {
        exit = covey__cli_fail_call(cli, &c, err);
    } else if (cli->json) {
        exit = report_json(&b, status);
    } else {
        report(&b, status);
    }
    free(b.ms);
    free(status);
    covey__control_close(&c);
    return exit;
}
