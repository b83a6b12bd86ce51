/* SPDX-License-Identifier: MIT */
#include "tiling.h"

#include "covey/builder.h"

#include <stdlib.h>

/* A network made ready, with the result of a run in one piece. */
struct fixture {
    struct covey_graph *g;
    struct covey_model *m;
    struct covey_cell *cells;
    size_t cell_count;
    struct covey_run *r;
    float *input, *expected;
    size_t inputs, outputs;
};

static void fixture_init(struct fixture *f, struct covey_graph *take_g)
{
    struct covey_nn_error why = {""};
    uint64_t seed = 4;
    *f = (struct fixture){.g = take_g};
    expect_ok(covey_graph_check(f->g, 0, &why), &why);
    expect_ok(covey_model_new(f->g, NULL, &f->m, &why), &why);
    expect_ok(covey_cells_find(f->g, f->m, &f->cells, &f->cell_count, &why), &why);
    expect_ok(covey_run_new(f->m, &f->r), NULL);
    f->inputs = floats_of(covey_model_input(f->m));
    f->outputs = floats_of(covey_model_output(f->m));
    f->input = random_floats(&seed, f->inputs);
    f->expected = random_floats(&seed, f->outputs);
    covey_run_all(f->r, f->input, f->expected);
}

static void fixture_done(struct fixture *f)
{
    free(f->input);
    free(f->expected);
    free(f->cells);
    covey_run_free(f->r);
    covey_model_free(f->m);
    covey_graph_free(f->g);
}

static struct covey_graph *zoo(const char *name, bool optimized)
{
    struct covey_build_options options = {
        .channels = 3, .height = 32, .width = 32, .classes = 10, .seed = 5};
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    expect_ok(covey_build(name, &options, &g, &why), &why);
    if (optimized) {
        expect_ok(covey_graph_optimize(g, &why), &why);
    }
    return g;
}

/* What another device makes of nodes: the same cells as a model of their own, in one strip. */
static void answer_nodes(const struct fixture *f, size_t first, size_t count, const float *input,
                         float *answer)
{
    const struct covey_cell *a = &f->cells[first], *b = &f->cells[first + count - 1];
    struct covey_strip whole = {0, a->in_rows, 0, b->out_rows};
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    struct covey_run *r = NULL;
    size_t floats = (size_t)b->out_planes * b->out_rows * b->out_width;
    expect_ok(covey_tile_graph(f->g, a, count, &whole, &g, &why), &why);
    expect_ok(covey_model_new(g, NULL, &m, &why), &why);
    expect_ok(covey_run_new(m, &r), NULL);
    covey_run_inputs(r, (const void *const[]){input});
    /* Before it is written the input may go: whatever lies there must not matter. */
    memset(answer, 0xff, floats * sizeof(*answer));
    memcpy(answer, covey_run_result(r, 0), floats * sizeof(*answer));
    covey_run_free(r);
    covey_model_free(m);
    covey_graph_free(g);
}

static void answer_layer(const struct fixture *f, size_t layer, const float *input, float *answer)
{
    const struct covey_layer *l = covey_model_layer(f->m, layer);
    const float *weights = f->g->values[covey_model_layer_weights(f->m, layer)].data;
    size_t unit = covey_layer_unit_floats(l), floats = l->units * unit;
    float *padded = calloc(floats, sizeof(*padded));
    struct covey_product *p = NULL;
    assert_non_null(padded);
    memcpy(padded, weights, (size_t)l->m * l->k * sizeof(*padded));
    assert_int_equal(covey_product_new(l, padded, l->units, &p), COVEY_OK);
    void *scratch = malloc(covey_product_scratch(p) + 1);
    assert_int_equal(covey_product_run(p, input, scratch, answer), COVEY_OK);
    covey_product_free(p);
    free(padded);
    free(scratch);
}

/* Random stages, apart from one another: runs of cells that tile, and single split layers. */
static size_t random_stages(const struct fixture *f, struct covey_stage *out, size_t *out_cell,
                            uint64_t *seed)
{
    size_t count = 0;
    for (size_t i = 0; i < f->cell_count;) {
        const struct covey_cell *c = &f->cells[i];
        uint32_t dice = random_below(seed, 3);
        size_t taken = 1;
        if (dice == 0 && c->layers > 0) {
            uint16_t layer = (uint16_t)(c->first_layer + random_below(seed, c->layers));
            out[count++] = (struct covey_stage){.layer = layer};
        } else if (dice == 1 && c->tiles) {
            uint32_t more = random_below(seed, 4);
            while (taken <= more && i + taken < f->cell_count && f->cells[i + taken].tiles) {
                taken++;
            }
            out_cell[count] = i;
            out[count++] = (struct covey_stage){.nodes = true,
                                                .first_node = c->first_node,
                                                .last_node = f->cells[i + taken - 1].last_node,
                                                .in = c->in,
                                                .out = f->cells[i + taken - 1].out};
        }
        i += taken;
    }
    return count;
}

static size_t cells_of(const struct fixture *f, const struct covey_stage *s, size_t first)
{
    size_t count = 0;
    while (f->cells[first + count].last_node < s->last_node) {
        count++;
    }
    return count + 1;
}

static void answer(const struct fixture *f, const struct covey_stage *s, size_t cell,
                   const float *input)
{
    if (s->nodes) {
        answer_nodes(f, cell, cells_of(f, s, cell), input, covey_run_answer(f->r));
    } else {
        answer_layer(f, s->layer, input, covey_run_answer(f->r));
    }
}

/* Stages of layers and of nodes, answered elsewhere or here, in any mix, give what a run in one
 * piece gives. */
static void check_mixes(struct covey_graph *take_g)
{
    struct fixture f;
    uint64_t seed = 12;
    fixture_init(&f, take_g);
    struct covey_stage *stages = calloc(f.cell_count + 1, sizeof(*stages));
    size_t *cells = calloc(f.cell_count + 1, sizeof(*cells));
    for (unsigned round = 0; round < 12; round++) {
        size_t count = random_stages(&f, stages, cells, &seed), stage, next = 0;
        const float *input;
        covey_run_stages(f.r, stages, count);
        covey_run_start(f.r, (const void *const[]){f.input});
        for (; covey_run_next(f.r, &stage, &input); next++) {
            assert_int_equal(stage, next);
            if (random_below(&seed, 4) == 0) {
                covey_run_local(f.r);
                continue;
            }
            answer(&f, &stages[stage], cells[stage], input);
            covey_run_resume(f.r);
        }
        assert_int_equal(next, count);
        assert_true(relative_error(covey_run_result(f.r, 0), f.expected, f.outputs) < 1e-4);
    }
    free(stages);
    free(cells);
    fixture_done(&f);
}

static void test_mixed_stages(void **state)
{
    (void)state;
    static const char *const names[] = {"vgg8", "resnet20", "squeezenet", "mobilenet_v2"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (unsigned optimized = 0; optimized < 2; optimized++) {
            check_mixes(zoo(names[i], optimized != 0));
        }
    }
}

/* A cell that only gives a value another shape shares its input's bytes: its answer works too. */
static void test_stage_that_is_an_alias(void **state)
{
    (void)state;
    struct fixture f;
    size_t stage, flatten = 0;
    const float *input;
    fixture_init(&f, small_network(6));
    for (size_t i = 0; i < f.g->node_count; i++) {
        flatten = f.g->nodes[i].op == COVEY_OP_FLATTEN ? i : flatten;
    }
    assert_true(flatten > 0);
    for (size_t more = 0; more < 2; more++) {
        struct covey_stage s = {.nodes = true,
                                .first_node = (uint32_t)(flatten - more),
                                .last_node = (uint32_t)(flatten + 1),
                                .in = f.g->nodes[flatten - more].input[0],
                                .out = f.g->nodes[flatten].output[0]};
        float *kept = calloc(8 * 6 * 6, sizeof(*kept));
        covey_run_stages(f.r, &s, 1);
        covey_run_start(f.r, (const void *const[]){f.input});
        assert_true(covey_run_next(f.r, &stage, &input));
        memcpy(kept, input, 8 * 6 * 6 * sizeof(*kept));
        memcpy(covey_run_answer(f.r), kept, 8 * 6 * 6 * sizeof(*kept));
        covey_run_resume(f.r);
        assert_false(covey_run_next(f.r, &stage, &input));
        assert_memory_equal(covey_run_result(f.r, 0), f.expected, f.outputs * sizeof(float));
        free(kept);
    }
    fixture_done(&f);
}

/* Without being told a run stops at every split layer, by its number; told again, it forgets. */
static void test_stages_at_first(void **state)
{
    (void)state;
    struct fixture f;
    size_t stage, next = 0;
    const float *input;
    fixture_init(&f, small_network(7));
    covey_run_start(f.r, (const void *const[]){f.input});
    for (; covey_run_next(f.r, &stage, &input); next++) {
        assert_int_equal(stage, next);
        answer_layer(&f, stage, input, covey_run_answer(f.r));
        covey_run_resume(f.r);
    }
    assert_int_equal(next, covey_model_layers(f.m));
    assert_true(relative_error(covey_run_result(f.r, 0), f.expected, f.outputs) < 1e-5);
    covey_run_stages(f.r, NULL, 0);
    covey_run_start(f.r, (const void *const[]){f.input});
    assert_false(covey_run_next(f.r, &stage, &input));
    assert_memory_equal(covey_run_result(f.r, 0), f.expected, f.outputs * sizeof(float));
    fixture_done(&f);
}

/* An input written where it goes is not copied over. */
static void test_input_in_place(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, small_network(8));
    for (unsigned i = 0; i < 2; i++) {
        memcpy(covey_run_input(f.r, 0), f.input, f.inputs * sizeof(float));
        covey_run_inputs(f.r, (const void *const[]){NULL});
        assert_memory_equal(covey_run_result(f.r, 0), f.expected, f.outputs * sizeof(float));
    }
    fixture_done(&f);
}

/* The whole network as one stage: its answer is the result. */
static void test_one_stage_of_all(void **state)
{
    (void)state;
    struct fixture f;
    size_t stage;
    const float *input;
    fixture_init(&f, small_network(9));
    struct covey_stage s = {.nodes = true,
                            .last_node = (uint32_t)f.g->node_count,
                            .in = f.g->input[0],
                            .out = f.g->output[0]};
    covey_run_stages(f.r, &s, 1);
    covey_run_start(f.r, (const void *const[]){f.input});
    assert_true(covey_run_next(f.r, &stage, &input));
    assert_memory_equal(input, f.input, f.inputs * sizeof(float));
    memcpy(covey_run_answer(f.r), f.expected, f.outputs * sizeof(float));
    covey_run_resume(f.r);
    assert_false(covey_run_next(f.r, &stage, &input));
    assert_memory_equal(covey_run_result(f.r, 0), f.expected, f.outputs * sizeof(float));
    fixture_done(&f);
}

static _Atomic uint32_t looked;

static uint64_t look(void)
{
    return ++looked;
}

/* A run is given up in front of the first node for which it is not wanted any more, and the next
 * one has all its results. */
static void test_given_up(void **state)
{
    (void)state;
    struct fixture f;
    size_t stage;
    const float *input;
    fixture_init(&f, small_network(10));
    uint64_t *node_ns = calloc(f.g->node_count, sizeof(*node_ns));
    assert_non_null(node_ns);
    covey_run_profile(f.r, look, node_ns); /* looks in front of each node and behind it */
    looked = 0;
    covey_run_wanted(f.r, &(struct covey_wanted){&looked, 0});
    covey_run_inputs(f.r, (const void *const[]){f.input});
    assert_int_equal(looked, 2);
    covey_run_stages(f.r, NULL, 0);
    covey_run_start(f.r, (const void *const[]){f.input});
    assert_false(covey_run_next(f.r, &stage, &input));
    assert_int_equal(looked, 2);
    covey_run_wanted(f.r, &(struct covey_wanted){NULL, 0});
    covey_run_inputs(f.r, (const void *const[]){f.input});
    assert_memory_equal(covey_run_result(f.r, 0), f.expected, f.outputs * sizeof(float));
    free(node_ns);
    fixture_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stages_at_first),        cmocka_unit_test(test_mixed_stages),
        cmocka_unit_test(test_stage_that_is_an_alias), cmocka_unit_test(test_input_in_place),
        cmocka_unit_test(test_one_stage_of_all),       cmocka_unit_test(test_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
