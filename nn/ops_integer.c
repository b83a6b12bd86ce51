/* SPDX-License-Identifier: MIT */
#include "ops_integer.h"
#include "op_quantize.h"

#define ROW(op, onnx_name, least, most, function, ...)                                             \
    [COVEY_OP_##op % COVEY_OP_FAMILY] = {                                                          \
        .name = onnx_name,                                                                         \
        .inputs_min = least,                                                                       \
        .inputs_max = most,                                                                        \
        .outputs_max = 1,                                                                          \
        .mixed = true,                                                                             \
        .types = COVEY__TYPES_BYTE,                                                                \
        .infer = covey__infer_##function,                                                          \
        .forward = covey__op_##function,                                                           \
        __VA_ARGS__,                                                                               \
    }

const struct covey__op covey__ops_integer[COVEY_OP_FAMILY] = {
    ROW(CONVINTEGER, "ConvInteger", 2, 4, convinteger, .scratch = covey__scratch_convinteger,
        .exact = &covey__exact_convinteger),
    ROW(MATMULINTEGER, "MatMulInteger", 2, 4, matmulinteger,
        .scratch = covey__scratch_matmulinteger, .exact = &covey__exact_matmulinteger),
    ROW(QLINEARCONV, "QLinearConv", 8, 9, qlinearconv, .scratch = covey__scratch_qlinearconv,
        .exact = &covey__exact_qlinearconv),
    ROW(QLINEARMATMUL, "QLinearMatMul", 8, 8, qlinearmatmul,
        .scratch = covey__scratch_qlinearmatmul, .exact = &covey__exact_qlinearmatmul),
    ROW(QLINEARADD, "QLinearAdd", 2, 8, qlinearadd, .in_place = true, .empties = true),
};
