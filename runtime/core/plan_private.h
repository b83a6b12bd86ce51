/* SPDX-License-Identifier: MIT
 *
 * plan_private.h - the parts of the planner: rates and times, deals of coded layers, tile runs.
 */
#ifndef COVEY_CORE_PLAN_PRIVATE_H
#define COVEY_CORE_PLAN_PRIVATE_H

#include "covey/plan.h"
#include "covey/tiles.h"

/* What counts of a device, in microseconds. Equal devices have equal bits here. */
struct covey__pace {
    double flop_us, byte_us; /* of its own work */
    double message_us;       /* sending or receiving one, without its body */
    double next_us;          /* the same of another one in the same turn (decision 8) */
    /* Waking up for a message, handing work to another thread, and taking back what it made: many
     * times what a message costs a loop that is at it anyway, as measured. */
    double turn_us;
    double light_us; /* the same of what is done without another thread (COVEY_LIGHT_MOVED) */
    double body_us;  /* of one byte of a body, sending or receiving it */
    /* What the processor has to do for it: the rest is the link, which takes both ways at once. */
    double seal_us;
    double link_us;  /* half of what its own link adds to a message there and back */
    double delay_us; /* of a message from the asker, or to it */
};

/* The devices of a plan, in the order of their ids. */
struct covey__team {
    unsigned devices, parity;
    unsigned owner; /* its place, or devices: it is none of them */
    bool half;
    struct covey__pace asker; /* the owner, a device or not */
    struct covey__pace pace[COVEY_PLAN_DEVICES_MAX];
    struct covey_node_id id[COVEY_PLAN_DEVICES_MAX];
    uint64_t memory[COVEY_PLAN_DEVICES_MAX];
};

/* A deal in progress, over all layers. */
struct covey__deal {
    const struct covey__team *team;
    uint32_t slots[COVEY_PLAN_DEVICES_MAX];    /* dealt so far */
    uint32_t parities[COVEY_PLAN_DEVICES_MAX]; /* of these: parities */
    uint64_t used_bytes[COVEY_PLAN_DEVICES_MAX];
    const struct covey_plan_held *held; /* or NULL */
    uint32_t fed; /* devices that have the input of the next layer from those who made it */
};

/* Who may hold slots of one layer, and how fast each is. */
struct covey__seats {
    uint32_t mask;
    unsigned group_units;
    double unit_us[COVEY_PLAN_DEVICES_MAX];
    double base_us[COVEY_PLAN_DEVICES_MAX]; /* before and after its units */
    bool all;                               /* the answers of all devices are waited for */
};

/* One layer dealt in one way. */
struct covey__hand {
    struct covey_plan_layer layer;
    uint32_t slots[COVEY_PLAN_DEVICES_MAX];
    uint32_t parities[COVEY_PLAN_DEVICES_MAX];
    uint32_t fed;              /* the deal's */
    struct covey__seats seats; /* it was dealt to */
};

/* Who of a team has what of a layer. */
struct covey__keep {
    unsigned group_units; /* the parities below are of such groups; 0: none is known */
    uint32_t unit[COVEY_LAYER_UNITS_MAX];   /* bit d: device d of the team */
    uint32_t parity[COVEY_LAYER_SLOTS_MAX]; /* by slot */
};

/* ---- plan_check.c ---- */

covey_err covey__plan_request_check(const struct covey_plan_request *request) COVEY_CHECK;

/* ---- plan_time.c ---- */

/* The usable devices of the request: within devices_max, the fastest. */
void covey__team_choose(const struct covey_plan_request *request, struct covey__team *out);
double covey__work_us(const struct covey__pace *pace, const struct covey_plan_work *work);
/* So many messages, one behind the other. */
double covey__messages_us(const struct covey__pace *pace, unsigned count);
uint64_t covey__wire_bytes(const struct covey__team *team, uint64_t float_bytes);
/* A body goes in records: who receives it need not wait for the last before taking the first. */
double covey__first_record_us(const struct covey__pace *pace, double bytes);
uint32_t covey__round_us(double us);
/* What every request takes the owner, whoever computes: its input comes, its answer goes. */
double covey__asked_us(const struct covey__team *team, const struct covey_plan_request *request);
/* The owner, once all answers are there, until it goes on: with so many bytes to copy. */
double covey__go_on_us(const struct covey__team *team, uint64_t moved);

/* ---- plan_gain.c ---- */

/* What a way must win to be chosen: less is within the error of what was measured. */
#define COVEY__PLAN_WORTH 0.95

/* All of it at the owner; of that each split layer, and each cell without its split layers. */
double covey__alone_us(const struct covey_plan_request *request, const struct covey__team *team,
                       double local_us[static COVEY_LAYERS_MAX],
                       double rest_us[static COVEY_CELLS_MAX]);
uint64_t covey__layer_bytes(const struct covey_plan_cost *cost);
/* Weights that the owner holds besides its units and its share of runs. */
uint64_t covey__bytes_at_owner(const struct covey_plan_request *request,
                               const struct covey_plan *plan);

/* ---- plan_coded.c ---- */

/* A layer dealt so, from its input to its last needed answer, without decoding. */
double covey__coded_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       const struct covey__hand *hand);
/* Over how many devices, and with which share of the owner, the layer ends soonest. False: not
 * before limit_us. */
bool covey__coded_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                         double limit_us, struct covey__hand *out, double *out_us);

/* Over all devices, whatever it costs; the busy owner may get less. False: the memory does not do.
 */
bool covey__coded_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                      struct covey__hand *out);

/* How long the layer takes, dealt so: until the answers that suffice, or all, are there. */
double covey__hand_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                      const struct covey__hand *hand);

/* By filters or by rows, whichever ends sooner. Of the hand that comes out covey_plan_slot_cost()
 * is the cost. */
bool covey__layer_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                         double limit_us, struct covey__hand *out, double *out_us);
bool covey__layer_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                      struct covey__hand *out, double *out_us);
/* Without the owner, the best first. */
unsigned covey__holders_sort(const struct covey__team *team, const struct covey_plan_cost *cost,
                             const struct covey__seats *seats, unsigned *out);
/* unit_us, and roughly base_us: `sent` is what the owner has sent to `holders` before. */
void covey__seats_set(const struct covey__team *team, const struct covey_plan_cost *cost,
                      struct covey__seats *seats);
void covey__seats_base(const struct covey__team *team, const struct covey_plan_cost *cost,
                       unsigned holders, double sent, struct covey__seats *seats);

/* ---- plan_rows.c ---- */

/* The layer split by rows, in time. False: not before limit_us. */
bool covey__rows_choose(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                        double limit_us, struct covey__hand *out, double *out_us);
/* Over all devices. */
bool covey__rows_all(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                     double limit_us, struct covey__hand *out, double *out_us);
/* The same layer over as many devices, with those instead of others that hold more of its weights,
 * as far as that takes hardly longer. */
void covey__rows_keep(const struct covey__deal *deal, unsigned layer,
                      const struct covey_plan_cost *cost, struct covey__hand *inout);
/* Cutting the input, and making the parities' of it. */
double covey__rows_cut_us(const struct covey__team *team, const struct covey_plan_cost *block,
                          const struct covey_plan_layer *layer);

/* ---- plan_keep.c ---- */

enum { COVEY__KEEP_WORSE = 3 }; /* percent that a layer may be slower so that less travels */

/* The same layer, dealt so that devices keep what they hold, as far as that takes hardly longer. */
void covey__coded_keep(const struct covey__deal *deal, unsigned layer,
                       const struct covey_plan_cost *cost, struct covey__hand *inout);

/* ---- plan_held.c ---- */

/* False: nobody holds anything of it. */
bool covey__keep_of(const struct covey_plan_held *held, const struct covey__team *team,
                    unsigned layer, unsigned units, struct covey__keep *out);
/* How many of all units the layer has the device lacks; and how many units and parities the
 * holders must get, by filters or by rows, without the owner. */
unsigned covey__keep_lacks(const struct covey__keep *keep, unsigned units, unsigned device);
unsigned covey__keep_missing(const struct covey__team *team, const struct covey__keep *keep,
                             const struct covey_plan_layer *layer, unsigned units);
/* Who holds what a slot of this shape has in it. */
uint32_t covey__keep_mask(const struct covey__keep *keep, const struct covey_plan_layer *layer,
                          unsigned parity, unsigned slot);

/* ---- plan_deal.c ---- */

unsigned covey__group_units_max(unsigned devices, unsigned parity, unsigned units);
void covey__layer_shape(unsigned units, unsigned group_units, unsigned parity,
                        struct covey_plan_layer *out);
/* False: the devices' memory does not allow groups of this size. */
bool covey__deal_layer(const struct covey__deal *deal, const struct covey_plan_cost *cost,
                       const struct covey__seats *seats, struct covey__hand *out);
void covey__deal_take(struct covey__deal *deal, const struct covey_plan_cost *cost,
                      const struct covey__hand *hand);

/* ---- plan_feeds.c ---- */

/* The layer whose input is what comes out of cells [..end) of a run, byte for byte, and that its
 * devices may be sent by those who make it; layers: none. */
unsigned covey__fed_layer(const struct covey_plan_request *request, unsigned end);
unsigned covey__count_of(uint32_t mask);
/* What giving the input to one holder costs the owner, or, where it is fed, each device. */
double covey__input_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       uint32_t fed, unsigned holder, const struct covey__pace *sender);
/* When a holder that is fed has its input, by the clock of an owner that has it at 0. */
double covey__fed_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                     const struct covey__hand *hand, unsigned device);

/* ---- plan_relay.c ---- */

/* Giving each holder its piece, at the owner. */
double covey__relay_sent_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                            const struct covey__hand *hand);
/* When every holder has all pieces, by the clock of an owner that has the input at 0. */
double covey__relay_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                       const struct covey__hand *hand);
/* What giving the input to so many takes the owner, sent_us without relaying: as if it was relayed
 * where that looks sooner. */
double covey__relay_least_us(const struct covey__team *team, const struct covey_plan_cost *cost,
                             unsigned holders, double sent_us);
/* Sets layer.relayed if that is clearly sooner; covey__coded_us() of what comes out. */
double covey__relay_try(const struct covey__team *team, const struct covey_plan_cost *cost,
                        struct covey__hand *hand);

/* ---- plan_runs.c ---- */

enum {
    COVEY__CREWS_MAX = 12,
    COVEY__SHARES_KEPT = 12,
    COVEY__NO_CREW = 255,
};

/* Devices that could carry out a tile run together: the fastest so many. */
struct covey__crew {
    unsigned count;
    uint64_t memory;                       /* of the one that has least */
    uint64_t rate[COVEY_PLAN_DEVICES_MAX]; /* 0: not one of them */
    /* Where each row is made twice: of those who make it the second time, and rate is 0 there. */
    bool twice;
    uint64_t twin[COVEY_PLAN_DEVICES_MAX];
    unsigned kept, next;
    /* Rows by device, for heights that were asked for lately. */
    uint16_t share[COVEY__SHARES_KEPT][COVEY_PLAN_DEVICES_MAX + 1];
    uint16_t twin_share[COVEY__SHARES_KEPT][COVEY_PLAN_DEVICES_MAX + 1];
};

/* Best time at a boundary between cells. */
struct covey__mark {
    double us;
    uint64_t run_bytes; /* weights of runs so far, as they are laid out */
    uint16_t from;      /* the boundary before */
    uint8_t crew;       /* best: of the run that ends here, or NO_CREW */
    uint8_t runs, segments;
    bool begins; /* the first segment of its run begins at `from` */
};

struct covey__table {
    const struct covey_plan_request *request;
    const struct covey__team *team;
    double cell_us[COVEY_CELLS_MAX]; /* not in a run */
    double
        saved_us[COVEY_CELLS_MAX + 1]; /* of the layers behind, where a run ends at the boundary */
    unsigned crews;
    struct covey__crew crew[COVEY__CREWS_MAX];
    struct covey__mark best[COVEY_CELLS_MAX + 1];
    struct covey__mark run[COVEY__CREWS_MAX][COVEY_CELLS_MAX + 1];
};

/* Weights of a tile run as they are kept: laid out for the kernels. */
uint64_t covey__laid_out(uint64_t weight_bytes);
/* Who holds the weights of a run: those who have rows of it, and how much that is. */
uint32_t covey__run_holders(const struct covey_plan_run *run, unsigned devices);
uint64_t covey__run_bytes(const struct covey_plan_request *request,
                          const struct covey_plan_run *run);
/* Fills best and run; cell_us is given. */
void covey__table_fill(struct covey__table *t);
/* The run that ends at boundary `end` with the crew named there; its first cell. */
unsigned covey__table_run(struct covey__table *t, unsigned end, struct covey_plan_run *out);
/* Whether what comes out of a's cells goes into b's, and their maps put together are one. */
bool covey__map_joins(const struct covey_row_map *a, const struct covey_row_map *b);
/* The map and work of a segment's cells put together. */
void covey__segment_join(const struct covey_plan_request *request,
                         struct covey_plan_segment *segment);

/* Rows of a segment's output by device, contiguous; rates below 2^32, one of them at least 1. */
void covey__rows_share(unsigned out_rows, unsigned devices, const uint64_t *rate,
                       uint16_t *out_rows_of);
/* Two crews of about the same rate: half of the devices keep theirs, in twin are the others'. */
void covey__twins_part(unsigned devices, uint64_t *inout_rate, uint64_t *out_twin);
/* A run of one segment, all of its rows made twice, by different devices. */
bool covey__twins_hold(const struct covey_plan_run *run, unsigned devices);

/* ---- plan_run_time.c ---- */

/* A segment that grows downwards from its last cell: rows that each device needs of its input, and
 * how long each has worked. */
struct covey__strip {
    unsigned from, end; /* cells */
    uint64_t bytes;     /* of weights, as they are laid out */
    struct covey_rows need[COVEY_PLAN_DEVICES_MAX];
    double work_us[COVEY_PLAN_DEVICES_MAX];
};

/* One cell more below; the longest work of anyone. */
double covey__strip_grow(const struct covey__team *team, const struct covey_plan_cell *cell,
                         struct covey__strip *inout);
/* The owner cuts the input and sends a piece to each, then works itself; to the end of the
 * segment. */
double covey__start_us(const struct covey__team *team, const struct covey_plan_cell *first,
                       const struct covey__strip *strip);
/* Rows go from who made them to who needs them; each device sends, receives and works. */
double covey__exchange_us(const struct covey__team *team, const uint16_t *made, uint32_t row_bytes,
                          const struct covey__strip *strip);
/* All send their rows of the result to the owner, which takes one after the other. */
double covey__gather_us(const struct covey__team *team, const struct covey_rows *made,
                        uint32_t row_bytes);
/* All of it, of devices that need not be as they were when it was planned. */
double covey__run_us(const struct covey_plan_request *request, const struct covey__team *team,
                     const struct covey_plan_run *run);

#endif /* COVEY_CORE_PLAN_PRIVATE_H */
