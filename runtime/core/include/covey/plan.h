/* SPDX-License-Identifier: MIT
 *
 * plan.h - placement: from the costs of a model and the devices to who does what. A pure function.
 *
 * Knows no model. A model is a chain of cells, between which only one tensor goes on; a cell is
 * computed at the owner, or its split layers are coded over devices (coded-computing.md section 1),
 * or it is part of a tile run: cells cut into strips of rows, one strip a device, whose halos go
 * between neighbours (section 5). A coded layer is split by its filters, or, a convolution, by rows
 * of its output (section 5; nn's spatial.h): its units are blocks of rows then. Slots and groups
 * are numbered as nn's split.h says: group by group, the units in order, then the parities.
 */
#ifndef COVEY_PLAN_H
#define COVEY_PLAN_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

/* A device needs flops / mflops + bytes / stream_mbytes microseconds for it. */
struct covey_plan_work {
    uint64_t flops; /* of a large matrix product that takes as long */
    uint64_t bytes; /* of weights that come from memory */
};

/* A convolution that can be split by rows of its output: block i of k makes rows [i h, (i + 1) h),
 * h = rows / k rounded up, of (h - 1) * stride + span rows of the input. */
struct covey_plan_rows {
    uint16_t rows; /* 0: it cannot */
    uint16_t in_rows, stride, span;
    struct covey_plan_work row, block; /* of all filters, of h rows: block + h * row */
};

/* A split layer, in the model's numbering. */
struct covey_plan_cost {
    uint16_t cell;
    uint16_t units;
    uint32_t unit_bytes;   /* weights of one unit */
    uint32_t input_bytes;  /* sent to every holder */
    uint32_t answer_bytes; /* of one unit */
    struct covey_plan_work unit;
    bool here; /* computed at the owner, whatever it costs */
    /* Its input is byte for byte what goes into its cell, and into each of the back - 1 cells
     * before that one; 0: it is not. */
    uint16_t back;
    struct covey_plan_rows by_rows;
    bool apart; /* units are held one by one: those of two plans are held once */
};

/* What rows [a, b) of an output need of its input: rows [a * stride - before,
 * (b - 1) * stride + after + 1), clipped to what there is. Row: all channels (and images). */
struct covey_row_map {
    uint16_t in_rows, out_rows; /* out_rows 0: cannot be cut */
    uint16_t stride, before, after;
    uint32_t in_row_bytes, out_row_bytes; /* float32 */
};

struct covey_plan_cell {
    uint16_t first_layer, layers; /* split layers inside; 0: none */
    uint64_t weight_bytes;
    struct covey_plan_work whole;      /* all of it on one device */
    struct covey_plan_work row, strip; /* of a strip: strip + rows * row */
    struct covey_row_map map;
};

struct covey_plan_device {
    struct covey_node_id id;
    uint32_t mflops;        /* measured rate of large products; 0 counts as 1 */
    uint32_t stream_mbytes; /* per second: weights read once; 0: mflops / 8 */
    uint32_t link_mbytes;   /* per second: bodies through AEAD, socket and link; 0: unknown, 90 */
    uint32_t body_mbytes;   /* the same if the link were endless; 0: the link does not matter */
    uint32_t message_us;    /* what a message costs its sender, and its receiver; 0: 200 */
    uint32_t round_us;      /* links' part of a message and its answer, at the least; 0: unknown */
    uint64_t memory_bytes;  /* for units and tiles' weights; 0: none */
    bool owner;             /* asks; at most one */
};

/* What takes less than handing it to another thread and back is done on the loop's, at most about
 * 50 us of a fast core and 0.3 ms of a Raspberry Pi 4 (docs/decisions/0017); plans count on it. */
enum {
    COVEY_LIGHT_WEIGHTS = 64 * 1024, /* bytes of weights that are multiplied */
    COVEY_LIGHT_MOVED = 512 * 1024,  /* bytes that are copied */
    COVEY_LIGHT_SEALED = 8,          /* copies that sealing a byte is */
};

struct covey_plan_layer {
    uint16_t units, groups, slots;         /* slots 0: not coded */
    uint8_t group_units;                   /* N of the largest group */
    uint8_t holder[COVEY_LAYER_SLOTS_MAX]; /* index into device, by slot */
    uint32_t predicted_us;                 /* of the layer, input to combined answer */
    /* Its units are blocks of rows, in one group: each device gets its own part of the input, and
     * has all filters. */
    bool by_rows;
    /* Its holders but the owner are given a piece of the input each, and give it to the others. Not
     * by_rows, nor what a run feeds. */
    bool relayed;
};

/* Cells computed without an exchange. The map is theirs put together (covey_row_map_join). */
struct covey_plan_segment {
    uint16_t first_cell, cells;
    struct covey_row_map map;
    struct covey_plan_work row, strip;
    uint32_t predicted_us;
    /* Device d makes rows [rows[d], rows[d + 1]) of the output; rows[devices] == out_rows. */
    uint16_t rows[COVEY_PLAN_DEVICES_MAX + 1];
};

struct covey_plan_run {
    uint16_t first_cell, cells;
    uint8_t segments;
    struct covey_plan_segment segment[COVEY_TILE_SEGMENTS_MAX];
    uint32_t predicted_us; /* of the whole run, cutting to joining */
    /* It has one segment, and each row is made by two devices, which must agree: rows of it are
     * those of the first making, twin (as rows) those of the second. Nobody has rows of both. */
    bool twice;
    uint16_t twin[COVEY_PLAN_DEVICES_MAX + 1];
    /* 0: none; else one more than the coded layer whose input the result is: its holders that are
     * devices of the run get the result from those who make it, as the owner does. */
    uint16_t feeds;
};

struct covey_plan {
    uint64_t term; /* of the coordinator that made it; 0: the owner itself */
    struct covey_node_id coordinator;
    uint8_t parity; /* r */
    bool half;      /* activations travel as float16 */
    uint8_t devices;
    struct covey_node_id device[COVEY_PLAN_DEVICES_MAX];
    uint16_t layers; /* of the model, or 0 where none is coded */
    struct covey_plan_layer layer[COVEY_LAYERS_MAX];
    uint8_t runs; /* in running order */
    struct covey_plan_run run[COVEY_TILE_RUNS_MAX];
    uint32_t predicted_us, local_us; /* of a request so, and all of it at the owner */
};

/* Whom a plan may count on: who got which slots before, and may still have them, on its disk if
 * nowhere else. Who had a block of a layer by rows has all its units, and no parity. Owners keep
 * this over all plans of a session; not believed, only preferred. */
struct covey_plan_held_layer {
    uint16_t units;                       /* 0: nobody has anything of it */
    uint8_t group_units;                  /* N of the largest group, as slots are numbered here */
    uint32_t slot[COVEY_LAYER_SLOTS_MAX]; /* bit d: device d below */
};
struct covey_plan_held {
    uint8_t parity;
    uint8_t devices;
    struct covey_node_id device[COVEY_PLAN_DEVICES_MAX];
    uint16_t layers;
    struct covey_plan_held_layer layer[COVEY_LAYERS_MAX];
};

struct covey_plan_request {
    uint16_t cells; /* 0: nothing is known of the whole, all layers are coded */
    struct covey_plan_cell cell[COVEY_CELLS_MAX];
    uint16_t layers; /* in the order of their cells */
    struct covey_plan_cost cost[COVEY_LAYERS_MAX];
    uint8_t devices; /* alive and trusted, the owner among them */
    struct covey_plan_device device[COVEY_PLAN_DEVICES_MAX];
    uint8_t parity;      /* 0..COVEY_PARITY_MAX */
    uint8_t devices_max; /* 0: all */
    bool coded_all;      /* every split layer is coded, no tiles, whatever it costs */
    bool check_all;      /* all that others compute can be checked: runs are made twice */
    bool half;
    uint64_t owner_bytes; /* what the owner can hold of the model, 0: all of it */
    uint32_t asked_bytes; /* of the input, which comes to the owner with each request; 0: unknown */
    const struct covey_plan_held *held; /* borrowed; NULL: nobody has anything yet */
};

/* D devices and parity r: groups of N = min(D - r, COVEY_GROUP_UNITS_MAX, units) units; no device
 * holds two slots of one group; parities and shares are spread over the devices, in proportion to
 * their rates, within memory. Chooses for each cell what ends soonest, never slower than all of it
 * at the owner unless coded_all or owner_bytes says so. Devices whose rates are within a quarter
 * count as equal. Deterministic: device order does not matter. Of ways that end about as soon, the
 * one in which the devices get least that they do not hold. Nothing worth distributing, fewer than
 * r + 1 devices, or not enough memory: layers = 0 and runs = 0; with owner_bytes fewer parities are
 * tried before, and then others hold what they can, while the owner reads the rest as it goes. */
covey_err covey_plan_make(const struct covey_plan_request *request,
                          struct covey_plan *out) COVEY_CHECK;

/* What the device needs for such work, in microseconds, as plans count it. */
uint64_t covey_plan_work_us(const struct covey_plan_device *device,
                            const struct covey_plan_work *work);

/* A plan that came from outside against the request it answers: device set within the request's,
 * every slot held, no device twice in one group, runs and rows consistent with the cells. */
covey_err covey_plan_check(const struct covey_plan *plan,
                           const struct covey_plan_request *request) COVEY_CHECK;

/* The devices in mask (bit d: device d of the plan) have got what the plan for this request gives
 * them. Of another number of parities, or other groups, what was known of parities is forgotten. */
void covey_plan_hold(struct covey_plan_held *held, const struct covey_plan_request *request,
                     const struct covey_plan *plan, uint32_t mask);
/* Bytes of units that the plan's devices have to get, without the owner's. */
uint64_t covey_plan_missing(const struct covey_plan_request *request,
                            const struct covey_plan *plan);

/* What one slot of the layer, split so, takes: the cost itself, or, by rows, that of a block.
 * False: it cannot be split by rows into that many. */
bool covey_plan_slot_cost(const struct covey_plan_cost *cost, const struct covey_plan_layer *layer,
                          struct covey_plan_cost *out) COVEY_CHECK;

static inline bool covey_plan_is_local(const struct covey_plan *plan)
{
    return plan->layers == 0 && plan->runs == 0;
}

/* First slot, and number of units, of a group (the same arithmetic as nn/split.h). */
unsigned covey_plan_group(const struct covey_plan_layer *layer, unsigned parity, unsigned group,
                          unsigned *out_first_unit, unsigned *out_first_slot);

/* Shares a run out anew among the devices in mask (bit d: device d of the plan), each as fast as
 * rate[d] says: segment[].rows of *inout_run, and twin. False: none is in mask, or only one where
 * two are needed. */
bool covey_plan_share(struct covey_plan_run *inout_run, unsigned devices, uint32_t mask,
                      const uint32_t rate[static COVEY_PLAN_DEVICES_MAX]);

#endif /* COVEY_PLAN_H */
