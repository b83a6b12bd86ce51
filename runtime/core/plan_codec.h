/* SPDX-License-Identifier: MIT
 *
 * plan_codec.h - the payloads of PLACE and PLACEMENT; a plan also travels inside ASSIGN.
 *
 * docs/messages.cddl has their form. A request has no devices: whoever plans knows them itself.
 * What can be counted from the rest is left out: a layer's groups, a run's cells, a segment's first
 * cell.
 */
#ifndef COVEY_CORE_PLAN_CODEC_H
#define COVEY_CORE_PLAN_CODEC_H

#include "covey/cbor.h"
#include "covey/plan.h"

enum {
    /* Bytes: 17 numbers of a layer, 16 of a cell, and some. */
    COVEY__PLAN_COSTS_MAX = 64 + COVEY_LAYERS_MAX * 96 + COVEY_CELLS_MAX * 128,
    /* Bytes: a mask for each slot of each layer, and ids of devices. */
    COVEY__PLAN_HELD_MAX =
        16 + COVEY_PLAN_DEVICES_MAX * 20 + COVEY_LAYERS_MAX * (8 + COVEY_LAYER_SLOTS_MAX * 4),
    COVEY__PLAN_REQUEST_MAX = COVEY__PLAN_COSTS_MAX + COVEY__PLAN_HELD_MAX,
    /* Bytes: map, works and rows of a segment. */
    COVEY__PLAN_SEGMENT_MAX = 96 + COVEY_PLAN_DEVICES_MAX * 3,
    /* Bytes: a holder for each slot of each layer, segments, ids of devices, and some. */
    COVEY__PLAN_MAX = 128 + COVEY_PLAN_DEVICES_MAX * 20 + COVEY_LAYERS_MAX * 144 +
                      COVEY_TILE_RUNS_MAX * (16 + COVEY_PLAN_DEVICES_MAX * 3 +
                                             COVEY_TILE_SEGMENTS_MAX * COVEY__PLAN_SEGMENT_MAX),
};

covey_err covey__plan_request_encode(const struct covey_plan_request *request, struct covey_buf out,
                                     size_t *out_len) COVEY_CHECK;
/* The result has no devices. What plan.c can work with, else RANGE or MALFORMED. Who holds what
 * goes to *held, to which out->held points if anybody does. */
covey_err covey__plan_request_decode(struct covey_bytes in, struct covey_plan_held *held,
                                     struct covey_plan_request *out) COVEY_CHECK;
/* An item of a request; held: any that covey_plan_hold() made. */
void covey__plan_held_put(struct covey_cbor_writer *w, const struct covey_plan_held *held);
void covey__plan_held_get(struct covey_cbor_reader *r, struct covey_plan_held *out);
/* The costs of a request's layers. */
void covey__plan_costs_put(struct covey_cbor_writer *w, const struct covey_plan_request *request);
void covey__plan_costs_get(struct covey_cbor_reader *r, struct covey_plan_request *out);
void covey__plan_put_work(struct covey_cbor_writer *w, const struct covey_plan_work *work);
void covey__plan_get_work(struct covey_cbor_reader *r, struct covey_plan_work *out);
uint64_t covey__plan_get_range(struct covey_cbor_reader *r, uint64_t min, uint64_t max);
/* An array of less or of more items: how many. */
size_t covey__plan_enter(struct covey_cbor_reader *r, size_t less, size_t more);
covey_err covey__plan_encode(const struct covey_plan *plan, struct covey_buf out,
                             size_t *out_len) COVEY_CHECK;
/* Consistent in itself: holders are devices, runs ascend, rows ascend to each segment's out_rows.
 * Whether it answers a request is covey_plan_check()'s. On an error *out is of no use: it is too
 * large for a second copy. */
covey_err covey__plan_decode(struct covey_bytes in, struct covey_plan *out) COVEY_CHECK;

#endif /* COVEY_CORE_PLAN_CODEC_H */
