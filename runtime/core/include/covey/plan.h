/* SPDX-License-Identifier: MIT
 *
 * plan.h - placement: from layer sizes and devices to who holds what. A pure function.
 *
 * Knows no model: a layer is its rows, units, work and bytes. Slots and groups are numbered as
 * nn/split.h says: group by group, the units in order, then the parities.
 */
#ifndef COVEY_PLAN_H
#define COVEY_PLAN_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

struct covey_plan_cost {
    uint16_t units;
    uint32_t unit_bytes;   /* weights of one unit */
    uint32_t input_bytes;  /* sent to every holder */
    uint32_t answer_bytes; /* of one unit */
    uint64_t unit_flops;
};

struct covey_plan_device {
    struct covey_node_id id;
    uint32_t mflops;       /* measured, quantised; 0 counts as 1 */
    uint64_t memory_bytes; /* for units; 0: none */
};

struct covey_plan_layer {
    uint16_t units, groups, slots;
    uint8_t group_units;                   /* N of the largest group */
    uint8_t holder[COVEY_LAYER_SLOTS_MAX]; /* index into device, by slot */
};

struct covey_plan {
    uint64_t term; /* of the coordinator that made it; 0: the owner itself */
    struct covey_node_id coordinator;
    uint8_t parity; /* r */
    uint8_t devices;
    struct covey_node_id device[COVEY_PLAN_DEVICES_MAX];
    uint16_t layers; /* 0: everything at the owner */
    struct covey_plan_layer layer[COVEY_LAYERS_MAX];
};

struct covey_plan_request {
    uint16_t layers;
    struct covey_plan_cost cost[COVEY_LAYERS_MAX];
    uint8_t devices; /* alive and trusted, the owner among them */
    struct covey_plan_device device[COVEY_PLAN_DEVICES_MAX];
    uint8_t parity;      /* 0..1 here */
    uint8_t devices_max; /* 0: all */
};

/* D devices and parity r: groups of N = min(D - r, COVEY_GROUP_UNITS_MAX, units) units; no device
 * holds two slots of one group; parities and shares are spread over the devices, in proportion to
 * mflops, within memory (groups are smaller than N where full ones would force equal shares on
 * unequal devices). Deterministic: device order does not matter. Fewer than r + 1 devices, or
 * not enough memory: layers = 0. */
covey_err covey_plan_make(const struct covey_plan_request *request,
                          struct covey_plan *out) COVEY_CHECK;

/* A plan that came from outside against the request it answers: device set within the request's,
 * every slot held, no device twice in one group, numbers consistent. */
covey_err covey_plan_check(const struct covey_plan *plan,
                           const struct covey_plan_request *request) COVEY_CHECK;

/* First slot, and number of units, of a group (the same arithmetic as nn/split.h). */
unsigned covey_plan_group(const struct covey_plan_layer *layer, unsigned parity, unsigned group,
                          unsigned *out_first_unit, unsigned *out_first_slot);

#endif /* COVEY_PLAN_H */
