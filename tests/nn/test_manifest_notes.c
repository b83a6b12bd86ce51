/* SPDX-License-Identifier: MIT */
#include "builder.h"

#include <math.h>
#include <stdlib.h>

#include "covey/manifest_notes.h"

static covey_err put(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    (void)user;
    (void)blob;
    memset(out->bytes, 7, sizeof(out->bytes));
    return COVEY_OK;
}

static struct covey_bytes bare(void)
{
    struct covey_graph *g = small_network(5);
    struct covey_model *m = NULL;
    uint8_t *out = NULL;
    size_t len = 0;
    expect_ok(covey_graph_optimize(g, NULL), NULL);
    expect_ok(covey_graph_check(g, 0, NULL), NULL);
    expect_ok(covey_model_new(g, NULL, &m, NULL), NULL);
    expect_ok(covey_manifest_encode(g, m, "small", put, NULL, &out, &len), NULL);
    covey_model_free(m);
    covey_graph_free(g);
    return covey_bytes_of(out, len);
}

static struct covey_manifest_notes some_notes(void)
{
    struct covey_manifest_notes n = {
        .has_labels = true,
        .labels = {.digest = {{1, 2, 3}}, .len = 77},
        .has_prepare = true,
        .scale = 1 / 255.0f,
        .mean = {0.485f, 0.456f, 0.406f},
        .std = {0.229f, 0.224f, 0.225f},
        .layout = 2,
    };
    return n;
}

static void drop(struct covey_bytes b)
{
    free((uint8_t *)(uintptr_t)b.ptr);
}

static covey_err decode(struct covey_bytes b, struct covey_manifest **out)
{
    struct covey_nn_error why = {""};
    return covey_manifest_decode(b, out, &why);
}

/* What is noted comes back as it was, and the labels are one more blob of the model, the last. */
static void test_notes_come_back(void **state)
{
    (void)state;
    struct covey_bytes plain = bare();
    struct covey_manifest_notes notes = some_notes();
    struct covey_manifest *mf = NULL, *without = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    expect_ok(covey_manifest_annotate(plain, &notes, &bytes, &len), NULL);
    expect_ok(decode(covey_bytes_of(bytes, len), &mf), NULL);
    expect_ok(decode(plain, &without), NULL);
    const struct covey_manifest_notes *n = covey_manifest_notes(mf);
    assert_true(n->has_labels && n->has_prepare);
    assert_true(covey_digest_equal(&n->labels.digest, &notes.labels.digest));
    assert_int_equal(n->labels.len, 77);
    assert_memory_equal(n->mean, notes.mean, sizeof(n->mean));
    assert_memory_equal(n->std, notes.std, sizeof(n->std));
    assert_true(n->scale == notes.scale);
    assert_int_equal(n->layout, 2);
    size_t blobs = covey_manifest_blobs(mf);
    assert_int_equal(blobs, covey_manifest_blobs(without) + 1);
    assert_int_equal(covey_manifest_blob(mf, blobs - 1)->len, 77);
    assert_false(covey_manifest_notes(without)->has_labels);
    assert_false(covey_manifest_notes(without)->has_prepare);
    covey_manifest_free(mf);
    covey_manifest_free(without);
    free(bytes);
    drop(plain);
}

/* Without notes nothing changes; notes are not written twice; bad numbers are refused. */
static void test_notes_are_checked(void **state)
{
    (void)state;
    struct covey_bytes plain = bare();
    struct covey_manifest_notes none = {.has_labels = false}, bad = some_notes();
    uint8_t *bytes = NULL, *again = NULL;
    size_t len = 0, again_len = 0;
    expect_ok(covey_manifest_annotate(plain, &none, &bytes, &len), NULL);
    assert_true(covey_bytes_equal(covey_bytes_of(bytes, len), plain));
    free(bytes);
    bad.std[1] = 0.0f;
    assert_int_equal(covey_manifest_annotate(plain, &bad, &bytes, &len), COVEY_ERR_RANGE);
    bad = some_notes();
    bad.mean[2] = NAN;
    assert_int_equal(covey_manifest_annotate(plain, &bad, &bytes, &len), COVEY_ERR_RANGE);
    bad = some_notes();
    bad.labels.len = COVEY_LABELS_BYTES_MAX + 1;
    assert_int_equal(covey_manifest_annotate(plain, &bad, &bytes, &len), COVEY_ERR_RANGE);
    bad = some_notes();
    expect_ok(covey_manifest_annotate(plain, &bad, &bytes, &len), NULL);
    assert_int_equal(covey_manifest_annotate(covey_bytes_of(bytes, len), &bad, &again, &again_len),
                     COVEY_ERR_STATE);
    free(bytes);
    drop(plain);
}

/* Cut or altered notes are refused or read as other good notes, never more than that. */
static void test_notes_survive_bad_bytes(void **state)
{
    (void)state;
    struct covey_bytes plain = bare();
    struct covey_manifest_notes notes = some_notes();
    uint8_t *bytes = NULL;
    size_t len = 0;
    expect_ok(covey_manifest_annotate(plain, &notes, &bytes, &len), NULL);
    for (size_t at = plain.len; at < len; at++) {
        struct covey_manifest *mf = NULL;
        assert_int_not_equal(decode(covey_bytes_of(bytes, at), &mf), COVEY_OK);
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            mf = NULL;
            if (decode(covey_bytes_of(bytes, len), &mf) == COVEY_OK) {
                const struct covey_manifest_notes *n = covey_manifest_notes(mf);
                assert_true(n->std[0] != 0.0f && n->std[1] != 0.0f && n->std[2] != 0.0f);
                assert_true(n->labels.len <= COVEY_LABELS_BYTES_MAX && n->layout <= 3);
            }
            covey_manifest_free(mf);
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    free(bytes);
    drop(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_come_back),
        cmocka_unit_test(test_notes_are_checked),
        cmocka_unit_test(test_notes_survive_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
