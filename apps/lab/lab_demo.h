/* SPDX-License-Identifier: MIT
 *
 * lab_demo.h - one phase of the demo: digits answered over the mesh while a node may be killed.
 */
#ifndef COVEY_LAB_DEMO_H
#define COVEY_LAB_DEMO_H

#include "lab.h"
#include "read_input.h"
#include "tally.h"

struct covey__demo {
    struct covey__cli *cli;
    const char *model;
    struct covey__lab lab;
    struct covey__local local;
    struct covey_input *digits;
    size_t first, count; /* the test split */
    float *inputs;       /* [count x input_floats] */
    float *reference;    /* [count x output_floats], from this process alone */
    int32_t *labels;
    struct covey__target target; /* the node that is asked */
    unsigned asker;
    double steady_ms; /* median of the first phase: says when a request is in flight */
    char why[256];
};

enum { COVEY_DEMO_NO_VICTIM = -1 };

struct covey__demo_phase {
    const char *name;
    int victim;             /* index of who is to be killed; COVEY_DEMO_NO_VICTIM */
    bool kills_coordinator; /* whoever that is then */
    struct covey__tally tally;
    bool argmax_equal;
    double max_rel_diff;
    char coordinator[COVEY_NAME_MAX + 1];
    uint64_t term;
};

/* Answers the whole split; kills the victim while about the third of it is being answered. BUSY:
 * the asked node, which is not to be killed, has become the coordinator meanwhile. */
covey_err covey__demo_answer(struct covey__demo *d, struct covey__demo_phase *phase) COVEY_CHECK;
/* -1: no node has this name. */
int covey__demo_index(const struct covey__demo *d, const char *name);
/* Coordinator and term as the asker knows them. */
covey_err covey__demo_coordinator(struct covey__demo *d, char name[static COVEY_NAME_MAX + 1],
                                  uint64_t *out_term) COVEY_CHECK;

#endif /* COVEY_LAB_DEMO_H */
