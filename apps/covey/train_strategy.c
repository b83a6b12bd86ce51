/* SPDX-License-Identifier: MIT */
#include "train_strategy.h"

static const struct {
    const char *name;
    enum covey_code_kind kind;
} kinds[] = {
    {"uncoded", COVEY_CODE_UNCODED}, {"replication", COVEY_CODE_REPLICATION},
    {"mds", COVEY_CODE_MDS},         {"vandermonde", COVEY_CODE_VANDERMONDE},
    {"lt", COVEY_CODE_LT},           {"field", COVEY_CODE_FIELD},
};

static bool parse_kind(const char *name, enum covey_code_kind *out)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static bool parse_mode(const char *name, enum covey_training_mode *out)
{
    static const char *const names[] = {
        [COVEY_TRAINING_AUTO] = "auto",
        [COVEY_TRAINING_PRODUCTS] = "products",
        [COVEY_TRAINING_DATA] = "data",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum covey_training_mode)i;
            return true;
        }
    }
    return false;
}

/* One line for each combination that cannot be; NULL: it can. */
static const char *check_private(const struct covey__train_options *o)
{
    bool any = o->masks != 0 || o->input_masks != 0;
    if (o->masks != 0 && o->input_masks != 0) {
        return "--private masks the inputs too: leave --private-inputs out";
    }
    if (any && o->strategy != NULL) {
        return "--private and --private-inputs are strategies of their own: leave --strategy out";
    }
    return NULL;
}

static const char *check_counts(const struct covey_strategy *s, enum covey_training_mode mode)
{
    if (mode == COVEY_TRAINING_DATA && s->masks != 0) {
        return "--mode data gives samples away as they are: --private is for products";
    }
    if (mode == COVEY_TRAINING_DATA && (s->blocks != 0 || s->tasks != 0)) {
        return "--blocks and --tasks are of products: --mode data has --parts and --spare";
    }
    if (mode == COVEY_TRAINING_PRODUCTS && s->spare != 0) {
        return "--spare is of --mode data: products have --blocks and --tasks";
    }
    if (s->blocks != 0 && s->tasks != 0 && s->tasks < s->blocks) {
        return "--tasks are at least as many as --blocks";
    }
    if (s->kind == COVEY_CODE_UNCODED && s->blocks != 0 && s->tasks != 0 && s->tasks != s->blocks) {
        return "--strategy uncoded has a task for each block: leave --tasks out";
    }
    if (s->kind == COVEY_CODE_REPLICATION && s->blocks != 0 && s->tasks % s->blocks != 0) {
        return "--strategy replication takes --tasks that are a multiple of --blocks";
    }
    return NULL;
}

static const char *check_parts(const struct covey__train_options *o, enum covey_training_mode mode)
{
    if (mode != COVEY_TRAINING_DATA) {
        return "--parts is of --mode data: products have --blocks and --tasks";
    }
    uint32_t part = (o->batch + o->parts - 1) / o->parts;
    if ((o->parts - 1) * part >= o->batch) {
        return "--parts are too many for --batch: the last would be empty";
    }
    if (o->check != NULL && o->parts % (o->spare > 0 ? o->spare + 1 : 2) != 0) {
        return "--check all compares: --parts are a multiple of --spare and 1, of 2 without";
    }
    return o->parts > o->spare ? NULL : "--parts are more than --spare";
}

static enum covey_exit parse(const struct covey__train_options *o, const struct covey__cli *cli,
                             struct covey_training_job *job)
{
    struct covey_strategy *s = &job->strategy;
    if (o->mode != NULL && !parse_mode(o->mode, &job->mode)) {
        return covey__cli_usage(cli, "--mode is products, data or auto");
    }
    if (o->strategy != NULL && !parse_kind(o->strategy, &s->kind)) {
        return covey__cli_usage(
            cli, "--strategy is uncoded, replication, mds, vandermonde, lt or field");
    }
    if (o->strategy != NULL && job->mode == COVEY_TRAINING_DATA) {
        return covey__cli_usage(cli, "--strategy is of products: --mode data has --spare");
    }
    if (o->check != NULL && strcmp(o->check, "all") != 0) {
        return covey__cli_usage(cli, "--check takes 'all'");
    }
    if (o->coded != NULL && strcmp(o->coded, "all") != 0) {
        return covey__cli_usage(cli, "--coded takes 'all'");
    }
    return COVEY_EXIT_DONE;
}

/* Who says how something is shared wants it shared so. */
static enum covey_training_mode implied(const struct covey__train_options *o)
{
    bool products = o->strategy != NULL || o->coded != NULL || o->blocks != 0 || o->tasks != 0 ||
                    o->masks != 0 || o->input_masks != 0;
    return products                         ? COVEY_TRAINING_PRODUCTS
           : o->spare != 0 || o->parts != 0 ? COVEY_TRAINING_DATA
                                            : COVEY_TRAINING_AUTO;
}

enum covey_exit covey__train_strategy(const struct covey__train_options *o,
                                      const struct covey__cli *cli,
                                      struct covey_training_job *out_job)
{
    struct covey_training_job job = {.mode = COVEY_TRAINING_AUTO};
    struct covey_strategy *s = &job.strategy;
    s->kind = o->masks != 0         ? COVEY_CODE_PRIVATE
              : o->input_masks != 0 ? COVEY_CODE_PRIVATE_INPUTS
                                    : COVEY_CODE_MDS;
    const char *wrong = check_private(o);
    enum covey_exit code = wrong != NULL ? covey__cli_usage(cli, "%s", wrong) : parse(o, cli, &job);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    s->blocks = o->blocks;
    s->tasks = o->tasks;
    s->masks = o->masks != 0 ? o->masks : o->input_masks;
    s->spare = o->spare;
    s->devices = (uint8_t)o->devices;
    s->all = o->coded != NULL;
    s->check_all = o->check != NULL;
    s->any_trust = o->any_trust;
    s->own_work = o->own_work;
    if (job.mode == COVEY_TRAINING_AUTO && o->mode == NULL) {
        job.mode = implied(o);
    }
    wrong = check_counts(s, job.mode);
    if (wrong == NULL && o->parts != 0) {
        wrong = check_parts(o, job.mode);
        s->blocks = o->parts;
    }
    if (wrong != NULL) {
        return covey__cli_usage(cli, "%s", wrong);
    }
    *out_job = job;
    return COVEY_EXIT_DONE;
}
