/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "model_share.h"
#include "scratch.h"
#include "stored.h"

struct world {
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_model_table table;
    struct covey_digest id;
};

static void open_world(void **state, struct world *w)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, w->dir);
    assert_int_equal(covey__store_open(&w->store, w->dir), COVEY_OK);
    assert_int_equal(covey__model_table_init(&w->table, &w->store), COVEY_OK);
    stored_network(&w->store, small_network(7), &w->id);
}

static struct covey_model_share *share_of(struct world *w, uint32_t batch)
{
    const struct covey_model_want want = {.id = w->id, .bytes = UINT64_MAX, .batch = batch};
    struct covey_model_share *share = NULL;
    struct covey_nn_error why = {{0}};
    expect_ok(covey__model_share_get(&w->table, &want, &share, &why), &why);
    return share;
}

/* Sessions of one model and batch have one model in memory; it is there until the last goes. */
static void test_one_model_for_all_sessions(void **state)
{
    struct world w = {.dir = ""};
    open_world(state, &w);
    struct covey_model_share *first = share_of(&w, 1), *second = share_of(&w, 0);
    assert_ptr_equal(first, second);
    covey__model_share_unref(first);
    assert_ptr_equal(share_of(&w, 1), second);
    covey__model_share_unref(second);
    covey__model_share_unref(second);
    assert_null(w.table.first);
    covey__model_table_done(&w.table);
}

/* Another batch is another model: its tensors have other shapes. */
static void test_batches_are_apart(void **state)
{
    struct world w = {.dir = ""};
    open_world(state, &w);
    struct covey_model_share *one = share_of(&w, 1), *three = share_of(&w, 3);
    assert_ptr_not_equal(one, three);
    assert_int_equal(three->file->batch, 3);
    covey__model_share_unref(one);
    assert_ptr_equal(w.table.first, three);
    covey__model_share_unref(three);
    covey__model_table_done(&w.table);
}

/* A parity of any of the models is found by its digest, as long as its model is there. */
static void test_parities_are_found(void **state)
{
    struct world w = {.dir = ""};
    open_world(state, &w);
    const struct covey_coded_group group = {0, 0, 2};
    struct covey_digest digest;
    struct covey_body *body = NULL;
    struct covey_model_share *one = share_of(&w, 1), *three = share_of(&w, 3);
    assert_int_equal(covey__coded_parity(one->coded, &group, 0, &digest), COVEY_OK);
    assert_int_equal(covey__model_table_parity(&w.table, &digest, &body), COVEY_OK);
    assert_true(body->len > 0);
    covey_body_unref(body);
    covey__model_share_unref(one);
    assert_int_equal(covey__model_table_parity(&w.table, &digest, &body), COVEY_ERR_NOT_FOUND);
    covey__model_share_unref(three);
    assert_null(w.table.first);
    assert_int_equal(covey__model_table_parity(&w.table, &digest, &body), COVEY_ERR_NOT_FOUND);
    covey__model_table_done(&w.table);
}

/* A model that is not there leaves nothing behind. */
static void test_missing_model(void **state)
{
    struct world w = {.dir = ""};
    open_world(state, &w);
    struct covey_model_want want = {.id = w.id, .bytes = UINT64_MAX, .batch = 1};
    struct covey_model_share *share = NULL;
    struct covey_nn_error why = {{0}};
    want.id.bytes[0] ^= 1;
    assert_int_not_equal(covey__model_share_get(&w.table, &want, &share, &why), COVEY_OK);
    assert_null(share);
    assert_null(w.table.first);
    covey__model_table_done(&w.table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_model_for_all_sessions),
        cmocka_unit_test(test_batches_are_apart),
        cmocka_unit_test(test_parities_are_found),
        cmocka_unit_test(test_missing_model),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
