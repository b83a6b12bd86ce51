/* SPDX-License-Identifier: MIT
 *
 * tensor.h - shapes and float32 tensors, row-major, little-endian.
 */
#ifndef COVEY_TENSOR_H
#define COVEY_TENSOR_H

#include "covey/bytes.h"
#include "covey/limits.h"

struct covey_shape {
    uint8_t rank;
    uint32_t dims[COVEY_RANK_MAX];
};

/* data is borrowed or owned as the holder of the struct says; 64-byte aligned where we allocate. */
struct covey_tensor {
    struct covey_shape shape;
    float *data;
};

/* Product of the dimensions; LIMIT above COVEY_TENSOR_ELEMENTS_MAX. Rank 0 has one element. */
covey_err covey_shape_count(const struct covey_shape *shape, size_t *out_count) COVEY_CHECK;
bool covey_shape_equal(const struct covey_shape *a, const struct covey_shape *b);

#endif /* COVEY_TENSOR_H */
