/* SPDX-License-Identifier: MIT
 *
 * plan_codec.h - the payloads of PLACE and PLACEMENT.
 *
 * A request is {1: parity, 2: devices_max, 3: [[units, unit_bytes, input_bytes, answer_bytes,
 * unit.flops]]}: whoever plans knows the devices itself. A plan is {1: term, 2: coordinator,
 * 3: parity, 4: [device id], 5: [[units, group_units, holders as bytes]]}.
 */
#ifndef COVEY_CORE_PLAN_CODEC_H
#define COVEY_CORE_PLAN_CODEC_H

#include "covey/plan.h"

enum {
    /* Bytes: 5 numbers of at most 9 bytes a layer, and some. */
    COVEY__PLAN_REQUEST_MAX = 64 + COVEY_LAYERS_MAX * 48,
    /* Bytes: a holder for each slot of each layer, ids of devices, and some. */
    COVEY__PLAN_MAX = 64 + COVEY_PLAN_DEVICES_MAX * 20 + COVEY_LAYERS_MAX * 144,
};

covey_err covey__plan_request_encode(const struct covey_plan_request *request, struct covey_buf out,
                                     size_t *out_len) COVEY_CHECK;
/* The result has no devices. What plan.c can work with, else RANGE or MALFORMED. */
covey_err covey__plan_request_decode(struct covey_bytes in,
                                     struct covey_plan_request *out) COVEY_CHECK;
covey_err covey__plan_encode(const struct covey_plan *plan, struct covey_buf out,
                             size_t *out_len) COVEY_CHECK;
/* Numbers within their arrays; whether it is a good plan is covey_plan_check()'s. On an error *out
 * is of no use: it is too large for a second copy. */
covey_err covey__plan_decode(struct covey_bytes in, struct covey_plan *out) COVEY_CHECK;

#endif /* COVEY_CORE_PLAN_CODEC_H */
