/* SPDX-License-Identifier: MIT
 *
 * bench_array.h - what the measurements of kernels share: a clock, and numbers to work on.
 */
#ifndef COVEY_BENCH_ARRAY_H
#define COVEY_BENCH_ARRAY_H

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

/* Seconds of the processor's time: what else runs in turn does not count. */
static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* In [-0.5, 0.5); the caller's. NULL: no memory. */
static inline float *bench_filled(size_t count)
{
    float *p = aligned_alloc(64, (count * sizeof *p + 127) / 64 * 64);
    for (size_t i = 0; p != NULL && i < count; i++) {
        p[i] = (float)(i * 2654435761u % 1024) / 1024.0f - 0.5f;
    }
    return p;
}

#endif /* COVEY_BENCH_ARRAY_H */
