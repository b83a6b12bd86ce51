/* SPDX-License-Identifier: MIT
 *
 * lab_paper.c - the command that runs a paper's experiments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab_paper.h"

enum {
    WORKERS = 10,
    BLOCKS = 10,
    TASKS = 20, /* twice the blocks: what 2-replication spends */
    ROUNDS = 100,
    STEPS = 5,
    SIMULATED_ROUNDS = 2000,
    SIMULATED_STEPS = 100,
    MFLOPS = 1000,
    BATCH = 50,
    SEED = 1,
};

const char covey__lab_help_paper[] =
    "usage: covey lab paper training [FILE.md] [options]\n"
    "Schemes A and B of section 4.2 and VGG on MNIST of section 4.3 of seed 000 (Cheng et al.) "
    "with\n"
    "uniform, normal and exponential latencies: uncoded, 2-replication, MDS, Vandermonde, LT, all\n"
    "with the same draws. Writes FILE.md (paper-training.md), FILE.json and, by gnuplot, pictures\n"
    "like figures 10, 11 and 12. Runs over a lab of its own: an owner and ten workers, as fast as\n"
    "this machine is, but for what they sleep. Exit status 1 when a gain is below what is asked of "
    "it.\n"
    "  --simulate     rounds as arithmetic, without nodes: thousands of them in a second\n"
    "  --scheme all|a|b|vgg\n"
    "  --law all|uniform|normal|variance|exponential\n"
    "  --points N     only the first of each law; --point I: only the I-th\n"
    "  --rounds N     of each point of A and B (100; simulated 2000)\n"
    "  --steps N      of VGG (5; simulated 100)\n"
    "  --scale F      seconds a second of the paper takes (such that a task sleeps 1 s on "
    "average,\n"
    "                 0.5 s of VGG)\n"
    "  --seed S       of the draws (1)\n"
    "  --workers W, --blocks N, --tasks M   (10, 10, 20)\n"
    "  --mflops R     of a simulated device, in the paper's time (1000)\n"
    "  --mode auto|netns|loopback   of the lab\n"
    "  --json         what FILE.json holds, on standard output too\n";

static const char usage[] = "usage: covey lab paper training [FILE.md] [--simulate] [--scheme "
                            "all|a|b|vgg] [--law all|uniform|normal|variance|exponential] "
                            "[--rounds N] [--scale F]";

/* The base name stands in gnuplot's script and in the page. */
static bool split_page(struct covey__paper *p, const char *page)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_.";
    const char *slash = strrchr(page, '/'), *base = slash != NULL ? slash + 1 : page;
    size_t len = strlen(base), folder = slash != NULL ? (size_t)(slash - page) : 0;
    if (len < 4 || strcmp(base + len - 3, ".md") != 0 || len - 3 >= sizeof(p->base) ||
        base[strspn(base, allowed)] != 0 || base[0] == '-' || base[0] == '.' ||
        folder >= sizeof(p->folder)) {
        return false;
    }
    snprintf(p->base, sizeof(p->base), "%.*s", (int)(len - 3), base);
    if (slash == NULL) {
        snprintf(p->folder, sizeof(p->folder), ".");
    } else {
        snprintf(p->folder, sizeof(p->folder), "%.*s", folder > 0 ? (int)folder : 1, page);
    }
    return true;
}

static bool check_options(struct covey__cli *cli, struct covey__paper *p)
{
    struct covey__paper_options *o = &p->options;
    if (!(o->scale >= 0) || o->scale > 10) {
        covey__cli_usage(cli, "--scale is above 0 and at most 10; 0 is each setting's own");
        return false;
    }
    if (o->tasks < o->blocks) {
        covey__cli_usage(cli, "--tasks is at least --blocks");
        return false;
    }
    if (!covey__lab_parse_mode(o->mode, &p->mode)) {
        covey__cli_usage(cli, "--mode is auto, netns or loopback, not '%s'", o->mode);
        return false;
    }
    o->rounds = o->rounds != 0 ? o->rounds : o->simulate ? SIMULATED_ROUNDS : ROUNDS;
    o->steps = o->steps != 0 ? o->steps : o->simulate ? SIMULATED_STEPS : STEPS;
    return true;
}

static bool parse(struct covey__cli *cli, struct covey__paper *p, int argc, char **argv)
{
    struct covey__paper_options *o = &p->options;
    const struct covey__option options[] = {
        {"--simulate", COVEY__OPTION_FLAG, &o->simulate, 0, 0, NULL},
        {"--scheme", COVEY__OPTION_TEXT, &o->scheme, 0, 0, NULL},
        {"--law", COVEY__OPTION_TEXT, &o->family, 0, 0, NULL},
        {"--rounds", COVEY__OPTION_NUMBER, &o->rounds, 1, 1000000, NULL},
        {"--steps", COVEY__OPTION_NUMBER, &o->steps, 1, 100000, NULL},
        {"--scale", COVEY__OPTION_REAL, &o->scale, 0, 0, NULL},
        {"--seed", COVEY__OPTION_NUMBER, &o->seed, 0, UINT32_MAX, NULL},
        {"--workers", COVEY__OPTION_NUMBER, &o->workers, 1, COVEY__PAPER_WORKERS_MAX, NULL},
        {"--blocks", COVEY__OPTION_NUMBER, &o->blocks, 2, 50, NULL},
        {"--tasks", COVEY__OPTION_NUMBER, &o->tasks, 2, 200, NULL},
        {"--points", COVEY__OPTION_NUMBER, &o->points, 1, COVEY__PAPER_SETTINGS_MAX, NULL},
        {"--point", COVEY__OPTION_NUMBER, &o->point, 1, COVEY__PAPER_SETTINGS_MAX, NULL},
        {"--mode", COVEY__OPTION_TEXT, &o->mode, 0, 0, NULL},
        {"--mflops", COVEY__OPTION_NUMBER, &o->mflops, 1, 1000000, NULL},
    };
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return false;
    }
    if (argc < 2 || argc > 3 || strcmp(argv[1], "training") != 0) {
        covey__cli_usage(cli, "%s", usage);
        return false;
    }
    if (!split_page(p, argc == 3 ? argv[2] : "paper-training.md")) {
        covey__cli_usage(cli, "the page is a file ending in .md, its name of letters, digits, "
                              "'-', '_' and '.' only");
        return false;
    }
    if (!check_options(cli, p)) {
        return false;
    }
    if (covey__paper_plan(p) != COVEY_OK) {
        covey__cli_usage(cli, "%s", p->why);
        return false;
    }
    return true;
}

static covey_err run(struct covey__paper *p)
{
    covey_err err = covey__paper_find_gnuplot(p);
    if (err == COVEY_OK && access(p->folder, W_OK | X_OK) != 0) {
        err = covey__paper_refuse(p, COVEY_ERR_IO, "%s cannot be written to", p->folder);
    }
    if (err == COVEY_OK) {
        err = covey__paper_simulate(p);
    }
    if (err == COVEY_OK && !p->options.simulate) {
        err = covey__paper_measure(p);
    }
    if (err == COVEY_OK) {
        err = covey__paper_write(p);
    }
    return err == COVEY_OK ? covey__paper_plot(p) : err;
}

static enum covey_exit finish(struct covey__cli *cli, struct covey__paper *p, covey_err err)
{
    if (err != COVEY_OK) {
        bool no_lab = p->lab_dir[0] != 0 && !p->own_lab;
        enum covey_exit code = no_lab                       ? covey__lab_exit_of(err)
                               : err == COVEY_ERR_NOT_FOUND ? COVEY_EXIT_MISSING
                                                            : covey__cli_exit_of(err);
        return covey__cli_fail(cli, code, "%s", p->why);
    }
    unsigned missed = covey__paper_missed(p);
    enum covey_exit code = COVEY_EXIT_DONE;
    if (cli->json) {
        code = covey__cli_print(cli, covey__paper_json(p));
    } else {
        printf("%s/%s.md\n", p->folder, p->base);
    }
    if (code == COVEY_EXIT_DONE && missed > 0) {
        fprintf(stderr, "covey: %u gains are below what is asked of them\n", missed);
        code = COVEY_EXIT_FAILED;
    }
    return code;
}

enum covey_exit covey__lab_paper(struct covey__cli *cli, int argc, char **argv)
{
    struct covey__paper *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "out of memory");
    }
    p->options = (struct covey__paper_options){.mode = "auto",
                                               .scheme = "all",
                                               .family = "all",
                                               .seed = SEED,
                                               .workers = WORKERS,
                                               .blocks = BLOCKS,
                                               .tasks = TASKS,
                                               .mflops = MFLOPS,
                                               .batch = BATCH,
                                               .points = COVEY__PAPER_SETTINGS_MAX};
    enum covey_exit code = COVEY_EXIT_USAGE;
    if (parse(cli, p, argc, argv)) {
        sigset_t before;
        covey__lab_signals_hold(&before);
        code = finish(cli, p, run(p));
        covey__lab_signals_release(&before);
    }
    free(p);
    return code;
}
