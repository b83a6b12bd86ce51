/* SPDX-License-Identifier: MIT
 *
 * bench_measure.h - what measurements share: times, memory, and what this machine can do at most.
 */
#ifndef COVEY_CLI_BENCH_MEASURE_H
#define COVEY_CLI_BENCH_MEASURE_H

#include "covey/err.h"

#include <stddef.h>
#include <stdint.h>

uint64_t covey__now_ns(void); /* monotonic */
uint64_t covey__cpu_ns(void); /* that this process has computed, whatever else the machine does */

/* Sorts; share in [0, 1]: 0.5 is the median. 0 where there are none. */
double covey__percentile(double *values, size_t count, double share);

struct covey__memory {
    uint64_t resident, peak; /* bytes of this process; 0: not known */
};
struct covey__memory covey__memory_now(void);
/* From here on peak counts anew, where the system can do that. */
void covey__memory_restart(void);

struct covey__gemm_speed {
    size_t m, n, k;
    double ms, gflops; /* the best of several runs */
};
/* Products of the given size on so many threads at once, one product each, by OpenBLAS alone. */
covey_err covey__measure_gemm(struct covey__gemm_speed *inout_speed, unsigned threads) COVEY_CHECK;
/* The best over a few sizes. */
covey_err covey__measure_peak(unsigned threads, double *out_gflops) COVEY_CHECK;

/* Bytes read in a second by one thread from a buffer of so many bytes. */
covey_err covey__measure_reading(size_t bytes, double *out_bytes_s) COVEY_CHECK;

#endif /* COVEY_CLI_BENCH_MEASURE_H */
