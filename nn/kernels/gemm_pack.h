/* SPDX-License-Identifier: MIT
 *
 * gemm_pack.h - the left matrix of a product in panels of rows, as the inner loops read it.
 */
#ifndef COVEY_NN_GEMM_PACK_H
#define COVEY_NN_GEMM_PACK_H

#include <stddef.h>
#include <stdint.h>

/* Floats of A [m x k] in panels of mr rows. */
uint64_t covey__gemm_packed_floats(size_t m, size_t k, size_t mr);
/* a [m][k] to out [m / mr up][k][mr], zero in the rows that the last panel lacks. */
struct covey__gemm_pack {
    const float *a;
    size_t m, k, mr;
    float *out;
};
void covey__gemm_pack(const struct covey__gemm_pack *p);

#endif /* COVEY_NN_GEMM_PACK_H */
