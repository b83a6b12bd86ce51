/* SPDX-License-Identifier: MIT
 *
 * lab_paper_plot.c - pictures like figures 10, 11 and 12 of seed 000, by gnuplot as a child process
 * in the page's folder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lab_page.h"
#include "lab_paper.h"

covey_err covey__paper_find_gnuplot(struct covey__paper *p)
{
    covey_err err = covey__lab_find_gnuplot();
    return err == COVEY_OK ? err : covey__paper_refuse(p, err, "%s", covey__lab_no_gnuplot);
}

static FILE *open_beside(struct covey__paper *p, const char *ending)
{
    char path[COVEY__PAPER_PATH];
    covey__paper_path(p, ending, path);
    return fopen(path, "we");
}

static covey_err close_file(struct covey__paper *p, FILE *file, const char *ending)
{
    bool failed = file == NULL || ferror(file) != 0;
    failed |= file != NULL && fclose(file) != 0;
    return failed ? covey__paper_refuse(p, COVEY_ERR_IO, "%s/%s%s cannot be written", p->folder,
                                        p->base, ending)
                  : COVEY_OK;
}

/* A block a picture: x, then the mean of each strategy. */
static void write_block(const struct covey__paper *p, FILE *file, enum covey__paper_scheme scheme,
                        enum covey__paper_family family)
{
    fprintf(file, "# %s %s: x, seconds of the paper of", covey__paper_scheme_name(scheme),
            covey__paper_family_name(family));
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        fprintf(file, " %s", covey__paper_strategy(kind));
    }
    fputc('\n', file);
    for (unsigned i = 0; i < p->count; i++) {
        const struct covey__paper_setting *s = &p->setting[i];
        if (s->scheme != scheme || s->family != family) {
            continue;
        }
        fprintf(file, "%g", s->x);
        for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
            if (s->result[kind].rounds > 0) {
                fprintf(file, " %.4f", s->result[kind].mean_ms / s->scale / 1000);
            } else {
                fprintf(file, " NaN");
            }
        }
        fputc('\n', file);
    }
    fprintf(file, "\n\n");
}

static void write_plot(const struct covey__paper *p, FILE *file, enum covey__paper_scheme scheme,
                       enum covey__paper_family family, unsigned block)
{
    static const char *const axes[COVEY__PAPER_FAMILIES] = {
        "latencies from 1 s to so many", "standard deviation of latencies, s",
        "variance of latencies, s^2", "mean of latencies, s"};
    char picture[COVEY__PAPER_PATH];
    covey__paper_picture(p, scheme, family, picture);
    fprintf(file,
            "set output '%s'\nset title '%s, %s latencies'\nset xlabel '%s'\n"
            "set ylabel 's a %s, of the paper'\n",
            picture, scheme == COVEY__PAPER_VGG ? "VGG-8" : "products",
            covey__paper_family_name(family), scheme == COVEY__PAPER_A ? "rows of A" : axes[family],
            scheme == COVEY__PAPER_VGG ? "step" : "round");
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        fprintf(file, "%s'%s.dat' index %u using 1:%u with linespoints lw 2 pt %u title '%s'",
                kind == 0 ? "plot " : ", \\\n     ", p->base, block, kind + 2, kind + 4,
                covey__paper_strategy(kind));
    }
    fprintf(file, "\n");
}

static covey_err write_files(struct covey__paper *p)
{
    FILE *data = open_beside(p, ".dat"), *script = open_beside(p, ".gp");
    unsigned block = 0;
    if (script != NULL) {
        fprintf(script, "set terminal pngcairo size 720,480\nset grid\nset key top left\n"
                        "set datafile missing 'NaN'\nset yrange [0:*]\n");
    }
    for (unsigned i = 0; i < COVEY__PAPER_SCHEMES * COVEY__PAPER_FAMILIES; i++) {
        enum covey__paper_scheme scheme = i / COVEY__PAPER_FAMILIES;
        enum covey__paper_family family = i % COVEY__PAPER_FAMILIES;
        if (data != NULL && script != NULL && covey__paper_has(p, scheme, family)) {
            write_block(p, data, scheme, family);
            write_plot(p, script, scheme, family, block++);
        }
    }
    covey_err data_err = close_file(p, data, ".dat");
    covey_err err = close_file(p, script, ".gp");
    return data_err != COVEY_OK ? data_err : err;
}

covey_err covey__paper_plot(struct covey__paper *p)
{
    char script[sizeof(p->base) + sizeof(".gp")], log[COVEY__PAPER_PATH];
    covey_err err = write_files(p);
    if (err != COVEY_OK) {
        return err;
    }
    snprintf(script, sizeof(script), "%s.gp", p->base);
    covey__paper_path(p, ".log", log);
    const char *const argv[] = {"gnuplot", script, NULL};
    err = covey__lab_spawn(p->folder, log, argv);
    if (err != COVEY_OK) {
        return covey__paper_refuse(p, COVEY_ERR_IO, "gnuplot failed: see %s", log);
    }
    int ignored = unlink(log);
    (void)ignored;
    return COVEY_OK;
}
