/* SPDX-License-Identifier: MIT
 *
 * version.h - one plan of a session made concrete at its owner: digests of all slots, the owner's
 * own share, secret vectors; putting layers and tile runs together from what came back.
 */
#ifndef COVEY_SESSION_VERSION_H
#define COVEY_SESSION_VERSION_H

#include "coded.h"
#include "covey/body.h"
#include "covey/update.h"
#include "pool.h"

struct covey_version_layer {
    struct covey_digest *digest; /* by slot, or, by rows, by unit; NULL: not coded */
    struct covey_layer shape;    /* the layer, or, by rows, a block of it */
    /* What the owner holds of it, in slot order: all at once or, where memory is scarce, a dense
     * layer's slots one by one, so that a changed plan takes memory only for those that are new. */
    const struct covey_own **own;
    size_t owns;
    uint64_t own_slots[COVEY_LAYER_SLOTS_MAX / 64];
    const struct covey_secret **secret; /* by device; NULL: itself, or holds nothing */
};

/* What a run stops at: a coded layer, a tile run, or a layer whose weights are in the store. */
struct covey_version_stage {
    bool tiles, streamed;
    bool light;     /* going on from its answer to the next stage, or to the end */
    bool light_cut; /* cutting the run's input */
    uint16_t index;
};

/* Constant once made; shared by reference between the loop and the pools. */
struct covey_version {
    _Atomic uint32_t refs;
    struct covey_fence fence;
    const struct covey_model_file *file; /* outlives it */
    struct covey_coded *coded;           /* outlives it */
    struct covey_plan plan;
    uint8_t self;               /* the owner's place in the plan, or COVEY_PLAN_DEVICES_MAX */
    struct covey_version *next; /* of the session, loop only */
    struct covey_version_layer layer[COVEY_LAYERS_MAX];
    size_t stages;
    struct covey_stage stage[COVEY_LAYERS_MAX + COVEY_TILE_RUNS_MAX]; /* as nn knows them */
    struct covey_version_stage at[COVEY_LAYERS_MAX + COVEY_TILE_RUNS_MAX];
    bool light_start; /* the same from a request's input to the first stage */
};

/* new() is on the loop; make() (encoding, hashing) runs in the background, once more if it failed.
 * LIMIT: the file's account has no room for it. */
struct covey_version *covey__version_new(const struct covey_fence *fence,
                                         const struct covey_plan *plan,
                                         const struct covey_model_file *file,
                                         struct covey_coded *coded);
covey_err covey__version_make(struct covey_version *v,
                              const struct covey_node_id *self) COVEY_CHECK;
/* Part of make(): what a run stops at. RANGE: runs are not those of the model's cells. */
covey_err covey__version_stages(struct covey_version *v) COVEY_CHECK;
struct covey_version *covey__version_ref(struct covey_version *v);
void covey__version_unref(struct covey_version *v);

/* The message that COVEY_ACTION_ASSIGN wants sent; heap, the caller's. To the owner itself no slots
 * are assigned. */
covey_err covey__version_assign(const struct covey_version *v, const struct covey_action *action,
                                uint8_t **out, size_t *out_len) COVEY_CHECK;

/* Product of chosen slots of a layer, in slot order. CANCELLED when it is not wanted any more. */
struct covey_version_work {
    size_t layer;
    uint64_t slots[COVEY_LAYER_SLOTS_MAX / 64];
    const struct covey_body *input;                   /* float32; NULL: by rows */
    struct covey_body *block[COVEY_PLAN_DEVICES_MAX]; /* by rows: by device, its slot's input */
    struct covey_wanted wanted;
};
covey_err covey__version_compute(const struct covey_version *v,
                                 const struct covey_version_work *work,
                                 struct covey_scratch *scratch,
                                 struct covey_body **out) COVEY_CHECK;

/* What came back of a layer, float32: by device, and what was computed here besides. */
struct covey_answers {
    struct covey_body *device[COVEY_PLAN_DEVICES_MAX];
    struct covey_body *local;
    uint64_t local_slots[COVEY_LAYER_SLOTS_MAX / 64];
    struct covey_body *block[COVEY_PLAN_DEVICES_MAX]; /* by rows: to what, float32 */
};
/* Bit d: the answer of device d is not the product of its weights and the input. */
covey_err covey__version_check(const struct covey_version *v, size_t layer,
                               const struct covey_body *input, const struct covey_answers *answers,
                               struct covey_scratch *scratch, uint32_t *out_wrong) COVEY_CHECK;
/* product [units x unit_rows x n]: copies what came, rebuilds what did not. */
covey_err covey__version_combine(const struct covey_version *v, size_t layer,
                                 const struct covey_answers *answers, float *product) COVEY_CHECK;

/* The input of each slot of a layer by rows, by device; those made before an error are the caller's
 * too. */
covey_err covey__version_blocks(const struct covey_version *v, size_t layer, const float *input,
                                struct covey_body *out[static COVEY_PLAN_DEVICES_MAX]) COVEY_CHECK;

/* Bodies of float16 and of float32 with the same numbers. */
covey_err covey__body_halve(const float *values, size_t floats,
                            struct covey_body **out) COVEY_CHECK;
covey_err covey__body_widen(const struct covey_body *half, struct covey_body **out) COVEY_CHECK;

/* Without zeros (covey/tile.h) where that takes fewer bytes, else as they are; never in as many as
 * float16 takes. */
covey_err covey__body_sparse(const struct covey_plane_rows *rows, const float *values,
                             struct covey_body **out) COVEY_CHECK;

/* The pieces of segment 0 of a tile run's input, by device, besides those that are there; those
 * made before an error are the caller's too. */
covey_err covey__version_cut(const struct covey_version *v, unsigned run,
                             const struct covey_tile_layout *layout, const float *input,
                             struct covey_body *out[static COVEY_PLAN_DEVICES_MAX]) COVEY_CHECK;
/* The run's output from its pieces. */
void covey__version_join(const struct covey_version *v, unsigned run,
                         const struct covey_tile_layout *layout,
                         struct covey_body *const pieces[static COVEY_PLAN_DEVICES_MAX],
                         float *output);

/* What came back of a run whose rows are made twice. */
struct covey_version_pieces {
    const struct covey_tile_layout *layout, *twin;
    struct covey_body *const *piece; /* [COVEY_PLAN_DEVICES_MAX]: all that both say */
};
/* Whether both makings of all rows are the same within rounding. */
covey_err covey__version_agree(const struct covey_version *v, unsigned run,
                               const struct covey_version_pieces *pieces,
                               bool *out_agree) COVEY_CHECK;
/* Bit d: the rows of device d, not this owner, are not those of `right`, the run's whole output. */
covey_err covey__version_wrong(const struct covey_version *v, unsigned run,
                               const struct covey_version_pieces *pieces, const float *right,
                               uint32_t *out_wrong) COVEY_CHECK;

#endif /* COVEY_SESSION_VERSION_H */
