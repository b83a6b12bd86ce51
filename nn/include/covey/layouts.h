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

#include "covey/err.h"

struct covey_layouts;

/* At most max_bytes more than the constants themselves have (0: no bound): beyond it, layouts that
 * are no larger than their constant are used. */
covey_err covey_layouts_new(uint64_t max_bytes, struct covey_layouts **out) COVEY_CHECK;
/* After all models that use it. */
void covey_layouts_free(struct covey_layouts *l);
uint64_t covey_layouts_bytes(const struct covey_layouts *l);
/* Whether every model with these layouts does without the constant's own data. */
bool covey_layouts_has(const struct covey_layouts *l, const void *data);

#endif /* COVEY_LAYOUTS_H */
