/* SPDX-License-Identifier: MIT
 *
 * lab_report_plot.c - the pictures, by gnuplot as a child process in the page's folder. Its script
 * names files by the page's base name only, which has no character that gnuplot reads otherwise.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_measure.h"
#include "lab_page.h"
#include "lab_report.h"

enum { BINS = 48 };

covey_err covey__report_find_gnuplot(struct covey__report *r)
{
    covey_err err = covey__lab_find_gnuplot();
    return err == COVEY_OK ? err : covey__report_refuse(r, err, "%s", covey__lab_no_gnuplot);
}

/* ---- BASE.dat: a block a phase, then the histograms, then the kills ---- */

/* Milliseconds in order, and the share of requests that took no longer; then when each was sent. */
static covey_err write_phase(struct covey__report *r, FILE *file, const char *title,
                             const struct covey__report_phase *p)
{
    double *ms = calloc(p->count + 1, sizeof(*ms));
    if (ms == NULL) {
        return covey__report_refuse(r, COVEY_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < p->count; i++) {
        ms[i] = p->answer[i].ms;
    }
    (void)covey__percentile(ms, p->count, 0); /* sorts */
    fprintf(file, "# %s: ms in order, share, sent at ms, its ms, hit\n", title);
    for (size_t i = 0; i < p->count; i++) {
        fprintf(file, "%.4f %.5f %.3f %.4f %d\n", ms[i], (double)(i + 1) / (double)p->count,
                p->answer[i].at_ms, p->answer[i].ms, p->answer[i].hit);
    }
    fprintf(file, "%s\n\n", p->count == 0 ? "NaN NaN NaN NaN 0\n" : "");
    free(ms);
    return COVEY_OK;
}

/* Bins of one width for all steady phases, up to the largest 99th percentile; what took longer is
 * in the last. */
static void write_histograms(const struct covey__report *r, FILE *file)
{
    double top = 0;
    for (unsigned id = COVEY__REPORT_ALONE; id <= COVEY__REPORT_PARITY2; id++) {
        top = fmax(top, r->phase[id].p99_ms);
    }
    double width = top > 0 ? top * 1.05 / BINS : 1;
    for (unsigned id = COVEY__REPORT_ALONE; id <= COVEY__REPORT_PARITY2; id++) {
        const struct covey__report_phase *p = &r->phase[id];
        size_t bin[BINS] = {0};
        for (size_t i = 0; i < p->count; i++) {
            double at = fmax(p->answer[i].ms, 0) / width;
            bin[at < BINS - 1 ? (size_t)at : BINS - 1]++;
        }
        fprintf(file, "# histogram, %s: middle of the bin in ms, requests\n",
                covey__report_about[id].title);
        for (size_t i = 0; i < BINS; i++) {
            fprintf(file, "%.4f %zu\n", ((double)i + 0.5) * width, bin[i]);
        }
        fprintf(file, "\n\n");
    }
}

static void write_kills(const struct covey__report *r, FILE *file)
{
    fprintf(file, "# kills: at ms, request, node\n");
    for (size_t i = 0; i < r->kills; i++) {
        const struct covey__report_kill *k = &r->kill[i];
        fprintf(file, "%.3f %zu %s\n", k->at_ms, k->request, r->lab.node[k->node].name);
    }
    if (r->kills == 0) {
        fprintf(file, "NaN NaN none\n");
    }
}

static FILE *open_beside(struct covey__report *r, const char *ending,
                         char path[static COVEY__REPORT_PATH])
{
    covey__report_path(r, ending, path);
    return fopen(path, "we");
}

static covey_err close_file(struct covey__report *r, FILE *file, const char *path)
{
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    return failed ? covey__report_refuse(r, COVEY_ERR_IO, "%s cannot be written", path) : COVEY_OK;
}

static covey_err write_data(struct covey__report *r)
{
    char path[COVEY__REPORT_PATH];
    FILE *file = open_beside(r, ".dat", path);
    if (file == NULL) {
        return covey__report_refuse(r, COVEY_ERR_IO, "%s cannot be written", path);
    }
    covey_err err = COVEY_OK;
    for (unsigned id = 0; err == COVEY_OK && id < COVEY__REPORT_PHASES; id++) {
        err = write_phase(r, file, covey__report_about[id].title, &r->phase[id]);
    }
    write_histograms(r, file);
    write_kills(r, file);
    covey_err closed = close_file(r, file, path);
    return err == COVEY_OK ? closed : err;
}

/* ---- BASE.gp ---- */

/* Phases [first, last] as one plot. */
static void write_lines(FILE *file, const struct covey__report *r, unsigned first, unsigned last,
                        const char *how)
{
    bool is_histogram = strcmp(how, "histeps") == 0;
    for (unsigned id = first; id <= last; id++) {
        fprintf(file, "%s '%s.dat' index %u using 1:2 with %s lw 2 title '%s'",
                id == first ? "plot" : ", \\\n    ", r->base,
                is_histogram ? id + COVEY__REPORT_PHASES : id, how, covey__report_about[id].title);
    }
}

static void write_distributions(FILE *file, const struct covey__report *r)
{
    /* A straggler's latencies need not span a decade. */
    static const char ticks[] = "0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, "
                                "5000, 10000, 20000, 50000";
    fprintf(file,
            "set output '%s-cdf.png'\nset title 'Distribution of latency'\n"
            "set key bottom right\nset xlabel 'latency of a request [ms]'\n"
            "set ylabel 'share of requests that took no longer'\nset yrange [0:1]\n",
            r->base);
    write_lines(file, r, COVEY__REPORT_ALONE, COVEY__REPORT_PARITY2, "steps");
    fprintf(file,
            "\nset output '%s-straggler.png'\nset title 'One device %u ms late'\n"
            "set xlabel 'latency of a request [ms], logarithmic'\n"
            "set logscale x\nset autoscale xfix\nset xtics (%s)\n",
            r->base, (unsigned)r->options.slow_ms, ticks);
    write_lines(file, r, COVEY__REPORT_SLOW_PARITY1, COVEY__REPORT_SLOW_PARITY0, "steps");
    fprintf(file,
            ", \\\n     '%s.dat' index %u using 1:2 with steps dt 2 title 'parity 1, nobody slow'",
            r->base, (unsigned)COVEY__REPORT_PARITY1);
    fprintf(file,
            "\nunset logscale x\nset autoscale x\nset xtics auto\n"
            "set xlabel 'latency of a request [ms]'\n"
            "set output '%s-histogram.png'\nset title 'Latency'\n"
            "set key top right\nset ylabel 'requests in a bin'\nset yrange [0:*]\n",
            r->base);
    write_lines(file, r, COVEY__REPORT_ALONE, COVEY__REPORT_PARITY2, "histeps");
}

static void write_timeline(FILE *file, const struct covey__report *r)
{
    const unsigned kills = COVEY__REPORT_PHASES + COVEY__REPORT_PARITY2 + 1;
    double top = fmax(r->phase[COVEY__REPORT_KILLS].max_ms * 1.1, 1e-3);
    fprintf(file,
            "\nset output '%s-kills.png'\nset title 'Devices killed'\n"
            "set key above\nset xlabel 'when it was sent [s]'\n" /* beside points, not on them */
            "set ylabel 'latency of a request [ms]'\nset yrange [0:%.4f]\n"
            "plot '%s.dat' index %u using ($1/1000):(%.4f) with impulses lw 1 lc rgb 'red' title "
            "'device killed', \\\n"
            "     '' index %u using ($3/1000):4 with points pt 7 ps 0.4 title 'request', \\\n"
            "     '' index %u using ($5 > 0 ? $3/1000 : NaN):4 with points pt 6 ps 1.4 lc rgb "
            "'red' title 'request hit', \\\n"
            "     %.4f with lines dt 2 title 'steady median'\n",
            r->base, top, r->base, kills, top, (unsigned)COVEY__REPORT_KILLS,
            (unsigned)COVEY__REPORT_KILLS, r->steady_ms);
}

static covey_err write_script(struct covey__report *r)
{
    char path[COVEY__REPORT_PATH];
    FILE *file = open_beside(r, ".gp", path);
    if (file == NULL) {
        return covey__report_refuse(r, COVEY_ERR_IO, "%s cannot be written", path);
    }
    fprintf(file, "set terminal pngcairo size 900,520\nset grid\n"
                  "set datafile missing 'NaN'\n");
    write_distributions(file, r);
    write_timeline(file, r);
    return close_file(r, file, path);
}

static covey_err run_gnuplot(struct covey__report *r)
{
    char script[sizeof(r->base) + sizeof(".gp")], log[COVEY__REPORT_PATH];
    snprintf(script, sizeof(script), "%s.gp", r->base);
    covey__report_path(r, ".log", log);
    const char *const argv[] = {"gnuplot", script, NULL};
    covey_err err = covey__lab_spawn(r->folder, log, argv);
    if (err != COVEY_OK) {
        return covey__report_refuse(r, COVEY_ERR_IO, "gnuplot failed: see %s", log);
    }
    int ignored = unlink(log);
    (void)ignored;
    return COVEY_OK;
}

covey_err covey__report_plot(struct covey__report *r)
{
    covey_err err = write_data(r);
    if (err == COVEY_OK) {
        err = write_script(r);
    }
    return err == COVEY_OK ? run_gnuplot(r) : err;
}
