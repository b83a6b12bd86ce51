/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "pace_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "covey/bytes.h"

#define NS_PER_S UINT64_C(1000000000)

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    int rc = clock_gettime(clock, &t);
    COVEY_ASSERT(rc == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t covey__machine_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t covey__machine_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* Of /proc/thread-self/schedstat the second number. */
uint64_t covey__machine_delay_ns(void)
{
    static int delays = -1;
    char text[64];
    if (delays < 0) {
        delays = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    }
    ssize_t len = pread(delays, text, sizeof(text) - 1, 0);
    if (len <= 0) {
        return 0;
    }
    text[len] = '\0';
    char *end = text;
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10);
}

void covey__machine_sleep_until(uint64_t at_ns)
{
    struct timespec t = {.tv_sec = (time_t)(at_ns / NS_PER_S), .tv_nsec = (long)(at_ns % NS_PER_S)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

/* The default lets a sleep end 50 us late. */
void covey__machine_sleep_exactly(void)
{
    int ignored = prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
    (void)ignored;
}
