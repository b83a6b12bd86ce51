/* SPDX-License-Identifier: MIT */
#include "ops_window.h"

#define AT(op) [COVEY_OP_##op % COVEY_OP_FAMILY]

const struct covey__op covey__ops_window[COVEY_OP_FAMILY] = {
    AT(MAXPOOL) =
        {
            .name = "MaxPool",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_pool,
            .forward = covey__op_maxpool,
        },
    AT(AVGPOOL) =
        {
            .name = "AveragePool",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_pool,
            .forward = covey__op_avgpool,
        },
    AT(GLOBALAVGPOOL) =
        {
            .name = "GlobalAveragePool",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_globalavgpool,
            .forward = covey__op_globalavgpool,
        },
    AT(LRN) =
        {
            .name = "LRN",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_lrn,
            .forward = covey__op_lrn,
        },
    AT(SOFTMAX) =
        {
            .name = "Softmax",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_softmax,
            .forward = covey__op_softmax,
        },
    AT(LOGSOFTMAX) =
        {
            .name = "LogSoftmax",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .in_place = true,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_softmax,
            .forward = covey__op_logsoftmax,
        },
    AT(REDUCEMEAN) =
        {
            .name = "ReduceMean",
            .inputs_min = 1,
            .inputs_max = 1,
            .outputs_max = 1,
            .types = COVEY__TYPES_F32,
            .infer = covey__infer_reduce,
            .forward = covey__op_reducemean,
        },
};
