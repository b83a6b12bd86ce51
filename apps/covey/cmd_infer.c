/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "infer_classes.h"
#include "infer_detach.h"
#include "infer_gather.h"
#include "infer_report.h"
#include "prepare_options.h"
#include "read_input.h"

const char covey__help_infer[] =
    "usage: covey infer MODEL INPUT... [options]\n"
    "MODEL is the name or id of a model that was added, or an .onnx file, which is added first.\n"
    "INPUT is a picture (PNG, JPEG, PGM, PPM, BMP), a tensor (.npy, .pb), or a data\n"
    "set (mnist:DIR, cifar10:DIR, cifar100:DIR, digits:FILE, folder:DIR, npy:X,Y), behind it\n"
    ",train ,test or ,both.\n"
    "  --local            compute here, without a node; MODEL is a file\n"
    "  --devices N        at most N devices (all)\n"
    "  --parity R         devices that may be lost at any moment, 0 to 4 (1)\n"
    "  --coded auto|all   code a layer where that is sooner, or every layer (auto)\n"
    "  --check all|untrusted   strips of tile runs are made by two devices each, which must "
    "agree;\n"
    "                     or believed, sooner (untrusted). Coded layers are always checked\n"
    "  --half             activations travel as 16-bit numbers\n"
    "  --exact            answers bit for bit those of one device: of quantised networks\n"
    "  --batch N          N inputs in one request, 1 to 256 (1; of a tensor: its first dimension)\n"
    "  --timeout S        seconds for one request (30; with --local or --detach as long as it "
    "takes),\n"
    "                     and before it for a device that has more of MODEL, while none of it "
    "comes\n"
    "  --skip N, --limit N   leave out the first inputs; take at most so many\n"
    "  --scale X, --mean A[,B,C], --std A[,B,C]   x becomes (x * scale - mean) / std\n"
    "  --layout rgb|bgr|gray   order of the channels\n"
    "                     (without these four: as the model was added)\n"
    "  --labels FILE      names of the outputs, one a line (those that the model was added with)\n"
    "  --output FILE      write the outputs as .npy or .pb\n"
    "  --trace            report each layer\n"
    "  --detach           the node answers and keeps the answers: see 'covey session'\n"
    "  --id ID            under this id; the same again is not done twice\n"
    "  --stream           one JSON line per answer, as they come\n"
    "  --json             one JSON document\n";

struct infer {
    struct covey__cli *cli;
    struct covey_control_infer request;
    struct covey__prepare_options options;
    struct covey_prepare prepare;
    const char *labels, *id;
    bool detach;
    struct covey__detach kept;
    bool local, stream, has_limit;
    uint32_t skip, limit, batch;
    const char *output;
    struct covey__target target;
    struct covey__tally tally;
    struct covey__gather gather;
    float *collected; /* outputs for --output */
    size_t seen;      /* inputs met, skipped ones included */
    size_t expected;  /* answers that will come, for one or many */
    bool labelled;
    cJSON *document, *results; /* of --json */
};

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text), ending_len = strlen(ending);
    return len > ending_len && strcmp(text + len - ending_len, ending) == 0;
}

static bool parse(struct infer *f, int *argc, char **argv)
{
    const char *coded = "auto", *check = "untrusted";
    double timeout_s = 0;
    bool timed = false;
    uint32_t devices = 0, parity = 1;
    const struct covey__option options[] = {
        {"--local", COVEY__OPTION_FLAG, &f->local, 0, 0, NULL},
        {"--trace", COVEY__OPTION_FLAG, &f->request.trace, 0, 0, NULL},
        {"--stream", COVEY__OPTION_FLAG, &f->stream, 0, 0, NULL},
        {"--devices", COVEY__OPTION_NUMBER, &devices, 1, COVEY_PLAN_DEVICES_MAX, NULL},
        {"--parity", COVEY__OPTION_NUMBER, &parity, 0, COVEY_PARITY_MAX, NULL},
        {"--timeout", COVEY__OPTION_REAL, &timeout_s, 0, 0, &timed},
        {"--skip", COVEY__OPTION_NUMBER, &f->skip, 0, UINT32_MAX, NULL},
        {"--limit", COVEY__OPTION_NUMBER, &f->limit, 1, UINT32_MAX, &f->has_limit},
        {"--coded", COVEY__OPTION_TEXT, &coded, 0, 0, NULL},
        {"--check", COVEY__OPTION_TEXT, &check, 0, 0, NULL},
        {"--half", COVEY__OPTION_FLAG, &f->request.half, 0, 0, NULL},
        {"--exact", COVEY__OPTION_FLAG, &f->request.exact, 0, 0, NULL},
        {"--batch", COVEY__OPTION_NUMBER, &f->batch, 1, COVEY_BATCH_MAX, NULL},
        COVEY__PREPARE_OPTIONS(&f->options),
        {"--labels", COVEY__OPTION_TEXT, &f->labels, 0, 0, NULL},
        {"--detach", COVEY__OPTION_FLAG, &f->detach, 0, 0, NULL},
        {"--id", COVEY__OPTION_NAME, &f->id, 0, 0, NULL},
        {"--output", COVEY__OPTION_TEXT, &f->output, 0, 0, NULL},
    };
    if (!covey__cli_options(f->cli, options, sizeof(options) / sizeof(options[0]), argc, argv)) {
        return false;
    }
    if (f->detach && (f->local || f->stream || f->output != NULL || f->batch > 0)) {
        covey__cli_usage(f->cli, "--detach goes with none of --local, --stream, --output, --batch");
        return false;
    }
    if (f->request.exact && f->request.half) {
        covey__cli_usage(f->cli, "--exact does not go with --half, which rounds");
        return false;
    }
    if (timed && (timeout_s < 0.001 || timeout_s > 86400)) {
        covey__cli_usage(f->cli, "--timeout takes seconds, from 0.001 to 86400");
        return false;
    }
    if (f->output != NULL && !ends_with(f->output, ".npy") && !ends_with(f->output, ".pb")) {
        covey__cli_usage(f->cli, "--output takes a file ending in .npy or .pb");
        return false;
    }
    if (*argc < 3) {
        covey__cli_usage(f->cli, "usage: covey infer MODEL INPUT...: see 'covey infer --help'");
        return false;
    }
    f->request.devices = (uint8_t)devices;
    if (strcmp(coded, "all") != 0 && strcmp(coded, "auto") != 0) {
        covey__cli_usage(f->cli, "--coded is auto or all");
        return false;
    }
    if (strcmp(check, "all") != 0 && strcmp(check, "untrusted") != 0) {
        covey__cli_usage(f->cli, "--check is untrusted or all");
        return false;
    }
    f->request.coded_all = strcmp(coded, "all") == 0;
    f->request.check_all = strcmp(check, "all") == 0;
    f->request.parity = (uint8_t)parity;
    f->request.timeout_ms = (uint32_t)(timeout_s * 1000);
    return covey__prepare_override(f->cli, &f->options, &f->prepare);
}

static enum covey_exit fail(const struct infer *f, covey_err err, const char *text)
{
    return covey__cli_fail(f->cli, covey__cli_exit_of(err), "%s",
                           text[0] != 0 ? text : covey_strerror(err));
}

static enum covey_exit report(struct infer *f, const struct covey__answer *answer, size_t index,
                              int32_t label)
{
    const struct covey__target *t = &f->target;
    if (f->collected != NULL) {
        memcpy(f->collected + (f->tally.count - 1) * t->output_floats, answer->output,
               t->output_floats * sizeof(float));
    }
    if (f->stream) {
        return covey__cli_print_line(f->cli, covey__report_line(t, answer, index, label));
    }
    if (f->cli->json) {
        if (f->expected == 1) {
            covey__report_answer(f->document, t, answer);
        }
        cJSON *line = covey__report_line(t, answer, index, label);
        if (f->labelled) { /* thousands of them */
            cJSON_DeleteItemFromObject(line, "outputs");
        }
        cJSON_AddItemToArray(f->results, line);
    } else if (f->expected == 1) {
        covey__print_answer(t, answer);
    } else if (!f->labelled) {
        size_t best = covey__argmax(answer->output, t->output_floats);
        const char *name = covey__labels_name(&t->notes.labels, best);
        printf("%8zu  class %zu  %.2f ms%s%s\n", index, best, answer->elapsed_ms,
               name != NULL ? "  " : "", name != NULL ? name : "");
    }
    return COVEY_EXIT_DONE;
}

/* The inputs from `done` on, of which count are answered. */
static enum covey_exit report_rows(struct infer *f, const struct covey__answer *answer, size_t done,
                                   size_t count)
{
    enum covey_exit code = COVEY_EXIT_DONE;
    for (size_t i = 0; i < count && code == COVEY_EXIT_DONE; i++) {
        struct covey__answer one = *answer;
        int32_t label = f->gather.labels[done + i];
        one.output += i * f->target.output_floats;
        one.row = i;
        covey_err err = covey__tally_add(&f->tally, &one, f->target.output_floats, label);
        code = err == COVEY_OK ? report(f, &one, f->gather.first + done + i, label)
                               : fail(f, err, "out of memory");
    }
    return code;
}

/* With --stream a failure is a line for each input too, and the next ones are tried. */
static enum covey_exit report_lost(struct infer *f, covey_err err, size_t done, size_t count)
{
    enum covey_exit code = COVEY_EXIT_DONE;
    if (!f->stream || err == COVEY_ERR_CLOSED || err == COVEY_ERR_NOMEM) {
        return fail(f, err, f->target.why.text);
    }
    for (size_t i = 0; i < count && code == COVEY_EXIT_DONE; i++) {
        f->tally.lost++;
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "index", (double)(f->gather.first + done + i));
        cJSON_AddStringToObject(line, "error", f->target.why.text);
        code = covey__cli_print_line(f->cli, line);
    }
    return code;
}

/* Asks for what is gathered. */
static enum covey_exit answer_gathered(struct infer *f)
{
    enum covey_exit code = COVEY_EXIT_DONE;
    struct covey__answer answer;
    for (size_t done = 0, count = 0; done < f->gather.count && code == COVEY_EXIT_DONE;
         done += count) {
        covey_err err = covey__gather_ask(&f->gather, &f->target, done, &answer, &count);
        code = err == COVEY_OK ? report_rows(f, &answer, done, count)
                               : report_lost(f, err, done, count);
    }
    f->gather.count = 0;
    return code;
}

static enum covey_exit take_item(struct infer *f, struct covey_input *in, size_t index)
{
    struct covey_nn_error why = {""};
    struct covey_item item;
    float *input = covey__gather_next(&f->gather, &f->target);
    covey_err err = covey_input_item(in, index, &item, &why);
    if (err == COVEY_OK) {
        err = covey_prepare_item(&f->prepare, &item, &f->target.input, input, &why);
    }
    if (err != COVEY_OK) {
        enum covey_exit code = answer_gathered(f); /* those before it are good */
        return code == COVEY_EXIT_DONE ? fail(f, err, why.text) : code;
    }
    if (f->detach) {
        err = covey__detach_add(&f->kept, input, f->target.input_floats);
        return err == COVEY_OK ? COVEY_EXIT_DONE : fail(f, err, "too many inputs for one session");
    }
    covey__gather_add(&f->gather, f->seen, item.label);
    return covey__gather_full(&f->gather) ? answer_gathered(f) : COVEY_EXIT_DONE;
}

static bool wanted(const struct infer *f)
{
    return f->seen >= f->skip &&
           (!f->has_limit ||
            f->tally.count + f->tally.lost + f->kept.count + f->gather.count < f->limit);
}

static enum covey_exit answer_input(struct infer *f, struct covey_input *in)
{
    enum covey_exit code = COVEY_EXIT_DONE;
    size_t count = covey_input_count(in);
    bool together = covey_input_is_tensor(in) && !f->detach;
    size_t rows = count < f->expected ? count : f->expected;
    covey_err err = covey__gather_widen(&f->gather, &f->target, together ? rows : 1);
    if (err != COVEY_OK) {
        return fail(f, err, "out of memory");
    }
    for (size_t i = 0; i < count && code == COVEY_EXIT_DONE; i++, f->seen++) {
        if (wanted(f)) {
            code = take_item(f, in, i);
        }
    }
    return code == COVEY_EXIT_DONE && !f->gather.fixed ? answer_gathered(f) : code;
}

/* Opens every input before the first is asked: a bad one is said before work is done. */
static enum covey_exit open_inputs(struct infer *f, struct covey_input **inputs, size_t count,
                                   char **specs)
{
    size_t items = 0;
    for (size_t i = 0; i < count; i++) {
        struct covey_nn_error why = {""};
        struct covey_item item;
        bool told = true;
        covey_err err = covey_input_open(specs[i], &inputs[i], &why);
        if (err == COVEY_OK) {
            err = covey__infer_classes(inputs[i], &f->target.notes.labels, f->target.output_floats,
                                       &told);
            f->tally.unmatched = f->tally.unmatched || !told;
        }
        if (err == COVEY_OK) {
            covey_input_split(inputs[i], f->target.input_floats);
            items += covey_input_count(inputs[i]);
            err = covey_input_item(inputs[i], 0, &item, &why);
        }
        if (err != COVEY_OK) {
            return err == COVEY_ERR_IO ? covey__cli_fail(f->cli, COVEY_EXIT_INPUT, "%s", why.text)
                                       : fail(f, err, why.text);
        }
        f->labelled = f->labelled || item.label >= 0;
    }
    if (items <= f->skip) {
        return covey__cli_fail(f->cli, COVEY_EXIT_INPUT, "--skip %u leaves none of the %zu inputs",
                               f->skip, items);
    }
    f->expected = items - f->skip;
    if (f->has_limit && f->expected > f->limit) {
        f->expected = f->limit;
    }
    return COVEY_EXIT_DONE;
}

static covey_err open_target(struct infer *f, const char *model)
{
    covey_err err = f->local ? covey__target_open_local(&f->target, model, &f->request)
                             : covey__target_open(&f->target, f->cli->state, model, &f->request);
    if (err != COVEY_OK) {
        return err;
    }
    f->document = cJSON_CreateObject();
    f->results = cJSON_CreateArray();
    return f->results != NULL &&
                   cJSON_AddStringToObject(f->document, "model", f->target.name) != NULL
               ? covey__gather_init(&f->gather, &f->target, f->batch)
               : COVEY_ERR_NOMEM;
}

static enum covey_exit write_output(const struct infer *f)
{
    struct covey_shape shape = f->target.output;
    struct covey_nn_error why = {""};
    if (f->tally.count > 1 && shape.rank > 0 && shape.dims[0] == 1) {
        shape.dims[0] = (uint32_t)f->tally.count;
    }
    covey_err err = ends_with(f->output, ".npy")
                        ? covey_output_npy(f->output, &shape, f->collected, &why)
                        : covey_output_pb(f->output, &shape, f->collected, &why);
    return err == COVEY_OK ? COVEY_EXIT_DONE : fail(f, err, why.text);
}

static enum covey_exit print_document(struct infer *f)
{
    const struct covey_control *reply = f->target.control.reply;
    cJSON *document = f->document;
    covey__report_tally(document, &f->tally);
    cJSON_AddNumberToObject(document, "requests", (double)f->gather.requests);
    cJSON_AddNumberToObject(document, "batch", f->gather.width);
    cJSON_AddItemToObject(document, "layers",
                          covey__report_layers(reply != NULL ? &reply->result : NULL));
    cJSON_AddItemToObject(document, "results", f->results);
    f->document = f->results = NULL;
    return covey__cli_print(f->cli, document);
}

static enum covey_exit finish(struct infer *f)
{
    enum covey_exit code = COVEY_EXIT_DONE;
    if (f->output != NULL) {
        code = write_output(f);
    }
    if (code != COVEY_EXIT_DONE || f->stream) {
        return f->tally.lost > 0 ? COVEY_EXIT_FAILED : code;
    }
    if (f->cli->json) {
        return print_document(f);
    }
    if (f->expected != 1) {
        covey__print_tally(&f->target, &f->tally);
    }
    return COVEY_EXIT_DONE;
}

/* What the model says, but for what the person says. */
static enum covey_exit take_notes(struct infer *f)
{
    struct covey_nn_error why = {""};
    covey__prepare_from_notes(&f->prepare, &f->target.notes.manifest);
    if (!covey__prepare_override(f->cli, &f->options, &f->prepare)) {
        return COVEY_EXIT_USAGE;
    }
    struct covey__labels *labels = &f->target.notes.labels;
    covey_err err = COVEY_OK;
    if (f->labels != NULL) {
        err = covey__labels_load(labels, f->labels, &why);
    }
    if (err == COVEY_OK) {
        err = covey__labels_fit(labels, f->target.output_floats, &why);
    }
    return err == COVEY_OK ? COVEY_EXIT_DONE
                           : covey__cli_fail(f->cli, COVEY_EXIT_INPUT, "%s", why.text);
}

static enum covey_exit run(struct infer *f, char **specs, size_t count)
{
    struct covey_input **inputs = calloc(count, sizeof(struct covey_input *));
    size_t floats = 0;
    if (inputs == NULL) {
        return fail(f, COVEY_ERR_NOMEM, "");
    }
    enum covey_exit code = take_notes(f);
    code = code == COVEY_EXIT_DONE ? open_inputs(f, inputs, count, specs) : code;
    if (code == COVEY_EXIT_DONE && f->output != NULL) {
        bool fits = covey_size_mul(f->expected, f->target.output_floats, &floats) == COVEY_OK &&
                    floats <= COVEY_TENSOR_ELEMENTS_MAX;
        f->collected = fits ? calloc(floats, sizeof(float)) : NULL;
        code =
            f->collected != NULL ? code : fail(f, COVEY_ERR_LIMIT, "too many outputs for one file");
    }
    for (size_t i = 0; i < count && code == COVEY_EXIT_DONE; i++) {
        code = answer_input(f, inputs[i]);
    }
    code = code == COVEY_EXIT_DONE ? answer_gathered(f) : code;
    if (code == COVEY_EXIT_DONE) {
        code = f->detach ? covey__detach_send(f->cli, &f->kept, &f->target, f->id) : finish(f);
    }
    for (size_t i = 0; i < count; i++) {
        covey_input_close(inputs[i]);
    }
    free(inputs);
    return code;
}

enum covey_exit covey__cmd_infer(struct covey__cli *cli, int argc, char **argv)
{
    struct infer f = {.cli = cli};
    covey_prepare_init(&f.prepare);
    if (!parse(&f, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    enum covey_exit unwritable = covey__cli_check_place(cli, f.output);
    if (unwritable != COVEY_EXIT_DONE) {
        return unwritable;
    }
    covey_err err = open_target(&f, argv[1]);
    enum covey_exit code =
        err == COVEY_OK ? run(&f, argv + 2, (size_t)argc - 2) : fail(&f, err, f.target.why.text);
    covey__target_close(&f.target);
    covey__tally_done(&f.tally);
    covey__detach_done(&f.kept);
    cJSON_Delete(f.document);
    cJSON_Delete(f.results);
    covey__gather_done(&f.gather);
    free(f.collected);
    return code;
}
