/* SPDX-License-Identifier: MIT
 *
 * lab_report.h - what a report measures (lab_report.c) and how it is written (lab_report_write.c).
 */
#ifndef COVEY_LAB_REPORT_H
#define COVEY_LAB_REPORT_H

#include "lab.h"
#include "tally.h"

enum { COVEY__REPORT_PHASES = 5 };

struct covey__report_phase {
    const char *name, *title;
    uint8_t parity;
    bool kill, slow;
    struct covey__tally tally; /* times in order, once it is measured */
    size_t wrong;
    double median_ms;
};

struct covey__report {
    struct covey__lab lab;
    struct covey__target target;
    const char *out; /* the folder */
    uint32_t requests, slow_ms;
    float *input, *first; /* what is asked; the first answer */
    bool has_first;
    double steady_ms;
    bool plotted;
    struct covey__report_phase phase[COVEY__REPORT_PHASES];
    char why[256];
};

/* Makes it: before much is measured. */
covey_err covey__report_folder(struct covey__report *r) COVEY_CHECK;
/* report.md, latency.dat, plot.gp and, with gnuplot, latency.png in the folder. */
covey_err covey__report_write(struct covey__report *r, const char *model) COVEY_CHECK;
cJSON *covey__report_json(const struct covey__report *r);

#endif /* COVEY_LAB_REPORT_H */
