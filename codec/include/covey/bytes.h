/* SPDX-License-Identifier: MIT
 *
 * bytes.h - byte views, checked sizes, little-endian loads and stores.
 */
#ifndef COVEY_BYTES_H
#define COVEY_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "covey/err.h"

/* Borrowed: valid for the call only, unless a comment says otherwise. */
struct covey_bytes {
    const uint8_t *ptr;
    size_t len;
};

/* Space to write into; len is its capacity. */
struct covey_buf {
    uint8_t *ptr;
    size_t len;
};

/* Programmer errors; stays on in release builds. Never for data from outside. */
#define COVEY_ASSERT(x) ((x) ? (void)0 : covey__assert_fail(#x, __FILE__, __LINE__))
_Noreturn void covey__assert_fail(const char *what, const char *file, int line);

static inline struct covey_bytes covey_bytes_of(const void *ptr, size_t len)
{
    struct covey_bytes b = {(const uint8_t *)ptr, len};
    return b;
}

static inline bool covey_bytes_equal(struct covey_bytes a, struct covey_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Sizes from outside are multiplied and added only with these; *out is written on success only. */
static inline COVEY_CHECK covey_err covey_size_mul(size_t a, size_t b, size_t *out)
{
    size_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) {
        return COVEY_ERR_LIMIT;
    }
    *out = result;
    return COVEY_OK;
}

static inline COVEY_CHECK covey_err covey_size_add(size_t a, size_t b, size_t *out)
{
    size_t result = 0;
    if (__builtin_add_overflow(a, b, &result)) {
        return COVEY_ERR_LIMIT;
    }
    *out = result;
    return COVEY_OK;
}

static inline void covey_store16(uint8_t p[static 2], uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void covey_store32(uint8_t p[static 4], uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static inline void covey_store64(uint8_t p[static 8], uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static inline uint16_t covey_load16(const uint8_t p[static 2])
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static inline uint32_t covey_load32(const uint8_t p[static 4])
{
    uint32_t v = 0;
    for (int i = 3; i >= 0; i--) {
        v = (v << 8) | p[i];
    }
    return v;
}

static inline uint64_t covey_load64(const uint8_t p[static 8])
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = (v << 8) | p[i];
    }
    return v;
}

#endif /* COVEY_BYTES_H */
