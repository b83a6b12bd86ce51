/* SPDX-License-Identifier: MIT */
#include "gemm_pack.h"

uint64_t covey__gemm_packed_floats(size_t m, size_t k, size_t mr)
{
    return (uint64_t)(m + mr - 1) / mr * mr * k;
}

void covey__gemm_pack(const struct covey__gemm_pack *p)
{
    float *out = p->out;
    for (size_t row = 0; row < p->m; row += p->mr) {
        for (size_t k = 0; k < p->k; k++, out += p->mr) {
            for (size_t i = 0; i < p->mr; i++) {
                out[i] = row + i < p->m ? p->a[(row + i) * p->k + k] : 0.0f;
            }
        }
    }
}
