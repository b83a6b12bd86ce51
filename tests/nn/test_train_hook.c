/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "builder.h"
#include "choice.h"
#include "code_scene.h"
#include "covey/builder.h"
#include "covey/field.h"
#include "covey/trainer.h"

enum { BATCH = 4, CLASSES = 5, CALLS_MAX = 200 };

/* How the hook treats what it is given. */
enum way { NOTHING, COMPUTE, EVERY_OTHER, CODED, FAIL };

struct hook {
    enum way way;
    unsigned fail_at; /* FAIL: at this product */
    unsigned products, pairs;
    struct covey_product_call seen[CALLS_MAX];
};

static struct covey_graph *network(const char *name)
{
    struct covey_graph *g = NULL;
    struct covey_build_options o = {
        .channels = 1, .height = 16, .width = 16, .classes = CLASSES, .seed = 7, .scale = 0.25f};
    struct covey_nn_error why = {""};
    expect_ok(covey_build(name, &o, &g, &why), &why);
    return g;
}

static struct covey_trainer *trainer(struct covey_graph *g)
{
    struct covey_trainer *t = NULL;
    struct covey_nn_error why = {""};
    struct covey_train_options o;
    covey_train_options_init(&o);
    o.batch = BATCH;
    expect_ok(covey_trainer_new(g, &o, &t, &why), &why);
    return t;
}

static covey_err step(struct covey_trainer *t, struct covey_train_result *out)
{
    uint64_t seed = 50 + covey_trainer_steps(t);
    float *input = random_floats(&seed, BATCH * covey_trainer_input_floats(t));
    uint32_t labels[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        labels[i] = random_below(&seed, CLASSES);
    }
    covey_err err = covey_trainer_step(t, input, labels, out);
    free(input);
    return err;
}

static void compute(const struct covey_train_product *p, uint32_t rows, const float *a,
                    const struct covey_product_call *call, float *c)
{
    size_t bytes = covey_train_product_scratch(p, rows, COVEY_FIELD_PRIMES, 1);
    void *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(scratch);
    covey_train_product_compute(&(struct covey_train_product_run){.product = p,
                                                                  .rows = rows,
                                                                  .prime = COVEY_FIELD_PRIMES,
                                                                  .a = a,
                                                                  .b = call->b,
                                                                  .c = c,
                                                                  .scratch = scratch});
    free(scratch);
}

/* As a mesh would: encoded, computed task by task, the first answers of a random order decoded. */
static void compute_coded(const struct covey_product_call *call, uint64_t seed)
{
    uint32_t rows = covey_train_product_rows(&call->product), n = rows < 3 ? rows : 3, tasks[6];
    struct covey_code code = code_of(COVEY_CODE_MDS, n, 2 * n, rows);
    struct covey_decoder *d = NULL;
    covey_train_product_shape(&call->product, &code);
    assert_int_equal(covey_decoder_new(&code, &d), COVEY_OK);
    shuffle_tasks(&seed, code.m, tasks);
    covey_decoder_start(d, call->c, 0);
    float *answers[6] = {NULL};
    for (uint32_t i = 0; covey_decoder_state(d) != COVEY_DECODER_READY; i++) {
        enum covey_answer_use use;
        assert_true(i < code.m);
        float *encoded = malloc(covey_code_task_floats(&code, tasks[i]) * sizeof(float));
        answers[i] = malloc(covey_code_answer_floats(&code, tasks[i]) * sizeof(float));
        assert_true(encoded != NULL && answers[i] != NULL);
        covey_code_encode(&code, tasks[i], 1, call->a, &encoded);
        compute(&call->product, covey_code_task_rows(&code, tasks[i]), encoded, call, answers[i]);
        assert_int_equal(covey_decoder_add(d, tasks[i], answers[i], &use), COVEY_OK);
        free(encoded);
    }
    assert_int_equal(covey_decoder_finish(d), COVEY_OK);
    covey_decoder_free(d);
    for (unsigned i = 0; i < 6; i++) {
        free(answers[i]);
    }
}

static covey_err products(void *user, struct covey_product_call *calls, unsigned count)
{
    struct hook *h = user;
    h->pairs += count == 2;
    for (unsigned i = 0; i < count; i++, h->products++) {
        const struct covey_train_product *p = &calls[i].product;
        assert_true(calls[i].a != NULL && calls[i].b != NULL && calls[i].c != NULL);
        assert_false(calls[i].done);
        if (h->products < CALLS_MAX) {
            h->seen[h->products] = calls[i];
        }
        if (h->way == FAIL && h->products == h->fail_at) {
            return COVEY_ERR_TIMEOUT;
        }
        calls[i].done =
            h->way == COMPUTE || h->way == CODED || (h->way == EVERY_OTHER && h->products % 2 == 0);
        if (calls[i].done && h->way == CODED) {
            compute_coded(&calls[i], h->products);
        } else if (calls[i].done) {
            compute(p, covey_train_product_rows(p), calls[i].a, &calls[i], calls[i].c);
        }
    }
    return COVEY_OK;
}

static void hang(struct covey_trainer *t, struct hook *h)
{
    struct covey_trainer_hook hook = {products, NULL, h};
    covey_trainer_set_hook(t, &hook);
}

/* The largest difference of their losses over some steps. */
static double train_both(struct covey_trainer *a, struct covey_trainer *b, unsigned steps)
{
    double most = 0;
    for (unsigned i = 0; i < steps; i++) {
        struct covey_train_result one, other;
        expect_ok(step(a, &one), NULL);
        expect_ok(step(b, &other), NULL);
        most = fmax(most, fabs((double)one.loss - (double)other.loss) / (double)one.loss);
    }
    return most;
}

static bool is_same(struct covey_trainer *a, struct covey_trainer *b)
{
    size_t len = covey_trainer_state_bytes(a);
    uint8_t *one = malloc(len), *other = malloc(len);
    assert_true(one != NULL && other != NULL && covey_trainer_state_bytes(b) == len);
    covey_trainer_save(a, one);
    covey_trainer_save(b, other);
    bool same = memcmp(one, other, len) == 0;
    free(one);
    free(other);
    return same;
}

/* The last has depthwise convolutions, which stay here; and normalises four numbers a channel, so
 * that rounding grows to anything: it is not compared. */
static const char *const names[] = {"mlp", "lenet5", "vgg8", "resnet20", "mobilenet"};
enum { NAMES = sizeof(names) / sizeof(names[0]), COMPARED = NAMES - 1 };

/* Computed by a hook, the loss's curve stays that of the trainer alone: to the last bit where
 * nothing is done elsewhere and of dense layers (the same kernels), else within rounding. */
static void test_hook_trains_the_same(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COMPARED; i++) {
        for (enum way way = NOTHING; way < FAIL; way++) {
            struct covey_graph *g = network(names[i]);
            struct covey_trainer *alone = trainer(g), *hooked = trainer(g);
            struct hook h = {.way = way};
            hang(hooked, &h);
            double difference = train_both(alone, hooked, 3);
            assert_true(h.products > 0 && h.pairs > 0);
            assert_true(difference < 1e-5);
            if (way == NOTHING || (i == 0 && way != CODED)) {
                assert_true(is_same(alone, hooked));
            }
            covey_trainer_free(alone);
            covey_trainer_free(hooked);
            covey_graph_free(g);
        }
    }
}

/* The list of a step's products is what the hook is given, in that order. */
static void test_products_are_listed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        struct covey_graph *g = network(names[i]);
        struct covey_trainer *t = trainer(g);
        static struct covey_product_call list[CALLS_MAX];
        struct covey_train_result r;
        struct hook h = {.way = NOTHING};
        hang(t, &h);
        expect_ok(step(t, &r), NULL);
        size_t count = covey_trainer_products(t, list, CALLS_MAX);
        assert_int_equal(count, h.products);
        assert_int_equal(covey_trainer_products(t, NULL, 0), count);
        for (size_t j = 0; j < count; j++) {
            uint8_t one[COVEY_TRAIN_PRODUCT_BYTES], other[COVEY_TRAIN_PRODUCT_BYTES];
            covey_train_product_encode(&list[j].product, one);
            covey_train_product_encode(&h.seen[j].product, other);
            assert_memory_equal(one, other, sizeof(one));
            assert_int_equal(list[j].node, h.seen[j].node);
            assert_true(list[j].a == NULL && list[j].b == NULL && list[j].c == NULL);
        }
        covey_trainer_set_hook(t, NULL);
        expect_ok(step(t, &r), NULL);
        assert_int_equal(h.products, count);
        covey_trainer_free(t);
        covey_graph_free(g);
    }
}

/* A product that fails ends the step with nothing changed, running statistics neither: done again
 * it is as if it had not failed. */
static void test_error_changes_nothing(void **state)
{
    struct covey_graph *g = network("resnet20");
    struct covey_trainer *alone = trainer(g), *hooked = trainer(g);
    struct covey_train_result r;
    size_t count = covey_trainer_products(alone, NULL, 0);
    (void)state;
    for (unsigned at = 0; at < count; at += 9) {
        struct hook h = {.way = FAIL, .fail_at = at};
        hang(hooked, &h);
        assert_int_equal(step(hooked, &r), COVEY_ERR_TIMEOUT);
        assert_true(is_same(alone, hooked));
        covey_trainer_set_hook(hooked, NULL);
        assert_true(train_both(alone, hooked, 1) == 0);
        assert_true(is_same(alone, hooked));
    }
    covey_trainer_free(alone);
    covey_trainer_free(hooked);
    covey_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hook_trains_the_same),
        cmocka_unit_test(test_products_are_listed),
        cmocka_unit_test(test_error_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
