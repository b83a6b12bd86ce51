/* SPDX-License-Identifier: MIT
 *
 * tensor.h - element types, shapes and tensors: row-major, little-endian.
 */
#ifndef COVEY_TENSOR_H
#define COVEY_TENSOR_H

#include "covey/bytes.h"
#include "covey/limits.h"

/* Numbers travel in manifests: append-only. */
enum covey_type {
    COVEY_TYPE_F32,
    COVEY_TYPE_F64,
    COVEY_TYPE_F16, /* IEEE binary16, as its bits */
    COVEY_TYPE_U8,
    COVEY_TYPE_I8,
    COVEY_TYPE_U16,
    COVEY_TYPE_I16,
    COVEY_TYPE_U32,
    COVEY_TYPE_I32,
    COVEY_TYPE_U64,
    COVEY_TYPE_I64,
    COVEY_TYPE_BOOL, /* one byte, 0 or 1 */
    COVEY_TYPE_COUNT,
};

/* Bytes of one element; 0 for numbers that are no type. */
size_t covey_type_size(enum covey_type type);
const char *covey_type_name(enum covey_type type);

/* Rank 0 is a scalar. A dimension may be 0: the tensor is empty. */
struct covey_shape {
    uint8_t rank;
    uint32_t dims[COVEY_RANK_MAX];
};

/* data is borrowed or owned as the holder of the struct says; 64-byte aligned where we allocate. */
struct covey_tensor {
    enum covey_type type;
    struct covey_shape shape;
    void *data;
};

bool covey_type_is_float(enum covey_type type);
/* Element i, whatever the type: 64-bit integers beyond 2^53 are rounded. */
double covey_tensor_element(const struct covey_tensor *t, size_t i);

/* Product of the dimensions; LIMIT above COVEY_TENSOR_ELEMENTS_MAX. Rank 0 has one element. */
covey_err covey_shape_count(const struct covey_shape *shape, size_t *out_count) COVEY_CHECK;
bool covey_shape_equal(const struct covey_shape *a, const struct covey_shape *b);

#endif /* COVEY_TENSOR_H */
