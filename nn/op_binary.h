/* SPDX-License-Identifier: MIT
 *
 * op_binary.h - one function of two numbers: by vectors, in doubles and in integers.
 */
#ifndef COVEY_NN_OP_BINARY_H
#define COVEY_NN_OP_BINARY_H

#include "kernels/elementwise.h"
#include "op_binary_spread.h"
#include "op_unary.h"

/* a[i] = f(a[i], b[i]) */
typedef void (*covey__real_fn)(double *a, const double *b, size_t count);
typedef void (*covey__whole_fn)(int64_t *a, const int64_t *b, size_t count);

struct covey__binary_rule {
    int fast; /* enum covey__binary_kind for float32, or COVEY__NOT_FAST */
    covey__real_fn real;
    covey__whole_fn whole[2]; /* [1]: on the bits of uint64 */
};

/* Output 0 = rule(input 0, input 1), broadcast. */
void covey__binary_apply(const struct covey__op_call *c, const struct covey__binary_rule *rule);
/* The same over any number of inputs, from the first to the last. */
void covey__variadic_apply(const struct covey__op_call *c, const struct covey__binary_rule *rule);

/* An input along a row of the result, repeated where it is one element. */
void covey__row_reals(const struct covey__row *row, unsigned input, double *out);
void covey__row_ints(const struct covey__row *row, unsigned input, int64_t *out);

#endif /* COVEY_NN_OP_BINARY_H */
