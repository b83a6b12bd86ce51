/* SPDX-License-Identifier: MIT
 *
 * model_private.h - what the memory plan, the model and its runs share.
 */
#ifndef COVEY_NN_MODEL_PRIVATE_H
#define COVEY_NN_MODEL_PRIVATE_H

#include "covey/model.h"
#include "ops.h"

/* Values start on cache lines. */
enum { COVEY__ALIGN = 64 };

/* Bytes of one run: 4 GiB, or half of what a pointer reaches: no device of ours has more to give.
 */
#define COVEY__MEMORY_MAX ((uint64_t)(SIZE_MAX / 2 < 0x100000000u ? SIZE_MAX / 2 : 0x100000000u))

/* Bytes of the values' arena and of the work room behind it. */
size_t covey__model_arena(const struct covey_model *m);
size_t covey__model_work(const struct covey_model *m);
const struct covey_graph *covey__model_graph(const struct covey_model *m);
unsigned covey__model_threads(const struct covey_model *m);
/* The node's split layer and its number; NULL when it has none. */
const struct covey_layer *covey__model_node_layer(const struct covey_model *m, size_t node,
                                                  size_t *out_layer);
/* Bytes of a stopped layer's product, and behind it of its input if it is exact. */
size_t covey__model_layer_work(const struct covey_layer *l);
/* Where a value that is no constant lives in the arena. */
size_t covey__model_offset(const struct covey_model *m, uint16_t value);
/* Fills in state, small and thread_count of a node's call. */
void covey__model_call(const struct covey_model *m, size_t node, struct covey__op_call *call);

#endif /* COVEY_NN_MODEL_PRIVATE_H */
