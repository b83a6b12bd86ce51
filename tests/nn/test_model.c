/* SPDX-License-Identifier: MIT */
#include "builder.h"
#include "covey/large.h"

#include <pthread.h>
#include <stdlib.h>

struct fixture {
    struct covey_graph *g;
    struct covey_model *m;
    float *input, *expected;
    size_t outputs;
};

static void fixture_init(struct fixture *f, uint32_t batch)
{
    struct covey_nn_error why = {""};
    uint64_t seed = 11;
    *f = (struct fixture){.g = small_network(5)};
    expect_ok(covey_graph_optimize(f->g, &why), &why);
    expect_ok(covey_graph_check(f->g, batch, &why), &why);
    expect_ok(covey_model_new(f->g, NULL, &f->m, &why), &why);
    f->input = random_floats(&seed, floats_of(covey_model_input(f->m)));
    f->outputs = floats_of(covey_model_output(f->m));
    f->expected = random_floats(&seed, f->outputs);
    struct covey_run *r = NULL;
    expect_ok(covey_run_new(f->m, &r), NULL);
    covey_run_all(r, f->input, f->expected);
    covey_run_free(r);
}

static void fixture_done(struct fixture *f)
{
    free(f->input);
    free(f->expected);
    covey_model_free(f->m);
    covey_graph_free(f->g);
}

/* Layers are found in running order with their names, weights and geometry. */
static void test_model_lists_split_layers(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(covey_model_layers(f.m), 4);
    assert_int_equal(covey_model_layer(f.m, 0)->kind, COVEY_LAYER_CONV);
    assert_int_equal(covey_model_layer(f.m, 0)->k, 27);
    assert_int_equal(covey_model_layer(f.m, 2)->kind, COVEY_LAYER_DENSE);
    assert_int_equal(covey_model_layer(f.m, 2)->m, 70);
    for (size_t i = 0; i < 4; i++) {
        const struct covey_layer *l = covey_model_layer(f.m, i);
        uint16_t w = covey_model_layer_weights(f.m, i);
        assert_int_equal(covey_layer_check(l), COVEY_OK);
        assert_int_equal(floats_of(&f.g->values[w].shape), (size_t)l->m * l->k);
        assert_string_equal(covey_model_layer_name(f.m, i), "");
    }
    fixture_done(&f);
}

/* A run leaves nothing behind: the second one gives the same bytes. */
static void test_run_twice_is_the_same(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    struct covey_run *r = NULL;
    float *output = malloc(f.outputs * sizeof(float));
    expect_ok(covey_run_new(f.m, &r), NULL);
    for (unsigned i = 0; i < 3; i++) {
        covey_run_all(r, f.input, output);
        assert_memory_equal(output, f.expected, f.outputs * sizeof(float));
    }
    free(output);
    covey_run_free(r);
    fixture_done(&f);
}

/* Each image of a batch gives what it gives alone. */
static void test_batch_is_its_images(void **state)
{
    (void)state;
    struct fixture three;
    fixture_init(&three, 3);
    size_t in = floats_of(covey_model_input(three.m)) / 3, out = three.outputs / 3;
    for (size_t i = 0; i < 3; i++) {
        size_t count;
        float *one = run_graph(three.g, 1, three.input + i * in, &count);
        assert_int_equal(count, out);
        assert_true(relative_error(one, three.expected + i * out, out) < 1e-5);
        free(one);
    }
    fixture_done(&three);
}

/* Values that never live together share memory: a chain of any length needs two of them. */
static void test_plan_reuses_memory(void **state)
{
    (void)state;
    uint64_t seed = 9;
    size_t memory[2];
    for (unsigned i = 0; i < 2; i++) {
        struct covey_graph *g = graph_with_input(shape_of(4, 1, 4, 64, 64));
        struct covey_model *m = NULL;
        uint16_t x = g->input[0];
        for (unsigned j = 0; j < (i == 0 ? 2u : 20u); j++) {
            x = add_conv(g, x, (const uint32_t[]){4, 4, 3, 1}, &seed);
            x = add_unary(g, COVEY_OP_LEAKYRELU, x);
        }
        expect_ok(covey_graph_check(g, 1, NULL), NULL);
        expect_ok(covey_model_new(g, NULL, &m, NULL), NULL);
        memory[i] = covey_model_memory(m);
        covey_model_free(m);
        covey_graph_free(g);
    }
    assert_true(memory[1] - memory[0] < 4 * 64 * 64 * sizeof(float)); /* calls, but no value */
}

/* A value used again much later keeps its memory until then. */
static void test_plan_keeps_what_is_needed(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 6, 0, 0));
    uint16_t kept = add_unary(g, COVEY_OP_RELU, g->input[0]), x = kept;
    for (unsigned i = 0; i < 5; i++) {
        x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){x, x}, 2);
        x = add_unary(g, COVEY_OP_FLATTEN, x);
    }
    x = add_op(g, COVEY_OP_SUB, NULL, (const uint16_t[]){x, kept}, 2);
    add_op(g, COVEY_OP_SUB, NULL, (const uint16_t[]){x, g->input[0]}, 2);
    const float input[6] = {1, 2, 3, 4, 5, -6};
    size_t count;
    float *got = run_graph(g, 0, input, &count);
    for (size_t i = 0; i < 5; i++) {
        assert_true(got[i] == 30 * input[i]);
    }
    assert_true(got[5] == 6);
    free(got);
    covey_graph_free(g);
}

static void *run_many(void *user)
{
    const struct fixture *f = user;
    struct covey_run *r = NULL;
    float *output = malloc(f->outputs * sizeof(float));
    size_t wrong = covey_run_new(f->m, &r) != COVEY_OK;
    for (unsigned i = 0; i < 50 && wrong == 0; i++) {
        covey_run_all(r, f->input, output);
        wrong += memcmp(output, f->expected, f->outputs * sizeof(float)) != 0;
    }
    covey_run_free(r);
    free(output);
    return wrong == 0 ? user : NULL;
}

/* Two runs of one model on two threads do not disturb each other. */
static void test_runs_on_two_threads(void **state)
{
    (void)state;
    struct fixture f;
    pthread_t threads[2];
    fixture_init(&f, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &f), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, &f);
    }
    fixture_done(&f);
}

/* The answer of one slot, as a worker computes it. */
static void multiply(const struct covey_layer *l, const float *weights, const float *input,
                     float *answer)
{
    struct covey_product *p = NULL;
    assert_int_equal(covey_product_new(l, weights, 1, &p), COVEY_OK);
    void *scratch = malloc(covey_product_scratch(p) + 1);
    assert_int_equal(covey_product_run(p, input, scratch, answer), COVEY_OK);
    free(scratch);
    covey_product_free(p);
}

/* Computes all slots of a layer as workers would, loses one unit of each group, rebuilds it. */
static void answer_with_losses(const struct covey_layer *l, const float *weights,
                               const float *input, unsigned n, float *answer)
{
    struct covey_split s;
    size_t unit = covey_layer_unit_floats(l), floats = covey_layer_answer_floats(l);
    float *padded = calloc(l->units * unit, sizeof(float));
    float *parity = malloc(unit * sizeof(float)), *product = malloc(floats * sizeof(float));
    memcpy(padded, weights, (size_t)l->m * l->k * sizeof(float));
    assert_int_equal(covey_split_init(&s, l->units, n, 1), COVEY_OK);
    for (unsigned g = 0; g < s.groups; g++) {
        unsigned first, slot, count = covey_split_group(&s, g, &first, &slot);
        unsigned missing = g % count;
        const float *units[COVEY_GROUP_UNITS_MAX], *answers[COVEY_GROUP_UNITS_MAX + 1];
        float *out[COVEY_GROUP_UNITS_MAX];
        for (unsigned j = 0; j < count; j++) {
            units[j] = padded + (first + j) * unit;
            out[j] = answer + (first + j) * floats;
            answers[j] = j != missing ? out[j] : NULL;
            if (j != missing) {
                multiply(l, units[j], input, out[j]);
            }
        }
        assert_int_equal(covey_split_encode(0, count, units, unit, parity), COVEY_OK);
        multiply(l, parity, input, product);
        answers[count] = product;
        assert_int_equal(covey_split_rebuild(count, 1, answers, out, floats), COVEY_OK);
    }
    free(padded);
    free(parity);
    free(product);
}

/* The whole model with every layer split, one unit of each group lost, equals the local run. */
static void test_split_run_equals_local_run(void **state)
{
    (void)state;
    for (uint32_t batch = 1; batch <= 3; batch += 2) {
        struct fixture f;
        fixture_init(&f, batch);
        struct covey_run *r = NULL;
        expect_ok(covey_run_new(f.m, &r), NULL);
        for (unsigned n = 1; n <= COVEY_GROUP_UNITS_MAX; n += 3) {
            size_t layer, stops = 0;
            const float *input;
            covey_run_start(r, (const void *const[]){f.input});
            for (; covey_run_next(r, &layer, &input); stops++) {
                uint16_t w = covey_model_layer_weights(f.m, layer);
                assert_int_equal(layer, stops);
                answer_with_losses(covey_model_layer(f.m, layer), f.g->values[w].data, input, n,
                                   covey_run_answer(r));
                covey_run_resume(r);
            }
            assert_int_equal(stops, covey_model_layers(f.m));
            assert_true(relative_error(covey_run_result(r, 0), f.expected, f.outputs) < 1e-5);
        }
        covey_run_free(r);
        fixture_done(&f);
    }
}

/* A graph whose run would not fit into 4 GiB is refused before anything is allocated. */
static void test_model_refuses_huge_memory(void **state)
{
    (void)state;
    struct covey_graph *g = graph_with_input(shape_of(2, 1 << 14, 1 << 14, 0, 0));
    struct covey_model *m = NULL;
    struct covey_nn_error why = {""};
    uint16_t in[7];
    for (unsigned i = 0; i < 6; i++) {
        in[i] = add_unary(g, COVEY_OP_SOFTMAX, g->input[0]);
    }
    for (unsigned i = 1; i < 6; i++) {
        in[i] = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[]){in[i - 1], in[i]}, 2);
    }
    expect_ok(covey_graph_check(g, 0, &why), &why);
    assert_int_equal(covey_model_new(g, NULL, &m, &why), COVEY_ERR_LIMIT);
    assert_true(why.text[0] != '\0');
    covey_graph_free(g);
}

static void refuse_to_run(struct covey_graph *g)
{
    struct covey_model *m = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_graph_check(g, 0, &why), &why);
    assert_int_equal(covey_model_new(g, NULL, &m, &why), COVEY_ERR_LIMIT);
    assert_null(m);
    covey_graph_free(g);
}

/* Small values, but an operator's scratch of more than 4 GiB: it is not taken for little where
 * sizes have 32 bits. A window over far more padding than there is input, and the heap of a TopK.
 */
static void test_model_refuses_huge_scratch(void **state)
{
    (void)state;
    uint64_t seed = 3;
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 256, 1, 1));
    add_conv(g, g->input[0], (const uint32_t[]){256, 1, 2, 1}, &seed);
    struct covey_op_attrs *a = &g->nodes[g->node_count - 1].attrs;
    for (unsigned i = 0; i < 2; i++) {
        a->stride[i] = a->dilation[i] = a->pads[i] = a->pads_end[i] = 4096;
    }
    refuse_to_run(g);
    g = graph_with_input(shape_of(2, 1, 1 << 28, 0, 0));
    g->values[g->input[0]].type = COVEY_TYPE_U8;
    struct covey_op_attrs top = attrs_default();
    top.axis = 1;
    top.size = 1 << 28;
    add_op(g, COVEY_OP_TOPK, &top, g->input, 1);
    refuse_to_run(g);
}

/* What cannot be addressed is not there; rounded up it would be next to nothing. */
static void test_large_memory_is_refused(void **state)
{
    (void)state;
    assert_null(covey_large_new(SIZE_MAX));
    assert_null(covey_large_new(UINT64_MAX));
    assert_int_equal(covey_size_of(UINT64_MAX), SIZE_MAX);
    assert_int_equal(covey_size_of(5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_lists_split_layers),
        cmocka_unit_test(test_run_twice_is_the_same),
        cmocka_unit_test(test_batch_is_its_images),
        cmocka_unit_test(test_plan_reuses_memory),
        cmocka_unit_test(test_plan_keeps_what_is_needed),
        cmocka_unit_test(test_runs_on_two_threads),
        cmocka_unit_test(test_split_run_equals_local_run),
        cmocka_unit_test(test_model_refuses_huge_memory),
        cmocka_unit_test(test_model_refuses_huge_scratch),
        cmocka_unit_test(test_large_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
