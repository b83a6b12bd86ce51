/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "control.h"

enum { TIMEOUT_MS = 10000 };

/* What one device holds of one layer. */
static unsigned held(const struct covey_control_plan_layer *l, unsigned device)
{
    unsigned count = 0;
    for (size_t i = 0; i < l->holder.len; i++) {
        count += l->holder.ptr[i] == device;
    }
    return count;
}

static const char *device_name(const struct covey_control_status *s, const struct covey_node_id *id,
                               char hex[static 33])
{
    for (size_t i = 0; i < s->member_count; i++) {
        if (covey_node_id_equal(&s->member[i].id, id)) {
            return s->member[i].name;
        }
    }
    covey__hex(hex, id->bytes, sizeof(id->bytes));
    return hex;
}

static cJSON *layer_json(const struct covey_control_plan_layer *l)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", l->name);
    cJSON_AddNumberToObject(o, "units", l->units);
    cJSON_AddNumberToObject(o, "groups", l->groups);
    cJSON_AddNumberToObject(o, "slots", l->slots);
    cJSON_AddNumberToObject(o, "unit_rows", l->unit_rows);
    cJSON_AddNumberToObject(o, "unit_bytes", l->unit_bytes);
    cJSON_AddNumberToObject(o, "input_bytes", l->input_bytes);
    cJSON_AddNumberToObject(o, "answer_bytes", l->answer_bytes);
    cJSON *holders = cJSON_AddArrayToObject(o, "holders");
    for (size_t i = 0; i < l->holder.len; i++) {
        cJSON_AddItemToArray(holders, cJSON_CreateNumber(l->holder.ptr[i]));
    }
    return o;
}

static cJSON *plan_json(const char *model, const struct covey_control_plan *p,
                        const struct covey_control_status *s)
{
    char hex[33];
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", model);
    cJSON_AddNumberToObject(document, "term", (double)p->term);
    if (p->has_coordinator) {
        cJSON_AddStringToObject(document, "coordinator", device_name(s, &p->coordinator, hex));
    } else {
        cJSON_AddNullToObject(document, "coordinator");
    }
    cJSON_AddNumberToObject(document, "parity", p->parity);
    cJSON *devices = cJSON_AddArrayToObject(document, "devices");
    for (unsigned i = 0; i < p->devices; i++) {
        uint64_t bytes = 0, in = 0, out = 0;
        for (size_t k = 0; k < p->layer_count; k++) {
            const struct covey_control_plan_layer *l = &p->layer[k];
            unsigned slots = held(l, i);
            bytes += (uint64_t)slots * l->unit_bytes;
            in += slots > 0 ? l->input_bytes : 0;
            out += (uint64_t)slots * l->answer_bytes;
        }
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", device_name(s, &p->device[i], hex));
        cJSON_AddNumberToObject(o, "weights_bytes", (double)bytes);
        cJSON_AddNumberToObject(o, "received_bytes", (double)in);
        cJSON_AddNumberToObject(o, "sent_bytes", (double)out);
        cJSON_AddItemToArray(devices, o);
    }
    cJSON *layers = cJSON_AddArrayToObject(document, "layers");
    for (size_t k = 0; k < p->layer_count; k++) {
        cJSON_AddItemToArray(layers, layer_json(&p->layer[k]));
    }
    return document;
}

static void print_table(const struct covey_control_plan *p, const struct covey_control_status *s)
{
    char hex[33];
    printf("%-24s %6s %6s %10s %10s %10s", "LAYER", "UNITS", "PARITY", "UNIT B", "INPUT B",
           "ANSWER B");
    for (unsigned i = 0; i < p->devices; i++) {
        printf(" %8.8s", device_name(s, &p->device[i], hex));
    }
    printf("\n");
    for (size_t k = 0; k < p->layer_count; k++) {
        const struct covey_control_plan_layer *l = &p->layer[k];
        printf("%-24.24s %6u %6d %10u %10u %10u", l->name, l->units, (int)l->slots - (int)l->units,
               l->unit_bytes, l->input_bytes, l->answer_bytes);
        for (unsigned i = 0; i < p->devices; i++) {
            printf(" %8u", held(l, i));
        }
        printf("\n");
    }
    if (p->layer_count == 0) {
        printf("everything runs at the node that is asked\n");
    }
    if (p->has_coordinator) {
        printf("planned by %s in term %llu\n", device_name(s, &p->coordinator, hex),
               (unsigned long long)p->term);
    } else {
        printf("planned by the node that was asked\n");
    }
}

static enum covey_exit ask(struct covey__cli *cli, struct covey__control *c,
                           const struct covey_control_infer *infer)
{
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
    c->request->infer = *infer;
    err = covey__control_call(c, COVEY_CONTROL_PLAN, covey_bytes_of(NULL, 0),
                              COVEY_CONTROL_PLAN_REPLY, TIMEOUT_MS);
    enum covey_exit code = COVEY_EXIT_DONE;
    if (err != COVEY_OK) {
        code = covey__cli_fail_call(cli, c, err);
    } else if (cli->json) {
        code =
            covey__cli_print(cli, plan_json(infer->model, &c->reply->plan, &names.reply->status));
    } else {
        print_table(&c->reply->plan, &names.reply->status);
    }
    covey__control_close(&names);
    return code;
}

enum covey_exit covey__cmd_plan(struct covey__cli *cli, int argc, char **argv)
{
    uint32_t devices = 0, parity = 1;
    const struct covey__option options[] = {
        {.name = "--devices",
         .kind = COVEY__OPTION_NUMBER,
         .value = &devices,
         .min = 1,
         .max = COVEY_PLAN_DEVICES_MAX},
        {.name = "--parity", .kind = COVEY__OPTION_NUMBER, .value = &parity, .max = 1},
    };
    if (!covey__cli_options(cli, options, 2, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2) {
        return covey__cli_usage(cli, "usage: covey plan MODEL [--devices N] [--parity 0|1]");
    }
    struct covey_control_infer infer = {.devices = (uint8_t)devices, .parity = (uint8_t)parity};
    int len = snprintf(infer.model, sizeof(infer.model), "%s", argv[1]);
    if (len <= 0 || (size_t)len >= sizeof(infer.model)) {
        return covey__cli_usage(cli, "a model's name has 1 to %d characters", COVEY_NAME_MAX);
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code == COVEY_EXIT_DONE) {
        code = ask(cli, &c, &infer);
        covey__control_close(&c);
    }
    return code;
}
