/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "covey/crypto.h"
#include "handles.h"
#include "scratch.h"
#include "store.h"

static void open_store(void **state, struct covey_store *store, char dir[static SCRATCH_PATH])
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, dir);
    assert_int_equal(covey__store_open(store, dir), COVEY_OK);
}

/* What was put under its digest is got back; under another it is refused. */
static void test_store_keeps_by_digest(void **state)
{
    struct covey_store store;
    char dir[SCRATCH_PATH], back[5];
    open_store(state, &store, dir);
    struct covey_bytes blob = covey_bytes_of("units", 5);
    struct covey_digest digest, other = {{1}};
    covey_hash(&digest, blob);
    assert_false(covey__store_has(&store, &digest));
    assert_int_equal(covey__store_get(&store, &digest, back, 5), COVEY_ERR_NOT_FOUND);
    assert_int_equal(covey__store_put(&store, &other, blob), COVEY_ERR_AUTH);
    assert_false(covey__store_has(&store, &other));
    assert_int_equal(covey__store_put(&store, &digest, blob), COVEY_OK);
    assert_true(covey__store_has(&store, &digest));
    assert_int_equal(covey__store_get(&store, &digest, back, 5), COVEY_OK);
    assert_memory_equal(back, "units", 5);
}

/* A blob torn or changed on disk is noticed when it is read, and is gone afterwards. */
static void test_store_notices_torn_blobs(void **state)
{
    struct covey_store store;
    char dir[SCRATCH_PATH], back[5], path[256], hex[COVEY_DIGEST_HEX];
    const char *contents[] = {"uni", "unitz", ""};
    for (size_t i = 0; i < 3; i++) {
        open_store(state, &store, dir);
        struct covey_bytes blob = covey_bytes_of("units", 5);
        struct covey_digest digest;
        covey_hash(&digest, blob);
        assert_int_equal(covey__store_put(&store, &digest, blob), COVEY_OK);
        covey__digest_hex(&digest, hex);
        snprintf(path, sizeof(path), "%s/store/%.2s/%s", dir, hex, hex);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fputs(contents[i], f);
        fclose(f);
        assert_int_equal(covey__store_get(&store, &digest, back, 5), COVEY_ERR_MALFORMED);
        assert_false(covey__store_has(&store, &digest));
    }
}

/* Manifests are listed by id and verified when read. */
static void test_store_lists_manifests(void **state)
{
    struct covey_store store;
    char dir[SCRATCH_PATH];
    open_store(state, &store, dir);
    struct covey_bytes manifest = covey_bytes_of("manifest", 8);
    struct covey_digest id, ids[2];
    covey_hash(&id, manifest);
    assert_int_equal(covey__store_manifests(&store, ids, 2), 0);
    assert_int_equal(covey__store_put_manifest(&store, &id, manifest), COVEY_OK);
    assert_int_equal(covey__store_manifests(&store, ids, 2), 1);
    assert_true(covey_digest_equal(&ids[0], &id));
    uint8_t *back = NULL;
    size_t len = 0;
    assert_int_equal(covey__store_get_manifest(&store, &id, &back, &len), COVEY_OK);
    assert_true(covey_bytes_equal(manifest, covey_bytes_of(back, len)));
    free(back);
}

/* A handle names its body until it is taken; then the place is given out under another number. */
static void test_handles_are_not_confused(void **state)
{
    (void)state;
    struct covey_handles handles;
    assert_int_equal(covey__handles_init(&handles), COVEY_OK);
    struct covey_body *a = NULL, *b = NULL;
    assert_int_equal(covey_body_new(4, &a), COVEY_OK);
    assert_int_equal(covey_body_new(4, &b), COVEY_OK);
    covey_handle first = covey__handles_put(&handles, a);
    assert_ptr_equal(covey__handles_get(&handles, first), a);
    assert_ptr_equal(covey__handles_take(&handles, first), a);
    covey_handle second = covey__handles_put(&handles, b);
    assert_int_not_equal(first, second);
    assert_null(covey__handles_get(&handles, 0));
    covey_body_unref(a);
    covey__handles_done(&handles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_keeps_by_digest),
        cmocka_unit_test(test_store_notices_torn_blobs),
        cmocka_unit_test(test_store_lists_manifests),
        cmocka_unit_test(test_handles_are_not_confused),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
