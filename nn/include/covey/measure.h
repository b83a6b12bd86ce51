/* SPDX-License-Identifier: MIT
 *
 * measure.h - how fast this machine computes, in the terms of struct covey_work (tile.h).
 */
#ifndef COVEY_MEASURE_H
#define COVEY_MEASURE_H

#include "covey/ids.h"
#include "covey/model.h"

/* One thread's rates, mflops and stream_mbytes of out; the rest is left alone. clock: nanoseconds
 * that the calling thread has computed, so that others on the same processor do not count. The
 * best of several rounds; some 50 ms and 20 MB. */
covey_err covey_measure_rates(covey_clock_fn clock, struct covey_rates *out) COVEY_CHECK;
/* mflops alone, for which a megabyte does. */
covey_err covey_measure_product(covey_clock_fn clock, struct covey_rates *out) COVEY_CHECK;

#endif /* COVEY_MEASURE_H */
