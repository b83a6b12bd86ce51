/* SPDX-License-Identifier: MIT */
#include "ops_unary.h"
#include "ops_move.h"

#define AT(op) [COVEY_OP_##op % COVEY_OP_FAMILY]

const struct covey__op covey__ops_unary[COVEY_OP_FAMILY] = {
    AT(RELU) =
        {
            .name = "Relu",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_relu,
        },
    AT(LEAKYRELU) =
        {
            .name = "LeakyRelu",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_leakyrelu,
        },
    AT(SIGMOID) =
        {
            .name = "Sigmoid",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_sigmoid,
        },
    AT(TANH) =
        {
            .name = "Tanh",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_tanh,
        },
    AT(CLIP) =
        {
            .name = "Clip",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_clip,
        },
    AT(IDENTITY) =
        {
            .name = "Identity",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .alias = true,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_same,
            .forward = covey__op_copy,
        },
};
