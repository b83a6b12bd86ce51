/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab_report.h"
#include "read_input.h"

enum {
    STATUS_MS = 5000,
    TIMEOUT_MS = 30000,
    UP_MAX = 5, /* folders above the program's */
    RANDOM_INPUTS = 16,
    INPUT_FLOATS_MAX = 16 * 1024 * 1024, /* of all together */
};

static bool join(char out[static COVEY__REPORT_PATH], const char *folder, const char *name)
{
    int len = snprintf(out, COVEY__REPORT_PATH, "%s/%s", folder, name);
    return len > 0 && len < COVEY__REPORT_PATH;
}

/* In $COVEY_DEMO_DATA, or below a folder around the program: that of the sources. */
static bool find_demo(char out_folder[static COVEY__REPORT_PATH])
{
    char file[COVEY__REPORT_PATH], here[COVEY__REPORT_PATH];
    const char *given = getenv("COVEY_DEMO_DATA");
    if (given != NULL) {
        snprintf(out_folder, COVEY__REPORT_PATH, "%s", given);
        return join(file, given, "digits.onnx") && access(file, R_OK) == 0;
    }
    ssize_t len = readlink("/proc/self/exe", here, sizeof(here) - 1);
    here[len > 0 ? len : 0] = 0;
    for (int i = 0; i < UP_MAX; i++) {
        char *slash = strrchr(here, '/');
        if (slash == NULL) {
            return false;
        }
        *slash = 0;
        if (join(out_folder, here, "apps/demo-data") && join(file, out_folder, "digits.onnx") &&
            access(file, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

covey_err covey__report_choose(struct covey__report *r)
{
    char folder[COVEY__REPORT_PATH];
    if (r->options.model != NULL) {
        snprintf(r->model_file, sizeof(r->model_file), "%s", r->options.model);
        snprintf(r->input_spec, sizeof(r->input_spec), "%s",
                 r->options.input != NULL ? r->options.input : "");
        return COVEY_OK;
    }
    if (!find_demo(folder) || !join(r->model_file, folder, "digits.onnx")) {
        return covey__report_refuse(r, COVEY_ERR_NOT_FOUND,
                                    "the demo's digits are not here: give --model, or "
                                    "$COVEY_DEMO_DATA (apps/demo-data of the sources)");
    }
    if (r->options.input != NULL) {
        snprintf(r->input_spec, sizeof(r->input_spec), "%s", r->options.input);
        return COVEY_OK;
    }
    int len = snprintf(r->input_spec, sizeof(r->input_spec), "digits:%s/digits.csv.gz", folder);
    return len < (int)sizeof(r->input_spec)
               ? COVEY_OK
               : covey__report_refuse(r, COVEY_ERR_RANGE, "the demo's path is too long");
}

static covey_err make_room(struct covey__report *r, size_t wanted)
{
    size_t most = INPUT_FLOATS_MAX / (r->target.input_floats + r->target.output_floats);
    size_t count = wanted < r->options.requests ? wanted : r->options.requests;
    r->inputs = count < most ? count : most;
    r->inputs = r->inputs > 0 ? r->inputs : 1;
    r->input = calloc(r->inputs, r->target.input_floats * sizeof(float));
    r->reference = calloc(r->inputs, r->target.output_floats * sizeof(float));
    r->known = calloc(r->inputs, sizeof(*r->known));
    return r->input != NULL && r->reference != NULL && r->known != NULL
               ? COVEY_OK
               : covey__report_refuse(r, COVEY_ERR_NOMEM, "out of memory");
}

/* Any numbers do: 0 to 1. */
static covey_err make_random(struct covey__report *r)
{
    covey_err err = make_room(r, RANDOM_INPUTS);
    uint32_t state = r->options.seed;
    for (size_t i = 0; err == COVEY_OK && i < r->inputs * r->target.input_floats; i++) {
        state = state * 1664525u + 1013904223u; /* Knuth, The Art of Computer Programming, 2 */
        r->input[i] = (float)(state >> 8) / 16777216.0f;
    }
    return err;
}

static covey_err read_items(struct covey__report *r, struct covey_input *in)
{
    struct covey_nn_error why = {""};
    struct covey_prepare prepare;
    covey_prepare_init(&prepare);
    covey_err err = make_room(r, covey_input_count(in));
    for (size_t i = 0; err == COVEY_OK && i < r->inputs; i++) {
        struct covey_item item;
        err = covey_input_item(in, i, &item, &why);
        if (err == COVEY_OK) {
            err = covey_prepare_item(&prepare, &item, &r->target.input,
                                     r->input + i * r->target.input_floats, &why);
        }
        if (err != COVEY_OK) {
            return covey__report_refuse(r, COVEY_ERR_MALFORMED, "%s", why.text);
        }
    }
    return err;
}

static covey_err read_inputs(struct covey__report *r)
{
    struct covey_input *in = NULL;
    struct covey_nn_error why = {""};
    covey_err err = covey_input_open(r->input_spec, &in, &why);
    if (err != COVEY_OK) {
        return covey__report_refuse(r, COVEY_ERR_MALFORMED, "%s", why.text);
    }
    covey_input_split(in, r->target.input_floats);
    err = covey_input_count(in) > 0
              ? read_items(r, in)
              : covey__report_refuse(r, COVEY_ERR_MALFORMED, "%s holds no input", r->input_spec);
    covey_input_close(in);
    return err;
}

covey_err covey__report_load(struct covey__report *r)
{
    char state[COVEY__REPORT_PATH];
    struct covey_control_infer infer = {.coded_all = strcmp(r->options.coded, "all") == 0,
                                        .timeout_ms = TIMEOUT_MS};
    covey__lab_node_dir(&r->lab, 0, state, sizeof(state));
    covey_err err = covey__target_open(&r->target, state, r->model_file, &infer);
    if (err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_IO) {
        err = COVEY_ERR_MALFORMED; /* the model is not there: the input of this command */
    }
    if (err != COVEY_OK) {
        return covey__report_refuse(r, err, "%s", r->target.why.text);
    }
    return r->input_spec[0] != 0 ? read_inputs(r) : make_random(r);
}

static void add_device(struct covey__report *r, const struct covey_control_status *s,
                       const struct covey_control_member *m)
{
    unsigned cpu = 0;
    for (unsigned i = 0; i < r->lab.count; i++) {
        cpu = strcmp(r->lab.node[i].name, m->name) == 0 ? r->lab.node[i].cpu : cpu;
    }
    struct covey__report_device d = {
        .cpu = cpu != 0 ? cpu : 100,
        .tier = m->tier,
        .mflops = m->mflops,
        .rtt_us = m->rtt_us,
        .memory_bytes = m->memory_bytes,
        .coordinator = s->has_coordinator && covey_node_id_equal(&s->coordinator, &m->id),
    };
    memcpy(d.name, m->name, sizeof(d.name));
    r->device[r->devices++] = d;
}

covey_err covey__report_devices(struct covey__report *r)
{
    struct covey__control c = {0};
    covey_err err = covey__lab_status(&r->lab, 0, &c);
    if (err != COVEY_OK) {
        err = covey__report_refuse(r, err, "%s", c.why);
    }
    r->devices = 0;
    for (size_t i = 0; err == COVEY_OK && i < c.reply->status.member_count; i++) {
        if (r->devices < COVEY_LAB_NODES_MAX) {
            add_device(r, &c.reply->status, &c.reply->status.member[i]);
        }
    }
    if (err == COVEY_OK) {
        memcpy(r->version, c.reply->status.version, sizeof(r->version));
    }
    covey__control_close(&c);
    return err;
}
