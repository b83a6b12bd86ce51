/* SPDX-License-Identifier: MIT
 *
 * scenario.h - what simulations of whole clusters share: their options, and how a node is lost.
 */
#ifndef COVEY_SCENARIO_H
#define COVEY_SCENARIO_H

#include "cluster.h"

enum scenario_fault {
    SCENARIO_KILL,
    SCENARIO_POWER_OFF,
    SCENARIO_FREEZE,
    SCENARIO_CUT, /* from all others */
    SCENARIO_FAULTS,
};

/* "killed", as a report says it. */
const char *scenario_fault_name(enum scenario_fault fault);
void scenario_strike(struct cluster *c, enum scenario_fault fault, unsigned victim);
/* The node is back. */
void scenario_mend(struct cluster *c, enum scenario_fault fault, unsigned victim);

/* The number behind --name. */
unsigned long scenario_option(int argc, char **argv, const char *name, unsigned long otherwise);

#endif /* COVEY_SCENARIO_H */
