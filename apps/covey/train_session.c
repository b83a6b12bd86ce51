/* SPDX-License-Identifier: MIT */
#include "train_session.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/files.h"

enum covey_exit covey__train_fail(const struct covey__train *t, covey_err err,
                                  const struct covey_nn_error *why)
{
    enum covey_exit code = covey__cli_exit_of(err);
    if (err == COVEY_ERR_NOT_FOUND || err == COVEY_ERR_IO) {
        code = COVEY_EXIT_INPUT;
    }
    return covey__cli_fail(t->cli, code, "%s", why->text[0] != 0 ? why->text : covey_strerror(err));
}

/* Reads the checkpoint and takes its options where none were given. */
static enum covey_exit read_checkpoint(struct covey__train *t)
{
    struct covey__train_checkpoint c;
    const char *path = t->options.resume;
    covey_err err = covey_file_read(path, SIZE_MAX / 4, &t->resumed.ptr, &t->resumed.len);
    if (err != COVEY_OK) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT, "%s cannot be read: %s", path,
                               covey_strerror(err));
    }
    err = covey__train_checkpoint_decode(covey_bytes_of(t->resumed.ptr, t->resumed.len), &c);
    if (err != COVEY_OK) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT, "%s %s", path,
                               err == COVEY_ERR_UNSUPPORTED ? "is a checkpoint of another version"
                               : err == COVEY_ERR_NOMEM     ? "does not fit into memory"
                                                            : "is not a whole checkpoint");
    }
    t->progress = c.progress;
    t->state = c.state;
    t->data_digest = c.data;
    t->model_digest = c.model;
    return covey__train_options_resume(&t->options, &c.options, t->cli);
}

/* Hours of training must not end with a file that cannot be written. */
static enum covey_exit check_places(const struct covey__train *t)
{
    const char *const paths[] = {t->options.out, t->options.checkpoint, t->options.report};
    enum covey_exit code = COVEY_EXIT_DONE;
    for (size_t i = 0; i < 3 && code == COVEY_EXIT_DONE; i++) {
        code = covey__cli_check_place(t->cli, paths[i]);
    }
    return code;
}

/* Does the spec choose a part itself? */
static bool names_split(const char *spec)
{
    static const char *const parts[] = {",train", ",test", ",both"};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(parts[i]);
        for (const char *p = strstr(spec, parts[i]); p != NULL; p = strstr(p + 1, parts[i])) {
            if (p[len] == 0 || p[len] == ',') {
                return true;
            }
        }
    }
    return false;
}

static covey_err load_data(struct covey__train *t, struct covey_nn_error *why)
{
    const struct covey__train_options *o = &t->options;
    struct covey_dataset_config config = {.split = COVEY_SPLIT_DEFAULT};
    bool named = names_split(o->data);
    covey__train_model_wishes(&t->model, &config);
    config.split = named ? COVEY_SPLIT_DEFAULT : COVEY_SPLIT_TRAIN;
    covey_err err = covey_dataset_load(o->data, &config, &t->data, why);
    bool none = o->test != NULL && strcmp(o->test, "none") == 0;
    if (err != COVEY_OK || none || (o->test == NULL && named)) {
        return err;
    }
    config.channels = t->data.channels;
    config.height = t->data.height;
    config.width = t->data.width;
    config.split = o->test == NULL ? COVEY_SPLIT_TEST : COVEY_SPLIT_DEFAULT;
    return covey_dataset_load(o->test == NULL ? o->data : o->test, &config, &t->test, why);
}

static enum covey_exit check_data(const struct covey__train *t)
{
    const struct covey_dataset *a = &t->data, *b = &t->test;
    if (a->count < t->options.batch || a->count > UINT32_MAX) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT,
                               "%s has %zu samples: a batch takes %u (--batch)", t->options.data,
                               a->count, t->options.batch);
    }
    if (b->count != 0 &&
        (a->channels != b->channels || a->height != b->height || a->width != b->width)) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT,
                               "the test samples have %ux%ux%u, those to train on %ux%ux%u",
                               b->channels, b->height, b->width, a->channels, a->height, a->width);
    }
    return COVEY_EXIT_DONE;
}

/* The model as it will be written, so that one that cannot be is refused now; its digest says
 * whether a checkpoint is of this model. */
static covey_err digest_model(struct covey__train *t, struct covey_digest *out,
                              struct covey_nn_error *why)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    covey_err err = covey__train_model_encode(&t->model, &t->options, &bytes, &len, why);
    if (err == COVEY_OK) {
        covey_hash(out, covey_bytes_of(bytes, len));
        free(bytes);
    }
    return err;
}

/* Compares with the checkpoint, where there is one. */
static enum covey_exit check_digests(struct covey__train *t)
{
    struct covey_nn_error why = {""};
    struct covey_digest data, model;
    covey_err err = digest_model(t, &model, &why);
    if (err != COVEY_OK) {
        return covey__train_fail(t, err, &why);
    }
    covey__train_data_digest(&t->data, &data);
    if (t->state.ptr != NULL && memcmp(&data, &t->data_digest, sizeof(data)) != 0) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT, "%s is of other data than %s",
                               t->options.resume, t->options.data);
    }
    if (t->state.ptr != NULL && memcmp(&model, &t->model_digest, sizeof(model)) != 0) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT, "%s is of another model than %s",
                               t->options.resume, t->options.model);
    }
    t->data_digest = data;
    t->model_digest = model;
    return COVEY_EXIT_DONE;
}

static enum covey_exit check_classes(const struct covey__train *t)
{
    uint32_t classes = covey_trainer_classes(t->trainer);
    uint32_t wanted = t->data.classes > t->test.classes ? t->data.classes : t->test.classes;
    if (wanted > classes) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT,
                               "the model tells %u classes apart, the samples have %u", classes,
                               wanted);
    }
    if (covey_trainer_input_floats(t->trainer) != covey_dataset_values(&t->data)) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT,
                               "the model takes %zu values, a sample has "
                               "%zu",
                               covey_trainer_input_floats(t->trainer),
                               covey_dataset_values(&t->data));
    }
    return COVEY_EXIT_DONE;
}

/* The trainer's state, and a place in the run that can be. */
static enum covey_exit go_on(struct covey__train *t)
{
    const struct covey__train_progress *p = &t->progress;
    bool fits = p->epoch <= t->options.epochs && p->step <= t->batches.steps &&
                (p->epoch < t->options.epochs || p->step == 0);
    uint64_t steps = (uint64_t)p->epoch * t->batches.steps + p->step;
    if (!fits || covey_trainer_load(t->trainer, t->state) != COVEY_OK ||
        covey_trainer_steps(t->trainer) != steps) {
        return covey__cli_fail(t->cli, COVEY_EXIT_INPUT, "%s does not fit to the model",
                               t->options.resume);
    }
    return COVEY_EXIT_DONE;
}

static void view(const struct covey_dataset *d, struct covey_samples *out)
{
    *out = (struct covey_samples){.count = d->count,
                                  .channels = d->channels,
                                  .height = d->height,
                                  .width = d->width,
                                  .classes = d->classes,
                                  .labels = d->labels,
                                  .bytes = d->bytes,
                                  .floats = d->floats};
}

static enum covey_exit open_trainer(struct covey__train *t)
{
    struct covey_nn_error why = {""};
    struct covey_train_options options;
    view(&t->data, &t->train);
    view(&t->test, &t->held);
    covey_err err = covey_batches_init(&t->batches, &t->train, t->options.batch, t->options.seed);
    if (err == COVEY_OK) {
        (void)covey__train_options_augment(t->options.augment, &t->batches.augment);
        covey__train_options_trainer(&t->options, t->batches.steps, &options);
        err = covey_trainer_new(t->model.graph, &options, &t->trainer, &why);
    }
    if (err == COVEY_OK && t->progress.history == NULL) {
        t->progress.history = calloc(COVEY_TRAINING_EPOCHS_MAX, sizeof(*t->progress.history));
        err = t->progress.history == NULL ? COVEY_ERR_NOMEM : COVEY_OK;
    }
    if (err != COVEY_OK) {
        return covey__train_fail(t, err, &why);
    }
    t->parameters = covey_trainer_parameters(t->trainer);
    t->trainer_bytes = covey_trainer_memory(t->trainer);
    enum covey_exit code = check_classes(t);
    return code == COVEY_EXIT_DONE && t->state.ptr != NULL ? go_on(t) : code;
}

enum covey_exit covey__train_open(struct covey__train *t)
{
    struct covey_nn_error why = {""};
    enum covey_exit code = COVEY_EXIT_DONE;
    if (t->options.resume != NULL) {
        code = read_checkpoint(t);
    }
    if (code == COVEY_EXIT_DONE) {
        code = covey__train_options_check(&t->options, t->cli);
    }
    if (code == COVEY_EXIT_DONE) {
        code = check_places(t);
    }
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey_err err = covey__train_model_read(&t->model, &t->options, &why);
    if (err == COVEY_OK) {
        err = load_data(t, &why);
    }
    if (err != COVEY_OK) {
        return covey__train_fail(t, err, &why);
    }
    code = check_data(t);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    covey__train_options_settle(&t->options, &t->data);
    err = covey__train_model_fit(&t->model, &t->options, &t->data, &why);
    if (err != COVEY_OK) {
        return err == COVEY_ERR_NOT_FOUND ? covey__cli_usage(t->cli, "%s", why.text)
                                          : covey__train_fail(t, err, &why);
    }
    code = check_digests(t);
    return code == COVEY_EXIT_DONE ? open_trainer(t) : code;
}

void covey__train_close(struct covey__train *t)
{
    covey_trainer_free(t->trainer);
    covey_batches_done(&t->batches);
    covey__train_model_done(&t->model);
    covey_dataset_done(&t->data);
    covey_dataset_done(&t->test);
    free(t->progress.history);
    free(t->resumed.ptr);
}

enum covey_exit covey__train_checkpoint_write(struct covey__train *t)
{
    struct covey__train_checkpoint c = {.options = t->options,
                                        .data = t->data_digest,
                                        .model = t->model_digest,
                                        .progress = t->progress};
    const char *path = t->options.checkpoint;
    size_t state_len = covey_trainer_state_bytes(t->trainer), len = 0;
    uint8_t *state = malloc(state_len), *file = NULL;
    covey_err err = COVEY_ERR_NOMEM;
    if (state != NULL) {
        covey_trainer_save(t->trainer, state);
        c.state = covey_bytes_of(state, state_len);
        err = covey__train_checkpoint_encode(&c, &file, &len);
    }
    enum covey_exit code =
        err == COVEY_OK ? covey__cli_write(t->cli, path, covey_bytes_of(file, len))
                        : covey__cli_fail(t->cli, COVEY_EXIT_FAILED, "%s cannot be written: %s",
                                          path, covey_strerror(err));
    free(file);
    free(state);
    return code;
}

enum covey_exit covey__train_finish(struct covey__train *t)
{
    struct covey_nn_error why = {""};
    uint8_t *bytes = NULL;
    t->steps = covey_trainer_steps(t->trainer);
    covey_err err = covey_trainer_store(t->trainer);
    if (err == COVEY_OK) {
        err = covey__train_model_encode(&t->model, &t->options, &bytes, &t->out_bytes, &why);
    }
    if (err != COVEY_OK) {
        return covey__train_fail(t, err, &why);
    }
    enum covey_exit code =
        covey__cli_write(t->cli, t->options.out, covey_bytes_of(bytes, t->out_bytes));
    free(bytes);
    return code;
}
