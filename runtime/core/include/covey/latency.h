/* SPDX-License-Identifier: MIT
 *
 * latency.h - the latencies with which a lab plays stragglers (seed 000, section 4.1): each worker
 * draws one a round and sleeps it for every task.
 *
 * A draw follows from the seed, the device and the round alone: every strategy meets the same
 * ones, and a simulation of a round those of the devices.
 */
#ifndef COVEY_LATENCY_H
#define COVEY_LATENCY_H

#include "covey/message_control.h"

/* Milliseconds; 0 of no law. Rounds are numbered from 1. */
double covey_latency_draw(const struct covey_latency *law, uint64_t round);

#endif /* COVEY_LATENCY_H */
