/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "builder.h"
#include "covey/builder.h"
#include "covey/trainer.h"

enum { BATCH = 12, CLASSES = 5 };

static struct covey_trainer *trainer(struct covey_graph *g, const struct covey_train_options *o)
{
    struct covey_trainer *t = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_trainer_new(g, o, &t, &why), &why);
    return t;
}

/* |a - b| / |b| over all elements. */
static double difference(const float *a, const float *b, size_t count)
{
    double off = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        off += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(off / norm);
}

static struct covey_graph *built(const char *name)
{
    struct covey_build_options o = {.channels = 1, .height = 28, .width = 28, .seed = 3};
    struct covey_graph *g = NULL;
    struct covey_nn_error why = {""};
    o.classes = CLASSES;
    expect_ok(covey_build(name, &o, &g, &why), &why);
    return g;
}

/* Two layers with dropout in between; input [n 8]. */
static struct covey_graph *dropping(void)
{
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    struct covey_op_attrs a = attrs_default();
    uint64_t seed = 11;
    uint16_t x = add_dense(g, g->input[0], 8, 32, &seed);
    a.alpha = 0.5f;
    x = add_op(g, COVEY_OP_DROPOUT, &a, &x, 1);
    add_dense(g, x, 32, CLASSES, &seed);
    return g;
}

/* A convolution, normalised; input [n 1 6 6]. */
static struct covey_graph *normalised(void)
{
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 1, 6, 6));
    uint64_t seed = 12;
    uint16_t x = add_conv(g, g->input[0], (const uint32_t[4]){1, 4, 3, 1}, &seed);
    x = add_batchnorm(g, x, 4, &seed);
    x = add_unary(g, COVEY_OP_FLATTEN, x);
    add_dense(g, x, 4 * 36, CLASSES, &seed);
    return g;
}

struct scene {
    struct covey_graph *g, *g_part;
    struct covey_trainer *whole, *part, *owner; /* owner: applies, of the whole batch */
    uint32_t parts;
    float *gradient, *statistics;
};

static struct scene scene_of(struct covey_graph *g, struct covey_graph *again,
                             enum covey_optimizer optimizer, uint32_t parts)
{
    struct scene s = {.g = g, .g_part = again, .parts = parts};
    struct covey_train_options o;
    covey_train_options_init(&o);
    o.batch = BATCH;
    o.optimizer = optimizer;
    o.lr = optimizer == COVEY_OPTIMIZER_ADAM ? 0.001f : 0.01f;
    o.epsilon = 1e-4f; /* Adam otherwise goes by the sign of what is next to nothing */
    o.weight_decay = 1e-4f;
    o.seed = 77;
    s.whole = trainer(g, &o);
    s.owner = trainer(g, &o);
    o.batch = BATCH / parts;
    s.part = trainer(again, &o);
    s.gradient = calloc(covey_trainer_parameters(s.whole), sizeof(float));
    s.statistics = calloc(covey_trainer_statistics(s.whole) + 1, sizeof(float));
    assert_true(s.gradient != NULL && s.statistics != NULL);
    return s;
}

static void scene_done(struct scene *s)
{
    covey_trainer_free(s->whole);
    covey_trainer_free(s->owner);
    covey_trainer_free(s->part);
    covey_graph_free(s->g);
    covey_graph_free(s->g_part);
    free(s->gradient);
    free(s->statistics);
}

/* The owner's step, its gradient made part by part from its parameters and statistics. */
static struct covey_train_result step_in_parts(struct scene *s, const float *input,
                                               const uint32_t *labels)
{
    size_t count = covey_trainer_parameters(s->owner), other = covey_trainer_statistics(s->owner);
    size_t samples = BATCH / s->parts, floats = covey_trainer_input_floats(s->owner);
    struct covey_train_result sum = {.loss = 0.0f}, one;
    memset(s->gradient, 0, count * sizeof(float));
    memset(s->statistics, 0, other * sizeof(float));
    for (uint32_t p = 0; p < s->parts; p++) {
        memcpy(covey_trainer_values(s->part), covey_trainer_values(s->owner),
               count * sizeof(float));
        memcpy(covey_trainer_statistics_values(s->part), covey_trainer_statistics_values(s->owner),
               other * sizeof(float));
        expect_ok(covey_trainer_part(s->part, input + p * samples * floats, labels + p * samples,
                                     covey_trainer_steps(s->owner), p, &one),
                  NULL);
        for (size_t i = 0; i < count; i++) {
            s->gradient[i] += covey_trainer_gradient(s->part)[i] / (float)s->parts;
        }
        for (size_t i = 0; i < other; i++) {
            s->statistics[i] += covey_trainer_statistics_values(s->part)[i] / (float)s->parts;
        }
        sum.loss += one.loss / (float)s->parts;
        sum.correct += one.correct;
    }
    memcpy(covey_trainer_statistics_values(s->owner), s->statistics, other * sizeof(float));
    covey_trainer_apply(s->owner, s->gradient, &sum);
    return sum;
}

static void check_steps(struct scene *s, unsigned steps, double bound)
{
    size_t count = covey_trainer_parameters(s->whole);
    uint64_t seed = 5;
    for (unsigned i = 0; i < steps; i++) {
        float *input = random_floats(&seed, BATCH * covey_trainer_input_floats(s->whole));
        uint32_t labels[BATCH];
        struct covey_train_result a, b;
        for (unsigned k = 0; k < BATCH; k++) {
            labels[k] = random_below(&seed, CLASSES);
        }
        expect_ok(covey_trainer_step(s->whole, input, labels, &a), NULL);
        b = step_in_parts(s, input, labels);
        double gradient = difference(s->gradient, covey_trainer_gradient(s->whole), count);
        assert_true(gradient < 1e-5);
        double off =
            difference(covey_trainer_values(s->owner), covey_trainer_values(s->whole), count);
        if (off > bound) {
            fail_msg("parameters are off by %g", off);
        }
        assert_float_equal(a.loss, b.loss, 1e-4f);
        assert_int_equal(a.correct, b.correct);
        assert_true(a.lr == b.lr);
        assert_int_equal(covey_trainer_steps(s->owner), i + 1);
        free(input);
    }
}

/* Steps from the mean of the parts' gradients are the steps of the whole batch, for both
 * optimizers. */
static void test_networks(void **state)
{
    (void)state;
    static const uint32_t parts[] = {1, 2, 3, 6};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct scene s =
            scene_of(built("lenet5"), built("lenet5"),
                     i % 2 == 0 ? COVEY_OPTIMIZER_SGD : COVEY_OPTIMIZER_ADAM, parts[i]);
        check_steps(&s, 3, 1e-5);
        scene_done(&s);
    }
    /* One step: on random pictures the next ones blow rounding up. */
    struct scene s = scene_of(built("vgg8"), built("vgg8"), COVEY_OPTIMIZER_SGD, 4);
    check_steps(&s, 1, 1e-6);
    scene_done(&s);
    s = scene_of(built("vgg8"), built("vgg8"), COVEY_OPTIMIZER_ADAM, 4);
    check_steps(&s, 1, 1e-6);
    scene_done(&s);
}

/* Dropout leaves out of each part what it leaves out of the whole batch. */
static void test_dropout(void **state)
{
    (void)state;
    struct scene s = scene_of(dropping(), dropping(), COVEY_OPTIMIZER_SGD, 4);
    check_steps(&s, 3, 1e-5);
    scene_done(&s);
}

/* With batch-normalisation each part is normalised by itself: the running mean comes out the same,
 * gradients are others. */
static void test_batchnorm(void **state)
{
    (void)state;
    struct scene s = scene_of(normalised(), normalised(), COVEY_OPTIMIZER_SGD, 3);
    uint64_t seed = 6;
    float *input = random_floats(&seed, BATCH * covey_trainer_input_floats(s.whole));
    const uint32_t labels[BATCH] = {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1};
    struct covey_train_result r;
    assert_int_equal(covey_trainer_statistics(s.whole), 8);
    expect_ok(covey_trainer_step(s.whole, input, labels, &r), NULL);
    (void)step_in_parts(&s, input, labels);
    const float *a = covey_trainer_statistics_values(s.whole);
    const float *b = covey_trainer_statistics_values(s.owner);
    assert_true(difference(b, a, 4) < 1e-5);
    assert_true(difference(b + 4, a + 4, 4) < 0.02);
    double off =
        difference(s.gradient, covey_trainer_gradient(s.whole), covey_trainer_parameters(s.whole));
    assert_true(off > 1e-3 && off < 0.6);
    free(input);
    scene_done(&s);
}

/* A loss that is no number is said, and no step is counted. */
static void test_runs_away(void **state)
{
    (void)state;
    struct scene s = scene_of(dropping(), dropping(), COVEY_OPTIMIZER_SGD, 1);
    float input[BATCH * 8];
    uint32_t labels[BATCH] = {0};
    struct covey_train_result r;
    for (size_t i = 0; i < sizeof(input) / sizeof(input[0]); i++) {
        input[i] = INFINITY;
    }
    assert_int_equal(covey_trainer_part(s.part, input, labels, 0, 0, &r), COVEY_ERR_RANGE);
    assert_int_equal(covey_trainer_steps(s.part), 0);
    scene_done(&s);
}

/* Training whose values need more than any device has is refused, also where a size has 32 bits. */
static void test_refuses_huge_memory(void **state)
{
    (void)state;
    enum { LAYERS = 40, SAMPLES = 1 << 20 };
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 256, 0, 0));
    struct covey_train_options o;
    struct covey_trainer *t = NULL;
    struct covey_nn_error why = {""};
    uint64_t seed = 13;
    uint16_t x = g->input[0];
    for (unsigned i = 0; i < LAYERS; i++) {
        x = add_dense(g, x, 256, 256, &seed);
    }
    covey_train_options_init(&o);
    o.batch = SAMPLES; /* every value has 1 GiB */
    assert_int_equal(covey_trainer_new(g, &o, &t, &why), COVEY_ERR_LIMIT);
    assert_null(t);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_dropout),
        cmocka_unit_test(test_batchnorm),
        cmocka_unit_test(test_runs_away),
        cmocka_unit_test(test_refuses_huge_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
