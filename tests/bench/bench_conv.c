/* SPDX-License-Identifier: MIT
 *
 * bench_conv.c - GFLOP/s of each convolution algorithm on the layers of known networks.
 *
 * bench_conv [BATCH [NETWORK]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../nn/kernels/conv.h"
#include "../../nn/kernels/gemm_kernel.h"
#include "bench_array.h"

enum { ALGORITHMS = COVEY__CONV_DEPTHWISE + 1, RUNS_MIN = 7, RUNS_MAX = 1000 };

/* Square shapes; times: how often the network has the layer. */
struct layer {
    const char *network;
    uint32_t times, in, out, size, kernel, stride, pad, groups;
};

static const struct layer layers[] = {
    {"alexnet", 1, 3, 64, 224, 11, 4, 2, 1},
    {"alexnet", 1, 64, 192, 27, 5, 1, 2, 1},
    {"alexnet", 1, 192, 384, 13, 3, 1, 1, 1},
    {"alexnet", 1, 384, 256, 13, 3, 1, 1, 1},
    {"alexnet", 1, 256, 256, 13, 3, 1, 1, 1},
    {"vgg16", 1, 3, 64, 224, 3, 1, 1, 1},
    {"vgg16", 1, 64, 64, 224, 3, 1, 1, 1},
    {"vgg16", 1, 64, 128, 112, 3, 1, 1, 1},
    {"vgg16", 1, 128, 128, 112, 3, 1, 1, 1},
    {"vgg16", 1, 128, 256, 56, 3, 1, 1, 1},
    {"vgg16", 2, 256, 256, 56, 3, 1, 1, 1},
    {"vgg16", 1, 256, 512, 28, 3, 1, 1, 1},
    {"vgg16", 2, 512, 512, 28, 3, 1, 1, 1},
    {"vgg16", 3, 512, 512, 14, 3, 1, 1, 1},
    {"resnet34", 1, 3, 64, 224, 7, 2, 3, 1},
    {"resnet34", 6, 64, 64, 56, 3, 1, 1, 1},
    {"resnet34", 1, 64, 128, 56, 3, 2, 1, 1},
    {"resnet34", 1, 64, 128, 56, 1, 2, 0, 1},
    {"resnet34", 7, 128, 128, 28, 3, 1, 1, 1},
    {"resnet34", 1, 128, 256, 28, 3, 2, 1, 1},
    {"resnet34", 1, 128, 256, 28, 1, 2, 0, 1},
    {"resnet34", 11, 256, 256, 14, 3, 1, 1, 1},
    {"resnet34", 1, 256, 512, 14, 3, 2, 1, 1},
    {"resnet34", 1, 256, 512, 14, 1, 2, 0, 1},
    {"resnet34", 5, 512, 512, 7, 3, 1, 1, 1},
    {"resnet50", 1, 3, 64, 224, 7, 2, 3, 1},
    {"resnet50", 1, 64, 64, 56, 1, 1, 0, 1},
    {"resnet50", 3, 64, 64, 56, 3, 1, 1, 1},
    {"resnet50", 4, 64, 256, 56, 1, 1, 0, 1},
    {"resnet50", 2, 256, 64, 56, 1, 1, 0, 1},
    {"resnet50", 1, 256, 128, 56, 1, 1, 0, 1},
    {"resnet50", 1, 128, 128, 56, 3, 2, 1, 1},
    {"resnet50", 4, 128, 512, 28, 1, 1, 0, 1},
    {"resnet50", 1, 256, 512, 56, 1, 2, 0, 1},
    {"resnet50", 3, 512, 128, 28, 1, 1, 0, 1},
    {"resnet50", 3, 128, 128, 28, 3, 1, 1, 1},
    {"resnet50", 1, 512, 256, 28, 1, 1, 0, 1},
    {"resnet50", 1, 256, 256, 28, 3, 2, 1, 1},
    {"resnet50", 6, 256, 1024, 14, 1, 1, 0, 1},
    {"resnet50", 1, 512, 1024, 28, 1, 2, 0, 1},
    {"resnet50", 5, 1024, 256, 14, 1, 1, 0, 1},
    {"resnet50", 5, 256, 256, 14, 3, 1, 1, 1},
    {"resnet50", 1, 1024, 512, 14, 1, 1, 0, 1},
    {"resnet50", 1, 512, 512, 14, 3, 2, 1, 1},
    {"resnet50", 3, 512, 2048, 7, 1, 1, 0, 1},
    {"resnet50", 1, 1024, 2048, 14, 1, 2, 0, 1},
    {"resnet50", 2, 2048, 512, 7, 1, 1, 0, 1},
    {"resnet50", 2, 512, 512, 7, 3, 1, 1, 1},
    {"mobilenet_v2", 1, 3, 32, 224, 3, 2, 1, 1},
    {"mobilenet_v2", 1, 32, 32, 112, 3, 1, 1, 32},
    {"mobilenet_v2", 1, 32, 16, 112, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 16, 96, 112, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 96, 96, 112, 3, 2, 1, 96},
    {"mobilenet_v2", 1, 96, 24, 56, 1, 1, 0, 1},
    {"mobilenet_v2", 2, 24, 144, 56, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 144, 144, 56, 3, 1, 1, 144},
    {"mobilenet_v2", 1, 144, 24, 56, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 144, 144, 56, 3, 2, 1, 144},
    {"mobilenet_v2", 1, 144, 32, 28, 1, 1, 0, 1},
    {"mobilenet_v2", 3, 32, 192, 28, 1, 1, 0, 1},
    {"mobilenet_v2", 2, 192, 192, 28, 3, 1, 1, 192},
    {"mobilenet_v2", 2, 192, 32, 28, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 192, 192, 28, 3, 2, 1, 192},
    {"mobilenet_v2", 1, 192, 64, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 4, 64, 384, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 4, 384, 384, 14, 3, 1, 1, 384},
    {"mobilenet_v2", 3, 384, 64, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 384, 96, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 3, 96, 576, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 2, 576, 576, 14, 3, 1, 1, 576},
    {"mobilenet_v2", 2, 576, 96, 14, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 576, 576, 14, 3, 2, 1, 576},
    {"mobilenet_v2", 1, 576, 160, 7, 1, 1, 0, 1},
    {"mobilenet_v2", 3, 160, 960, 7, 1, 1, 0, 1},
    {"mobilenet_v2", 3, 960, 960, 7, 3, 1, 1, 960},
    {"mobilenet_v2", 2, 960, 160, 7, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 960, 320, 7, 1, 1, 0, 1},
    {"mobilenet_v2", 1, 320, 1280, 7, 1, 1, 0, 1},
    {"squeezenet", 1, 3, 64, 224, 3, 2, 0, 1},
    {"squeezenet", 1, 64, 16, 55, 1, 1, 0, 1},
    {"squeezenet", 2, 16, 64, 55, 1, 1, 0, 1},
    {"squeezenet", 2, 16, 64, 55, 3, 1, 1, 1},
    {"squeezenet", 1, 128, 16, 55, 1, 1, 0, 1},
    {"squeezenet", 1, 128, 32, 27, 1, 1, 0, 1},
    {"squeezenet", 2, 32, 128, 27, 1, 1, 0, 1},
    {"squeezenet", 2, 32, 128, 27, 3, 1, 1, 1},
    {"squeezenet", 1, 256, 32, 27, 1, 1, 0, 1},
    {"squeezenet", 1, 256, 48, 13, 1, 1, 0, 1},
    {"squeezenet", 2, 48, 192, 13, 1, 1, 0, 1},
    {"squeezenet", 2, 48, 192, 13, 3, 1, 1, 1},
    {"squeezenet", 1, 384, 48, 13, 1, 1, 0, 1},
    {"squeezenet", 1, 384, 64, 13, 1, 1, 0, 1},
    {"squeezenet", 2, 64, 256, 13, 1, 1, 0, 1},
    {"squeezenet", 2, 64, 256, 13, 3, 1, 1, 1},
    {"squeezenet", 1, 512, 64, 13, 1, 1, 0, 1},
    {"squeezenet", 1, 512, 1000, 13, 1, 1, 0, 1},
};

static struct covey__conv_shape shape_of(const struct layer *l, uint32_t batch)
{
    uint32_t out = (l->size + 2 * l->pad - l->kernel) / l->stride + 1;
    return (struct covey__conv_shape){
        .batch = batch,
        .in_channels = l->in,
        .out_channels = l->out,
        .groups = l->groups,
        .height = l->size,
        .width = l->size,
        .out_height = out,
        .out_width = out,
        .kernel = {l->kernel, l->kernel},
        .stride = {l->stride, l->stride},
        .dilation = {1, 1},
        .pads = {l->pad, l->pad},
        .pads_end = {l->pad, l->pad},
    };
}

/* GFLOP/s of the inner loop alone on data in the first cache: what can be reached at most, and a
 * sign of whether something else uses the processor just now. */
static double probe(void)
{
    enum { ROWS = 64, DEPTH = 64, TURNS = 4 };
    static float a[ROWS * DEPTH], b[DEPTH * COVEY__STRIP_COLS], c[ROWS * COVEY__STRIP_COLS];
    const struct covey__kernels *k = covey__kernels_of(covey__cpu_isa());
    size_t cols = COVEY__STRIP_VECS * k->lanes;
    const struct covey__strip s = {
        .a = a,
        .a_stride = k->mr * DEPTH,
        .b = b,
        .ldb = cols,
        .k = DEPTH,
        .m = ROWS,
        .cols = cols,
        .first = true,
        .c = c,
        .ldc = cols,
        .low = -1.0f,
        .high = 1.0f,
    };
    double start = bench_now();
    for (int i = 0; i < TURNS; i++) {
        k->strip(&s);
    }
    return 2e-9 * TURNS * ROWS * DEPTH * (double)cols / (bench_now() - start);
}

static double peak;

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Seconds of a run on a processor at its peak: each run is set against the inner loop's speed just
 * before and after, so that what else runs on the machine does not count. The median. */
static double measure(const struct covey__conv_call *call)
{
    double took[RUNS_MAX], begin = bench_now();
    size_t count = 0;
    covey__conv_run(call);
    while (count < RUNS_MAX && (count < RUNS_MIN || bench_now() - begin < 0.3)) {
        double before = probe(), start = bench_now();
        covey__conv_run(call);
        double seconds = bench_now() - start, after = probe();
        if (bench_now() - begin > 1.0 || (before < 1.04 * after && after < 1.04 * before)) {
            took[count++] = seconds * (before + after) / 2.0 / peak;
        }
    }
    qsort(took, count, sizeof *took, compare);
    return took[count / 2];
}

static double time_plan(const struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    size_t weights =
        (size_t)s->out_channels * (s->in_channels / s->groups) * s->kernel[0] * s->kernel[1];
    size_t in = (size_t)s->batch * s->in_channels * s->height * s->width;
    size_t out = (size_t)s->batch * s->out_channels * s->out_height * s->out_width;
    size_t packed = (size_t)plan->packed_floats, room = (size_t)plan->scratch_floats;
    float *buffers[] = {bench_filled(weights), bench_filled(packed), bench_filled(in),
                        bench_filled(room),    bench_filled(out),    bench_filled(s->out_channels)};
    covey__conv_pack(plan, buffers[0], buffers[1]);
    const struct covey__conv_call call = {
        .plan = plan,
        .weights = plan->packed_floats > 0 ? buffers[1] : buffers[0],
        .bias = buffers[5],
        .act = {.kind = COVEY_ACT_RELU},
        .in = buffers[2],
        .scratch = buffers[3],
        .out = buffers[4],
    };
    double took = measure(&call);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        free(buffers[i]);
    }
    return took;
}

/* Returns the chosen algorithm's seconds. */
static double bench_layer(const struct layer *l, uint32_t batch, double *out_best)
{
    struct covey__conv_shape s = shape_of(l, batch);
    struct covey__conv_plan chosen;
    covey__conv_plan_init(&chosen, &s, false, 1);
    double flops = 2.0 * batch * l->out * (l->in / l->groups) * l->kernel * l->kernel *
                   s.out_height * s.out_width;
    double took = 0.0;
    *out_best = 1e9;
    printf("%-13s %ux %4u>%4u %3u k%-2u s%u", l->network, l->times, l->in, l->out, l->size,
           l->kernel, l->stride);
    for (int a = 0; a < ALGORITHMS; a++) {
        struct covey__conv_plan plan;
        bool fits = covey__conv_fits(&s, (enum covey__conv_algorithm)a);
        if (!fits || a == COVEY__CONV_IM2COL) {
            printf("       -");
            continue;
        }
        covey__conv_plan_with(&plan, &s, (enum covey__conv_algorithm)a, 1);
        double seconds = time_plan(&plan);
        bool is_chosen = plan.algorithm == chosen.algorithm;
        printf(" %6.1f%c", flops / seconds * 1e-9, is_chosen ? '*' : ' ');
        took = is_chosen ? seconds : took;
        *out_best = seconds < *out_best ? seconds : *out_best;
    }
    printf("  %8.3f ms\n", took * 1e3 * l->times);
    fflush(stdout);
    return took;
}

int main(int argc, const char *argv[])
{
    uint32_t batch = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    const char *network = "";
    double sum = 0.0, sum_best = 0.0;
    for (int i = 0; i < 10000; i++) {
        double p = probe();
        peak = p > peak ? p : peak;
    }
    printf("%-13s %-23s  im2col  packed   F(2)    F(4)  depthw  GFLOP/s, * chosen\n", "network",
           "layer");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        const struct layer *l = &layers[i];
        if (argc > 2 && strcmp(argv[2], l->network) != 0) {
            continue;
        }
        double best, took = bench_layer(l, batch, &best);
        bool same = strcmp(network, l->network) == 0;
        sum = (same ? sum : 0.0) + took * l->times;
        sum_best = (same ? sum_best : 0.0) + best * l->times;
        network = l->network;
        if (i + 1 == sizeof layers / sizeof *layers || strcmp(l[1].network, network) != 0) {
            printf("%s: %.2f ms, with the best of each %.2f, inner loop %.0f\n", network, sum * 1e3,
                   sum_best * 1e3, peak);
        }
    }
    return 0;
}
