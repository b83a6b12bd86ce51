/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "builder.h"
#include "covey/builder.h"
#include "covey/trainer.h"

enum { BATCH = 4, CLASSES = 5 };

static struct covey_train_options options(void)
{
    struct covey_train_options o;
    covey_train_options_init(&o);
    o.batch = BATCH;
    return o;
}

static struct covey_trainer *trainer(struct covey_graph *g, const struct covey_train_options *o)
{
    struct covey_trainer *t = NULL;
    struct covey_nn_error why = {""};
    expect_ok(covey_trainer_new(g, o, &t, &why), &why);
    return t;
}

struct batch {
    float *input;
    uint32_t labels[BATCH];
};

static struct batch batch_of(const struct covey_trainer *t, uint64_t seed)
{
    struct batch b = {random_floats(&seed, BATCH * covey_trainer_input_floats(t)), {0}};
    for (unsigned i = 0; i < BATCH; i++) {
        b.labels[i] = random_below(&seed, covey_trainer_classes(t));
    }
    return b;
}

/* Loss in training mode at the trainer's present weights, and their gradient; nothing else is left
 * behind. */
static double loss_at(struct covey_graph *g, const struct covey_train_options *o,
                      const float *values, const struct batch *b, float *gradient)
{
    struct covey_trainer *t = trainer(g, o);
    struct covey_train_result r;
    size_t bytes = covey_trainer_parameters(t) * sizeof(float);
    memcpy(covey_trainer_values(t), values, bytes);
    expect_ok(covey_trainer_step(t, b->input, b->labels, &r), NULL);
    if (gradient != NULL) {
        memcpy(gradient, covey_trainer_gradient(t), bytes);
    }
    covey_trainer_free(t);
    return (double)r.loss;
}

/* The gradient along a random direction d is (L(w + h d) - L(w - h d)) / 2 h, for some h. */
static void check_direction(struct covey_graph *g, const struct covey_train_options *o,
                            uint64_t seed, double bound)
{
    struct covey_trainer *t = trainer(g, o);
    size_t count = covey_trainer_parameters(t);
    struct batch b = batch_of(t, seed);
    float *base = random_floats(&seed, count), *gradient = random_floats(&seed, count);
    float *direction = random_floats(&seed, count), *moved = random_floats(&seed, count);
    memcpy(base, covey_trainer_values(t), count * sizeof(*base));
    covey_trainer_free(t);
    loss_at(g, o, base, &b, gradient);
    double slope = 0.0, best = INFINITY;
    for (size_t i = 0; i < count; i++) {
        slope += (double)gradient[i] * (double)direction[i];
    }
    for (double h = 3e-2; h > 3e-6 && best > bound; h /= 3.0) {
        double side[2];
        for (unsigned k = 0; k < 2; k++) {
            for (size_t i = 0; i < count; i++) {
                moved[i] = base[i] + (float)(k == 0 ? h : -h) * direction[i];
            }
            side[k] = loss_at(g, o, moved, &b, NULL);
        }
        double measured = (side[0] - side[1]) / (2.0 * h);
        double error = fabs(measured - slope) / (fabs(slope) + 1e-2);
        best = error < best ? error : best;
    }
    if (best > bound) {
        fail_msg("slope %g is off by %g", slope, best);
    }
    free(base);
    free(gradient);
    free(direction);
    free(moved);
    free(b.input);
}

static void check_directions(struct covey_graph *g, const struct covey_train_options *o)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        check_direction(g, o, seed, 0.02);
    }
    covey_graph_free(g);
}

static struct covey_op_attrs window(uint32_t kernel, uint32_t stride, uint32_t pad)
{
    struct covey_op_attrs a = attrs_default();
    for (unsigned i = 0; i < 2; i++) {
        a.kernel[i] = kernel;
        a.stride[i] = stride;
        a.pads[i] = a.pads_end[i] = pad;
    }
    return a;
}

static uint16_t conv(struct covey_graph *g, uint16_t x, const struct covey_op_attrs *a,
                     const uint32_t m_c[2])
{
    uint64_t seed = 40 + x;
    uint16_t in[3] = {
        x,
        add_random(g, shape_of(4, m_c[0], m_c[1] / a->groups, a->kernel[0], a->kernel[1]), &seed),
        add_random(g, shape_of(1, m_c[0], 0, 0, 0), &seed)};
    return add_op(g, COVEY_OP_CONV, a, in, 3);
}

static void finish(struct covey_graph *g, uint16_t x, uint32_t features)
{
    uint64_t seed = 5;
    x = add_unary(g, COVEY_OP_FLATTEN, x);
    add_dense(g, x, features, CLASSES, &seed);
}

/* Gradients of convolutions of every kind are the loss's slopes. */
static void test_conv_gradients(void **state)
{
    (void)state;
    static const struct {
        uint32_t kernel, stride, pad, dilation, groups, first, filters;
    } kinds[] = {{3, 1, 1, 1, 1, 9, 10}, {3, 2, 1, 1, 1, 9, 8},   {5, 1, 2, 1, 1, 4, 6},
                 {3, 1, 0, 2, 1, 8, 4},  {1, 1, 0, 1, 1, 12, 7},  {1, 2, 0, 1, 1, 8, 4},
                 {3, 1, 1, 1, 4, 8, 12}, {3, 1, 1, 1, 8, 8, 8},   {3, 2, 1, 1, 8, 8, 8},
                 {4, 3, 2, 1, 2, 6, 4},  {3, 1, 1, 1, 1, 17, 18}, {3, 1, 0, 1, 1, 16, 16}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct covey_graph *g = graph_with_input(shape_of(4, BATCH, 2, 11, 10));
        struct covey_op_attrs a = window(3, 1, 1), b;
        struct covey_train_options o = options();
        uint16_t x = conv(g, g->input[0], &a, (const uint32_t[2]){kinds[i].first, 2});
        x = add_unary(g, COVEY_OP_TANH, x);
        b = window(kinds[i].kernel, kinds[i].stride, kinds[i].pad);
        b.dilation[0] = b.dilation[1] = kinds[i].dilation;
        b.groups = kinds[i].groups;
        x = conv(g, x, &b, (const uint32_t[2]){kinds[i].filters, kinds[i].first});
        expect_ok(covey_graph_check(g, 0, NULL), NULL);
        const struct covey_shape *s = &g->values[x].shape;
        finish(g, x, s->dims[1] * s->dims[2] * s->dims[3]);
        check_directions(g, &o);
    }
}

/* Activations, poolings, sums, products, joins and batch-norm likewise. */
static void test_operator_gradients(void **state)
{
    (void)state;
    static const enum covey_op unary[] = {COVEY_OP_RELU,      COVEY_OP_SIGMOID, COVEY_OP_TANH,
                                          COVEY_OP_LEAKYRELU, COVEY_OP_CLIP,    COVEY_OP_HARDSWISH,
                                          COVEY_OP_MAXPOOL,   COVEY_OP_AVGPOOL};
    for (size_t i = 0; i < sizeof(unary) / sizeof(unary[0]); i++) {
        struct covey_graph *g = graph_with_input(shape_of(4, BATCH, 3, 8, 8));
        struct covey_op_attrs a = window(3, 1, 1), b = window(2, 2, 0);
        struct covey_train_options o = options();
        uint16_t x = conv(g, g->input[0], &a, (const uint32_t[2]){6, 3});
        b.low = -0.5f;
        b.high = 0.5f;
        x = add_op(g, unary[i], &b, &x, 1);
        expect_ok(covey_graph_check(g, 0, NULL), NULL);
        finish(g, x, g->values[x].shape.dims[2] * g->values[x].shape.dims[3] * 6);
        check_directions(g, &o);
    }
}

static void test_joined_gradients(void **state)
{
    (void)state;
    static const enum covey_op joins[] = {COVEY_OP_ADD, COVEY_OP_SUB, COVEY_OP_MUL,
                                          COVEY_OP_CONCAT};
    for (size_t i = 0; i < sizeof(joins) / sizeof(joins[0]); i++) {
        uint64_t seed = 3;
        struct covey_graph *g = graph_with_input(shape_of(4, BATCH, 3, 6, 6));
        struct covey_op_attrs a = window(3, 1, 1);
        struct covey_train_options o = options();
        uint16_t x = conv(g, g->input[0], &a, (const uint32_t[2]){4, 3});
        x = add_batchnorm(g, x, 4, &seed);
        uint16_t y = add_unary(g, COVEY_OP_TANH, conv(g, x, &a, (const uint32_t[2]){4, 4}));
        x = add_op(g, joins[i], NULL, (const uint16_t[2]){x, y}, 2);
        x = add_op(g, joins[i], NULL, (const uint16_t[2]){x, x}, 2);
        x = add_unary(g, COVEY_OP_GLOBALAVGPOOL, x);
        finish(g, x, joins[i] == COVEY_OP_CONCAT ? 16 : 4);
        if (joins[i] == COVEY_OP_SUB) {
            covey_graph_free(g); /* x - x has no slope to measure */
            continue;
        }
        check_directions(g, &o);
    }
}

/* A bias that is added and a scale that is multiplied are trained; what comes before the first
 * layer is not. */
static void test_constants_that_are_trained(void **state)
{
    (void)state;
    uint64_t seed = 2;
    struct covey_graph *g = graph_with_input(shape_of(4, BATCH, 3, 4, 4));
    struct covey_op_attrs a = window(3, 1, 1);
    struct covey_train_options o = options();
    uint16_t mean = add_random(g, shape_of(3, 3, 1, 1, 0), &seed);
    uint16_t x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[2]){g->input[0], mean}, 2);
    x = conv(g, x, &a, (const uint32_t[2]){4, 3});
    uint16_t bias = add_random(g, shape_of(3, 4, 1, 1, 0), &seed);
    x = add_op(g, COVEY_OP_ADD, NULL, (const uint16_t[2]){x, bias}, 2);
    uint16_t scale = add_random(g, shape_of(4, 1, 4, 1, 1), &seed);
    x = add_op(g, COVEY_OP_MUL, NULL, (const uint16_t[2]){scale, x}, 2);
    finish(g, x, 64);
    struct covey_trainer *t = trainer(g, &o);
    assert_int_equal(covey_trainer_parameters(t), 4 * 3 * 9 + 4 + 4 + 4 + 64 * 5 + 5);
    covey_trainer_free(t);
    check_directions(g, &o);
}

static struct covey_graph *network(const char *name)
{
    struct covey_graph *g = NULL;
    struct covey_build_options o = {
        .channels = 3, .height = 32, .width = 32, .classes = CLASSES, .seed = 7, .scale = 0.25f};
    struct covey_nn_error why = {""};
    expect_ok(covey_build(name, &o, &g, &why), &why);
    return g;
}

/* Whole networks too, smoothing and dropout included. */
static void test_network_gradients(void **state)
{
    (void)state;
    static const char *const names[] = {"mlp", "lenet5", "resnet20", "mobilenet_v2"};
    static const double bounds[] = {0.06, 0.06, 0.06, 0.2}; /* rectifiers have corners; the last
                                                             * normalises four numbers a channel */
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_train_options o = options();
        struct covey_graph *g = network(names[i]);
        o.label_smoothing = 0.1f;
        check_direction(g, &o, 9, bounds[i]);
        covey_graph_free(g);
    }
}

/* Every network learns one batch by heart; how soon depends on how its kernels round. */
static void test_networks_learn_a_batch(void **state)
{
    (void)state;
    static const char *const names[] = {"mlp", "lenet5", "vgg8", "resnet20", "mobilenet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_train_options o = options();
        struct covey_graph *g = network(names[i]);
        struct covey_train_result first, last;
        o.optimizer = i % 2 == 0 ? COVEY_OPTIMIZER_SGD : COVEY_OPTIMIZER_ADAM;
        o.lr = i % 2 == 0 ? 0.01f : 0.001f;
        struct covey_trainer *t = trainer(g, &o);
        struct batch b = batch_of(t, 4);
        expect_ok(covey_trainer_step(t, b.input, b.labels, &first), NULL);
        bool knows = false;
        for (unsigned step = 0; step < 200 && !knows; step++) {
            expect_ok(covey_trainer_step(t, b.input, b.labels, &last), NULL);
            knows = last.loss < 0.5f * first.loss && last.correct == BATCH;
        }
        assert_true(knows);
        covey_trainer_free(t);
        covey_graph_free(g);
        free(b.input);
    }
}

static void train(struct covey_trainer *t, unsigned steps)
{
    struct covey_train_result r;
    for (unsigned i = 0; i < steps; i++) {
        struct batch b = batch_of(t, 100 + covey_trainer_steps(t));
        expect_ok(covey_trainer_step(t, b.input, b.labels, &r), NULL);
        free(b.input);
    }
}

/* One thread or three: the same numbers; saved, loaded and gone on: the same numbers. */
static void test_training_repeats(void **state)
{
    (void)state;
    static const char *const names[] = {"vgg8", "resnet20", "mobilenet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_train_options o = options();
        struct covey_graph *g = network(names[i]);
        o.schedule = COVEY_SCHEDULE_COSINE;
        o.total_steps = 10;
        o.warmup_steps = 2;
        struct covey_trainer *a = trainer(g, &o);
        o.threads = 3;
        struct covey_trainer *b = trainer(g, &o), *c = trainer(g, &o);
        size_t len = covey_trainer_state_bytes(a);
        uint8_t *half = malloc(len), *end = malloc(len), *other = malloc(len);
        train(a, 2);
        covey_trainer_save(a, half);
        train(a, 2);
        covey_trainer_save(a, end);
        train(b, 4);
        covey_trainer_save(b, other);
        assert_memory_equal(end, other, len);
        expect_ok(covey_trainer_load(c, covey_bytes_of(half, len)), NULL);
        train(c, 2);
        covey_trainer_save(c, other);
        assert_memory_equal(end, other, len);
        assert_int_equal(covey_trainer_load(c, covey_bytes_of(half, len - 1)), COVEY_ERR_RANGE);
        half[8] ^= 1;
        assert_int_equal(covey_trainer_load(c, covey_bytes_of(half, len)), COVEY_ERR_RANGE);
        covey_trainer_free(a);
        covey_trainer_free(b);
        covey_trainer_free(c);
        covey_graph_free(g);
        free(half);
        free(end);
        free(other);
    }
}

/* Parts of a state, wherever they are cut, are those of the whole, and loaded one by one they make
 * it again; what lies outside, or does not begin with all of the head, is refused. */
static void test_state_in_parts(void **state)
{
    (void)state;
    static const size_t cuts[] = {COVEY_TRAINER_STATE_HEAD, 1000, 4099};
    for (size_t i = 0; i < 2 * sizeof(cuts) / sizeof(cuts[0]); i++) {
        struct covey_train_options o = options();
        struct covey_graph *g = network("resnet20");
        o.optimizer = i % 2 == 0 ? COVEY_OPTIMIZER_SGD : COVEY_OPTIMIZER_ADAM;
        struct covey_trainer *a = trainer(g, &o), *b = trainer(g, &o);
        size_t len = covey_trainer_state_bytes(a), cut = cuts[i / 2];
        uint8_t *whole = malloc(len), *part = malloc(cut), *again = malloc(len);
        assert_true(whole != NULL && part != NULL && again != NULL);
        train(a, 2);
        covey_trainer_save(a, whole);
        for (size_t at = 0; at < len; at += cut) {
            size_t take = len - at < cut ? len - at : cut;
            covey_trainer_save_part(a, at, (struct covey_buf){part, take});
            assert_memory_equal(part, whole + at, take);
            expect_ok(covey_trainer_load_part(b, at, covey_bytes_of(part, take)), NULL);
        }
        covey_trainer_save(b, again);
        assert_memory_equal(again, whole, len);
        assert_int_equal(covey_trainer_steps(b), 2);
        struct covey_bytes some = covey_bytes_of(whole, COVEY_TRAINER_STATE_HEAD);
        assert_int_equal(covey_trainer_load_part(b, len - some.len + 1, some), COVEY_ERR_RANGE);
        assert_int_equal(covey_trainer_load_part(b, 8, some), COVEY_ERR_RANGE);
        some.len--;
        assert_int_equal(covey_trainer_load_part(b, 0, some), COVEY_ERR_RANGE);
        covey_trainer_free(a);
        covey_trainer_free(b);
        covey_graph_free(g);
        free(whole);
        free(part);
        free(again);
    }
}

/* What is stored in the graph is what evaluation computes. */
static void test_stored_weights_give_the_same_answers(void **state)
{
    (void)state;
    struct covey_train_options o = options();
    struct covey_graph *g = network("resnet20");
    struct covey_trainer *t = trainer(g, &o);
    struct batch b = batch_of(t, 8);
    struct covey_train_result r;
    size_t count = 0;
    train(t, 5);
    covey_trainer_evaluate(t, b.input, b.labels, BATCH, &r);
    expect_ok(covey_trainer_store(t), NULL);
    covey_trainer_free(t);
    float *logits = run_graph(g, BATCH, b.input, &count);
    assert_int_equal(count, BATCH * CLASSES);
    double loss = 0.0;
    for (unsigned i = 0; i < BATCH; i++) {
        double sum = 0.0;
        for (unsigned j = 0; j < CLASSES; j++) {
            sum += exp((double)logits[i * CLASSES + j]);
        }
        loss += log(sum) - (double)logits[i * CLASSES + b.labels[i]];
    }
    assert_true(fabs(loss / BATCH - (double)r.loss) < 1e-4);
    free(logits);
    free(b.input);
    covey_graph_free(g);
}

/* What a trainer needs is known before, weights that are laid out for their kernels among it; so is
 * what is wrong. */
static void test_needs_are_known(void **state)
{
    static const char *const names[] = {"mlp", "lenet5", "resnet20"};
    (void)state;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_train_options o = options();
        struct covey_graph *g = network(names[i]);
        struct covey_nn_error why = {""};
        size_t bytes = 0;
        expect_ok(covey_trainer_needs(g, &o, &bytes, &why), &why);
        struct covey_trainer *t = trainer(g, &o);
        assert_int_equal(bytes, covey_trainer_memory(t));
        assert_true(bytes > 4 * sizeof(float) * covey_trainer_parameters(t));
        covey_trainer_free(t);
        o.batch *= 2;
        size_t more = 0;
        expect_ok(covey_trainer_needs(g, &o, &more, &why), &why);
        assert_true(more > bytes);
        o.lr = 0.0f;
        assert_int_equal(covey_trainer_needs(g, &o, &more, &why), COVEY_ERR_RANGE);
        covey_graph_free(g);
    }
}

/* Options out of range, operators without a gradient and a loss that explodes are errors. */
static void test_trainer_refuses(void **state)
{
    (void)state;
    struct covey_train_options o = options();
    struct covey_trainer *t = NULL;
    struct covey_nn_error why = {""};
    struct covey_graph *g = network("mlp");
    o.lr = 0.0f;
    assert_int_equal(covey_trainer_new(g, &o, &t, &why), COVEY_ERR_RANGE);
    o = options();
    o.batch = 0;
    assert_int_equal(covey_trainer_new(g, &o, &t, &why), COVEY_ERR_RANGE);
    o = options();
    t = trainer(g, &o);
    struct batch b = batch_of(t, 1);
    struct covey_train_result r;
    covey_trainer_values(t)[0] = NAN;
    assert_int_equal(covey_trainer_step(t, b.input, b.labels, &r), COVEY_ERR_RANGE);
    assert_int_equal(covey_trainer_steps(t), 0);
    covey_trainer_free(t);
    free(b.input);
    covey_graph_free(g);
    g = graph_with_input(shape_of(4, BATCH, 3, 4, 4));
    struct covey_op_attrs a = window(3, 1, 1);
    uint16_t x = conv(g, g->input[0], &a, (const uint32_t[2]){4, 3});
    finish(g, add_unary(g, COVEY_OP_FLOOR, x), 64);
    why.text[0] = '\0';
    assert_int_equal(covey_trainer_new(g, &o, &t, &why), COVEY_ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "Floor"));
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_gradients),
        cmocka_unit_test(test_operator_gradients),
        cmocka_unit_test(test_joined_gradients),
        cmocka_unit_test(test_constants_that_are_trained),
        cmocka_unit_test(test_network_gradients),
        cmocka_unit_test(test_networks_learn_a_batch),
        cmocka_unit_test(test_training_repeats),
        cmocka_unit_test(test_state_in_parts),
        cmocka_unit_test(test_stored_weights_give_the_same_answers),
        cmocka_unit_test(test_needs_are_known),
        cmocka_unit_test(test_trainer_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
