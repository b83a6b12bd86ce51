/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "covey/pack.h"
#include "data_blob.h"
#include "train_mesh.h"

enum { TIMEOUT_MS = 60000 };

/* Only what the node lacks travels. */
static covey_err give(struct covey__train_mesh *m, const struct covey_digest *digest,
                      struct covey_bytes blob)
{
    struct covey__control *c = &m->control;
    covey_err err = covey__control_call(c, COVEY_CONTROL_BLOB_HAVE,
                                        covey_bytes_of(digest->bytes, sizeof(digest->bytes)),
                                        COVEY_CONTROL_BLOB_HAVE_REPLY, TIMEOUT_MS);
    m->blobs++;
    if (err != COVEY_OK) {
        return err;
    }
    if (c->body_len < 1) {
        return covey__control_refuse(c, COVEY_ERR_MALFORMED, "the node's answer is too short");
    }
    if ((c->body[0] & 1) == 0) {
        return COVEY_OK;
    }
    c->request->digest = *digest;
    m->blobs_sent++;
    m->bytes_sent += blob.len;
    return covey__control_call(c, COVEY_CONTROL_BLOB_PUT, blob, COVEY_CONTROL_DONE, TIMEOUT_MS);
}

static covey_err give_part(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return give(user, digest, blob);
}

static covey_err give_hashed(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    covey_hash(out, blob);
    return give(user, out, blob);
}

static covey_err give_model(struct covey__train *t, struct covey__train_mesh *m,
                            struct covey_nn_error *why)
{
    uint8_t *manifest = NULL;
    size_t len = 0;
    covey_err err = covey_pack_plain(t->model.graph, m->job.model_name, give_part, m, &manifest,
                                     &len, &m->job.model, why);
    if (err == COVEY_OK) {
        err = give(m, &m->job.model, covey_bytes_of(manifest, len));
    }
    free(manifest);
    return err;
}

static covey_err give_job(struct covey__train_mesh *m)
{
    uint8_t bytes[COVEY_TRAINING_JOB_MAX];
    size_t len = 0;
    covey_err err =
        covey__training_job_encode(&m->job, (struct covey_buf){bytes, sizeof(bytes)}, &len);
    return err == COVEY_OK
               ? covey__control_call(&m->control, COVEY_CONTROL_TRAIN, covey_bytes_of(bytes, len),
                                     COVEY_CONTROL_DONE, TIMEOUT_MS)
               : err;
}

/* A name that nobody gave must not be that of another session. */
static void name_session(const struct covey__train *t, struct covey__train_mesh *m)
{
    uint8_t random[3];
    char text[2 * sizeof(random) + 1];
    covey_random(random, sizeof(random));
    covey__hex(text, random, sizeof(random));
    if (t->options.name != NULL) {
        snprintf(m->job.name, sizeof(m->job.name), "%s", t->options.name);
    } else {
        snprintf(m->job.name, sizeof(m->job.name), "%.50s-%s", m->job.model_name, text);
    }
}

static void fill_job(const struct covey__train *t, struct covey__train_mesh *m)
{
    struct covey_training_job *job = &m->job;
    covey__train_model_name(&t->options, job->model_name);
    name_session(t, m);
    covey__train_options_trainer(&t->options, t->batches.steps, &job->train);
    (void)covey__train_options_augment(t->options.augment, &job->augment);
    job->epochs = t->options.epochs;
    job->every = t->options.every;
    memcpy(m->name, job->name, sizeof(m->name));
}

enum covey_exit covey__train_give(struct covey__train *t, struct covey__train_mesh *m)
{
    struct covey_nn_error why = {""};
    fill_job(t, m);
    m->control.why[0] = 0;
    covey_err err = give_model(t, m, &why);
    if (err == COVEY_OK) {
        err = covey__data_encode(&t->train, give_hashed, m, &m->job.data);
    }
    if (err == COVEY_OK && t->held.count > 0) {
        err = covey__data_encode(&t->held, give_hashed, m, &m->job.test);
    }
    if (err == COVEY_OK) {
        err = give_job(m);
    }
    if (err == COVEY_OK) {
        return COVEY_EXIT_DONE;
    }
    const char *text = m->control.why[0] != 0 ? m->control.why
                       : why.text[0] != 0     ? why.text
                                              : covey_strerror(err);
    return covey__cli_fail(t->cli, covey__cli_exit_of(err), "%s", text);
}
