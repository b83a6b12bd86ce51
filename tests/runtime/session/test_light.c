/* SPDX-License-Identifier: MIT
 *
 * Which steps of a request are light: known from the plan, bounded by what they copy and compute.
 */
#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "light.h"
#include "scratch.h"
#include "stored.h"

enum { DEVICES = 4 };

struct world {
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_model_file *file;
    struct covey_coded *coded;
    struct covey_version *version;
};

static void load(void **state, struct world *w, uint32_t batch)
{
    struct covey_nn_error why = {{0}};
    struct covey_model_want want = {.bytes = UINT64_MAX, .batch = batch};
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, w->dir);
    assert_int_equal(covey__store_open(&w->store, w->dir), COVEY_OK);
    stored_network(&w->store, small_network(7), &want.id);
    expect_ok(covey__model_file_load_within(&w->store, &want, &w->file, &why), &why);
    assert_int_equal(covey__coded_new(w->file, &w->store, &w->coded), COVEY_OK);
}

/* All layers by units, each device one after the other, without parities. */
static void share_out(struct world *w, bool half)
{
    struct covey_plan *plan = calloc(1, sizeof(*plan));
    struct covey_fence fence = {.epoch = 1, .version = 1};
    assert_non_null(plan);
    plan->half = half;
    plan->devices = DEVICES;
    for (uint8_t d = 0; d < DEVICES; d++) {
        plan->device[d].bytes[0] = d + 1;
    }
    plan->layers = (uint16_t)covey_model_layers(w->file->model);
    for (size_t i = 0; i < plan->layers; i++) {
        struct covey_plan_layer *l = &plan->layer[i];
        l->units = l->slots = (uint16_t)covey_model_layer(w->file->model, i)->units;
        l->group_units = 1;
        l->groups = l->units;
        for (unsigned s = 0; s < l->slots; s++) {
            l->holder[s] = (uint8_t)(s % DEVICES);
        }
    }
    w->version = covey__version_new(&fence, plan, w->file, w->coded);
    assert_non_null(w->version);
    assert_int_equal(covey__version_make(w->version, &plan->device[0]), COVEY_OK);
    free(plan);
}

static void drop(struct world *w)
{
    covey__version_unref(w->version);
    covey__coded_free(w->coded);
    covey__model_file_free(w->file);
}

/* Going on takes no other thread for one input of a small network; for 64 at once, and where
 * numbers must be widened first, it does. */
static void test_steps_of_small_networks_are_light(void **state)
{
    static const struct {
        uint32_t batch;
        bool half, light;
    } cases[] = {{1, false, true}, {64, false, false}, {1, true, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w = {0};
        load(state, &w, cases[i].batch);
        share_out(&w, cases[i].half);
        bool all = w.version->light_start;
        assert_true(w.version->stages > 2);
        for (size_t s = 0; s < w.version->stages; s++) {
            all = all && w.version->at[s].light;
        }
        assert_int_equal(all, cases[i].light);
        drop(&w);
    }
}

/* 64 KiB of weights of a dense layer, read once for each input. */
static void test_small_products_are_light(void **state)
{
    (void)state;
    struct covey_layer l = {
        .kind = COVEY_LAYER_DENSE, .m = 32, .unit_rows = 4, .units = 8, .k = 1024, .batch = 1};
    assert_true(covey__light_product(&l, 4));
    assert_false(covey__light_product(&l, 5));
    l.batch = 2;
    assert_true(covey__light_product(&l, 2));
    assert_false(covey__light_product(&l, 3));
    l.batch = 1;
    l.exact = 1;
    assert_false(covey__light_product(&l, 1));
    l.exact = 0;
    l.kind = COVEY_LAYER_CONV;
    assert_false(covey__light_product(&l, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_of_small_networks_are_light),
        cmocka_unit_test(test_small_products_are_light),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
