/* SPDX-License-Identifier: MIT
 *
 * rate.h - this device's measured rates, told to the others for placement.
 */
#ifndef COVEY_SESSION_RATE_H
#define COVEY_SESSION_RATE_H

#include "covey/ids.h"

/* mflops and stream_mbytes of one thread at the process's pace (covey/pace.h); 1 where they cannot
 * be measured. Takes some 50 ms of computing. */
void covey__measure_rates(struct covey_rates *out);
/* mflops alone, for which a megabyte does and half of the time. */
void covey__measure_product(struct covey_rates *out);

/* To the nearest power of the fourth root of two, at most 9 percent off: equal devices mostly tell
 * equal rates, or every plan would differ by the noise of a measurement. At least 1. */
uint32_t covey__rate_round(uint64_t value);

#endif /* COVEY_SESSION_RATE_H */
