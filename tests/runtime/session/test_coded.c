/* SPDX-License-Identifier: MIT
 *
 * What versions share of their coded layers is kept for as long as one of them has it.
 */
#include <stdlib.h>

#include "../../nn/builder.h"
#include "coded.h"
#include "covey/crypto.h"
#include "covey/spatial.h"
#include "scratch.h"
#include "stored.h"

struct world {
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_model_file *file;
    struct covey_coded *coded;
    unsigned reads; /* of a unit's weights */
};

static const struct covey_node_id device[] = {{{1}}, {{2}}};

static void set_up(void **state, struct world *w)
{
    struct covey_nn_error why = {{0}};
    struct covey_digest id;
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, w->dir);
    assert_int_equal(covey__store_open(&w->store, w->dir), COVEY_OK);
    stored_network(&w->store, small_network(7), &id);
    expect_ok(covey__model_file_load(&w->store, &id, &w->file, &why), &why);
    assert_int_equal(covey__coded_new(w->file, &w->store, &w->coded), COVEY_OK);
    assert_true(covey_model_layer(w->file->model, 0)->units >= 3);
}

static void tear_down(struct world *w)
{
    covey__coded_free(w->coded);
    covey__model_file_free(w->file);
}

static covey_err read_unit(const void *user, size_t index, float *room, const float **out)
{
    struct world *w = (struct world *)(uintptr_t)user;
    w->reads++;
    return covey__model_file_unit(w->file, 0, index, room, out);
}

/* The first units of layer 0 with this device, as a version that is made asks for them. */
static const struct covey_secret *secret_of(struct world *w, unsigned of, size_t units)
{
    const struct covey_coded_slots slots = {.layer = 0,
                                            .count = units,
                                            .shape = covey_model_layer(w->file->model, 0),
                                            .digests = covey_manifest_unit(w->file->manifest, 0, 0),
                                            .weights = read_unit,
                                            .user = w};
    const struct covey_secret *secret = NULL;
    covey__coded_lock(w->coded);
    assert_int_equal(covey__coded_secret(w->coded, &device[of], &slots, &secret), COVEY_OK);
    covey__coded_unlock(w->coded);
    return secret;
}

/* As a version's end does. */
static void drop(struct world *w, const struct covey_secret *secret)
{
    covey__secret_unref(secret);
    covey__coded_tidy(w->coded);
}

/* A slot that moves to another device keeps its vector; one that no version has any more, none. */
static void test_vectors_go_with_the_last_version(void **state)
{
    struct world w = {0};
    set_up(state, &w);
    const struct covey_secret *first = secret_of(&w, 0, 2);
    assert_int_equal(w.reads, 2);
    const struct covey_secret *next = secret_of(&w, 1, 3);
    assert_int_equal(w.reads, 3);
    drop(&w, first);
    first = secret_of(&w, 0, 2);
    assert_int_equal(w.reads, 3);
    drop(&w, next);
    next = secret_of(&w, 1, 3);
    assert_int_equal(w.reads, 4); /* the third unit was of no other */
    drop(&w, first);
    drop(&w, next);
    first = secret_of(&w, 0, 2);
    assert_int_equal(w.reads, 6);
    drop(&w, first);
    tear_down(&w);
}

/* One that could not be made leaves nothing behind. */
static covey_err fail_second(const void *user, size_t index, float *room, const float **out)
{
    return index == 0 ? read_unit(user, index, room, out) : COVEY_ERR_IO;
}

static void test_vectors_of_failed_versions_go(void **state)
{
    struct world w = {0};
    set_up(state, &w);
    const struct covey_coded_slots slots = {.layer = 0,
                                            .count = 2,
                                            .shape = covey_model_layer(w.file->model, 0),
                                            .digests = covey_manifest_unit(w.file->manifest, 0, 0),
                                            .weights = fail_second,
                                            .user = &w};
    const struct covey_secret *secret = NULL;
    covey__coded_lock(w.coded);
    assert_int_equal(covey__coded_secret(w.coded, &device[0], &slots, &secret), COVEY_ERR_IO);
    covey__coded_unlock(w.coded);
    assert_int_equal(w.reads, 1);
    drop(&w, secret_of(&w, 0, 1));
    assert_int_equal(w.reads, 2);
    tear_down(&w);
}

/* One block of all rows has its edges in its input. */
static void test_products_are_of_one_shape(void **state)
{
    struct world w = {0};
    const struct covey_own *whole = NULL, *block = NULL;
    set_up(state, &w);
    const struct covey_layer *layer = covey_model_layer(w.file->model, 0);
    struct covey_layer shape;
    assert_int_equal(covey_spatial_block(layer, 1, &shape), COVEY_OK);
    assert_int_equal(shape.out_height, layer->out_height);
    assert_true(shape.height > layer->height);
    struct covey_coded_slots slots = {.layer = 0,
                                      .count = 1,
                                      .shape = layer,
                                      .digests = covey_manifest_unit(w.file->manifest, 0, 0),
                                      .weights = read_unit,
                                      .user = &w};
    covey__coded_lock(w.coded);
    assert_int_equal(covey__coded_own(w.coded, &slots, &whole), COVEY_OK);
    slots.shape = &shape;
    assert_int_equal(covey__coded_own(w.coded, &slots, &block), COVEY_OK);
    covey__coded_unlock(w.coded);
    assert_ptr_not_equal(whole, block);
    covey__own_unref(whole);
    covey__own_unref(block);
    tear_down(&w);
}

/* A store without room for parities needs none: they are made again for whoever asks. */
static void test_parities_need_no_room(void **state)
{
    struct world w = {0};
    const struct covey_coded_group group = {0, 0, 2};
    struct covey_digest digest[2], other = {{1}};
    struct covey_body *body = NULL;
    set_up(state, &w);
    assert_int_equal(covey__store_limit(&w.store, 1), COVEY_OK);
    for (unsigned t = 0; t < 2; t++) {
        struct covey_digest again;
        assert_int_equal(covey__coded_parity(w.coded, &group, t, &digest[t]), COVEY_OK);
        assert_int_equal(covey__coded_parity(w.coded, &group, t, &again), COVEY_OK);
        assert_true(covey_digest_equal(&digest[t], &again));
        assert_false(covey__store_has(&w.store, &digest[t]));
    }
    assert_false(covey_digest_equal(&digest[0], &digest[1]));
    for (unsigned t = 0; t < 2; t++) {
        struct covey_digest found;
        assert_int_equal(covey__coded_again(w.coded, &digest[t], &body), COVEY_OK);
        covey_hash(&found, covey_bytes_of(body->data, body->len));
        assert_true(covey_digest_equal(&digest[t], &found));
        covey_body_unref(body);
    }
    assert_int_equal(covey__coded_again(w.coded, &other, &body), COVEY_ERR_NOT_FOUND);
    tear_down(&w);
    covey__store_close(&w.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_go_with_the_last_version),
        cmocka_unit_test(test_vectors_of_failed_versions_go),
        cmocka_unit_test(test_products_are_of_one_shape),
        cmocka_unit_test(test_parities_need_no_room),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
