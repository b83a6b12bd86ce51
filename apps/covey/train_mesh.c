/* SPDX-License-Identifier: MIT */
#include "train_mesh.h"

#include <stdio.h>
#include <stdlib.h>

#include "custody_show.h"
#include "train_report.h"
#include "train_strategy.h"

enum { TIMEOUT_MS = 120000 };

/* What the node does needs no second place here. */
static void give_back(struct covey__train *t)
{
    covey_trainer_free(t->trainer);
    t->trainer = NULL;
}

/* The record is the history that a training here would have made. */
static covey_err take_record(struct covey__train *t, const struct covey__train_mesh *m)
{
    const struct covey_training_record *r = &m->record;
    if (r->epoch > COVEY_TRAINING_EPOCHS_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (uint32_t i = 0; i < r->epoch; i++) {
        t->progress.history[i] = r->history[i];
        t->seconds_here += r->history[i].seconds;
    }
    t->progress.epoch = r->epoch;
    t->steps = m->progress.total_steps;
    t->steps_here = (uint64_t)r->epoch * t->batches.steps;
    return COVEY_OK;
}

static enum covey_exit take_model(struct covey__train *t, struct covey__train_mesh *m)
{
    uint8_t *bytes = NULL;
    covey_err err = covey__train_fetch(&m->control, &m->result, &bytes, &t->out_bytes);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(t->cli, &m->control, err);
    }
    enum covey_exit code =
        covey__cli_write(t->cli, t->options.out, covey_bytes_of(bytes, t->out_bytes));
    free(bytes);
    return code;
}

static enum covey_exit detach(const struct covey__train *t, const struct covey__train_mesh *m)
{
    if (!t->cli->json) {
        printf("session %s: 'covey session show %s' tells how far it is, 'covey session get %s "
               "--out FILE.onnx' gets the model\n",
               m->name, m->name, m->name);
        return COVEY_EXIT_DONE;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "session", m->name);
    return covey__cli_print(t->cli, document);
}

static enum covey_exit train(struct covey__train *t, struct covey__train_mesh *m)
{
    enum covey_exit code = covey__train_give(t, m);
    if (code != COVEY_EXIT_DONE || t->options.detach) {
        return code == COVEY_EXIT_DONE ? detach(t, m) : code;
    }
    if (!t->cli->json) {
        printf("session %s\n", m->name);
        fflush(stdout);
    }
    code = covey__train_watch(t, m);
    if (code == COVEY_EXIT_DONE && take_record(t, m) != COVEY_OK) {
        code = covey__cli_fail(t->cli, COVEY_EXIT_FAILED, "the session's record cannot be read");
    }
    if (code == COVEY_EXIT_DONE) {
        code = take_model(t, m);
    }
    return code == COVEY_EXIT_DONE ? covey__train_report(t) : code;
}

static enum covey_exit connect(const struct covey__train *t, struct covey__train_mesh *m)
{
    covey_err err = covey__control_open(&m->control, t->cli->state);
    return err == COVEY_OK
               ? COVEY_EXIT_DONE
               : covey__cli_fail(t->cli, covey__cli_exit_of(err),
                                 "%s; --local trains on this device alone", m->control.why);
}

/* Who asks by the id is told of the session by its name. */
static covey_err find_name(struct covey__control *c, const char *which,
                           char out[static COVEY_NAME_MAX + 1])
{
    covey_err err = covey__control_call(c, COVEY_CONTROL_SESSIONS, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_SESSIONS_REPLY, TIMEOUT_MS);
    snprintf(out, COVEY_NAME_MAX + 1, "%s", which);
    for (size_t i = 0; err == COVEY_OK && i < c->reply->sessions.count; i++) {
        const struct covey_control_session *s = &c->reply->sessions.session[i];
        char id[COVEY__CUSTODY_ID];
        covey__custody_id(&s->custody, id);
        if (s->training && strcmp(s->name, which) != 0 && strncmp(id, which, strlen(which)) == 0) {
            memcpy(out, s->name, sizeof(s->name));
        }
    }
    return err;
}

/* On its way again; watched to its end where its model is wanted. */
static enum covey_exit go_on(struct covey__train *t, struct covey__train_mesh *m)
{
    const char *which = t->options.resume;
    struct covey__control *c = &m->control;
    if (!covey__cli_is_name(which)) {
        return covey__cli_usage(t->cli, "--resume takes a session's name or id, of a file of "
                                        "--checkpoint with --local");
    }
    covey_err err = find_name(c, which, m->name);
    if (err == COVEY_OK) {
        snprintf(c->request->name, sizeof(c->request->name), "%s", which);
        err = covey__control_call(
            c, t->options.fork ? COVEY_CONTROL_TRAIN_FORK : COVEY_CONTROL_TRAIN_RESUME,
            covey_bytes_of(NULL, 0), COVEY_CONTROL_DONE, TIMEOUT_MS);
    }
    if (err != COVEY_OK) {
        return covey__cli_fail_call(t->cli, c, err);
    }
    if (t->options.out == NULL || t->options.detach) {
        return detach(t, m);
    }
    enum covey_exit code = covey__train_watch(t, m);
    return code == COVEY_EXIT_DONE ? take_model(t, m) : code;
}

static enum covey_exit resume(struct covey__train *t, struct covey__train_mesh *m)
{
    enum covey_exit code = covey__cli_check_place(t->cli, t->options.out);
    code = code == COVEY_EXIT_DONE ? connect(t, m) : code;
    code = code == COVEY_EXIT_DONE ? go_on(t, m) : code;
    if (code != COVEY_EXIT_DONE || t->options.out == NULL || t->options.detach) {
        return code;
    }
    if (!t->cli->json) {
        printf("%s: %zu bytes, trained by session %s\n", t->options.out, t->out_bytes, m->name);
        return code;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "session", m->name);
    cJSON_AddStringToObject(document, "out", t->options.out);
    cJSON_AddNumberToObject(document, "total_steps", (double)m->progress.total_steps);
    cJSON_AddNumberToObject(document, "test_accuracy", m->progress.test_accuracy);
    return covey__cli_print(t->cli, document);
}

static void end(struct covey__train_mesh *m)
{
    covey__control_close(&m->control);
    covey__training_record_done(&m->record);
    free(m);
}

enum covey_exit covey__train_mesh(struct covey__train *t)
{
    struct covey__train_mesh *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        return covey__cli_fail(t->cli, COVEY_EXIT_FAILED, "out of memory");
    }
    if (t->options.resume != NULL) {
        enum covey_exit resumed = resume(t, m);
        end(m);
        return resumed;
    }
    enum covey_exit code =
        t->options.fork ? covey__cli_usage(
                              t->cli, "--fork is of --resume SESSION: it goes on from a checkpoint")
                        : covey__train_strategy(&t->options, t->cli, &m->job);
    if (code == COVEY_EXIT_DONE && t->options.checkpoint != NULL) {
        code = covey__cli_usage(t->cli, "--checkpoint is of --local: a mesh keeps checkpoints by "
                                        "itself, see --every");
    }
    if (code == COVEY_EXIT_DONE) {
        code = covey__train_options_check(&t->options, t->cli);
    }
    if (code == COVEY_EXIT_DONE) {
        code = connect(t, m);
    }
    if (code == COVEY_EXIT_DONE) {
        code = covey__train_open(t);
    }
    if (code == COVEY_EXIT_DONE) {
        t->mesh = m;
        covey__train_say_start(t);
        give_back(t);
        code = train(t, m);
        t->mesh = NULL;
    }
    end(m);
    return code;
}
