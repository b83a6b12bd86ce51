/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>

#include "covey/model.h"
#include "onnx_import.h"
#include "read_input.h"

enum { BATCH = 50 };

/* A loaded model ready for runs of one batch. */
struct loaded {
    struct covey_onnx onnx;
    struct covey_model *model;
    struct covey_run *run;
    size_t in, out; /* floats of one item */
};

static covey_err load(struct loaded *l, const char *path, uint32_t batch,
                      struct covey_nn_error *why)
{
    *l = (struct loaded){.model = NULL};
    covey_err err = covey_onnx_load(path, NULL, &l->onnx, why);
    if (err) {
        return err;
    }
    expect_ok(covey_graph_optimize(l->onnx.graph, why), why);
    expect_ok(covey_graph_check(l->onnx.graph, batch, why), why);
    expect_ok(covey_model_new(l->onnx.graph, NULL, &l->model, why), why);
    expect_ok(covey_run_new(l->model, &l->run), why);
    size_t items = batch ? batch : 1;
    expect_ok(covey_shape_count(covey_model_input(l->model), &l->in), why);
    expect_ok(covey_shape_count(covey_model_output(l->model), &l->out), why);
    l->in /= items;
    l->out /= items;
    return COVEY_OK;
}

static void unload(struct loaded *l)
{
    covey_run_free(l->run);
    covey_model_free(l->model);
    covey_onnx_free(&l->onnx);
}

static size_t best(const float *values, size_t count)
{
    size_t at = 0;
    for (size_t i = 1; i < count; i++) {
        at = values[i] > values[at] ? i : at;
    }
    return at;
}

/* Items of spec, at most limit, that the model classifies as labelled. */
static size_t count_right(const char *model, const char *spec, const struct covey_prepare *p,
                          size_t *limit)
{
    struct loaded l;
    struct covey_nn_error why = {""};
    struct covey_input *in = NULL;
    int32_t labels[BATCH] = {0};
    size_t right = 0;
    expect_ok(load(&l, model, BATCH, &why), &why);
    expect_ok(covey_input_open(spec, &in, &why), &why);
    *limit = covey_input_count(in) < *limit ? covey_input_count(in) : *limit;
    float *input = calloc(BATCH * l.in, sizeof *input);
    float *output = calloc(BATCH * l.out, sizeof *output);
    assert_true(input && output && *limit % BATCH == 0);
    for (size_t at = 0; at < *limit; at += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            struct covey_item item;
            expect_ok(covey_input_item(in, at + i, &item, &why), &why);
            labels[i] = item.label;
            expect_ok(
                covey_prepare_item(p, &item, covey_model_input(l.model), input + i * l.in, &why),
                &why);
        }
        covey_run_all(l.run, input, output);
        for (size_t i = 0; i < BATCH; i++) {
            right += best(output + i * l.out, l.out) == (size_t)labels[i];
        }
    }
    free(input);
    free(output);
    covey_input_close(in);
    unload(&l);
    return right;
}

/* Published accuracy in hundredths of a percent of the full test set. Fewer images are looked at
 * under sanitizers, where only gross errors show. */
static void expect_accuracy(const char *model_file, const struct covey_prepare *p, size_t published)
{
    char model[FIXTURE_PATH];
    char dir[FIXTURE_PATH];
    char spec[FIXTURE_PATH + 8];
    size_t limit = FIXTURE_SANITIZED ? 500 : 10000;
    data_path(model, model_file);
    data_path(dir, "mnist");
    (void)snprintf(spec, sizeof spec, "mnist:%s", dir);
    size_t right = count_right(model, spec, p, &limit);
    print_message("%s: %zu of %zu\n", model_file, right, limit);
    if (limit == 10000) {
        assert_in_range(right, published - 3, published + 3);
    } else {
        assert_true(right * 100 >= limit * 96);
    }
}

static struct covey_prepare scaled(float scale, float mean, float std)
{
    struct covey_prepare p;
    covey_prepare_init(&p);
    p.scale = scale;
    for (size_t i = 0; i < 3; i++) {
        p.mean[i] = mean;
        p.std[i] = std;
    }
    return p;
}

/* The zoo's mnist-8 has its published accuracy. */
static void test_accuracy_zoo(void **state)
{
    (void)state;
    struct covey_prepare p = scaled(1, 0, 1);
    expect_accuracy("models/zoo-mnist-8/model.onnx", &p, 9891);
}

/* The same network after another optimiser, with the bias in the convolutions. */
static void test_accuracy_wonnx(void **state)
{
    (void)state;
    struct covey_prepare p = scaled(1, 0, 1);
    expect_accuracy("models/wonnx-mnist/models/opt-mnist.onnx", &p, 9891);
}

/* LeNet-5 with normalised inputs has its published accuracy. */
static void test_accuracy_lenet5(void **state)
{
    (void)state;
    struct covey_prepare p = scaled(1.0f / 255, 0.1307f, 0.3081f);
    expect_accuracy("models/lenet5-FYH620/lenet.onnx", &p, 9813);
}

/* A network with average pooling has its published accuracy. */
static void test_accuracy_avgpool(void **state)
{
    (void)state;
    struct covey_prepare p = scaled(1.0f / 255, 0, 1);
    expect_accuracy("models/verivital/Convnet_avgpool.onnx", &p, 9795);
}

/* A network of dense layers, whose input is [1 784 1], has its published accuracy. */
static void test_accuracy_dense(void **state)
{
    (void)state;
    struct covey_prepare p = scaled(1.0f / 255, 0, 1);
    expect_accuracy("models/mnistfc/mnist-net_256x4.onnx", &p, 9764);
}

/* ResNet-20 has its accuracy on the test pictures, normalised per channel (ImageNet's numbers, as
 * its own test inputs are). */
static void test_accuracy_resnet(void **state)
{
    (void)state;
    char model[FIXTURE_PATH];
    char file[FIXTURE_PATH];
    char spec[FIXTURE_PATH + 8];
    size_t limit = FIXTURE_SANITIZED ? 100 : 1000;
    struct covey_prepare p = {
        .scale = 1.0f / 255, .mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
    data_path(model, "models/resnet20_cifar10/model.onnx");
    data_path(file, "cifar-10");
    (void)snprintf(spec, sizeof spec, "cifar10:%s", file);
    size_t right = count_right(model, spec, &p, &limit);
    print_message("resnet20: %zu of %zu\n", right, limit);
    assert_true(right * 100 >= limit * (FIXTURE_SANITIZED ? 85 : 91));
}

/* A tensor file as floats on the heap. */
static float *tensor(const char *path, size_t *out_count)
{
    struct covey_nn_error why = {""};
    struct covey_input *in = NULL;
    struct covey_item item;
    expect_ok(covey_input_open(path, &in, &why), &why);
    expect_ok(covey_input_item(in, 0, &item, &why), &why);
    expect_ok(covey_shape_count(&item.shape, out_count), &why);
    float *copy = malloc(*out_count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, item.data, *out_count * sizeof *copy);
    covey_input_close(in);
    return copy;
}

/* Largest difference of the outputs of one published set, by the largest magnitude. */
static float set_difference(struct loaded *l, const char *dir)
{
    char path[2 * FIXTURE_PATH + 16];
    size_t in_count = 0;
    size_t out_count = 0;
    (void)snprintf(path, sizeof path, "%s/input_0.pb", dir);
    float *input = tensor(path, &in_count);
    (void)snprintf(path, sizeof path, "%s/output_0.pb", dir);
    float *expected = tensor(path, &out_count);
    assert_int_equal(in_count, l->in);
    assert_int_equal(out_count, l->out);
    float *output = calloc(out_count, sizeof *output);
    assert_non_null(output);
    covey_run_all(l->run, input, output);
    float largest = 0;
    float difference = 0;
    for (size_t i = 0; i < out_count; i++) {
        largest = fmaxf(largest, fabsf(expected[i]));
        difference = fmaxf(difference, fabsf(output[i] - expected[i]));
    }
    free(input);
    free(expected);
    free(output);
    return difference / largest;
}

static void expect_sets(const char *name)
{
    char path[FIXTURE_PATH];
    char file[256];
    struct loaded l;
    struct covey_nn_error why = {""};
    (void)snprintf(file, sizeof file, "models/%s/model.onnx", name);
    data_path(path, file);
    expect_ok(load(&l, path, 0, &why), &why);
    for (unsigned set = 0; set < 3; set++) {
        (void)snprintf(file, sizeof file, "models/%s/test_data_set_%u", name, set);
        data_path(path, file);
        float difference = set_difference(&l, path);
        print_message("%s set %u: %g\n", name, set, (double)difference);
        assert_true(difference <= 1e-4f);
    }
    unload(&l);
}

/* Published outputs are met within 1e-4 of their largest magnitude. */
static void test_sets_zoo(void **state)
{
    (void)state;
    expect_sets("zoo-mnist-8");
}

static void test_sets_resnet(void **state)
{
    (void)state;
    expect_sets("resnet20_cifar10");
}

static void test_sets_squeezenet(void **state)
{
    (void)state;
    expect_sets("squeezenet_v1.0_deepcompression");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy_zoo),    cmocka_unit_test(test_accuracy_wonnx),
        cmocka_unit_test(test_accuracy_lenet5), cmocka_unit_test(test_accuracy_avgpool),
        cmocka_unit_test(test_accuracy_dense),  cmocka_unit_test(test_accuracy_resnet),
        cmocka_unit_test(test_sets_zoo),        cmocka_unit_test(test_sets_resnet),
        cmocka_unit_test(test_sets_squeezenet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
