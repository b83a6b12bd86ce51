/* SPDX-License-Identifier: MIT */
#include "combine.h"

#include "../kernels/vkernels.h"

#include <string.h>

/* The sum stays in the first cache while all terms pass through it once. */
enum { BLOCK = 2048 };

void covey__combine(const struct covey__combine *c, size_t floats, float *out)
{
    const struct covey__vkernels *v = covey__vkernels();
    float sum[BLOCK];
    for (size_t first = 0; first < floats; first += BLOCK) {
        size_t count = floats - first < BLOCK ? floats - first : BLOCK;
        memset(sum, 0, count * sizeof(float));
        for (unsigned i = 0; i < c->terms; i++) {
            v->update_axpy(c->factor[i], c->term[i] + first, sum, count);
        }
        memcpy(out + first, sum, count * sizeof(float));
    }
}
