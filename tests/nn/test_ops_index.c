/* SPDX-License-Identifier: MIT */
#include "movetest.h"

static const enum covey_type sizes[4] = {COVEY_TYPE_I8, COVEY_TYPE_F16, COVEY_TYPE_F32,
                                         COVEY_TYPE_I64};

static struct covey_shape random_shape(unsigned rank, uint32_t most, uint64_t *seed)
{
    struct covey_shape s = {.rank = (uint8_t)rank};
    for (unsigned i = 0; i < rank; i++) {
        s.dims[i] = random_below(seed, most) + (random_below(seed, 12) != 0);
    }
    return s;
}

/* Index as ONNX reads it: negative from the end; -1: outside. */
static int64_t wrapped(int64_t i, int64_t dim)
{
    return i >= -dim && i < 0 ? i + dim : i >= 0 && i < dim ? i : -1;
}

static struct covey_tensor random_indices(struct covey_shape s, int64_t dim, uint64_t *seed)
{
    enum covey_type type = random_below(seed, 2) == 0 ? COVEY_TYPE_I32 : COVEY_TYPE_I64;
    struct covey_tensor t = random_tensor(type, s, seed);
    for (size_t i = 0; i < covey__shape_elements(&s); i++) {
        int64_t v = (int64_t)random_below(seed, (uint32_t)(2 * dim + 2)) - dim - 1;
        covey__store_int(&t, i,
                         random_below(seed, 30) == 0 ? INT64_MIN + random_below(seed, 9) : v);
    }
    return t;
}

/* Gather takes whole slices, from the end for negative indices, and gives 0 where there is none. */
static void test_gather(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (unsigned round = 0; round < 300; round++) {
        unsigned rank = round % 5 + 1, axis = random_below(&seed, rank);
        struct covey_op_attrs a = attrs_default();
        a.axis = (int32_t)axis - (round % 2 == 0 ? (int32_t)rank : 0);
        struct covey_tensor x =
            random_tensor(sizes[round % 4], random_shape(rank, 5, &seed), &seed);
        int64_t dim = x.shape.dims[axis];
        struct covey_tensor indices = random_indices(random_shape(round % 4, 3, &seed), dim, &seed);
        struct covey_tensor y =
            alone_one(&(struct alone){COVEY_OP_GATHER, &a, {x, indices}, 2, 1, 1, 1, 0});
        unsigned more = indices.shape.rank;
        assert_int_equal(y.shape.rank, rank + more - 1);
        for (size_t i = 0; i < covey__shape_elements(&y.shape); i++) {
            int64_t to[COVEY_RANK_MAX], from[COVEY_RANK_MAX];
            place(&y.shape, i, to);
            memcpy(from, to, sizeof from);
            memmove(from + axis + 1, to + axis + more, (rank - axis - 1) * sizeof to[0]);
            from[axis] =
                wrapped(covey__load_int(&indices, flat_of(&indices.shape, to + axis)), dim);
            int64_t expected = from[axis] < 0 ? 0 : covey__load_int(&x, flat_of(&x.shape, from));
            assert_int_equal(covey__load_int(&y, i), expected);
        }
        free(x.data);
        free(y.data);
        free(indices.data);
    }
}

/* Adds, multiplies or compares as the naive loop does. */
static int64_t reduced(unsigned mode, int64_t a, int64_t b)
{
    return mode == COVEY_SCATTER_ADD   ? a + b
           : mode == COVEY_SCATTER_MUL ? a * b
           : mode == COVEY_SCATTER_MAX ? (a > b ? a : b)
           : mode == COVEY_SCATTER_MIN ? (a < b ? a : b)
                                       : b;
}

/* GatherElements reads and ScatterElements writes (in every mode) at the index along the axis;
 * indices outside read 0 and write nothing. */
static void test_elements(void **state)
{
    (void)state;
    uint64_t seed = 9;
    for (unsigned round = 0; round < 300; round++) {
        unsigned rank = round % 8 + 1, axis = random_below(&seed, rank);
        struct covey_op_attrs a = attrs_default();
        a.axis = (int32_t)axis;
        a.mode = round % 5;
        struct covey_tensor x = random_tensor(round % 2 == 0 ? COVEY_TYPE_F32 : COVEY_TYPE_I64,
                                              random_shape(rank, 3, &seed), &seed);
        struct covey_shape s = x.shape;
        s.dims[axis] = random_below(&seed, 5);
        struct covey_tensor indices = random_indices(s, x.shape.dims[axis], &seed);
        struct covey_tensor updates = random_tensor(x.type, s, &seed);
        struct covey_tensor y =
            alone_one(&(struct alone){COVEY_OP_GATHERELEMENTS, &a, {x, indices}, 2, 1, 1, 1, 0});
        struct covey_tensor z = alone_one(
            &(struct alone){COVEY_OP_SCATTERELEMENTS, &a, {x, indices, updates}, 3, 1, 1, 1, 0});
        for (size_t i = 0; i < covey__shape_elements(&s); i++) {
            int64_t at[COVEY_RANK_MAX];
            place(&s, i, at);
            at[axis] = wrapped(covey__load_int(&indices, i), x.shape.dims[axis]);
            assert_int_equal(covey__load_int(&y, i),
                             at[axis] < 0 ? 0 : covey__load_int(&x, flat_of(&x.shape, at)));
        }
        for (size_t i = 0; i < covey__shape_elements(&s); i++) {
            int64_t at[COVEY_RANK_MAX];
            place(&s, i, at);
            at[axis] = wrapped(covey__load_int(&indices, i), x.shape.dims[axis]);
            if (at[axis] >= 0) {
                size_t to = flat_of(&x.shape, at);
                covey__store_int(
                    &x, to, reduced(a.mode, covey__load_int(&x, to), covey__load_int(&updates, i)));
            }
        }
        assert_memory_equal(z.data, x.data, bytes_of(&x));
        free(x.data), free(y.data), free(z.data), free(indices.data), free(updates.data);
    }
}

/* The examples of ONNX's documentation for GatherND (with and without batch dimensions) and
 * ScatterND, and indices that lie outside. */
static void test_nd_documented(void **state)
{
    (void)state;
    const float data[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct covey_op_attrs a = attrs_default();
    struct covey_tensor x = floats_tensor(shape_of(3, 2, 2, 2, 0), data);
    struct covey_tensor i = longs_tensor(shape_of(2, 2, 1, 0, 0), (const int64_t[]){1, 0});
    a.size = 1;
    struct covey_tensor y =
        alone_one(&(struct alone){COVEY_OP_GATHERND, &a, {x, i}, 2, 1, 1, 1, 0});
    assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){2, {2, 2}}));
    assert_memory_equal(y.data, ((const float[]){2, 3, 4, 5}), 16);
    free(y.data), free(i.data);
    a.size = 0;
    i = longs_tensor(shape_of(3, 3, 1, 2, 0), (const int64_t[]){0, 1, 1, -2, 0, 2});
    y = alone_one(&(struct alone){COVEY_OP_GATHERND, &a, {x, i}, 2, 1, 1, 1, 0});
    assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){3, {3, 1, 2}}));
    assert_memory_equal(y.data, ((const float[]){2, 3, 4, 5, 0, 0}), 24);
    free(y.data), free(i.data), free(x.data);
    x = floats_tensor(shape_of(1, 8, 0, 0, 0), (const float[]){1, 2, 3, 4, 5, 6, 7, 8});
    i = longs_tensor(shape_of(2, 5, 1, 0, 0), (const int64_t[]){4, 3, 1, -1, 8});
    struct covey_tensor u =
        floats_tensor(shape_of(1, 5, 0, 0, 0), (const float[]){9, 10, 11, 12, 13});
    y = alone_one(&(struct alone){COVEY_OP_SCATTERND, &a, {x, i, u}, 3, 1, 1, 1, 0});
    assert_memory_equal(y.data, ((const float[]){1, 11, 3, 10, 9, 6, 7, 12}), 32);
    free(y.data);
    a.mode = COVEY_SCATTER_MUL;
    y = alone_one(&(struct alone){COVEY_OP_SCATTERND, &a, {x, i, u}, 3, 1, 1, 1, 0});
    assert_memory_equal(y.data, ((const float[]){1, 22, 3, 40, 45, 6, 7, 96}), 32);
    free(y.data), free(i.data), free(x.data), free(u.data);
}

/* Integers that scatter sums wrap around, unsigned ones compare as unsigned, bools stay bools. */
static void test_scatter_types(void **state)
{
    (void)state;
    struct covey_op_attrs a = attrs_default();
    a.axis = 0;
    uint8_t bytes[1] = {250}, more[1] = {10};
    uint64_t big[1] = {UINT64_MAX}, one[1] = {1};
    struct covey_tensor i = longs_tensor(shape_of(1, 1, 0, 0, 0), (const int64_t[]){0});
    struct covey_tensor x = {COVEY_TYPE_U8, shape_of(1, 1, 0, 0, 0), bytes}, u = x;
    u.data = more;
    struct alone run = {COVEY_OP_SCATTERELEMENTS, &a, {x, i, u}, 3, 1, 1, 1, 0};
    a.mode = COVEY_SCATTER_ADD;
    struct covey_tensor y = alone_one(&run);
    assert_int_equal(*(uint8_t *)y.data, 4);
    free(y.data);
    bytes[0] = more[0] = 1;
    run.in[0].type = run.in[2].type = COVEY_TYPE_BOOL;
    y = alone_one(&run);
    assert_int_equal(*(uint8_t *)y.data, 1);
    free(y.data);
    a.mode = COVEY_SCATTER_MAX;
    run.in[0].type = run.in[2].type = COVEY_TYPE_U64;
    run.in[0].data = big, run.in[2].data = one;
    y = alone_one(&run);
    assert_true(*(uint64_t *)y.data == UINT64_MAX);
    free(y.data), free(i.data);
}

/* OneHot puts the on value where the index says, along any axis, for negative and float indices;
 * indices outside give rows of the off value. */
static void test_onehot(void **state)
{
    (void)state;
    struct covey_op_attrs a = attrs_default();
    struct covey_tensor x = floats_tensor(shape_of(2, 2, 2, 0, 0), (const float[]){1, -1, 3, 0});
    struct covey_tensor v = longs_tensor(shape_of(1, 2, 0, 0, 0), (const int64_t[]){5, 9});
    struct alone run = {COVEY_OP_ONEHOT, &a, {x, v}, 2, 1, 1, 1, 0};
    a.size = 3;
    a.axis = -1;
    struct covey_tensor y = alone_one(&run);
    assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){3, {2, 2, 3}}));
    assert_memory_equal(y.data, ((const int64_t[]){5, 9, 5, 5, 5, 9, 5, 5, 5, 9, 5, 5}), 96);
    free(y.data);
    a.axis = 1;
    y = alone_one(&run);
    assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){3, {2, 3, 2}}));
    assert_memory_equal(y.data, ((const int64_t[]){5, 5, 9, 5, 5, 9, 5, 9, 5, 5, 5, 5}), 96);
    free(y.data);
    a.size = 0;
    y = alone_one(&run);
    assert_int_equal(covey__shape_elements(&y.shape), 0);
    free(y.data), free(x.data), free(v.data);
}

/* Small, or one of the numbers that break things. */
static int64_t hostile(uint64_t *seed)
{
    static const int64_t edges[] = {INT64_MAX,        INT64_MIN, INT32_MAX, INT32_MIN,
                                    UINT32_MAX,       1 << 28,   -1,        (1 << 28) + 1,
                                    (int64_t)1 << 32, -(1 << 28)};
    return random_below(seed, 8) > 0 ? (int64_t)random_below(seed, 5) - (random_below(seed, 3) == 0)
                                     : edges[random_below(seed, 10)];
}

static struct covey_op_attrs hostile_attrs(unsigned rank, uint64_t *seed)
{
    struct covey_op_attrs a = attrs_default();
    a.axis = (int32_t)hostile(seed);
    a.axes = (uint32_t)hostile(seed);
    a.size = (uint32_t)hostile(seed);
    a.mode = random_below(seed, 20) > 0 ? random_below(seed, 5) : (uint32_t)hostile(seed);
    a.coordinates = (enum covey_coordinates)random_below(seed, COVEY_COORD_COUNT + 1);
    a.nearest = (enum covey_nearest)random_below(seed, COVEY_NEAREST_COUNT + 1);
    a.antialias = random_below(seed, 2) == 0;
    a.exclude_outside = random_below(seed, 2) == 0;
    a.alpha = (float)hostile(seed);
    a.value = (double)hostile(seed);
    a.to = (enum covey_type)random_below(seed, COVEY_TYPE_COUNT);
    a.shape_rank = (uint8_t)(random_below(seed, 9) > 0 ? rank : random_below(seed, 256));
    for (unsigned i = 0; i < COVEY_RANK_MAX; i++) {
        a.shape[i] = hostile(seed);
        a.start[i] = hostile(seed);
        a.step[i] = hostile(seed);
        a.scale[i] = (float)hostile(seed) / 2;
        a.pad[2 * i] = (int32_t)hostile(seed);
        a.pad[2 * i + 1] = (int32_t)hostile(seed);
        a.roi[2 * i] = (float)hostile(seed);
        a.roi[2 * i + 1] = (float)hostile(seed) / 3;
        a.sizes[i] = (uint32_t)hostile(seed);
    }
    return a;
}

/* Whatever the attributes are: they are refused, or the kernel stays inside its buffers. */
static void test_hostile_attributes(void **state)
{
    (void)state;
    uint64_t seed = 15;
    unsigned ran = 0;
    for (unsigned round = 0; round < 60000; round++) {
        enum covey_op op = (enum covey_op)(COVEY_OP_CONCAT + round % 21);
        const struct covey__op *row = covey__op_find(op);
        unsigned rank = random_below(&seed, 10) > 0 ? 4 : random_below(&seed, 9);
        struct covey_op_attrs a = hostile_attrs(rank, &seed);
        struct alone run = {op, &a, {{0}}, row->inputs_min, 1, 1 + round % 3, 1, 0};
        struct covey_tensor out[COVEY_NODE_OUTPUTS_MAX];
        size_t count = 0;
        run.outputs = op == COVEY_OP_SPLIT ? 1 + round % 3 : 1;
        for (unsigned i = 0; i < run.inputs; i++) {
            enum covey_type type = i == 1 ? COVEY_TYPE_I64 : sizes[round / 21 % 4];
            unsigned of = i == 0 ? rank : random_below(&seed, 5);
            run.in[i] = random_tensor(type, random_shape(of, 4, &seed), &seed);
        }
        if (alone_infer(&run, out) == COVEY_OK &&
            covey_shape_count(&out[0].shape, &count) == COVEY_OK && count < 100000) {
            alone_run(&run, out);
            ran++;
            for (unsigned i = 0; i < run.outputs; i++) {
                free(out[i].data);
            }
        }
        for (unsigned i = 0; i < run.inputs; i++) {
            free(run.in[i].data);
        }
    }
    assert_true(ran > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_nd_documented), cmocka_unit_test(test_scatter_types),
        cmocka_unit_test(test_onehot),        cmocka_unit_test(test_hostile_attributes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
