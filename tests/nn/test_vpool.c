/* SPDX-License-Identifier: MIT
 *
 * test_vpool.c - pooling and softmax of every instruction set against plain loops.
 */
#include "vtest.h"

#include "../../nn/kernels/pool.h"
#include "../../nn/kernels/softmax.h"

static bool tap_at(const struct covey__pool_shape *s, unsigned axis, size_t out, uint32_t tap,
                   int64_t *at)
{
    int64_t size = axis == 0 ? s->height : s->width;
    *at = (int64_t)out * s->stride[axis] - s->pads[axis] + (int64_t)tap * s->dilation[axis];
    return *at >= 0 && *at < size;
}

struct window {
    double sum;
    float most;
    size_t where, inside, counted;
};

/* The definition: over all taps of the window at output (y, x). */
static struct window window_of(const struct covey__pool_shape *s, const float *in, size_t y,
                               size_t x)
{
    struct window w = {.most = -INFINITY, .where = UINT32_MAX};
    for (uint32_t k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
        int64_t row, column;
        bool inside = tap_at(s, 0, y, k / s->kernel[1], &row);
        inside = tap_at(s, 1, x, k % s->kernel[1], &column) && inside;
        w.counted += row < (int64_t)s->height + s->pads_end[0] &&
                     column < (int64_t)s->width + s->pads_end[1];
        if (!inside) {
            continue;
        }
        size_t at = (size_t)row * s->width + (size_t)column;
        w.inside++;
        w.sum += in[at];
        if (in[at] > w.most) {
            w.most = in[at];
            w.where = at;
        }
    }
    return w;
}

static size_t in_size(const struct covey__pool_shape *s)
{
    return (size_t)s->height * s->width;
}

static size_t out_size(const struct covey__pool_shape *s)
{
    return (size_t)s->out_height * s->out_width;
}

static void check_variant(const struct covey__vkernels *v, const struct covey__pool_shape *s,
                          const float *in)
{
    float *most = filled(out_size(s)), *mean = filled(out_size(s)), *first = filled(out_size(s));
    uint32_t *index = malloc(out_size(s) * sizeof(*index));
    assert_non_null(index);
    v->pool_plane(s, false, in, most);
    v->pool_plane(s, true, in, mean);
    v->pool_index_plane(s, in, first, index);
    for (size_t i = 0; i < out_size(s); i++) {
        struct window w = window_of(s, in, i / s->out_width, i % s->out_width);
        size_t count = s->count_include_pad ? w.counted : w.inside;
        assert_true(most[i] == w.most);
        assert_true(first[i] == w.most);
        assert_int_equal(index[i], w.where);
        assert_true(fabs(mean[i] - (count > 0 ? w.sum / (double)count : 0.0)) < 1e-6);
    }
    free(most);
    free(mean);
    free(first);
    free(index);
}

/* The sum over windows of what each gives its elements. */
static void check_back(const struct covey__pool_shape *s, const float *in,
                       struct covey_threads *threads)
{
    size_t planes = s->planes, ins = in_size(s), outs = out_size(s);
    float *dy = filled(planes * outs), *out = filled(planes * outs);
    float *dx[2] = {filled(planes * ins), filled(planes * ins)};
    double *e = calloc(planes * ins * 2, sizeof(*e));
    uint32_t *index = malloc(planes * outs * sizeof(*index));
    assert_true(e != NULL && index != NULL);
    struct covey__pool_index_call call = {s, in, out, index, threads};
    covey__pool_max_index(&call);
    covey__pool_max_back(s, dy, index, dx[0], threads);
    covey__pool_average_back(s, dy, dx[1], threads);
    for (size_t i = 0; i < planes * outs; i++) {
        size_t p = i / outs, y = i % outs / s->out_width, x = i % outs % s->out_width;
        struct window w = window_of(s, in + p * ins, y, x);
        size_t count = s->count_include_pad ? w.counted : w.inside;
        if (w.inside > 0) {
            e[p * ins + w.where] += dy[i];
        }
        for (uint32_t k = 0; k < s->kernel[0] * s->kernel[1]; k++) {
            int64_t row, column;
            bool inside = tap_at(s, 0, y, k / s->kernel[1], &row);
            if (tap_at(s, 1, x, k % s->kernel[1], &column) && inside) {
                e[(planes + p) * ins + (size_t)row * s->width + (size_t)column] +=
                    (double)dy[i] / (double)count;
            }
        }
    }
    for (size_t i = 0; i < planes * ins * 2; i++) {
        assert_true(fabs(dx[i / (planes * ins)][i % (planes * ins)] - e[i]) < 3e-6);
    }
    free(dy);
    free(out);
    free(dx[0]);
    free(dx[1]);
    free(e);
    free(index);
}

static void try_pool(struct covey__pool_shape s, struct covey_threads *threads)
{
    s.planes = 3;
    float *in = filled(s.planes * in_size(&s));
    for (unsigned include = 0; include < 2; include++) {
        s.count_include_pad = include == 1;
        for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
            const struct covey__vkernels *v = covey__vkernels_of(isa);
            if (v != NULL) {
                check_variant(v, &s, in);
            }
        }
        float *one = filled(s.planes * out_size(&s)), *three = filled(s.planes * out_size(&s));
        for (unsigned kind = 0; kind < 2; kind++) {
            covey__pool_run((enum covey__pool_kind)kind, &s, in, one, NULL);
            covey__pool_run((enum covey__pool_kind)kind, &s, in, three, threads);
            assert_memory_equal(one, three, s.planes * out_size(&s) * sizeof(*one));
        }
        free(one);
        free(three);
        check_back(&s, in, threads);
    }
    free(in);
}

/* Every window form gives the definition's maxima, first places, means and gradients: those of
 * known networks, dilation, wide strides, ceil mode, padding on one side, rows beyond a segment. */
static void test_windows(void **state)
{
    (void)state;
    static const struct covey__pool_shape shapes[] = {
        {0, 28, 28, 14, 14, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 7, 7, 3, 3, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 33, 35, 33, 35, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, false},
        {0, 112, 37, 56, 19, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, false},
        {0, 13, 13, 6, 6, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 14, 14, 7, 7, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 15, 17, 5, 6, {3, 3}, {3, 3}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 20, 41, 16, 37, {3, 3}, {1, 1}, {2, 2}, {0, 0}, {0, 0}, false},
        {0, 20, 41, 9, 19, {3, 3}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, false},
        {0, 9, 40, 9, 10, {1, 5}, {1, 4}, {1, 1}, {0, 2}, {0, 1}, false},
        {0, 1, 5000, 1, 2500, {1, 3}, {1, 2}, {1, 1}, {0, 1}, {0, 1}, false},
        {0, 1, 5000, 1, 5000, {1, 2}, {1, 1}, {1, 1}, {0, 0}, {0, 1}, false},
        {0, 2, 4200, 1, 2, {2, 2100}, {1, 2100}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 7, 7, 1, 1, {7, 7}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false},
        {0, 1, 1, 1, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, false},
        {0, 4, 4, 3, 3, {2, 2}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, false},
        {0, 3, 3, 3, 3, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, false},
    };
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        try_pool(shapes[i], threads);
    }
    covey_threads_free(threads);
}

/* Random small windows: no combination of sizes, pads, strides and dilations goes wrong. */
static void test_random_windows(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (unsigned i = 0; i < 150; i++) {
        struct covey__pool_shape s = {0};
        uint32_t *out[2] = {&s.out_height, &s.out_width}, *in[2] = {&s.height, &s.width};
        for (unsigned axis = 0; axis < 2; axis++) {
            uint32_t draw[6];
            for (unsigned j = 0; j < 6; j++) {
                seed = seed * 1664525u + 1013904223u;
                draw[j] = seed >> 16;
            }
            s.kernel[axis] = 1 + draw[0] % 4;
            s.stride[axis] = 1 + draw[1] % 3;
            s.dilation[axis] = 1 + draw[2] % 2;
            s.pads[axis] = draw[3] % s.kernel[axis];
            s.pads_end[axis] = draw[4] % s.kernel[axis];
            uint32_t extent = (s.kernel[axis] - 1) * s.dilation[axis] + 1;
            *in[axis] = extent + draw[5] % 40;
            uint32_t room = *in[axis] + s.pads[axis] + s.pads_end[axis] - extent;
            *out[axis] =
                room / s.stride[axis] + 1 + (draw[5] / 64 % 2 && room % s.stride[axis] > 0);
        }
        try_pool(s, NULL);
    }
}

/* Global means and maxima, threads or not. */
static void test_global(void **state)
{
    (void)state;
    static const size_t pixels[] = {1, 15, 16, 17, 33, 49, 63, 64, 65, 200, 12544};
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < sizeof(pixels) / sizeof(pixels[0]); i++) {
        size_t shape[2] = {11, pixels[i]};
        float *in = filled(shape[0] * shape[1]), mean[11], most[11], again[11];
        covey__pool_global(COVEY__POOL_AVERAGE, in, mean, shape, NULL);
        covey__pool_global(COVEY__POOL_MAX, in, most, shape, NULL);
        covey__pool_global(COVEY__POOL_AVERAGE, in, again, shape, threads);
        assert_memory_equal(mean, again, sizeof(mean));
        for (size_t p = 0; p < shape[0]; p++) {
            double sum = 0.0, best = -INFINITY;
            for (size_t j = 0; j < shape[1]; j++) {
                double x = in[p * shape[1] + j];
                sum += x;
                best = x > best ? x : best;
            }
            assert_true(fabs(mean[p] - sum / (double)shape[1]) < 2e-7);
            assert_true(most[p] == (float)best);
        }
        free(in);
    }
    covey_threads_free(threads);
}

static void check_softmax(const struct covey__softmax_call *c, const float *y)
{
    for (size_t i = 0; i < c->outer * c->inner; i++) {
        size_t base = i / c->inner * c->axis * c->inner + i % c->inner;
        double most = -INFINITY, sum = 0.0;
        for (size_t j = 0; j < c->axis; j++) {
            double x = c->in[base + j * c->inner];
            most = x > most ? x : most;
        }
        for (size_t j = 0; j < c->axis; j++) {
            sum += exp(c->in[base + j * c->inner] - most);
        }
        for (size_t j = 0; j < c->axis; j++) {
            double x = c->in[base + j * c->inner] - most;
            double e = c->logarithm ? x - log(sum) : exp(x) / sum;
            assert_true(fabs(y[base + j * c->inner] - e) <= fabs(e) * 2e-6 + 1e-6);
        }
    }
}

/* Softmax and its logarithm along contiguous and strided axes, large inputs included, in place,
 * with threads. */
static void test_softmax(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{5, 10, 1},   {3, 1, 1},   {2, 1000, 1}, {2, 17, 16},
                                       {1, 33, 15},  {2, 5, 100}, {4, 7, 1},    {300, 100, 1},
                                       {50, 21, 33}, {1, 16, 1}};
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < 2 * sizeof(shapes) / sizeof(shapes[0]); i++) {
        const size_t *shape = shapes[i / 2];
        size_t count = shape[0] * shape[1] * shape[2];
        float *in = filled(count), *one = filled(count), *three = filled(count);
        for (size_t j = 0; j < count; j++) {
            in[j] = in[j] * 20.0f + 1000.0f;
        }
        memcpy(three, in, count * sizeof(*in));
        struct covey__softmax_call c = {in, one, shape[0], shape[1], shape[2], i % 2 == 1, NULL};
        covey__softmax_run(&c);
        check_softmax(&c, one);
        c.in = c.out = three;
        c.threads = threads;
        covey__softmax_run(&c);
        assert_memory_equal(one, three, count * sizeof(*one));
        for (enum covey__isa isa = COVEY__ISA_PORTABLE; isa <= COVEY__ISA_AVX512; isa++) {
            const struct covey__vkernels *v = covey__vkernels_of(isa);
            c.in = in;
            for (size_t j = 0; v != NULL && j < shape[0]; j++) {
                size_t offset = j * shape[1] * shape[2];
                v->softmax_block(&c, in + offset, three + offset);
            }
            check_softmax(&c, three);
        }
        free(in);
        free(one);
        free(three);
    }
    covey_threads_free(threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_random_windows),
        cmocka_unit_test(test_global),
        cmocka_unit_test(test_softmax),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
