/* SPDX-License-Identifier: MIT
 *
 * lab_report.c - latencies of a running lab with and without parity, with kills and with a
 * straggler: one page, and a plot where gnuplot is installed.
 */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab_report.h"

enum {
    NODE_DIR = 128,
    WAIT_MS = 120 * 1000,
    TIMEOUT_MS = 120 * 1000,
    WARM_REQUESTS = 3,
    /* A node is killed in every so many requests, and is back some later. */
    KILL_EVERY = 40,
    KILL_AT = 20,
    BACK_AT = 30,
    /* Who waits for a straggler waits long: a few requests show how long. */
    WAITING_PART = 20,
};

static const double diff_max = 1e-4; /* relative */

static covey_err refuse(struct covey__report *r, covey_err err, const char *why)
{
    snprintf(r->why, sizeof(r->why), "%s", why);
    return err;
}

/* Any numbers do: the same ones for every request, so that all answers must be alike. */
static covey_err make_input(struct covey__report *r)
{
    r->input = calloc(r->target.input_floats, sizeof(float));
    r->first = calloc(r->target.output_floats, sizeof(float));
    if (r->input == NULL || r->first == NULL) {
        return refuse(r, COVEY_ERR_NOMEM, "out of memory");
    }
    uint32_t state = 1;
    for (size_t i = 0; i < r->target.input_floats; i++) {
        state = state * 1664525u + 1013904223u; /* Knuth, The Art of Computer Programming, 2 */
        r->input[i] = (float)(state >> 8) / 16777216.0f;
    }
    return COVEY_OK;
}

static bool is_wrong(const struct covey__report *r, const float *output)
{
    double scale = 0, worst = 0;
    for (size_t i = 0; i < r->target.output_floats; i++) {
        scale = fmax(scale, fabs((double)r->first[i]));
        double d = fabs((double)output[i] - (double)r->first[i]);
        worst = isnan(d) || d > worst ? d : worst;
    }
    return !(worst <= diff_max * (scale > 0 ? scale : 1));
}

/* One request; a victim dies once half of a usual request's time is over. */
static covey_err ask(struct covey__report *r, int victim, struct covey__answer *out)
{
    covey_err err = covey__target_send(&r->target, r->input);
    if (err == COVEY_OK && victim >= 0) {
        struct pollfd fd = {.fd = r->target.control.fd, .events = POLLIN};
        double half_ms = fmin(r->steady_ms, 10000) / 2;
        int ready = poll(&fd, 1, (int)half_ms);
        (void)ready; /* dead between two requests is as good */
        covey__lab_signal(&r->lab.node[victim], SIGKILL);
    }
    return err == COVEY_OK ? covey__target_receive(&r->target, out) : err;
}

static covey_err settle(struct covey__report *r)
{
    covey_err err = covey__lab_wait_mesh(&r->lab, WAIT_MS);
    if (err == COVEY_OK) {
        err = covey__lab_wait_redundant(&r->lab, 0, WAIT_MS);
    }
    return err == COVEY_OK ? err : refuse(r, err, r->lab.why);
}

static covey_err bring_back(struct covey__report *r, int victim)
{
    covey__lab_kill(&r->lab.node[victim]); /* reaps it */
    covey_err err = covey__lab_start(&r->lab, (unsigned)victim);
    if (err == COVEY_OK) {
        err = covey__lab_save(&r->lab);
    }
    return err == COVEY_OK ? settle(r) : refuse(r, err, r->lab.why);
}

/* Node 1 asks; the others take turns. */
static int victim_of(const struct covey__report *r, size_t request)
{
    return 1 + (int)(request / KILL_EVERY % (r->lab.count - 1));
}

static covey_err run_requests(struct covey__report *r, struct covey__report_phase *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (covey__lab_signals_pending()) {
            return refuse(r, COVEY_ERR_CANCELLED, "interrupted");
        }
        bool kill = p->kill && i % KILL_EVERY == KILL_AT;
        struct covey__answer answer;
        covey_err err = ask(r, kill ? victim_of(r, i) : -1, &answer);
        if (err == COVEY_OK) {
            p->wrong += is_wrong(r, answer.output);
            err = covey__tally_add(&p->tally, &answer, r->target.output_floats, -1);
        } else if (err != COVEY_ERR_CLOSED && err != COVEY_ERR_IO && err != COVEY_ERR_NOMEM) {
            p->tally.lost++;
            err = COVEY_OK;
        }
        if (err != COVEY_OK) {
            return refuse(r, err, r->target.why.text);
        }
        bool back =
            p->kill && (i % KILL_EVERY == BACK_AT ||
                        (i + 1 == count && i % KILL_EVERY >= KILL_AT && i % KILL_EVERY < BACK_AT));
        err = back ? bring_back(r, victim_of(r, i)) : COVEY_OK;
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

static covey_err set_slow(struct covey__report *r, uint32_t delay_ms)
{
    unsigned last = r->lab.count - 1;
    r->lab.node[last].slow_ms = delay_ms;
    covey_err err = covey__lab_tell(&r->lab, last);
    return err == COVEY_OK ? err : refuse(r, err, r->lab.why);
}

static covey_err warm(struct covey__report *r)
{
    struct covey__answer answer = {.output = NULL};
    for (int i = 0; i < WARM_REQUESTS; i++) {
        covey_err err = ask(r, -1, &answer);
        if (err == COVEY_OK && i == 0) {
            err = settle(r);
        }
        if (err != COVEY_OK) {
            return refuse(r, err, r->target.why.text[0] != 0 ? r->target.why.text : r->why);
        }
    }
    if (!r->has_first) {
        memcpy(r->first, answer.output, r->target.output_floats * sizeof(float));
        r->has_first = true;
    }
    return COVEY_OK;
}

static covey_err run_phase(struct covey__report *r, struct covey__report_phase *p)
{
    r->target.infer.parity = p->parity;
    covey_err err = warm(r);
    if (err == COVEY_OK && p->slow) {
        err = set_slow(r, r->slow_ms);
    }
    bool waits = p->slow && p->parity == 0;
    size_t count = waits ? r->requests / WAITING_PART + 1 : r->requests;
    if (err == COVEY_OK) {
        err = run_requests(r, p, count);
    }
    if (p->slow) {
        covey_err undone = set_slow(r, 0);
        err = err == COVEY_OK ? undone : err;
    }
    if (err == COVEY_OK) {
        p->median_ms = covey__tally_median_ms(&p->tally); /* sorts */
        r->steady_ms = r->steady_ms > 0 ? r->steady_ms : p->median_ms;
        fprintf(stderr, "%s: %zu answers, median %.2f ms\n", p->name, p->tally.count, p->median_ms);
    }
    return err;
}

static covey_err open_all(struct covey__report *r, const char *dir, const char *model)
{
    char state[NODE_DIR];
    struct covey_control_infer infer = {.parity = 1, .coded_all = true, .timeout_ms = TIMEOUT_MS};
    covey_err err = covey__lab_name(&r->lab, dir);
    if (err == COVEY_OK) {
        err = covey__lab_load(&r->lab);
    }
    if (err != COVEY_OK) {
        return refuse(r, err, r->lab.why);
    }
    if (r->lab.count < 3) {
        return refuse(r, COVEY_ERR_RANGE, "a report needs a lab of at least 3 nodes");
    }
    covey__lab_node_dir(&r->lab, 0, state, sizeof(state));
    err = settle(r);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__target_open(&r->target, state, model, &infer);
    return err == COVEY_OK ? make_input(r) : refuse(r, err, r->target.why.text);
}

static covey_err run(struct covey__report *r, const char *dir, const char *model)
{
    covey_err err = covey__report_folder(r);
    if (err == COVEY_OK) {
        err = open_all(r, dir, model);
    }
    for (size_t i = 0; err == COVEY_OK && i < COVEY__REPORT_PHASES; i++) {
        err = run_phase(r, &r->phase[i]);
    }
    return err == COVEY_OK ? covey__report_write(r, model) : err;
}

static enum covey_exit finish(struct covey__cli *cli, struct covey__report *r, covey_err err)
{
    if (err != COVEY_OK) {
        bool no_lab = err == COVEY_ERR_NOT_FOUND && r->lab.count == 0;
        enum covey_exit code = no_lab                   ? COVEY_EXIT_NO_NODE
                               : err == COVEY_ERR_RANGE ? COVEY_EXIT_USAGE
                                                        : covey__cli_exit_of(err);
        return covey__cli_fail(cli, code, "%s", r->why);
    }
    if (cli->json) {
        return covey__cli_print(cli, covey__report_json(r));
    }
    printf("%s/report.md%s\n", r->out, r->plotted ? "" : " (without plots: gnuplot is missing)");
    return COVEY_EXIT_DONE;
}

enum covey_exit covey__lab_report(struct covey__cli *cli, int argc, char **argv)
{
    static const struct covey__report fresh = {
        .requests = 200,
        .slow_ms = 1000,
        .phase =
            {{.name = "parity", .title = "one parity", .parity = 1},
             {.name = "no-parity", .title = "no parity"},
             {.name = "kills", .title = "one parity, nodes killed", .parity = 1, .kill = true},
             {.name = "straggler", .title = "one parity, a node slow", .parity = 1, .slow = true},
             {.name = "waiting", .title = "no parity, a node slow", .slow = true}},
    };
    struct covey__report *r = malloc(sizeof(*r));
    if (r == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "out of memory");
    }
    *r = fresh;
    const char *dir = NULL;
    const struct covey__option options[] = {
        {"--dir", COVEY__OPTION_TEXT, &dir, 0, 0, NULL},
        {"--out", COVEY__OPTION_TEXT, &r->out, 0, 0, NULL},
        {"--requests", COVEY__OPTION_NUMBER, &r->requests, KILL_AT + 1, 100000, NULL},
        {"--slow", COVEY__OPTION_NUMBER, &r->slow_ms, 1, 60000, NULL},
    };
    enum covey_exit code = COVEY_EXIT_USAGE;
    bool good = covey__cli_options(cli, options, 4, &argc, argv);
    if (good && (argc != 2 || r->out == NULL || strchr(r->out, '\'') != NULL)) {
        code = covey__cli_usage(cli, "usage: covey lab report MODEL --out DIR [--requests N] "
                                     "[--slow MS] (DIR without quotes)");
        good = false;
    }
    if (good) {
        sigset_t before;
        covey__lab_signals_hold(&before);
        code = finish(cli, r, run(r, dir, argv[1]));
        covey__target_close(&r->target);
        covey__lab_signals_release(&before);
    }
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        covey__tally_done(&r->phase[i].tally);
    }
    free(r->input);
    free(r->first);
    free(r);
    return code;
}
