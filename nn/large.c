/* SPDX-License-Identifier: MIT */
#include "covey/large.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20 };

void *covey_large_new(uint64_t wanted)
{
    if (wanted > PTRDIFF_MAX) {
        return NULL;
    }
    size_t bytes = (size_t)wanted;
    if (bytes < HUGE_PAGE) {
        return aligned_alloc(ALIGN, bytes / ALIGN * ALIGN + ALIGN);
    }
    void *large = aligned_alloc(HUGE_PAGE, (bytes / HUGE_PAGE + 1) * HUGE_PAGE);
#ifdef MADV_HUGEPAGE
    if (large != NULL) {
        /* Only advice: whatever it answers, this works. */
        madvise(large, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    }
#endif
    return large;
}
