/* SPDX-License-Identifier: MIT
 *
 * version.h - one plan of a session made concrete at its owner: parities, digests of all slots, the
 * owner's own share; and putting a layer together from its answers.
 */
#ifndef COVEY_SESSION_VERSION_H
#define COVEY_SESSION_VERSION_H

#include "covey/body.h"
#include "covey/update.h"
#include "model_file.h"
#include "pool.h"

struct covey_version_layer {
    struct covey_digest *digest; /* by slot */
    struct covey_body **parity;  /* by group (r == 1), or NULL */
    float *own;                  /* the owner's slots' weights, in slot order */
    uint16_t own_count;
    uint64_t own_slots[COVEY_LAYER_SLOTS_MAX / 64];
};

/* Constant once made; shared by reference between the loop and the pools. */
struct covey_version {
    _Atomic uint32_t refs;
    struct covey_fence fence;
    const struct covey_model_file *file; /* outlives it */
    const struct covey_store *store;     /* parities are put there for those who want
                                            them; set before make(), NULL: nowhere */
    struct covey_plan plan;
    struct covey_version *next; /* of the session, loop only */
    struct covey_version_layer layer[COVEY_LAYERS_MAX];
};

/* Copies the plan; make() does the work and may run on any thread. */
struct covey_version *covey__version_new(const struct covey_fence *fence,
                                         const struct covey_plan *plan,
                                         const struct covey_model_file *file);
covey_err covey__version_make(struct covey_version *v,
                              const struct covey_node_id *self) COVEY_CHECK;
struct covey_version *covey__version_ref(struct covey_version *v);
void covey__version_unref(struct covey_version *v);

/* The weights of a slot, unit or parity: covey_layer_unit_floats() floats. */
const float *covey__version_slot(const struct covey_version *v, size_t layer, unsigned slot);

/* The ASSIGN message for a device of the plan; heap, the caller's. */
covey_err covey__version_assign(const struct covey_version *v, uint8_t device, uint8_t **out,
                                size_t *out_len) COVEY_CHECK;
/* Layer and slot of entry index of that message; false when there are not so many. */
bool covey__version_entry(const struct covey_version *v, uint8_t device, uint32_t index,
                          size_t *out_layer, unsigned *out_slot);

/* Product of chosen slots of a layer, in slot order. */
covey_err covey__version_compute(const struct covey_version *v, size_t layer,
                                 const uint64_t slots[static COVEY_LAYER_SLOTS_MAX / 64],
                                 const struct covey_body *input, struct covey_scratch *scratch,
                                 struct covey_body **out) COVEY_CHECK;

/* What came back of a layer: by device, and what was computed here besides. */
struct covey_answers {
    struct covey_body *device[COVEY_PLAN_DEVICES_MAX];
    struct covey_body *local;
    uint64_t local_slots[COVEY_LAYER_SLOTS_MAX / 64];
};
/* product [units x unit_rows x n]: copies what came, rebuilds by subtraction what did not. */
void covey__version_combine(const struct covey_version *v, size_t layer,
                            const struct covey_answers *answers, float *product);

#endif /* COVEY_SESSION_VERSION_H */
