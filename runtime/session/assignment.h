/* SPDX-License-Identifier: MIT
 *
 * assignment.h - what one owner's plan gave this device: coded units and strips of tile runs;
 * parsed, bounded, loaded, computed with.
 *
 * Made on the loop; parsed and read from disk on the storage thread, laid out on a compute thread,
 * one after the other; read by compute threads once `ready`. Freed with its last reference.
 */
#ifndef COVEY_SESSION_ASSIGNMENT_H
#define COVEY_SESSION_ASSIGNMENT_H

#include "account.h"
#include "covey/body.h"
#include "covey/message_work.h"
#include "covey/split.h"
#include "held.h"
#include "pool.h"
#include "store.h"
#include "strips.h"

struct covey_assignment {
    struct covey_node_id owner;
    struct covey_fence fence;
    struct covey_assignment *next; /* loop */
    bool ready, retired;           /* loop */
    _Atomic uint32_t refs;

    /* storage thread until ready, then constant */
    struct covey_work_slot *slots; /* ascending by layer, then slot */
    size_t count;
    uint8_t holders; /* that the slots' bits are of */
    struct covey_node_id holder[COVEY_PLAN_DEVICES_MAX];
    bool present[COVEY_LAYERS_MAX];
    struct covey_layer layer[COVEY_LAYERS_MAX];
    size_t first[COVEY_LAYERS_MAX]; /* index of the layer's first entry in slots */
    size_t held[COVEY_LAYERS_MAX];  /* how many it has */
    struct covey_held_table *table; /* set before it is parsed; NULL: shares nothing */
    /* In slot order: a convolution's slots at once, since its input is unrolled once; a dense
     * layer's one by one, so that a changed plan takes memory only for the slots that are new. */
    struct covey_held **parts[COVEY_LAYERS_MAX];
    size_t part_count[COVEY_LAYERS_MAX];
    /* With tile runs, or layers by rows; else NULL. */
    struct covey_plan *plan;
    uint8_t device; /* this one in the plan */
    struct covey_digest model;
    struct covey_network_table *networks; /* set before it is parsed; NULL: shares nothing */
    struct covey_network *network;
    bool small_pinned;            /* the network's small constants */
    struct covey_strips *strips;  /* filled once the assignment is ready */
    _Atomic uint64_t *account;    /* of all that is held, at most limit */
    struct covey_account *memory; /* set before it is parsed; NULL: its tables are not counted */
    uint64_t table_bytes;
    uint64_t limit;
    const struct covey_store *store; /* of what is pinned: all that was wanted */
    struct covey_digest *pinned;
    size_t pinned_count, pinned_room;
    bool units_pinned, model_pinned;
};

struct covey_assignment *covey__assignment_new(const struct covey_node_id *owner,
                                               const struct covey_fence *fence);
struct covey_assignment *covey__assignment_ref(struct covey_assignment *a);
void covey__assignment_unref(struct covey_assignment *a);

/* Before it is parsed, where there is one: copies the plan. */
covey_err covey__assignment_plan(struct covey_assignment *a, const struct covey_plan *plan,
                                 uint8_t device) COVEY_CHECK;
static inline bool covey__assignment_has_runs(const struct covey_assignment *a)
{
    return a->plan != NULL && a->plan->runs > 0;
}
/* Fills a from an owner's message; refuses more than limit bytes in all (LIMIT). */
covey_err covey__assignment_parse(struct covey_assignment *a,
                                  const struct covey_work_assign *assign,
                                  _Atomic uint64_t *used_bytes, uint64_t limit) COVEY_CHECK;
/* The blob stays in the store as long as the assignment lives. Storage thread. */
covey_err covey__assignment_pin(struct covey_assignment *a, const struct covey_store *store,
                                const struct covey_digest *digest) COVEY_CHECK;
/* Bytes that the assignment's session can have in memory here, what it has included. After it was
 * parsed, well or not. Any thread. */
uint64_t covey__assignment_room(const struct covey_assignment *a);
/* Bytes that are in the store of what it wanted. Storage thread. */
uint64_t covey__assignment_stored(const struct covey_assignment *a);
/* Goes as far as it can with what the store has, and lists what is missing next (covey/wants.h):
 * heap, the caller's; empty when all is there. Storage thread. */
covey_err covey__assignment_wants(struct covey_assignment *a, const struct covey_store *store,
                                  struct covey_bytes *out) COVEY_CHECK;
/* Lays all weights out: then it can be computed with. NOT_FOUND, MALFORMED: something is missing
 * after all. Compute thread. */
covey_err covey__assignment_fill(struct covey_assignment *a,
                                 const struct covey_store *store) COVEY_CHECK;
bool covey__assignment_accepts(const struct covey_assignment *a, uint16_t layer,
                               size_t input_bytes);
/* All held slots of layer as one product. The input may have come without zeros (covey/tile.h);
 * then it has fewer bytes. Of half the bytes it is float16, and so is the answer. MALFORMED: it is
 * none of these. */
covey_err covey__assignment_compute(const struct covey_assignment *a, uint16_t layer,
                                    const struct covey_body *input, struct covey_scratch *scratch,
                                    struct covey_body **out) COVEY_CHECK;

#endif /* COVEY_SESSION_ASSIGNMENT_H */
