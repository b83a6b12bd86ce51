/* SPDX-License-Identifier: MIT */
#include "op_binary.h"
#include "ops_binary.h"

covey_err covey__infer_compare(const struct covey__op_call *c, struct covey_tensor *out,
                               struct covey_nn_error *out_why)
{
    out->type = COVEY_TYPE_BOOL;
    return covey__infer_broadcast(c, out, out_why);
}

/* float32 and float64 are exact as doubles, all integers but uint64 as int64. */
#define COMPARISON(name, operator)                                                                 \
    static void real_##name(double *a, const double *b, size_t count)                              \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            a[i] = a[i] operator b[i] ? 1.0 : 0.0;                                                 \
        }                                                                                          \
    }                                                                                              \
    static void whole_##name(int64_t *a, const int64_t *b, size_t count)                           \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            a[i] = a[i] operator b[i];                                                             \
        }                                                                                          \
    }                                                                                              \
    static void bits_##name(int64_t *a, const int64_t *b, size_t count)                            \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            a[i] = (uint64_t)a[i] operator(uint64_t) b[i];                                         \
        }                                                                                          \
    }                                                                                              \
    void covey__op_##name(const struct covey__op_call *c)                                          \
    {                                                                                              \
        static const struct covey__binary_rule rule = {                                            \
            COVEY__NOT_FAST, real_##name, {whole_##name, bits_##name}};                            \
        covey__binary_apply(c, &rule);                                                             \
    }

COMPARISON(greater, >)
COMPARISON(greaterequal, >=)
COMPARISON(less, <)
COMPARISON(lessequal, <=)

/* Equality of numbers with fractions is meant exactly here, as a <= b <= a. */
static void real_equal(double *a, const double *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        a[i] = a[i] <= b[i] && a[i] >= b[i] ? 1.0 : 0.0;
    }
}

static void whole_equal(int64_t *a, const int64_t *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        a[i] = a[i] == b[i];
    }
}

void covey__op_equal(const struct covey__op_call *c)
{
    static const struct covey__binary_rule rule = {
        COVEY__NOT_FAST, real_equal, {whole_equal, whole_equal}};
    covey__binary_apply(c, &rule);
}
