/* SPDX-License-Identifier: MIT */
#include "optest.h"

#include <math.h>
#include <string.h>

static double at(const struct held *h, size_t i)
{
    return covey_tensor_element(&h->t, i);
}

/* Within rounding of the type; frees got. */
static void expect_near(struct held *got, struct covey_shape shape, const double *expected)
{
    double tolerance = got->t.type == COVEY_TYPE_F16 ? 2e-3 : 1e-5;
    expect_reals(got, got->t.type, shape, expected, tolerance);
}

/* What each reduction makes of a list. */
static double reduced(enum covey_op op, const double *v, size_t count)
{
    double sum = 0.0, prod = 1.0, top = -INFINITY, least = INFINITY;
    double absolute = 0.0, squares = 0.0, exponents = 0.0;
    for (size_t i = 0; i < count; i++) {
        sum += v[i];
        prod *= v[i];
        top = fmax(top, v[i]);
        least = fmin(least, v[i]);
        absolute += fabs(v[i]);
        squares += v[i] * v[i];
        exponents += exp(v[i]);
    }
    switch ((unsigned)op) {
    case COVEY_OP_REDUCEMEAN:
        return sum / (double)count;
    case COVEY_OP_REDUCESUM:
        return sum;
    case COVEY_OP_REDUCEMAX:
        return top;
    case COVEY_OP_REDUCEMIN:
        return least;
    case COVEY_OP_REDUCEPROD:
        return prod;
    case COVEY_OP_REDUCEL1:
        return absolute;
    case COVEY_OP_REDUCEL2:
        return sqrt(squares);
    case COVEY_OP_REDUCESUMSQUARE:
        return squares;
    case COVEY_OP_REDUCELOGSUM:
        return log(sum);
    default:
        return log(exponents);
    }
}

/* The elements of x that element `to` of the kept dimensions gathers. */
static size_t gather(const struct held *x, uint32_t axes, size_t to, double *out)
{
    const struct covey_shape *s = &x->t.shape;
    size_t count = 0;
    for (size_t i = 0; i < covey__shape_elements(s); i++) {
        size_t rest = i, index = 0, step = 1;
        for (unsigned axis = s->rank; axis-- > 0;) {
            if ((axes >> axis & 1) == 0) {
                index += rest % s->dims[axis] * step;
                step *= s->dims[axis];
            }
            rest /= s->dims[axis];
        }
        if (index == to) {
            out[count++] = at(x, i);
        }
    }
    return count;
}

static struct covey_shape reduced_shape(struct covey_shape s, uint32_t axes, bool keep)
{
    struct covey_shape y = {0};
    for (unsigned i = 0; i < s.rank; i++) {
        if ((axes >> i & 1) == 0 || keep) {
            y.dims[y.rank++] = (axes >> i & 1) == 0 ? s.dims[i] : 1;
        }
    }
    return y;
}

static void check_reduction(enum covey_op op, enum covey_type type, uint32_t axes, bool keep)
{
    struct covey_shape s = DIMS(2, 3, 4, 5), y = reduced_shape(s, axes, keep);
    struct optest t = optest_of(1);
    double expected[120], list[120];
    bool real = covey_type_is_float(type);
    t.attrs.axes = axes;
    t.attrs.keepdims = keep;
    t.threads = keep ? 2 : 1;
    t.in[0] = hold_random(type, s, real ? 1 : 0, 3);
    for (size_t i = 0; i < covey__shape_elements(&y); i++) {
        double v = reduced(op, list, gather(t.in[0], axes, i, list));
        /* As the type holds it: whole, within its bounds, half precision. */
        struct held *as_stored = hold(type, DIMS(1));
        covey__store_real(&as_stored->t, 0, v);
        expected[i] = at(as_stored, 0);
        free(as_stored);
    }
    if (op == COVEY_OP_REDUCEPROD && !real) {
        optest_done(&t); /* long products wrap */
        return;
    }
    struct held *got = optest_run(op, &t);
    assert_int_equal(got->t.type, type);
    expect_near(got, y, expected);
}

/* Every reduction over every set of axes, in every type it has. */
static void test_reductions(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_F16,
                                            COVEY_TYPE_I32, COVEY_TYPE_I64, COVEY_TYPE_U32,
                                            COVEY_TYPE_U64, COVEY_TYPE_I8,  COVEY_TYPE_U8};
    for (unsigned op = COVEY_OP_REDUCEMEAN; op <= COVEY_OP_REDUCELOGSUMEXP; op++) {
        bool orders = op == COVEY_OP_REDUCEMAX || op == COVEY_OP_REDUCEMIN;
        for (uint32_t axes = 1; axes < 16; axes++) {
            for (unsigned type = 0; type < (orders ? 9 : 7); type++) {
                check_reduction((enum covey_op)op, types[type], axes, axes & 1);
            }
        }
    }
}

/* Long rows and rows of many columns: more than is worked on at once. */
static void test_long_reductions(void **state)
{
    (void)state;
    for (uint32_t axes = 1; axes < 4; axes++) {
        for (unsigned i = 0; i < 2; i++) {
            struct covey_shape s = i ? DIMS(3, 700) : DIMS(700, 3);
            struct optest t = optest_of(1);
            static double expected[OPTEST_MAX], list[OPTEST_MAX];
            t.attrs.axes = axes;
            t.threads = 2;
            t.in[0] = hold_random(COVEY_TYPE_F32, s, -50, 100);
            struct covey_shape y = reduced_shape(s, axes, true);
            for (size_t j = 0; j < covey__shape_elements(&y); j++) {
                expected[j] =
                    reduced(COVEY_OP_REDUCELOGSUMEXP, list, gather(t.in[0], axes, j, list));
            }
            expect_near(optest_run(COVEY_OP_REDUCELOGSUMEXP, &t), y, expected);
        }
    }
}

/* Nothing at all gives what ONNX says: the number that changes nothing. */
static void test_empty_reductions(void **state)
{
    (void)state;
    const double neutral[] = {NAN, 0, -INFINITY, INFINITY, 1, 0, 0, 0, -INFINITY, -INFINITY};
    for (unsigned i = 0; i < 10; i++) {
        struct optest t = optest_of(1);
        enum covey_op op = COVEY_OP_REDUCEMEAN + i;
        t.attrs.axes = 2;
        t.in[0] = hold(COVEY_TYPE_F32, DIMS(2, 0, 3));
        const double expected[6] = {neutral[i], neutral[i], neutral[i],
                                    neutral[i], neutral[i], neutral[i]};
        expect_reals(optest_run(op, &t), COVEY_TYPE_F32, DIMS(2, 1, 3), expected, 0.0);
    }
    struct optest t = optest_of(1);
    t.attrs.axes = 1;
    t.in[0] = hold(COVEY_TYPE_I8, DIMS(0));
    EXPECT(optest_run(COVEY_OP_REDUCEMAX, &t), COVEY_TYPE_I8, DIMS(1), -128);
}

/* Large exponents do not overflow, and an infinite one is the result. */
static void test_logsumexp_is_stable(void **state)
{
    (void)state;
    struct optest t = optest_of(1);
    t.attrs.axes = 2;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(3, 2), 1000, 1000, -INFINITY, -INFINITY, INFINITY, 0);
    const double expected[3] = {1000 + log(2.0), -INFINITY, INFINITY};
    expect_reals(optest_run(COVEY_OP_REDUCELOGSUMEXP, &t), COVEY_TYPE_F32, DIMS(3, 1), expected,
                 1e-6);
}

/* The first, or last, of the largest and least; a NaN is found wherever it is. */
static void test_argmax(void **state)
{
    (void)state;
    struct optest t = optest_of(1);
    t.attrs.axis = -1;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(3, 4), 1, 3, 3, 2, -1, -2, -1, -2, 5, NAN, 9, NAN);
    struct optest last = t, least = t, flat = t;
    last.attrs.mode = 1;
    flat.attrs.keepdims = false;
    struct held *y[4] = {NULL};
    expect_ok(optest_try(COVEY_OP_ARGMAX, &t, &y[0]), NULL);
    expect_ok(optest_try(COVEY_OP_ARGMAX, &last, &y[1]), NULL);
    expect_ok(optest_try(COVEY_OP_ARGMIN, &least, &y[2]), NULL);
    expect_ok(optest_try(COVEY_OP_ARGMIN, &flat, &y[3]), NULL);
    EXPECT(y[0], COVEY_TYPE_I64, DIMS(3, 1), 1, 0, 1);
    EXPECT(y[1], COVEY_TYPE_I64, DIMS(3, 1), 2, 2, 3);
    EXPECT(y[2], COVEY_TYPE_I64, DIMS(3, 1), 0, 1, 1);
    EXPECT(y[3], COVEY_TYPE_I64, DIMS(3), 0, 1, 1);
    optest_done(&t);
    t.attrs.axis = 0;
    t.in[0] = REALS(COVEY_TYPE_I8, DIMS(3, 2), -128, 4, 127, 4, 3, -9);
    EXPECT(optest_run(COVEY_OP_ARGMAX, &t), COVEY_TYPE_I64, DIMS(1, 2), 1, 0);
    t.in[0] = hold(COVEY_TYPE_U64, DIMS(2, 1));
    ((uint64_t *)t.in[0]->t.data)[0] = 1;
    ((uint64_t *)t.in[0]->t.data)[1] = UINT64_MAX;
    EXPECT(optest_run(COVEY_OP_ARGMAX, &t), COVEY_TYPE_I64, DIMS(1, 1), 1);
}

/* Running sums, with or without the element itself, from either end. */
static void test_cumsum(void **state)
{
    (void)state;
    const double expected[4][6] = {
        {1, 3, 6, 4, 9, 15}, {0, 1, 3, 0, 4, 9}, {6, 5, 3, 15, 11, 6}, {5, 3, 0, 11, 6, 0}};
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F64, COVEY_TYPE_I32,
                                            COVEY_TYPE_I64};
    for (unsigned i = 0; i < 16; i++) {
        struct optest t = optest_of(1);
        t.attrs.mode = i % 4;
        t.in[0] = REALS(types[i / 4], DIMS(2, 3), 1, 2, 3, 4, 5, 6);
        expect_reals(optest_run(COVEY_OP_CUMSUM, &t), types[i / 4], DIMS(2, 3), expected[i % 4],
                     0.0);
    }
    struct optest t = optest_of(1);
    t.attrs.axis = 0;
    t.in[0] = REALS(COVEY_TYPE_F32, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    EXPECT(optest_run(COVEY_OP_CUMSUM, &t), COVEY_TYPE_F32, DIMS(2, 3), 1, 2, 3, 5, 7, 9);
}

/* The best k in order, the first of equals before the next, with where they were. */
static void test_topk(void **state)
{
    (void)state;
    static const enum covey_type types[] = {COVEY_TYPE_F32, COVEY_TYPE_F16, COVEY_TYPE_I64,
                                            COVEY_TYPE_U8};
    for (unsigned i = 0; i < 4 * 2 * 2 * 8; i++) {
        struct covey_shape s = i & 1 ? DIMS(3, 7, 2) : DIMS(2, 7);
        bool largest = i & 2;
        struct optest t = optest_of(1);
        struct held *out[2];
        t.outputs = 2;
        t.attrs.size = i / 16;
        t.attrs.mode = 2u | largest;
        t.in[0] = hold_random(types[i / 4 % 4], s, 0, 5);
        expect_ok(optest_try(COVEY_OP_TOPK, &t, out), NULL);
        size_t k = t.attrs.size, inner = covey__shape_range(&s, 2, s.rank);
        for (size_t j = 0; j < covey__shape_elements(&out[0]->t.shape); j++) {
            size_t place = j / inner % k, found = (size_t)covey__load_int(&out[1]->t, j),
                   before = 0;
            size_t base = j / inner / k * 7 * inner + j % inner;
            double v = at(t.in[0], base + found * inner);
            assert_true(fabs(v - at(out[0], j)) < 1e-9);
            for (size_t other = 0; other < 7; other++) {
                double w = at(t.in[0], base + other * inner);
                bool better = largest ? w > v : w < v;
                before += better || (!(w < v) && !(w > v) && other < found);
            }
            assert_int_equal(before, place);
        }
        free(out[0]);
        free(out[1]);
        optest_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_long_reductions),
        cmocka_unit_test(test_empty_reductions),
        cmocka_unit_test(test_logsumexp_is_stable),
        cmocka_unit_test(test_argmax),
        cmocka_unit_test(test_cumsum),
        cmocka_unit_test(test_topk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
