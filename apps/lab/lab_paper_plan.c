/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lab_paper.h"

enum {
    DEPTH = 1000, /* columns of A */
    COLUMNS = 10, /* of B */
    ROWS = 6000,  /* of A in scheme B, and the most in scheme A */
    ROWS_STEP = 1000,
    POINTS = 5,
    NORMAL_MEAN = 20, /* seconds */
};
#define US_PER_S 1e6
/* Unless a scale is given, a task sleeps so many seconds on average: ten times what sealing,
 * sending and opening a round's tasks of 2.4 MB takes eleven nodes on two cores. */
#define TASK_S 1.0
#define VGG_TASK_S 0.5
#define MS_PER_MFLOP_AT_1_MFLOPS 1e3

covey_err covey__paper_refuse(struct covey__paper *p, covey_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->why, sizeof(p->why), format, args);
    va_end(args);
    return err;
}

const char *covey__paper_strategy(unsigned kind)
{
    static const char *const names[COVEY__PAPER_STRATEGIES] = {"uncoded", "2-replication", "MDS",
                                                               "Vandermonde", "LT"};
    return names[kind];
}

const char *covey__paper_family_name(enum covey__paper_family family)
{
    static const char *const names[COVEY__PAPER_FAMILIES] = {"uniform", "normal", "variance",
                                                             "exponential"};
    return names[family];
}

const char *covey__paper_scheme_name(enum covey__paper_scheme scheme)
{
    static const char *const names[COVEY__PAPER_SCHEMES] = {"a", "b", "vgg"};
    return names[scheme];
}

bool covey__paper_has(const struct covey__paper *p, enum covey__paper_scheme scheme,
                      enum covey__paper_family family)
{
    for (unsigned i = 0; i < p->count; i++) {
        if (p->setting[i].scheme == scheme && p->setting[i].family == family) {
            return true;
        }
    }
    return false;
}

double covey__paper_gain(const struct covey__paper_setting *s, enum covey_code_kind slow,
                         enum covey_code_kind fast)
{
    const struct covey__paper_result *a = &s->result[slow], *b = &s->result[fast];
    bool known = a->rounds > 0 && b->rounds > 0 && b->mean_ms > 0;
    return known ? a->mean_ms / b->mean_ms : 0;
}

/* ---- settings ---- */

/* Seconds of the paper to the law's scaled microseconds. */
static uint32_t scaled_us(const struct covey__paper_setting *s, double seconds)
{
    return (uint32_t)llround(seconds * s->scale * US_PER_S);
}

/* Section 4.2: uniform from 1 s to 10, 30, 50, 70, 90 s; normal around 20 s with 12, 14, 16, 18, 20
 * as spread; exponential with these as means. */
static void set_law(const struct covey__paper *p, struct covey__paper_setting *s, unsigned point)
{
    double spread = 12 + 2 * (double)point, most = 10 + 20 * (double)point;
    double mean = s->family == COVEY__PAPER_UNIFORM       ? (1 + most) / 2
                  : s->family == COVEY__PAPER_EXPONENTIAL ? spread
                                                          : NORMAL_MEAN;
    double task = s->scheme == COVEY__PAPER_VGG ? VGG_TASK_S : TASK_S;
    struct covey_latency law = {.seed = p->options.seed};
    s->scale = p->options.scale > 0 ? p->options.scale : task / mean;
    s->x = spread;
    switch (s->family) {
    case COVEY__PAPER_UNIFORM:
        law.kind = COVEY_LATENCY_UNIFORM;
        law.a_us = scaled_us(s, 1);
        law.b_us = scaled_us(s, most);
        s->x = most;
        break;
    case COVEY__PAPER_NORMAL:
    case COVEY__PAPER_VARIANCE:
        law.kind = COVEY_LATENCY_NORMAL;
        law.a_us = scaled_us(s, NORMAL_MEAN);
        law.b_us = scaled_us(s, s->family == COVEY__PAPER_NORMAL ? spread : sqrt(spread));
        break;
    case COVEY__PAPER_EXPONENTIAL:
    case COVEY__PAPER_FAMILIES:
        law.kind = COVEY_LATENCY_EXPONENTIAL;
        law.a_us = scaled_us(s, spread);
        break;
    }
    s->law = law;
}

static bool wanted(const char *list, const char *name)
{
    return strcmp(list, "all") == 0 || strcmp(list, name) == 0;
}

static void add_setting(struct covey__paper *p, enum covey__paper_scheme scheme,
                        enum covey__paper_family family, unsigned point)
{
    struct covey__paper_setting *s = &p->setting[p->count++];
    *s = (struct covey__paper_setting){.scheme = scheme, .family = family, .rows = ROWS};
    if (scheme == COVEY__PAPER_A) { /* the narrowest law of scheme B, growing products */
        set_law(p, s, 0);
        s->rows = ROWS_STEP * (point + 1);
        s->x = s->rows;
        snprintf(s->label, sizeof(s->label), "%u x %d", s->rows, DEPTH);
        return;
    }
    set_law(p, s, point);
    s->rows = scheme == COVEY__PAPER_VGG ? 0 : s->rows;
    if (family == COVEY__PAPER_UNIFORM) {
        snprintf(s->label, sizeof(s->label), "1 to %g s", s->x);
    } else if (family == COVEY__PAPER_EXPONENTIAL) {
        snprintf(s->label, sizeof(s->label), "mean %g s", s->x);
    } else {
        snprintf(s->label, sizeof(s->label), "20 s, %s %g",
                 family == COVEY__PAPER_NORMAL ? "deviation" : "variance", s->x);
    }
}

static void plan_settings(struct covey__paper *p)
{
    for (unsigned scheme = 0; scheme < COVEY__PAPER_SCHEMES; scheme++) {
        if (!wanted(p->options.scheme, covey__paper_scheme_name(scheme))) {
            continue;
        }
        unsigned points = scheme == COVEY__PAPER_A ? ROWS / ROWS_STEP : POINTS;
        for (unsigned i = 0; i < COVEY__PAPER_FAMILIES * points; i++) {
            enum covey__paper_family family = i / points;
            /* Scheme A is about sizes: one reading of the normal law is enough. */
            bool twice = scheme == COVEY__PAPER_A && family == COVEY__PAPER_VARIANCE;
            unsigned point = i % points;
            bool asked =
                p->options.point == 0 ? point < p->options.points : point + 1 == p->options.point;
            if (!twice && asked && wanted(p->options.family, covey__paper_family_name(family))) {
                add_setting(p, scheme, family, point);
            }
        }
    }
}

/* ---- products ---- */

struct covey_train_product covey__paper_product(uint32_t rows)
{
    return (struct covey_train_product){.kind = COVEY_TRAIN_PRODUCT_FORWARD,
                                        .dense = true,
                                        .batch = rows,
                                        .in_channels = DEPTH,
                                        .out_channels = COLUMNS,
                                        .height = 1,
                                        .width = 1,
                                        .out_height = 1,
                                        .out_width = 1,
                                        .kernel = {1, 1},
                                        .stride = {1, 1},
                                        .dilation = {1, 1}};
}

/* VGG-8 on pictures of 28 x 28 x 1: layers of the engine's builder, `covey model build vgg8`. */
static const struct layer {
    uint32_t in, out, side; /* side 0: dense */
} vgg8[] = {
    {1, 64, 28},   {64, 64, 28},  {64, 128, 14},  {128, 128, 14},
    {128, 256, 7}, {256, 256, 7}, {2304, 512, 0}, {512, 10, 0},
};

static struct covey_train_product layer_product(const struct layer *l, uint32_t batch,
                                                enum covey_train_product_kind kind)
{
    bool dense = l->side == 0;
    uint32_t side = dense ? 1 : l->side, kernel = dense ? 1 : 3, pad = dense ? 0 : 1;
    return (struct covey_train_product){.kind = kind,
                                        .dense = dense,
                                        .batch = batch,
                                        .in_channels = l->in,
                                        .out_channels = l->out,
                                        .height = side,
                                        .width = side,
                                        .out_height = side,
                                        .out_width = side,
                                        .kernel = {kernel, kernel},
                                        .stride = {1, 1},
                                        .dilation = {1, 1},
                                        .pads = {pad, pad},
                                        .pads_end = {pad, pad}};
}

/* Rows of A: samples; channels of X for the weight gradient. */
static uint32_t rows_of(const struct covey_train_product *product)
{
    return product->kind == COVEY_TRAIN_PRODUCT_WEIGHT_GRADIENT ? product->in_channels
                                                                : product->batch;
}

/* 2 rows k columns, the same for all three kinds. */
static double mflop_of(const struct covey_train_product *p)
{
    double taps = (double)p->kernel[0] * p->kernel[1];
    double pixels = (double)p->out_height * p->out_width;
    return 2e-6 * p->batch * pixels * taps * p->in_channels * p->out_channels;
}

/* The first layer has no input gradient; what has fewer rows than blocks stays at the owner. */
static void plan_products(struct covey__paper *p)
{
    for (size_t l = 0; l < sizeof(vgg8) / sizeof(vgg8[0]); l++) {
        for (unsigned kind = 0; kind < COVEY_TRAIN_PRODUCT_KINDS; kind++) {
            struct covey_train_product product = layer_product(&vgg8[l], p->options.batch, kind);
            bool spread = rows_of(&product) >= p->options.blocks;
            if (l == 0 && kind == COVEY_TRAIN_PRODUCT_INPUT_GRADIENT) {
                continue;
            }
            if (spread) {
                p->product[p->products++] = product;
            } else {
                p->local++;
            }
        }
    }
}

covey_err covey__paper_plan(struct covey__paper *p)
{
    plan_settings(p);
    plan_products(p);
    return p->count > 0
               ? COVEY_OK
               : covey__paper_refuse(p, COVEY_ERR_RANGE,
                                     "--scheme is all, a, b or vgg, --law all, uniform, "
                                     "normal, variance or exponential (a has no variance)");
}

/* ---- the simulation ---- */

/* A device's latency, and the product of one block at its speed, which is as much slower as time
 * is. */
static void task_times(const struct covey__paper *p, double scale, struct covey_latency of,
                       const struct covey_train_product *product, uint64_t round, double *out_ms)
{
    double mflop = mflop_of(product) / p->options.blocks;
    for (uint32_t w = 0; w < p->options.workers; w++) {
        of.device = w + 1; /* of the lab's nodes the first is the owner */
        out_ms[w] = covey_latency_draw(&of, round) +
                    mflop * MS_PER_MFLOP_AT_1_MFLOPS * scale / p->options.mflops;
    }
}

struct covey_latency covey__paper_law(const struct covey__paper_setting *s, uint32_t chunk)
{
    enum { APART = 7919 };
    struct covey_latency law = s->law;
    law.seed += (uint64_t)chunk * APART;
    return law;
}

/* One round; of VGG, those of all products of a step. */
static covey_err simulate_round(const struct covey__paper *p, struct covey__paper_sim *sim,
                                const struct covey__paper_setting *s, uint32_t index,
                                struct covey__paper_result *inout)
{
    bool vgg = s->scheme == COVEY__PAPER_VGG;
    struct covey_train_product product = covey__paper_product(s->rows);
    double task_ms[COVEY__PAPER_WORKERS_MAX], ms = 0;
    for (uint32_t j = 0; j < (vgg ? p->products : 1); j++) {
        struct covey__paper_round one;
        uint32_t chunk = vgg ? j : index / COVEY__PAPER_CHUNK;
        uint32_t round = 1 + (vgg ? index : index % COVEY__PAPER_CHUNK);
        struct covey_latency law = covey__paper_law(s, chunk);
        task_times(p, s->scale, law, vgg ? &p->product[j] : &product, round, task_ms);
        covey_err err =
            covey__paper_sim_run(sim, task_ms, p->options.workers, law.seed + round, &one);
        if (err != COVEY_OK) {
            return err;
        }
        ms += one.ms;
        inout->failed += one.failed;
        inout->answers += one.answers;
        inout->tasks += one.tasks;
        inout->rounds++;
    }
    inout->mean_ms += ms;
    inout->deviation_ms += ms * ms;
    return COVEY_OK;
}

static covey_err simulate_one(const struct covey__paper *p, struct covey__paper_sim *sim,
                              const struct covey__paper_setting *s, struct covey__paper_result *out)
{
    bool vgg = s->scheme == COVEY__PAPER_VGG;
    uint32_t repeats = vgg ? p->options.steps : p->options.rounds;
    struct covey__paper_result r = {.rounds = 0};
    for (uint32_t i = 0; i < repeats; i++) {
        covey_err err = simulate_round(p, sim, s, i, &r);
        if (err != COVEY_OK) {
            return err;
        }
    }
    covey__paper_settle(&r, repeats);
    r.simulated_ms = r.mean_ms;
    *out = r;
    return COVEY_OK;
}

void covey__paper_settle(struct covey__paper_result *r, uint32_t repeats)
{
    r->mean_ms /= repeats;
    r->deviation_ms = sqrt(fmax(r->deviation_ms / repeats - r->mean_ms * r->mean_ms, 0));
    r->answers /= r->rounds;
    r->tasks /= r->rounds;
}

covey_err covey__paper_simulate(struct covey__paper *p)
{
    for (unsigned kind = 0; kind < COVEY__PAPER_STRATEGIES; kind++) {
        struct covey__paper_sim *sim = NULL;
        covey_err err = covey__paper_sim_new(kind, p->options.blocks, p->options.tasks, &sim);
        for (unsigned i = 0; i < p->count && err == COVEY_OK; i++) {
            struct covey__paper_setting *s = &p->setting[i];
            err = simulate_one(p, sim, s, &s->result[kind]);
        }
        covey__paper_sim_free(sim);
        if (err != COVEY_OK) {
            return covey__paper_refuse(p, err, "a round of %s cannot be simulated",
                                       covey__paper_strategy(kind));
        }
    }
    return COVEY_OK;
}
