/* SPDX-License-Identifier: MIT
 *
 * limits.h - every limit, with its unit and its reason.
 */
#ifndef COVEY_LIMITS_H
#define COVEY_LIMITS_H

enum covey_limits {
    /* CBOR nesting: the deepest message of ours has 5 levels. */
    COVEY_CBOR_DEPTH_MAX = 8,
    /* Bytes of a device or model name, without the final zero: a label of DNS. */
    COVEY_NAME_MAX = 63,
    /* Bytes of a certificate as signed, with room for a longest name. */
    COVEY_CERT_MAX = 512,
    /* Bytes of a gossip payload and of the whole datagram: below the IPv6 minimum MTU of 1280. */
    COVEY_GOSSIP_MAX = 1200,
    /* Bytes of a hello of any version, and of this one's, whatever it says: so that an answer is
     * never larger than what was asked (as datagrams that open a connection of QUIC are padded). */
    COVEY_HELLO_MAX = 256,
    COVEY_HELLO_BYTES = 172,
    /* Bytes of one control message on a channel: the largest is an assignment (32 bytes a slot,
     * all layers of a model for one device). */
    COVEY_CONTROL_MAX = 512 * 1024,
    /* Bytes of one body: a unit of weights or a layer's input or answer. */
    COVEY_BODY_MAX = 64 * 1024 * 1024,
    /* Plaintext bytes of one record (protocol.md: pieces of at most 16 KiB). */
    COVEY_RECORD_MAX = 16 * 1024,
    /* Members known at once. Hot entries are small; certificates dominate. */
    COVEY_MEMBERS_MAX = 256,
    /* Devices in one placement: one group more than the largest group. */
    COVEY_PLAN_DEVICES_MAX = 32,
    /* N: units in a group. The bound on decoding error is published up to 16. */
    COVEY_GROUP_UNITS_MAX = 16,
    /* r: parity units in a group. */
    COVEY_PARITY_MAX = 4,
    /* Units a layer is cut into: many enough to give uneven devices uneven shares. */
    COVEY_LAYER_UNITS_MAX = 64,
    /* Slots (units and parities) of one layer. */
    COVEY_LAYER_SLOTS_MAX = 128,
    /* Distributed (dense and convolution) layers in one model: ResNet-152 has 156. */
    COVEY_LAYERS_MAX = 192,
    /* Cells of one model (pieces of it between which only one tensor goes on): more than layers,
     * since poolings are cells too. */
    COVEY_CELLS_MAX = 256,
    /* Tile runs of one plan, and segments (between which rows are exchanged) of one run. */
    COVEY_TILE_RUNS_MAX = 4,
    COVEY_TILE_SEGMENTS_MAX = 32,
    /* Bytes of a relayed input's piece: one that comes before its RELAY is kept so long. */
    COVEY_RELAY_PIECE_MAX = 4 * 1024 * 1024,
    /* Graph bounds: nodes, values, dimensions, elements of one tensor. */
    COVEY_GRAPH_NODES_MAX = 4096,
    COVEY_GRAPH_VALUES_MAX = 16384,
    COVEY_RANK_MAX = 8,
    COVEY_TENSOR_ELEMENTS_MAX = 1 << 28,
    /* Open sessions and requests in flight at one owner. */
    COVEY_SESSIONS_MAX = 32,
    COVEY_REQUESTS_MAX = 64,
    /* Inputs of one request: past some dozens a layer's weights cost nothing beside its products.
     */
    COVEY_BATCH_MAX = 256,
    /* Training sessions that one device owns, works for, or is custodian of, at a time. */
    COVEY_TRAININGS_MAX = 8,
    /* Workers of one training session: the owner encodes for each of them. */
    COVEY_WORKERS_MAX = 64,
    /* Rounds of a session under way at once: both gradients of a layer, and one more begun. */
    COVEY_ROUNDS_MAX = 4,
    /* Tasks of a round that are made at a time: as many as any code needs twice. */
    COVEY_ROUND_TASKS_MAX = 1024,
    /* Tasks that a worker may hold: one is computed while others travel. */
    COVEY_WORKER_TASKS_MAX = 8,
    /* Bytes of what a round or a task is, beside its body: a product's sizes, a sum's parts. */
    COVEY_TASK_SPEC_MAX = 1024,
    /* Custodians of a training session: a majority of five survives two losses. */
    COVEY_CUSTODIANS_MAX = 5,
    /* Least bytes that a node can be bounded to (coveyd --memory): it takes 13 MB itself, and 24
     * for a moment at its start, to measure how fast memory is read; 8 are left for weights. */
    COVEY_MEMORY_MIN = 25000000,
    /* Bytes of one control-socket frame; a model's blobs travel one by one. */
    COVEY_FRAME_MAX = 64 * 1024 * 1024 + 1024 * 1024,
};

#endif /* COVEY_LIMITS_H */
