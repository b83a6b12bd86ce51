/* SPDX-License-Identifier: MIT
 *
 * bench_strips.c - convolution algorithms on strips of few rows, as devices of a tile run compute
 * them: the weights of every layer come from memory each time.
 *
 * bench_strips [NETWORK [ROUNDS [WIDTH]]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../nn/kernels/conv.h"
#include "bench_array.h"

enum {
    ALGORITHMS = COVEY__CONV_DEPTHWISE,
    COLD_FLOATS = 40 << 20,
    COPIES_MAX = 1024,
    SHARES = 5,
    HUGE_PAGE = 2 << 20
};

/* Square shapes, kernel 3 padded by 1 or kernel 1; times: how often the network has the layer. */
struct layer {
    const char *network;
    uint32_t times, in, out, size, kernel, stride;
};

static const struct layer layers[] = {
    {"vgg19", 1, 3, 64, 224, 3, 1},       {"vgg19", 1, 64, 64, 224, 3, 1},
    {"vgg19", 1, 64, 128, 112, 3, 1},     {"vgg19", 1, 128, 128, 112, 3, 1},
    {"vgg19", 1, 128, 256, 56, 3, 1},     {"vgg19", 3, 256, 256, 56, 3, 1},
    {"vgg19", 1, 256, 512, 28, 3, 1},     {"vgg19", 3, 512, 512, 28, 3, 1},
    {"vgg19", 4, 512, 512, 14, 3, 1},     {"alexnet", 1, 192, 384, 13, 3, 1},
    {"alexnet", 1, 384, 256, 13, 3, 1},   {"alexnet", 1, 256, 256, 13, 3, 1},
    {"resnet50", 3, 64, 64, 56, 3, 1},    {"resnet50", 3, 128, 128, 28, 3, 1},
    {"resnet50", 5, 256, 256, 14, 3, 1},  {"resnet50", 2, 512, 512, 7, 3, 1},
    {"resnet50", 5, 1024, 256, 14, 1, 1}, {"resnet50", 6, 256, 1024, 14, 1, 1},
    {"resnet50", 2, 2048, 512, 7, 1, 1},  {"resnet50", 3, 512, 2048, 7, 1, 1},
};

struct trial {
    struct covey__conv_plan plan;
    float *weights, *packed, *in, *scratch, *out;
    size_t floats, copies, at;
    double best;
};

/* The strip's input has the rows that its output needs: no padding above and below. */
static struct covey__conv_shape shape_of(const struct layer *l, uint32_t rows)
{
    uint32_t pad = l->kernel / 2;
    return (struct covey__conv_shape){
        .batch = 1,
        .in_channels = l->in,
        .out_channels = l->out,
        .groups = 1,
        .height = (rows - 1) * l->stride + l->kernel,
        .width = l->size,
        .out_height = rows,
        .out_width = l->size / l->stride,
        .kernel = {l->kernel, l->kernel},
        .stride = {l->stride, l->stride},
        .dilation = {1, 1},
        .pads = {0, pad},
        .pads_end = {0, pad},
    };
}

/* On huge pages, as shared layouts are. */
static float *copies_of(const float *from, size_t floats, size_t copies)
{
    size_t bytes = (floats * copies * sizeof *from / HUGE_PAGE + 1) * HUGE_PAGE;
    float *p = aligned_alloc(HUGE_PAGE, bytes);
    madvise(p, bytes, MADV_HUGEPAGE);
    for (size_t i = 0; i < copies; i++) {
        memcpy(p + i * floats, from, floats * sizeof *from);
    }
    return p;
}

static void trial_init(struct trial *t, const struct covey__conv_shape *s, int algorithm)
{
    size_t weights = (size_t)s->out_channels * s->in_channels * s->kernel[0] * s->kernel[1];
    covey__conv_plan_with(&t->plan, s, (enum covey__conv_algorithm)algorithm, 1);
    t->floats = t->plan.packed_floats > 0 ? (size_t)t->plan.packed_floats : weights;
    t->floats = (t->floats + 15) / 16 * 16;
    t->copies = COLD_FLOATS / t->floats + 1;
    t->copies = t->copies < COPIES_MAX ? t->copies : COPIES_MAX;
    t->weights = bench_filled(weights);
    float *packed = bench_filled(t->floats);
    covey__conv_pack(&t->plan, t->weights, packed);
    t->packed = copies_of(packed, t->floats, t->copies);
    free(packed);
    t->in = bench_filled((size_t)s->in_channels * s->height * s->width);
    t->out = bench_filled((size_t)s->out_channels * s->out_height * s->out_width);
    t->scratch = bench_filled((size_t)t->plan.scratch_floats);
    t->at = 0;
    t->best = 1e9;
}

static void trial_done(struct trial *t)
{
    free(t->weights);
    free(t->packed);
    free(t->in);
    free(t->out);
    free(t->scratch);
}

static void trial_run(struct trial *t)
{
    const struct covey__conv_call call = {
        .plan = &t->plan,
        .weights = t->packed + t->at * t->floats,
        .act = {.kind = COVEY_ACT_RELU},
        .in = t->in,
        .scratch = t->scratch,
        .out = t->out,
    };
    double start = bench_now();
    covey__conv_run(&call);
    double took = bench_now() - start;
    t->best = took < t->best ? took : t->best;
    t->at = (t->at + 1) % t->copies;
}

static void print_trial(const struct trial *t, bool chosen)
{
    const struct covey__conv_shape *s = &t->plan.shape;
    double flops = 2.0 * s->out_channels * s->in_channels * s->kernel[0] * s->kernel[1] *
                   s->out_height * s->out_width;
    printf(" %8.3f%c%5.0f%5.1f", t->best * 1e3, chosen ? '*' : ' ', flops / t->best * 1e-9,
           (double)t->floats * 4e-9 / t->best);
}

/* Seconds of each algorithm, the fewest of many alternating runs. Returns the chosen one's. */
static double bench_rows(const struct layer *l, uint32_t rows, int rounds)
{
    const struct covey__conv_shape s = shape_of(l, rows);
    struct covey__conv_plan chosen;
    struct trial trials[ALGORITHMS];
    bool fits[ALGORITHMS];
    double took = 0.0;
    covey__conv_plan_init(&chosen, &s, false, 1);
    for (int a = COVEY__CONV_PACKED; a < ALGORITHMS; a++) {
        fits[a] = covey__conv_fits(&s, (enum covey__conv_algorithm)a);
        if (fits[a]) {
            trial_init(&trials[a], &s, a);
        }
    }
    for (int i = 0; i < rounds * ALGORITHMS; i++) {
        int a = i % ALGORITHMS;
        if (a >= COVEY__CONV_PACKED && fits[a]) {
            trial_run(&trials[a]);
        }
    }
    printf("%-8s %ux %4u>%4u %3ux%-3u k%u", l->network, l->times, l->in, l->out, rows, l->size,
           l->kernel);
    for (int a = COVEY__CONV_PACKED; a < ALGORITHMS; a++) {
        if (fits[a]) {
            bool is_chosen = trials[a].plan.algorithm == chosen.algorithm;
            took = is_chosen ? trials[a].best : took;
            print_trial(&trials[a], is_chosen);
            trial_done(&trials[a]);
        }
    }
    printf("\n");
    fflush(stdout);
    return took;
}

/* Seconds of the tallest strip of each layer when so many devices share it. */
static void bench_layer(const struct layer *l, int rounds, double sums[SHARES])
{
    static const uint32_t shares[SHARES] = {1, 2, 4, 8, 16};
    uint32_t before = 0;
    double took = 0.0;
    for (size_t i = 0; i < SHARES; i++) {
        uint32_t rows = (l->size / l->stride + shares[i] - 1) / shares[i];
        took = rows != before ? bench_rows(l, rows, rounds) : took;
        before = rows;
        sums[i] += took * l->times;
    }
}

int main(int argc, const char *argv[])
{
    uint32_t width = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 30;
    double sums[SHARES] = {0.0};
    printf("network  layer                 ms GFLOP/s GB/s of weights: packed, F(2), F(4), live; "
           "* chosen\n");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const struct layer *l = &layers[i];
        bool wanted = argc <= 1 || strcmp(argv[1], l->network) == 0;
        if (wanted && (width == 0 || width == l->size)) {
            bench_layer(l, rounds, sums);
        }
    }
    printf("tallest of 1, 2, 4, 8, 16 strips:");
    for (size_t i = 0; i < SHARES; i++) {
        printf("  %.2f ms (%.2f x)", sums[i] * 1e3, sums[0] / sums[i]);
    }
    printf("\n");
    return 0;
}
