/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab_page.h"
#include "lab_paper.h"

void covey__paper_path(const struct covey__paper *p, const char *ending,
                       char out[static COVEY__PAPER_PATH])
{
    snprintf(out, COVEY__PAPER_PATH, "%s/%s%s", p->folder, p->base, ending);
}

void covey__paper_picture(const struct covey__paper *p, enum covey__paper_scheme scheme,
                          enum covey__paper_family family, char out[static COVEY__PAPER_PATH])
{
    snprintf(out, COVEY__PAPER_PATH, "%s-%s-%s.png", p->base, covey__paper_scheme_name(scheme),
             covey__paper_family_name(family));
}

/* ---- what the gains are held against ---- */

struct bound {
    enum covey__paper_family family;
    enum covey_code_kind slow, fast;
    double least;
};

/* LT is held against MDS the other way round: it may take 1.2 times as long. */
static const struct bound bounds[] = {
    {COVEY__PAPER_EXPONENTIAL, COVEY_CODE_UNCODED, COVEY_CODE_MDS, 3},
    {COVEY__PAPER_EXPONENTIAL, COVEY_CODE_UNCODED, COVEY_CODE_LT, 3},
    {COVEY__PAPER_EXPONENTIAL, COVEY_CODE_REPLICATION, COVEY_CODE_MDS, 1.3},
    {COVEY__PAPER_UNIFORM, COVEY_CODE_UNCODED, COVEY_CODE_MDS, 1.3},
    {COVEY__PAPER_UNIFORM, COVEY_CODE_UNCODED, COVEY_CODE_LT, 1.3},
    {COVEY__PAPER_NORMAL, COVEY_CODE_UNCODED, COVEY_CODE_MDS, 1},
    {COVEY__PAPER_NORMAL, COVEY_CODE_UNCODED, COVEY_CODE_LT, 1},
    {COVEY__PAPER_NORMAL, COVEY_CODE_REPLICATION, COVEY_CODE_MDS, 1},
    {COVEY__PAPER_EXPONENTIAL, COVEY_CODE_MDS, COVEY_CODE_LT, 1 / 1.2},
    {COVEY__PAPER_UNIFORM, COVEY_CODE_MDS, COVEY_CODE_LT, 1 / 1.2},
    {COVEY__PAPER_NORMAL, COVEY_CODE_MDS, COVEY_CODE_LT, 1 / 1.2},
};
enum { BOUNDS = sizeof(bounds) / sizeof(bounds[0]) };

/* Each bound is held against both schemes, one after the other. */
static enum covey__paper_scheme scheme_of(unsigned i)
{
    return i % 2 == 0 ? COVEY__PAPER_A : COVEY__PAPER_B;
}

/* The least gain of all settings that bound i / 2 is about; HUGE_VAL: there are none. */
static double least_gain(const struct covey__paper *p, unsigned bound)
{
    const struct bound *b = &bounds[bound / 2];
    enum covey__paper_scheme scheme = scheme_of(bound);
    double least = HUGE_VAL;
    for (unsigned i = 0; i < p->count; i++) {
        const struct covey__paper_setting *s = &p->setting[i];
        double gain = covey__paper_gain(s, b->slow, b->fast);
        if (s->scheme == scheme && s->family == b->family && gain > 0) {
            least = fmin(least, gain);
        }
    }
    return least;
}

static cJSON *bounds_json(const struct covey__paper *p)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; i < 2 * BOUNDS; i++) {
        const struct bound *b = &bounds[i / 2];
        double least = least_gain(p, i);
        if (!isfinite(least)) {
            continue;
        }
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "scheme", covey__paper_scheme_name(scheme_of(i)));
        cJSON_AddStringToObject(o, "law", covey__paper_family_name(b->family));
        cJSON_AddStringToObject(o, "of", covey__paper_strategy(b->fast));
        cJSON_AddStringToObject(o, "against", covey__paper_strategy(b->slow));
        cJSON_AddNumberToObject(o, "least_gain", least);
        cJSON_AddNumberToObject(o, "asked", b->least);
        cJSON_AddBoolToObject(o, "holds", least >= b->least);
        cJSON_AddItemToArray(list, o);
    }
    return list;
}

unsigned covey__paper_missed(const struct covey__paper *p)
{
    unsigned missed = 0;
    for (unsigned i = 0; i < 2 * BOUNDS; i++) {
        missed += least_gain(p, i) < bounds[i / 2].least;
    }
    return missed;
}

/* ---- JSON ---- */

static cJSON *setting_json(const struct covey__paper_setting *s)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "scheme", covey__paper_scheme_name(s->scheme));
    cJSON_AddStringToObject(o, "law", covey__paper_family_name(s->family));
    cJSON_AddStringToObject(o, "label", s->label);
    cJSON_AddNumberToObject(o, "x", s->x);
    cJSON_AddNumberToObject(o, "rows", s->rows);
    cJSON_AddNumberToObject(o, "scale", s->scale);
    cJSON *list = cJSON_AddArrayToObject(o, "strategies");
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        const struct covey__paper_result *r = &s->result[kind];
        cJSON *one = cJSON_CreateObject();
        cJSON_AddStringToObject(one, "strategy", covey__paper_strategy(kind));
        cJSON_AddNumberToObject(one, "mean_ms", r->mean_ms);
        cJSON_AddNumberToObject(one, "deviation_ms", r->deviation_ms);
        cJSON_AddNumberToObject(one, "simulated_ms", r->simulated_ms);
        cJSON_AddNumberToObject(one, "error", r->error);
        cJSON_AddNumberToObject(one, "rounds", r->rounds);
        cJSON_AddNumberToObject(one, "failed", r->failed);
        cJSON_AddNumberToObject(one, "answers", r->answers);
        cJSON_AddNumberToObject(one, "tasks", r->tasks);
        cJSON_AddItemToArray(list, one);
    }
    return o;
}

cJSON *covey__paper_json(const struct covey__paper *p)
{
    const struct covey__paper_options *o = &p->options;
    cJSON *document = cJSON_CreateObject();
    cJSON_AddBoolToObject(document, "simulated", o->simulate);
    cJSON_AddNumberToObject(document, "scale", o->scale);
    cJSON_AddNumberToObject(document, "rounds", o->rounds);
    cJSON_AddNumberToObject(document, "steps", o->steps);
    cJSON_AddNumberToObject(document, "seed", o->seed);
    cJSON_AddNumberToObject(document, "workers", o->workers);
    cJSON_AddNumberToObject(document, "blocks", o->blocks);
    cJSON_AddNumberToObject(document, "tasks", o->tasks);
    cJSON_AddNumberToObject(document, "vgg_products", p->products);
    cJSON_AddNumberToObject(document, "vgg_local_products", p->local);
    cJSON_AddItemToObject(document, "gains", bounds_json(p));
    cJSON *list = cJSON_AddArrayToObject(document, "settings");
    for (unsigned i = 0; i < p->count; i++) {
        cJSON_AddItemToArray(list, setting_json(&p->setting[i]));
    }
    return document;
}

/* ---- the page ---- */

static const char *const scheme_titles[COVEY__PAPER_SCHEMES] = {
    "Scheme A: products of six sizes (figure 10)",
    "Scheme B: one product, wider and wider latencies (figure 11)",
    "VGG-8 on MNIST, a batch of 50 (figure 12)",
};

static const char *const family_titles[COVEY__PAPER_FAMILIES] = {
    "Uniform",
    "Normal, mean 20 s, 12 to 20 read as standard deviations, cut at 0",
    "Normal, mean 20 s, 12 to 20 read as variances, as printed",
    "Exponential",
};

static void write_head(const struct covey__paper *p, FILE *file)
{
    const struct covey__paper_options *o = &p->options;
    fprintf(file,
            "# The experiments of coded training on edge devices, again\n\n"
            "Cheng et al., sections 4.2 and 4.3: %u workers that pull tasks from the owner's pool, "
            "%u blocks, %u tasks (uncoded %u; of LT as many as are asked for). Each worker draws "
            "its latency once a round and sleeps it for every task; all strategies meet the same "
            "draws (seed %u). The tables say how many milliseconds a second of the paper takes "
            "here; the "
            "pictures are in the paper's seconds.\n\n",
            o->workers, o->blocks, o->tasks, o->blocks, o->seed);
    if (o->simulate) {
        fprintf(file,
                "**Simulated**: rounds as arithmetic, with the same draws and the same decoder as "
                "on devices, each computing %u MFLOP/s of the paper's time; messages take none. "
                "Mean of %u rounds, "
                "of %u steps of VGG.\n\n",
                o->mflops, o->rounds, o->steps);
    } else {
        fprintf(file,
                "Measured over a lab of %u nodes on this machine, the owner and its workers, not "
                "paced: real tasks, sealed messages, checks and decoding. Mean of %u rounds, of %u "
                "steps of VGG.\n\n",
                o->workers + 1, o->rounds, o->steps);
    }
}

static void write_gain(FILE *file, double gain)
{
    if (gain > 0) {
        fprintf(file, " | %.2f", gain);
    } else {
        fprintf(file, " | -");
    }
}

static void write_table(const struct covey__paper *p, FILE *file, enum covey__paper_scheme scheme,
                        enum covey__paper_family family)
{
    fprintf(file, "| | 1 s is, ms |");
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        fprintf(file, " %s ms |", covey__paper_strategy(kind));
    }
    fprintf(
        file,
        " uncoded / MDS | 2-replication / MDS | uncoded / LT | LT / MDS |\n|---|---:|%s---:|---:|"
        "---:|---:|\n",
        "---:|---:|---:|---:|---:|");
    for (unsigned i = 0; i < p->count; i++) {
        const struct covey__paper_setting *s = &p->setting[i];
        if (s->scheme != scheme || s->family != family) {
            continue;
        }
        fprintf(file, "| %s | %.3g", s->label, s->scale * 1000);
        for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
            const struct covey__paper_result *r = &s->result[kind];
            if (r->rounds == 0) {
                fprintf(file, " | -");
            } else {
                fprintf(file, " | %.1f%s", r->mean_ms, r->failed > 0 ? "*" : "");
            }
        }
        write_gain(file, covey__paper_gain(s, COVEY_CODE_UNCODED, COVEY_CODE_MDS));
        write_gain(file, covey__paper_gain(s, COVEY_CODE_REPLICATION, COVEY_CODE_MDS));
        write_gain(file, covey__paper_gain(s, COVEY_CODE_UNCODED, COVEY_CODE_LT));
        write_gain(file, covey__paper_gain(s, COVEY_CODE_LT, COVEY_CODE_MDS));
        fprintf(file, " |\n");
    }
    fputc('\n', file);
}

static void write_scheme(const struct covey__paper *p, FILE *file, enum covey__paper_scheme scheme)
{
    bool any = false;
    for (unsigned family = 0; family < COVEY__PAPER_FAMILIES; family++) {
        char picture[COVEY__PAPER_PATH];
        if (!covey__paper_has(p, scheme, family)) {
            continue;
        }
        if (!any) {
            fprintf(file, "## %s\n\n", scheme_titles[scheme]);
        }
        if (!any && scheme == COVEY__PAPER_A) {
            fprintf(file, "A of 1000 columns times B of 10, latencies uniform from 1 to 10 s, "
                          "normal around 20 s with a deviation of 12 s, exponential with a mean of "
                          "12 s: the paper does not say which.\n\n");
        } else if (!any && scheme == COVEY__PAPER_VGG) {
            fprintf(file,
                    "A step: %u coded products, each a round with its own draws; %u more have "
                    "fewer rows than blocks and stay at the owner, as does what is between the "
                    "products. Sums over a step's rounds.\n\n",
                    p->products, p->local);
        }
        any = true;
        fprintf(file, "### %s\n\n", family_titles[family]);
        write_table(p, file, scheme, family);
        if (family == COVEY__PAPER_VARIANCE) {
            fprintf(file, "All devices are nearly alike here: nobody straggles, and no code can "
                          "gain more than the difference between the slowest and the others.\n\n");
        }
        covey__paper_picture(p, scheme, family, picture);
        fprintf(file, "![%s](%s)\n\n", family_titles[family], picture);
    }
}

static void write_bounds(const struct covey__paper *p, FILE *file)
{
    bool any = false;
    for (unsigned i = 0; i < 2 * BOUNDS; i++) {
        const struct bound *b = &bounds[i / 2];
        double least = least_gain(p, i);
        if (!isfinite(least)) {
            continue;
        }
        if (!any) {
            fprintf(file, "## Gains\n\nThe least of each law's settings.\n\n"
                          "| Scheme | Latencies | Faster | Than | Times | Asked | |\n"
                          "|---|---|---|---|---:|---:|---|\n");
        }
        any = true;
        fprintf(file, "| %s | %s | %s | %s | %.2f | %.2f | %s |\n",
                covey__paper_scheme_name(scheme_of(i)), covey__paper_family_name(b->family),
                covey__paper_strategy(b->fast), covey__paper_strategy(b->slow), least, b->least,
                least >= b->least ? "holds" : "**misses**");
    }
    fprintf(file, "%s", any ? "\n" : "");
}

static void write_notes(const struct covey__paper *p, FILE *file)
{
    bool failed = false;
    for (unsigned i = 0; i < p->count; i++) {
        for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
            failed = failed || p->setting[i].result[kind].failed > 0;
        }
    }
    if (failed) {
        fprintf(file, "\\* in some rounds all tasks together did not decode.\n\n");
    }
    fprintf(file,
            "Vandermonde is the paper's own MDS code: it awaits as many answers as MDS, and in "
            "float32 its products are wrong in all digits from ten blocks on (docs/coding.md). MDS "
            "awaits one answer more where the ones that came would magnify rounding. All numbers: "
            "`%s.json`; the pictures: `gnuplot %s.gp`.\n",
            p->base, p->base);
}

static void write_page(const void *user, FILE *file)
{
    const struct covey__paper *p = user;
    write_head(p, file);
    write_bounds(p, file);
    for (unsigned scheme = 0; scheme < COVEY__PAPER_SCHEMES; scheme++) {
        write_scheme(p, file, scheme);
    }
    write_notes(p, file);
}

covey_err covey__paper_write(struct covey__paper *p)
{
    char path[COVEY__PAPER_PATH];
    covey__paper_path(p, ".json", path);
    covey_err err = covey__lab_page_write_json(path, covey__paper_json(p));
    if (err == COVEY_OK) {
        covey__paper_path(p, ".md", path);
        err = covey__lab_page_write(path, write_page, p);
    }
    return err == COVEY_OK
               ? err
               : covey__paper_refuse(p, err, "%s cannot be written: %s", path, covey_strerror(err));
}
