/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "covey/pack.h"
#include "scratch.h"
#include "store.h"
#include "store_index.h"

enum { LEN = 1000, PATH_LEN = 640 };

static struct covey_digest blob_of(unsigned number, uint8_t bytes[static LEN])
{
    struct covey_digest digest;
    memset(bytes, (int)number, LEN);
    covey_hash(&digest, covey_bytes_of(bytes, LEN));
    return digest;
}

static covey_err put(const struct covey_store *store, unsigned number)
{
    uint8_t bytes[LEN];
    struct covey_digest digest = blob_of(number, bytes);
    return covey__store_put(store, &digest, covey_bytes_of(bytes, LEN));
}

static bool has(const struct covey_store *store, unsigned number)
{
    uint8_t bytes[LEN];
    struct covey_digest digest = blob_of(number, bytes);
    return covey__store_has(store, &digest);
}

static void use(const struct covey_store *store, unsigned number)
{
    uint8_t bytes[LEN], back[LEN];
    struct covey_digest digest = blob_of(number, bytes);
    assert_int_equal(covey__store_get(store, &digest, back, LEN), COVEY_OK);
}

static void path_of(const struct covey_store *store, unsigned number, char path[static PATH_LEN])
{
    uint8_t bytes[LEN];
    char hex[COVEY_DIGEST_HEX];
    struct covey_digest digest = blob_of(number, bytes);
    covey__digest_hex(&digest, hex);
    snprintf(path, PATH_LEN, "%s/store/%.2s/%s", store->dir, hex, hex);
}

/* When a blob was last used, in seconds before now, as the disk remembers it. */
static void set_age(const struct covey_store *store, unsigned number, long seconds)
{
    char path[PATH_LEN];
    struct stat st;
    path_of(store, number, path);
    assert_int_equal(stat(path, &st), 0);
    struct timespec times[2] = {st.st_atim, st.st_mtim};
    times[0].tv_sec = times[1].tv_sec -= seconds;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void open_limited(struct covey_store *store, const char *dir, uint64_t quota)
{
    assert_int_equal(covey__store_open(store, dir), COVEY_OK);
    assert_int_equal(covey__store_limit(store, quota), COVEY_OK);
}

/* Ten blobs, each older than the next. */
static void fill(struct covey_store *store, const char *dir)
{
    open_limited(store, dir, 10 * LEN);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(put(store, i), COVEY_OK);
        set_age(store, i, 100000 - (long)i * 10);
    }
    covey__store_close(store);
}

/* Beyond the quota the least recently used go, also by what the disk says after a start. */
static void test_least_recently_used_goes(void **state)
{
    char dir[SCRATCH_PATH];
    struct covey_store store;
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, dir);
    fill(&store, dir);
    open_limited(&store, dir, 10 * LEN);
    use(&store, 0);
    assert_int_equal(put(&store, 10), COVEY_OK);
    assert_true(covey__index_bytes(store.index) <= 10 * LEN);
    assert_true(has(&store, 0));
    assert_false(has(&store, 1));
    assert_true(has(&store, 9) && has(&store, 10));
    covey__store_close(&store);
    open_limited(&store, dir, 3 * LEN); /* less than before */
    covey__store_trim(&store);
    assert_true(has(&store, 0) && has(&store, 10)); /* its use was written down */
    assert_false(has(&store, 8));
    assert_true(covey__index_bytes(store.index) <= 3 * LEN);
    covey__store_close(&store);
}

/* What is pinned stays until it is unpinned; when nothing else can go, more is refused. */
static void test_pinned_blobs_stay(void **state)
{
    char dir[SCRATCH_PATH];
    uint8_t bytes[LEN];
    struct covey_store store;
    scratch_folder(state, dir);
    open_limited(&store, dir, 3 * LEN);
    for (unsigned i = 0; i < 3; i++) {
        struct covey_digest digest = blob_of(i, bytes);
        assert_int_equal(covey__store_pin(&store, &digest), COVEY_OK); /* before it comes */
        assert_int_equal(put(&store, i), COVEY_OK);
    }
    assert_int_equal(put(&store, 3), COVEY_ERR_LIMIT);
    assert_false(has(&store, 3));
    struct covey_digest second = blob_of(1, bytes);
    covey__store_unpin(&store, &second);
    assert_int_equal(put(&store, 3), COVEY_OK);
    assert_true(has(&store, 0) && has(&store, 2) && has(&store, 3));
    assert_false(has(&store, 1));
    covey__store_close(&store);
}

/* What is pinned after a start, before what is too much goes, is not among it, however long nobody
 * used it. */
static void test_pinned_blobs_stay_at_the_start(void **state)
{
    char dir[SCRATCH_PATH];
    uint8_t bytes[LEN];
    struct covey_store store;
    struct covey_digest oldest = blob_of(0, bytes);
    scratch_folder(state, dir);
    fill(&store, dir);
    open_limited(&store, dir, 3 * LEN);
    assert_int_equal(covey__store_pin(&store, &oldest), COVEY_OK);
    covey__store_trim(&store);
    assert_true(has(&store, 0) && has(&store, 9));
    assert_false(has(&store, 1));
    assert_true(covey__index_bytes(store.index) <= 3 * LEN);
    covey__store_close(&store);
}

static covey_err add_blob(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return covey__store_add(user, digest, blob);
}

/* A model of this node stays, larger than the quota or not, and counts for nothing; after a start
 * its manifest says so. */
static void test_own_models_stay(void **state)
{
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_nn_error why = {{0}};
    struct covey_digest id;
    uint8_t *manifest = NULL;
    size_t len = 0;
    scratch_folder(state, dir);
    open_limited(&store, dir, 2 * LEN);
    struct covey_graph *g = small_network(7);
    expect_ok(covey_pack(g, "small", add_blob, &store, &manifest, &len, &id, &why), &why);
    assert_int_equal(covey__store_put_manifest(&store, &id, covey_bytes_of(manifest, len)),
                     COVEY_OK);
    struct covey_manifest *mf = NULL;
    expect_ok(covey_manifest_decode(covey_bytes_of(manifest, len), &mf, &why), &why);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(put(&store, i), COVEY_OK);
        }
        assert_true(covey__index_bytes(store.index) <= 2 * LEN);
        for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
            assert_true(covey__store_has(&store, &covey_manifest_blob(mf, i)->digest));
        }
        covey__store_close(&store);
        open_limited(&store, dir, 2 * LEN);
    }
    covey__store_close(&store);
    covey_manifest_free(mf);
    covey_graph_free(g);
    free(manifest);
}

static bool has_all(const struct covey_store *store, const struct covey_manifest *mf)
{
    for (size_t i = 0; i < covey_manifest_blobs(mf); i++) {
        if (!covey__store_has(store, &covey_manifest_blob(mf, i)->digest)) {
            return false;
        }
    }
    return true;
}

static struct covey_manifest *add_model(struct covey_store *store, unsigned seed, const char *name,
                                        struct covey_digest *out_id)
{
    struct covey_nn_error why = {{0}};
    uint8_t *manifest = NULL;
    size_t len = 0;
    struct covey_manifest *mf = NULL;
    struct covey_graph *g = small_network(seed);
    expect_ok(covey_pack(g, name, add_blob, store, &manifest, &len, out_id, &why), &why);
    struct covey_bytes bytes = covey_bytes_of(manifest, len);
    assert_int_equal(covey__store_put_manifest(store, out_id, bytes), COVEY_OK);
    expect_ok(covey_manifest_decode(bytes, &mf, &why), &why);
    covey_graph_free(g);
    free(manifest);
    return mf;
}

/* Of a model that is removed goes what does not fit the quota, at once and not at the next start,
 * but nothing that another model of this node has too. */
static void test_removed_models_go(void **state)
{
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_digest id, same, other;
    scratch_folder(state, dir);
    open_limited(&store, dir, 1);
    struct covey_manifest *mf = add_model(&store, 7, "small", &id);
    covey_manifest_free(add_model(&store, 7, "of the same weights", &same));
    struct covey_manifest *mf_other = add_model(&store, 8, "other", &other);
    assert_false(covey_digest_equal(&id, &same));
    assert_int_equal(covey__store_remove_manifest(&store, &id), COVEY_OK);
    assert_true(has_all(&store, mf));
    assert_int_equal(covey__store_remove_manifest(&store, &same), COVEY_OK);
    assert_false(has_all(&store, mf));
    assert_true(has_all(&store, mf_other));
    assert_true(covey__index_bytes(store.index) <= 1);
    covey__store_close(&store);
    covey_manifest_free(mf);
    covey_manifest_free(mf_other);
}

/* Blobs of a model whose manifest never came, released: they count, and go when room is needed. */
static void test_released_blobs_count(void **state)
{
    char dir[SCRATCH_PATH];
    uint8_t bytes[LEN];
    bool added = false;
    struct covey_digest left[3];
    struct covey_store store;
    scratch_folder(state, dir);
    open_limited(&store, dir, 2 * LEN);
    for (unsigned i = 0; i < 3; i++) {
        left[i] = blob_of(i, bytes);
        assert_int_equal(covey__store_keep(&store, &left[i], &added), COVEY_OK);
        assert_true(added);
        assert_int_equal(covey__store_keep(&store, &left[i], &added), COVEY_OK);
        assert_false(added);
        assert_int_equal(put(&store, i), COVEY_OK);
    }
    assert_int_equal(covey__index_bytes(store.index), 0);
    assert_int_equal(covey__store_release(&store, left, 2), COVEY_OK);
    assert_int_equal(covey__index_bytes(store.index), 2 * LEN);
    assert_int_equal(put(&store, 3), COVEY_OK);
    assert_true(has(&store, 2) && has(&store, 3));
    assert_false(has(&store, 0) && has(&store, 1));
    covey__store_close(&store);
}

/* A file that a crash left half-written is removed at the next start; a blob changed on disk is
 * seen when it is first read, and counts no more. */
static void test_leftovers_are_removed(void **state)
{
    char dir[SCRATCH_PATH], path[PATH_LEN], temp[PATH_LEN + 16];
    struct covey_store store;
    uint8_t bytes[LEN], back[LEN];
    scratch_folder(state, dir);
    open_limited(&store, dir, 10 * LEN);
    assert_int_equal(put(&store, 1), COVEY_OK);
    covey__store_close(&store);
    path_of(&store, 1, path);
    snprintf(temp, sizeof(temp), "%s.aB3xYz", path);
    FILE *f = fopen(temp, "w");
    assert_non_null(f);
    fputs("half of", f);
    fclose(f);
    f = fopen(path, "w");
    assert_non_null(f);
    memset(bytes, 7, LEN);
    assert_int_equal(fwrite(bytes, 1, LEN, f), LEN);
    fclose(f);
    open_limited(&store, dir, 10 * LEN);
    assert_int_not_equal(access(temp, F_OK), 0);
    assert_int_equal(covey__index_bytes(store.index), LEN);
    struct covey_digest digest = blob_of(1, bytes);
    assert_int_equal(covey__store_get(&store, &digest, back, LEN), COVEY_ERR_MALFORMED);
    assert_false(has(&store, 1));
    assert_int_equal(covey__index_bytes(store.index), 0);
    covey__store_close(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_pinned_blobs_stay),
        cmocka_unit_test(test_pinned_blobs_stay_at_the_start),
        cmocka_unit_test(test_own_models_stay),
        cmocka_unit_test(test_removed_models_go),
        cmocka_unit_test(test_released_blobs_count),
        cmocka_unit_test(test_leftovers_are_removed),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
