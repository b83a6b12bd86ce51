/* SPDX-License-Identifier: MIT */
#include "tiling.h"

#include "covey/builder.h"

#include <stdlib.h>

static void zoo_init(struct tiling *t, const char *name, uint32_t side, bool optimized)
{
    struct covey_build_options options = {
        .channels = 3, .height = side, .width = side, .classes = 10, .seed = 3};
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    expect_ok(covey_build(name, &options, &g, &why), &why);
    if (optimized) {
        expect_ok(covey_graph_optimize(g, &why), &why);
    }
    tiling_init(t, g);
}

/* Every cell, pairs of cells and the whole front in uneven strips equal the whole network. */
static void check(const char *name, uint32_t side, size_t least)
{
    for (unsigned optimized = 0; optimized < 2; optimized++) {
        struct tiling t;
        zoo_init(&t, name, side, optimized != 0);
        size_t run = 0, first = 0;
        for (size_t i = 0; i < t.count; i++) {
            size_t count = tiling_run(&t, i);
            first = count > run ? i : first;
            run = count > run ? count : run;
        }
        print_message("%s: %zu cells, %zu of them in a row\n", name, t.count, run);
        assert_true(run >= least);
        for (size_t i = first; i < first + run; i++) {
            assert_true(tiling_error(&t, i, 1, 0, 0) < 1e-5);
            assert_true(i + 1 == first + run || tiling_error(&t, i, 2, 0, 1) < 1e-5);
        }
        for (uint32_t rows = 0; rows < 3; rows++) {
            assert_true(tiling_error(&t, first, run, rows, 0) < 1e-5);
            assert_true(tiling_error(&t, first + run / 2, run - run / 2, rows, 0) < 1e-5);
        }
        tiling_done(&t);
    }
}

static void test_vgg(void **state)
{
    (void)state;
    check("vgg11", 40, 13);
}

static void test_alexnet(void **state)
{
    (void)state;
    check("alexnet", 44, 8);
}

static void test_resnet(void **state)
{
    (void)state;
    check("resnet20", 36, 10);
}

static void test_resnet_bottleneck(void **state)
{
    (void)state;
    check("resnet50", 40, 10);
}

static void test_squeezenet(void **state)
{
    (void)state;
    check("squeezenet", 50, 8);
}

static void test_mobilenet(void **state)
{
    (void)state;
    check("mobilenet", 50, 20);
}

static void test_mobilenet_v2(void **state)
{
    (void)state;
    check("mobilenet_v2", 34, 15);
}

/* A chain without branches has one node a cell, and its layers are counted through. */
static void test_cells_of_a_chain(void **state)
{
    (void)state;
    struct tiling t;
    zoo_init(&t, "vgg19", 32, true);
    size_t layers = 0;
    uint32_t node = 0;
    for (size_t i = 0; i < t.count; i++) {
        const struct covey_cell *c = &t.cells[i];
        assert_int_equal(c->first_node, node);
        assert_int_equal(c->first_layer, layers);
        assert_true(i == 0 || c->in == t.cells[i - 1].out);
        assert_int_equal(c->last_node, node + 1);
        node = c->last_node;
        layers += c->layers;
    }
    assert_int_equal(node, t.g->node_count);
    assert_int_equal(layers, covey_model_layers(t.m));
    assert_int_equal(tiling_run(&t, 0), 16 + 5);
    tiling_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_of_a_chain),  cmocka_unit_test(test_vgg),
        cmocka_unit_test(test_alexnet),           cmocka_unit_test(test_resnet),
        cmocka_unit_test(test_resnet_bottleneck), cmocka_unit_test(test_squeezenet),
        cmocka_unit_test(test_mobilenet),         cmocka_unit_test(test_mobilenet_v2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
