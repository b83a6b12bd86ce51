/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "covey/builder.h"
#include "covey/crypto.h"
#include "covey/pack.h"
#include "covey/trainer.h"
#include "scratch.h"
#include "store.h"

static covey_err add_blob(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return covey__store_add(user, digest, blob);
}

static covey_err fetch_blob(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    return covey__store_get(user, digest, data, len);
}

static void expect_ok(covey_err err, const struct covey_nn_error *why)
{
    if (err != COVEY_OK) {
        fail_msg("%s: %s", covey_strerror(err), why->text);
    }
}

static struct covey_graph *build(const char *name)
{
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    struct covey_build_options options = {
        .channels = 3, .height = 32, .width = 32, .classes = 10, .seed = 7, .units = 33};
    options.scale = strcmp(name, "wrn") == 0 ? 0.5f : 0;
    expect_ok(covey_build(name, &options, &g, &why), &why);
    return g;
}

static void expect_same(const struct covey_graph *a, const struct covey_graph *b)
{
    assert_int_equal(a->node_count, b->node_count);
    assert_int_equal(a->value_count, b->value_count);
    assert_int_equal(a->input[0], b->input[0]);
    assert_int_equal(a->output[0], b->output[0]);
    for (size_t i = 0; i < a->node_count; i++) {
        const struct covey_graph_node *x = &a->nodes[i], *y = &b->nodes[i];
        assert_int_equal(x->op, y->op);
        assert_int_equal(x->inputs, y->inputs);
        assert_memory_equal(x->input, y->input, x->inputs * sizeof(x->input[0]));
        assert_memory_equal(x->output, y->output, x->outputs * sizeof(x->output[0]));
        assert_memory_equal(&x->attrs, &y->attrs, sizeof(x->attrs));
        assert_string_equal(x->name, y->name);
    }
    for (size_t i = 0; i < a->value_count; i++) {
        size_t count = 0;
        assert_int_equal(a->values[i].constant, b->values[i].constant);
        if (a->values[i].constant) {
            assert_int_equal(covey_shape_count(&a->values[i].shape, &count), COVEY_OK);
            assert_memory_equal(a->values[i].data, b->values[i].data, count * sizeof(float));
        }
    }
}

/* A network packed as it is comes back with the same nodes and constants, and can be trained. */
static void test_plain(void **state)
{
    static const char *const names[] = {"mlp", "lenet5", "vgg8", "mobilenet", "resnet20", "wrn"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct covey_graph *g = build(names[i]), *back = NULL;
        struct covey_manifest *mf = NULL;
        struct covey_trainer *t = NULL;
        struct covey_train_options options;
        struct covey_nn_error why = {""};
        struct covey_digest id;
        struct covey_store store;
        uint8_t *manifest = NULL;
        size_t len = 0;
        char folder[SCRATCH_PATH];
        scratch_folder(state, folder);
        assert_int_equal(covey__store_open(&store, folder), COVEY_OK);
        expect_ok(covey_pack_plain(g, names[i], add_blob, &store, &manifest, &len, &id, &why),
                  &why);
        expect_ok(covey_manifest_decode(covey_bytes_of(manifest, len), &mf, &why), &why);
        expect_ok(covey_manifest_bind(mf, 1, fetch_blob, &store, &back, &why), &why);
        expect_same(g, back);
        covey_train_options_init(&options);
        options.batch = 2;
        expect_ok(covey_trainer_new(back, &options, &t, &why), &why);
        covey_trainer_free(t);
        covey_manifest_free(mf);
        free(manifest);
        covey_graph_free(g);
        covey__store_close(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
