/* SPDX-License-Identifier: MIT */
#include "resident.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

enum {
    /* Beyond what it has at its start: tables, messages under way, what allocation wastes. */
    LATER_BYTES = 10 << 20,
    LOOK_TICKS = 20,
    TRIM_BYTES = 1 << 20,
};

uint64_t covey__resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    int read = f != NULL ? fscanf(f, "%lu %lu", &all, &resident) : 0;
    if (f != NULL) {
        fclose(f);
    }
    return read == 2 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t covey__resident_left(uint64_t bound)
{
    malloc_trim(0);
    uint64_t own = covey__resident_bytes() + LATER_BYTES;
    return own < bound - bound / 4 ? bound - own : bound / 4;
}

void covey__resident_tick(struct covey_resident *r)
{
    if (++r->ticks % LOOK_TICKS != 0) {
        return;
    }
    uint64_t bytes = covey__resident_bytes();
    if (bytes > r->trimmed_bytes + TRIM_BYTES) {
        malloc_trim(0);
        bytes = covey__resident_bytes();
    }
    r->trimmed_bytes = bytes;
}
