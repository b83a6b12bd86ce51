/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct geometry {
    uint32_t channels, size, kernel, stride, dilation, pad;
};

static struct covey_layer conv_layer(struct geometry g, uint32_t m, uint32_t batch)
{
    uint32_t out = (g.size + 2 * g.pad - (g.kernel - 1) * g.dilation - 1) / g.stride + 1;
    struct covey_layer l = {.kind = COVEY_LAYER_CONV,
                            .m = m,
                            .k = g.channels * g.kernel * g.kernel,
                            .channels = g.channels,
                            .height = g.size,
                            .width = g.size,
                            .kernel = {g.kernel, g.kernel},
                            .stride = {g.stride, g.stride},
                            .dilation = {g.dilation, g.dilation},
                            .pads = {g.pad, g.pad, g.pad, g.pad},
                            .out_height = out,
                            .out_width = out,
                            .batch = batch};
    covey_layer_cut(m, &l.unit_rows, &l.units);
    return l;
}

static struct covey_layer dense_layer(uint32_t m, uint32_t batch)
{
    struct covey_layer l = layer_dense(m, 200, batch);
    covey_layer_cut(m, &l.unit_rows, &l.units);
    return l;
}

/* W row times the input below output pixel (y, x): what is padded is zero. */
static double one(const struct covey_layer *l, const float *row, const float *image, uint32_t pixel)
{
    double sum = 0;
    uint32_t taps = l->kernel[0] * l->kernel[1];
    for (uint32_t i = 0; i < l->k; i++) {
        uint32_t c = i / taps, ky = i % taps / l->kernel[1], kx = i % l->kernel[1];
        int64_t y = (int64_t)(pixel / l->out_width) * l->stride[0] + ky * l->dilation[0];
        int64_t x = (int64_t)(pixel % l->out_width) * l->stride[1] + kx * l->dilation[1];
        y -= l->pads[0];
        x -= l->pads[1];
        if (y >= 0 && y < (int64_t)l->height && x >= 0 && x < (int64_t)l->width) {
            sum += (double)row[i] * (double)image[(c * l->height + y) * l->width + x];
        }
    }
    return sum;
}

/* The answers of some slots are those of the definition, in the order of the contract. Scratch and
 * input lie wherever floats may. */
static void check(struct covey_layer l, size_t slots)
{
    uint64_t seed = l.k + slots;
    size_t rows = slots * l.unit_rows, n = covey_layer_columns(&l);
    size_t pixels = (size_t)l.out_height * l.out_width,
           image = (size_t)l.channels * l.height * l.width;
    struct covey_product *p = NULL;
    assert_int_equal(covey_layer_check(&l), COVEY_OK);
    float *weights = random_floats(&seed, rows * l.k);
    float *input = random_floats(&seed, covey_layer_input_floats(&l) + 1);
    assert_int_equal(covey_product_new(&l, weights, slots, &p), COVEY_OK);
    if (!covey_product_reads(p)) {
        memset(weights, 0xff, rows * l.k * sizeof(float)); /* NaN */
        free(weights);
        seed = l.k + slots;
        weights = random_floats(&seed, rows * l.k);
        assert_true(covey_product_bytes(p) > 0);
    }
    char *scratch = malloc(covey_product_scratch(p) + sizeof(float));
    float *out = malloc(rows * n * sizeof(float));
    assert_int_equal(covey_product_run(p, input + 1, scratch + sizeof(float), out), COVEY_OK);
    double off = 0, all = 0;
    for (size_t i = 0; i < rows * n; i++) {
        size_t column = i % n;
        double v = one(&l, weights + i / n * l.k, input + 1 + column / pixels * image,
                       (uint32_t)(column % pixels));
        off += ((double)out[i] - v) * ((double)out[i] - v);
        all += v * v;
    }
    if (!(sqrt(off / all) < 1e-5)) {
        fail_msg("k %u, batch %u: error %g", l.k, l.batch, sqrt(off / all));
    }
    free(weights);
    free(input);
    free(scratch);
    free(out);
    covey_product_free(p);
}

/* Every way that a convolution is computed: unrolled, packed, Winograd's, 1 x 1, one filter. */
static void test_product_of_convolutions(void **state)
{
    (void)state;
    static const struct geometry cases[] = {
        {16, 14, 3, 1, 1, 1}, {3, 17, 5, 2, 1, 2},  {40, 7, 1, 1, 1, 0},  {6, 9, 1, 2, 1, 0},
        {8, 16, 3, 1, 2, 2},  {32, 28, 3, 1, 1, 1}, {2, 11, 11, 4, 1, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t batch = 1; batch <= 3; batch++) {
            check(conv_layer(cases[i], 60, batch), 1);
            check(conv_layer(cases[i], 60, batch), 17);
            check(conv_layer(cases[i], 100, batch), 7);
        }
    }
}

/* One image, few and many. */
static void test_product_of_dense_layers(void **state)
{
    (void)state;
    static const uint32_t batches[] = {1, 2, 5, 16, 17, 40};
    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        check(dense_layer(60, batches[i]), 1);
        check(dense_layer(130, batches[i]), 9);
    }
}

/* A layer that is none, or no slots, are refused. */
static void test_product_refuses(void **state)
{
    (void)state;
    struct covey_layer l = dense_layer(60, 1);
    struct covey_product *p = NULL;
    const float weight = 0;
    assert_int_equal(covey_product_new(&l, &weight, 0, &p), COVEY_ERR_RANGE);
    assert_int_equal(covey_product_new(&l, &weight, COVEY_LAYER_SLOTS_MAX + 1, &p),
                     COVEY_ERR_RANGE);
    l.k++;
    assert_int_equal(covey_product_new(&l, &weight, 1, &p), COVEY_ERR_RANGE);
    assert_null(p);
    covey_product_free(NULL);
}

/* A layer whose window spreads over far more padding than there is input asks for more scratch than
 * a device has, which is not taken for little where sizes have 32 bits. */
static void test_product_refuses_huge_scratch(void **state)
{
    (void)state;
    struct covey_layer l = conv_layer((struct geometry){256, 1, 2, 4096, 4096, 4096}, 1, 1);
    struct covey_product *p = NULL;
    float *weights = calloc(l.k, sizeof(float));
    assert_int_equal(covey_layer_check(&l), COVEY_OK);
    assert_int_equal(covey_product_new(&l, weights, 1, &p), COVEY_ERR_LIMIT);
    assert_null(p);
    free(weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product_of_convolutions),
        cmocka_unit_test(test_product_of_dense_layers),
        cmocka_unit_test(test_product_refuses),
        cmocka_unit_test(test_product_refuses_huge_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
