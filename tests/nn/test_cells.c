/* SPDX-License-Identifier: MIT */
#include "tiling.h"

#include "covey/builder.h"

#include <stdlib.h>

/* What every chain promises, whatever the graph. */
static void expect_chain(const struct tiling *t)
{
    uint32_t node = 0;
    size_t layers = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct covey_cell *c = &t->cells[i];
        assert_int_equal(c->first_node, node);
        assert_true(c->last_node > node);
        assert_int_equal(c->first_layer, layers);
        assert_true(i == 0 || c->in == t->cells[i - 1].out);
        node = c->last_node;
        layers += c->layers;
    }
    assert_int_equal(node, t->g->node_count);
    assert_int_equal(layers, covey_model_layers(t->m));
    assert_int_equal(t->cells[t->count - 1].out, t->g->output[0]);
}

struct growing {
    struct covey_graph *g;
    uint16_t values[16]; /* of one height and width, 4 channels each */
    unsigned count;
    uint64_t seed;
};

static uint16_t any_value(struct growing *r)
{
    return r->values[random_below(&r->seed, r->count)];
}

/* A convolution that keeps height and width. */
static uint16_t grow_conv(struct growing *r, uint16_t x, uint32_t channels)
{
    struct covey_op_attrs a = attrs_default();
    for (unsigned i = 0; i < 2; i++) {
        uint32_t around = random_below(&r->seed, 5);
        a.kernel[i] = around + 1;
        a.pads[i] = random_below(&r->seed, around + 1);
        a.pads_end[i] = around - a.pads[i];
    }
    const uint16_t in[2] = {
        x, add_random(r->g, shape_of(4, 4, channels, a.kernel[0], a.kernel[1]), &r->seed)};
    return add_op(r->g, COVEY_OP_CONV, &a, in, 2);
}

static uint16_t grow(struct growing *r)
{
    const uint16_t in[3] = {any_value(r), any_value(r), any_value(r)};
    struct covey_op_attrs a = attrs_default();
    uint16_t joined;
    switch (random_below(&r->seed, 6)) {
    case 0:
    case 1:
        return grow_conv(r, in[0], 4);
    case 2:
        return add_op(r->g, COVEY_OP_MAX, NULL, in, 3);
    case 3:
        joined = add_op(r->g, COVEY_OP_CONCAT, NULL, in, 2);
        return grow_conv(r, joined, 8);
    case 4:
        a.kernel[0] = a.kernel[1] = 3;
        a.pads[0] = a.pads[1] = a.pads_end[0] = a.pads_end[1] = 1;
        a.count_include_pad = random_below(&r->seed, 2) == 0;
        return add_op(r->g, COVEY_OP_AVGPOOL, &a, in, 1);
    default:
        return add_unary(r->g, COVEY_OP_TANH, in[0]);
    }
}

/* Adds up everything that nobody took, and halves the picture. */
static uint16_t close_block(struct growing *r)
{
    struct covey_op_attrs a = attrs_default();
    uint16_t sum = add_op(r->g, COVEY_OP_SUM, NULL, r->values, r->count);
    a.kernel[0] = a.kernel[1] = 2 + random_below(&r->seed, 2);
    a.stride[0] = a.stride[1] = 2;
    a.ceil_mode = random_below(&r->seed, 2) == 0;
    return add_op(r->g, COVEY_OP_MAXPOOL, &a, &sum, 1);
}

/* Blocks whose branches cross and meet as they like are one cell each, and strips of one or both
 * are right, however many rows the branches need of one another. */
static void test_random_blocks(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        struct growing r = {.g = graph_with_input(shape_of(4, 1, 4, 18, 11)), .seed = round};
        uint16_t x = r.g->input[0];
        for (unsigned block = 0; block < 2; block++) {
            r.count = 1;
            r.values[0] = x;
            for (unsigned i = 0; i < 5; i++) {
                uint16_t made = grow(&r);
                r.values[r.count++] = made;
            }
            x = close_block(&r);
        }
        struct tiling t;
        tiling_init(&t, r.g);
        expect_chain(&t);
        assert_int_equal(tiling_run(&t, 0), 4);
        assert_true(tiling_worst(&t, 4) < 1e-5);
        tiling_done(&t);
    }
}

/* With several inputs or outputs the ends of the chain can not be cut; the middle still can. */
static void test_several_inputs_and_outputs(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 8, 8));
    struct covey_graph_value second = {.shape = shape_of(4, 1, 3, 8, 8)};
    struct covey_model *m = NULL;
    struct covey_cell *cells = NULL;
    size_t count = 0;
    uint16_t other = 0;
    expect_ok(covey_graph_add_value(g, &second, &other), NULL);
    expect_ok(covey_graph_add_input(g, other), NULL);
    uint16_t x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){g->input[0], other}, 2);
    x = add_conv(g, x, (const uint32_t[]){3, 4, 3, 1}, &seed);
    uint16_t y = add_unary(g, COVEY_OP_RELU, x);
    uint16_t z = add_unary(g, COVEY_OP_SIGMOID, y);
    expect_ok(covey_graph_add_output(g, y), NULL);
    expect_ok(covey_graph_check(g, 0, NULL), NULL);
    expect_ok(covey_model_new(g, NULL, &m, NULL), NULL);
    expect_ok(covey_cells_find(g, m, &cells, &count, NULL), NULL);
    assert_int_equal(count, 4);
    assert_false(cells[0].tiles);
    assert_true(cells[1].tiles);
    assert_int_equal(cells[1].layers, 1);
    assert_true(cells[2].tiles);
    assert_int_equal(cells[2].out, y);
    assert_false(cells[3].tiles);
    assert_int_equal(cells[3].out, z);
    free(cells);
    covey_model_free(m);
    covey_graph_free(g);
}

/* What a cell says of rows and strips is what the models of other strips say, nearly. */
static void test_work_of_strips(void **state)
{
    (void)state;
    static const char *const names[] = {"vgg16", "resnet20", "mobilenet_v2"};
    for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
        struct covey_build_options options = {
            .channels = 3, .height = 64, .width = 64, .classes = 10, .seed = 5, .scale = 0.5f};
        struct covey_graph *g = NULL;
        struct tiling t;
        expect_ok(covey_build(names[n], &options, &g, NULL), NULL);
        expect_ok(covey_graph_optimize(g, NULL), NULL);
        tiling_init(&t, g);
        expect_chain(&t);
        uint64_t predicted = 0, planned = 0, whole = 0, all = 0;
        for (size_t i = 0; i < t.count; i++) {
            const struct covey_cell *c = &t.cells[i];
            whole += c->whole.flops;
            if (!c->tiles || c->out_rows < 8) {
                continue;
            }
            uint32_t rows = c->out_rows / 4;
            struct covey_strip strip = tiling_strip(c, 1, rows, 2 * rows);
            struct covey_graph *part = NULL;
            struct covey_model *m = NULL;
            struct covey_work w;
            expect_ok(covey_tile_graph(t.g, c, 1, &strip, &part, NULL), NULL);
            expect_ok(covey_model_new(part, NULL, &m, NULL), NULL);
            covey_model_work(m, &w);
            predicted += c->strip.flops + rows * c->row.flops;
            planned += w.flops;
            covey_model_free(m);
            covey_graph_free(part);
        }
        struct covey_work w;
        covey_model_work(t.m, &w);
        all = w.flops;
        assert_true(all - all / 100 <= whole && whole <= all + all / 100);
        assert_true((double)predicted > 0.75 * (double)planned);
        assert_true((double)predicted < 1.33 * (double)planned);
        tiling_done(&t);
    }
}

/* Weights that two nodes of a cell share count once. */
static void test_weight_bytes(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 8, 8));
    struct tiling t;
    uint16_t w = add_random(g, shape_of(4, 3, 3, 1, 1), &seed), x = g->input[0];
    uint16_t y = add_op(g, COVEY_OP_CONV, NULL, (const uint16_t[]){x, w}, 2);
    y = add_op(g, COVEY_OP_CONV, NULL, (const uint16_t[]){y, w}, 2);
    add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, y}, 2);
    tiling_init(&t, g);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.cells[0].weight_bytes, 9 * sizeof(float));
    tiling_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_several_inputs_and_outputs),
        cmocka_unit_test(test_work_of_strips),
        cmocka_unit_test(test_weight_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
