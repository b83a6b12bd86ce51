/* SPDX-License-Identifier: MIT */
#include "train_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_measure.h"
#include "train_mesh_report.h"
#include "train_plot.h"

enum { BAR_WIDTH = 24 };

#define BAR_NS 100000000u    /* as often as eyes follow */
#define LINE_NS 10000000000u /* without a terminal */

double covey__train_accuracy(const struct covey__train *t, const struct covey_training_epoch *e)
{
    return (double)e->correct / ((double)t->batches.steps * t->options.batch);
}

double covey__train_test_accuracy(const struct covey__train *t,
                                  const struct covey_training_epoch *e)
{
    return t->test.count == 0 ? -1 : (double)e->test_correct / (double)t->test.count;
}

static double steps_a_second(const struct covey__train *t)
{
    return t->seconds_here > 0 ? (double)t->steps_here / t->seconds_here : 0;
}

void covey__train_clear_bar(void)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
}

void covey__train_say_start(const struct covey__train *t)
{
    if (t->cli->json) {
        return;
    }
    printf("%s: %zu parameters, %zu samples of %ux%ux%u in %u classes, %u steps an epoch",
           t->options.model, t->parameters, t->data.count, t->data.channels, t->data.height,
           t->data.width, t->data.classes, t->batches.steps);
    if (t->options.resume != NULL) {
        printf(", going on in epoch %u after step %u", t->progress.epoch + 1, t->progress.step);
    }
    printf("\n");
    fflush(stdout);
}

/* Seconds to the end, tests as long as the last one. */
static double remaining(const struct covey__train *t)
{
    const struct covey__train_progress *p = &t->progress;
    double steps = (double)(t->options.epochs - p->epoch) * t->batches.steps - p->step;
    double test = p->epoch > 0 ? p->history[p->epoch - 1].test_seconds : 0;
    double speed = steps_a_second(t);
    return (speed > 0 ? steps / speed : 0) + test * (t->options.epochs - p->epoch);
}

static void print_step(const struct covey__train *t, FILE *to)
{
    const struct covey__train_progress *p = &t->progress;
    fprintf(to, "%u/%u  loss %.4f  train %.2f %%  %.0f steps/s  %.0f s left", p->step,
            t->batches.steps, p->loss_sum / p->step,
            100.0 * p->correct / ((double)p->step * t->options.batch), steps_a_second(t),
            remaining(t));
}

void covey__train_say_step(const struct covey__train *t, struct covey__train_ticker *ticker)
{
    const struct covey__train_progress *p = &t->progress;
    uint64_t now = covey__now_ns();
    bool terminal = isatty(STDERR_FILENO);
    if (ticker->last_ns == 0) {
        ticker->last_ns = now;
    }
    if (now - ticker->last_ns < (terminal ? BAR_NS : LINE_NS) || (!terminal && t->cli->json)) {
        return;
    }
    ticker->last_ns = now;
    if (!terminal) {
        printf("epoch %u/%u  step ", p->epoch + 1, t->options.epochs);
        print_step(t, stdout);
        printf("\n");
        fflush(stdout);
        return;
    }
    char bar[BAR_WIDTH + 1];
    size_t full = (size_t)p->step * BAR_WIDTH / t->batches.steps;
    for (size_t i = 0; i < BAR_WIDTH; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR_WIDTH] = 0;
    fprintf(stderr, "\repoch %u/%u [%s] ", p->epoch + 1, t->options.epochs, bar);
    print_step(t, stderr);
    fprintf(stderr, "\033[K");
    fflush(stderr);
}

/* " 98.70 %", or a dash where there was no test. */
static const char *percent(char out[static 16], double share)
{
    if (share < 0) {
        snprintf(out, 16, "-");
    } else {
        snprintf(out, 16, "%.2f %%", 100 * share);
    }
    return out;
}

void covey__train_say_epoch(const struct covey__train *t)
{
    const struct covey_training_epoch *e = &t->progress.history[t->progress.epoch - 1];
    char train[16], test[16];
    covey__train_clear_bar();
    if (t->cli->json) {
        return;
    }
    printf("epoch %u/%u  loss %.4f  train %s  test %s  %.1f s\n", t->progress.epoch,
           t->options.epochs, e->loss, percent(train, covey__train_accuracy(t, e)),
           percent(test, covey__train_test_accuracy(t, e)), e->seconds + e->test_seconds);
    fflush(stdout);
}

/* What all forms of the report say. */
struct summary {
    double seconds, best, last;
    uint32_t best_epoch; /* from 1 */
    uint64_t steps;
    size_t memory;
    uint64_t peak;
};

static struct summary summarise(const struct covey__train *t)
{
    struct summary s = {.best = -1, .last = -1, .steps = t->steps};
    for (uint32_t i = 0; i < t->progress.epoch; i++) {
        const struct covey_training_epoch *e = &t->progress.history[i];
        s.seconds += e->seconds + e->test_seconds;
        s.last = covey__train_test_accuracy(t, e);
        if (s.last > s.best) {
            s.best = s.last;
            s.best_epoch = i + 1;
        }
    }
    s.memory = t->trainer_bytes;
    s.peak = covey__memory_now().peak;
    return s;
}

static enum covey_exit print_lines(const struct covey__train *t)
{
    struct summary s = summarise(t);
    char best[16], last[16];
    printf("%s: %zu bytes, %" PRIu64 " steps in %.1f s, %.0f steps/s, %.1f MB to train, %.1f MB at "
           "most\n",
           t->options.out, t->out_bytes, s.steps, s.seconds, steps_a_second(t),
           (double)s.memory / 1e6, (double)s.peak / 1e6);
    if (s.last >= 0) {
        printf("test accuracy %s, best %s after epoch %u\n", percent(last, s.last),
               percent(best, s.best), s.best_epoch);
    }
    if (t->mesh != NULL) {
        covey__train_mesh_lines(t->mesh);
    }
    return COVEY_EXIT_DONE;
}

static cJSON *json_epochs(const struct covey__train *t)
{
    cJSON *list = cJSON_CreateArray();
    for (uint32_t i = 0; i < t->progress.epoch; i++) {
        const struct covey_training_epoch *e = &t->progress.history[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddNumberToObject(item, "loss", e->loss);
        cJSON_AddNumberToObject(item, "train_accuracy", covey__train_accuracy(t, e));
        if (t->test.count != 0) {
            cJSON_AddNumberToObject(item, "test_accuracy", covey__train_test_accuracy(t, e));
        }
        cJSON_AddNumberToObject(item, "seconds", e->seconds);
        cJSON_AddNumberToObject(item, "test_seconds", e->test_seconds);
        cJSON_AddItemToArray(list, item);
    }
    return list;
}

static void json_options(const struct covey__train_options *o, cJSON *document)
{
    cJSON_AddStringToObject(document, "model", o->model);
    cJSON_AddStringToObject(document, "data", o->data);
    cJSON_AddStringToObject(document, "out", o->out);
    cJSON_AddStringToObject(document, "optimizer", o->optimizer);
    cJSON_AddStringToObject(document, "schedule", o->schedule);
    cJSON_AddStringToObject(document, "augment", o->augment);
    cJSON_AddNumberToObject(document, "lr", o->lr);
    cJSON_AddNumberToObject(document, "momentum", o->momentum);
    cJSON_AddNumberToObject(document, "weight_decay", o->weight_decay);
    cJSON_AddNumberToObject(document, "label_smoothing", o->label_smoothing);
    cJSON_AddNumberToObject(document, "batch", o->batch);
    cJSON_AddNumberToObject(document, "seed", o->seed);
    cJSON_AddNumberToObject(document, "threads", o->threads);
}

static void json_normalisation(const struct covey__train_model *m, cJSON *document)
{
    cJSON *mean = cJSON_AddArrayToObject(document, "mean");
    cJSON *std = cJSON_AddArrayToObject(document, "std");
    for (uint32_t c = 0; m->normalised && c < m->channels; c++) {
        cJSON_AddItemToArray(mean, cJSON_CreateNumber((double)m->mean[c]));
        cJSON_AddItemToArray(std, cJSON_CreateNumber((double)m->std[c]));
    }
}

static enum covey_exit print_json(const struct covey__train *t)
{
    struct summary s = summarise(t);
    cJSON *document = cJSON_CreateObject();
    json_options(&t->options, document);
    json_normalisation(&t->model, document);
    cJSON_AddNumberToObject(document, "samples", (double)t->data.count);
    cJSON_AddNumberToObject(document, "test_samples", (double)t->test.count);
    cJSON_AddNumberToObject(document, "classes", t->data.classes);
    cJSON_AddNumberToObject(document, "parameters", (double)t->parameters);
    cJSON_AddItemToObject(document, "epochs", json_epochs(t));
    cJSON_AddNumberToObject(document, "steps", (double)s.steps);
    cJSON_AddNumberToObject(document, "seconds", s.seconds);
    cJSON_AddNumberToObject(document, "steps_per_s", steps_a_second(t));
    if (s.last >= 0) {
        cJSON_AddNumberToObject(document, "last_accuracy", s.last);
        cJSON_AddNumberToObject(document, "best_accuracy", s.best);
        cJSON_AddNumberToObject(document, "best_epoch", s.best_epoch);
    }
    cJSON_AddNumberToObject(document, "trainer_bytes", (double)s.memory);
    cJSON_AddNumberToObject(document, "peak_bytes", (double)s.peak);
    cJSON_AddNumberToObject(document, "file_bytes", (double)t->out_bytes);
    cJSON_AddBoolToObject(document, "resumed", t->options.resume != NULL);
    if (t->mesh != NULL) {
        cJSON_AddItemToObject(document, "mesh", covey__train_mesh_json(t->mesh));
    }
    return covey__cli_print(t->cli, document);
}

static void markdown(const struct covey__train *t, FILE *to)
{
    struct summary s = summarise(t);
    const struct covey__train_options *o = &t->options;
    char train[16], test[16];
    fprintf(to, "# Training of %s\n\n| | |\n| --- | --- |\n", o->model);
    fprintf(to, "| data | `%s`: %zu samples of %ux%ux%u, %u classes |\n", o->data, t->data.count,
            t->data.channels, t->data.height, t->data.width, t->data.classes);
    fprintf(to, "| test | %zu samples |\n| written to | `%s`, %zu bytes |\n", t->test.count, o->out,
            t->out_bytes);
    fprintf(to, "| parameters | %zu |\n", t->parameters);
    fprintf(to, "| optimizer | %s, lr %g, momentum %g%s, weight decay %g |\n", o->optimizer, o->lr,
            o->momentum, o->nesterov ? " (Nesterov)" : "", o->weight_decay);
    fprintf(to, "| schedule | %s, %u warm-up steps |\n", o->schedule, o->warmup);
    fprintf(to, "| label smoothing | %g |\n| augmentation | %s |\n", o->label_smoothing,
            o->augment);
    fprintf(to, "| batch, epochs, seed | %u, %u, %u |\n", o->batch, o->epochs, o->seed);
    fprintf(to, "| steps | %" PRIu64 " in %.1f s, %.0f a second on %u thread%s |\n", s.steps,
            s.seconds, steps_a_second(t), o->threads, o->threads == 1 ? "" : "s");
    fprintf(to, "| memory | %.1f MB to train, %.1f MB in all |\n", (double)s.memory / 1e6,
            (double)s.peak / 1e6);
    if (t->mesh != NULL) {
        covey__train_mesh_markdown(t->mesh, to);
    }
    fprintf(to, "| test accuracy | %s at the end", percent(test, s.last));
    fprintf(to, ", best %s after epoch %u |\n\n", percent(test, s.best), s.best_epoch);
    fprintf(to, "| epoch | loss | train | test | seconds |\n| --- | --- | --- | --- | --- |\n");
    for (uint32_t i = 0; i < t->progress.epoch; i++) {
        const struct covey_training_epoch *e = &t->progress.history[i];
        fprintf(to, "| %u | %.4f | %s | %s | %.1f |\n", i + 1, e->loss,
                percent(train, covey__train_accuracy(t, e)),
                percent(test, covey__train_test_accuracy(t, e)), e->seconds + e->test_seconds);
    }
}

static enum covey_exit write_markdown(const struct covey__train *t)
{
    char *text = NULL;
    size_t len = 0;
    bool whole = false;
    char picture[COVEY__TRAIN_PLOT_MAX];
    FILE *to = open_memstream(&text, &len);
    if (to != NULL) {
        markdown(t, to);
        covey__train_plot_path(t->options.report, picture);
        if (covey__train_plot(t, picture)) {
            const char *slash = strrchr(picture, '/');
            fprintf(to, "\n![losses](%s)\n", slash != NULL ? slash + 1 : picture);
        }
        whole = fclose(to) == 0;
    }
    enum covey_exit code =
        whole ? covey__cli_write(t->cli, t->options.report, covey_bytes_of(text, len))
              : covey__cli_fail(t->cli, COVEY_EXIT_FAILED, "%s cannot be written: out of memory",
                                t->options.report);
    free(text);
    return code;
}

enum covey_exit covey__train_report(const struct covey__train *t)
{
    if (t->options.report != NULL) {
        enum covey_exit code = write_markdown(t);
        if (code != COVEY_EXIT_DONE) {
            return code;
        }
    }
    return t->cli->json ? print_json(t) : print_lines(t);
}
