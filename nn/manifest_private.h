/* SPDX-License-Identifier: MIT
 *
 * manifest_private.h - what writing and reading a manifest share. Schema: docs/messages.cddl.
 */
#ifndef COVEY_NN_MANIFEST_PRIVATE_H
#define COVEY_NN_MANIFEST_PRIVATE_H

#include "covey/cbor.h"
#include "covey/manifest_notes.h"

enum {
    COVEY__MANIFEST_VERSION = 2,
    /* Bytes: 32 a unit and about 100 a node; the largest graph allowed stays below. */
    COVEY__MANIFEST_MAX = 4 * 1024 * 1024,
};

enum covey__manifest_key {
    COVEY__MANIFEST_KEY_VERSION = 1,
    COVEY__MANIFEST_KEY_NAME,
    COVEY__MANIFEST_KEY_INPUT,
    COVEY__MANIFEST_KEY_OUTPUT,
    COVEY__MANIFEST_KEY_VALUES,
    COVEY__MANIFEST_KEY_NODES,
    COVEY__MANIFEST_KEYS = COVEY__MANIFEST_KEY_NODES, /* that each has; behind them its notes */
    COVEY__MANIFEST_KEY_LABELS,
    COVEY__MANIFEST_KEY_PREPARE,
};

enum covey__value_key {
    COVEY__VALUE_KEY_SHAPE = 1,
    COVEY__VALUE_KEY_UNIT_ROWS,
    COVEY__VALUE_KEY_DIGESTS,
    COVEY__VALUE_KEY_TYPE, /* left out: float32 */
};

enum covey__node_key {
    COVEY__NODE_KEY_OP = 1,
    COVEY__NODE_KEY_INPUTS,
    COVEY__NODE_KEY_OUTPUTS,
    COVEY__NODE_KEY_ATTRS,
    COVEY__NODE_KEY_NAME,
};

/* Only what differs from covey_op_attrs_init(): a map, or nothing at all when none does. */
size_t covey__attrs_count(const struct covey_op_attrs *a);
void covey__attrs_put(struct covey_cbor_writer *w, const struct covey_op_attrs *a);
void covey__attrs_get(struct covey_cbor_reader *r, struct covey_op_attrs *out);

/* How a constant is cut: one blob (unit_rows 0) or units of unit_rows rows, the last padded. */
struct covey__cut {
    uint32_t unit_rows;
    size_t blobs, blob_bytes;
};
/* unit_rows is 0 or that of covey_layer_cut(); RANGE, LIMIT when a blob passes COVEY_BODY_MAX. */
covey_err covey__manifest_cut(const struct covey_graph_value *v, uint32_t unit_rows,
                              struct covey__cut *out);

/* A constant's blobs: [first, first + cut.blobs). blobs 0: no constant. */
struct covey__constant {
    size_t first;
    struct covey__cut cut;
    bool lazy;   /* its place is in the reserve, whole pages of its own */
    bool loaded; /* all blobs are in their place */
};

struct covey_manifest {
    char name[COVEY_NAME_MAX + 1];
    struct covey_graph *graph;
    struct covey__constant *constants; /* of each value */
    struct covey_blob *blobs;
    size_t blob_count;
    uint16_t layer_weights[COVEY_LAYERS_MAX];
    size_t layer_count;
    struct covey_manifest_notes notes;
    uint8_t *reserve; /* address space of the lazy constants; NULL: none */
    size_t reserve_bytes;
};

/* manifest_notes.c: after the values. */
void covey__manifest_get_labels(struct covey_cbor_reader *r, struct covey_manifest *mf);
void covey__manifest_get_prepare(struct covey_cbor_reader *r, struct covey_manifest *mf);

/* Gives the reserve back; the graph must not be used any more. */
void covey__manifest_release(struct covey_manifest *mf);

#endif /* COVEY_NN_MANIFEST_PRIVATE_H */
