/* SPDX-License-Identifier: MIT
 *
 * op_reduce.h - groups of elements made one number each.
 */
#ifndef COVEY_NN_OP_REDUCE_H
#define COVEY_NN_OP_REDUCE_H

#include "ops.h"

enum covey__reduce_kind {
    COVEY__REDUCE_MEAN,
    COVEY__REDUCE_SUM,
    COVEY__REDUCE_MAX,
    COVEY__REDUCE_MIN,
    COVEY__REDUCE_PROD,
    COVEY__REDUCE_L1,
    COVEY__REDUCE_L2,
    COVEY__REDUCE_SUMSQUARE,
    COVEY__REDUCE_LOGSUM,
    COVEY__REDUCE_LOGSUMEXP,
    COVEY__REDUCE_LP, /* (sum |x|^power)^(1 / power) */
};

/* Output 0 from input 0 over the axes (bits); empty groups give what ONNX says. */
void covey__reduce(const struct covey__op_call *c, enum covey__reduce_kind kind, uint32_t axes,
                   double power);

#endif /* COVEY_NN_OP_REDUCE_H */
