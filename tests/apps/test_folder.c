/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "read_dataset.h"

static void make_folder(void **state, const char *name)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    assert_int_equal(mkdir(path, 0700), 0);
}

/* A picture of one value (all channels), grey or colour. */
static void put_picture(void **state, const char *name, bool colour, unsigned side, uint8_t value)
{
    uint8_t bytes[1024];
    char path[FIXTURE_PATH];
    int header =
        snprintf((char *)bytes, sizeof bytes, "P%c %u %u 255\n", colour ? '6' : '5', side, side);
    size_t pixels = (size_t)side * side * (colour ? 3 : 1);
    assert_true(header > 0 && (size_t)header + pixels <= sizeof bytes);
    memset(bytes + header, value, pixels);
    scratch_write(state, name, bytes, (size_t)header + pixels, path);
}

static covey_err load_as(void **state, const char *tail, const struct covey_dataset_config *config,
                         struct covey_dataset *out, struct covey_nn_error *why)
{
    char spec[FIXTURE_PATH + 64];
    (void)snprintf(spec, sizeof spec, "folder:%s%s", (const char *)*state, tail);
    return covey_dataset_load(spec, config, out, why);
}

static void load(void **state, const char *tail, enum covey_dataset_split split,
                 struct covey_dataset *out)
{
    struct covey_nn_error why = {""};
    const struct covey_dataset_config config = {.split = split};
    expect_ok(load_as(state, tail, &config, out, &why), &why);
}

static void refuse(void **state, const char *tail, const char *words)
{
    struct covey_nn_error why = {""};
    struct covey_dataset d = {0};
    expect_line(load_as(state, tail, NULL, &d, &why), &why);
    if (!strstr(why.text, words)) {
        fail_msg("'%s' does not say '%s'", why.text, words);
    }
    assert_int_equal(d.count, 0);
}

/* Two classes: five cats with the values 1 to 5, two dogs with 11 and 12. */
static void make_animals(void **state, bool colour)
{
    make_folder(state, "dog");
    make_folder(state, "cat");
    for (uint8_t i = 1; i <= 5; i++) {
        char name[] = "cat/?.pgm";
        name[4] = (char)('0' + i);
        put_picture(state, name, colour, 2, i);
    }
    put_picture(state, "dog/b.PGM", false, 2, 12);
    put_picture(state, "dog/a.pgm", false, 2, 11);
}

static void expect_values(const struct covey_dataset *d, const uint8_t *values, size_t count)
{
    float sample[64];
    assert_int_equal(d->count, count);
    assert_true(covey_dataset_values(d) <= 64);
    for (size_t i = 0; i < count; i++) {
        uint32_t label = covey_dataset_sample(d, i, sample);
        assert_int_equal(label, values[i] > 10);
        for (size_t j = 0; j < covey_dataset_values(d); j++) {
            assert_int_equal((int)sample[j], values[i]);
        }
    }
}

/* Sub-folders are classes, sorted by name as their pictures are; other files do not count. */
static void test_classes(void **state)
{
    char path[FIXTURE_PATH];
    struct covey_dataset d = {0};
    make_animals(state, false);
    scratch_write(state, "README", "x", 1, path);
    scratch_write(state, "cat/notes.txt", "x", 1, path);
    scratch_write(state, "cat/.hidden.png", "x", 1, path);
    load(state, "", COVEY_SPLIT_DEFAULT, &d);
    expect_values(&d, (const uint8_t[]){1, 2, 3, 4, 5, 11, 12}, 7);
    assert_int_equal(d.classes, 2);
    assert_string_equal(d.names[0].text, "cat");
    assert_string_equal(d.names[1].text, "dog");
    assert_int_equal(d.channels, 1);
    assert_int_equal(d.height, 2);
    covey_dataset_done(&d);
    load(state, "", COVEY_SPLIT_TRAIN, &d);
    expect_values(&d, (const uint8_t[]){1, 2, 3, 4, 11}, 5);
    covey_dataset_done(&d);
    load(state, ",test", COVEY_SPLIT_DEFAULT, &d);
    expect_values(&d, (const uint8_t[]){5, 12}, 2);
    covey_dataset_done(&d);
}

/* Pictures are brought to the size and channels asked; all grey without a wish stays grey. */
static void test_size(void **state)
{
    struct covey_dataset d = {0};
    struct covey_nn_error why = {""};
    const struct covey_dataset_config asked = {.channels = 3, .height = 3, .width = 4};
    const struct covey_dataset_config half = {.height = 3};
    make_animals(state, false);
    load(state, ",3x4", COVEY_SPLIT_BOTH, &d);
    expect_values(&d, (const uint8_t[]){1, 2, 3, 4, 5, 11, 12}, 7);
    assert_int_equal(d.channels * 100 + d.height * 10 + d.width, 134);
    covey_dataset_done(&d);
    expect_ok(load_as(state, "", &asked, &d, &why), &why);
    expect_values(&d, (const uint8_t[]){1, 2, 3, 4, 5, 11, 12}, 7);
    assert_int_equal(d.channels * 100 + d.height * 10 + d.width, 334);
    covey_dataset_done(&d);
    assert_int_equal(load_as(state, ",4x4", &asked, &d, &why), COVEY_ERR_RANGE);
    assert_int_equal(load_as(state, "", &half, &d, &why), COVEY_ERR_RANGE);
    refuse(state, ",99999x99999", "99999");
    put_picture(state, "dog/c.ppm", true, 4, 13);
    refuse(state, "", "dog/c.ppm");
    load(state, ",2x2", COVEY_SPLIT_DEFAULT, &d);
    expect_values(&d, (const uint8_t[]){1, 2, 3, 4, 5, 11, 12, 13}, 8);
    assert_int_equal(d.channels, 3); /* one is in colour */
    covey_dataset_done(&d);
}

/* Folders named train and test are the split; the classes are those of train. */
static void test_parts(void **state)
{
    struct covey_dataset d = {0};
    make_folder(state, "train");
    make_folder(state, "test");
    make_folder(state, "train/cat");
    make_folder(state, "train/dog");
    make_folder(state, "test/dog");
    put_picture(state, "train/cat/a.pgm", false, 2, 1);
    put_picture(state, "train/dog/a.pgm", false, 2, 11);
    put_picture(state, "test/dog/a.pgm", false, 2, 12);
    load(state, "", COVEY_SPLIT_DEFAULT, &d);
    expect_values(&d, (const uint8_t[]){12}, 1);
    assert_int_equal(d.classes, 2);
    covey_dataset_done(&d);
    load(state, "", COVEY_SPLIT_TRAIN, &d);
    expect_values(&d, (const uint8_t[]){1, 11}, 2);
    covey_dataset_done(&d);
    load(state, "", COVEY_SPLIT_BOTH, &d);
    expect_values(&d, (const uint8_t[]){1, 11, 12}, 3);
    covey_dataset_done(&d);
    make_folder(state, "test/cow");
    put_picture(state, "test/cow/a.pgm", false, 2, 1);
    refuse(state, "", "cow");
}

/* What cannot be read is refused by its name, and nothing is loaded. */
static void test_refused(void **state)
{
    char path[FIXTURE_PATH];
    refuse(state, "/absent", "absent");
    refuse(state, "", "sub-folders");
    make_folder(state, "cat");
    refuse(state, "", "no pictures");
    put_picture(state, "cat/a.pgm", false, 2, 1);
    scratch_write(state, "cat/b.png", "no picture", 10, path);
    refuse(state, "", "cat/b.png");
    scratch_write(state, "cat/b.png", "P5 30000 30000 255\n", 19, path);
    refuse(state, "", "cat/b.png");
}

/* For covey infer a folder's pictures come one at a time in their own sizes. */
static void test_input(void **state)
{
    char spec[FIXTURE_PATH + 64];
    struct covey_nn_error why = {""};
    struct covey_input *in = NULL;
    struct covey_item item;
    make_animals(state, false);
    put_picture(state, "dog/c.ppm", true, 4, 13);
    (void)snprintf(spec, sizeof spec, "folder:%s", (const char *)*state);
    expect_ok(covey_input_open(spec, &in, &why), &why);
    assert_int_equal(covey_input_count(in), 8);
    for (size_t i = 0; i < 8; i++) {
        expect_ok(covey_input_item(in, i, &item, &why), &why);
        assert_int_equal(item.label, i >= 5);
        assert_int_equal(item.kind, COVEY_ITEM_PICTURE);
        assert_int_equal(item.shape.dims[0], i == 7 ? 3 : 1);
        assert_int_equal(item.shape.dims[1], i == 7 ? 4 : 2);
    }
    expect_line(covey_input_item(in, 8, &item, &why), &why);
    covey_input_close(in);
    in = NULL;
    (void)snprintf(spec, sizeof spec, "folder:%s,5x5", (const char *)*state);
    expect_ok(covey_input_open(spec, &in, &why), &why);
    expect_ok(covey_input_item(in, 0, &item, &why), &why);
    assert_int_equal(item.shape.dims[1], 5);
    covey_input_close(in);
}

#define SCRATCH_TEST(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_classes), SCRATCH_TEST(test_size),  SCRATCH_TEST(test_parts),
        SCRATCH_TEST(test_refused), SCRATCH_TEST(test_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
