/* SPDX-License-Identifier: MIT */
#include "read_typed.h"

#include <math.h>
#include <stdlib.h>

#include "read_file.h"
#include "read_why.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files' elements are little-endian");

float covey__to_float(double v)
{
    /* The first value that rounds to infinity; the conversion beyond it is undefined in C. */
    const double limit = 3.4028235677973366e38;
    return v >= limit ? INFINITY : v <= -limit ? -INFINITY : (float)v;
}

bool covey__finite(float v)
{
    return isfinite(v);
}

void covey__typed_floats(const struct covey_tensor *t, size_t count, float *out)
{
    if (t->type == COVEY_TYPE_F32) {
        memcpy(out, t->data, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = covey__to_float(covey_tensor_element(t, i));
    }
}

covey_err covey_read_typed(const char *path, enum covey_type *out_type,
                           struct covey_shape *out_shape, void **out_data,
                           struct covey_nn_error *out_why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    struct covey_tensor t = {0};
    covey_err err = covey__file_read(path, COVEY_FILE_INPUT_MAX, &file, out_why);
    if (err) {
        return err;
    }
    struct covey_bytes bytes = covey_bytes_of(file.ptr, file.len);
    err = covey__is_npy(bytes) ? covey__decode_npy(bytes, &t, &inner)
                               : covey__decode_pb(bytes, &t, &inner);
    free(file.ptr);
    if (err) {
        return covey__why_file(err, out_why, path, &inner);
    }
    *out_type = t.type;
    *out_shape = t.shape;
    *out_data = t.data;
    return COVEY_OK;
}
