/* SPDX-License-Identifier: MIT */
#include "ops_layer.h"

#include "ops_unary.h"
#include "ops_move.h"

#define AT(op) [COVEY_OP_##op % COVEY_OP_FAMILY]

const struct covey__op covey__ops_layer[COVEY_OP_FAMILY] = {
    AT(CONV) =
        {
            .name = "Conv",
            .inputs_min = 2,
            .inputs_max = 4,
            .outputs_max = 1,
            .fuses = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_conv,
            .forward = covey__op_conv,
            .scratch = covey__scratch_conv,
        },
    AT(DENSE) =
        {
            .name = "Gemm",
            .inputs_min = 2,
            .inputs_max = 3,
            .outputs_max = 1,
            .fuses = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_dense,
            .forward = covey__op_dense,
        },
    AT(MATMUL) =
        {
            .name = "MatMul",
            .inputs_min = 2,
            .inputs_max = 2,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_matmul,
            .forward = covey__op_matmul,
        },
    AT(BATCHNORM) =
        {
            .name = "BatchNormalization",
            .inputs_min = 5,
            .inputs_max = 5,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_batchnorm,
            .forward = covey__op_batchnorm,
        },
    AT(DROPOUT) =
        {
            .name = "Dropout",
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
