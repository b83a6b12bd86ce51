/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "covey/threads.h"
#include "train_options.h"

enum {
    FEW_SAMPLES = 10000,   /* a network learns fewer by heart */
    MANY_SAMPLES = 100000, /* more need no help */
    AUTO_EPOCHS = 10,
    AUTO_STEPS = 3000, /* that small sets get at least */
    WARMUP_STEPS = 100,
};

/* The index of text in names, which end with NULL; their count: not there. */
static size_t find(const char *const *names, const char *text)
{
    size_t i = 0;
    while (names[i] != NULL && (text == NULL || strcmp(names[i], text) != 0)) {
        i++;
    }
    return i;
}

static const char *const optimizers[] = {"sgd", "adam", NULL};
static const char *const schedules[] = {"constant", "step", "cosine", NULL};
static const char *const normalisations[] = {"auto", "on", "off", NULL};

/* "4" behind an equals sign. */
static bool parse_count(const char *text, const char *end, uint32_t max, uint32_t *out)
{
    uint32_t value = 0;
    if (text == end) {
        return false;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(*text - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return true;
}

static bool parse_change(const char *text, const char *end, struct covey_augment *out)
{
    const char *equals = memchr(text, '=', (size_t)(end - text));
    size_t len = (size_t)((equals != NULL ? equals : end) - text);
    uint32_t percent = 0;
    if (equals == NULL) {
        out->flip = true;
        return len == 4 && memcmp(text, "flip", 4) == 0;
    }
    if (len == 5 && memcmp(text, "shift", 5) == 0) {
        return parse_count(equals + 1, end, COVEY_AUGMENT_MOVE_MAX, &out->shift);
    }
    if (len == 4 && memcmp(text, "crop", 4) == 0) {
        return parse_count(equals + 1, end, COVEY_AUGMENT_MOVE_MAX, &out->crop);
    }
    bool ok =
        len == 4 && memcmp(text, "warp", 4) == 0 && parse_count(equals + 1, end, 100, &percent);
    out->warp = (float)percent * 0.01f;
    return ok;
}

bool covey__train_options_augment(const char *text, struct covey_augment *out)
{
    struct covey_augment a = {.flip = false};
    if (strcmp(text, "none") == 0 || strcmp(text, "auto") == 0) {
        *out = a;
        return true;
    }
    for (;;) {
        const char *comma = strchr(text, ',');
        const char *end = comma != NULL ? comma : text + strlen(text);
        if (!parse_change(text, end, &a)) {
            return false;
        }
        if (comma == NULL) {
            *out = a;
            return true;
        }
        text = comma + 1;
    }
}

static enum covey_exit check_reals(const struct covey__train_options *o,
                                   const struct covey__cli *cli)
{
    const struct {
        const char *name;
        double value, low, high; /* low <= value <= high */
    } reals[] = {
        {"--lr", o->lr, 1e-9, 1000},
        {"--momentum", o->momentum, 0, 0.9999},
        {"--weight-decay", isnan(o->weight_decay) ? 0 : o->weight_decay, 0, 1},
        {"--label-smoothing", isnan(o->label_smoothing) ? 0 : o->label_smoothing, 0, 0.99},
        {"--step-factor", o->step_factor, 1e-6, 1},
        {"--width", o->width, 0, 64},
    };
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
        if (!(reals[i].value >= reals[i].low && reals[i].value <= reals[i].high)) {
            return covey__cli_usage(cli, "%s takes a number from %g to %g", reals[i].name,
                                    reals[i].low, reals[i].high);
        }
    }
    return COVEY_EXIT_DONE;
}

static enum covey_exit check_words(const struct covey__train_options *o,
                                   const struct covey__cli *cli)
{
    struct covey_augment augment;
    if (optimizers[find(optimizers, o->optimizer)] == NULL) {
        return covey__cli_usage(cli, "--optimizer is sgd or adam");
    }
    if (schedules[find(schedules, o->schedule)] == NULL) {
        return covey__cli_usage(cli, "--schedule is constant, step or cosine");
    }
    if (normalisations[find(normalisations, o->normalise)] == NULL) {
        return covey__cli_usage(cli, "--normalise is auto, on or off");
    }
    if (o->augment == NULL || !covey__train_options_augment(o->augment, &augment)) {
        return covey__cli_usage(cli,
                                "--augment is none, or some of flip,shift=N,crop=N with up "
                                "to %d pixels",
                                COVEY_AUGMENT_MOVE_MAX);
    }
    if (o->nesterov && strcmp(o->optimizer, "sgd") != 0) {
        return covey__cli_usage(cli, "--nesterov is for --optimizer sgd");
    }
    return COVEY_EXIT_DONE;
}

enum covey_exit covey__train_options_check(struct covey__train_options *o,
                                           const struct covey__cli *cli)
{
    if (o->model == NULL || o->data == NULL || (o->out == NULL && !o->detach)) {
        return covey__cli_usage(cli, "covey train needs --model, --data and --out: see 'covey "
                                     "train --help'");
    }
    enum covey_exit code = check_words(o, cli);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    if (isnan(o->lr)) { /* not given */
        o->lr = strcmp(o->optimizer, "adam") == 0 ? 0.001 : 0.05;
    }
    if (o->epochs > COVEY_TRAINING_EPOCHS_MAX || o->batch == 0 ||
        o->batch > COVEY__TRAIN_BATCH_MAX || o->threads == 0 || o->threads > COVEY_THREADS_MAX) {
        return covey__cli_usage(cli, "--epochs, --batch or --threads is out of range");
    }
    if (o->local && o->every != 0 && o->checkpoint == NULL) {
        return covey__cli_usage(cli, "--every says how often --checkpoint FILE is written: give "
                                     "both");
    }
    return check_reals(o, cli);
}

void covey__train_options_settle(struct covey__train_options *o, const struct covey_dataset *d)
{
    size_t epoch_steps = d->count / o->batch;
    bool few = d->count < FEW_SAMPLES;
    if (isnan(o->weight_decay)) {
        o->weight_decay = few ? 0.002 : 0;
    }
    if (isnan(o->label_smoothing)) {
        o->label_smoothing = few ? 0.1 : 0;
    }
    if (strcmp(o->augment, "auto") == 0) {
        bool picture = d->kind != COVEY_ITEM_TENSOR && d->count < MANY_SAMPLES;
        o->augment = !picture ? "none" : few ? "warp=20" : "warp=8";
    }
    if (o->epochs == 0) {
        size_t wanted = (AUTO_STEPS + epoch_steps - 1) / epoch_steps;
        o->epochs = wanted < AUTO_EPOCHS ? AUTO_EPOCHS : (uint32_t)wanted;
    }
    if (o->step_epochs == 0) {
        o->step_epochs = (o->epochs + 2) / 3;
    }
    if (o->warmup == COVEY__TRAIN_WARMUP_AUTO) {
        size_t part = epoch_steps * o->epochs / 20;
        o->warmup = part < WARMUP_STEPS ? (uint32_t)part : WARMUP_STEPS;
    }
}

void covey__train_options_trainer(const struct covey__train_options *o, uint32_t epoch_steps,
                                  struct covey_train_options *out)
{
    covey_train_options_init(out);
    out->batch = o->batch;
    out->threads = o->threads;
    out->seed = o->seed;
    out->optimizer = (enum covey_optimizer)find(optimizers, o->optimizer);
    out->lr = (float)o->lr;
    out->momentum = (float)o->momentum;
    out->nesterov = o->nesterov;
    out->weight_decay = (float)o->weight_decay;
    out->label_smoothing = (float)o->label_smoothing;
    out->schedule = (enum covey_schedule)find(schedules, o->schedule);
    out->total_steps = (uint64_t)epoch_steps * o->epochs;
    out->step_every = (uint64_t)epoch_steps * o->step_epochs;
    out->step_factor = (float)o->step_factor;
    out->warmup_steps = o->warmup;
}
