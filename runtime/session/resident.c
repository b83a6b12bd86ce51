/* SPDX-License-Identifier: MIT */
#include "resident.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "services.h"

enum {
    /* Beyond what it has at its start: tables, messages under way, what allocation wastes. */
    LATER_BYTES = 4 << 20,
    UNKNOWN_BYTES = 1 << 30, /* where the system does not say what it has */
    LOOK_TICKS = 20,
    TRIM_BYTES = 1 << 20,
    NEAR_TRIM_BYTES = 1 << 18, /* near the bound */
    NEAR_SHARE = 16,           /* of the bound is near it */
    PUT_OFF_MAX = 15,          /* looks */
    /* Of the store is for manifests, small constants, and what is in no plan's slice. */
    STORE_REST_SHARE = 16,
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

uint64_t covey__resident_bound(uint64_t asked, uint64_t machine, uint64_t addresses)
{
    uint64_t bytes = asked != 0 ? asked : machine != 0 ? machine / 2 : UNKNOWN_BYTES;
    return bytes < addresses / 2 ? bytes : addresses / 2;
}

static uint64_t at_least_one(uint64_t bytes)
{
    return bytes > 0 ? bytes : 1;
}

void covey__resident_offer(struct covey_services *services)
{
    struct covey_member_info self;
    uint64_t bound = services->memory.limit_bytes;
    malloc_trim(0);
    uint64_t own = covey__resident_bytes() + LATER_BYTES;
    services->memory.limit_bytes = at_least_one(own < bound - bound / 4 ? bound - own : bound / 4);
    uint64_t quota = covey__store_quota(&services->store);
    services->store_bytes = at_least_one(quota - quota / STORE_REST_SHARE);
    bool found = services->member(services->user, NULL, &self);
    COVEY_ASSERT(found);
    struct covey_event event = {.type = COVEY_EVENT_MEASURED,
                                .rates = self.rates,
                                .memory_bytes = services->memory.limit_bytes,
                                .store_bytes = services->store_bytes};
    services->feed(services->user, &event);
}

static bool is_near(const struct covey_resident *r, uint64_t bytes)
{
    return bytes > r->bound_bytes - r->bound_bytes / NEAR_SHARE;
}

void covey__resident_tick(struct covey_resident *r, bool busy)
{
    bool due = ++r->ticks % LOOK_TICKS == 0;
    if (!due && r->bound_bytes == 0) {
        return;
    }
    uint64_t bytes = covey__resident_bytes();
    if (!due && (!is_near(r, bytes) || bytes <= r->trimmed_bytes + NEAR_TRIM_BYTES)) {
        return;
    }
    if (!due || bytes > r->trimmed_bytes + TRIM_BYTES) {
        if (busy && r->bound_bytes == 0 && r->put_off < PUT_OFF_MAX) {
            r->put_off++;
            return;
        }
        r->put_off = 0;
        malloc_trim(0);
        bytes = covey__resident_bytes();
    }
    r->trimmed_bytes = bytes;
}
