/* SPDX-License-Identifier: MIT
 *
 * lab_report.h - latencies over a lab, as one page: what is asked (lab_report_load.c), measured
 * (lab_report_measure.c) and written (lab_report_json.c, lab_report_page.c, lab_report_plot.c).
 */
#ifndef COVEY_LAB_REPORT_H
#define COVEY_LAB_REPORT_H

#include "infer_target.h"
#include "lab.h"

enum {
    COVEY__REPORT_PATH = 512,
    COVEY__REPORT_KILLS_MAX = 256,
    COVEY__REPORT_COMMAND = 1024,
};

/* In this order on the page. The first four take turns, the last two too. The kills come first:
 * only one session is to be mended then. */
enum covey__report_phase_id {
    COVEY__REPORT_ALONE,
    COVEY__REPORT_PARITY0,
    COVEY__REPORT_PARITY1,
    COVEY__REPORT_PARITY2,
    COVEY__REPORT_KILLS,
    COVEY__REPORT_SLOW_PARITY1,
    COVEY__REPORT_SLOW_PARITY0,
    COVEY__REPORT_PHASES,
};

struct covey__report_answer {
    double at_ms; /* sent, since the phase began */
    double ms;
    bool hit; /* a node was killed while it was in flight */
};

struct covey__report_phase {
    struct covey__report_answer *answer; /* those that came, in order */
    size_t count, asked, lost, wrong;
    uint64_t recovered_dead, recovered_late;
    unsigned devices;
    uint64_t used_ms; /* of its time */
    bool out_of_time; /* asked less often than wanted */
    double mean_ms, p50_ms, p95_ms, p99_ms, min_ms, max_ms;
};

struct covey__report_kill {
    double at_ms;
    unsigned node;
    size_t request;
};

/* What the coordinator planned for the phases without faults. */
struct covey__report_plan {
    unsigned parity, devices, coded, tiles, local; /* layers; runs of tiles */
    double predicted_ms, alone_ms;
    uint64_t weights_bytes, received_bytes; /* of the device with most */
};

struct covey__report_device {
    char name[COVEY_NAME_MAX + 1];
    unsigned cpu;
    uint8_t tier;
    uint32_t mflops, rtt_us;
    uint64_t memory_bytes;
    bool coordinator;
};

struct covey__report_options {
    const char *page, *model, *input, *dir, *mode, *coded;
    struct covey__lab_config lab; /* devices 0: a lab that runs already */
    uint32_t requests, slow_ms, kills, seed, timeout_s;
    bool kills_given;
};

struct covey__report {
    struct covey__report_options options;
    struct covey__lab lab;
    bool own_lab;
    char lab_dir[40];                 /* of an own one; "": not made */
    bool killed[COVEY_LAB_NODES_MAX]; /* to be started again */
    uint32_t slow_before;             /* of the straggler */
    bool slowed;
    unsigned straggler;

    char folder[COVEY__REPORT_PATH], base[64]; /* of the page */
    char model_file[COVEY__REPORT_PATH], input_spec[COVEY__REPORT_PATH];
    char command[COVEY__REPORT_COMMAND];
    char version[32];
    uint64_t random;

    struct covey__target target;
    size_t inputs;    /* asked in turn */
    float *input;     /* [inputs x input_floats] */
    float *reference; /* [inputs x output_floats]: of the device alone */
    bool *known;      /* [inputs]: whether there is a reference */

    struct covey__report_phase phase[COVEY__REPORT_PHASES];
    struct covey__report_plan plan[COVEY__REPORT_PHASES];
    struct covey__report_kill kill[COVEY__REPORT_KILLS_MAX];
    size_t kills;
    double steady_ms; /* median with parity 1, just before the kills */
    double *hit_ms;   /* [hits], in order of size */
    size_t hits;
    struct covey__report_device device[COVEY_LAB_NODES_MAX];
    unsigned devices;
    char why[256];
};

struct covey__report_about {
    const char *name, *title;
    uint8_t devices, parity;
};
/* What each phase asks for. */
extern const struct covey__report_about covey__report_about[COVEY__REPORT_PHASES];

/* Writes why and returns err. */
covey_err covey__report_refuse(struct covey__report *r, covey_err err, const char *format,
                               ...) COVEY_CHECK __attribute__((format(printf, 3, 4)));

/* ---- lab_report_load.c ---- */

/* The model and the inputs that are meant, as files; NOT_FOUND where the demo's are not. */
covey_err covey__report_choose(struct covey__report *r) COVEY_CHECK;
/* Gives the model to node 1 and reads the inputs. */
covey_err covey__report_load(struct covey__report *r) COVEY_CHECK;
/* The devices as they are, into the report. */
covey_err covey__report_devices(struct covey__report *r) COVEY_CHECK;

/* ---- lab_report_measure.c ---- */

covey_err covey__report_measure(struct covey__report *r) COVEY_CHECK;
/* Starts what was killed and undoes what was told, also after a failure or an interruption. */
void covey__report_put_back(struct covey__report *r);

/* ---- lab_report_json.c ---- */

/* By how many percent b is lower than a. */
double covey__report_percent_lower(double a, double b);
size_t covey__report_lost(const struct covey__report *r);
size_t covey__report_wrong(const struct covey__report *r);
cJSON *covey__report_json(const struct covey__report *r);

/* ---- lab_report_page.c ---- */

/* BASE and an ending, in the page's folder. */
void covey__report_path(const struct covey__report *r, const char *ending,
                        char out[static COVEY__REPORT_PATH]);
/* BASE.md and BASE.json. */
covey_err covey__report_write(struct covey__report *r) COVEY_CHECK;

/* ---- lab_report_plot.c ---- */

/* NOT_FOUND where there is no gnuplot. */
covey_err covey__report_find_gnuplot(struct covey__report *r) COVEY_CHECK;
/* BASE.dat, BASE.gp and, by gnuplot, the pictures. */
covey_err covey__report_plot(struct covey__report *r) COVEY_CHECK;

#endif /* COVEY_LAB_REPORT_H */
