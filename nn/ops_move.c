/* SPDX-License-Identifier: MIT */
#include "ops_move.h"

#define AT(op) [COVEY_OP_##op % COVEY_OP_FAMILY]

const struct covey__op covey__ops_move[COVEY_OP_FAMILY] = {
    AT(CONCAT) =
        {
            .name = "Concat",
            .inputs_min = 1,
            .inputs_max = COVEY_NODE_INPUTS_MAX,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_concat,
            .forward = covey__op_concat,
        },
    AT(RESHAPE) =
        {
            .name = "Reshape",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .alias = true,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_reshape,
            .forward = covey__op_copy,
        },
    AT(FLATTEN) =
        {
            .name = "Flatten",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .alias = true,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_flatten,
            .forward = covey__op_copy,
        },
    AT(TRANSPOSE) =
        {
            .name = "Transpose",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_transpose,
            .forward = covey__op_transpose,
        },
    AT(PAD) =
        {
            .name = "Pad",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_pad,
            .forward = covey__op_pad,
        },
};
