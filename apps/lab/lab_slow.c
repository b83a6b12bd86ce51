/* SPDX-License-Identifier: MIT
 *
 * lab_slow.c - nodes that answer late, or wrongly.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab.h"

#define US_PER_MS 1000.0

const char *covey__lab_law(const struct covey_latency *law, char text[static COVEY_LAB_LAW_MAX])
{
    static const char *const names[] = {"", "uniform", "normal", "exponential"};
    double a = law->a_us / US_PER_MS, b = law->b_us / US_PER_MS;
    text[0] = 0;
    if (law->kind == COVEY_LATENCY_EXPONENTIAL) {
        snprintf(text, COVEY_LAB_LAW_MAX, "%s %g ms", names[law->kind], a);
    } else if (law->kind != COVEY_LATENCY_NONE) {
        snprintf(text, COVEY_LAB_LAW_MAX, "%s %g,%g ms", names[law->kind], a, b);
    }
    return text;
}

static covey_err tell(struct covey__lab *lab, unsigned index)
{
    if (covey__lab_running(&lab->node[index])) {
        return covey__lab_tell(lab, index);
    }
    snprintf(lab->why, sizeof(lab->why), "%s does not run", lab->node[index].name);
    return COVEY_ERR_STATE;
}

/* Finds the lab and its node argv[1]; -1 with the code. */
static int find_node(struct covey__cli *cli, struct covey__lab *lab, const char *dir, int argc,
                     char **argv, enum covey_exit *out_code)
{
    covey_err err = covey__lab_name(lab, dir);
    if (err == COVEY_OK) {
        err = covey__lab_load_to_change(lab);
    }
    if (err != COVEY_OK) {
        *out_code = covey__lab_fail(cli, lab, err);
        return -1;
    }
    int index = argc == 2 ? covey__lab_index(lab, argv[1]) : -1;
    if (index < 0) {
        *out_code = covey__cli_usage(cli, "'lab %s' takes one node: 1 to %u", argv[0], lab->count);
    }
    return index;
}

static enum covey_exit told(struct covey__cli *cli, struct covey__lab *lab, unsigned index)
{
    covey_err err = tell(lab, index);
    if (err == COVEY_OK) {
        err = covey__lab_save(lab);
    }
    if (err != COVEY_OK) {
        return covey__lab_fail(cli, lab, err);
    }
    return cli->json ? covey__cli_print(cli, covey__lab_json(lab)) : COVEY_EXIT_DONE;
}

/* ---- slow ---- */

/* The options of a law, as given. */
struct law {
    const char *uniform, *normal, *exponential;
    double scale;
    uint32_t seed;
};

/* A time in ms, times the scale. */
static bool take_time(double ms, double scale, uint32_t *out_us)
{
    double us = ms * scale * US_PER_MS;
    if (!(us >= 0) || us > UINT32_MAX) {
        return false;
    }
    *out_us = (uint32_t)llround(us);
    return true;
}

/* "A" or "A,B" */
static bool take_times(const char *text, unsigned count, double scale, struct covey_latency *law)
{
    char *end = NULL;
    double a = strtod(text, &end), b = 0;
    if (end == text || (count == 2) != (*end == ',')) {
        return false;
    }
    if (count == 2) {
        const char *second = end + 1;
        b = strtod(second, &end);
        if (end == second) {
            return false;
        }
    }
    return *end == 0 && take_time(a, scale, &law->a_us) && take_time(b, scale, &law->b_us);
}

static bool take_law(const struct law *given, struct covey_latency *out)
{
    const struct {
        const char *text;
        enum covey_latency_kind kind;
        unsigned times;
    } laws[] = {
        {given->uniform, COVEY_LATENCY_UNIFORM, 2},
        {given->normal, COVEY_LATENCY_NORMAL, 2},
        {given->exponential, COVEY_LATENCY_EXPONENTIAL, 1},
    };
    *out = (struct covey_latency){.kind = COVEY_LATENCY_NONE};
    for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
        if (laws[i].text == NULL) {
            continue;
        }
        if (out->kind != COVEY_LATENCY_NONE || !(given->scale > 0) ||
            !take_times(laws[i].text, laws[i].times, given->scale, out)) {
            return false;
        }
        out->kind = laws[i].kind;
        out->seed = given->seed;
    }
    return out->kind != COVEY_LATENCY_UNIFORM || out->a_us <= out->b_us;
}

const char covey__lab_help_slow[] =
    "usage: covey lab slow I --delay MS [--dir DIR] [--json]\n"
    "       covey lab slow I --uniform A,B|--normal MEAN,SD|--exponential MEAN [options]\n"
    "Node I gives the answer of each task to others MS later; 0: no longer. Or it sleeps over "
    "each\n"
    "task of coded training as long as it drew for the round; other answers are not late then.\n"
    "  --uniform A,B      ms, between A and B\n"
    "  --normal MEAN,SD   ms, and standard deviation; what would be negative is 0\n"
    "  --exponential MEAN ms\n"
    "  --scale F          times are F times those given (1)\n"
    "  --seed S           of the draws (1): with the node and the round it says them "
    "all\n" COVEY_LAB_DIR_HELP;

enum covey_exit covey__lab_slow(struct covey__cli *cli, int argc, char **argv)
{
    const char *dir = NULL;
    uint32_t delay_ms = 0;
    bool given = false;
    struct law law = {.scale = 1, .seed = 1};
    const struct covey__option options[] = {
        {"--dir", COVEY__OPTION_TEXT, &dir, 0, 0, NULL},
        {"--delay", COVEY__OPTION_NUMBER, &delay_ms, 0, 600000, &given},
        {"--uniform", COVEY__OPTION_TEXT, &law.uniform, 0, 0, &given},
        {"--normal", COVEY__OPTION_TEXT, &law.normal, 0, 0, &given},
        {"--exponential", COVEY__OPTION_TEXT, &law.exponential, 0, 0, &given},
        {"--scale", COVEY__OPTION_REAL, &law.scale, 0, 0, NULL},
        {"--seed", COVEY__OPTION_NUMBER, &law.seed, 0, UINT32_MAX, NULL},
    };
    struct covey__lab lab = {.count = 0};
    struct covey_latency latency;
    enum covey_exit code = COVEY_EXIT_USAGE;
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return code;
    }
    if (!given || !take_law(&law, &latency)) {
        return covey__cli_usage(cli, "usage: covey lab slow I --delay MS, or --uniform A,B, "
                                     "--normal MEAN,SD or --exponential MEAN, in ms, each at most "
                                     "4294 s");
    }
    int index = find_node(cli, &lab, dir, argc, argv, &code);
    if (index < 0) {
        return code;
    }
    lab.node[index].slow_ms = delay_ms;
    lab.node[index].latency = latency;
    lab.node[index].latency.device = (uint32_t)index;
    return told(cli, &lab, (unsigned)index);
}

/* ---- lie ---- */

const char covey__lab_help_lie[] =
    "usage: covey lab lie I [--share PERCENT] [--off] [--dir DIR] [--json]\n"
    "Node I turns the signs of some of the numbers in its answers to others, to see that\n"
    "these notice.\n"
    "  --share PERCENT   of the answers, 1 to 100 (100), taken at random\n" COVEY_LAB_DIR_HELP;

enum covey_exit covey__lab_lies(struct covey__cli *cli, int argc, char **argv)
{
    const char *dir = NULL;
    bool off = false;
    uint32_t percent = 100;
    const struct covey__option options[] = {
        {"--dir", COVEY__OPTION_TEXT, &dir, 0, 0, NULL},
        {"--share", COVEY__OPTION_NUMBER, &percent, 1, 100, NULL},
        {"--off", COVEY__OPTION_FLAG, &off, 0, 0, NULL},
    };
    struct covey__lab lab = {.count = 0};
    enum covey_exit code = COVEY_EXIT_USAGE;
    if (!covey__cli_options(cli, options, sizeof(options) / sizeof(options[0]), &argc, argv)) {
        return code;
    }
    int index = find_node(cli, &lab, dir, argc, argv, &code);
    if (index < 0) {
        return code;
    }
    lab.node[index].lie_percent = off ? 0 : (uint8_t)percent;
    return told(cli, &lab, (unsigned)index);
}
