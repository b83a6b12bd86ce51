/* SPDX-License-Identifier: MIT
 *
 * lab_paper.h - the experiments of seed 000 (Cheng et al.: training on edge devices by coded
 * products), its sections 4.2 and 4.3, again: what is run (lab_paper_plan.c), on a lab's nodes
 * (lab_paper_mesh.c) or as a simulation of rounds (lab_paper_round.c), and what is written
 * (lab_paper_page.c, lab_paper_plot.c).
 */
#ifndef COVEY_LAB_PAPER_H
#define COVEY_LAB_PAPER_H

#include <stdio.h>

#include "covey/code.h"
#include "covey/latency.h"
#include "covey/train_product.h"
#include "lab.h"

/* ---- lab_paper_round.c: one round, as arithmetic ---- */

enum { COVEY__PAPER_WORKERS_MAX = 31 };

struct covey__paper_sim;

struct covey__paper_round {
    double ms;        /* until what came suffices */
    uint32_t answers; /* that were needed */
    uint32_t tasks;   /* that were begun until then */
    bool failed;      /* all tasks done, and they do not suffice */
};

/* Tasks of n blocks: uncoded n, of LT as many as are asked for, else m. */
covey_err covey__paper_sim_new(enum covey_code_kind kind, uint32_t n, uint32_t m,
                               struct covey__paper_sim **out) COVEY_CHECK;
void covey__paper_sim_free(struct covey__paper_sim *s); /* NULL is a no-op */
/* Idle workers pull the next task; worker w takes task_ms[w] for each. The pool holds all tasks of
 * the code from the start, as published; only those of LT are made when they are asked for. seed:
 * draws LT's sums. */
covey_err covey__paper_sim_run(struct covey__paper_sim *s, const double *task_ms, uint32_t workers,
                               uint64_t seed, struct covey__paper_round *out) COVEY_CHECK;

/* ---- lab_paper_plan.c: what is run ---- */

enum {
    COVEY__PAPER_STRATEGIES = COVEY_CODE_LT + 1, /* of enum covey_code_kind, from the first on */
    COVEY__PAPER_SETTINGS_MAX = 64,
    COVEY__PAPER_PRODUCTS_MAX = 24,
    COVEY__PAPER_LABEL = 40,
};

enum covey__paper_scheme {
    COVEY__PAPER_A,   /* products of six sizes */
    COVEY__PAPER_B,   /* one product, latencies of wider and wider laws */
    COVEY__PAPER_VGG, /* a step of VGG-8 on MNIST, 50 images */
    COVEY__PAPER_SCHEMES,
};

/* One picture each, in each scheme. The normal law's spread is read in two ways. */
enum covey__paper_family {
    COVEY__PAPER_UNIFORM,
    COVEY__PAPER_NORMAL,   /* 12 to 20 are standard deviations */
    COVEY__PAPER_VARIANCE, /* 12 to 20 are variances, as printed */
    COVEY__PAPER_EXPONENTIAL,
    COVEY__PAPER_FAMILIES,
};

struct covey__paper_result {
    double mean_ms, deviation_ms; /* of a round; VGG: of a step's products together */
    double simulated_ms;          /* the same draws, as arithmetic */
    double answers, tasks;        /* of a round, on average: that were used, handed out */
    double error;                 /* of the decoded product, the worst; 0: simulated */
    uint32_t rounds, failed;
};

/* A point of a picture. */
struct covey__paper_setting {
    enum covey__paper_scheme scheme;
    enum covey__paper_family family;
    double x;                       /* where it stands on the axis */
    char label[COVEY__PAPER_LABEL]; /* the same in words */
    uint32_t rows;                  /* of A; VGG: 0 */
    double scale;                   /* what a second of the paper takes here, seconds */
    struct covey_latency law;       /* scaled, without device */
    struct covey__paper_result result[COVEY__PAPER_STRATEGIES];
};

struct covey__paper_options {
    const char *page, *mode, *scheme, *family;
    double scale;           /* of all settings; 0: each its own */
    uint32_t rounds, steps; /* of A and B, of VGG */
    uint32_t seed, workers, blocks, tasks, mflops, batch, points;
    uint32_t point; /* only this one of each law, from 1 on; 0: all */
    bool simulate;
};

struct covey__paper {
    struct covey__paper_options options;
    unsigned count;
    struct covey__paper_setting setting[COVEY__PAPER_SETTINGS_MAX];
    unsigned products; /* of a step of VGG-8 that are spread */
    unsigned local;    /* and those that stay */
    struct covey_train_product product[COVEY__PAPER_PRODUCTS_MAX];
    struct covey__lab lab;
    bool own_lab;
    enum covey__lab_mode mode;
    char lab_dir[40]; /* "": not made */
    char folder[256], base[64];
    char why[256];
};

const char *covey__paper_strategy(unsigned kind); /* for people */
const char *covey__paper_family_name(enum covey__paper_family family);
const char *covey__paper_scheme_name(enum covey__paper_scheme scheme);
/* Which settings and products there are, by the options. RANGE: none. */
covey_err covey__paper_plan(struct covey__paper *p) COVEY_CHECK;
/* Rounds of one law are drawn some at a time, and those of each product of VGG for themselves: the
 * law of a setting's round, whose number becomes that among these. */
enum { COVEY__PAPER_CHUNK = 20 };
struct covey_latency covey__paper_law(const struct covey__paper_setting *s, uint32_t chunk);
/* A x B of a setting of schemes A and B as a product of dense layers: A [rows x 1000], B [1000 x
 * 10]. */
struct covey_train_product covey__paper_product(uint32_t rows);
/* From sums (deviation_ms: of squares) to means, of so many rounds or steps. */
void covey__paper_settle(struct covey__paper_result *inout_sums, uint32_t repeats);
/* All settings and strategies by arithmetic. */
covey_err covey__paper_simulate(struct covey__paper *p) COVEY_CHECK;

covey_err covey__paper_refuse(struct covey__paper *p, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How many times faster one strategy is than another; 0: not measured. */
double covey__paper_gain(const struct covey__paper_setting *s, enum covey_code_kind slow,
                         enum covey_code_kind fast);

/* ---- lab_paper_mesh.c ---- */

/* The same over the nodes of a lab of its own. */
covey_err covey__paper_measure(struct covey__paper *p) COVEY_CHECK;

/* ---- lab_paper_page.c, lab_paper_plot.c ---- */

enum { COVEY__PAPER_PATH = 400 };
void covey__paper_path(const struct covey__paper *p, const char *ending,
                       char out[static COVEY__PAPER_PATH]);
/* Gains that are below what is asked of them. */
unsigned covey__paper_missed(const struct covey__paper *p);
cJSON *covey__paper_json(const struct covey__paper *p);
/* Writes BASE.md and BASE.json. */
covey_err covey__paper_write(struct covey__paper *p) COVEY_CHECK;
covey_err covey__paper_find_gnuplot(struct covey__paper *p) COVEY_CHECK;
/* BASE.dat, BASE.gp and the pictures. */
covey_err covey__paper_plot(struct covey__paper *p) COVEY_CHECK;
/* "BASE-a-uniform" */
void covey__paper_picture(const struct covey__paper *p, enum covey__paper_scheme scheme,
                          enum covey__paper_family family, char out[static COVEY__PAPER_PATH]);
bool covey__paper_has(const struct covey__paper *p, enum covey__paper_scheme scheme,
                      enum covey__paper_family family);

/* ---- lab_paper.c ---- */

enum covey_exit covey__lab_paper(struct covey__cli *cli, int argc, char **argv);
extern const char covey__lab_help_paper[];

#endif /* COVEY_LAB_PAPER_H */
