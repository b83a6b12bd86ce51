/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "bench_measure.h"
#include "train_mesh_report.h"
#include "train_stop.h"

enum {
    TIMEOUT_MS = 60000,
    POLL_MS = 200, /* a signal that came before the poll is seen then */
};

/* By another connection: on this one answers are coming. */
static void ask_to_stop(const struct covey__train *t, const struct covey__train_mesh *m)
{
    struct covey__control c = {0};
    covey_err err = covey__control_open(&c, t->cli->state);
    if (err == COVEY_OK) {
        memcpy(c.request->name, m->name, sizeof(m->name));
        err = covey__control_call(&c, COVEY_CONTROL_SESSION_STOP, covey_bytes_of(NULL, 0),
                                  COVEY_CONTROL_DONE, TIMEOUT_MS);
    }
    covey__control_close(&c);
    if (err != COVEY_OK && !t->cli->json) {
        fprintf(stderr, "covey: the session could not be asked to stop: %s\n", c.why);
    }
}

/* Until there is something to read. */
static void wait_readable(const struct covey__train *t, const struct covey__train_mesh *m,
                          bool *inout_asked)
{
    struct pollfd p = {.fd = m->control.fd, .events = POLLIN};
    while (poll(&p, 1, POLL_MS) <= 0) {
        if (covey__train_stop_signal() != 0 && !*inout_asked) {
            *inout_asked = true;
            ask_to_stop(t, m);
        }
    }
}

static covey_err take_progress(struct covey__train_mesh *m)
{
    struct covey__control *c = &m->control;
    covey_err err =
        covey__training_progress_decode(covey_bytes_of(c->body, c->body_len), &m->progress);
    return err == COVEY_OK ? err
                           : covey__control_refuse(c, err,
                                                   "the node's answer cannot be read: "
                                                   "other version?");
}

static covey_err watch(const struct covey__train *t, struct covey__train_mesh *m)
{
    struct covey__control *c = &m->control;
    struct covey__train_ticker ticker = {0};
    bool asked = false;
    memcpy(c->request->name, m->name, sizeof(m->name));
    covey_err err = covey__control_ask(c, COVEY_CONTROL_TRAIN_WATCH, covey_bytes_of(NULL, 0));
    while (err == COVEY_OK) {
        wait_readable(t, m, &asked);
        err = covey__control_next(c, TIMEOUT_MS);
        if (err == COVEY_OK && c->reply->type == COVEY_CONTROL_DONE) {
            m->result = c->reply->digest;
            break;
        }
        if (err == COVEY_OK) {
            err = take_progress(m);
        }
        if (err == COVEY_OK) {
            covey__train_say_progress(t, m, &ticker);
        }
    }
    covey__train_clear_bar();
    return err;
}

enum covey_exit covey__train_watch(const struct covey__train *t, struct covey__train_mesh *m)
{
    struct covey__train_stop stop;
    /* The second of them: the session goes on ending without this process. */
    covey__train_stop_catch(&stop, 0);
    covey_err err = watch(t, m);
    covey__train_stop_leave(&stop);
    int number = covey__train_stop_signal();
    if (err == COVEY_ERR_CANCELLED) {
        enum covey_exit code = number != 0 ? (enum covey_exit)(128 + number) : COVEY_EXIT_FAILED;
        return covey__cli_fail(t->cli, code,
                               "session %s %s: go on with 'covey train --resume %s --out "
                               "FILE.onnx'",
                               m->name, m->control.why, m->name);
    }
    if (err == COVEY_OK) {
        err = covey__train_fetch_record(&m->control, m->name, &m->record);
    }
    return err == COVEY_OK ? COVEY_EXIT_DONE : covey__cli_fail_call(t->cli, &m->control, err);
}
