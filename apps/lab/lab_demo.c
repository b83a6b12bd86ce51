/* SPDX-License-Identifier: MIT
 *
 * lab_demo.c - what apps/demo shows: digits classified over six nodes, of which some are killed.
 */
#include "lab_demo.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    NODES = 6,
    TRAINED = 1437, /* digits in front of the test split: the network was trained on them */
    PHASES = 4,
    WAIT_MS = 20000,
    LOOKS = 6, /* for who coordinates */
    PATH_BYTES = 128,
};

static const double accuracy_min = 0.97;
static const double diff_max = 1e-4;

const char covey__lab_help_demo[] =
    "usage: covey lab demo --model FILE.onnx --data digits:FILE [--limit N]\n"
    "                      [--mode auto|netns|loopback] [--json]\n"
    "Starts 6 nodes, classifies the test digits from one of them over all of them, kills a worker\n"
    "and the coordinator while it runs, restarts both, and compares every answer with that of\n"
    "this process alone. apps/demo builds everything first and then runs this.\n";

struct demo_options {
    const char *model, *data, *mode;
    uint32_t limit;
};

static covey_err refuse(struct covey__demo *d, covey_err err, const char *text)
{
    snprintf(d->why, sizeof(d->why), "%.250s", text);
    return err;
}

/* Reads the test split and answers it in this process: what the mesh must come to as well. */
static covey_err load(struct covey__demo *d, const struct demo_options *o)
{
    struct covey_nn_error why = {""};
    struct covey_prepare prepare;
    covey_prepare_init(&prepare);
    covey_err err = covey__local_open(&d->local, o->model, &why);
    if (err == COVEY_OK) {
        err = covey_input_open(o->data, &d->digits, &why);
    }
    if (err != COVEY_OK) {
        return refuse(d, err == COVEY_ERR_IO ? COVEY_ERR_MALFORMED : err, why.text);
    }
    size_t total = covey_input_count(d->digits);
    if (total <= TRAINED) {
        return refuse(d, COVEY_ERR_SHORT, "the data set holds no digits beyond the training ones");
    }
    d->first = TRAINED;
    d->count = total - TRAINED;
    d->count = o->limit > 0 && o->limit < d->count ? o->limit : d->count;
    size_t in = d->local.input_floats, out = d->local.output_floats;
    d->inputs = calloc(d->count, in * sizeof(float));
    d->reference = calloc(d->count, out * sizeof(float));
    d->labels = calloc(d->count, sizeof(*d->labels));
    if (d->inputs == NULL || d->reference == NULL || d->labels == NULL) {
        return refuse(d, COVEY_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < d->count; i++) {
        struct covey_item item;
        err = covey_input_item(d->digits, d->first + i, &item, &why);
        if (err == COVEY_OK) {
            err = covey_prepare_item(&prepare, &item, covey_model_input(d->local.model),
                                     d->inputs + i * in, &why);
        }
        if (err != COVEY_OK) {
            return refuse(d, err, why.text);
        }
        d->labels[i] = item.label;
        covey_run_all(d->local.run, d->inputs + i * in, d->reference + i * out);
    }
    return COVEY_OK;
}

static covey_err start(struct covey__demo *d, const struct demo_options *o, const char *dir)
{
    struct covey__lab_config config = {
        .dir = dir, .devices = NODES, .wait_ms = WAIT_MS, .die_with_parent = true};
    if (strcmp(o->mode, "auto") != 0) {
        config.mode = strcmp(o->mode, "netns") == 0 ? COVEY_LAB_NETNS : COVEY_LAB_LOOPBACK;
    }
    fprintf(stderr, "starting %d nodes, each with its own key; no address is typed\n", NODES);
    covey_err err = covey__lab_up(&d->lab, &config);
    if (err != COVEY_OK) {
        return refuse(d, err, d->lab.why);
    }
    fprintf(stderr, "they found one another (%s)\n",
            d->lab.mode == COVEY_LAB_NETNS ? "each in its own network namespace" : "on loopback");
    return COVEY_OK;
}

/* Gives the model to the asked node; one request, which is not counted, opens the session. */
static covey_err open_session(struct covey__demo *d)
{
    char state[PATH_BYTES];
    struct covey_control_infer infer = {.parity = 1, .coded_all = true};
    struct covey__answer answer;
    covey__target_close(&d->target);
    covey__lab_node_dir(&d->lab, d->asker, state, sizeof(state));
    covey_err err = covey__target_open(&d->target, state, d->model, &infer);
    if (err == COVEY_OK) {
        err = covey__target_ask(&d->target, d->inputs, &answer);
    }
    if (err != COVEY_OK) {
        return refuse(d, err, d->target.why.text);
    }
    err = covey__lab_wait_redundant(&d->lab, d->asker, WAIT_MS);
    return err == COVEY_OK ? err : refuse(d, err, d->lab.why);
}

/* The mesh as it is now agrees on who is there and who coordinates, and could lose another node. */
static covey_err settle(struct covey__demo *d)
{
    covey_err err = covey__lab_wait_mesh(&d->lab, WAIT_MS);
    if (err == COVEY_OK) {
        err = covey__lab_wait_redundant(&d->lab, d->asker, WAIT_MS);
    }
    return err == COVEY_OK ? err : refuse(d, err, d->lab.why);
}

static unsigned any_but(const struct covey__demo *d, unsigned coordinator)
{
    for (unsigned i = 0; i < d->lab.count; i++) {
        if (i != coordinator && covey__lab_running(&d->lab.node[i])) {
            return i;
        }
    }
    return d->asker;
}

/* Asked is a node that does not coordinate; should the one asked so far do so now, another. While
 * its session is opened the coordinator may change. */
static covey_err choose_asker(struct covey__demo *d, int *out_coordinator)
{
    for (unsigned looks = 0; looks < LOOKS; looks++) {
        char coordinator[COVEY_NAME_MAX + 1];
        uint64_t term = 0;
        covey_err err = covey__demo_coordinator(d, coordinator, &term);
        if (err != COVEY_OK) {
            return err;
        }
        *out_coordinator = covey__demo_index(d, coordinator);
        bool known = *out_coordinator >= 0;
        bool fits = known && (unsigned)*out_coordinator != d->asker;
        if (fits && d->target.control.is_open) {
            return COVEY_OK;
        }
        if (known) {
            d->asker = fits ? d->asker : any_but(d, (unsigned)*out_coordinator);
            fprintf(stderr, "%s coordinates in term %llu; %s is asked\n", coordinator,
                    (unsigned long long)term, d->lab.node[d->asker].name);
        }
        err = known ? open_session(d) : settle(d);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return refuse(d, COVEY_ERR_STATE, "the coordinator changed again and again");
}

static int pick_worker(const struct covey__demo *d, const char *coordinator)
{
    for (unsigned i = d->lab.count; i-- > 0;) {
        if (i != d->asker && strcmp(d->lab.node[i].name, coordinator) != 0) {
            return (int)i;
        }
    }
    return COVEY_DEMO_NO_VICTIM;
}

static covey_err run_phase(struct covey__demo *d, struct covey__demo_phase *phase)
{
    if (phase->victim != COVEY_DEMO_NO_VICTIM) {
        fprintf(stderr, "%s: will kill %s (SIGKILL) in the middle of a request\n", phase->name,
                d->lab.node[phase->victim].name);
    }
    covey_err err = covey__demo_answer(d, phase);
    if (err == COVEY_OK) {
        err = settle(d);
    }
    if (err == COVEY_OK) {
        err = covey__demo_coordinator(d, phase->coordinator, &phase->term);
    }
    if (err == COVEY_OK) {
        fprintf(stderr, "%s: %zu of %zu digits answered, %.2f %% right, %llu units recovered\n",
                phase->name, phase->tally.count, d->count,
                100 * covey__tally_accuracy(&phase->tally),
                (unsigned long long)(phase->tally.recovered_dead + phase->tally.recovered_late));
    }
    return err;
}

/* Kills who coordinates. Where the asked node has come to do so, another one is asked. */
static covey_err kill_coordinator(struct covey__demo *d, struct covey__demo_phase *phase)
{
    covey_err err = COVEY_ERR_BUSY;
    for (unsigned looks = 0; looks < LOOKS && err == COVEY_ERR_BUSY; looks++) {
        covey__tally_done(&phase->tally);
        phase->tally = (struct covey__tally){0};
        err = choose_asker(d, &phase->victim);
        if (err == COVEY_OK) {
            err = run_phase(d, phase);
        }
    }
    return err;
}

static covey_err restart(struct covey__demo *d, const struct covey__demo_phase phases[static 3])
{
    for (int i = 1; i < 3; i++) {
        unsigned index = (unsigned)phases[i].victim;
        fprintf(stderr, "restarted: starting %s again\n", d->lab.node[index].name);
        covey_err err = covey__lab_start(&d->lab, index);
        if (err != COVEY_OK) {
            return refuse(d, err, d->lab.why);
        }
    }
    return settle(d);
}

static covey_err run_phases(struct covey__demo *d, struct covey__demo_phase phases[static PHASES])
{
    int coordinator = -1;
    covey_err err = run_phase(d, &phases[0]);
    if (err != COVEY_OK) {
        return err;
    }
    d->steady_ms = covey__tally_median_ms(&phases[0].tally);
    phases[1].victim = pick_worker(d, phases[0].coordinator);
    err = run_phase(d, &phases[1]);
    if (err == COVEY_OK) {
        err = kill_coordinator(d, &phases[2]);
    }
    if (err == COVEY_OK) {
        err = restart(d, phases);
    }
    if (err == COVEY_OK) {
        err = choose_asker(d, &coordinator);
    }
    return err == COVEY_OK ? run_phase(d, &phases[3]) : err;
}

static bool phase_ok(const struct covey__demo *d, const struct covey__demo_phase *p)
{
    return p->tally.count == d->count && p->tally.lost == 0 && p->argmax_equal &&
           p->max_rel_diff < diff_max && covey__tally_accuracy(&p->tally) >= accuracy_min;
}

/* What the demo promises. */
static bool all_ok(const struct covey__demo *d,
                   const struct covey__demo_phase phases[static PHASES])
{
    bool ok = phases[1].tally.recovered_dead > 0 && phases[2].tally.recovered_dead > 0 &&
              strcmp(phases[2].coordinator, d->lab.node[phases[2].victim].name) != 0 &&
              phases[2].term > phases[1].term;
    for (int i = 0; i < PHASES; i++) {
        ok = ok && phase_ok(d, &phases[i]);
    }
    return ok;
}

static cJSON *phase_json(const struct covey__demo *d, struct covey__demo_phase *p)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", p->name);
    cJSON_AddNumberToObject(o, "answers", (double)p->tally.count);
    cJSON_AddNumberToObject(o, "lost", (double)p->tally.lost);
    cJSON_AddNumberToObject(o, "accuracy", covey__tally_accuracy(&p->tally));
    cJSON_AddBoolToObject(o, "argmax_equal", p->argmax_equal);
    cJSON_AddNumberToObject(o, "max_rel_diff", p->max_rel_diff);
    cJSON_AddNumberToObject(o, "recovered_dead", (double)p->tally.recovered_dead);
    cJSON_AddNumberToObject(o, "recovered_late", (double)p->tally.recovered_late);
    cJSON_AddNumberToObject(o, "median_ms", covey__tally_median_ms(&p->tally));
    cJSON_AddNumberToObject(o, "max_ms", covey__tally_max_ms(&p->tally));
    if (p->victim == COVEY_DEMO_NO_VICTIM) {
        cJSON_AddNullToObject(o, "killed");
    } else {
        cJSON_AddStringToObject(o, "killed", d->lab.node[p->victim].name);
    }
    cJSON_AddStringToObject(o, "coordinator", p->coordinator);
    cJSON_AddNumberToObject(o, "term", (double)p->term);
    return o;
}

static void print_table(const struct covey__demo *d, struct covey__demo_phase phases[static PHASES],
                        bool ok)
{
    printf("%-19s %7s %4s %8s %6s %10s %5s %5s %9s %8s  %s\n", "PHASE", "ANSWERS", "LOST",
           "ACCURACY", "EQUAL", "MAX DIFF", "DEAD", "LATE", "MEDIAN ms", "WORST ms",
           "COORDINATOR (TERM)");
    for (int i = 0; i < PHASES; i++) {
        struct covey__demo_phase *p = &phases[i];
        printf("%-19s %7zu %4zu %6.2f %% %6s %10.1e %5llu %5llu %9.2f %8.2f  %s (%llu)\n", p->name,
               p->tally.count, p->tally.lost, 100 * covey__tally_accuracy(&p->tally),
               p->argmax_equal ? "all" : "NO", p->max_rel_diff,
               (unsigned long long)p->tally.recovered_dead,
               (unsigned long long)p->tally.recovered_late, covey__tally_median_ms(&p->tally),
               covey__tally_max_ms(&p->tally), p->coordinator, (unsigned long long)p->term);
    }
    printf(
        "\n%zu test digits per phase, none of which the network was trained on.\n"
        "EQUAL: the class of every answer is the one that a single device gives; MAX DIFF: the\n"
        "largest difference of the outputs, relative. DEAD, LATE: units recovered because their\n"
        "device was dead, or late.\n%s\n",
        d->count, ok ? "All as promised." : "NOT as promised.");
}

static enum covey_exit report(struct covey__demo *d, struct covey__demo_phase phases[static PHASES])
{
    bool ok = all_ok(d, phases);
    if (!d->cli->json) {
        print_table(d, phases, ok);
        return ok ? COVEY_EXIT_DONE : COVEY_EXIT_FAILED;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddNumberToObject(document, "nodes", NODES);
    cJSON_AddNumberToObject(document, "digits", (double)d->count);
    cJSON *list = cJSON_AddArrayToObject(document, "phases");
    for (int i = 0; i < PHASES; i++) {
        cJSON_AddItemToArray(list, phase_json(d, &phases[i]));
    }
    cJSON_AddBoolToObject(document, "ok", ok);
    enum covey_exit code = covey__cli_print(d->cli, document);
    return ok ? code : COVEY_EXIT_FAILED;
}

static enum covey_exit run(struct covey__demo *d, const struct demo_options *o, const char *dir)
{
    struct covey__demo_phase phases[PHASES] = {
        {.name = "steady", .victim = COVEY_DEMO_NO_VICTIM},
        {.name = "worker-killed"},
        {.name = "coordinator-killed", .kills_coordinator = true},
        {.name = "restarted", .victim = COVEY_DEMO_NO_VICTIM}};
    covey_err err = load(d, o);
    bool loaded = err == COVEY_OK, is_up = false;
    if (loaded) {
        err = start(d, o, dir);
        is_up = err == COVEY_OK;
        int coordinator = -1;
        err = is_up ? choose_asker(d, &coordinator) : err;
        err = err == COVEY_OK ? run_phases(d, phases) : err;
        covey__target_close(&d->target);
        if (is_up) {
            covey__lab_down(&d->lab);
        }
    }
    enum covey_exit code = loaded && !is_up ? covey__lab_exit_of(err) : covey__cli_exit_of(err);
    code = err == COVEY_OK ? report(d, phases) : covey__cli_fail(d->cli, code, "%s", d->why);
    for (int i = 0; i < PHASES; i++) {
        covey__tally_done(&phases[i].tally);
    }
    return code;
}

enum covey_exit covey__lab_demo(struct covey__cli *cli, int argc, char **argv)
{
    struct demo_options o = {.mode = "auto"};
    const struct covey__option options[] = {
        {"--model", COVEY__OPTION_TEXT, &o.model, 0, 0, NULL},
        {"--data", COVEY__OPTION_TEXT, &o.data, 0, 0, NULL},
        {"--mode", COVEY__OPTION_TEXT, &o.mode, 0, 0, NULL},
        {"--limit", COVEY__OPTION_NUMBER, &o.limit, 1, 1000000, NULL},
    };
    if (!covey__cli_options(cli, options, 4, &argc, argv)) {
        return COVEY_EXIT_USAGE;
    }
    if (argc != 1 || o.model == NULL || o.data == NULL) {
        return covey__cli_usage(cli, "usage: covey lab demo --model FILE.onnx --data digits:FILE");
    }
    if (strcmp(o.mode, "auto") != 0 && strcmp(o.mode, "netns") != 0 &&
        strcmp(o.mode, "loopback") != 0) {
        return covey__cli_usage(cli, "--mode is auto, netns or loopback, not '%s'", o.mode);
    }
    char dir[] = "/tmp/covey-demo-XXXXXX";
    if (mkdtemp(dir) == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "no directory can be made in /tmp");
    }
    struct covey__demo *d = calloc(1, sizeof(*d));
    enum covey_exit code = COVEY_EXIT_FAILED;
    sigset_t before;
    covey__lab_signals_hold(&before);
    if (d != NULL) {
        d->cli = cli;
        d->model = o.model;
        code = run(d, &o, dir);
        covey__local_close(&d->local);
        covey_input_close(d->digits);
        free(d->inputs);
        free(d->reference);
        free(d->labels);
    }
    free(d);
    int ignored = rmdir(dir); /* where the lab was never made */
    (void)ignored;
    covey__lab_signals_release(&before);
    return code;
}
