/* SPDX-License-Identifier: MIT
 *
 * onnx_walk.h - a bounded walk of ONNX's protobuf wire format before any decoder sees it.
 *
 * Knows which fields the importer reads and drops all others. Keeps no state.
 */
#ifndef COVEY_ONNX_WALK_H
#define COVEY_ONNX_WALK_H

#include "covey/graph.h"

enum covey_walk_limits {
    /* Nested messages: a model's tensors are at 5; protobuf-c 1.4.1 overruns its stack at some
     * thousands. */
    COVEY_WALK_DEPTH_MAX = 16,
    /* Messages in a file: protobuf-c spends about 250 bytes on each, however short it is. */
    COVEY_WALK_MESSAGES_MAX = 1 << 18,
    /* Fields in a file: bounds the work and the tables that protobuf-c makes. */
    COVEY_WALK_FIELDS_MAX = 1 << 21,
    /* Bytes that stand for raw_data in the slim copy: offset and length, 64-bit little-endian. */
    COVEY_WALK_RAW_BYTES = 16,
};

enum covey_walk_root { COVEY_WALK_MODEL, COVEY_WALK_TENSOR };

/* Checks in and copies it, heap, without unknown fields; each raw_data, and float_data of a
 * tensor of weights, is replaced by a raw_data that says where it is in `in`
 * (COVEY_WALK_RAW_BYTES), so that weights are not copied. MALFORMED, SHORT, LIMIT. */
covey_err covey_onnx_walk(struct covey_bytes in, enum covey_walk_root root, struct covey_buf *out,
                          struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_ONNX_WALK_H */
