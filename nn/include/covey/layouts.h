/* SPDX-License-Identifier: MIT
 *
 * layouts.h - constant weights laid out for the kernels, shared by several models of the same
 * constants (the strips of a tile run, whatever their height).
 *
 * A layout is found again by the address of the constant's data. A constant that has one is laid
 * out that way for every further model, so that it is held once; its own data is not read any more
 * (covey_layouts_has) and may be given back to the system while its address stays taken. Any
 * thread.
 */
#ifndef COVEY_LAYOUTS_H
#define COVEY_LAYOUTS_H

#include "covey/graph.h"

struct covey_layouts;

/* At most max_bytes more than the constants themselves have (0: no bound): beyond it, layouts that
 * are no larger than their constant are used. */
covey_err covey_layouts_new(uint64_t max_bytes, struct covey_layouts **out) COVEY_CHECK;
/* After all models that use it. */
void covey_layouts_free(struct covey_layouts *l);
uint64_t covey_layouts_bytes(const struct covey_layouts *l);

/* Optional, before models are made: decides for all convolutions of a checked graph at once, so
 * that max_bytes goes where it saves the most time; else it goes to the first models. Nothing is
 * laid out yet, and no data is read. g: what will typically run, with the constants of the models
 * to come. */
covey_err covey_layouts_choose(struct covey_layouts *l, const struct covey_graph *g) COVEY_CHECK;
/* Lays one constant out as it was decided, if it was, so that its own data can be given back before
 * the next one's is fetched. */
covey_err covey_layouts_fill(struct covey_layouts *l, const void *data) COVEY_CHECK;

/* Whether the constant is laid out and every model made with these layouts so far does
 * without its own data. */
bool covey_layouts_has(const struct covey_layouts *l, const void *data);

#endif /* COVEY_LAYOUTS_H */
