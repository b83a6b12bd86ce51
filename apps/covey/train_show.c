/* SPDX-License-Identifier: MIT */
#include "train_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "custody_show.h"
#include "train_mesh.h"

enum { TIMEOUT_MS = 60000 };

/* Its progress now; where it has ended, what a watcher is told at last: DONE with the result, or
 * the error that it ended with. */
static covey_err ask(struct covey__control *c, const char *name,
                     struct covey_training_progress *out)
{
    memcpy(c->request->name, name, strlen(name) + 1);
    covey_err err = covey__control_call(c, COVEY_CONTROL_TRAIN_WATCH, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_TRAIN_PROGRESS, TIMEOUT_MS);
    if (err == COVEY_OK) {
        err = covey__training_progress_decode(covey_bytes_of(c->body, c->body_len), out);
    }
    return err == COVEY_ERR_MALFORMED || err == COVEY_ERR_RANGE
               ? covey__control_refuse(c, err, "the node's answer cannot be read: other version?")
               : err;
}

static void add_rounds(cJSON *o, const struct covey_rounds_report *r)
{
    cJSON_AddNumberToObject(o, "workers", r->workers);
    cJSON_AddNumberToObject(o, "rounds", (double)r->rounds);
    cJSON_AddNumberToObject(o, "tasks", (double)r->tasks);
    cJSON_AddNumberToObject(o, "answers", (double)r->answers);
    cJSON_AddNumberToObject(o, "reissued", (double)r->reissued);
    cJSON_AddNumberToObject(o, "lost", r->lost);
    cJSON_AddNumberToObject(o, "liars", r->liars);
}

static cJSON *show_json(const struct covey_control_session *s,
                        const struct covey_training_progress *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "id", s->name);
    cJSON_AddStringToObject(o, "model", s->model);
    cJSON_AddBoolToObject(o, "training", true);
    cJSON_AddStringToObject(o, "state", covey__training_state_name(p->state));
    cJSON_AddNumberToObject(o, "epoch", p->epoch);
    cJSON_AddNumberToObject(o, "epochs", p->epochs);
    cJSON_AddNumberToObject(o, "step", p->step);
    cJSON_AddNumberToObject(o, "steps", p->steps);
    cJSON_AddNumberToObject(o, "total_steps", (double)p->total_steps);
    cJSON_AddNumberToObject(o, "loss", p->loss);
    cJSON_AddNumberToObject(o, "train_accuracy", p->accuracy);
    if (p->test_accuracy >= 0) {
        cJSON_AddNumberToObject(o, "test_accuracy", p->test_accuracy);
    }
    cJSON_AddNumberToObject(o, "steps_per_s", p->steps_s);
    cJSON_AddNumberToObject(o, "checkpoint_step", (double)p->checkpoint_step);
    cJSON_AddNumberToObject(o, "custodians", p->custodians);
    cJSON_AddNumberToObject(o, "custodians_wanted", p->custodians_wanted);
    add_rounds(o, &p->rounds);
    covey__custody_json(o, &s->custody);
    cJSON_AddStringToObject(o, "why", p->why);
    return o;
}

enum covey_exit covey__train_show(const struct covey__cli *cli, struct covey__control *c,
                                  const struct covey_control_session *session)
{
    struct covey_training_progress p;
    covey_err err = ask(c, session->name, &p);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    if (cli->json) {
        return covey__cli_print(cli, show_json(session, &p));
    }
    printf("%s trains %s: %s, epoch %u of %u, step %u of %u, loss %.4f, train %.2f %%",
           session->name, session->model, covey__training_state_name(p.state),
           p.epoch < p.epochs ? p.epoch + 1 : p.epoch, p.epochs, p.step, p.steps, p.loss,
           100 * p.accuracy);
    if (p.test_accuracy >= 0) {
        printf(", test %.2f %%", 100 * p.test_accuracy);
    }
    printf(", %.1f steps/s\n%s\n", p.steps_s, p.why);
    if (p.custodians_wanted > 0) {
        printf("kept after step %" PRIu64 " by %u of %u custodians\n", p.checkpoint_step,
               p.custodians, p.custodians_wanted);
    } else {
        printf("kept after step %" PRIu64 " on this device alone\n", p.checkpoint_step);
    }
    covey__custody_print(session);
    return COVEY_EXIT_DONE;
}

static enum covey_exit fetch(const struct covey__cli *cli, struct covey__control *c,
                             const struct covey_control_session *s, const char *path)
{
    const struct covey_digest result = c->reply->digest;
    uint8_t *bytes = NULL;
    size_t len = 0;
    covey_err err = covey__train_fetch(c, &result, &bytes, &len);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    enum covey_exit code = covey__cli_write(cli, path, covey_bytes_of(bytes, len));
    free(bytes);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    if (!cli->json) {
        printf("%s: %zu bytes, %s trained by session %s\n", path, len, s->model, s->name);
        return COVEY_EXIT_DONE;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "id", s->name);
    cJSON_AddStringToObject(o, "out", path);
    cJSON_AddNumberToObject(o, "bytes", (double)len);
    return covey__cli_print(cli, o);
}

enum covey_exit covey__train_get(const struct covey__cli *cli, struct covey__control *c,
                                 const struct covey_control_session *session, const char *path)
{
    struct covey_training_progress p;
    covey_err err = ask(c, session->name, &p);
    bool ended = p.state == COVEY_TRAINING_DONE || p.state == COVEY_TRAINING_FAILED ||
                 p.state == COVEY_TRAINING_STOPPED;
    if (err == COVEY_OK && !ended) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED,
                               "session %s is at step %" PRIu64 ": wait until it is done",
                               session->name, p.total_steps);
    }
    if (err == COVEY_OK) {
        err = covey__control_next(c, TIMEOUT_MS);
    }
    return err == COVEY_OK ? fetch(cli, c, session, path) : covey__cli_fail_call(cli, c, err);
}
