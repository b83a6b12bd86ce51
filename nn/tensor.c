/* SPDX-License-Identifier: MIT */
#include "covey/tensor.h"

size_t covey_type_size(enum covey_type type)
{
    static const uint8_t sizes[COVEY_TYPE_COUNT] = {4, 8, 2, 1, 1, 2, 2, 4, 4, 8, 8, 1};
    return (unsigned)type < COVEY_TYPE_COUNT ? sizes[type] : 0;
}

const char *covey_type_name(enum covey_type type)
{
    static const char *const names[COVEY_TYPE_COUNT] = {"float32", "float64", "float16", "uint8",
                                                        "int8",    "uint16",  "int16",   "uint32",
                                                        "int32",   "uint64",  "int64",   "bool"};
    return (unsigned)type < COVEY_TYPE_COUNT ? names[type] : "unknown";
}

covey_err covey_shape_count(const struct covey_shape *shape, size_t *out_count)
{
    uint64_t count = 1;
    if (shape->rank > COVEY_RANK_MAX) {
        return COVEY_ERR_LIMIT;
    }
    for (unsigned i = 0; i < shape->rank; i++) {
        if (shape->dims[i] > COVEY_TENSOR_ELEMENTS_MAX) {
            return COVEY_ERR_LIMIT;
        }
        count *= shape->dims[i]; /* both factors are at most 2^28 */
        if (count > COVEY_TENSOR_ELEMENTS_MAX) {
            return COVEY_ERR_LIMIT;
        }
    }
    *out_count = (size_t)count;
    return COVEY_OK;
}

bool covey_shape_equal(const struct covey_shape *a, const struct covey_shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (unsigned i = 0; i < a->rank && i < COVEY_RANK_MAX; i++) {
        if (a->dims[i] != b->dims[i]) {
            return false;
        }
    }
    return true;
}
