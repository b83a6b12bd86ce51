/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "dims.h"
#include "prepare_options.h"
#include "upload.h"

enum { TIMEOUT_MS = 10000 };

static enum covey_exit print_added(struct covey__cli *cli, const struct covey__upload *up)
{
    char id[65];
    covey__hex(id, up->id.bytes, sizeof(up->id.bytes));
    if (!cli->json) {
        printf("model '%s' added: id %.16s, %llu bytes of weights in %zu units, %zu of them sent\n",
               up->name, id, (unsigned long long)up->bytes, up->blobs, up->blobs_sent);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", up->name);
    cJSON_AddStringToObject(document, "id", id);
    cJSON_AddNumberToObject(document, "weights_bytes", (double)up->bytes);
    cJSON_AddNumberToObject(document, "units", (double)up->blobs);
    cJSON_AddNumberToObject(document, "units_sent", (double)up->blobs_sent);
    cJSON_AddNumberToObject(document, "sent_bytes", (double)up->bytes_sent);
    return covey__cli_print(cli, document);
}

/* What the person says of the model, before it is read: false when that is wrong. */
static enum covey_exit read_notes(struct covey__cli *cli, const struct covey__prepare_options *o,
                                  const char *labels, struct covey__notes *out)
{
    struct covey_nn_error why = {""};
    struct covey_prepare prepare;
    covey_prepare_init(&prepare);
    if (!covey__prepare_override(cli, o, &prepare)) {
        return COVEY_EXIT_USAGE;
    }
    if (covey__prepare_given(o)) {
        covey__prepare_to_notes(&prepare, &out->manifest);
    }
    if (labels != NULL && covey__labels_load(&out->labels, labels, &why) != COVEY_OK) {
        return covey__cli_fail(cli, COVEY_EXIT_INPUT, "%s", why.text);
    }
    return COVEY_EXIT_DONE;
}

static enum covey_exit add(struct covey__cli *cli, const char *path, const char *name,
                           const struct covey__notes *notes)
{
    struct covey__control c = {0};
    struct covey__upload up;
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey_err err = covey__upload_file(&c, path, name, notes, &up);
    code = err == COVEY_OK ? print_added(cli, &up) : covey__cli_fail_call(cli, &c, err);
    covey__control_close(&c);
    return code;
}

static enum covey_exit run_add(struct covey__cli *cli, int argc, char **argv)
{
    const char *name = NULL, *labels = NULL;
    struct covey__prepare_options prepare = {.mean = NULL};
    struct covey__notes notes = {.labels = {.count = 0}};
    const struct covey__option options[] = {
        {.name = "--name", .kind = COVEY__OPTION_NAME, .value = &name},
        {.name = "--labels", .kind = COVEY__OPTION_TEXT, .value = &labels},
        COVEY__PREPARE_OPTIONS(&prepare),
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2) {
        return covey__cli_usage(cli, "usage: covey model add FILE.onnx [--name N] [--labels FILE]");
    }
    enum covey_exit code = read_notes(cli, &prepare, labels, &notes);
    if (code == COVEY_EXIT_DONE) {
        code = add(cli, argv[1], name, &notes);
    }
    covey__notes_done(&notes);
    return code;
}

/* Where it was added too; "": nowhere that this node knows of. */
static void find_other(struct covey__control *c, const struct covey_digest *id,
                       char out[static COVEY_NAME_MAX + 1])
{
    out[0] = 0;
    covey_err err = covey__control_call(c, COVEY_CONTROL_MODEL_LIST, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_MODEL_LIST_REPLY, TIMEOUT_MS);
    for (size_t i = 0; err == COVEY_OK && i < c->reply->models.count; i++) {
        const struct covey_control_model *m = &c->reply->models.model[i];
        if (covey_digest_equal(&m->id, id)) {
            memcpy(out, m->publisher, sizeof(m->publisher));
        }
    }
}

static enum covey_exit remove_model(struct covey__cli *cli, struct covey__control *c,
                                    const char *name)
{
    struct covey_control_model model;
    char other[COVEY_NAME_MAX + 1];
    covey_err err = covey__model_find(c, name, &model);
    if (err == COVEY_OK) {
        c->request->digest = model.id;
        err = covey__control_call(c, COVEY_CONTROL_MODEL_REMOVE, covey_bytes_of(NULL, 0),
                                  COVEY_CONTROL_DONE, TIMEOUT_MS);
    }
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    find_other(c, &model.id, other);
    if (!cli->json && other[0] != 0) {
        printf("model '%s' removed here; it was added at %s too, and stays known\n", model.name,
               other);
        return COVEY_EXIT_DONE;
    }
    if (!cli->json) {
        printf("model '%s' removed\n", model.name);
        return COVEY_EXIT_DONE;
    }
    char id[65];
    covey__hex(id, model.id.bytes, sizeof(model.id.bytes));
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "model", model.name);
    cJSON_AddStringToObject(document, "id", id);
    cJSON_AddBoolToObject(document, "removed", true);
    cJSON_AddItemToObject(document, "still_added_at",
                          other[0] != 0 ? cJSON_CreateString(other) : cJSON_CreateNull());
    return covey__cli_print(cli, document);
}

static enum covey_exit run_remove(struct covey__cli *cli, int argc, char **argv)
{
    if (!covey__cli_options(cli, NULL, 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2) {
        return covey__cli_usage(cli, "usage: covey model remove NAME");
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code == COVEY_EXIT_DONE) {
        code = remove_model(cli, &c, argv[1]);
        covey__control_close(&c);
    }
    return code;
}

static cJSON *models_json(const struct covey_control_models *models)
{
    cJSON *document = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(document, "models");
    for (size_t i = 0; i < models->count; i++) {
        const struct covey_control_model *m = &models->model[i];
        char id[65];
        covey__hex(id, m->id.bytes, sizeof(m->id.bytes));
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", m->name);
        cJSON_AddStringToObject(o, "id", id);
        cJSON_AddNumberToObject(o, "weights_bytes", (double)m->bytes);
        cJSON_AddItemToObject(o, "input", covey__dims_json(m->input_rank, m->input));
        cJSON_AddItemToObject(o, "output", covey__dims_json(m->output_rank, m->output));
        cJSON_AddStringToObject(o, "publisher", m->publisher);
        cJSON_AddBoolToObject(o, "here", m->here);
        cJSON_AddItemToArray(list, o);
    }
    return document;
}

static void print_models(const struct covey_control_models *models)
{
    printf("%-24s %-16s %12s %-16s %-16s %-16s %s\n", "NAME", "ID", "BYTES", "INPUT", "OUTPUT",
           "ADDED AT", "HERE");
    for (size_t i = 0; i < models->count; i++) {
        const struct covey_control_model *m = &models->model[i];
        char id[17], input[COVEY__DIMS_TEXT], output[COVEY__DIMS_TEXT];
        covey__hex(id, m->id.bytes, 8);
        covey__dims_text(input, m->input_rank, m->input);
        covey__dims_text(output, m->output_rank, m->output);
        printf("%-24s %-16s %12llu %-16s %-16s %-16s %s\n", m->name, id,
               (unsigned long long)m->bytes, input, output, m->publisher, m->here ? "yes" : "no");
    }
}

static enum covey_exit run_list(struct covey__cli *cli, int argc, char **argv)
{
    if (!covey__cli_options(cli, NULL, 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'model list' takes no argument '%s'", argv[1]);
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey_err err = covey__control_call(&c, COVEY_CONTROL_MODEL_LIST, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_MODEL_LIST_REPLY, TIMEOUT_MS);
    if (err != COVEY_OK) {
        code = covey__cli_fail_call(cli, &c, err);
    } else if (cli->json) {
        code = covey__cli_print(cli, models_json(&c.reply->models));
    } else {
        print_models(&c.reply->models);
    }
    covey__control_close(&c);
    return code;
}

enum covey_exit covey__cmd_model(struct covey__cli *cli, int argc, char **argv)
{
    static const struct covey__cli_command table[] = {
        {"add", "give a model of an ONNX file to the node",
         "usage: covey model add FILE.onnx [--name N] [--labels FILE] [--scale X] [--mean "
         "A[,B,C]]\n"
         "       [--std A[,B,C]] [--layout rgb|bgr|gray] [--json]\n"
         "Reads the model here, cuts its weights into units named by their hash, and gives the\n"
         "node those it lacks. The name is the file's unless --name says otherwise.\n"
         "The labels (one name a line, for each output) and what pictures are brought to, x "
         "becomes\n"
         "(x * scale - mean) / std, are part of the model: 'covey infer' uses them.\n",
         run_add},
        {"list", "models that the node knows",
         "usage: covey model list [--json]\n"
         "Lists the models that this node knows: name, id, size, shapes of input and output, the\n"
         "device that it was added at, and whether its weights are on this device.\n",
         run_list},
        {"remove", "forget a model",
         "usage: covey model remove NAME [--json]\n"
         "Takes a model that was added at this node, by name or id, out of the catalogue. If it\n"
         "was added at another node too it is removed here only, and that is said.\n",
         run_remove},
        {"show", "operators, shapes, parameters and FLOPs of a model", covey__help_model_show,
         covey__cmd_model_show},
        {"build", "write a well-known network with random weights", covey__help_model_build,
         covey__cmd_model_build},
        {NULL, NULL, NULL, NULL},
    };
    return covey__cli_dispatch(cli, "covey model", table, argc, argv);
}
