/* SPDX-License-Identifier: MIT
 *
 * threads.h - a pool of threads that share out the parts of one computation.
 *
 * Used by one caller at a time. What a part computes must not depend on which thread does it.
 */
#ifndef COVEY_THREADS_H
#define COVEY_THREADS_H

#include "covey/err.h"

#include <stdbool.h>
#include <stddef.h>

struct covey_threads;

enum { COVEY_THREADS_MAX = 64 };

/* count in [1, COVEY_THREADS_MAX], the calling thread included: count - 1 are started. Heap. */
covey_err covey_threads_new(unsigned count, struct covey_threads **out) COVEY_CHECK;
void covey_threads_free(struct covey_threads *t);            /* NULL is a no-op */
unsigned covey_threads_count(const struct covey_threads *t); /* NULL: 1 */

/* part in [0, parts); thread in [0, count): names the scratch that this call may use. */
typedef void (*covey_threads_fn)(void *ctx, size_t part, unsigned thread);

/* Calls fn for every part, on all threads (t NULL: here, thread 0), and returns when all are done.
 */
void covey_threads_run(struct covey_threads *t, size_t parts, covey_threads_fn fn, void *ctx);

#endif /* COVEY_THREADS_H */
