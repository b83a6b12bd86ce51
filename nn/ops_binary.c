/* SPDX-License-Identifier: MIT */
#include "ops_binary.h"

#define AT(op) [COVEY_OP_##op % COVEY_OP_FAMILY]

const struct covey__op covey__ops_binary[COVEY_OP_FAMILY] = {
    AT(ADD) =
        {
            .name = "Add",
            .inputs_min = 2,
            .inputs_max = 2,
            .outputs_max = 1,
            .in_place = true,
            .fuses = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_broadcast,
            .forward = covey__op_add,
        },
    AT(SUB) =
        {
            .name = "Sub",
            .inputs_min = 2,
            .inputs_max = 2,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_broadcast,
            .forward = covey__op_sub,
        },
    AT(MUL) =
        {
            .name = "Mul",
            .inputs_min = 2,
            .inputs_max = 2,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_broadcast,
            .forward = covey__op_mul,
        },
    AT(DIV) =
        {
            .name = "Div",
            .inputs_min = 2,
            .inputs_max = 2,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_broadcast,
            .forward = covey__op_div,
        },
};
