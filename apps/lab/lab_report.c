/* SPDX-License-Identifier: MIT
 *
 * lab_report.c - measures a lab, one that runs or one of its own, and writes a page about it.
 */
#include "lab_report.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    REQUESTS = 300,
    SLOW_MS = 200,
    PHASE_S = 120,
    REQUESTS_A_KILL = 30,
    REQUESTS_A_KILL_MIN = 4,
    NODES_MIN = 3,
};

const char covey__lab_help_report[] =
    "usage: covey lab report FILE.md [options]\n"
    "Asks node 1 of a lab, the one that runs or one that is started and ended again: the device\n"
    "alone, the mesh without parity and with 1 and 2, while devices are killed (SIGKILL) and\n"
    "started again, and with one device slow. Writes FILE.md, FILE.json, the times and, by\n"
    "gnuplot, pictures beside it. What it did to the lab is undone, also when it is interrupted.\n"
    "Exit status 1 when a request was lost or an answer was wrong.\n"
    "  --model NAME|FILE.onnx, --input INPUT   as for 'covey infer' (the demo's digits)\n"
    "  --requests N   of each kind (300)\n"
    "  --kills K      devices killed (one in 30 requests)\n"
    "  --slow MS      how late one device gives its answers (200)\n"
    "  --coded auto|all   code a layer where that is sooner, or every layer (all)\n"
    "  --timeout S    for each kind of request at most so long (120)\n"
    "  --seed S       of all that is random (1)\n"
    "  --devices N [--cpu P[,P...]] [--rate MBIT] [--delay MS] [--mode auto|netns|loopback]\n"
    "                 a lab of its own, as of 'covey lab up'\n"
    "  --dir DIR      the lab that runs ($XDG_RUNTIME_DIR/covey-lab or /tmp/covey-lab-UID)\n"
    "  --json         what FILE.json holds, on standard output too\n";

covey_err covey__report_refuse(struct covey__report *r, covey_err err, const char *format, ...)
{
    char why[sizeof(r->why)]; /* an argument may be r->why */
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    memcpy(r->why, why, sizeof(why));
    return err;
}

/* ---- the command as it was given ---- */

static void put(struct covey__report *r, size_t *len, const char *text)
{
    for (; *text != 0 && *len + 1 < sizeof(r->command); text++) {
        r->command[(*len)++] = (char)(iscntrl((unsigned char)*text) ? '?' : *text);
    }
}

/* As a shell reads it. */
static void put_word(struct covey__report *r, size_t *len, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./:,=+@%";
    put(r, len, " ");
    if (word[0] != 0 && word[strspn(word, plain)] == 0) {
        put(r, len, word);
        return;
    }
    put(r, len, "'");
    for (; *word != 0; word++) {
        const char one[2] = {*word, 0};
        put(r, len, *word == '\'' ? "'\\''" : one);
    }
    put(r, len, "'");
}

static void keep_command(struct covey__report *r, int argc, char **argv)
{
    size_t len = 0;
    put(r, &len, "covey lab");
    for (int i = 0; i < argc; i++) {
        put_word(r, &len, argv[i]);
    }
}

/* ---- options ---- */

/* The base name stands in gnuplot's script and in the page. */
static bool split_page(struct covey__report *r, const char *page)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.";
    const char *slash = strrchr(page, '/');
    const char *base = slash != NULL ? slash + 1 : page;
    size_t len = strlen(base), folder = slash != NULL ? (size_t)(slash - page) : 0;
    if (len < 4 || strcmp(base + len - 3, ".md") != 0 || len - 3 >= sizeof(r->base) ||
        base[strspn(base, allowed)] != 0 || base[0] == '-' || base[0] == '.' || folder > 400) {
        return false;
    }
    snprintf(r->base, sizeof(r->base), "%.*s", (int)(len - 3), base);
    if (slash == NULL) {
        snprintf(r->folder, sizeof(r->folder), ".");
    } else {
        snprintf(r->folder, sizeof(r->folder), "%.*s", folder > 0 ? (int)folder : 1, page);
    }
    return true;
}

static bool check_options(struct covey__cli *cli, struct covey__report *r, bool shaped)
{
    struct covey__report_options *o = &r->options;
    if (strcmp(o->coded, "auto") != 0 && strcmp(o->coded, "all") != 0) {
        covey__cli_usage(cli, "--coded is auto or all");
        return false;
    }
    if (!covey__lab_parse_mode(o->mode, &o->lab.mode)) {
        covey__cli_usage(cli, "--mode is auto, netns or loopback, not '%s'", o->mode);
        return false;
    }
    if (shaped && o->lab.devices == 0) {
        covey__cli_usage(cli, "--cpu, --rate, --delay and --mode make a lab: give --devices too");
        return false;
    }
    if (o->dir != NULL && o->lab.devices != 0) {
        covey__cli_usage(cli, "--dir is a lab that runs, --devices makes one: give one of both");
        return false;
    }
    uint32_t most = o->requests / REQUESTS_A_KILL_MIN;
    if (o->kills > most) {
        covey__cli_usage(cli, "--kills is at most %u for %u requests", (unsigned)most,
                         (unsigned)o->requests);
        return false;
    }
    if (!o->kills_given) {
        o->kills = o->requests / REQUESTS_A_KILL + 1;
        o->kills = o->kills < COVEY__REPORT_KILLS_MAX ? o->kills : COVEY__REPORT_KILLS_MAX;
    }
    return true;
}

static bool parse(struct covey__cli *cli, struct covey__report *r, int argc, char **argv)
{
    struct covey__report_options *o = &r->options;
    uint32_t devices = 0;
    bool cpu = false, rate = false, delay = false, mode = false;
    const struct covey__option options[] = {
        {"--model", COVEY__OPTION_TEXT, &o->model, 0, 0, NULL},
        {"--input", COVEY__OPTION_TEXT, &o->input, 0, 0, NULL},
        {"--requests", COVEY__OPTION_NUMBER, &o->requests, 8, 100000, NULL},
        {"--kills", COVEY__OPTION_NUMBER, &o->kills, 1, COVEY__REPORT_KILLS_MAX, &o->kills_given},
        {"--slow", COVEY__OPTION_NUMBER, &o->slow_ms, 1, 60000, NULL},
        {"--coded", COVEY__OPTION_TEXT, &o->coded, 0, 0, NULL},
        {"--timeout", COVEY__OPTION_NUMBER, &o->timeout_s, 1, 86400, NULL},
        {"--seed", COVEY__OPTION_NUMBER, &o->seed, 0, UINT32_MAX, NULL},
        {"--devices", COVEY__OPTION_NUMBER, &devices, NODES_MIN, COVEY_LAB_NODES_MAX, NULL},
        {"--cpu", COVEY__OPTION_TEXT, &o->lab.cpu, 0, 0, &cpu},
        {"--rate", COVEY__OPTION_NUMBER, &o->lab.shape.rate_mbit, 1, 10000, &rate},
        {"--delay", COVEY__OPTION_NUMBER, &o->lab.shape.delay_ms, 0, 10000, &delay},
        {"--mode", COVEY__OPTION_TEXT, &o->mode, 0, 0, &mode},
        {"--dir", COVEY__OPTION_TEXT, &o->dir, 0, 0, NULL},
    };
    keep_command(r, argc, argv);
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return false;
    }
    o->lab.devices = devices;
    r->random = o->seed;
    if (argc != 2) {
        covey__cli_usage(cli, "usage: covey lab report FILE.md: see 'covey lab report --help'");
        return false;
    }
    if (!split_page(r, argv[1])) {
        covey__cli_usage(cli, "the page is a file ending in .md, its name of letters, digits, "
                              "'-', '_' and '.' only");
        return false;
    }
    return check_options(cli, r, cpu || rate || delay || mode);
}

/* ---- the lab ---- */

static covey_err start_lab(struct covey__report *r)
{
    struct covey__lab_config *config = &r->options.lab;
    snprintf(r->lab_dir, sizeof(r->lab_dir), "/tmp/covey-report-XXXXXX");
    if (mkdtemp(r->lab_dir) == NULL) {
        r->lab_dir[0] = 0;
        return covey__report_refuse(r, COVEY_ERR_IO, "no directory can be made in /tmp");
    }
    config->dir = r->lab_dir;
    config->die_with_parent = true;
    config->wait_ms = config->cpu != NULL ? 4 * COVEY_LAB_WAIT_MS : COVEY_LAB_WAIT_MS;
    fprintf(stderr, "starting %u nodes\n", config->devices);
    covey_err err = covey__lab_up(&r->lab, config);
    r->own_lab = err == COVEY_OK;
    return err == COVEY_OK ? err : covey__report_refuse(r, err, "%s", r->lab.why);
}

static covey_err find_lab(struct covey__report *r)
{
    covey_err err = covey__lab_name(&r->lab, r->options.dir);
    if (err == COVEY_OK) {
        err = covey__lab_load(&r->lab);
    }
    if (err != COVEY_OK) {
        return covey__report_refuse(r, err, "%s", r->lab.why);
    }
    unsigned there = 0;
    for (unsigned i = 0; i < r->lab.count; i++) {
        there += covey__lab_takes_part(&r->lab.node[i]);
    }
    if (there < NODES_MIN || !covey__lab_takes_part(&r->lab.node[0])) {
        return covey__report_refuse(r, COVEY_ERR_CLOSED,
                                    "a report needs %d nodes of the lab, node1 among them, that "
                                    "run and are neither frozen nor cut: see 'covey lab list'",
                                    NODES_MIN);
    }
    return COVEY_OK;
}

static void leave_lab(struct covey__report *r)
{
    covey__target_close(&r->target);
    if (r->own_lab) {
        covey__lab_down(&r->lab);
    } else if (r->options.lab.devices == 0) {
        covey__report_put_back(r);
    }
    if (r->lab_dir[0] != 0) {
        int ignored = rmdir(r->lab_dir); /* where the lab was never made */
        (void)ignored;
    }
}

/* ---- the command ---- */

static covey_err run(struct covey__report *r)
{
    covey_err err = covey__report_find_gnuplot(r);
    if (err == COVEY_OK && access(r->folder, W_OK | X_OK) != 0) {
        err = covey__report_refuse(r, COVEY_ERR_IO, "%s cannot be written to", r->folder);
    }
    if (err == COVEY_OK) {
        err = covey__report_choose(r);
    }
    if (err != COVEY_OK) {
        return err;
    }
    err = r->options.lab.devices != 0 ? start_lab(r) : find_lab(r);
    if (err == COVEY_OK) {
        err = covey__report_load(r);
    }
    if (err == COVEY_OK) {
        err = covey__report_measure(r);
    }
    leave_lab(r);
    if (err == COVEY_OK) { /* first what took long to measure */
        err = covey__report_write(r);
    }
    return err == COVEY_OK ? covey__report_plot(r) : err;
}

static enum covey_exit finish(struct covey__cli *cli, struct covey__report *r, covey_err err)
{
    if (err != COVEY_OK) {
        bool no_lab = r->lab_dir[0] != 0 && !r->own_lab;
        enum covey_exit code = no_lab                       ? covey__lab_exit_of(err)
                               : err == COVEY_ERR_NOT_FOUND ? COVEY_EXIT_MISSING
                                                            : covey__cli_exit_of(err);
        return covey__cli_fail(cli, code, "%s", r->why);
    }
    size_t lost = covey__report_lost(r), wrong = covey__report_wrong(r);
    if (lost + wrong > 0) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED,
                               "%zu requests were lost and %zu answers wrong: see %s/%s.md", lost,
                               wrong, r->folder, r->base);
    }
    if (cli->json) {
        return covey__cli_print(cli, covey__report_json(r));
    }
    printf("%s/%s.md\n", r->folder, r->base);
    return COVEY_EXIT_DONE;
}

enum covey_exit covey__lab_report(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__report *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "out of memory");
    }
    r->options = (struct covey__report_options){.mode = "auto",
                                                .coded = "all",
                                                .requests = REQUESTS,
                                                .slow_ms = SLOW_MS,
                                                .timeout_s = PHASE_S,
                                                .seed = 1};
    enum covey_exit code = COVEY_EXIT_USAGE;
    if (parse(cli, r, argc, argv)) {
        sigset_t before;
        covey__lab_signals_hold(&before);
        code = finish(cli, r, run(r));
        covey__lab_signals_release(&before);
    }
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        free(r->phase[i].answer);
    }
    free(r->hit_ms);
    free(r->input);
    free(r->reference);
    free(r->known);
    free(r);
    return code;
}
