/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "builder.h"
#include "covey/builder.h"
#include "covey/field.h"
#include "covey/trainer.h"

/* The linker sends the engine's calls here (see CMakeLists.txt). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static unsigned allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

static struct covey_graph *network(const char *name)
{
    struct covey_graph *g = NULL;
    struct covey_build_options o = {.channels = 3, .height = 32, .width = 32, .classes = 10};
    struct covey_nn_error why = {""};
    expect_ok(covey_build(name, &o, &g, &why), &why);
    return g;
}

static void run_without_allocating(struct covey_graph *g, const struct covey_model_options *o)
{
    struct covey_nn_error why = {""};
    struct covey_model *m = NULL;
    struct covey_run *r = NULL;
    uint64_t seed = 1;
    expect_ok(covey_model_new(g, o, &m, &why), &why);
    expect_ok(covey_run_new(m, &r), NULL);
    float *input = random_floats(&seed, floats_of(covey_model_input(m)));
    float *output = random_floats(&seed, floats_of(covey_model_output(m)));
    unsigned before = allocations;
    assert_true(before > 0); /* they are counted at all */
    covey_run_all(r, input, output);
    covey_run_all(r, input, output);
    assert_int_equal(allocations, before);
    covey_run_free(r);
    covey_model_free(m);
    free(input);
    free(output);
}

/* Running allocates nothing: packed, small, on several threads, optimised or not. */
static void test_runs_allocate_nothing(void **state)
{
    (void)state;
    static const struct covey_model_options kinds[] = {
        {.threads = 1}, {.threads = 1, .small = true}, {.threads = 3}};
    for (size_t i = 0; i < covey_build_count(); i++) {
        struct covey_graph *g = network(covey_build_name(i));
        run_without_allocating(g, &kinds[0]);
        expect_ok(covey_graph_optimize(g, NULL), NULL);
        expect_ok(covey_graph_check(g, 2, NULL), NULL);
        for (unsigned j = 0; j < 3; j++) {
            run_without_allocating(g, &kinds[j]);
        }
        covey_graph_free(g);
    }
}

/* Nor does a step of training. */
static void test_steps_allocate_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"vgg8", "resnet20", "squeezenet", "mobilenet"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_graph *g = network(names[i]);
        struct covey_train_options o;
        struct covey_trainer *t = NULL;
        struct covey_train_result result;
        uint64_t seed = 2;
        uint32_t labels[2] = {1, 2};
        covey_train_options_init(&o);
        o.batch = 2;
        expect_ok(covey_trainer_new(g, &o, &t, NULL), NULL);
        float *input = random_floats(&seed, 2 * covey_trainer_input_floats(t));
        unsigned before = allocations;
        expect_ok(covey_trainer_step(t, input, labels, &result), NULL);
        covey_trainer_evaluate(t, input, labels, 2, &result);
        assert_int_equal(allocations, before);
        free(input);
        covey_trainer_free(t);
        covey_graph_free(g);
    }
}

/* Nor does a task of a coded product, in floats or in a field. */
static void compute_without_allocating(const struct covey_train_product *p, unsigned prime)
{
    uint32_t rows = (covey_train_product_rows(p) + 1) / 2;
    uint64_t seed = 3;
    size_t bytes = covey_train_product_scratch(p, rows, prime, 1);
    float *a = random_floats(&seed, covey_train_product_a_floats(p));
    float *b = random_floats(&seed, covey_train_product_b_floats(p));
    float *c = random_floats(&seed, covey_train_product_c_floats(p));
    void *scratch = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(scratch);
    memset(a, 0, covey_train_product_a_floats(p) * sizeof(*a)); /* integers */
    memset(b, 0, covey_train_product_b_floats(p) * sizeof(*b));
    unsigned before = allocations;
    covey_train_product_compute(&(struct covey_train_product_run){
        .product = p, .rows = rows, .prime = prime, .a = a, .b = b, .c = c, .scratch = scratch});
    assert_int_equal(allocations, before);
    free(a);
    free(b);
    free(c);
    free(scratch);
}

static void test_products_allocate_nothing(void **state)
{
    enum { CALLS = 200 };
    static struct covey_product_call calls[CALLS];
    static const char *const names[] = {"lenet5", "resnet20"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_graph *g = network(names[i]);
        struct covey_train_options o;
        struct covey_trainer *t = NULL;
        covey_train_options_init(&o);
        o.batch = 2;
        expect_ok(covey_trainer_new(g, &o, &t, NULL), NULL);
        size_t count = covey_trainer_products(t, calls, CALLS);
        assert_true(count > 0 && count <= CALLS);
        for (size_t j = 0; j < count; j++) {
            compute_without_allocating(&calls[j].product, COVEY_FIELD_PRIMES);
            compute_without_allocating(&calls[j].product, 0);
        }
        covey_trainer_free(t);
        covey_graph_free(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_allocate_nothing),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_products_allocate_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
