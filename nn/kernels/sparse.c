/* SPDX-License-Identifier: MIT */
#include "sparse.h"

#include "vkernels.h"

size_t covey__sparse_most(size_t count)
{
    return count + (count + 31) / 32;
}

size_t covey__sparse_put(const float *in, size_t count, float *out)
{
    return covey__vkernels()->sparse_put(in, count, out);
}

size_t covey__sparse_take(const float *in, size_t size, float *out, size_t count)
{
    return covey__vkernels()->sparse_take(in, size, out, count);
}
