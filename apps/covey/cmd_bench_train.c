/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "bench_product.h"
#include "commands.h"
#include "covey/blas.h"
#include "covey/limits.h"
#include "covey/threads.h"

enum {
    CODES = COVEY_CODE_FIELD + 1,
    LT_SEEDS = 3000,
    AWAITED_ROUNDS = 3000,
    ACCURACIES = 4,
    LTS = 2,
    AWAITED = 2
};

struct bench {
    struct covey__product_options o;
    struct covey__product_base base;
    struct covey__product_result code[CODES];
    struct covey__product_accuracy accuracy[ACCURACIES];
    struct covey__product_lt lt[LTS];
    double awaited[AWAITED];
    uint32_t masks; /* 0: no private product */
    struct covey__product_private private;
};

static const struct covey__product_accuracy accuracies[ACCURACIES] = {
    {.kind = COVEY_CODE_MDS, .n = 10, .m = 12},
    {.kind = COVEY_CODE_VANDERMONDE, .n = 10, .m = 12},
    {.kind = COVEY_CODE_FIELD, .n = 10, .m = 12},
    {.kind = COVEY_CODE_MDS, .n = 12, .m = 16},
};
static const uint32_t awaited[AWAITED][2] = {{10, 20}, {12, 16}}; /* n, m */

static covey_err measure(struct bench *b)
{
    covey_err err = covey__product_base_measure(&b->o, &b->base);
    for (unsigned i = 0; i < CODES && err == COVEY_OK; i++) {
        err = covey__product_measure(&b->o, &b->base, (enum covey_code_kind)i, &b->code[i]);
    }
    for (unsigned i = 0; i < ACCURACIES && err == COVEY_OK; i++) {
        b->accuracy[i] = accuracies[i];
        err = covey__product_accuracy(&b->accuracy[i]);
    }
    for (unsigned i = 0; i < LTS && err == COVEY_OK; i++) {
        b->lt[i] = (struct covey__product_lt){.n = 10, .answers = i == 0 ? 15 : 25};
        err = covey__product_lt(&b->lt[i], LT_SEEDS);
    }
    for (unsigned i = 0; i < AWAITED && err == COVEY_OK; i++) {
        err = covey__product_awaited(awaited[i][0], awaited[i][1], AWAITED_ROUNDS, &b->awaited[i]);
    }
    if (err == COVEY_OK && b->masks > 0) {
        err = covey__product_private(&b->o, b->masks, &b->private);
    }
    return err;
}

static void add_part(cJSON *o, const char *name, const struct covey__product_part *p)
{
    cJSON *part = cJSON_AddObjectToObject(o, name);
    cJSON_AddNumberToObject(part, "ms", p->ms);
    cJSON_AddNumberToObject(part, "gbytes_s", p->gbytes_s);
    cJSON_AddNumberToObject(part, "product_share", p->share);
}

static void add_code(cJSON *list, const struct covey__product_result *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "code", covey_code_kind_name(r->kind));
    cJSON_AddNumberToObject(o, "tasks", r->tasks);
    cJSON_AddNumberToObject(o, "rounds", r->rounds);
    cJSON_AddNumberToObject(o, "failed", r->failed);
    cJSON_AddNumberToObject(o, "answers", r->answers);
    cJSON_AddNumberToObject(o, "rebuilt", r->rebuilt);
    cJSON_AddNumberToObject(o, "round_ms", r->round_ms);
    cJSON_AddNumberToObject(o, "error_median", r->error_median);
    cJSON_AddNumberToObject(o, "error_worst", r->error_worst);
    cJSON_AddNumberToObject(o, "false_alarms", r->lies);
    add_part(o, "encode", &r->encode);
    add_part(o, "decode", &r->decode);
    add_part(o, "check", &r->check);
    cJSON_AddItemToArray(list, o);
}

static void add_accuracy(cJSON *list, const struct covey__product_accuracy *a)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "code", covey_code_kind_name(a->kind));
    cJSON_AddNumberToObject(o, "m", a->m);
    cJSON_AddNumberToObject(o, "n", a->n);
    cJSON_AddNumberToObject(o, "patterns", a->patterns);
    cJSON_AddNumberToObject(o, "exact", a->exact);
    cJSON_AddNumberToObject(o, "median", a->median);
    cJSON_AddNumberToObject(o, "worst", a->worst);
    cJSON_AddNumberToObject(o, "block_worst", a->block_worst);
    cJSON_AddItemToArray(list, o);
}

static enum covey_exit report_json(struct covey__cli *cli, const struct bench *b)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "blas_core", covey_blas_core());
    cJSON_AddNumberToObject(document, "rows", b->o.rows);
    cJSON_AddNumberToObject(document, "k", b->o.k);
    cJSON_AddNumberToObject(document, "cols", b->o.cols);
    cJSON_AddNumberToObject(document, "blocks", b->o.blocks);
    cJSON_AddNumberToObject(document, "threads", b->o.threads);
    cJSON_AddNumberToObject(document, "loss_percent", b->o.loss);
    cJSON_AddNumberToObject(document, "product_ms", b->base.product_ms);
    cJSON_AddNumberToObject(document, "field_product_ms", b->base.field_ms);
    cJSON_AddNumberToObject(document, "memcpy_gbytes_s", b->base.copy_gbytes_s);
    cJSON *list = cJSON_AddArrayToObject(document, "codes");
    for (unsigned i = 0; i < CODES; i++) {
        add_code(list, &b->code[i]);
    }
    list = cJSON_AddArrayToObject(document, "accuracy");
    for (unsigned i = 0; i < ACCURACIES; i++) {
        add_accuracy(list, &b->accuracy[i]);
    }
    list = cJSON_AddArrayToObject(document, "lt");
    for (unsigned i = 0; i < LTS; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "n", b->lt[i].n);
        cJSON_AddNumberToObject(o, "answers", b->lt[i].answers);
        cJSON_AddNumberToObject(o, "peeled", b->lt[i].peeled);
        cJSON_AddNumberToObject(o, "solved", b->lt[i].solved);
        cJSON_AddItemToArray(list, o);
    }
    list = cJSON_AddArrayToObject(document, "awaited");
    for (unsigned i = 0; i < AWAITED; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddNumberToObject(o, "n", awaited[i][0]);
        cJSON_AddNumberToObject(o, "m", awaited[i][1]);
        cJSON_AddNumberToObject(o, "more", b->awaited[i]);
        cJSON_AddItemToArray(list, o);
    }
    if (b->masks > 0) {
        const struct covey__product_private *p = &b->private;
        cJSON *o = cJSON_AddObjectToObject(document, "private");
        cJSON_AddNumberToObject(o, "masks", p->masks);
        cJSON_AddNumberToObject(o, "tasks", p->tasks);
        cJSON_AddNumberToObject(o, "encode_a_ms", p->encode_a_ms);
        cJSON_AddNumberToObject(o, "encode_b_ms", p->encode_b_ms);
        cJSON_AddNumberToObject(o, "task_ms", p->task_ms);
        cJSON_AddNumberToObject(o, "check_ms", p->check_ms);
        cJSON_AddNumberToObject(o, "decode_ms", p->decode_ms);
        cJSON_AddBoolToObject(o, "exact", p->exact);
    }
    return covey__cli_print(cli, document);
}

static void print_part(const struct covey__product_part *p)
{
    if (p->ms > 0) {
        printf(" %8.2f %6.1f %5.1f%%", p->ms, p->gbytes_s, 100 * p->share);
    } else {
        printf(" %8s %6s %6s", "-", "-", "-");
    }
}

static void report(const struct bench *b)
{
    printf("A [%u x %u] B [%u x %u], %u blocks, %u thread%s, %u %% of the answers lost\n",
           b->o.rows, b->o.k, b->o.k, b->o.cols, b->o.blocks, b->o.threads,
           b->o.threads == 1 ? "" : "s", b->o.loss);
    printf("one thread: A B %.2f ms, modulo a prime %.2f ms (%.1f times), memcpy %.1f GB/s\n",
           b->base.product_ms, b->base.field_ms, b->base.field_ms / b->base.product_ms,
           b->base.copy_gbytes_s);
    printf("%-12s %5s %6s %7s %7s %8s %8s %8s %22s %22s %22s\n", "CODE", "TASKS", "FAILED",
           "ANSWERS", "REBUILT", "ROUND MS", "ERROR", "WORST", "ENCODE MS   GB/S      ",
           "DECODE MS   GB/S      ", "CHECK MS   GB/S      ");
    for (unsigned i = 0; i < CODES; i++) {
        const struct covey__product_result *r = &b->code[i];
        printf("%-12s %5u %6u %7.2f %7.2f %8.2f %8.1e %8.1e", covey_code_kind_name(r->kind),
               r->tasks, r->failed, r->answers, r->rebuilt, r->round_ms, r->error_median,
               r->error_worst);
        print_part(&r->encode);
        print_part(&r->decode);
        print_part(&r->check);
        printf("\n");
    }
    for (unsigned i = 0; i < ACCURACIES; i++) {
        const struct covey__product_accuracy *a = &b->accuracy[i];
        printf("%s (%u,%u): all %u losses: median error %.1e, worst %.1e, of a block %.1e, exact "
               "%u\n",
               covey_code_kind_name(a->kind), a->m, a->n, a->patterns, a->median, a->worst,
               a->block_worst, a->exact);
    }
    for (unsigned i = 0; i < LTS; i++) {
        printf("lt, %u blocks, %u answers: %.1f %% by peeling, %.1f %% with solving\n", b->lt[i].n,
               b->lt[i].answers, 100 * b->lt[i].peeled, 100 * b->lt[i].solved);
    }
    for (unsigned i = 0; i < AWAITED; i++) {
        printf("mds (%u,%u) awaits %.3f answers more than %u\n", awaited[i][1], awaited[i][0],
               b->awaited[i], awaited[i][0]);
    }
    if (b->masks > 0) {
        const struct covey__product_private *p = &b->private;
        printf("private, T = %u: %u tasks of %.2f ms; encoding A %.2f ms and B %.2f ms, checking "
               "%.2f ms, decoding %.2f ms; %s\n",
               p->masks, p->tasks, p->task_ms, p->encode_a_ms, p->encode_b_ms, p->check_ms,
               p->decode_ms, p->exact ? "exact" : "WRONG");
    }
}

enum covey_exit covey__cmd_bench_train(struct covey__cli *cli, int argc, char **argv)
{
    struct bench b = {.o = {.rows = 4000,
                            .k = 1000,
                            .cols = 500,
                            .blocks = 10,
                            .tasks = 20,
                            .rounds = 20,
                            .threads = 1,
                            .loss = 20,
                            .seed = 1}};
    bool product = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mesh") == 0) {
            return covey__bench_mesh_product(cli, argc, argv);
        }
    }
    const struct covey__option options[] = {
        {"--product", COVEY__OPTION_FLAG, &product, 0, 0, NULL},
        {"--rows", COVEY__OPTION_NUMBER, &b.o.rows, 1, 1 << 20, NULL},
        {"--depth", COVEY__OPTION_NUMBER, &b.o.k, 1, 1 << 20, NULL},
        {"--columns", COVEY__OPTION_NUMBER, &b.o.cols, 1, 1 << 20, NULL},
        {"--blocks", COVEY__OPTION_NUMBER, &b.o.blocks, 1, 20, NULL},
        {"--tasks", COVEY__OPTION_NUMBER, &b.o.tasks, 1, 64, NULL},
        {"--rounds", COVEY__OPTION_NUMBER, &b.o.rounds, 1, 10000, NULL},
        {"--loss", COVEY__OPTION_NUMBER, &b.o.loss, 0, 99, NULL},
        {"--threads", COVEY__OPTION_NUMBER, &b.o.threads, 1, COVEY_THREADS_MAX, NULL},
        {"--private", COVEY__OPTION_NUMBER, &b.masks, 0, 16, NULL},
        {"--seed", COVEY__OPTION_NUMBER, &b.o.seed, 0, UINT32_MAX, NULL},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'bench train' takes no argument '%s'", argv[1]);
    }
    if (!product) {
        return covey__cli_usage(cli, "'bench train' measures coded products: --product");
    }
    if (b.o.tasks < b.o.blocks || b.o.rows < b.o.blocks) {
        return covey__cli_usage(cli, "--tasks and --rows must be at least --blocks");
    }
    uint64_t a = (uint64_t)b.o.rows * b.o.k, c = (uint64_t)b.o.rows * b.o.cols;
    if (a > COVEY_TENSOR_ELEMENTS_MAX || c > COVEY_TENSOR_ELEMENTS_MAX ||
        (uint64_t)b.o.k * b.o.cols > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__cli_usage(cli, "a matrix has more than %d numbers",
                                COVEY_TENSOR_ELEMENTS_MAX);
    }
    covey_err err = measure(&b);
    if (err != COVEY_OK) {
        return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", covey_strerror(err));
    }
    if (cli->json) {
        return report_json(cli, &b);
    }
    report(&b);
    return COVEY_EXIT_DONE;
}
