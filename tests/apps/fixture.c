/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "fixture.h"

#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/model.h"
#include "onnx_import.h"

void data_path(char out[FIXTURE_PATH], const char *file)
{
    const char *data = getenv("COVEY_DATA");
    struct stat st;
    if (data) {
        (void)snprintf(out, FIXTURE_PATH, "%s/data/%s", data, file);
    } else {
        (void)snprintf(out, FIXTURE_PATH, "%s/../shared/data/%s", COVEY_SOURCE_DIR, file);
    }
    if (stat(out, &st) != 0) {
        print_message("%s is not there: set COVEY_DATA to the shared data\n", out);
        skip();
    }
}

int scratch_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = malloc(FIXTURE_PATH);
    if (!path) {
        return -1;
    }
    (void)snprintf(path, FIXTURE_PATH, "%s/covey-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(path)) {
        free(path);
        return -1;
    }
    *state = path;
    return 0;
}

static int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int scratch_teardown(void **state)
{
    int result = nftw(*state, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

void scratch_path(void **state, const char *name, char out[FIXTURE_PATH])
{
    int wrote = snprintf(out, FIXTURE_PATH, "%s/%s", (const char *)*state, name);
    assert_true(wrote > 0 && wrote < FIXTURE_PATH);
}

void scratch_write(void **state, const char *name, const void *bytes, size_t len,
                   char out[FIXTURE_PATH])
{
    scratch_path(state, name, out);
    FILE *file = fopen(out, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

void expect_ok(covey_err err, const struct covey_nn_error *why)
{
    if (err) {
        fail_msg("%s: %s", covey_strerror(err), why ? why->text : "");
    }
}

void expect_line(covey_err err, const struct covey_nn_error *why)
{
    assert_int_not_equal(err, COVEY_OK);
    assert_true(why->text[0] != '\0');
    for (const char *c = why->text; *c; c++) {
        assert_true(*c >= 0x20 && *c < 0x7f);
    }
}

static void run_once(const struct wire *model, const float *input, const float *expected,
                     size_t count, bool optimize)
{
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {0};
    struct covey_model *m = NULL;
    struct covey_run *r = NULL;
    size_t have = 0;
    expect_ok(covey_onnx_decode(covey_bytes_of(model->bytes, model->len), NULL, &onnx, &why), &why);
    struct covey_graph *g = onnx.graph;
    if (optimize) {
        expect_ok(covey_graph_optimize(g, &why), &why);
        expect_ok(covey_graph_check(g, 0, &why), &why);
    }
    expect_ok(covey_model_new(g, NULL, &m, &why), &why);
    expect_ok(covey_run_new(m, &r), &why);
    expect_ok(covey_shape_count(covey_model_output(m), &have), &why);
    assert_int_equal(have, count);
    float *output = calloc(count, sizeof *output);
    assert_non_null(output);
    covey_run_all(r, input, output);
    float largest = 1e-6f;
    for (size_t i = 0; i < count; i++) {
        largest = fmaxf(largest, fabsf(expected[i]));
    }
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(output[i] - expected[i]) <= 1e-5f * largest)) {
            fail_msg("output %zu is %g, not %g", i, (double)output[i], (double)expected[i]);
        }
    }
    free(output);
    covey_run_free(r);
    covey_model_free(m);
    covey_onnx_free(&onnx);
}

void expect_run(const struct wire *model, const float *input, const float *expected, size_t count)
{
    run_once(model, input, expected, count, false);
    run_once(model, input, expected, count, true);
}

void expect_refused(const struct wire *model, const char *words)
{
    struct covey_nn_error why = {""};
    struct covey_onnx onnx = {0};
    covey_err err = covey_onnx_decode(covey_bytes_of(model->bytes, model->len), NULL, &onnx, &why);
    assert_null(onnx.graph);
    expect_line(err, &why);
    if (!strstr(why.text, words)) {
        fail_msg("'%s' does not say '%s'", why.text, words);
    }
}
