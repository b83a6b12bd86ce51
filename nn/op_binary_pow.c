/* SPDX-License-Identifier: MIT */
#include "op_binary.h"
#include "op_cast_chunk.h"
#include "ops_binary.h"

#include <math.h>

covey_err covey__infer_pow(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    covey_err err = covey__type_among(c->in[1], COVEY__TYPES_NUMBER, out_why);
    return err == COVEY_OK ? covey__infer_broadcast(c, out, out_why) : err;
}

/* a^b by squaring, wrapping around. */
static uint64_t power(uint64_t a, uint64_t b)
{
    uint64_t v = 1;
    for (; b != 0; b >>= 1) {
        v = (b & 1) != 0 ? v * a : v;
        a *= a;
    }
    return v;
}

/* Negative exponents of integers: towards zero, so 0 but for 1 and -1. 0 to a negative power has no
 * value; it gives 0. */
static int64_t power_signed(int64_t a, int64_t b)
{
    if (b >= 0) {
        return (int64_t)power((uint64_t)a, (uint64_t)b);
    }
    return a == 1 ? 1 : a == -1 ? ((b & 1) != 0 ? -1 : 1) : 0;
}

static void whole_row(const struct covey__row *row)
{
    int64_t a[COVEY__ROW_MAX], b[COVEY__ROW_MAX];
    bool positive = row->c->in[1]->type == COVEY_TYPE_U64;
    covey__row_ints(row, 0, a);
    covey__row_ints(row, 1, b);
    for (size_t i = 0; i < row->count; i++) {
        a[i] = positive ? (int64_t)power((uint64_t)a[i], (uint64_t)b[i]) : power_signed(a[i], b[i]);
    }
    covey__chunk_put_ints(row->c->out[0], row->out, row->count, a);
}

static void real_row(const struct covey__row *row)
{
    double a[COVEY__ROW_MAX], b[COVEY__ROW_MAX];
    covey__row_reals(row, 0, a);
    covey__row_reals(row, 1, b);
    for (size_t i = 0; i < row->count; i++) {
        a[i] = b[i] == 2.0 ? a[i] * a[i] : pow(a[i], b[i]);
    }
    covey__chunk_put_reals(row->c->out[0], row->out, row->count, a);
}

/* The most common one by far: float32 squared. */
static bool is_square(const struct covey__op_call *c)
{
    return c->in[0]->type == COVEY_TYPE_F32 &&
           covey__shape_elements(&c->in[0]->shape) == covey__shape_elements(&c->out[0]->shape) &&
           covey__shape_elements(&c->in[1]->shape) == 1 &&
           covey_tensor_element(c->in[1], 0) >= 2.0 && covey_tensor_element(c->in[1], 0) <= 2.0;
}

void covey__op_pow(const struct covey__op_call *c)
{
    if (is_square(c)) {
        covey__unary_run((struct covey__unary){.kind = COVEY__UNARY_SQUARE}, covey__in(c, 0),
                         covey__out(c), covey__shape_elements(&c->out[0]->shape), c->threads);
        return;
    }
    bool real = covey_type_is_float(c->in[0]->type) || covey_type_is_float(c->in[1]->type);
    covey__spread_run(c, 2, real ? real_row : whole_row, NULL);
}
