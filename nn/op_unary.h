/* SPDX-License-Identifier: MIT
 *
 * op_unary.h - one function of one number: by vectors, in doubles and in integers.
 */
#ifndef COVEY_NN_OP_UNARY_H
#define COVEY_NN_OP_UNARY_H

#include "kernels/elementwise.h"
#include "ops.h"

enum { COVEY__NOT_FAST = -1 };

struct covey__unary_rule {
    int fast; /* enum covey__unary_kind for float32, or COVEY__NOT_FAST */
    double (*real)(double x, const struct covey_op_attrs *a);
    /* For integers and booleans; NULL: in doubles. is_u64: x holds the bits of an uint64. */
    int64_t (*whole)(int64_t x, bool is_u64, const struct covey_op_attrs *a);
};

/* out = rule(in), of equal shapes; they may be the same tensor. */
void covey__unary_apply(const struct covey__op_call *c, const struct covey__unary_rule *rule,
                        const struct covey_tensor *in, struct covey_tensor *out);
/* The fused activation over output 0 of any type. */
void covey__unary_act(const struct covey__op_call *c);

#endif /* COVEY_NN_OP_UNARY_H */
