/* SPDX-License-Identifier: MIT */
#include "ops_binary.h"
#include "op_quantize.h"

enum {
    COVEY__TYPES_INTEGER = COVEY__TYPES_NUMBER & ~COVEY__TYPES_FLOAT,
    COVEY__TYPES_UNSIGNED =
        COVEY__TYPE_BIT(U8) | COVEY__TYPE_BIT(U16) | COVEY__TYPE_BIT(U32) | COVEY__TYPE_BIT(U64),
};

/* What every row here shares. */
#define ROW(op, onnx_name, least, most, function, ...)                                             \
    [COVEY_OP_##op % COVEY_OP_FAMILY] = {                                                          \
        .name = onnx_name,                                                                         \
        .inputs_min = least,                                                                       \
        .inputs_max = most,                                                                        \
        .empties = true,                                                                           \
        .forward = covey__op_##function,                                                           \
        __VA_ARGS__,                                                                               \
    }

const struct covey__op covey__ops_binary[COVEY_OP_FAMILY] = {
    ROW(ADD, "Add", 2, 2, add, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true, .fuses = true),
    ROW(SUB, "Sub", 2, 2, sub, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(MUL, "Mul", 2, 2, mul, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(DIV, "Div", 2, 2, div, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(POW, "Pow", 2, 2, pow, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_pow, .in_place = true, .mixed = true),
    ROW(MOD, "Mod", 2, 2, mod, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_mod, .in_place = true),
    ROW(PRELU, "PRelu", 2, 2, prelu, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_prelu, .in_place = true),
    ROW(MAX, "Max", 1, COVEY_NODE_INPUTS_MAX, max, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(MIN, "Min", 1, COVEY_NODE_INPUTS_MAX, min, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(SUM, "Sum", 1, COVEY_NODE_INPUTS_MAX, sum, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(MEAN, "Mean", 1, COVEY_NODE_INPUTS_MAX, mean, .outputs_max = 1, .types = COVEY__TYPES_FLOAT,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(AND, "And", 2, 2, and, .outputs_max = 1, .types = COVEY__TYPE_BIT(BOOL),
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(OR, "Or", 2, 2, or, .outputs_max = 1, .types = COVEY__TYPE_BIT(BOOL),
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(XOR, "Xor", 2, 2, xor, .outputs_max = 1, .types = COVEY__TYPE_BIT(BOOL),
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(EQUAL, "Equal", 2, 2, equal, .outputs_max = 1, .types = COVEY__TYPES_ALL,
        .infer = covey__infer_compare),
    ROW(GREATER, "Greater", 2, 2, greater, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_compare),
    ROW(GREATEREQUAL, "GreaterOrEqual", 2, 2, greaterequal, .outputs_max = 1,
        .types = COVEY__TYPES_NUMBER, .infer = covey__infer_compare),
    ROW(LESS, "Less", 2, 2, less, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_compare),
    ROW(LESSEQUAL, "LessOrEqual", 2, 2, lessequal, .outputs_max = 1, .types = COVEY__TYPES_NUMBER,
        .infer = covey__infer_compare),
    ROW(WHERE, "Where", 3, 3, where, .outputs_max = 1, .types = COVEY__TYPE_BIT(BOOL),
        .infer = covey__infer_where, .mixed = true),
    ROW(BITAND, "BitwiseAnd", 2, 2, bitand, .outputs_max = 1, .types = COVEY__TYPES_INTEGER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(BITOR, "BitwiseOr", 2, 2, bitor, .outputs_max = 1, .types = COVEY__TYPES_INTEGER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(BITXOR, "BitwiseXor", 2, 2, bitxor, .outputs_max = 1, .types = COVEY__TYPES_INTEGER,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(BITSHIFT, "BitShift", 2, 2, bitshift, .outputs_max = 1, .types = COVEY__TYPES_UNSIGNED,
        .infer = covey__infer_broadcast, .in_place = true),
    ROW(QUANTIZE, "QuantizeLinear", 2, 3, quantize, .outputs_max = 1,
        .types = COVEY__TYPES_FLOAT | COVEY__TYPE_BIT(I32), .infer = covey__infer_quantize,
        .mixed = true),
    ROW(DEQUANTIZE, "DequantizeLinear", 2, 3, dequantize, .outputs_max = 1,
        .types = COVEY__TYPES_QUANTIZED, .infer = covey__infer_dequantize, .mixed = true),
    ROW(DYNAMICQUANTIZE, "DynamicQuantizeLinear", 1, 1, dynamicquantize, .outputs_max = 3,
        .types = COVEY__TYPES_F32, .infer = covey__infer_dynamicquantize),
};
