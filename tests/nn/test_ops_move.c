/* SPDX-License-Identifier: MIT */
#include "movetest.h"

static const enum covey_type sizes[4] = {COVEY_TYPE_I8, COVEY_TYPE_F16, COVEY_TYPE_F32,
                                         COVEY_TYPE_I64};

/* From indices of the output to those of the input; false: the padding value. */
typedef bool (*origin_fn)(const struct covey_op_attrs *a, const struct covey_shape *x,
                          const int64_t *to, int64_t *from);

/* Runs the operator on x and compares each element with the one its formula names. */
static void check_moves(enum covey_op op, const struct covey_op_attrs *a,
                        const struct covey_tensor *x, origin_fn origin)
{
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct alone run = {op, a, {*x}, 1, 1, 1, threads, 0};
        struct covey_tensor y = alone_one(&run);
        size_t count = covey__shape_elements(&y.shape);
        for (size_t i = 0; i < count; i++) {
            int64_t to[COVEY_RANK_MAX], from[COVEY_RANK_MAX];
            place(&y.shape, i, to);
            int64_t expected = origin(a, &x->shape, to, from)
                                   ? covey__load_int(x, flat_of(&x->shape, from))
                                   : (int64_t)a->value;
            assert_int_equal(covey__load_int(&y, i), expected);
        }
        free(y.data);
    }
}

static struct covey_shape random_shape(unsigned rank, uint32_t most, uint64_t *seed)
{
    struct covey_shape s = {.rank = (uint8_t)rank};
    for (unsigned i = 0; i < rank; i++) {
        s.dims[i] = random_below(seed, most) + (random_below(seed, 12) != 0);
    }
    return s;
}

static bool from_transpose(const struct covey_op_attrs *a, const struct covey_shape *x,
                           const int64_t *to, int64_t *from)
{
    for (unsigned i = 0; i < x->rank; i++) {
        from[a->shape[i]] = to[i];
    }
    return true;
}

/* Every permutation of up to eight dimensions, of elements of each size, is ONNX's Transpose. */
static void test_transpose(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 400; round++) {
        unsigned rank = round % 9;
        struct covey_op_attrs a = attrs_default();
        struct covey_tensor x =
            random_tensor(sizes[round % 4], random_shape(rank, rank > 4 ? 3 : 9, &seed), &seed);
        a.shape_rank = (uint8_t)rank;
        for (unsigned i = 0; i < rank; i++) {
            unsigned j = random_below(&seed, i + 1);
            a.shape[i] = a.shape[j];
            a.shape[j] = i;
        }
        check_moves(COVEY_OP_TRANSPOSE, &a, &x, from_transpose);
        free(x.data);
    }
}

/* Images between channels first and channels last, large enough for blocks and threads. */
static void test_transpose_images(void **state)
{
    (void)state;
    uint64_t seed = 2;
    const uint32_t images[4][4] = {{1, 67, 33, 31}, {2, 3, 90, 101}, {1, 64, 56, 56}, {3, 1, 5, 7}};
    const int64_t perms[3][4] = {{0, 2, 3, 1}, {0, 3, 1, 2}, {0, 1, 3, 2}};
    for (unsigned i = 0; i < 12; i++) {
        struct covey_op_attrs a = attrs_default();
        struct covey_tensor x = random_tensor(sizes[i % 4], shape8(4, images[i / 3]), &seed);
        a.shape_rank = 4;
        memcpy(a.shape, perms[i % 3], sizeof perms[0]);
        check_moves(COVEY_OP_TRANSPOSE, &a, &x, from_transpose);
        free(x.data);
        x = random_tensor(COVEY_TYPE_F32, shape8(4, images[i / 3]), &seed);
        check_moves(COVEY_OP_TRANSPOSE, &a, &x, from_transpose);
        free(x.data);
    }
}

static bool from_reverse(const struct covey_op_attrs *a, const struct covey_shape *x,
                         const int64_t *to, int64_t *from)
{
    for (unsigned i = 0; i < x->rank; i++) {
        from[i] = (a->axes >> i & 1) != 0 ? (int64_t)x->dims[i] - 1 - to[i] : to[i];
    }
    return true;
}

static bool from_slice(const struct covey_op_attrs *a, const struct covey_shape *x,
                       const int64_t *to, int64_t *from)
{
    for (unsigned i = 0; i < x->rank; i++) {
        from[i] = a->start[i] + to[i] * a->step[i];
    }
    return true;
}

static bool from_tile(const struct covey_op_attrs *a, const struct covey_shape *x,
                      const int64_t *to, int64_t *from)
{
    (void)a;
    for (unsigned i = 0; i < x->rank; i++) {
        from[i] = to[i] % x->dims[i];
    }
    return true;
}

static bool from_expand(const struct covey_op_attrs *a, const struct covey_shape *x,
                        const int64_t *to, int64_t *from)
{
    unsigned missing = a->shape_rank > x->rank ? a->shape_rank - (unsigned)x->rank : 0;
    for (unsigned i = 0; i < x->rank; i++) {
        from[i] = x->dims[i] == 1 ? 0 : to[missing + i];
    }
    return true;
}

static void random_slice(const struct covey_shape *x, struct covey_op_attrs *a, uint64_t *seed)
{
    for (unsigned i = 0; i < x->rank; i++) {
        int64_t dim = x->dims[i];
        a->step[i] = (int64_t)random_below(seed, 3) + 1;
        a->start[i] = dim > 0 ? (int64_t)random_below(seed, (uint32_t)dim) : 0;
        int64_t most = dim == 0 ? 0 : (dim - 1 - a->start[i]) / a->step[i] + 1;
        if (random_below(seed, 2) == 0) {
            most = dim == 0 ? 0 : a->start[i] / a->step[i] + 1;
            a->step[i] = -a->step[i];
        }
        a->shape[i] = random_below(seed, (uint32_t)most + 1);
        a->shape[i] = a->shape[i] == 0 ? most : a->shape[i];
    }
}

/* Reverse, Slice with steps of both signs, Tile and Expand name the right element in up to eight
 * dimensions, empty ones too. */
static void test_views(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (unsigned round = 0; round < 400; round++) {
        unsigned rank = round % 9;
        struct covey_op_attrs a = attrs_default();
        struct covey_tensor x =
            random_tensor(sizes[round / 9 % 4], random_shape(rank, rank > 4 ? 3 : 6, &seed), &seed);
        a.axes = rank > 0 ? random_below(&seed, 1u << rank) : 0;
        check_moves(COVEY_OP_REVERSE, &a, &x, from_reverse);
        a.shape_rank = (uint8_t)rank;
        random_slice(&x.shape, &a, &seed);
        check_moves(COVEY_OP_SLICE, &a, &x, from_slice);
        for (unsigned i = 0; i < rank; i++) {
            a.shape[i] = random_below(&seed, 3) + (random_below(&seed, 9) != 0);
        }
        check_moves(COVEY_OP_TILE, &a, &x, from_tile);
        for (unsigned i = 0; i < rank; i++) {
            a.shape[i] = x.shape.dims[i] == 1 ? random_below(&seed, 4) : x.shape.dims[i];
        }
        check_moves(COVEY_OP_EXPAND, &a, &x, from_expand);
        if (rank > 1) {
            unsigned fewer = random_below(&seed, rank);
            memmove(a.shape, a.shape + fewer, (rank - fewer) * sizeof a.shape[0]);
            a.shape_rank = (uint8_t)(rank - fewer);
            check_moves(COVEY_OP_EXPAND, &a, &x, from_expand);
        }
        free(x.data);
    }
}

/* A count of -1 in Slice is the whole dimension: it follows the batch. */
static void test_slice_whole(void **state)
{
    (void)state;
    uint64_t seed = 14;
    struct covey_op_attrs a = attrs_default();
    a.shape_rank = 2;
    a.shape[0] = -1, a.step[0] = a.step[1] = 1;
    a.start[1] = a.shape[1] = 2;
    for (uint32_t batch = 0; batch < 4; batch++) {
        struct covey_tensor x = random_tensor(COVEY_TYPE_F32, shape_of(2, batch, 4, 0, 0), &seed);
        struct covey_tensor y;
        struct alone run = {COVEY_OP_SLICE, &a, {x}, 1, 1, batch, 1, 0};
        assert_int_equal(alone_infer(&run, &y), COVEY_OK);
        assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){2, {batch, 2}}));
        check_moves(COVEY_OP_SLICE, &a, &x, from_slice);
        free(x.data);
    }
}

/* One step at a time, as the names say; constant: false outside. */
static bool pad_place(unsigned mode, int64_t *at, int64_t n)
{
    while (*at < 0 || *at >= n) {
        if (mode == COVEY_PAD_CONSTANT) {
            return false;
        }
        if (mode == COVEY_PAD_EDGE) {
            *at = *at < 0 ? 0 : n - 1;
        } else if (mode == COVEY_PAD_WRAP) {
            *at += *at < 0 ? n : -n;
        } else {
            *at = n == 1 ? 0 : *at < 0 ? -*at : 2 * (n - 1) - *at;
        }
    }
    return true;
}

static bool from_pad(const struct covey_op_attrs *a, const struct covey_shape *x, const int64_t *to,
                     int64_t *from)
{
    for (unsigned i = 0; i < x->rank; i++) {
        int64_t begin = a->pad[i], end = a->pad[x->rank + i];
        int64_t cut = begin < 0 ? -begin : 0, n = x->dims[i] - cut + (end < 0 ? end : 0);
        int64_t at = to[i] - (begin > 0 ? begin : 0);
        if (!pad_place(a->mode, &at, n)) {
            return false;
        }
        from[i] = at + cut;
    }
    return true;
}

/* Pad in all its modes follows numpy.pad, also where the padding is longer than the data; negative
 * pads crop. */
static void test_pad(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (unsigned round = 0; round < 400; round++) {
        unsigned rank = round / 4 % 9;
        struct covey_op_attrs a = attrs_default();
        struct covey_tensor x = {sizes[round / 36 % 4], {.rank = (uint8_t)rank}, NULL};
        a.mode = round % 4;
        a.value = 7;
        a.shape_rank = (uint8_t)rank;
        for (unsigned i = 0; i < rank; i++) {
            uint32_t dim = random_below(&seed, rank > 5 ? 2 : 4) + 1;
            x.shape.dims[i] = dim;
            a.pad[i] = (int32_t)random_below(&seed, rank > 5 ? 2 : 7);
            a.pad[rank + i] = (int32_t)random_below(&seed, rank > 5 ? 2 : 7);
            if (random_below(&seed, 3) == 0) {
                a.pad[random_below(&seed, 2) * rank + i] = -(int32_t)random_below(&seed, dim);
            }
        }
        struct covey_tensor data = random_tensor(x.type, x.shape, &seed);
        check_moves(COVEY_OP_PAD, &a, &data, from_pad);
        free(data.data);
    }
}

/* Padding nothing by a constant gives only the constant; the other modes have nothing to give. */
static void test_pad_empty(void **state)
{
    (void)state;
    uint64_t seed = 5;
    struct covey_op_attrs a = attrs_default();
    struct covey_tensor x = random_tensor(COVEY_TYPE_I16, shape_of(2, 0, 2, 0, 0), &seed), y;
    a.pad[0] = 2, a.value = -3;
    check_moves(COVEY_OP_PAD, &a, &x, from_pad);
    a.mode = COVEY_PAD_EDGE;
    struct alone run = {COVEY_OP_PAD, &a, {x}, 1, 1, 1, 1, 0};
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_RANGE);
    a.mode = 4;
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_RANGE);
    free(x.data);
}

static bool from_deep(const struct covey_op_attrs *a, const struct covey_shape *x,
                      const int64_t *to, int64_t *from)
{
    int64_t b = a->size, channels = x->dims[1] / (b * b), block = to[2] % b * b + to[3] % b;
    from[0] = to[0], from[2] = to[2] / b, from[3] = to[3] / b;
    from[1] = a->mode == 1 ? to[1] * b * b + block : block * channels + to[1];
    return true;
}

static bool from_wide(const struct covey_op_attrs *a, const struct covey_shape *x,
                      const int64_t *to, int64_t *from)
{
    int64_t b = a->size, block = to[1] / x->dims[1];
    from[0] = to[0], from[1] = to[1] % x->dims[1];
    from[2] = to[2] * b + block / b, from[3] = to[3] * b + block % b;
    return true;
}

/* DepthToSpace in both modes and SpaceToDepth follow ONNX's formulas. */
static void test_depth(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (uint32_t round = 0; round < 48; round++) {
        struct covey_op_attrs a = attrs_default();
        uint32_t b = round / 2 % 3 + 1, c = round / 6 % 2 + 1, n = round % 11 != 0;
        a.size = b;
        a.mode = round % 2;
        struct covey_tensor deep =
            random_tensor(sizes[round % 4], shape_of(4, n + 1, c * b * b, 3, 4), &seed);
        struct covey_tensor wide =
            random_tensor(sizes[round % 4], shape_of(4, n, c, 3 * b, 2 * b), &seed);
        check_moves(COVEY_OP_DEPTHTOSPACE, &a, &deep, from_deep);
        check_moves(COVEY_OP_SPACETODEPTH, &a, &wide, from_wide);
        free(deep.data);
        free(wide.data);
    }
}

/* The example of ONNX's documentation: DepthToSpace, DCR and CRD. */
static void test_depth_documented(void **state)
{
    (void)state;
    float x[48], dcr[12] = {0, 18, 1, 19, 2, 20, 36, 54, 37, 55, 38, 56};
    float crd[12] = {0, 9, 1, 10, 2, 11, 18, 27, 19, 28, 20, 29};
    for (unsigned i = 0; i < 48; i++) {
        x[i] = (float)(i / 6 * 9 + i % 6);
    }
    struct covey_op_attrs a = attrs_default();
    a.size = 2;
    struct covey_tensor t = floats_tensor(shape_of(4, 1, 8, 2, 3), x);
    for (a.mode = 0; a.mode < 2; a.mode++) {
        struct covey_tensor y =
            alone_one(&(struct alone){COVEY_OP_DEPTHTOSPACE, &a, {t}, 1, 1, 1, 1, 0});
        assert_memory_equal(y.data, a.mode == 1 ? crd : dcr, sizeof dcr);
        free(y.data);
    }
    free(t.data);
}

/* Split gives each part its run along the axis, and Concat of the parts is the whole again. */
static void test_split_and_concat(void **state)
{
    (void)state;
    uint64_t seed = 7;
    for (unsigned round = 0; round < 200; round++) {
        unsigned rank = round % 8 + 1, axis = random_below(&seed, rank);
        struct covey_op_attrs a = attrs_default();
        struct covey_shape s = random_shape(rank, rank > 4 ? 2 : 7, &seed);
        a.axis = (int32_t)axis - (round % 2 == 0 ? (int32_t)rank : 0);
        s.dims[axis] = 0;
        for (unsigned i = 0; i < 3; i++) {
            a.sizes[i] = random_below(&seed, 5);
            s.dims[axis] += a.sizes[i];
        }
        struct covey_tensor x = random_tensor(sizes[round % 4], s, &seed), parts[3];
        alone_run(&(struct alone){COVEY_OP_SPLIT, &a, {x}, 1, 3, 1, 1 + round % 2, 0}, parts);
        int64_t first = 0;
        for (unsigned i = 0; i < 3; i++) {
            for (size_t j = 0; j < covey__shape_elements(&parts[i].shape); j++) {
                int64_t at[COVEY_RANK_MAX];
                place(&parts[i].shape, j, at);
                at[axis] += first;
                assert_int_equal(covey__load_int(&parts[i], j),
                                 covey__load_int(&x, flat_of(&s, at)));
            }
            first += a.sizes[i];
        }
        struct covey_tensor y = alone_one(
            &(struct alone){COVEY_OP_CONCAT, &a, {parts[0], parts[1], parts[2]}, 3, 1, 1, 1, 0});
        assert_true(covey_shape_equal(&y.shape, &s));
        assert_memory_equal(y.data, x.data, bytes_of(&x));
        free(y.data);
        struct covey_tensor again[3];
        alone_run(&(struct alone){COVEY_OP_SPLIT, &a, {x}, 1, 3, 1, 1, 2}, again);
        assert_memory_equal(again[2].data, parts[2].data, bytes_of(&parts[2]));
        for (unsigned i = 0; i < 3; i++) {
            free(parts[i].data);
            free(again[i].data);
        }
        free(x.data);
    }
}

static bool from_trilu(const struct covey_op_attrs *a, const struct covey_shape *x,
                       const int64_t *to, int64_t *from)
{
    int64_t off = to[x->rank - 1] - to[x->rank - 2];
    memcpy(from, to, x->rank * sizeof to[0]);
    return a->mode == 1 ? off >= a->axis : off <= a->axis;
}

/* Trilu keeps what numpy.triu and tril keep, for diagonals inside and far outside. */
static void test_trilu(void **state)
{
    (void)state;
    uint64_t seed = 10;
    const int32_t diagonals[] = {0, 1, -1, 3, -3, 100, -100, INT32_MAX, INT32_MIN};
    for (unsigned i = 0; i < 9 * 8; i++) {
        struct covey_op_attrs a = attrs_default();
        a.axis = diagonals[i % 9];
        a.mode = i / 9 % 2;
        struct covey_tensor x = random_tensor(sizes[i / 18], shape_of(3, 2, 3, i % 5, 0), &seed);
        check_moves(COVEY_OP_TRILU, &a, &x, from_trilu);
        free(x.data);
    }
}

/* Fill makes its value in every type and shape. */
static void test_fill(void **state)
{
    (void)state;
    for (unsigned type = 0; type < COVEY_TYPE_COUNT; type++) {
        struct covey_op_attrs a = attrs_default();
        a.to = (enum covey_type)type;
        a.value = 1;
        a.shape_rank = 3;
        a.shape[0] = 3, a.shape[1] = type % 2, a.shape[2] = 700;
        struct covey_tensor y = alone_one(&(struct alone){COVEY_OP_FILL, &a, {{0}}, 0, 1, 1, 1, 0});
        assert_int_equal(y.type, type);
        for (size_t i = 0; i < covey__shape_elements(&y.shape); i++) {
            assert_int_equal(covey__load_int(&y, i), 1);
        }
        free(y.data);
    }
}

struct reshape_row {
    uint32_t mode, batch;
    uint32_t in[4], rank;
    int64_t shape[4];
    unsigned shape_rank;
    covey_err err;
    uint32_t expected[4];
};

/* Reshape: 0 keeps or is 0, -1 is inferred, a batch of 1 follows the one that is run. */
static void test_reshape(void **state)
{
    (void)state;
    const struct reshape_row table[] = {
        {0, 1, {2, 3, 4}, 3, {4, 6}, 2, COVEY_OK, {4, 6}},
        {0, 1, {2, 3, 4}, 3, {0, -1}, 2, COVEY_OK, {2, 12}},
        {0, 1, {2, 3, 4}, 3, {-1, 0, 2}, 3, COVEY_OK, {4, 3, 2}},
        {0, 2, {2, 3, 4}, 3, {1, 12}, 2, COVEY_OK, {2, 12}},
        {0, 1, {2, 3, 4}, 3, {-1, -1}, 2, COVEY_ERR_RANGE, {0}},
        {0, 1, {2, 3, 4}, 3, {5, -1}, 2, COVEY_ERR_RANGE, {0}},
        {0, 1, {2, 3, 4}, 3, {2, 3, 4, 0}, 4, COVEY_ERR_RANGE, {0}},
        {0, 1, {2, 3, 4}, 3, {-2, 12}, 2, COVEY_ERR_RANGE, {0}},
        {COVEY_RESHAPE_ZERO, 1, {0, 3, 4}, 3, {3, 4, 0}, 3, COVEY_OK, {3, 4, 0}},
        {COVEY_RESHAPE_ZERO, 1, {2, 3}, 2, {0, 6}, 2, COVEY_ERR_RANGE, {0}},
        {0, 1, {0, 3}, 2, {0, 3, 1}, 3, COVEY_OK, {0, 3, 1}},
        {0, 1, {0, 3}, 2, {3, -1}, 2, COVEY_OK, {3, 0}},
        {0, 1, {1}, 1, {0}, 0, COVEY_OK, {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct reshape_row *r = &table[i];
        struct covey_op_attrs a = attrs_default();
        struct covey_tensor x = {COVEY_TYPE_U16, shape8(r->rank, r->in), NULL}, y;
        a.mode = r->mode;
        a.shape_rank = (uint8_t)r->shape_rank;
        memcpy(a.shape, r->shape, sizeof r->shape);
        struct alone run = {COVEY_OP_RESHAPE, &a, {x}, 1, 1, r->batch, 1, 0};
        assert_int_equal(alone_infer(&run, &y), r->err);
        struct covey_shape expected = shape8(r->shape_rank, r->expected);
        assert_true(r->err != COVEY_OK || covey_shape_equal(&y.shape, &expected));
    }
}

/* Flatten of a tensor without elements does not overflow. */
static void test_flatten_empty(void **state)
{
    (void)state;
    struct covey_op_attrs a = attrs_default();
    const uint32_t dims[4] = {0, 1 << 28, 1 << 28, 1 << 28};
    struct covey_tensor x = {COVEY_TYPE_U8, shape8(4, dims), NULL}, y;
    struct alone run = {COVEY_OP_FLATTEN, &a, {x}, 1, 1, 1, 1, 0};
    a.axis = 1;
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_LIMIT);
    a.axis = 2;
    assert_int_equal(alone_infer(&run, &y), COVEY_ERR_LIMIT);
    run.in[0].shape.rank = 2;
    assert_int_equal(alone_infer(&run, &y), COVEY_OK);
    assert_true(covey_shape_equal(&y.shape, &(struct covey_shape){2, {0, 1}}));
}

/* attrs over x [2 3 4 5] that must be refused. */
static void refuse(enum covey_op op, const struct covey_op_attrs *a, const struct covey_tensor *in,
                   unsigned inputs)
{
    struct covey_tensor y[COVEY_NODE_OUTPUTS_MAX];
    struct alone run = {op, a, {{0}}, inputs, 1, 1, 1, 0};
    for (unsigned i = 0; i < inputs; i++) {
        run.in[i] = in[i];
    }
    assert_int_not_equal(alone_infer(&run, y), COVEY_OK);
}

/* Attributes that would reach outside are refused while inferring. */
static void test_refused(void **state)
{
    (void)state;
    struct covey_tensor x[3] = {{COVEY_TYPE_F32, shape_of(4, 2, 3, 4, 5), NULL}};
    x[1] = (struct covey_tensor){COVEY_TYPE_I64, shape_of(1, 3, 0, 0, 0), NULL};
    x[2] = x[1];
    const struct covey_op_attrs base = attrs_default();
    struct covey_op_attrs a = base;
    const int64_t slices[][3] = {
        {0, 0, 1},   {0, 3, 1},         {2, 1, 1},         {-1, 1, 1},       {0, 2, 2},
        {1, 2, 1},   {0, 2, -1},        {1, 3, -1},        {1, -1, 1},       {0, -2, 1},
        {0, -1, -1}, {0, 2, INT64_MIN}, {1, 2, INT64_MAX}, {INT64_MIN, 1, 1}};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        a = base;
        a.shape_rank = 4;
        for (unsigned axis = 1; axis < 4; axis++) {
            a.step[axis] = 1, a.shape[axis] = 1;
        }
        a.start[0] = slices[i][0], a.shape[0] = slices[i][1], a.step[0] = slices[i][2];
        a.step[0] = i == 0 ? 0 : a.step[0];
        refuse(COVEY_OP_SLICE, &a, x, 1);
    }
    a = base;
    a.shape_rank = 3;
    refuse(COVEY_OP_SLICE, &a, x, 1);
    refuse(COVEY_OP_TILE, &a, x, 1);
    refuse(COVEY_OP_TRANSPOSE, &a, x, 1);
    a.shape_rank = 9;
    refuse(COVEY_OP_EXPAND, &a, x, 1);
    refuse(COVEY_OP_FILL, &a, x, 0);
    a.shape_rank = 4;
    a.shape[0] = -1;
    refuse(COVEY_OP_EXPAND, &a, x, 1);
    a.shape[0] = INT64_MAX;
    refuse(COVEY_OP_TILE, &a, x, 1);
    a = base;
    a.axis = 4;
    refuse(COVEY_OP_CONCAT, &a, x, 1);
    refuse(COVEY_OP_SPLIT, &a, x, 1);
    refuse(COVEY_OP_GATHER, &a, x, 2);
    refuse(COVEY_OP_GATHERELEMENTS, &a, x, 2);
    a.axis = 0;
    a.sizes[0] = 3;
    refuse(COVEY_OP_SPLIT, &a, x, 1);
    refuse(COVEY_OP_GATHERELEMENTS, &a, x, 2);
    refuse(COVEY_OP_SCATTERELEMENTS, &a, x, 3);
    refuse(COVEY_OP_GATHERND, &a, (struct covey_tensor[]){x[0], x[0], x[0]}, 2);
    a.size = 1;
    refuse(COVEY_OP_GATHERND, &a, x, 2);
    refuse(COVEY_OP_SCATTERND, &a, x, 3);
    refuse(COVEY_OP_ONEHOT, &a, x, 2);
    a.axes = 16;
    refuse(COVEY_OP_REVERSE, &a, x, 1);
    const uint32_t blocks[] = {0, 2, 1u << 16, UINT32_MAX};
    for (size_t i = 0; i < 4; i++) {
        a.size = blocks[i];
        refuse(COVEY_OP_DEPTHTOSPACE, &a, x, 1);
        refuse(COVEY_OP_SPACETODEPTH, &a, x, 1);
    }
    a.size = 1;
    refuse(COVEY_OP_SPACETODEPTH, &a, x + 1, 1);
    refuse(COVEY_OP_TRILU, &a, x + 1, 1);
    a.pad[0] = INT32_MIN, a.pad[4] = INT32_MAX;
    refuse(COVEY_OP_PAD, &a, x, 1);
}

/* A concatenation whose later input is left out is refused, not followed. */
static void test_concat_left_out(void **state)
{
    (void)state;
    struct covey_op_attrs a = attrs_default();
    struct covey_graph *g = graph_with_input(shape_of(2, 2, 3, 0, 0));
    const uint16_t inputs[2] = {g->input[0], COVEY_VALUE_NONE};
    struct covey_nn_error why;
    add_op(g, COVEY_OP_CONCAT, &a, inputs, 2);
    assert_int_equal(covey_graph_check(g, 0, &why), COVEY_ERR_RANGE);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transpose),
        cmocka_unit_test(test_transpose_images),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_slice_whole),
        cmocka_unit_test(test_pad),
        cmocka_unit_test(test_pad_empty),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_depth_documented),
        cmocka_unit_test(test_split_and_concat),

        cmocka_unit_test(test_trilu),
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_flatten_empty),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_concat_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
