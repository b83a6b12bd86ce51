/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "covey/builder.h"
#include "covey/cost.h"

static struct covey_graph *build(const char *name, struct covey_build_options options)
{
    struct covey_graph *g = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_build(name, &options, &g, &why), &why);
    return g;
}

/* Parameters are those that torchvision counts for the networks it has. */
static void test_build_has_the_known_parameters(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t parameters;
    } known[] = {{"alexnet", 61100840},     {"resnet34", 21797672},  {"resnet50", 25557032},
                 {"mobilenet_v2", 3504872}, {"squeezenet", 1235496}, {"mobilenet", 4231976},
                 {"vgg11", 132863336},      {"vgg16", 138357544}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct covey_graph *g =
            build(known[i].name, (struct covey_build_options){
                                     .channels = 3, .height = 224, .width = 224, .classes = 1000});
        assert_int_equal(covey_graph_parameters(g), known[i].parameters);
        covey_graph_free(g);
    }
}

/* Every network takes every image size it promises and makes one number for each class. */
static void test_build_fits_all_images(void **state)
{
    (void)state;
    static const uint32_t images[2][2] = {{1, 28}, {3, 32}};
    for (size_t i = 0; i < covey_build_count(); i++) {
        for (unsigned j = 0; j < 2; j++) {
            struct covey_graph *g =
                build(covey_build_name(i), (struct covey_build_options){.channels = images[j][0],
                                                                        .height = images[j][1],
                                                                        .width = images[j][1],
                                                                        .classes = 10});
            const struct covey_shape *out = &g->values[g->output[0]].shape;
            assert_int_equal(out->rank, 2);
            assert_int_equal(out->dims[0], 1);
            assert_int_equal(out->dims[1], 10);
            covey_graph_free(g);
        }
    }
    assert_null(covey_build_name(covey_build_count()));
}

/* A seed names the weights; another seed, other weights. */
static void test_build_repeats_by_seed(void **state)
{
    (void)state;
    struct covey_build_options o = {
        .channels = 1, .height = 28, .width = 28, .classes = 10, .seed = 5};
    struct covey_graph *a = build("lenet5", o), *b = build("lenet5", o);
    o.seed = 6;
    struct covey_graph *c = build("lenet5", o);
    uint16_t w = a->nodes[0].input[1];
    size_t bytes = floats_of(&a->values[w].shape) * sizeof(float);
    assert_memory_equal(a->values[w].data, b->values[w].data, bytes);
    assert_memory_not_equal(a->values[w].data, c->values[w].data, bytes);
    covey_graph_free(a);
    covey_graph_free(b);
    covey_graph_free(c);
}

/* Wrong options give one reason and no graph. */
static void test_build_refuses_bad_options(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct covey_build_options options;
    } bad[] = {{"nosuch", {1, 28, 28, 10, 0, 0, 0.0f, 0}}, {"vgg8", {0, 28, 28, 10, 0, 0, 0.0f, 0}},
               {"vgg8", {1, 0, 28, 10, 0, 0, 0.0f, 0}},    {"vgg8", {1, 28, 28, 1, 0, 0, 0.0f, 0}},
               {"vgg8", {1, 28, 9999, 10, 0, 0, 0.0f, 0}}, {"wrn", {1, 28, 28, 10, 0, 11, 0.0f, 0}},
               {"mlp", {1, 28, 28, 10, 0, 5000, 0.0f, 0}}, {"lenet5", {1, 2, 2, 10, 0, 0, 0.0f, 0}},
               {"wrn", {1, 28, 28, 10, 0, 0, -1.0f, 0}}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct covey_graph *g = NULL;
        struct covey_nn_error why = {""};
        assert_int_not_equal(covey_build(bad[i].name, &bad[i].options, &g, &why), COVEY_OK);
        assert_null(g);
        assert_true(why.text[0] != '\0');
    }
}

/* Mobile and wide networks follow their multipliers. */
static void test_build_follows_width(void **state)
{
    (void)state;
    struct covey_build_options o = {.channels = 3, .height = 32, .width = 32, .classes = 10};
    const char *names[] = {"mobilenet", "mobilenet_v2", "wrn"};
    for (unsigned i = 0; i < 3; i++) {
        o.scale = 1.0f;
        struct covey_graph *narrow = build(names[i], o);
        o.scale = 2.0f;
        struct covey_graph *wide = build(names[i], o);
        assert_true(covey_graph_parameters(wide) > 3 * covey_graph_parameters(narrow));
        assert_true(covey_graph_total_flops(wide) > 3 * covey_graph_total_flops(narrow));
        covey_graph_free(narrow);
        covey_graph_free(wide);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build_has_the_known_parameters),
        cmocka_unit_test(test_build_fits_all_images),
        cmocka_unit_test(test_build_repeats_by_seed),
        cmocka_unit_test(test_build_refuses_bad_options),
        cmocka_unit_test(test_build_follows_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
