/* SPDX-License-Identifier: MIT */
#include "ops_unary.h"

enum {
    COVEY__TYPES_INTEGER = COVEY__TYPES_NUMBER & ~COVEY__TYPES_FLOAT,
    COVEY__TYPES_SIGNED = COVEY__TYPES_FLOAT | COVEY__TYPE_BIT(I8) | COVEY__TYPE_BIT(I16) |
                          COVEY__TYPE_BIT(I32) | COVEY__TYPE_BIT(I64),
};

#define ROW(op, onnx_name, given_types, infer_function, function)                                  \
    [COVEY_OP_##op % COVEY_OP_FAMILY] = {                                                          \
        .name = onnx_name,                                                                         \
        .inputs_min = 1,                                                                           \
        .inputs_max = 1,                                                                           \
        .outputs_max = 1,                                                                          \
        .in_place = true,                                                                          \
        .empties = true,                                                                           \
        .types = given_types,                                                                      \
        .infer = infer_function,                                                                   \
        .forward = function,                                                                       \
    }
#define SAME(op, onnx_name, given_types, function)                                                 \
    ROW(op, onnx_name, given_types, covey__infer_same, function)

const struct covey__op covey__ops_unary[COVEY_OP_FAMILY] = {
    SAME(RELU, "Relu", COVEY__TYPES_NUMBER, covey__op_relu),
    SAME(LEAKYRELU, "LeakyRelu", COVEY__TYPES_FLOAT, covey__op_leakyrelu),
    SAME(SIGMOID, "Sigmoid", COVEY__TYPES_FLOAT, covey__op_sigmoid),
    SAME(TANH, "Tanh", COVEY__TYPES_FLOAT, covey__op_tanh),
    SAME(CLIP, "Clip", COVEY__TYPES_NUMBER, covey__op_clip),
    [COVEY_OP_IDENTITY % COVEY_OP_FAMILY] =
        {
            .name = "Identity",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .alias = true,
            .in_place = true,
            .empties = true,
            .types = COVEY__TYPES_ALL,
            .infer = covey__infer_same,
            .forward = covey__op_identity,
        },
    ROW(CAST, "Cast", COVEY__TYPES_ALL, covey__infer_cast, covey__op_cast),
    SAME(ABS, "Abs", COVEY__TYPES_NUMBER, covey__op_abs),
    SAME(NEG, "Neg", COVEY__TYPES_SIGNED, covey__op_neg),
    SAME(EXP, "Exp", COVEY__TYPES_FLOAT, covey__op_exp),
    SAME(LOG, "Log", COVEY__TYPES_FLOAT, covey__op_log),
    SAME(SQRT, "Sqrt", COVEY__TYPES_FLOAT, covey__op_sqrt),
    SAME(RECIPROCAL, "Reciprocal", COVEY__TYPES_FLOAT, covey__op_reciprocal),
    SAME(FLOOR, "Floor", COVEY__TYPES_FLOAT, covey__op_floor),
    SAME(CEIL, "Ceil", COVEY__TYPES_FLOAT, covey__op_ceil),
    SAME(ROUND, "Round", COVEY__TYPES_FLOAT, covey__op_round),
    SAME(SIGN, "Sign", COVEY__TYPES_NUMBER, covey__op_sign),
    SAME(ERF, "Erf", COVEY__TYPES_NUMBER, covey__op_erf),
    SAME(SIN, "Sin", COVEY__TYPES_FLOAT, covey__op_sin),
    SAME(COS, "Cos", COVEY__TYPES_FLOAT, covey__op_cos),
    SAME(TAN, "Tan", COVEY__TYPES_FLOAT, covey__op_tan),
    SAME(ASIN, "Asin", COVEY__TYPES_FLOAT, covey__op_asin),
    SAME(ACOS, "Acos", COVEY__TYPES_FLOAT, covey__op_acos),
    SAME(ATAN, "Atan", COVEY__TYPES_FLOAT, covey__op_atan),
    SAME(SINH, "Sinh", COVEY__TYPES_FLOAT, covey__op_sinh),
    SAME(COSH, "Cosh", COVEY__TYPES_FLOAT, covey__op_cosh),
    SAME(ASINH, "Asinh", COVEY__TYPES_FLOAT, covey__op_asinh),
    SAME(ACOSH, "Acosh", COVEY__TYPES_FLOAT, covey__op_acosh),
    SAME(ATANH, "Atanh", COVEY__TYPES_FLOAT, covey__op_atanh),
    SAME(ELU, "Elu", COVEY__TYPES_FLOAT, covey__op_elu),
    SAME(SELU, "Selu", COVEY__TYPES_FLOAT, covey__op_selu),
    SAME(CELU, "Celu", COVEY__TYPES_FLOAT, covey__op_celu),
    SAME(HARDSIGMOID, "HardSigmoid", COVEY__TYPES_FLOAT, covey__op_hardsigmoid),
    SAME(HARDSWISH, "HardSwish", COVEY__TYPES_FLOAT, covey__op_hardswish),
    SAME(SOFTPLUS, "Softplus", COVEY__TYPES_FLOAT, covey__op_softplus),
    SAME(SOFTSIGN, "Softsign", COVEY__TYPES_FLOAT, covey__op_softsign),
    SAME(THRESHOLDEDRELU, "ThresholdedRelu", COVEY__TYPES_FLOAT, covey__op_thresholdedrelu),
    SAME(GELU, "Gelu", COVEY__TYPES_FLOAT, covey__op_gelu),
    SAME(MISH, "Mish", COVEY__TYPES_FLOAT, covey__op_mish),
    SAME(SHRINK, "Shrink", COVEY__TYPES_NUMBER, covey__op_shrink),
    SAME(NOT, "Not", COVEY__TYPE_BIT(BOOL), covey__op_not),
    ROW(ISNAN, "IsNaN", COVEY__TYPES_FLOAT, covey__infer_bool, covey__op_isnan),
    ROW(ISINF, "IsInf", COVEY__TYPES_FLOAT, covey__infer_bool, covey__op_isinf),
    SAME(BITNOT, "BitwiseNot", COVEY__TYPES_INTEGER, covey__op_bitnot),
    SAME(SILU, "Silu", COVEY__TYPES_FLOAT, covey__op_silu),
};
