/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "upload.h"

enum {
    TIMEOUT_MS = 10000,
    PLAN_S = 120, /* of a model that the node has to read first, at a device's pace */
};

/* What one device holds of one layer. */
static unsigned held(const struct covey_control_plan_layer *l, unsigned device)
{
    unsigned count = 0;
    for (size_t i = 0; i < l->holder.len; i++) {
        count += l->holder.ptr[i] == device;
    }
    return count;
}

static const char *mode_name(uint8_t mode)
{
    static const char *const names[] = {
        [COVEY_CONTROL_LOCAL] = "local", [COVEY_CONTROL_CODED] = "coded",
        [COVEY_CONTROL_TILES] = "tiles", [COVEY_CONTROL_EXACT] = "exact",
        [COVEY_CONTROL_ROWS] = "rows",
    };
    return names[mode];
}

static double ms(uint32_t us)
{
    return us / 1000.0;
}

/* ---- as JSON ---- */

static cJSON *layer_json(const struct covey_control_plan_layer *l)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", l->name);
    cJSON_AddStringToObject(o, "mode", mode_name(l->mode));
    cJSON_AddNumberToObject(o, "cell", l->cell);
    cJSON_AddNumberToObject(o, "units", l->units);
    cJSON_AddNumberToObject(o, "groups", l->groups);
    cJSON_AddNumberToObject(o, "slots", l->slots);
    cJSON_AddNumberToObject(o, "unit_rows", l->unit_rows);
    cJSON_AddNumberToObject(o, "unit_bytes", l->unit_bytes);
    cJSON_AddNumberToObject(o, "input_bytes", l->input_bytes);
    cJSON_AddNumberToObject(o, "answer_bytes", l->answer_bytes);
    if (l->mode != COVEY_CONTROL_TILES) {
        cJSON_AddNumberToObject(o, "predicted_ms", ms(l->predicted_us));
    }
    cJSON_AddBoolToObject(o, "fed", l->fed);
    cJSON *holders = cJSON_AddArrayToObject(o, "holders");
    for (size_t i = 0; i < l->holder.len; i++) {
        cJSON_AddItemToArray(holders, cJSON_CreateNumber(l->holder.ptr[i]));
    }
    return o;
}

/* Two devices make each row: the same cells are there twice. */
static bool is_twice(const struct covey_control_plan *p, unsigned run)
{
    for (unsigned i = 1; i < p->segment_count; i++) {
        if (p->segment[i].run == run && p->segment[i - 1].run == run &&
            p->segment[i].first_cell == p->segment[i - 1].first_cell) {
            return true;
        }
    }
    return false;
}

static cJSON *run_json(const struct covey_control_plan *p, unsigned run)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "predicted_ms", ms(p->run_us[run]));
    cJSON_AddBoolToObject(o, "twice", is_twice(p, run));
    cJSON *segments = cJSON_AddArrayToObject(o, "segments");
    for (unsigned i = 0; i < p->segment_count; i++) {
        const struct covey_control_plan_segment *segment = &p->segment[i];
        if (segment->run != run) {
            continue;
        }
        cJSON *s = cJSON_CreateObject();
        cJSON_AddNumberToObject(s, "first_cell", segment->first_cell);
        cJSON_AddNumberToObject(s, "cells", segment->cells);
        cJSON_AddNumberToObject(s, "moved_bytes", (double)segment->moved_bytes);
        cJSON_AddNumberToObject(s, "predicted_ms", ms(segment->predicted_us));
        cJSON *rows = cJSON_AddArrayToObject(s, "rows");
        for (unsigned d = 0; d < p->devices; d++) {
            cJSON_AddItemToArray(rows, cJSON_CreateNumber(segment->rows[d + 1] - segment->rows[d]));
        }
        cJSON_AddItemToArray(segments, s);
    }
    return o;
}

static void add_devices(cJSON *document, const struct covey_control_plan *p,
                        const struct covey_control_status *s)
{
    char hex[33];
    cJSON *devices = cJSON_AddArrayToObject(document, "devices");
    for (unsigned i = 0; i < p->devices; i++) {
        const struct covey_control_plan_device *d = &p->device[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", covey__cli_device_name(s, &d->id, hex));
        cJSON_AddNumberToObject(o, "weights_bytes", (double)d->weights_bytes);
        cJSON_AddNumberToObject(o, "received_bytes", (double)d->received_bytes);
        cJSON_AddNumberToObject(o, "sent_bytes", (double)d->sent_bytes);
        cJSON_AddItemToArray(devices, o);
    }
}

static cJSON *plan_json(const char *model, const struct covey_control_plan *p,
                        const struct covey_control_status *s)
{
    char hex[33];
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", model);
    cJSON_AddNumberToObject(document, "term", (double)p->term);
    if (p->has_coordinator) {
        cJSON_AddStringToObject(document, "coordinator",
                                covey__cli_device_name(s, &p->coordinator, hex));
    } else {
        cJSON_AddNullToObject(document, "coordinator");
    }
    cJSON_AddNumberToObject(document, "parity", p->parity);
    cJSON_AddBoolToObject(document, "half", p->half);
    cJSON_AddNumberToObject(document, "predicted_ms", ms(p->predicted_us));
    cJSON_AddNumberToObject(document, "local_ms", ms(p->local_us));
    add_devices(document, p, s);
    cJSON *layers = cJSON_AddArrayToObject(document, "layers");
    for (size_t k = 0; k < p->layer_count; k++) {
        cJSON_AddItemToArray(layers, layer_json(&p->layer[k]));
    }
    cJSON *runs = cJSON_AddArrayToObject(document, "runs");
    for (unsigned k = 0; k < p->runs; k++) {
        cJSON_AddItemToArray(runs, run_json(p, k));
    }
    return document;
}

/* ---- as tables ---- */

static void print_heads(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    char hex[33];
    for (unsigned i = 0; i < p->devices; i++) {
        printf(" %8.8s", covey__cli_device_name(s, &p->device[i].id, hex));
    }
    printf("\n");
}

/* Units of each layer by device; tiles have their own table. */
static void print_layers(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    printf("%-24s %4s %5s %6s %6s %10s %10s %9s", "LAYER", "CELL", "MODE", "UNITS", "PARITY",
           "INPUT B", "ANSWER B", "MS");
    print_heads(p, s);
    for (size_t k = 0; k < p->layer_count; k++) {
        const struct covey_control_plan_layer *l = &p->layer[k];
        if (l->mode == COVEY_CONTROL_TILES) {
            continue;
        }
        printf("%-24.24s %4u %4s%c %6u %6u %10u %10u %9.2f", l->name, l->cell, mode_name(l->mode),
               l->fed ? '<' : ' ', l->units, (unsigned)l->slots - l->units, l->input_bytes,
               l->answer_bytes, ms(l->predicted_us));
        for (unsigned i = 0; i < p->devices; i++) {
            printf(" %8u", held(l, i));
        }
        printf("\n");
    }
}

/* Rows of each segment by device. */
static void print_runs(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    if (p->segment_count == 0) {
        return;
    }
    printf("%-24s %4s %5s %6s %13s %21s %9s", "TILES", "CELL", "CELLS", "ROWS", "", "MOVED B",
           "MS");
    print_heads(p, s);
    for (unsigned i = 0; i < p->segment_count; i++) {
        const struct covey_control_plan_segment *g = &p->segment[i];
        printf("run %-20u %4u %5u %6u %13s %21llu %9.2f", g->run + 1U, g->first_cell, g->cells,
               g->rows[p->devices], "", (unsigned long long)g->moved_bytes, ms(g->predicted_us));
        for (unsigned d = 0; d < p->devices; d++) {
            printf(" %8u", (unsigned)g->rows[d + 1] - g->rows[d]);
        }
        printf("\n");
    }
}

static void print_links(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    char hex[33];
    printf("%-24s %14s %14s %14s\n", "DEVICE", "WEIGHTS B", "RECEIVED B", "SENT B");
    for (unsigned i = 0; i < p->devices; i++) {
        const struct covey_control_plan_device *d = &p->device[i];
        printf("%-24.24s %14llu %14llu %14llu\n", covey__cli_device_name(s, &d->id, hex),
               (unsigned long long)d->weights_bytes, (unsigned long long)d->received_bytes,
               (unsigned long long)d->sent_bytes);
    }
}

static void print_table(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    char hex[33];
    if (p->devices == 0) {
        printf("everything runs at the node that is asked: %.2f ms predicted\n", ms(p->local_us));
    } else {
        print_runs(p, s);
        print_layers(p, s);
        print_links(p, s);
        printf("predicted %.2f ms, alone %.2f ms\n", ms(p->predicted_us), ms(p->local_us));
    }
    if (p->has_coordinator) {
        printf("planned by %s in term %llu\n", covey__cli_device_name(s, &p->coordinator, hex),
               (unsigned long long)p->term);
    } else {
        printf("planned by the node that was asked\n");
    }
}

/* What a node that reads a model at its own pace has read it keeps: asking again is no waste. */
static covey_err get_plan(struct covey__control *c, const struct covey_control_infer *infer,
                          double timeout_s)
{
    c->request->infer = *infer;
    covey_err err = covey__control_call(c, COVEY_CONTROL_PLAN, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_PLAN_REPLY, (int)(timeout_s * 1000));
    return err != COVEY_ERR_TIMEOUT
               ? err
               : covey__control_refuse(c, err,
                                       "no plan within %g s: the node still reads the model, or is "
                                       "busy; ask again, or give it longer with --timeout",
                                       timeout_s);
}

static enum covey_exit ask(struct covey__cli *cli, const char *model,
                           struct covey_control_infer *infer, struct covey__control *c,
                           double timeout_s)
{
    struct covey_control_model known;
    struct covey__control names = {0};
    covey_err err = covey__control_open(&names, cli->state);
    if (err == COVEY_OK) {
        err = covey__control_status(&names, TIMEOUT_MS);
    }
    if (err != COVEY_OK) {
        enum covey_exit code = covey__cli_fail_call(cli, &names, err);
        covey__control_close(&names);
        return code;
    }
    err = covey__model_bring(c, model, infer->timeout_ms, &known);
    if (err == COVEY_OK) {
        covey__hex(infer->model, known.id.bytes, sizeof(known.id.bytes));
        err = get_plan(c, infer, timeout_s);
    }
    enum covey_exit code = COVEY_EXIT_DONE;
    if (err != COVEY_OK) {
        code = covey__cli_fail_call(cli, c, err);
    } else if (cli->json) {
        code = covey__cli_print(cli, plan_json(known.name, &c->reply->plan, &names.reply->status));
    } else {
        print_table(&c->reply->plan, &names.reply->status);
    }
    covey__control_close(&names);
    return code;
}

enum covey_exit covey__cmd_plan(struct covey__cli *cli, int argc, char **argv)
{
    uint32_t devices = 0, parity = 1, batch = 1;
    const char *coded = "auto", *check = "untrusted";
    double timeout_s = PLAN_S;
    bool timed = false;
    struct covey_control_infer infer = {.devices = 0};
    const struct covey__option options[] = {
        {.name = "--devices",
         .kind = COVEY__OPTION_NUMBER,
         .value = &devices,
         .min = 1,
         .max = COVEY_PLAN_DEVICES_MAX},
        {.name = "--parity",
         .kind = COVEY__OPTION_NUMBER,
         .value = &parity,
         .max = COVEY_PARITY_MAX},
        {.name = "--timeout", .kind = COVEY__OPTION_REAL, .value = &timeout_s, .given = &timed},
        {.name = "--coded", .kind = COVEY__OPTION_TEXT, .value = &coded},
        {.name = "--check", .kind = COVEY__OPTION_TEXT, .value = &check},
        {.name = "--half", .kind = COVEY__OPTION_FLAG, .value = &infer.half},
        {.name = "--exact", .kind = COVEY__OPTION_FLAG, .value = &infer.exact},
        {.name = "--batch",
         .kind = COVEY__OPTION_NUMBER,
         .value = &batch,
         .min = 1,
         .max = COVEY_BATCH_MAX},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2 || (strcmp(coded, "all") != 0 && strcmp(coded, "auto") != 0) ||
        (strcmp(check, "all") != 0 && strcmp(check, "untrusted") != 0)) {
        return covey__cli_usage(cli, "usage: covey plan MODEL [--devices N] [--parity 0..4] "
                                     "[--coded auto|all] [--check all|untrusted] [--half] "
                                     "[--exact] [--batch N] [--timeout S]");
    }
    if (timeout_s < 0.001 || timeout_s > 86400) {
        return covey__cli_usage(cli, "--timeout takes seconds, from 0.001 to 86400");
    }
    infer.timeout_ms = timed ? (uint32_t)(timeout_s * 1000) : 0;
    infer.devices = (uint8_t)devices;
    infer.parity = (uint8_t)parity;
    infer.batch = (uint16_t)batch;
    infer.coded_all = strcmp(coded, "all") == 0;
    infer.check_all = strcmp(check, "all") == 0;
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code == COVEY_EXIT_DONE) {
        code = ask(cli, argv[1], &infer, &c, timeout_s);
        covey__control_close(&c);
    }
    return code;
}
