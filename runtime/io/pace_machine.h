/* SPDX-License-Identifier: MIT
 *
 * pace_machine.h - all that the ledger of pace.c asks of this machine, so that a test can play one.
 */
#ifndef COVEY_PACE_MACHINE_H
#define COVEY_PACE_MACHINE_H

#include <stdint.h>

uint64_t covey__machine_now_ns(void);
/* What the calling thread used of a processor. */
uint64_t covey__machine_cpu_ns(void);
/* For how long the thread that asked first, the loop's, was ready to run and others had the
 * processor; 0: unknown. */
uint64_t covey__machine_delay_ns(void);
/* Returns at once when that is over. */
void covey__machine_sleep_until(uint64_t at_ns);
/* Sleeps of this thread, and of those that it starts from now on, end as near to their time as the
 * machine can. */
void covey__machine_sleep_exactly(void);

#endif /* COVEY_PACE_MACHINE_H */
