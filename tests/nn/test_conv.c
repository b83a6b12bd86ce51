/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../nn/kernels/conv.h"

enum { ALIGN = 64, ALGORITHMS = COVEY__CONV_DEPTHWISE + 1, GUARD = 16 };

/* batch, in and out channels, groups, height, width, kernel, stride, dilation, pads, pads_end */
struct row {
    uint32_t batch, in, out, groups, height, width;
    uint32_t kernel[2], stride[2], dilation[2], pads[2], pads_end[2];
};

static const struct row rows[] = {
    {1, 3, 5, 1, 11, 13, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 16, 24, 1, 14, 14, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 17, 19, 1, 7, 7, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {3, 8, 9, 1, 5, 30, {3, 3}, {1, 1}, {1, 1}, {0, 2}, {1, 0}},
    {1, 4, 8, 1, 3, 3, {3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {1, 4, 8, 1, 1, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 2, 3, 1, 70, 70, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 19, 21, 1, 14, 14, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 130, 45, 1, 28, 28, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 70, 40, 1, 4, 14, {3, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
    {1, 34, 50, 1, 3, 14, {3, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}},
    {1, 33, 33, 1, 5, 28, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {0, 1}},
    {1, 5, 6, 1, 9, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 500, 45, 1, 7, 7, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {1, 30, 11, 1, 7, 7, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {1, 20, 18, 2, 14, 14, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {1, 300, 20, 1, 9, 9, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {8, 6, 4, 1, 13, 13, {3, 3}, {1, 1}, {1, 1}, {3, 3}, {3, 3}},
    {1, 3, 17, 1, 40, 37, {7, 7}, {2, 2}, {1, 1}, {3, 3}, {3, 3}},
    {1, 3, 16, 1, 47, 51, {11, 11}, {4, 4}, {1, 1}, {2, 2}, {2, 2}},
    {2, 3, 8, 1, 21, 22, {3, 3}, {2, 2}, {1, 1}, {1, 0}, {0, 1}},
    {1, 5, 7, 1, 20, 20, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    {1, 6, 7, 1, 20, 19, {3, 2}, {3, 1}, {2, 3}, {1, 4}, {2, 0}},
    {1, 4, 6, 1, 15, 15, {3, 3}, {2, 2}, {3, 2}, {3, 1}, {0, 2}},
    {1, 500, 33, 1, 9, 9, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {3, 40, 50, 1, 7, 7, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {2, 12, 10, 1, 28, 28, {1, 1}, {2, 2}, {1, 1}, {0, 0}, {0, 0}},
    {2, 5, 10, 1, 9, 8, {1, 1}, {3, 2}, {1, 1}, {1, 1}, {2, 0}},
    {1, 7, 3, 1, 1, 1, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {1, 2, 3, 1, 2, 2, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    {1, 2, 3, 1, 1, 50, {1, 5}, {1, 1}, {1, 1}, {0, 2}, {0, 2}},
    {1, 2, 3, 1, 50, 1, {5, 1}, {2, 1}, {1, 1}, {2, 0}, {2, 0}},
    {1, 6, 9, 3, 12, 12, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 8, 4, 2, 10, 10, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {2, 6, 12, 6, 9, 9, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {1, 9, 9, 9, 28, 28, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
    {2, 5, 5, 5, 29, 31, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}},
    {1, 4, 4, 4, 14, 14, {3, 3}, {2, 2}, {1, 1}, {0, 0}, {1, 1}},
    {1, 7, 7, 7, 7, 7, {5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}},
    {1, 3, 3, 3, 40, 17, {5, 5}, {2, 2}, {1, 1}, {2, 2}, {2, 2}},
    {1, 3, 3, 3, 20, 20, {3, 4}, {1, 3}, {2, 2}, {2, 3}, {2, 3}},
    {2, 3, 3, 3, 3, 3, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
    {1, 2, 2, 2, 66, 130, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
};

static uint32_t extent(const struct row *r, int axis)
{
    uint32_t in = axis == 0 ? r->height : r->width;
    uint32_t span = (r->kernel[axis] - 1) * r->dilation[axis] + 1;
    return (in + r->pads[axis] + r->pads_end[axis] - span) / r->stride[axis] + 1;
}

static struct covey__conv_shape shape_of(const struct row *r)
{
    struct covey__conv_shape s = {
        .batch = r->batch,
        .in_channels = r->in,
        .out_channels = r->out,
        .groups = r->groups,
        .height = r->height,
        .width = r->width,
        .out_height = extent(r, 0),
        .out_width = extent(r, 1),
    };
    memcpy(s.kernel, r->kernel, sizeof s.kernel);
    memcpy(s.stride, r->stride, sizeof s.stride);
    memcpy(s.dilation, r->dilation, sizeof s.dilation);
    memcpy(s.pads, r->pads, sizeof s.pads);
    memcpy(s.pads_end, r->pads_end, sizeof s.pads_end);
    return s;
}

struct data {
    struct covey__conv_shape shape;
    size_t in_count, weight_count, out_count;
    float *in, *weights, *bias, *residual;
    double *product; /* of input and weights alone, in double precision */
};

static void *aligned(size_t count, size_t size)
{
    size_t bytes = (count * size + ALIGN - 1) / ALIGN * ALIGN;
    void *p = aligned_alloc(ALIGN, bytes > 0 ? bytes : ALIGN);
    assert_non_null(p);
    return p;
}

/* Random floats in [-1, 1). */
static float *noise(size_t count, uint64_t seed)
{
    float *p = aligned(count, sizeof *p);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = (float)(int32_t)(seed >> 32) / 2147483648.0f;
    }
    return p;
}

/* One output in double precision. at: image, channel, y, x. */
static double direct(const struct data *d, const size_t at[4])
{
    const struct covey__conv_shape *s = &d->shape;
    size_t channels = s->in_channels / s->groups;
    size_t group = at[1] / (s->out_channels / s->groups), taps = s->kernel[0] * s->kernel[1];
    double sum = 0.0;
    for (size_t i = 0; i < channels * taps; i++) {
        size_t c = i / taps, ky = i % taps / s->kernel[1], kx = i % s->kernel[1];
        int64_t y = (int64_t)(at[2] * s->stride[0] + ky * s->dilation[0]) - s->pads[0];
        int64_t x = (int64_t)(at[3] * s->stride[1] + kx * s->dilation[1]) - s->pads[1];
        if (y >= 0 && x >= 0 && y < (int64_t)s->height && x < (int64_t)s->width) {
            size_t plane = at[0] * s->in_channels + group * channels + c;
            sum += (double)d->in[(plane * s->height + (size_t)y) * s->width + (size_t)x] *
                   (double)d->weights[at[1] * channels * taps + i];
        }
    }
    return sum;
}

static void data_init(struct data *d, const struct row *r)
{
    const struct covey__conv_shape s = d->shape = shape_of(r);
    size_t pixels = (size_t)s.out_height * s.out_width;
    d->in_count = (size_t)s.batch * s.in_channels * s.height * s.width;
    d->weight_count =
        (size_t)s.out_channels * (s.in_channels / s.groups) * s.kernel[0] * s.kernel[1];
    d->out_count = (size_t)s.batch * s.out_channels * pixels;
    d->in = noise(d->in_count, 1);
    d->weights = noise(d->weight_count, 2);
    d->bias = noise(s.out_channels, 3);
    d->residual = noise(d->out_count, 4);
    d->product = aligned(d->out_count, sizeof *d->product);
    for (size_t i = 0; i < d->out_count; i++) {
        const size_t at[4] = {i / pixels / s.out_channels, i / pixels % s.out_channels,
                              i % pixels / s.out_width, i % s.out_width};
        d->product[i] = direct(d, at);
    }
}

static void data_done(struct data *d)
{
    free(d->in);
    free(d->weights);
    free(d->bias);
    free(d->residual);
    free(d->product);
}

struct variant {
    bool bias, residual, in_place;
    struct covey__act act;
};

static const struct variant variants[] = {
    {false, false, false, {COVEY_ACT_NONE, 0.0f, 0.0f}},
    {true, false, false, {COVEY_ACT_RELU, 0.0f, 0.0f}},
    {true, true, false, {COVEY_ACT_CLIP, -0.25f, 0.5f}},
    {true, true, true, {COVEY_ACT_RELU, 0.0f, 0.0f}},
    {false, true, true, {COVEY_ACT_NONE, 0.0f, 0.0f}},
    {true, false, false, {COVEY_ACT_SIGMOID, 0.0f, 0.0f}},
};

static double act(const struct covey__act *a, double x)
{
    if (a->kind == COVEY_ACT_RELU) {
        return x > 0.0 ? x : 0.0;
    }
    if (a->kind == COVEY_ACT_CLIP) {
        return fmin(fmax(x, (double)a->low), (double)a->high);
    }
    return a->kind == COVEY_ACT_SIGMOID ? 1.0 / (1.0 + exp(-x)) : x;
}

/* Largest error over the largest product. */
static double error_of(const struct data *d, const struct variant *v, const float *out)
{
    size_t pixels = (size_t)d->shape.out_height * d->shape.out_width;
    double worst = 0.0, largest = 1.0;
    for (size_t i = 0; i < d->out_count; i++) {
        double want = d->product[i];
        largest = fmax(largest, fabs(want));
        want += v->bias ? (double)d->bias[i / pixels % d->shape.out_channels] : 0.0;
        want += v->residual ? (double)d->residual[i] : 0.0;
        double error = fabs((double)out[i] - act(&v->act, want));
        worst = error <= worst ? worst : error; /* a NaN stays */
    }
    return worst / largest;
}

struct run {
    const struct covey__conv_plan *plan;
    const float *weights;
    float *scratch;
    struct covey_threads *threads;
};

static float *run(const struct data *d, const struct variant *v, const struct run *r)
{
    float *out = aligned(d->out_count + GUARD, sizeof *out);
    if (v->in_place) {
        memcpy(out, d->residual, d->out_count * sizeof *out);
    }
    for (size_t i = 0; i < GUARD; i++) {
        out[d->out_count + i] = 77.0f;
    }
    const struct covey__conv_call call = {
        .plan = r->plan,
        .weights = r->weights,
        .bias = v->bias ? d->bias : NULL,
        .residual = !v->residual  ? NULL
                    : v->in_place ? out
                                  : d->residual,
        .act = v->act,
        .in = d->in,
        .scratch = r->scratch,
        .out = out,
        .threads = r->threads,
    };
    covey__conv_run(&call);
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(out[d->out_count + i] == 77.0f);
    }
    return out;
}

/* All variants of one shape by one algorithm and instruction set, with 1 and with 3 threads. */
static void check_plan(const struct data *d, const struct covey__conv_plan *plan,
                       struct covey_threads *threads)
{
    size_t room = (size_t)plan->scratch_floats;
    float *packed = aligned((size_t)plan->packed_floats, sizeof *packed);
    float *scratch = aligned(room, sizeof *scratch);
    covey__conv_pack(plan, d->weights, packed);
    /* What scratch held before must not matter. */
    memset(scratch, 0xff, room * sizeof *scratch);
    struct run r = {plan, plan->packed_floats > 0 ? packed : d->weights, scratch, NULL};
    bool large_tiles =
        plan->algorithm == COVEY__CONV_WINOGRAD4 || plan->algorithm == COVEY__CONV_WINOGRAD_LIVE;
    double bound = large_tiles ? 5e-6 : 2e-6;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        r.threads = NULL;
        float *one = run(d, &variants[i], &r);
        double error = error_of(d, &variants[i], one);
        if (!(error <= bound)) {
            print_message("%s, algorithm %d, variant %zu: error %g\n",
                          covey__cpu_isa_name(plan->isa), (int)plan->algorithm, i, error);
        }
        assert_true(error <= bound);
        r.threads = threads;
        float *three = run(d, &variants[i], &r);
        assert_memory_equal(one, three, d->out_count * sizeof *one);
        free(one);
        free(three);
    }
    free(packed);
    free(scratch);
}

static bool isa_runs(enum covey__isa isa)
{
    enum covey__isa best = covey__cpu_isa();
    if (best == COVEY__ISA_NEON) {
        return isa == COVEY__ISA_NEON;
    }
    return isa != COVEY__ISA_NEON && isa <= best;
}

/* Every algorithm that fits a shape computes what the definition says, on every instruction set
 * that this machine has, and to the bit the same on one thread and on three. */
static void test_all_algorithms(void **state)
{
    (void)state;
    struct covey_threads *threads = NULL;
    assert_int_equal(covey_threads_new(3, &threads), COVEY_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct data d;
        data_init(&d, &rows[i]);
        for (int k = 0; k < ALGORITHMS * (COVEY__ISA_AVX512 + 1); k++) {
            enum covey__conv_algorithm algorithm = (enum covey__conv_algorithm)(k % ALGORITHMS);
            enum covey__isa isa = (enum covey__isa)(k / ALGORITHMS);
            if (!isa_runs(isa) || !covey__conv_fits(&d.shape, algorithm)) {
                continue;
            }
            struct covey__conv_plan plan;
            covey__conv_plan_with(&plan, &d.shape, algorithm, 3);
            covey__conv_plan_isa(&plan, isa);
            check_plan(&d, &plan, threads);
        }
        data_done(&d);
    }
    covey_threads_free(threads);
}

/* The plan that is chosen for a shape is right too, and a small one lays out no weights. */
static void test_chosen(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct data d;
        data_init(&d, &rows[i]);
        for (int small = 0; small < 2; small++) {
            struct covey__conv_plan plan;
            covey__conv_plan_init(&plan, &d.shape, small == 1, 1);
            assert_true(covey__conv_fits(&d.shape, plan.algorithm));
            assert_true(small == 0 || plan.packed_floats == 0);
            check_plan(&d, &plan, NULL);
        }
        data_done(&d);
    }
}

/* By covey__conv_work(), for so many channels and rows of pixels; weights are read once, not by
 * tile. */
static double work_of(enum covey__conv_algorithm algorithm, uint32_t channels, uint32_t side,
                      uint64_t *out_bytes)
{
    const struct covey__conv_shape shape = {
        .batch = 1,
        .in_channels = channels,
        .out_channels = channels,
        .groups = 1,
        .height = side,
        .width = side,
        .out_height = side,
        .out_width = side,
        .kernel = {3, 3},
        .stride = {1, 1},
        .dilation = {1, 1},
        .pads = {1, 1},
        .pads_end = {1, 1},
    };
    struct covey__conv_plan plan;
    struct covey__conv_work work;
    covey__conv_plan_with(&plan, &shape, algorithm, 1);
    covey__conv_work(&plan, false, &work);
    *out_bytes = work.bytes;
    return (double)work.flops;
}

/* Tiles of small maps cost more each, as measured: with AVX-512 a map of 16 x 16 takes a twelfth of
 * one of 64 x 64, a map of 8 x 8 of few channels a tenth of one of 32 x 32. Weights that a cache
 * has room for are read too, once. */
static void test_work_of_small_maps(void **state)
{
    (void)state;
    uint64_t bytes = 0, more = 0;
    double small = work_of(COVEY__CONV_WINOGRAD4, 32, 16, &bytes);
    double large = work_of(COVEY__CONV_WINOGRAD4, 32, 64, &more);
    assert_true(bytes == more && bytes > 0 && bytes < UINT64_C(36) * 32 * 32 * sizeof(float));
    double live = work_of(COVEY__CONV_WINOGRAD_LIVE, 64, 8, &bytes);
    double lives = work_of(COVEY__CONV_WINOGRAD_LIVE, 64, 32, &bytes);
    if (covey__cpu_isa() == COVEY__ISA_AVX512) {
        assert_true(large < 12 * small);
        assert_true(lives < 12 * live);
    }
    assert_true(large < 17 * small && lives < 17 * live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_algorithms),
        cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_work_of_small_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
