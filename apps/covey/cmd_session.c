/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "commands.h"
#include "control.h"
#include "custody_show.h"
#include "dims.h"
#include "read_input.h"
#include "train_show.h"

enum { TIMEOUT_MS = 60000 };

static const char *state_of(const struct covey_control_session *s)
{
    if (s->training && s->custody.kept == COVEY_CONTROL_KEPT) {
        return "kept";
    }
    if (s->training && s->custody.kept == COVEY_CONTROL_KEPT_STOPPED) {
        return "stopped";
    }
    if (s->training) {
        return s->running ? "training" : "over";
    }
    if (!s->detached) {
        return s->running ? "open" : "ending";
    }
    return s->running ? "running" : "done";
}

static cJSON *session_json(const struct covey_control_session *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "id", s->name);
    cJSON_AddStringToObject(o, "model", s->model);
    cJSON_AddStringToObject(o, "state", state_of(s));
    if (s->training) {
        cJSON_AddBoolToObject(o, "training", true);
        cJSON_AddNumberToObject(o, "steps", s->total);
        cJSON_AddNumberToObject(o, "total_steps", s->answered);
        covey__custody_json(o, &s->custody);
        return o;
    }
    if (!s->detached) {
        cJSON_AddNumberToObject(o, "requests", s->total);
        return o;
    }
    cJSON_AddNumberToObject(o, "inputs", s->total);
    cJSON_AddNumberToObject(o, "answers", s->answered);
    cJSON_AddNumberToObject(o, "lost", s->lost);
    cJSON_AddNumberToObject(o, "median_ms", s->median_us / 1000.0);
    cJSON_AddItemToObject(o, "output", covey__dims_json(s->output_rank, s->output));
    return o;
}

static void print_session(const struct covey_control_session *s)
{
    printf("%-24s %-20s %-8s", s->name, s->model, state_of(s));
    if (s->training) {
        covey__custody_line(s);
    } else if (s->detached) {
        printf(" %u of %u answered, %u lost, median %.2f ms\n", s->answered, s->total, s->lost,
               s->median_us / 1000.0);
    } else {
        printf(" %u requests under way\n", s->total);
    }
}

static covey_err ask(struct covey__control *c)
{
    return covey__control_call(c, COVEY_CONTROL_SESSIONS, covey_bytes_of(NULL, 0),
                               COVEY_CONTROL_SESSIONS_REPLY, TIMEOUT_MS);
}

static enum covey_exit list(struct covey__cli *cli, struct covey__control *c)
{
    covey_err err = ask(c);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    const struct covey_control_sessions *sessions = &c->reply->sessions;
    cJSON *document = cli->json ? cJSON_CreateObject() : NULL;
    cJSON *array = cJSON_AddArrayToObject(document, "sessions");
    for (size_t i = 0; i < sessions->count; i++) {
        if (cli->json) {
            cJSON_AddItemToArray(array, session_json(&sessions->session[i]));
        } else {
            print_session(&sessions->session[i]);
        }
    }
    return cli->json ? covey__cli_print(cli, document) : COVEY_EXIT_DONE;
}

/* The one of this id, copied; NOT_FOUND. */
static covey_err find(struct covey__control *c, const char *id, struct covey_control_session *out)
{
    covey_err err = ask(c);
    for (size_t i = 0; err == COVEY_OK && i < c->reply->sessions.count; i++) {
        if (strcmp(c->reply->sessions.session[i].name, id) == 0) {
            *out = c->reply->sessions.session[i];
            return COVEY_OK;
        }
    }
    return err != COVEY_OK
               ? err
               : covey__control_refuse(c, COVEY_ERR_NOT_FOUND,
                                       "no session '%.80s' at this node: see 'covey sessions'", id);
}

static enum covey_exit show(struct covey__cli *cli, struct covey__control *c, const char *id)
{
    struct covey_control_session s;
    covey_err err = find(c, id, &s);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    if (s.training && !covey__custody_only(&s)) {
        return covey__train_show(cli, c, &s);
    }
    if (cli->json) {
        return covey__cli_print(cli, session_json(&s));
    }
    print_session(&s);
    covey__custody_print(&s);
    return COVEY_EXIT_DONE;
}

static void set_name(struct covey__control *c, const char *id)
{
    snprintf(c->request->name, sizeof(c->request->name), "%s", id);
}

/* Answers as one tensor, the first axis counting them. */
static enum covey_exit write_answers(struct covey__cli *cli, struct covey__control *c,
                                     const struct covey_control_session *s, const char *path)
{
    struct covey_nn_error why = {""};
    struct covey_shape shape = {.rank = s->output_rank};
    size_t floats = 0;
    memcpy(shape.dims, s->output, sizeof(s->output));
    if (shape.rank > 0 && shape.dims[0] == 1) {
        shape.dims[0] = s->total;
    } else if (shape.rank < COVEY_RANK_MAX) {
        memmove(shape.dims + 1, shape.dims, shape.rank * sizeof(shape.dims[0]));
        shape.dims[0] = s->total;
        shape.rank++;
    }
    covey_err err = covey_shape_count(&shape, &floats);
    if (err != COVEY_OK || floats * sizeof(float) != c->body_len) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "the node's answers have another size");
    }
    err = covey_output_npy(path, &shape, (const float *)(const void *)c->body, &why);
    if (err != COVEY_OK) {
        return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", why.text);
    }
    if (cli->json) {
        return covey__cli_print(cli, session_json(s));
    }
    print_session(s);
    return COVEY_EXIT_DONE;
}

static enum covey_exit get(struct covey__cli *cli, struct covey__control *c, const char *id,
                           const char *path)
{
    struct covey_control_session s;
    covey_err err = find(c, id, &s);
    if (err == COVEY_OK && s.training) {
        return covey__train_get(cli, c, &s, path);
    }
    if (err == COVEY_OK && s.detached && s.running) {
        err = covey__control_refuse(c, COVEY_ERR_STATE, "%u of %u inputs are answered: wait",
                                    s.answered + s.lost, s.total);
    }
    if (err == COVEY_OK) {
        set_name(c, id);
        err = covey__control_call(c, COVEY_CONTROL_SESSION_GET, covey_bytes_of(NULL, 0),
                                  COVEY_CONTROL_SESSION_GET_REPLY, TIMEOUT_MS);
    }
    return err == COVEY_OK ? write_answers(cli, c, &s, path) : covey__cli_fail_call(cli, c, err);
}

static enum covey_exit stop(struct covey__cli *cli, struct covey__control *c, const char *id)
{
    struct covey_control_session s = {.name = ""};
    covey_err ignored = find(c, id, &s); /* one that is not listed is refused by the node */
    (void)ignored;
    set_name(c, id);
    covey_err err = covey__control_call(c, COVEY_CONTROL_SESSION_STOP, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_DONE, TIMEOUT_MS);
    if (err != COVEY_OK) {
        return covey__cli_fail_call(cli, c, err);
    }
    if (cli->json) {
        cJSON *document = cJSON_CreateObject();
        cJSON_AddStringToObject(document, "stopped", id);
        return covey__cli_print(cli, document);
    }
    if (s.training && s.running) {
        printf("session '%s' stops with a checkpoint\n", id);
        return COVEY_EXIT_DONE;
    }
    if (!s.training && !s.detached && s.total > 0) {
        printf("session '%s' ends when its %u requests are answered\n", id, s.total);
        return COVEY_EXIT_DONE;
    }
    printf("session '%s' stopped and forgotten\n", id);
    return COVEY_EXIT_DONE;
}

enum covey_exit covey__cmd_sessions(struct covey__cli *cli, int argc, char **argv)
{
    if (!covey__cli_options(cli, NULL, 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1) {
        return covey__cli_usage(cli, "'sessions' takes no argument '%s'", argv[1]);
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_connect(cli, &c);
    if (code == COVEY_EXIT_DONE) {
        code = list(cli, &c);
        covey__control_close(&c);
    }
    return code;
}

enum action { SHOW, GET, STOP };

static enum covey_exit run(struct covey__cli *cli, enum action action, int argc, char **argv)
{
    const char *path = NULL;
    const struct covey__option options[] = {
        {.name = "--out", .kind = COVEY__OPTION_TEXT, .value = &path},
    };
    if (!covey__cli_options(cli, options, action == GET ? 1 : 0, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 2 || (action == GET && path == NULL)) {
        return covey__cli_usage(cli, "usage: covey session show ID, get ID --out FILE, stop ID");
    }
    if (!covey__cli_is_name(argv[1])) {
        return covey__cli_usage(cli, "'%s' is no id: see 'covey sessions'", argv[1]);
    }
    struct covey__control c = {0};
    enum covey_exit code = covey__cli_check_place(cli, path);
    code = code == COVEY_EXIT_DONE ? covey__cli_connect(cli, &c) : code;
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    code = action == SHOW  ? show(cli, &c, argv[1])
           : action == GET ? get(cli, &c, argv[1], path)
                           : stop(cli, &c, argv[1]);
    covey__control_close(&c);
    return code;
}

static enum covey_exit run_show(struct covey__cli *cli, int argc, char **argv)
{
    return run(cli, SHOW, argc, argv);
}

static enum covey_exit run_get(struct covey__cli *cli, int argc, char **argv)
{
    return run(cli, GET, argc, argv);
}

static enum covey_exit run_stop(struct covey__cli *cli, int argc, char **argv)
{
    return run(cli, STOP, argc, argv);
}

static const char stop_help[] =
    "usage: covey session stop ID [--json]\n"
    "Ends an open session: what its requests asked for is answered still, then all devices give "
    "up\n"
    "what they hold for it. Ends work that 'covey infer --detach' began, and forgets its answers.\n"
    "A training session writes a checkpoint and rests until 'covey train --resume ID'; one that\n"
    "rests or has ended is forgotten, by all devices that keep it.\n";

enum covey_exit covey__cmd_session(struct covey__cli *cli, int argc, char **argv)
{
    static const struct covey__cli_command table[] = {
        {"show", "how far detached work or a training session is",
         "usage: covey session show ID [--json]\n"
         "Model, state, inputs, answers, lost ones, median time; of a training session: steps,\n"
         "loss, accuracy, speed, and who keeps its checkpoints.\n",
         run_show},
        {"get", "the answers of detached work, or a trained model",
         "usage: covey session get ID --out FILE.npy|FILE.onnx [--json]\n"
         "Writes all answers, once they are there; a lost one is NaN. They stay with the node for\n"
         "ten minutes after the last of them. Of a training session that is done: the model, also\n"
         "after a restart of the node, until 'session stop' forgets it or 16 later ones have "
         "ended.\n",
         run_get},
        {"stop", "end an open session, detached work or a training session", stop_help, run_stop},
        {NULL, NULL, NULL, NULL},
    };
    return covey__cli_dispatch(cli, "covey session", table, argc, argv);
}
