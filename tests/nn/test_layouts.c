/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <pthread.h>
#include <stdlib.h>

#include "covey/layouts.h"

enum { CONVS = 4, WIDTH = 24, CHANNELS = 32, THREADS = 4 };

/* The constants of some convolutions: 3 x 3 twice, then 1 x 1, then 5 x 5 with a stride. */
struct weights {
    struct covey_shape shape[CONVS];
    float *data[CONVS];
    size_t bytes;
};

static struct weights weights_new(void)
{
    uint64_t seed = 11;
    struct weights w = {.bytes = 0};
    const uint32_t kernel[CONVS] = {3, 3, 1, 5};
    for (unsigned i = 0; i < CONVS; i++) {
        w.shape[i] = shape_of(4, CHANNELS, CHANNELS, kernel[i], kernel[i]);
        w.data[i] = random_floats(&seed, floats_of(&w.shape[i]));
        w.bytes += floats_of(&w.shape[i]) * sizeof(float);
    }
    return w;
}

static void weights_free(struct weights *w)
{
    for (unsigned i = 0; i < CONVS; i++) {
        free(w->data[i]);
    }
}

/* A strip of so many rows, whose constants are borrowed. */
static struct covey_graph *strip(const struct weights *w, uint32_t rows)
{
    struct covey_graph *g = graph_with_input(shape_of(4, 1, CHANNELS, rows, WIDTH));
    uint16_t in[2] = {g->input[0], 0};
    for (unsigned i = 0; i < CONVS; i++) {
        struct covey_op_attrs a = attrs_default();
        a.kernel[0] = a.kernel[1] = w->shape[i].dims[2];
        a.pads[0] = a.pads[1] = a.pads_end[0] = a.pads_end[1] = a.kernel[0] / 2;
        a.stride[0] = a.stride[1] = i == CONVS - 1 ? 2 : 1;
        const struct covey_graph_value value = {
            .shape = w->shape[i], .constant = true, .data = w->data[i]};
        expect_ok(covey_graph_add_value(g, &value, &in[1]), NULL);
        in[0] = add_op(g, COVEY_OP_CONV, &a, in, 2);
    }
    expect_ok(covey_graph_check(g, 0, NULL), NULL);
    return g;
}

static float *run_model(const struct covey_graph *g, const struct covey_model *m, size_t *out_count)
{
    struct covey_run *r = NULL;
    uint64_t seed = 5;
    float *in = random_floats(&seed, floats_of(&g->values[g->input[0]].shape));
    *out_count = floats_of(&g->values[g->output[0]].shape);
    float *out = calloc(*out_count, sizeof(float));
    expect_ok(covey_run_new(m, &r), NULL);
    covey_run_all(r, in, out);
    covey_run_free(r);
    free(in);
    return out;
}

static struct covey_model *model_of(const struct covey_graph *g, struct covey_layouts *l)
{
    struct covey_model *m = NULL;
    struct covey_nn_error why = {""};
    const struct covey_model_options options = {.layouts = l};
    expect_ok(covey_model_new(g, &options, &m, &why), &why);
    return m;
}

static void expect_same(const struct covey_graph *g, const struct covey_model *m)
{
    size_t count, again;
    struct covey_model *own = model_of(g, NULL);
    float *expected = run_model(g, own, &count), *got = run_model(g, m, &again);
    assert_int_equal(count, again);
    assert_true(relative_error(got, expected, count) < 1e-5);
    free(expected);
    free(got);
    covey_model_free(own);
}

/* Strips of every height give what models of their own give, while each constant is held once, in
 * the layout that the first strip had. */
static void test_layouts_are_shared_by_all_heights(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_layouts *l = NULL;
    uint64_t bytes = 0;
    expect_ok(covey_layouts_new(0, &l), NULL);
    assert_int_equal(covey_layouts_bytes(l), 0);
    assert_false(covey_layouts_has(l, w.data[0]));
    for (uint32_t rows = 17; rows <= 17; rows -= 4) {
        struct covey_graph *g = strip(&w, rows);
        struct covey_model *m = model_of(g, l);
        bytes = rows == 17 ? covey_layouts_bytes(l) : bytes;
        assert_int_equal(covey_layouts_bytes(l), bytes);
        assert_true(bytes > w.bytes && covey_model_state(m) < 4096);
        expect_same(g, m);
        covey_model_free(m);
        covey_graph_free(g);
    }
    for (unsigned i = 0; i < CONVS; i++) {
        assert_true(covey_layouts_has(l, w.data[i]));
    }
    covey_layouts_free(l);
    weights_free(&w);
}

/* Bounded, the layouts take at most so many bytes more than the constants, and more of it is used
 * the more there is; results stay. */
static void test_layouts_stay_within_their_bound(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_graph *g = strip(&w, 16);
    uint64_t before = 0, bounds[] = {1, 40000, 100000, 1 << 20, 0};
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        struct covey_layouts *l = NULL;
        expect_ok(covey_layouts_new(bounds[i], &l), NULL);
        struct covey_model *m = model_of(g, l);
        uint64_t bytes = covey_layouts_bytes(l);
        assert_true(bounds[i] == 0 || bytes <= w.bytes + bounds[i]);
        assert_true(bytes >= before && bytes >= w.bytes);
        before = bytes;
        expect_same(g, m);
        covey_model_free(m);
        covey_layouts_free(l);
    }
    covey_graph_free(g);
    weights_free(&w);
}

/* Decided for the whole graph first, then one constant after the other is laid out and its own data
 * destroyed: models made later do not miss it. */
static void test_layouts_replace_constants_one_by_one(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_graph *g = strip(&w, 9);
    struct covey_layouts *l = NULL;
    size_t count, again;
    struct covey_model *own = model_of(g, NULL);
    float *expected = run_model(g, own, &count);
    expect_ok(covey_layouts_new(50000, &l), NULL);
    expect_ok(covey_layouts_fill(l, w.data[0]), NULL); /* nothing decided: nothing done */
    assert_int_equal(covey_layouts_bytes(l), 0);
    expect_ok(covey_layouts_choose(l, g), NULL);
    assert_int_equal(covey_layouts_bytes(l), 0);
    for (unsigned i = 0; i < CONVS; i++) {
        assert_false(covey_layouts_has(l, w.data[i]));
        expect_ok(covey_layouts_fill(l, w.data[i]), NULL);
        assert_true(covey_layouts_has(l, w.data[i]));
        memset(w.data[i], 0x55, floats_of(&w.shape[i]) * sizeof(float));
    }
    struct covey_model *m = model_of(g, l);
    for (uint16_t v = 0; v < g->value_count; v++) {
        assert_true(!g->values[v].constant || !covey_model_reads(m, v));
    }
    float *got = run_model(g, m, &again);
    assert_true(relative_error(got, expected, count) < 1e-5);
    free(got);
    free(expected);
    covey_model_free(own);
    covey_model_free(m);
    covey_layouts_free(l);
    covey_graph_free(g);
    weights_free(&w);
}

/* What another operator reads as it is cannot be given back. */
static void test_layouts_know_who_reads_constants(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_graph *g = strip(&w, 8);
    struct covey_layouts *l = NULL;
    struct covey_op_attrs a = attrs_default();
    uint16_t weights = g->nodes[2].input[1];
    add_op(g, COVEY_OP_RELU, &a, &weights, 1);
    expect_ok(covey_graph_check(g, 0, NULL), NULL);
    expect_ok(covey_layouts_new(0, &l), NULL);
    struct covey_model *m = model_of(g, l);
    assert_true(covey_layouts_has(l, w.data[1]));
    assert_false(covey_layouts_has(l, w.data[2]));
    assert_true(covey_model_reads(m, weights));
    covey_model_free(m);
    covey_layouts_free(l);
    covey_graph_free(g);
    weights_free(&w);
}

/* Constants that are not there are not touched: the model is small, and right once they are. */
static void test_model_does_without_absent_weights(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_graph *g = strip(&w, 8);
    struct covey_model *whole = model_of(g, NULL), *m = NULL;
    bool absent[3 * CONVS] = {false};
    assert_true(g->value_count <= 3 * CONVS);
    absent[g->nodes[0].input[1]] = absent[g->nodes[3].input[1]] = true;
    const struct covey_model_options options = {.absent = absent};
    expect_ok(covey_model_new(g, &options, &m, NULL), NULL);
    assert_true(covey_model_state(m) + 4096 < covey_model_state(whole));
    assert_true(covey_model_reads(m, g->nodes[0].input[1]));
    assert_false(covey_model_reads(m, g->nodes[1].input[1]));
    expect_same(g, m);
    covey_model_free(m);
    covey_model_free(whole);
    covey_graph_free(g);
    weights_free(&w);
}

struct maker {
    const struct weights *w;
    struct covey_layouts *l;
    uint32_t rows;
    struct covey_graph *g;
    struct covey_model *m;
};

static void *make(void *ctx)
{
    struct maker *t = ctx;
    const struct covey_model_options options = {.layouts = t->l};
    return covey_model_new(t->g, &options, &t->m, NULL) == COVEY_OK ? t : NULL;
}

/* Models of several heights made at once share one set of layouts. */
static void test_layouts_are_made_once_by_many_threads(void **state)
{
    (void)state;
    struct weights w = weights_new();
    struct covey_layouts *l = NULL;
    struct maker makers[THREADS];
    pthread_t threads[THREADS];
    expect_ok(covey_layouts_new(0, &l), NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){.w = &w, .l = l, .g = strip(&w, 12 + i)};
        assert_int_equal(pthread_create(&threads[i], NULL, make, &makers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *done = NULL;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_non_null(done);
    }
    uint64_t bytes = covey_layouts_bytes(l);
    struct covey_model *again = model_of(makers[0].g, l);
    assert_int_equal(covey_layouts_bytes(l), bytes);
    assert_true(bytes > w.bytes && bytes < 5 * w.bytes);
    covey_model_free(again);
    for (unsigned i = 0; i < THREADS; i++) {
        expect_same(makers[i].g, makers[i].m);
        covey_model_free(makers[i].m);
        covey_graph_free(makers[i].g);
    }
    covey_layouts_free(l);
    weights_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts_are_shared_by_all_heights),
        cmocka_unit_test(test_layouts_stay_within_their_bound),
        cmocka_unit_test(test_layouts_replace_constants_one_by_one),
        cmocka_unit_test(test_layouts_know_who_reads_constants),
        cmocka_unit_test(test_model_does_without_absent_weights),
        cmocka_unit_test(test_layouts_are_made_once_by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
