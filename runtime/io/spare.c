/* SPDX-License-Identifier: MIT */
#include "spare.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "covey/body.h"
#include "covey/loop.h"

/* From LARGE on a body has addresses for as many bytes as it may ever get, and takes memory for
 * those that were written. Where addresses are scarce, all bodies come from the heap. */
enum { ALIGN = 64, PAGE = 1 << 16, LARGE = 2 << 20, SPARES = 8, SPARE_BYTES = 80 << 20 };

#define KEPT_NS UINT64_C(20000000000)

struct spare {
    uint8_t *data;
    size_t bytes;
    uint64_t since_ns;
};

static struct {
    pthread_mutex_t mutex;
    /* under mutex; oldest first */
    struct spare spare[SPARES];
    size_t bytes;
    _Atomic unsigned count; /* may be looked at without */
    _Atomic bool none;
} kept = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool is_large(size_t capacity)
{
    return sizeof(void *) > 4 && capacity >= LARGE;
}

/* Under the mutex. */
static struct spare take(unsigned index)
{
    struct spare s = kept.spare[index];
    kept.count--;
    kept.bytes -= s.bytes;
    for (unsigned i = index; i < kept.count; i++) {
        kept.spare[i] = kept.spare[i + 1];
    }
    return s;
}

size_t covey__spare_room(size_t capacity)
{
    return is_large(capacity) ? COVEY_BODY_MAX : capacity;
}

uint8_t *covey__spare_new(size_t capacity)
{
    if (!is_large(capacity)) {
        return aligned_alloc(ALIGN, capacity);
    }
    pthread_mutex_lock(&kept.mutex);
    uint8_t *data = kept.count > 0 ? take(kept.count - 1).data : NULL;
    pthread_mutex_unlock(&kept.mutex);
    if (data != NULL) {
        return data;
    }
    data = mmap(NULL, COVEY_BODY_MAX, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data != MAP_FAILED ? data : NULL;
}

void covey__spare_free(uint8_t *data, size_t capacity, size_t used)
{
    if (data == NULL || !is_large(capacity)) {
        free(data);
        return;
    }
    struct spare s = {data, (used + PAGE - 1) / PAGE * PAGE, covey_clock_ns()};
    if (s.bytes < COVEY_BODY_MAX && !kept.none) { /* what another body wrote there before */
        madvise(data + s.bytes, COVEY_BODY_MAX - s.bytes, MADV_DONTNEED);
    }
    pthread_mutex_lock(&kept.mutex);
    bool keep = !kept.none && kept.count < SPARES && kept.bytes + s.bytes <= SPARE_BYTES;
    if (keep) {
        kept.bytes += s.bytes;
        kept.spare[kept.count++] = s;
    }
    pthread_mutex_unlock(&kept.mutex);
    if (!keep) {
        munmap(data, COVEY_BODY_MAX);
    }
}

void covey_body_keep_none(void)
{
    kept.none = true;
}

void covey__spare_trim(void)
{
    while (kept.count > 0) {
        uint64_t now = covey_clock_ns();
        struct spare s = {.data = NULL};
        pthread_mutex_lock(&kept.mutex);
        if (kept.count > 0 && now > kept.spare[0].since_ns + KEPT_NS) {
            s = take(0);
        }
        pthread_mutex_unlock(&kept.mutex);
        if (s.data == NULL) {
            return;
        }
        munmap(s.data, COVEY_BODY_MAX);
    }
}
