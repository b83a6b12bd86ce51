/* SPDX-License-Identifier: MIT */
#include "op_binary.h"
#include "op_cast_chunk.h"
#include "ops_binary.h"

#include <math.h>

#define REAL(name, expression)                                                                     \
    static void real_##name(double *x, const double *y, size_t count)                              \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            double a = x[i], b = y[i];                                                             \
            x[i] = expression;                                                                     \
        }                                                                                          \
    }

#define WHOLE(name, expression)                                                                    \
    static void whole_##name(int64_t *x, const int64_t *y, size_t count)                           \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            int64_t a = x[i], b = y[i];                                                            \
            x[i] = expression;                                                                     \
        }                                                                                          \
    }

/* The bits of uint64; also what wraps around, which signed arithmetic must not. */
#define BITS(name, expression)                                                                     \
    static void bits_##name(int64_t *x, const int64_t *y, size_t count)                            \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            uint64_t a = (uint64_t)x[i], b = (uint64_t)y[i];                                       \
            x[i] = (int64_t)(expression);                                                          \
        }                                                                                          \
    }

REAL(add, a + b)
REAL(sub, a - b)
REAL(mul, a *b)
REAL(div, a / b)
REAL(max, isnan(a) ? a : a > b ? a : b)
REAL(min, isnan(a) ? a : a < b ? a : b)
REAL(prelu, a < 0.0 ? a * b : a)
REAL(fmod, fmod(a, b))

BITS(add, a + b)
BITS(sub, a - b)
BITS(mul, a *b)
/* By zero: 0. By -1 the negative, which for the least number is that number again. */
WHOLE(div, b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b)
BITS(div, b == 0 ? 0 : a / b)
WHOLE(max, a > b ? a : b)
BITS(max, a > b ? a : b)
WHOLE(min, a < b ? a : b)
BITS(min, a < b ? a : b)
WHOLE(prelu, a < 0 ? (int64_t)((uint64_t)a * (uint64_t)b) : a)
BITS(prelu, a + 0 * b) /* none is below 0 */
WHOLE(fmod, b == 0 || b == -1 ? 0 : a % b)
BITS(mod, b == 0 ? 0 : a % b)

/* Python's remainder has the sign of the divisor. */
static int64_t python_mod(int64_t a, int64_t b)
{
    int64_t rest = b == 0 || b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
WHOLE(mod, python_mod(a, b))

WHOLE(and, a != 0 && b != 0)
WHOLE(or, a != 0 || b != 0)
WHOLE(xor, (a != 0) != (b != 0))
WHOLE(bitand, a &b)
WHOLE(bitor, a | b)
WHOLE(bitxor, a ^ b)
BITS(left, b > 63 ? 0 : a << b)
BITS(right, b > 63 ? 0 : a >> b)

#define FAST(name) (int)COVEY__BINARY_##name
#define OPERATOR(name, apply, ...)                                                                 \
    void covey__op_##name(const struct covey__op_call *c)                                          \
    {                                                                                              \
        static const struct covey__binary_rule rule = {__VA_ARGS__};                               \
        apply(c, &rule);                                                                           \
    }

OPERATOR(sub, covey__binary_apply, FAST(SUB), real_sub, {bits_sub, bits_sub})
OPERATOR(mul, covey__binary_apply, FAST(MUL), real_mul, {bits_mul, bits_mul})
OPERATOR(div, covey__binary_apply, FAST(DIV), real_div, {whole_div, bits_div})
OPERATOR(prelu, covey__binary_apply, FAST(PRELU), real_prelu, {whole_prelu, bits_prelu})
OPERATOR(max, covey__variadic_apply, FAST(MAX), real_max, {whole_max, bits_max})
OPERATOR(min, covey__variadic_apply, FAST(MIN), real_min, {whole_min, bits_min})
OPERATOR(sum, covey__variadic_apply, FAST(ADD), real_add, {bits_add, bits_add})
OPERATOR(and, covey__binary_apply, COVEY__NOT_FAST, NULL, {whole_and, whole_and})
OPERATOR(or, covey__binary_apply, COVEY__NOT_FAST, NULL, {whole_or, whole_or})
OPERATOR(xor, covey__binary_apply, COVEY__NOT_FAST, NULL,
         {
             whole_xor, whole_xor})
OPERATOR(bitand, covey__binary_apply, COVEY__NOT_FAST, NULL, {whole_bitand, whole_bitand})
OPERATOR(bitor, covey__binary_apply, COVEY__NOT_FAST, NULL, {whole_bitor, whole_bitor})
OPERATOR(bitxor, covey__binary_apply, COVEY__NOT_FAST, NULL, {whole_bitxor, whole_bitxor})

void covey__op_add(const struct covey__op_call *c)
{
    static const struct covey__binary_rule rule = {FAST(ADD), real_add, {bits_add, bits_add}};
    covey__binary_apply(c, &rule);
    covey__unary_act(c);
}

static void divide_row(const struct covey__row *row)
{
    double v[COVEY__ROW_MAX];
    covey__chunk_reals(row->c->out[0], row->out, row->count, v);
    for (size_t i = 0; i < row->count; i++) {
        v[i] /= row->c->inputs;
    }
    covey__chunk_put_reals(row->c->out[0], row->out, row->count, v);
}

void covey__op_mean(const struct covey__op_call *c)
{
    covey__op_sum(c);
    if (c->inputs > 1) {
        covey__spread_run(c, 0, divide_row, NULL);
    }
}

void covey__op_mod(const struct covey__op_call *c)
{
    static const struct covey__binary_rule rules[2] = {
        {COVEY__NOT_FAST, real_fmod, {whole_mod, bits_mod}},
        {COVEY__NOT_FAST, real_fmod, {whole_fmod, bits_mod}}};
    covey__binary_apply(c, &rules[c->attrs->mode & 1u]);
}

void covey__op_bitshift(const struct covey__op_call *c)
{
    static const struct covey__binary_rule rules[2] = {
        {COVEY__NOT_FAST, NULL, {bits_right, bits_right}},
        {COVEY__NOT_FAST, NULL, {bits_left, bits_left}}};
    covey__binary_apply(c, &rules[c->attrs->mode & 1u]);
}

covey_err covey__infer_mod(const struct covey__op_call *c, struct covey_tensor *out,
                           struct covey_nn_error *out_why)
{
    if (covey_type_is_float(c->in[0]->type) && (c->attrs->mode & 1u) == 0) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED,
                              "numbers with fractions need the attribute fmod");
    }
    return covey__infer_broadcast(c, out, out_why);
}

covey_err covey__infer_prelu(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    covey_err err = covey__infer_broadcast(c, out, out_why);
    if (err == COVEY_OK && !covey_shape_equal(&out->shape, &c->in[0]->shape)) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the slope is larger than its input");
    }
    return err;
}

covey_err covey__infer_where(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    covey_err err = covey__infer_broadcast(c, out, out_why);
    if (err == COVEY_OK && c->in[1]->type != c->in[2]->type) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "both choices must have one type");
    }
    out->type = c->in[1]->type;
    return err;
}

/* Elements are moved as the unsigned integers of their size, whatever they are. */
typedef uint8_t __attribute__((may_alias)) bits1;
typedef uint16_t __attribute__((may_alias)) bits2;
typedef uint32_t __attribute__((may_alias)) bits4;
typedef uint64_t __attribute__((may_alias)) bits8;
#define CHOOSE(name, plain)                                                                        \
    static void choose_##name(const struct covey__row *row)                                        \
    {                                                                                              \
        const struct covey__op_call *c = row->c;                                                   \
        const uint8_t *condition = (const uint8_t *)c->in[0]->data + row->at[0];                   \
        const plain *x = (const plain *)c->in[1]->data + row->at[1];                               \
        const plain *y = (const plain *)c->in[2]->data + row->at[2];                               \
        plain *out = (plain *)c->out[0]->data + row->out;                                          \
        for (size_t i = 0; i < row->count; i++) {                                                  \
            bool first = condition[i * row->step[0]] != 0;                                         \
            out[i] = first ? x[i * row->step[1]] : y[i * row->step[2]];                            \
        }                                                                                          \
    }
CHOOSE(1, bits1)
CHOOSE(2, bits2)
CHOOSE(4, bits4)
CHOOSE(8, bits8)

void covey__op_where(const struct covey__op_call *c)
{
    static const covey__row_fn choose[9] = {
        [1] = choose_1, [2] = choose_2, [4] = choose_4, [8] = choose_8};
    covey__spread_run(c, 3, choose[covey_type_size(c->out[0]->type)], NULL);
}
