/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <stdlib.h>

#include "covey/builder.h"
#include "covey/cost.h"
#include "covey/tile.h"

static struct covey_graph *network(const char *name, uint32_t height)
{
    const struct covey_build_options options = {
        .channels = 3, .height = height, .width = 64, .classes = 10, .seed = 1};
    struct covey_graph *g = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_build(name, &options, &g, &why), &why);
    expect_ok(covey_graph_optimize(g, &why), &why);
    expect_ok(covey_graph_check(g, 0, &why), &why);
    return g;
}

static struct covey_model *model_of(const struct covey_graph *g, bool plan_only, bool small)
{
    struct covey_model *m = NULL;
    const struct covey_model_options options = {.plan_only = plan_only, .small = small};
    expect_ok(covey_model_new(g, &options, &m, NULL), NULL);
    return m;
}

/* A model of plan_only predicts what a whole one does, node by node, and a model is the sum of its
 * nodes. */
static void test_work_needs_no_weights(void **state)
{
    (void)state;
    const char *names[] = {"vgg11", "mobilenet_v2", "squeezenet"};
    for (unsigned i = 0; i < 3; i++) {
        struct covey_graph *g = network(names[i], 64);
        struct covey_model *whole = model_of(g, false, false), *plan = model_of(g, true, false);
        struct covey_work a, b, sum = {0, 0};
        for (size_t n = 0; n < g->node_count; n++) {
            covey_model_node_work(whole, n, &a);
            covey_model_node_work(plan, n, &b);
            assert_int_equal(a.flops, b.flops);
            assert_int_equal(a.bytes, b.bytes);
            sum.flops += a.flops;
            sum.bytes += a.bytes;
        }
        covey_model_work(plan, &b);
        assert_true(b.flops == sum.flops && b.bytes == sum.bytes);
        covey_model_free(whole);
        covey_model_free(plan);
        covey_graph_free(g);
    }
}

/* Fewer rows are less work, but reading the weights stays: half the rows are more than half. */
static void test_work_of_strips(void **state)
{
    (void)state;
    struct covey_graph *tall = network("vgg19", 128), *half = network("vgg19", 64);
    struct covey_model *a = model_of(tall, true, false), *b = model_of(half, true, false);
    struct covey_work x, y;
    covey_model_work(a, &x);
    covey_model_work(b, &y);
    assert_true(y.flops < x.flops && y.flops > x.flops / 3);
    assert_true(y.bytes > 0 && y.bytes <= x.bytes);
    covey_model_free(a);
    covey_model_free(b);
    covey_graph_free(tall);
    covey_graph_free(half);
}

/* Winograd's are fewer operations than counted, other kernels' more; a dense layer for one input is
 * its weights' bytes and hardly an operation. */
static void test_work_follows_the_kernels(void **state)
{
    (void)state;
    struct covey_graph *g = network("vgg11", 64);
    struct covey_model *m = model_of(g, true, false), *small = model_of(g, true, true);
    struct covey_work w, as_is;
    bool dense = false;
    for (size_t n = 0; n < g->node_count; n++) {
        covey_model_node_work(m, n, &w);
        covey_model_node_work(small, n, &as_is);
        assert_true(as_is.flops >= w.flops || as_is.bytes >= w.bytes);
        if (g->nodes[n].op == COVEY_OP_DENSE) {
            const struct covey_shape *s = &g->values[g->nodes[n].input[1]].shape;
            uint64_t bytes = floats_of(s) * sizeof(float);
            assert_true(w.bytes >= bytes && w.bytes < 2 * bytes && w.flops < 100000);
            dense = true;
        }
    }
    assert_true(dense);
    covey_model_node_work(m, 2, &w); /* 64 to 128 channels, 32 x 32 pixels */
    assert_true(w.flops < covey_graph_flops(g, 2));
    covey_model_node_work(m, 0, &w);
    assert_true(w.flops > covey_graph_flops(g, 0));
    covey_model_free(m);
    covey_model_free(small);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_needs_no_weights),
        cmocka_unit_test(test_work_of_strips),
        cmocka_unit_test(test_work_follows_the_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
