/* SPDX-License-Identifier: MIT */
#include "train_plot.h"

#include <stdio.h>
#include <unistd.h>

#include "covey/text.h"
#include "train_mesh.h"
#include "train_report.h"

void covey__train_plot_path(const char *report, char out[static COVEY__TRAIN_PLOT_MAX])
{
    size_t len = strlen(report);
    bool md = len > 3 && strcmp(report + len - 3, ".md") == 0;
    snprintf(out, COVEY__TRAIN_PLOT_MAX, "%.*s.png", (int)(md ? len - 3 : len), report);
}

/* gnuplot ends such a text at a single quote, and reads two as one. */
static void put_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (; *text != 0; text++) {
        fputs(*text == '\'' ? "''" : (const char[]){*text, 0}, to);
    }
    fputc('\'', to);
}

/* Over the mesh the means of as many steps each, else those of epochs. */
static void put_losses(const struct covey__train *t, FILE *to)
{
    const struct covey_training_record *r = t->mesh != NULL ? &t->mesh->record : NULL;
    for (uint32_t i = 0; r != NULL && i < r->points; i++) {
        fprintf(to, "%.6g %.6g\n", (double)(i + 1) * r->stride / t->batches.steps,
                (double)r->curve[i]);
    }
    for (uint32_t i = 0; r == NULL && i < t->progress.epoch; i++) {
        fprintf(to, "%u %.6g\n", i + 1, t->progress.history[i].loss);
    }
    fprintf(to, "e\n");
}

static void put_tests(const struct covey__train *t, FILE *to)
{
    for (uint32_t i = 0; i < t->progress.epoch; i++) {
        const struct covey_training_epoch *e = &t->progress.history[i];
        fprintf(to, "%u %.6g\n", i + 1, 100 * covey__train_test_accuracy(t, e));
    }
    fprintf(to, "e\n");
}

static void put_script(const struct covey__train *t, const char *path, FILE *to)
{
    fprintf(to, "set terminal pngcairo size 900,500\nset output ");
    put_quoted(to, path);
    fprintf(to, "\nset xlabel 'epochs'\nset ylabel 'loss'\nset grid\nset key center right\n");
    if (t->test.count > 0) {
        fprintf(to, "set y2label 'test accuracy, percent'\nset y2tics\nset ytics nomirror\n"
                    "plot '-' with lines title 'loss', "
                    "'-' axes x1y2 with linespoints title 'test accuracy'\n");
        put_losses(t, to);
        put_tests(t, to);
    } else {
        fprintf(to, "plot '-' with lines title 'loss'\n");
        put_losses(t, to);
    }
}

/* Where there is no gnuplot the script is read all the same, and nothing is drawn. */
bool covey__train_plot(const struct covey__train *t, const char *path)
{
    if (!covey_text_is_plain(covey_bytes_of(path, strlen(path)))) {
        return false; /* a line break would end the text that names it */
    }
    FILE *to = popen("if command -v gnuplot >/dev/null 2>&1; then exec gnuplot >/dev/null 2>&1; "
                     "else cat >/dev/null; exit 1; fi",
                     "w");
    if (to == NULL) {
        return false;
    }
    put_script(t, path, to);
    return pclose(to) == 0 && access(path, R_OK) == 0;
}
