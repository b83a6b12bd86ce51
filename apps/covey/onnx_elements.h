/* SPDX-License-Identifier: MIT
 *
 * onnx_elements.h - the elements of a TensorProto: of which type they are, in which of its fields,
 * and in whose bytes. For models and for tensors in files of their own.
 */
#ifndef COVEY_ONNX_ELEMENTS_H
#define COVEY_ONNX_ELEMENTS_H

#include "covey/bytes.h"
#include "covey/tensor.h"
#include "onnx.pb-c.h"

/* The field of a TensorProto that holds elements of a type where raw_data does not. */
enum covey__onnx_field {
    COVEY__ONNX_FLOAT,
    COVEY__ONNX_INT32,
    COVEY__ONNX_INT64,
    COVEY__ONNX_DOUBLE,
    COVEY__ONNX_UINT64,
};

struct covey__onnx_elements {
    int32_t onnx;
    enum covey_type type;
    enum covey__onnx_field field;
    int64_t low, high; /* of INT32 and UINT64, which also hold smaller types */
};

/* NULL: the type is not supported. */
const struct covey__onnx_elements *covey__onnx_elements(int64_t onnx);

/* Where raw_data lies in the file, from the reference the walk left; false: there is none. */
bool covey__onnx_find_raw(struct covey_bytes file, const Onnx__TensorProto *t,
                          struct covey_bytes *out);
size_t covey__onnx_field_count(const Onnx__TensorProto *t, enum covey__onnx_field field);
/* Elements of a typed field, which has so many, in the bytes of their type; false: one does not
 * fit. */
bool covey__onnx_field_copy(const Onnx__TensorProto *t, const struct covey__onnx_elements *type,
                            size_t count, uint8_t *out);

#endif /* COVEY_ONNX_ELEMENTS_H */
