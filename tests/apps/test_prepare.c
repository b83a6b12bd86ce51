/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "read_input.h"

/* 2 x 2 colour picture: planes r, g, b. */
static const float rgb[12] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120};
static const struct covey_item colour = {COVEY_ITEM_PICTURE, rgb, {3, {3, 2, 2}}, -1};
static const struct covey_item gray = {COVEY_ITEM_PICTURE, rgb, {3, {1, 2, 2}}, -1};

static void expect_near(const float *have, const float *want, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!(fabsf(have[i] - want[i]) <= 1e-4f)) {
            fail_msg("value %zu is %g, not %g", i, (double)have[i], (double)want[i]);
        }
    }
}

static void run(const struct covey_prepare *p, const struct covey_item *item,
                const struct covey_shape *model, float *out)
{
    struct covey_nn_error why = {""};
    expect_ok(covey_prepare_item(p, item, model, out, &why), &why);
}

/* Scale, mean and std act per channel, in the order of the layout. */
static void test_normalise_and_bgr(void **state)
{
    (void)state;
    struct covey_prepare p;
    const struct covey_shape model = {4, {1, 3, 2, 2}};
    float out[12];
    covey_prepare_init(&p);
    run(&p, &colour, &model, out);
    expect_near(out, rgb, 12);
    p.layout = COVEY_LAYOUT_BGR;
    p.scale = 0.1f;
    p.mean[0] = 9;
    p.std[2] = 2;
    run(&p, &colour, &model, out);
    expect_near(out, (const float[]){0, 1, 2, 3, 5, 6, 7, 8, 0.5f, 1, 1.5f, 2}, 12);
}

/* Colour becomes luma for models with one channel; grey is repeated for models with three. */
static void test_channels(void **state)
{
    (void)state;
    struct covey_prepare p;
    const struct covey_shape one = {4, {1, 1, 2, 2}};
    const struct covey_shape three = {4, {8, 3, 2, 2}};
    float out[12];
    covey_prepare_init(&p);
    run(&p, &colour, &one, out);
    expect_near(out, (const float[]){42.6f, 52.6f, 62.6f, 72.6f}, 4);
    run(&p, &gray, &three, out);
    expect_near(out, (const float[]){10, 20, 30, 40, 10, 20, 30, 40, 10, 20, 30, 40}, 12);
    p.layout = COVEY_LAYOUT_GRAY;
    run(&p, &colour, &three, out);
    expect_near(out + 4, (const float[]){42.6f, 52.6f, 62.6f, 72.6f}, 4);
}

/* Other sizes are interpolated between pixel centres. */
static void test_resize(void **state)
{
    (void)state;
    struct covey_prepare p;
    const struct covey_shape up = {4, {1, 1, 2, 4}};
    const struct covey_shape down = {4, {1, 1, 1, 1}};
    float out[8];
    covey_prepare_init(&p);
    run(&p, &gray, &up, out);
    expect_near(out, (const float[]){10, 12.5f, 17.5f, 20, 30, 32.5f, 37.5f, 40}, 8);
    run(&p, &gray, &down, out);
    expect_near(out, (const float[]){25}, 1);
}

/* Models with their channels last get them there. */
static void test_channels_last(void **state)
{
    (void)state;
    struct covey_prepare p;
    const struct covey_shape model = {4, {1, 2, 2, 3}};
    float out[12];
    covey_prepare_init(&p);
    run(&p, &colour, &model, out);
    expect_near(out, (const float[]){10, 50, 90, 20, 60, 100, 30, 70, 110, 40, 80, 120}, 12);
}

/* A flat input takes a picture of exactly its size, in grey or colour; no other. */
static void test_flat(void **state)
{
    (void)state;
    struct covey_prepare p;
    struct covey_nn_error why = {""};
    const struct covey_shape four = {2, {1, 4}};
    const struct covey_shape twelve = {3, {1, 12, 1}};
    const struct covey_shape five = {2, {1, 5}};
    float out[12];
    covey_prepare_init(&p);
    run(&p, &gray, &four, out);
    expect_near(out, rgb, 4);
    run(&p, &colour, &twelve, out);
    expect_near(out, rgb, 12);
    expect_line(covey_prepare_item(&p, &gray, &five, out, &why), &why);
}

/* A tensor is given on as it is, whatever the preparation, if its size is right. */
static void test_tensor(void **state)
{
    (void)state;
    struct covey_prepare p;
    struct covey_nn_error why = {""};
    const struct covey_item item = {COVEY_ITEM_TENSOR, rgb, {1, {12}}, -1};
    const struct covey_shape fits = {4, {5, 3, 2, 2}};
    const struct covey_shape other = {4, {1, 3, 2, 3}};
    float out[12];
    covey_prepare_init(&p);
    p.scale = 7;
    run(&p, &item, &fits, out);
    expect_near(out, rgb, 12);
    expect_line(covey_prepare_item(&p, &item, &other, out, &why), &why);
}

/* A std of 0 and numbers that are none are refused. */
static void test_bad_preparation(void **state)
{
    (void)state;
    struct covey_prepare p;
    struct covey_nn_error why = {""};
    covey_prepare_init(&p);
    p.std[1] = 0;
    expect_line(covey_prepare_check(&p, &why), &why);
    covey_prepare_init(&p);
    p.scale = nanf("");
    expect_line(covey_prepare_check(&p, &why), &why);
}

/* What the writers write, the readers read. */
static void test_round_trip(void **state)
{
    static const char *const names[] = {"out.npy", "out.pb"};
    const struct covey_shape shape = {3, {2, 1, 6}};
    for (size_t i = 0; i < 2; i++) {
        char path[FIXTURE_PATH];
        struct covey_nn_error why = {""};
        struct covey_input *in = NULL;
        struct covey_item item;
        scratch_path(state, names[i], path);
        expect_ok(i == 0 ? covey_output_npy(path, &shape, rgb, &why)
                         : covey_output_pb(path, &shape, rgb, &why),
                  &why);
        expect_ok(covey_input_open(path, &in, &why), &why);
        expect_ok(covey_input_item(in, 0, &item, &why), &why);
        assert_true(covey_shape_equal(&item.shape, &shape));
        assert_memory_equal(item.data, rgb, sizeof rgb);
        covey_input_close(in);
    }
}

/* A place that cannot be written gives one line and leaves nothing behind. */
static void test_write_fails(void **state)
{
    char path[FIXTURE_PATH];
    struct stat st;
    struct covey_nn_error why = {""};
    const struct covey_shape shape = {1, {12}};
    scratch_path(state, "absent/out.npy", path);
    expect_line(covey_output_npy(path, &shape, rgb, &why), &why);
    expect_line(covey_output_pb(path, &shape, rgb, &why), &why);
    assert_int_not_equal(stat(path, &st), 0);
    /* A folder stands where the file should be. */
    expect_line(covey_output_npy(*state, &shape, rgb, &why), &why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise_and_bgr),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_channels_last),
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_tensor),
        cmocka_unit_test(test_bad_preparation),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_write_fails),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
