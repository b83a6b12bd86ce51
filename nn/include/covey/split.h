/* SPDX-License-Identifier: MIT
 *
 * split.h - output splitting of dense and convolution layers with column-sum parity
 * (coded-computing.md section 1; seed 004).
 *
 * A layer Y = W X has W [m x k], X [k x n]. The m rows are cut into `units` units of unit_rows rows
 * (the last zero-padded). A group is up to N units and r parities. Slots of a layer are numbered
 * group by group: the units of the group in order, then its parities.
 *   groups G = ceil(units / N); group g has units/G + (g < units % G) units.
 * An answer is before bias and activation.
 */
#ifndef COVEY_SPLIT_H
#define COVEY_SPLIT_H

#include "covey/graph.h"

enum covey_layer_kind { COVEY_LAYER_DENSE, COVEY_LAYER_CONV };

/* All a worker needs to know of a layer; travels in assignments. 2-D geometry, groups == 1. */
struct covey_layer {
    enum covey_layer_kind kind;
    uint32_t m, unit_rows, units;
    uint32_t k;                       /* columns of W: channels x kh x kw for a convolution */
    uint32_t channels, height, width; /* of the input; dense: channels = k, 1 x 1 */
    uint32_t kernel[2], stride[2], dilation[2], pads[4];
    uint32_t out_height, out_width; /* dense: 1 x 1 */
    uint32_t batch;
    uint32_t exact; /* 1: of integers, whose answers are int32 (exact.h); else 0 */
};

/* Bounds and consistency of a layer that came from outside: RANGE, LIMIT. */
covey_err covey_layer_check(const struct covey_layer *layer) COVEY_CHECK;
size_t covey_layer_columns(const struct covey_layer *layer);       /* n = batch x out_h x out_w */
size_t covey_layer_input_floats(const struct covey_layer *layer);  /* batch x c x h x w */
size_t covey_layer_unit_floats(const struct covey_layer *layer);   /* unit_rows x k */
size_t covey_layer_answer_floats(const struct covey_layer *layer); /* unit_rows x n, one slot */

/* Cuts m rows for the manifest: unit_rows and units (<= COVEY_LAYER_UNITS_MAX). */
void covey_layer_cut(uint32_t m, uint32_t *out_unit_rows, uint32_t *out_units);

/* Holder: out [slots x unit_rows x n] = weights [slots x unit_rows x k] * unroll(input), as one
 * product, by the same kernels as a model's. input is the raw activation [batch c h w] (or
 * [batch k]). Columns are batch-major: column = image x (out_h x out_w) + pixel. Of an exact layer
 * out is int32 of the same size, and numbers that are no integers in their bounds are refused
 * (RANGE). */
struct covey_product;
/* weights: borrowed while covey_product_reads(), else laid out anew. */
covey_err covey_product_new(const struct covey_layer *layer, const float *weights, size_t slots,
                            struct covey_product **out) COVEY_CHECK;
void covey_product_free(struct covey_product *p);
bool covey_product_reads(const struct covey_product *p);
size_t covey_product_bytes(const struct covey_product *p);   /* laid out, 0 while it reads */
size_t covey_product_scratch(const struct covey_product *p); /* bytes */
/* Work that is given up when `current` is not `mine` any more. */
struct covey_wanted {
    const _Atomic uint32_t *current;
    uint32_t mine;
};
/* The same as covey_product_run(), but looks now and then (dense layers: every megabyte of weights)
 * whether it is still wanted. CANCELLED: it is not, out is not complete. */
covey_err covey_product_run_wanted(const struct covey_product *p, const float *input, void *scratch,
                                   float *out, const struct covey_wanted *wanted) COVEY_CHECK;
covey_err covey_product_run(const struct covey_product *p, const float *input, void *scratch,
                            float *out) COVEY_CHECK;

/* Where the slots of a layer are: filled by covey_split_init, pure arithmetic. */
struct covey_split {
    uint16_t units, groups, slots;
    uint8_t group_units; /* N, the largest */
    uint8_t parity;      /* r */
};
covey_err covey_split_init(struct covey_split *s, uint32_t units, uint32_t group_units,
                           uint32_t parity) COVEY_CHECK;
/* Units in group g, its first unit and its first slot. */
unsigned covey_split_group(const struct covey_split *s, unsigned group, unsigned *out_first_unit,
                           unsigned *out_first_slot);
/* Group and place of a slot: place < group's units is unit first_unit + place, else parity. */
unsigned covey_split_slot(const struct covey_split *s, unsigned slot, unsigned *out_place);

/* Coefficient g_tj of unit j in parity t of a group: row 0 is all ones, the others are the pinned
 * table of split_table.c, the same whatever the group's size, so that changed groups keep what they
 * share. Every square part is well conditioned: docs/coding.md has the bounds. */
covey_err covey_split_coefficient(unsigned t, unsigned j, float *out) COVEY_CHECK;

/* parity [floats] = sum_j g_tj unit_j; units are count pointers to floats each. Used on weights. */
covey_err covey_split_encode(unsigned t, unsigned count, const float *const *units, size_t floats,
                             float *parity) COVEY_CHECK;

/* One group: out[j] is unit j's product, for all count of them. answers [count + r]: units, then
 * parities, floats each, NULL: did not come; at least count came (else STATE). out[j] may be
 * answers[j]. One loss with parity 0 is a subtraction; more are solved with the parities that came,
 * the lowest first. */
covey_err covey_split_rebuild(unsigned count, unsigned r, const float *const *answers,
                              float *const *out, size_t floats) COVEY_CHECK;

#endif /* COVEY_SPLIT_H */
