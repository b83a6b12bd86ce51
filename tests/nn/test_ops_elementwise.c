/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>

static struct optest pair(struct held *a, struct held *b)
{
    struct optest t = optest_of(2);
    t.in[0] = a;
    t.in[1] = b;
    return t;
}

static struct optest single(struct held *a)
{
    struct optest t = optest_of(1);
    t.in[0] = a;
    return t;
}

/* Wider than what is tested; unsigned it wraps around, as products may. */
#if defined(__SIZEOF_INT128__)
__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;
#else
typedef int64_t wide;
typedef uint64_t unsigned_wide;
#endif

struct range {
    wide low, high;
};

static struct range range_of(enum covey_type type)
{
    unsigned bits = (unsigned)covey_type_size(type) * 8;
    bool is_signed = type == COVEY_TYPE_I8 || type == COVEY_TYPE_I16 || type == COVEY_TYPE_I32 ||
                     type == COVEY_TYPE_I64;
    struct range r = {0, ((wide)1 << bits) - 1};
    if (is_signed) {
        r.low = -((wide)1 << (bits - 1));
        r.high = -r.low - 1;
    }
    return r;
}

static wide value_of(const struct held *h, size_t i)
{
    int64_t v = covey__load_int(&h->t, i);
    return h->t.type == COVEY_TYPE_U64 ? (wide)(uint64_t)v : (wide)v;
}

static wide integer_result(enum covey_op op, wide a, wide b, bool fmod_mode)
{
    wide rest = b == 0 ? 0 : a % b;
    if (op == COVEY_OP_MOD) {
        return !fmod_mode && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
    }
    return op == COVEY_OP_ADD   ? a + b
           : op == COVEY_OP_SUB ? a - b
           : op == COVEY_OP_MUL ? (wide)((unsigned_wide)a * (unsigned_wide)b)
           : op == COVEY_OP_DIV ? (b == 0 ? 0 : a / b)
           : op == COVEY_OP_MAX ? (a > b ? a : b)
                                : (a < b ? a : b);
}

/* Integer arithmetic is exact and wraps around in every type, and never traps: by zero, and the
 * least number by -1. */
static void test_integer_arithmetic(void **state)
{
    (void)state;
    const enum covey_op ops[] = {COVEY_OP_ADD, COVEY_OP_SUB, COVEY_OP_MUL, COVEY_OP_DIV,
                                 COVEY_OP_MOD, COVEY_OP_MAX, COVEY_OP_MIN, COVEY_OP_MOD};
    enum { SPECIAL = 7 };
    for (unsigned type = COVEY_TYPE_U8; type <= COVEY_TYPE_I64; type++) {
        if (covey_type_size((enum covey_type)type) >= sizeof(wide)) {
            continue;
        }
        struct range r = range_of((enum covey_type)type);
        wide special[SPECIAL] = {r.low, r.high, r.low == 0 ? 9 : -1, 0, 1, 3, r.high / 2 + 1};
        for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
            struct optest t = pair(hold((enum covey_type)type, DIMS(SPECIAL, 1)),
                                   hold((enum covey_type)type, DIMS(SPECIAL)));
            t.attrs.mode = i == 7;
            for (size_t k = 0; k < SPECIAL; k++) {
                memcpy(t.in[0]->bytes + k * covey_type_size((enum covey_type)type), &special[k],
                       covey_type_size((enum covey_type)type));
                memcpy(t.in[1]->bytes + k * covey_type_size((enum covey_type)type), &special[k],
                       covey_type_size((enum covey_type)type));
            }
            struct held *got = optest_run(ops[i], &t);
            for (size_t k = 0; k < SPECIAL * SPECIAL; k++) {
                wide e = integer_result(ops[i], special[k / SPECIAL], special[k % SPECIAL], i == 7);
                unsigned_wide d = (unsigned_wide)value_of(got, k) - (unsigned_wide)e;
                assert_true(d % (unsigned_wide)(r.high - r.low + 1) == 0);
            }
            free(got);
        }
    }
}

/* Numbers with fractions follow IEEE: division by zero, NaN in maxima, fmod's sign. */
static void test_real_arithmetic(void **state)
{
    (void)state;
    for (unsigned i = COVEY_TYPE_F32; i <= COVEY_TYPE_F16; i++) {
        enum covey_type type = (enum covey_type)i;
        struct optest t = pair(REALS(type, DIMS(3), 1, -1, 0), REALS(type, DIMS(1), 0));
        EXPECT(optest_run(COVEY_OP_DIV, &t), type, DIMS(3), INFINITY, -INFINITY, NAN);
        t = pair(REALS(type, DIMS(3), NAN, 1, 2), REALS(type, DIMS(3), 1, NAN, 3));
        EXPECT(optest_run(COVEY_OP_MAX, &t), type, DIMS(3), NAN, NAN, 3);
        t = pair(REALS(type, DIMS(3), NAN, 1, 2), REALS(type, DIMS(3), 1, NAN, 3));
        EXPECT(optest_run(COVEY_OP_MIN, &t), type, DIMS(3), NAN, NAN, 2);
        t = pair(REALS(type, DIMS(4), -4.25, 7.5, 5, 1), REALS(type, DIMS(4), 2, -3, 8, 0));
        t.attrs.mode = 1;
        EXPECT(optest_run(COVEY_OP_MOD, &t), type, DIMS(4), -0.25, 1.5, 5, NAN);
        t = pair(REALS(type, DIMS(2, 2), -4, 7.5, -5, -1), REALS(type, DIMS(2), 2, 0.5));
        EXPECT(optest_run(COVEY_OP_PRELU, &t), type, DIMS(2, 2), -8, 7.5, -10, -0.5);
        t = pair(REALS(type, DIMS(2), 1, 2), REALS(type, DIMS(2), 0.5, 4));
        EXPECT(optest_run(COVEY_OP_SUB, &t), type, DIMS(2), 0.5, -2);
        t = pair(REALS(type, DIMS(2), 1, 2), REALS(type, DIMS(2), 0.5, 4));
        EXPECT(optest_run(COVEY_OP_MUL, &t), type, DIMS(2), 0.5, 8);
    }
}

/* A power takes the base's type, whatever the exponent's. */
static void test_pow(void **state)
{
    (void)state;
    struct optest t =
        pair(REALS(COVEY_TYPE_F32, DIMS(3), 1, 2, 3), REALS(COVEY_TYPE_I64, DIMS(3), 4, 5, 6));
    EXPECT(optest_run(COVEY_OP_POW, &t), COVEY_TYPE_F32, DIMS(3), 1, 32, 729);
    t = pair(REALS(COVEY_TYPE_I64, DIMS(4), 1, 2, 3, 9),
             REALS(COVEY_TYPE_F32, DIMS(4), 4, 5, 6, 0.5));
    EXPECT(optest_run(COVEY_OP_POW, &t), COVEY_TYPE_I64, DIMS(4), 1, 32, 729, 3);
    t = pair(REALS(COVEY_TYPE_I32, DIMS(5), -1, -2, 3, 2, 0),
             REALS(COVEY_TYPE_I32, DIMS(5), -3, 3, -1, 40, 0));
    EXPECT(optest_run(COVEY_OP_POW, &t), COVEY_TYPE_I32, DIMS(5), -1, -8, 0, 0, 1);
    t = pair(REALS(COVEY_TYPE_I64, DIMS(1), 3), REALS(COVEY_TYPE_U8, SCALAR, 39));
    struct held *got = optest_run(COVEY_OP_POW, &t);
    assert_true(covey__load_int(&got->t, 0) == 4052555153018976267); /* not exact in a double */
    free(got);
    t = pair(REALS(COVEY_TYPE_F32, DIMS(3), -3, 2, NAN), REALS(COVEY_TYPE_I32, DIMS(1), 2));
    EXPECT(optest_run(COVEY_OP_POW, &t), COVEY_TYPE_F32, DIMS(3), 9, 4, NAN);
    t = pair(REALS(COVEY_TYPE_F64, DIMS(2), 2, -8), REALS(COVEY_TYPE_F32, DIMS(2), -1, 0.5));
    EXPECT(optest_run(COVEY_OP_POW, &t), COVEY_TYPE_F64, DIMS(2), 0.5, NAN);
}

/* Comparisons give booleans, of uint64 without a sign, and are false of NaN. */
static void test_comparisons(void **state)
{
    (void)state;
    const struct {
        enum covey_op op;
        double expected[4];
    } table[] = {{COVEY_OP_EQUAL, {0, 1, 0, 0}},
                 {COVEY_OP_GREATER, {0, 0, 1, 0}},
                 {COVEY_OP_GREATEREQUAL, {0, 1, 1, 0}},
                 {COVEY_OP_LESS, {1, 0, 0, 0}},
                 {COVEY_OP_LESSEQUAL, {1, 1, 0, 0}}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (unsigned k = 0; k < COVEY_TYPE_BOOL; k++) {
            enum covey_type type = (enum covey_type)k;
            bool real = covey_type_is_float(type);
            uint32_t count = real ? 4 : 3;
            struct optest t = pair(hold_reals(type, DIMS(count), (const double[]){1, 2, 3, NAN}),
                                   hold_reals(type, SCALAR, (const double[]){2}));
            expect_reals(optest_run(table[i].op, &t), COVEY_TYPE_BOOL, DIMS(count),
                         table[i].expected, 0.0);
        }
    }
    struct optest t = pair(REALS(COVEY_TYPE_U64, DIMS(2), 18446744073709549568.0, 1),
                           REALS(COVEY_TYPE_U64, DIMS(2), 1, 18446744073709549568.0));
    EXPECT(optest_run(COVEY_OP_GREATER, &t), COVEY_TYPE_BOOL, DIMS(2), 1, 0);
    t = pair(REALS(COVEY_TYPE_BOOL, DIMS(2), 1, 0), REALS(COVEY_TYPE_BOOL, DIMS(1), 1));
    EXPECT(optest_run(COVEY_OP_EQUAL, &t), COVEY_TYPE_BOOL, DIMS(2), 1, 0);
}

/* Logic of booleans and of bits; shifts by more than the width give 0. */
static void test_logic_and_bits(void **state)
{
    (void)state;
    const struct {
        enum covey_op op, bits;
        double logic[4], result;
    } table[] = {{COVEY_OP_AND, COVEY_OP_BITAND, {0, 0, 0, 1}, 8},
                 {COVEY_OP_OR, COVEY_OP_BITOR, {0, 1, 1, 1}, 14},
                 {COVEY_OP_XOR, COVEY_OP_BITXOR, {0, 1, 1, 0}, 6}};
    for (size_t i = 0; i < 3; i++) {
        struct optest t =
            pair(REALS(COVEY_TYPE_BOOL, DIMS(2, 1), 0, 1), REALS(COVEY_TYPE_BOOL, DIMS(2), 0, 1));
        expect_reals(optest_run(table[i].op, &t), COVEY_TYPE_BOOL, DIMS(2, 2), table[i].logic, 0);
        for (unsigned type = COVEY_TYPE_U8; type <= COVEY_TYPE_I64; type++) {
            t = pair(REALS((enum covey_type)type, DIMS(1), 12),
                     REALS((enum covey_type)type, SCALAR, 10));
            EXPECT(optest_run(table[i].bits, &t), (enum covey_type)type, DIMS(1), table[i].result);
        }
    }
    struct optest t = pair(REALS(COVEY_TYPE_U8, DIMS(4), 16, 4, 255, 255),
                           REALS(COVEY_TYPE_U8, DIMS(4), 1, 2, 8, 200));
    EXPECT(optest_run(COVEY_OP_BITSHIFT, &t), COVEY_TYPE_U8, DIMS(4), 8, 1, 0, 0);
    t = pair(REALS(COVEY_TYPE_U64, DIMS(4), 16, 4, 1, 1),
             REALS(COVEY_TYPE_U64, DIMS(4), 1, 2, 63, 64));
    t.attrs.mode = 1;
    EXPECT(optest_run(COVEY_OP_BITSHIFT, &t), COVEY_TYPE_U64, DIMS(4), 32, 16,
           9223372036854775808.0, 0);
}

/* Where chooses elements of any type, all three broadcast. */
static void test_where(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COVEY_TYPE_COUNT; i++) {
        enum covey_type type = (enum covey_type)i;
        double one = type == COVEY_TYPE_BOOL ? 0 : 5;
        struct optest t = optest_of(3);
        t.in[0] = REALS(COVEY_TYPE_BOOL, DIMS(2, 1), 1, 0);
        t.in[1] = REALS(type, DIMS(3), 0, one, 1);
        t.in[2] = REALS(type, SCALAR, 1);
        EXPECT(optest_run(COVEY_OP_WHERE, &t), type, DIMS(2, 3), 0, one, 1, 1, 1, 1);
    }
}

/* Where input h's element lies for element i of the result. */
static size_t broadcast_index(const struct covey_shape *in, const struct covey_shape *out, size_t i)
{
    size_t at = 0, step = 1;
    for (unsigned d = 0; d < in->rank; d++) {
        uint32_t dim = in->dims[in->rank - 1u - d], all = out->dims[out->rank - 1u - d];
        at += dim == 1 ? 0 : i % all * step;
        i /= all;
        step *= dim;
    }
    return at;
}

/* Up to eight dimensions and several inputs broadcast as a plain loop over indices says, in every
 * type, on one thread and on two. */
static void test_broadcasting(void **state)
{
    (void)state;
    const struct {
        unsigned count;
        struct covey_shape in[3];
    } cases[] = {
        {2, {DIMS(2, 1, 3, 1, 2, 1, 2, 2), DIMS(2, 2, 1, 3, 1, 1, 2, 1)}},
        {2, {DIMS(1), DIMS(700)}},
        {2, {DIMS(3, 1), DIMS(1, 600)}},
        {2, {DIMS(2, 600), DIMS(2, 1)}},
        {3, {DIMS(4), DIMS(3, 1), DIMS(2, 1, 1)}},
        {3, {SCALAR, SCALAR, DIMS(5)}},
        {3, {DIMS(2, 3), DIMS(3), DIMS(1)}},
        {2, {DIMS(1, 1, 4), DIMS(4)}},
        {1, {DIMS(2, 3)}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (unsigned type = 0; type < COVEY_TYPE_BOOL; type++) {
            struct optest t = optest_of(cases[i].count);
            t.threads = 1 + type % 2;
            for (unsigned k = 0; k < cases[i].count; k++) {
                t.in[k] = hold_random((enum covey_type)type, cases[i].in[k], 0, 30);
            }
            struct held *got = NULL;
            assert_int_equal(optest_try(COVEY_OP_SUM, &t, &got), COVEY_OK);
            for (size_t e = 0; e < covey__shape_elements(&got->t.shape); e++) {
                int64_t sum = 0;
                for (unsigned k = 0; k < cases[i].count; k++) {
                    sum += covey__load_int(&t.in[k]->t,
                                           broadcast_index(&cases[i].in[k], &got->t.shape, e));
                }
                assert_int_equal(covey__load_int(&got->t, e), sum);
            }
            optest_done(&t);
            free(got);
        }
    }
}

/* Maxima, minima and means of three, and of one alone. */
static void test_variadic(void **state)
{
    (void)state;
    const struct {
        enum covey_op op;
        double expected[3];
    } table[] = {{COVEY_OP_MAX, {3, 5, 4}},
                 {COVEY_OP_MIN, {1, 2, 2}},
                 {COVEY_OP_SUM, {6, 9, 9}},
                 {COVEY_OP_MEAN, {2, 3, 3}}};
    for (size_t i = 0; i < 4; i++) {
        for (unsigned type = COVEY_TYPE_F32; type <= COVEY_TYPE_F16; type++) {
            struct optest t = optest_of(3);
            t.in[0] = REALS((enum covey_type)type, DIMS(3), 3, 2, 2);
            t.in[1] = REALS((enum covey_type)type, DIMS(3), 1, 5, 4);
            t.in[2] = REALS((enum covey_type)type, DIMS(3), 2, 2, 3);
            expect_reals(optest_run(table[i].op, &t), (enum covey_type)type, DIMS(3),
                         table[i].expected, 0);
            t = single(REALS((enum covey_type)type, DIMS(3), 3, 2, 2));
            EXPECT(optest_run(table[i].op, &t), (enum covey_type)type, DIMS(3), 3, 2, 2);
        }
    }
}

/* The activation fused behind an addition is applied in every type. */
static void test_fused_activation(void **state)
{
    (void)state;
    const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16, COVEY_TYPE_I32,
                                     COVEY_TYPE_I64};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct optest t = pair(REALS(types[i], DIMS(3), -3, 2, 9), REALS(types[i], SCALAR, 1));
        t.attrs.act = COVEY_ACT_RELU;
        EXPECT(optest_run(COVEY_OP_ADD, &t), types[i], DIMS(3), 0, 3, 10);
        t = pair(REALS(types[i], DIMS(3), -3, 2, 9), REALS(types[i], SCALAR, 1));
        t.attrs.act = COVEY_ACT_CLIP;
        t.attrs.low = -1, t.attrs.high = 6;
        EXPECT(optest_run(COVEY_OP_ADD, &t), types[i], DIMS(3), -1, 3, 6);
    }
}

/* Nothing in gives nothing out, in every operator of both families. */
static void test_empty(void **state)
{
    (void)state;
    for (unsigned op = COVEY_OP_RELU; op <= COVEY_OP_DYNAMICQUANTIZE; op++) {
        const struct covey__op *row = covey__op_find((enum covey_op)op);
        if (row == NULL) {
            continue;
        }
        enum covey_type type = COVEY_TYPE_F32;
        while ((row->types >> type & 1) == 0) {
            type++;
        }
        struct optest t = optest_of(row->inputs_min > 1 ? row->inputs_min : 1);
        bool scaled = op == COVEY_OP_QUANTIZE || op == COVEY_OP_DEQUANTIZE;
        t.attrs.mode = 1, t.attrs.to = COVEY_TYPE_U8;
        for (unsigned i = 0; i < t.inputs; i++) {
            t.in[i] = hold_random(scaled && i == 1 ? COVEY_TYPE_F32 : type,
                                  i == 0 ? DIMS(2, 0, 3) : SCALAR, 0, 2);
        }
        assert_true(row->empties);
        struct held *got = optest_run((enum covey_op)op, &t);
        assert_int_equal(covey__shape_elements(&got->t.shape), 0);
        free(got);
    }
}

/* Results may take the place of the first input, where the table says so. */
static void test_in_place(void **state)
{
    (void)state;
    for (unsigned op = COVEY_OP_RELU; op <= COVEY_OP_BITSHIFT; op++) {
        const struct covey__op *row = covey__op_find((enum covey_op)op);
        for (unsigned type = 0; row != NULL && type < COVEY_TYPE_COUNT; type++) {
            struct optest t = optest_of(row->inputs_max > 2 ? 3 : row->inputs_min);
            t.attrs.mode = 1, t.attrs.to = (enum covey_type)type;
            if (!row->in_place || (row->types >> type & 1) == 0) {
                continue;
            }
            for (unsigned i = 0; i < t.inputs; i++) {
                t.in[i] = hold_random((enum covey_type)type,
                                      i == 0 ? DIMS(2, 3, 600) : DIMS(1 + i % 2, 1, 600), 0, 2);
            }
            struct held *got = NULL;
            assert_int_equal(optest_try((enum covey_op)op, &t, &got), COVEY_OK);
            struct covey__op_call c = {.attrs = &t.attrs, .inputs = t.inputs, .outputs = 1};
            for (unsigned i = 0; i < t.inputs; i++) {
                c.in[i] = &t.in[i]->t;
            }
            struct covey_tensor out = {got->t.type, got->t.shape, t.in[0]->t.data};
            c.out[0] = &out;
            if (covey_type_size(out.type) == covey_type_size((enum covey_type)type)) {
                row->forward(&c);
                assert_memory_equal(out.data, got->t.data, 3600 * covey_type_size(out.type));
            }
            optest_done(&t);
            free(got);
        }
    }
}

/* What the kernels rely on is refused while inferring. */
static void test_refusals(void **state)
{
    (void)state;
    const struct {
        enum covey_op op;
        enum covey_type type[3];
        struct covey_shape shape[3];
        unsigned inputs;
    } table[] = {
        {COVEY_OP_ADD, {COVEY_TYPE_F32, COVEY_TYPE_F32}, {DIMS(2), DIMS(3)}, 2},
        {COVEY_OP_PRELU, {COVEY_TYPE_F32, COVEY_TYPE_F32}, {DIMS(2), DIMS(2, 2)}, 2},
        {COVEY_OP_MOD, {COVEY_TYPE_F32, COVEY_TYPE_F32}, {DIMS(2), DIMS(2)}, 2},
        {COVEY_OP_AND, {COVEY_TYPE_F32, COVEY_TYPE_F32}, {DIMS(2), DIMS(2)}, 2},
        {COVEY_OP_BITSHIFT, {COVEY_TYPE_I32, COVEY_TYPE_I32}, {DIMS(2), DIMS(2)}, 2},
        {COVEY_OP_WHERE,
         {COVEY_TYPE_BOOL, COVEY_TYPE_F32, COVEY_TYPE_F64},
         {DIMS(2), DIMS(2), DIMS(2)},
         3},
        {COVEY_OP_POW, {COVEY_TYPE_F32, COVEY_TYPE_BOOL}, {DIMS(2), DIMS(2)}, 2},
        {COVEY_OP_EXP, {COVEY_TYPE_I32}, {DIMS(2)}, 1},
        {COVEY_OP_NEG, {COVEY_TYPE_U32}, {DIMS(2)}, 1},
        {COVEY_OP_QUANTIZE, {COVEY_TYPE_F32, COVEY_TYPE_F32}, {DIMS(2, 3), DIMS(2)}, 2},
        {COVEY_OP_QUANTIZE,
         {COVEY_TYPE_F32, COVEY_TYPE_F32, COVEY_TYPE_U8},
         {DIMS(2, 3), DIMS(3), DIMS(1)},
         3},
        {COVEY_OP_QUANTIZE,
         {COVEY_TYPE_F32, COVEY_TYPE_F32, COVEY_TYPE_F32},
         {DIMS(2, 3), DIMS(3), DIMS(3)},
         3},
        {COVEY_OP_DEQUANTIZE,
         {COVEY_TYPE_U8, COVEY_TYPE_F32, COVEY_TYPE_I8},
         {DIMS(2), SCALAR, SCALAR},
         3},
        {COVEY_OP_DEQUANTIZE, {COVEY_TYPE_U8, COVEY_TYPE_F32}, {DIMS(2), DIMS(2)}, 2}, /* axis 1 */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct optest t = optest_of(table[i].inputs);
        struct held *got = NULL;
        t.attrs.to = COVEY_TYPE_U8;
        for (unsigned k = 0; k < t.inputs; k++) {
            t.in[k] = hold_random(table[i].type[k], table[i].shape[k], 0, 2);
        }
        assert_int_not_equal(optest_try(table[i].op, &t, &got), COVEY_OK);
        optest_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integer_arithmetic),
        cmocka_unit_test(test_real_arithmetic),
        cmocka_unit_test(test_pow),
        cmocka_unit_test(test_comparisons),
        cmocka_unit_test(test_logic_and_bits),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_broadcasting),
        cmocka_unit_test(test_variadic),
        cmocka_unit_test(test_fused_activation),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
