/* SPDX-License-Identifier: MIT
 *
 * rate.h - this device's measured GEMM rate, told to the others for placement.
 */
#ifndef COVEY_SESSION_RATE_H
#define COVEY_SESSION_RATE_H

#include <stdint.h>

/* Millions of floating-point operations a second, one thread, rounded to a power of two; takes
 * some 10 ms. */
uint32_t covey__measure_mflops(void);

#endif /* COVEY_SESSION_RATE_H */
