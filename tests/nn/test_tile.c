/* SPDX-License-Identifier: MIT */
#include "../../nn/kernels/vkernels.h"
#include "tiling.h"

#include <math.h>
#include <stdlib.h>

/* Windows of rows (0) and of columns (1). */
struct window {
    uint32_t kernel[2], stride[2], dilation[2], pads[2], pads_end[2];
};

static struct covey_op_attrs window_attrs(const struct window *w)
{
    struct covey_op_attrs a = attrs_default();
    for (unsigned i = 0; i < 2; i++) {
        a.kernel[i] = w->kernel[i];
        a.stride[i] = w->stride[i];
        a.dilation[i] = w->dilation[i] == 0 ? 1 : w->dilation[i];
        a.pads[i] = w->pads[i];
        a.pads_end[i] = w->pads_end[i];
    }
    return a;
}

static uint16_t add_window_conv(struct covey_graph *g, uint16_t x, const uint32_t c_m_groups[3],
                                const struct window *w, uint64_t *seed)
{
    struct covey_op_attrs a = window_attrs(w);
    uint32_t m = c_m_groups[1];
    a.groups = c_m_groups[2];
    a.act = COVEY_ACT_RELU;
    uint16_t in[3] = {
        x,
        add_random(g, shape_of(4, m, c_m_groups[0] / a.groups, w->kernel[0], w->kernel[1]), seed),
        add_random(g, shape_of(1, m, 0, 0, 0), seed)};
    return add_op(g, COVEY_OP_CONV, &a, in, 3);
}

static void random_window(struct window *w, uint64_t *seed)
{
    *w = (struct window){.kernel = {1, 1}};
    for (unsigned i = 0; i < 2; i++) {
        w->kernel[i] = 1 + random_below(seed, 4);
        w->stride[i] = 1 + random_below(seed, 3);
        w->dilation[i] = 1 + random_below(seed, 2);
        uint32_t extent = (w->kernel[i] - 1) * w->dilation[i] + 1;
        w->pads[i] = random_below(seed, extent);
        w->pads_end[i] = random_below(seed, extent);
    }
}

static void expect_strips(struct covey_graph *take_g, size_t cells)
{
    struct tiling t;
    tiling_init(&t, take_g);
    assert_int_equal(tiling_run(&t, 0), cells);
    assert_true(tiling_worst(&t, 4) < 1e-5);
    tiling_done(&t);
}

/* Convolutions of any kernel, stride, dilation, uneven padding and groups, at odd sizes. */
static void test_convolutions(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned i = 0; i < 60; i++) {
        struct covey_graph *g = graph_with_input(
            shape_of(4, 1 + i % 2, 4, 17 + random_below(&seed, 6), 15 + random_below(&seed, 4)));
        struct window w;
        random_window(&w, &seed);
        uint16_t x =
            add_window_conv(g, g->input[0], (const uint32_t[]){4, 6, 1 + i % 2}, &w, &seed);
        w = (struct window){{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
        x = add_window_conv(g, x, (const uint32_t[]){6, 6, i % 3 == 0 ? 6 : 1}, &w, &seed);
        expect_strips(g, 2);
    }
}

/* Maxima, means with and without the padding, and norms; the last window may hang over. */
static void test_poolings(void **state)
{
    (void)state;
    static const enum covey_op ops[] = {COVEY_OP_MAXPOOL, COVEY_OP_AVGPOOL, COVEY_OP_AVGPOOL,
                                        COVEY_OP_LPPOOL};
    uint64_t seed = 2;
    for (unsigned i = 0; i < 160; i++) {
        struct covey_graph *g = graph_with_input(
            shape_of(4, 1, 2, 13 + random_below(&seed, 8), 13 + random_below(&seed, 4)));
        struct window w;
        random_window(&w, &seed);
        struct covey_op_attrs a = window_attrs(&w);
        a.ceil_mode = i / 4 % 2 == 0;
        a.count_include_pad = i % 4 == 1;
        a.alpha = 2.0f;
        uint16_t x = add_op(g, ops[i % 4], &a, g->input, 1);
        w = (struct window){{2, 2}, {1, 1}, {1, 1}, {0, 0}, {1, 1}};
        add_window_conv(g, x, (const uint32_t[]){2, 3, 1}, &w, &seed);
        expect_strips(g, 2);
    }
}

/* Means over every last window that hangs over the padding: counted as in the whole. */
static void test_means_that_hang_over(void **state)
{
    (void)state;
    for (uint32_t rows = 7; rows < 16; rows++) {
        for (uint32_t kernel = 2; kernel < 6; kernel++) {
            for (uint32_t pads = 0; pads < kernel; pads++) {
                struct window w = {{kernel, 3}, {kernel, 2}, {1, 1}, {pads, 1}, {pads / 2, 1}};
                struct covey_op_attrs a = window_attrs(&w);
                struct covey_graph *g = graph_with_input(shape_of(4, 1, 1, rows, 6));
                a.ceil_mode = true;
                a.count_include_pad = true;
                add_op(g, COVEY_OP_AVGPOOL, &a, g->input, 1);
                expect_strips(g, 1);
            }
        }
    }
}

/* A block whose branches meet again is one cell, with or without a convolution on the short way,
 * and whatever is fused. */
static void test_residual_blocks(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t seed = 3;
        uint32_t stride = 1 + i % 2;
        struct window w = {{3, 3}, {stride, stride}, {1, 1}, {1, 1}, {1, 1}};
        struct window one = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
        struct window shortcut = {{1, 1}, {stride, stride}, {1, 1}, {0, 0}, {0, 0}};
        struct covey_graph *g = graph_with_input(shape_of(4, 1, 4, 19, 18));
        uint16_t x = add_window_conv(g, g->input[0], (const uint32_t[]){4, 4, 1}, &one, &seed);
        uint16_t y = add_window_conv(g, x, (const uint32_t[]){4, 4, 1}, &w, &seed);
        y = add_batchnorm(g, y, 4, &seed);
        y = add_window_conv(g, y, (const uint32_t[]){4, 4, 1}, &one, &seed);
        if (i % 2 == 1 || i % 4 == 2) {
            x = add_window_conv(g, x, (const uint32_t[]){4, 4, 1}, &shortcut, &seed);
        }
        x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){y, x}, 2);
        add_unary(g, COVEY_OP_RELU, x);
        if (i >= 4) {
            struct covey_nn_error why = {""};
            expect_ok(covey_graph_check(g, 0, &why), &why);
            expect_ok(covey_graph_optimize(g, &why), &why);
        }
        expect_strips(g, i >= 4 ? 2 : 3);
    }
}

/* Branches with windows of different sizes, joined along the channels, split and sliced again. */
static void test_channels(void **state)
{
    (void)state;
    uint64_t seed = 4;
    struct window three = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    struct window five = {{5, 1}, {1, 1}, {2, 1}, {5, 0}, {3, 0}};
    struct covey_graph *g = graph_with_input(shape_of(4, 2, 3, 14, 9));
    uint16_t x = g->input[0];
    uint16_t a = add_window_conv(g, x, (const uint32_t[]){3, 4, 1}, &three, &seed);
    uint16_t b = add_window_conv(g, x, (const uint32_t[]){3, 2, 1}, &five, &seed);
    x = add_op(g, COVEY_OP_CONCAT, NULL, (const uint16_t[]){a, x, b}, 3);
    struct covey_op_attrs slice = attrs_default();
    slice.shape_rank = 4;
    for (unsigned i = 0; i < 4; i++) {
        slice.step[i] = 1;
        slice.shape[i] = -1;
    }
    slice.start[1] = 1;
    slice.shape[1] = 6;
    slice.start[3] = 2;
    slice.shape[3] = 7;
    x = add_op(g, COVEY_OP_SLICE, &slice, &x, 1);
    struct covey_op_attrs lrn = attrs_default();
    lrn.size = 3;
    x = add_op(g, COVEY_OP_LRN, &lrn, &x, 1);
    expect_strips(g, 3);
}

/* A node with two outputs of which different rows are needed. */
static void test_split(void **state)
{
    (void)state;
    uint64_t seed = 5;
    struct window three = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 4, 12, 8));
    struct covey_graph_value second = {.constant = false};
    uint16_t other = 0;
    uint16_t x = add_window_conv(g, g->input[0], (const uint32_t[]){4, 4, 1}, &three, &seed);
    struct covey_op_attrs split = attrs_default();
    split.sizes[0] = 3;
    split.sizes[1] = 1;
    x = add_op(g, COVEY_OP_SPLIT, &split, &x, 1);
    expect_ok(covey_graph_add_value(g, &second, &other), NULL);
    g->nodes[g->node_count - 1].outputs = 2;
    g->nodes[g->node_count - 1].output[1] = other;
    x = add_window_conv(g, x, (const uint32_t[]){3, 2, 1}, &three, &seed);
    x = add_op(g, COVEY_OP_CONCAT, NULL, (const uint16_t[]){x, other}, 2);
    add_op(g, COVEY_OP_MAX, NULL, (const uint16_t[]){x, x}, 2);
    expect_strips(g, 3);
}

/* Element by element, with constants for all or for each channel, and between branches. */
static void test_elements(void **state)
{
    (void)state;
    uint64_t seed = 6;
    struct covey_graph *g = graph_with_input(shape_of(4, 2, 3, 11, 5));
    uint16_t x = g->input[0];
    uint16_t channel = add_random(g, shape_of(3, 3, 1, 1, 0), &seed);
    uint16_t column = add_random(g, shape_of(1, 5, 0, 0, 0), &seed);
    uint16_t scalar = add_random(g, shape_of(0, 0, 0, 0, 0), &seed);
    uint16_t full = add_random(g, shape_of(4, 1, 3, 1, 5), &seed);
    x = add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[]){x, channel}, 2);
    x = add_op(g, COVEY_OP_SUB, NULL, (const uint16_t[]){column, x}, 2);
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, scalar}, 2);
    x = add_op(g, COVEY_OP_PRELU, NULL, (const uint16_t[]){x, channel}, 2);
    uint16_t positive = add_op(g, COVEY_OP_GREATER, NULL, (const uint16_t[]){x, full}, 2);
    uint16_t y = add_unary(g, COVEY_OP_SIGMOID, x);
    x = add_op(g, COVEY_OP_WHERE, NULL, (const uint16_t[]){positive, x, y}, 3);
    x = add_unary(g, COVEY_OP_DROPOUT, x);
    x = add_unary(g, COVEY_OP_CLIP, x);
    x = add_batchnorm(g, x, 3, &seed);
    expect_strips(g, 8);
}

/* The same kernel makes the same bits: strips of a 1 x 1 convolution and of poolings. */
static void test_same_kernels_give_same_bits(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 8, 24, 16));
    struct window two = {{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}};
    struct covey_op_attrs a = window_attrs(&two);
    uint16_t x = add_op(g, COVEY_OP_MAXPOOL, &a, g->input, 1);
    x = add_unary(g, COVEY_OP_RELU, add_batchnorm(g, x, 8, &seed));
    struct tiling t;
    tiling_init(&t, g);
    assert_true(tiling_worst(&t, 3) == 0.0);
    tiling_done(&t);
}

/* What mixes rows ends the run: the cell says that it can not be cut. */
static void test_what_does_not_tile(void **state)
{
    (void)state;
    static const enum covey_op ops[] = {
        COVEY_OP_GLOBALAVGPOOL, COVEY_OP_SOFTMAX, COVEY_OP_FLATTEN, COVEY_OP_MVN,
        COVEY_OP_TRANSPOSE,     COVEY_OP_CONCAT,  COVEY_OP_ADD};
    for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        uint64_t seed = 8;
        struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 8, 6));
        struct covey_op_attrs a = attrs_default();
        uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){3, 3, 3, 1}, &seed);
        uint16_t in[2] = {x, add_random(g, shape_of(2, 8, 6, 0, 0), &seed)};
        unsigned inputs = ops[i] == COVEY_OP_ADD ? 2 : ops[i] == COVEY_OP_CONCAT ? 2 : 1;
        if (ops[i] == COVEY_OP_CONCAT) {
            in[1] = x;
            a.axis = 2;
        }
        if (ops[i] == COVEY_OP_TRANSPOSE) {
            a.shape_rank = 4;
            a.shape[0] = 0;
            a.shape[1] = 1;
            a.shape[2] = 3;
            a.shape[3] = 2;
        }
        if (ops[i] == COVEY_OP_SOFTMAX) {
            a.axis = 2;
        }
        a.axes = 4;
        add_op(g, ops[i], &a, in, inputs);
        struct tiling t;
        tiling_init(&t, g);
        assert_int_equal(t.count, 2);
        assert_true(t.cells[0].tiles);
        assert_false(t.cells[1].tiles);
        tiling_done(&t);
    }
}

/* A strip without the rows that it needs, or of no rows, or outside, is refused. */
static void test_bad_strips_are_refused(void **state)
{
    (void)state;
    uint64_t seed = 9;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 8, 6)), *out = NULL;
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[]){3, 3, 3, 1}, &seed);
    add_unary(g, COVEY_OP_GLOBALAVGPOOL, x);
    struct tiling t;
    tiling_init(&t, g);
    static const struct covey_strip bad[] = {{3, 6, 2, 6}, {1, 6, 2, 6}, {0, 8, 4, 4},
                                             {0, 8, 5, 9}, {0, 9, 0, 8}, {0, 8, 6, 2}};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct covey_nn_error why = {""};
        assert_int_equal(covey_tile_graph(t.g, t.cells, 1, &bad[i], &out, &why), COVEY_ERR_RANGE);
        assert_true(why.text[0] != '\0');
    }
    struct covey_strip all = {0, 8, 0, 1};
    assert_int_equal(covey_tile_graph(t.g, t.cells, 2, &all, &out, NULL), COVEY_ERR_RANGE);
    assert_int_equal(covey_tile_graph(t.g, t.cells, 0, &all, &out, NULL), COVEY_ERR_RANGE);
    assert_null(out);
    tiling_done(&t);
}

/* Cut and joined again, in floats and in halves: every row where it was, nothing else touched. */
static void test_rows_cut_and_join(void **state)
{
    (void)state;
    uint64_t seed = 10;
    for (unsigned i = 0; i < 50; i++) {
        struct covey_plane_rows r = {.planes = 1 + random_below(&seed, 5),
                                     .rows = 1 + random_below(&seed, 9),
                                     .width = 1 + random_below(&seed, 40)};
        r.begin = random_below(&seed, r.rows);
        r.end = r.begin + random_below(&seed, r.rows - r.begin + 1);
        size_t floats = (size_t)r.planes * r.rows * r.width;
        size_t part = (size_t)r.planes * (r.end - r.begin) * r.width;
        float *tensor = random_floats(&seed, floats), *joined = calloc(floats + 1, sizeof(float));
        float *strip = malloc((part + 1) * sizeof(float));
        uint16_t *half = malloc((part + 1) * sizeof(uint16_t));
        covey_rows_cut(&r, tensor, strip);
        covey_rows_join(&r, strip, joined);
        for (size_t j = 0; j < floats; j++) {
            uint32_t row = (uint32_t)(j / r.width % r.rows);
            bool inside = row >= r.begin && row < r.end;
            assert_true(joined[j] == (inside ? tensor[j] : 0.0f));
        }
        covey_rows_cut_half(&r, tensor, half);
        covey_rows_join_half(&r, half, joined);
        for (size_t j = 0; j < floats; j++) {
            uint32_t row = (uint32_t)(j / r.width % r.rows);
            bool inside = row >= r.begin && row < r.end;
            assert_true(fabsf(joined[j] - (inside ? tensor[j] : 0.0f)) <= 0.0005f);
        }
        free(tensor);
        free(joined);
        free(strip);
        free(half);
    }
}

/* Half of them zeros, some of those negative; some planes have none, some nothing else. */
static void thin_out(uint64_t *seed, const struct covey_plane_rows *r, float *tensor)
{
    size_t plane = (size_t)r->rows * r->width;
    for (uint32_t p = 0; p < r->planes; p++) {
        uint32_t kind = random_below(seed, 4);
        for (size_t i = 0; i < plane && kind > 0; i++) {
            bool zero = kind == 1 || random_below(seed, 2) == 0;
            tensor[p * plane + i] = zero ? 0.0f : tensor[p * plane + i];
        }
        tensor[p * plane] = kind == 3 ? -0.0f : tensor[p * plane];
    }
}

static void expect_sparse(uint64_t *seed, const struct covey_plane_rows *r)
{
    size_t floats = (size_t)r->planes * r->rows * r->width;
    float *tensor = random_floats(seed, floats), *joined = calloc(floats + 1, sizeof(float));
    thin_out(seed, r, tensor);
    size_t most = covey_rows_sparse_most(r), kept = 0, words = 0;
    float *strip = malloc(most + 1); /* as large as it must be */
    size_t bytes = covey_rows_cut_sparse(r, tensor, strip);
    assert_true(bytes <= most);
    assert_true(covey_rows_join_sparse(r, strip, bytes, joined));
    for (size_t j = 0; j < floats; j++) {
        uint32_t row = (uint32_t)(j / r->width % r->rows);
        float want = row >= r->begin && row < r->end ? tensor[j] : 0.0f;
        assert_memory_equal(&joined[j], &want, sizeof(want));
        kept += want < 0 || want > 0 || signbit(want) != 0;
    }
    words = ((size_t)(r->end - r->begin) * r->width + 31) / 32 * r->planes;
    assert_int_equal(bytes, (kept + words) * sizeof(float));
    for (size_t less = 0; less < bytes; less++) {
        float *shorter = malloc(less + 1);
        memcpy(shorter, strip, less);
        assert_false(covey_rows_join_sparse(r, shorter, less, joined));
        free(shorter);
    }
    free(tensor);
    free(joined);
    free(strip);
}

/* Without zeros and back: every bit where it was, in as few bytes as can be; what is cut short is
 * refused, and nothing behind it is read. */
static void test_rows_without_zeros(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (unsigned i = 0; i < 100; i++) {
        struct covey_plane_rows r = {.planes = 1 + random_below(&seed, 4),
                                     .rows = 1 + random_below(&seed, 5),
                                     .width = 1 + random_below(&seed, 30)};
        r.begin = random_below(&seed, r.rows);
        r.end = r.begin + random_below(&seed, r.rows - r.begin + 1);
        expect_sparse(&seed, &r);
    }
}

/* All instructions write the same bytes and read what the others wrote; bits of floats that are not
 * there, and floats behind the last, are refused. */
static void test_sparse_kernels_agree(void **state)
{
    (void)state;
    enum { MOST = 100 };
    uint64_t seed = 12;
    const struct covey__vkernels *plain = covey__vkernels_of(COVEY__ISA_PORTABLE);
    for (size_t count = 1; count < MOST; count++) {
        const struct covey_plane_rows r = {1, 1, (uint32_t)count, 0, 1};
        float *in = random_floats(&seed, count);
        float want[2 * MOST], got[2 * MOST], back[MOST];
        thin_out(&seed, &r, in);
        size_t size = plain->sparse_put(in, count, want);
        for (int isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
            const struct covey__vkernels *k = covey__vkernels_of((enum covey__isa)isa);
            if (k == NULL) {
                continue;
            }
            assert_int_equal(k->sparse_put(in, count, got), size);
            assert_memory_equal(got, want, size * sizeof(float));
            assert_int_equal(k->sparse_take(want, size + 1, back, count), size);
            assert_memory_equal(back, in, count * sizeof(float));
            assert_int_equal(k->sparse_take(want, size - 1, back, count), 0);
            uint32_t *last = (uint32_t *)(void *)&got[(count - 1) / 32];
            *last |= count % 32 != 0 ? UINT32_C(1) << 31 : 0;
            assert_int_equal(k->sparse_take(got, 2 * MOST, back, count) == 0, count % 32 != 0);
        }
        free(in);
    }
}

/* The nearest half of a number that is inside the halves' range, by trying its neighbours. */
static void expect_nearest(float x, uint16_t half)
{
    struct covey_tensor t = {.type = COVEY_TYPE_F16, .data = &half};
    double got = covey_tensor_element(&t, 0), distance = fabs((double)x - got);
    bool even = (half & 1) == 0;
    for (int step = -1; step <= 1; step += 2) {
        uint16_t other = (uint16_t)(half + step);
        struct covey_tensor n = {.type = COVEY_TYPE_F16, .data = &other};
        double d = fabs((double)x - covey_tensor_element(&n, 0));
        if ((other & 0x7fff) < 0x7c00 && (half & 0x7fff) != 0) {
            assert_true(distance < d || (distance == d && even));
        }
    }
    assert_true(!signbit(got) == !signbit(x));
}

/* Every half comes back as it was, on every set of instructions. */
static void expect_halves(const struct covey__vkernels *k)
{
    enum { ALL = 1 << 16 };
    static uint16_t halves[ALL], back[ALL];
    static float floats[ALL];
    for (unsigned i = 0; i < ALL; i++) {
        halves[i] = (uint16_t)i;
    }
    k->half_to_floats(halves, floats, ALL);
    k->half_from_floats(floats, back, ALL);
    for (unsigned i = 0; i < ALL; i++) {
        struct covey_tensor t = {.type = COVEY_TYPE_F16, .data = &halves[i]};
        double v = covey_tensor_element(&t, 0);
        if (isnan(v)) {
            assert_true(isnan(floats[i]) && (back[i] & 0x7fff) > 0x7c00);
        } else {
            assert_true((double)floats[i] == v && !signbit(floats[i]) == !signbit(v));
            assert_int_equal(back[i], i);
        }
    }
    for (size_t count = 0; count < 40; count++) { /* nothing behind the end is touched */
        memset(back, 0xaa, sizeof(back));
        k->half_from_floats(floats + 77, back, count);
        assert_memory_equal(back, halves + 77, count * sizeof(*back));
        assert_int_equal(back[count], 0xaaaa);
    }
}

/* Floats go to the nearest half, ties to even; what is too large becomes infinite. */
static void test_halves(void **state)
{
    (void)state;
    static const float large[] = {65520.0f, 1e9f, INFINITY, -65520.0f, -3e38f};
    static const float edge[] = {65519.996f,    65504.0f,      5.9604645e-8f, 2.9802322e-8f,
                                 2.98024e-8f,   1e-30f,        0.0f,          -0.0f,
                                 6.1035156e-5f, 6.0975552e-5f, 6.1005354e-5f, 1e-45f,
                                 2049.0f,       2051.0f,       -2049.0f,      1.00048828125f};
    uint64_t seed = 11;
    for (unsigned isa = 0; isa <= COVEY__ISA_AVX512; isa++) {
        const struct covey__vkernels *k = covey__vkernels_of((enum covey__isa)isa);
        uint16_t half;
        if (k == NULL) {
            continue;
        }
        expect_halves(k);
        for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
            k->half_from_floats(&large[i], &half, 1);
            assert_int_equal(half, large[i] > 0 ? 0x7c00 : 0xfc00);
        }
        for (size_t i = 0; i < sizeof(edge) / sizeof(edge[0]); i++) {
            k->half_from_floats(&edge[i], &half, 1);
            expect_nearest(edge[i], half);
        }
        for (unsigned i = 0; i < 20000; i++) {
            float x = ldexpf(random_float(&seed), (int)random_below(&seed, 42) - 26);
            k->half_from_floats(&x, &half, 1);
            expect_nearest(x, half);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_poolings),
        cmocka_unit_test(test_means_that_hang_over),
        cmocka_unit_test(test_residual_blocks),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_same_kernels_give_same_bits),
        cmocka_unit_test(test_what_does_not_tile),
        cmocka_unit_test(test_bad_strips_are_refused),
        cmocka_unit_test(test_rows_cut_and_join),
        cmocka_unit_test(test_rows_without_zeros),
        cmocka_unit_test(test_sparse_kernels_agree),
        cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
