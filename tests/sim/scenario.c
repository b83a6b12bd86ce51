/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <stdlib.h>
#include <string.h>

const char *scenario_fault_name(enum scenario_fault fault)
{
    static const char *const name[SCENARIO_FAULTS] = {"killed", "powered off", "frozen", "cut off"};
    return name[fault];
}

void scenario_strike(struct cluster *c, enum scenario_fault fault, unsigned victim)
{
    uint8_t side[CLUSTER_NODES_MAX] = {0};
    if (fault == SCENARIO_KILL) {
        cluster_kill(c, victim);
    } else if (fault == SCENARIO_POWER_OFF) {
        cluster_power_off(c, victim);
    } else if (fault == SCENARIO_FREEZE) {
        cluster_freeze(c, victim);
    } else {
        side[victim] = 1;
        cluster_partition(c, side);
    }
}

void scenario_mend(struct cluster *c, enum scenario_fault fault, unsigned victim)
{
    if (fault == SCENARIO_FREEZE) {
        cluster_thaw(c, victim);
    } else if (fault == SCENARIO_CUT) {
        cluster_heal(c);
    } else {
        cluster_restart(c, victim);
    }
}

unsigned long scenario_option(int argc, char **argv, const char *name, unsigned long otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0) {
            return strtoul(argv[i + 1], NULL, 10);
        }
    }
    return otherwise;
}
