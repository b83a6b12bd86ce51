/* SPDX-License-Identifier: MIT
 *
 * arena.h - the large pieces of memory that a model, a run or a trainer takes once.
 */
#ifndef COVEY_NN_ARENA_H
#define COVEY_NN_ARENA_H

#include <stddef.h>

/* 64-byte aligned, freed with free(); NULL: there is none. Large ones lie on huge pages where the
 * system gives them: what streams through misses the translation buffer less. */
void *covey__arena_new(size_t bytes);

#endif /* COVEY_NN_ARENA_H */
