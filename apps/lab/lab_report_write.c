/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "lab_report.h"

enum { PATH_BYTES = 512 };

static covey_err refuse(struct covey__report *r, const char *name)
{
    snprintf(r->why, sizeof(r->why), "%.120s/%s cannot be written", r->out, name);
    return COVEY_ERR_IO;
}

/* Of times in order. */
static double quantile(const struct covey__tally *t, double share)
{
    if (t->count == 0) {
        return 0;
    }
    size_t at = (size_t)(share * (double)t->count);
    return t->ms[at < t->count ? at : t->count - 1];
}

static FILE *open_file(struct covey__report *r, const char *name)
{
    char path[PATH_BYTES];
    int len = snprintf(path, sizeof(path), "%s/%s", r->out, name);
    return len > 0 && (size_t)len < sizeof(path) ? fopen(path, "we") : NULL;
}

static covey_err close_file(struct covey__report *r, FILE *file, const char *name)
{
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    return failed ? refuse(r, name) : COVEY_OK;
}

/* One block a phase: milliseconds, and the share of answers that took no longer. */
static covey_err write_data(struct covey__report *r)
{
    FILE *file = open_file(r, "latency.dat");
    if (file == NULL) {
        return refuse(r, "latency.dat");
    }
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        const struct covey__report_phase *p = &r->phase[i];
        fprintf(file, "# %s\n", p->title);
        for (size_t k = 0; k < p->tally.count; k++) {
            fprintf(file, "%.3f %.5f\n", p->tally.ms[k], (double)(k + 1) / (double)p->tally.count);
        }
        fprintf(file, "\n\n");
    }
    return close_file(r, file, "latency.dat");
}

static covey_err write_plot(struct covey__report *r)
{
    FILE *file = open_file(r, "plot.gp");
    if (file == NULL) {
        return refuse(r, "plot.gp");
    }
    fprintf(file,
            "set terminal png size 900,560\n"
            "set output '%s/latency.png'\n"
            "set logscale x\nset grid\nset key bottom right\nset yrange [0:1]\n"
            "set xlabel 'milliseconds'\nset ylabel 'answers that took no longer'\nplot",
            r->out);
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        fprintf(file, "%s '%s/latency.dat' index %zu using 1:2 with steps lw 2 title '%s'",
                i == 0 ? "" : ",", r->out, i, r->phase[i].title);
    }
    fputc('\n', file);
    return close_file(r, file, "plot.gp");
}

static void draw(struct covey__report *r)
{
    char script[PATH_BYTES];
    snprintf(script, sizeof(script), "%s/plot.gp", r->out);
    const char *const argv[] = {"gnuplot", script, NULL};
    r->plotted = covey__lab_run(&r->lab, argv) == COVEY_OK;
}

static void write_devices(const struct covey__report *r, FILE *file)
{
    const struct covey__lab_shape *s = &r->lab.shape;
    fprintf(file, "%u nodes", r->lab.count);
    for (unsigned i = 0; i < r->lab.count; i++) {
        unsigned cpu = r->lab.node[i].cpu;
        fprintf(file, "%s%u", i == 0 ? " of " : ", ", cpu != 0 ? cpu : 100);
    }
    fprintf(file, " percent of a core");
    if (s->rate_mbit != 0) {
        fprintf(file, "; links of %u Mbit/s", (unsigned)s->rate_mbit);
    }
    if (s->delay_ms != 0) {
        fprintf(file, "; %u ms of delay", (unsigned)s->delay_ms);
    }
    if (s->loss_percent > 0) {
        fprintf(file, "; %g %% lost", s->loss_percent);
    }
    fprintf(file, ".\n\n");
}

static covey_err write_page(struct covey__report *r, const char *model)
{
    FILE *file = open_file(r, "report.md");
    if (file == NULL) {
        return refuse(r, "report.md");
    }
    fprintf(file, "# %s over the lab\n\n", model);
    write_devices(r, file);
    fprintf(file, "| | answers | lost | wrong | recovered | median ms | p95 | p99 | worst |\n"
                  "|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        const struct covey__report_phase *p = &r->phase[i];
        fprintf(file, "| %s | %zu | %zu | %zu | %llu | %.2f | %.2f | %.2f | %.2f |\n", p->title,
                p->tally.count, p->tally.lost, p->wrong,
                (unsigned long long)(p->tally.recovered_dead + p->tally.recovered_late),
                p->median_ms, quantile(&p->tally, 0.95), quantile(&p->tally, 0.99),
                quantile(&p->tally, 1));
    }
    fprintf(
        file,
        "\nRequests came back to back from node 1, every layer coded. Killed: SIGKILL in the "
        "middle of one request "
        "of 40, the node started again ten requests later. Slow: the last node gave each answer "
        "%u ms late. Wrong: differs from the first answer by more than 1e-4. Recovered: parts of "
        "layers whose device was dead or late.\n",
        (unsigned)r->slow_ms);
    if (r->plotted) {
        fprintf(file, "\n![Distribution of latencies](latency.png)\n");
    } else {
        fprintf(file, "\nThe plot needs gnuplot: `gnuplot %s/plot.gp`.\n", r->out);
    }
    return close_file(r, file, "report.md");
}

covey_err covey__report_folder(struct covey__report *r)
{
    if (mkdir(r->out, 0777) != 0 && errno != EEXIST) {
        snprintf(r->why, sizeof(r->why), "%.200s cannot be made", r->out);
        return COVEY_ERR_IO;
    }
    return COVEY_OK;
}

covey_err covey__report_write(struct covey__report *r, const char *model)
{
    covey_err err = write_data(r);
    if (err == COVEY_OK) {
        err = write_plot(r);
    }
    if (err == COVEY_OK) {
        draw(r);
        err = write_page(r, model);
    }
    return err;
}

cJSON *covey__report_json(const struct covey__report *r)
{
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "out", r->out);
    cJSON_AddBoolToObject(document, "plotted", r->plotted);
    cJSON *list = cJSON_AddArrayToObject(document, "phases");
    for (size_t i = 0; i < COVEY__REPORT_PHASES; i++) {
        const struct covey__report_phase *p = &r->phase[i];
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", p->name);
        cJSON_AddNumberToObject(o, "answers", (double)p->tally.count);
        cJSON_AddNumberToObject(o, "lost", (double)p->tally.lost);
        cJSON_AddNumberToObject(o, "wrong", (double)p->wrong);
        cJSON_AddNumberToObject(o, "median_ms", p->median_ms);
        cJSON_AddNumberToObject(o, "p95_ms", quantile(&p->tally, 0.95));
        cJSON_AddNumberToObject(o, "p99_ms", quantile(&p->tally, 0.99));
        cJSON_AddNumberToObject(o, "max_ms", quantile(&p->tally, 1));
        cJSON_AddItemToArray(list, o);
    }
    return document;
}
