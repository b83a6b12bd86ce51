/* SPDX-License-Identifier: MIT */
#include "covey/tensor.h"

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
