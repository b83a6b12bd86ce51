/* SPDX-License-Identifier: MIT */
#include "training_open.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/manifest.h"
#include "data_blob.h"
#include "model_file.h"
#include "training_save.h"

static covey_err get_blob(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

static covey_err take(struct covey_training *t, const char *what, uint64_t bytes,
                      struct covey_nn_error *why)
{
    if (!covey__account_take_for(&t->services->memory, what, bytes, why)) {
        return COVEY_ERR_BUSY;
    }
    t->counted_bytes += bytes;
    return COVEY_OK;
}

static void give(struct covey_training *t, uint64_t bytes)
{
    covey__account_give(&t->services->memory, bytes);
    t->counted_bytes -= bytes;
}

static covey_err load_model(struct covey_training *t, struct covey_nn_error *why,
                            const char **out_what)
{
    struct covey_body *body = NULL;
    *out_what = "the model";
    covey_err err = covey__store_body(&t->services->store, &t->job.model, &body);
    if (err == COVEY_OK) {
        err = covey_manifest_decode(covey_bytes_of(body->data, body->len), &t->manifest, why);
    }
    covey_body_unref(body);
    if (err == COVEY_OK) {
        err = take(t, "the model of this training", covey__weight_bytes(t->manifest), why);
    }
    return err == COVEY_OK
               ? covey_manifest_bind(t->manifest, 1, get_blob, &t->services->store, &t->graph, why)
               : err;
}

/* A chunk is read beside what there is already. */
static covey_err load_chunks(struct covey_training *t, const struct covey_data_header *header,
                             struct covey_samples *out, struct covey_nn_error *why)
{
    uint64_t chunk = covey__data_chunk_bytes(header, 0);
    covey_err err = take(t, "the samples of this training", covey__data_bytes(header) + chunk, why);
    if (err == COVEY_OK) {
        err = covey__data_load(header, get_blob, &t->services->store, out);
        give(t, chunk);
    }
    return err;
}

static covey_err load_data(struct covey_training *t, const struct covey_digest *digest,
                           struct covey_samples *out, struct covey_nn_error *why)
{
    struct covey_body *body = NULL;
    struct covey_data_header header;
    covey_err err = covey__store_body(&t->services->store, digest, &body);
    if (err == COVEY_OK) {
        err = covey__data_header_decode(covey_bytes_of(body->data, body->len), &header);
    }
    if (err == COVEY_OK) {
        err = load_chunks(t, &header, out, why);
    }
    covey_body_unref(body);
    return err;
}

static covey_err load_all_data(struct covey_training *t, struct covey_nn_error *why,
                               const char **out_what)
{
    const struct covey_digest none = {.bytes = {0}};
    *out_what = "the samples";
    covey_err err = load_data(t, &t->job.data, &t->data, why);
    if (err == COVEY_OK && !covey_digest_equal(&t->job.test, &none)) {
        *out_what = "the test samples";
        err = load_data(t, &t->job.test, &t->test, why);
    }
    return err;
}

/* What `covey train` has checked already: others may have made the job. */
static covey_err check(const struct covey_training *t, const char **out_what)
{
    const struct covey_samples *a = &t->data, *b = &t->test;
    uint32_t classes = covey_trainer_classes(t->trainer);
    *out_what = "model and samples do not fit one another";
    bool fit = a->count >= t->job.train.batch && a->classes <= classes && b->classes <= classes &&
               covey_trainer_input_floats(t->trainer) == covey_samples_values(a) &&
               (b->count == 0 || covey_samples_values(a) == covey_samples_values(b));
    return fit ? COVEY_OK : COVEY_ERR_RANGE;
}

static covey_err open_trainer(struct covey_training *t, struct covey_nn_error *why,
                              const char **out_what)
{
    size_t bytes = 0;
    uint64_t batches = covey_batches_bytes(&t->data, t->job.train.batch);
    *out_what = "training";
    covey_err err = covey_trainer_needs(t->graph, &t->job.train, &bytes, why);
    if (err == COVEY_OK) {
        err = take(t, "this training", bytes + batches, why);
    }
    if (err == COVEY_OK) {
        err = covey_trainer_new(t->graph, &t->job.train, &t->trainer, why);
    }
    if (err == COVEY_OK) {
        err = check(t, out_what);
    }
    if (err == COVEY_OK) {
        err = covey_batches_init(&t->batches, &t->data, t->job.train.batch, t->job.train.seed);
        t->batches.augment = t->job.augment;
    }
    return err;
}

/* Progress and state of the checkpoint must be of the same step, one that can be. */
static covey_err take_checkpoint(struct covey_training *t, struct covey_bytes paper)
{
    struct covey_bytes bytes;
    struct covey_checkpoint_pieces pieces;
    struct covey_training_record r = {.epoch = 0};
    covey_err err = covey__training_checkpoint_decode(paper, &bytes, &pieces);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__training_record_decode(bytes, t->job.epochs, &r);
    bool fits = r.step <= t->batches.steps && (r.epoch < t->job.epochs || r.step == 0);
    if (err == COVEY_OK) {
        err = fits ? covey__training_restore(t, &pieces) : COVEY_ERR_RANGE;
    }
    if (err == COVEY_OK &&
        covey_trainer_steps(t->trainer) != (uint64_t)r.epoch * t->batches.steps + r.step) {
        err = COVEY_ERR_RANGE;
    }
    if (err != COVEY_OK) {
        covey__training_record_done(&r);
        return err;
    }
    pthread_mutex_lock(&t->mutex);
    covey__training_record_done(&t->record);
    t->record = r;
    pthread_mutex_unlock(&t->mutex);
    return COVEY_OK;
}

static covey_err open_record(struct covey_training *t, const char **out_what)
{
    struct covey_training_record fresh;
    struct covey_body *body = NULL;
    *out_what = "the checkpoint";
    if (t->resumed) {
        covey_err err = covey__store_body(&t->services->store, &t->newest.digest, &body);
        if (err == COVEY_OK) {
            err = take_checkpoint(t, covey_bytes_of(body->data, body->len));
        }
        covey_body_unref(body);
        return err;
    }
    covey_err err = covey__training_record_init(&fresh, t->job.epochs);
    if (err == COVEY_OK) {
        pthread_mutex_lock(&t->mutex);
        t->record = fresh;
        pthread_mutex_unlock(&t->mutex);
    }
    return err;
}

/* What forecasts are made of. */
static covey_err list_products(struct covey_training *t, const char **out_what)
{
    size_t count = covey_trainer_products(t->trainer, NULL, 0);
    struct covey_product_call *calls = calloc(count + 1, sizeof(*calls));
    *out_what = "the products";
    t->products = calloc(count + 1, sizeof(*t->products));
    if (calls == NULL || t->products == NULL) {
        free(calls);
        return COVEY_ERR_NOMEM;
    }
    t->product_count = covey_trainer_products(t->trainer, calls, count);
    for (size_t i = 0; i < t->product_count; i++) {
        t->products[i] = calls[i].product;
        t->products_flops += covey_train_product_flops(&t->products[i]);
    }
    free(calls);
    t->statistics_floats = covey_trainer_statistics(t->trainer);
    t->values_floats = covey_trainer_parameters(t->trainer) + t->statistics_floats;
    return COVEY_OK;
}

covey_err covey__training_open(struct covey_training *t, char out_why[static 200])
{
    struct covey_nn_error why = {""};
    const char *what = "";
    covey_err err = load_model(t, &why, &what);
    if (err == COVEY_OK) {
        err = load_all_data(t, &why, &what);
    }
    if (err == COVEY_OK) {
        err = open_trainer(t, &why, &what);
    }
    if (err == COVEY_OK) {
        err = list_products(t, &what);
    }
    if (err == COVEY_OK) {
        err = open_record(t, &what);
    }
    if (err == COVEY_ERR_BUSY) {
        snprintf(out_why, 200, "%.199s", why.text);
    } else if (err != COVEY_OK) {
        snprintf(out_why, 200, "%s: %.150s", what,
                 why.text[0] != 0 ? why.text : covey_strerror(err));
    }
    return err;
}

void covey__training_shut(struct covey_training *t)
{
    covey_trainer_free(t->trainer);
    covey_batches_done(&t->batches);
    covey__data_done(&t->data);
    covey__data_done(&t->test);
    covey_manifest_free(t->manifest);
    free(t->values);
    free(t->gradient);
    give(t, t->counted_bytes);
    t->trainer = NULL;
    t->manifest = NULL;
    t->values = t->gradient = NULL;
}
