/* SPDX-License-Identifier: MIT
 *
 * vtest.h - what the tests of the float32 kernels share.
 */
#ifndef COVEY_TESTS_VTEST_H
#define COVEY_TESTS_VTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "covey/threads.h"
#include "../../nn/kernels/vkernels.h"

/* count values in [-1, 1), the same in every run; the caller frees. */
static inline float *filled(size_t count)
{
    static uint32_t seed = 1;
    float *data = malloc((count > 0 ? count : 1) * sizeof(*data));
    assert_non_null(data);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(int32_t)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return data;
}

#endif /* COVEY_TESTS_VTEST_H */
