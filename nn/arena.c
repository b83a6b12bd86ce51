/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 * HUGE_PAGE };

void *covey__arena_new(size_t bytes)
{
    if (bytes < HUGE_FROM) {
        return aligned_alloc(ALIGN, bytes / ALIGN * ALIGN + ALIGN);
    }
    void *arena = aligned_alloc(HUGE_PAGE, (bytes / HUGE_PAGE + 1) * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (arena != NULL) {
        madvise(arena, bytes, MADV_HUGEPAGE); /* only advice: whatever it answers, this works */
    }
#endif
    return arena;
}
