/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include "made_file.h"
#include "read_input.h"

#define TEXT(s) s, sizeof(s) - 1

/* Opens the bytes under a name; NULL when refused, which must give one line with the name. */
static struct covey_input *open_bytes(void **state, const char *name, const struct made_file *f)
{
    char path[FIXTURE_PATH];
    struct covey_input *in = NULL;
    struct covey_nn_error why = {""};
    scratch_write(state, name, f->bytes, f->len, path);
    covey_err err = covey_input_open(path, &in, &why);
    if (err) {
        expect_line(err, &why);
        assert_non_null(strstr(why.text, name));
        assert_null(in);
    }
    return in;
}

/* All prefixes of a file are refused, the whole is not. */
static void expect_all_cuts_refused(void **state, const char *name, struct made_file *f)
{
    size_t len = f->len;
    for (f->len = 0; f->len < len; f->len++) {
        struct covey_input *in = open_bytes(state, name, f);
        if (in) {
            fail_msg("%s is taken with %zu of %zu bytes", name, f->len, len);
        }
    }
    struct covey_input *whole = open_bytes(state, name, f);
    assert_non_null(whole);
    covey_input_close(whole);
}

static struct covey_item first(struct covey_input *in)
{
    struct covey_item item = {.data = NULL};
    struct covey_nn_error why = {""};
    assert_non_null(in);
    expect_ok(covey_input_item(in, 0, &item, &why), &why);
    return item;
}

static void expect_shape(const struct covey_shape *s, const uint32_t *dims, uint8_t rank)
{
    assert_int_equal(s->rank, rank);
    for (uint8_t i = 0; i < rank; i++) {
        assert_int_equal(s->dims[i], dims[i]);
    }
}

static void expect_floats(const float *have, const float *want, size_t count)
{
    assert_memory_equal(have, want, count * sizeof *want);
}

/* 2 x 2 pixels: red, green, blue, grey. */
static const uint8_t colours[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 100, 100, 100};
static const float planes[12] = {255, 0, 0, 100, 0, 255, 0, 100, 0, 0, 255, 100};

static void make_png(struct made_file *f, uint32_t format, uint32_t side, const uint8_t *pixels)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = side, .height = side, .format = format};
    png_alloc_size_t len = sizeof f->bytes;
    assert_int_not_equal(png_image_write_to_memory(&image, f->bytes, &len, 0, pixels, 0, NULL), 0);
    f->len = len;
}

/* PNG pictures come as planes of 0..255, grey ones as one plane. */
static void test_png(void **state)
{
    static struct made_file f;
    make_png(&f, PNG_FORMAT_RGB, 2, colours);
    struct covey_input *in = open_bytes(state, "a.png", &f);
    struct covey_item item = first(in);
    assert_int_equal(item.kind, COVEY_ITEM_PICTURE);
    assert_int_equal(item.label, -1);
    expect_shape(&item.shape, (const uint32_t[]){3, 2, 2}, 3);
    expect_floats(item.data, planes, 12);
    covey_input_close(in);
    make_png(&f, PNG_FORMAT_GRAY, 2, colours);
    in = open_bytes(state, "b.png", &f);
    item = first(in);
    expect_shape(&item.shape, (const uint32_t[]){1, 2, 2}, 3);
    expect_floats(item.data, (const float[]){255, 0, 0, 0}, 4);
    covey_input_close(in);
}

/* A PNG that is cut off is refused; the end mark alone may be missing. */
static void test_png_cut(void **state)
{
    static struct made_file f;
    make_png(&f, PNG_FORMAT_RGB, 2, colours);
    size_t len = f.len - 12;
    for (f.len = 0; f.len < len - 4; f.len++) {
        assert_null(open_bytes(state, "cut.png", &f));
    }
}

static void make_jpeg(struct made_file *f, uint8_t value)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long len = 0;
    uint8_t row[16];
    JSAMPROW rows[1] = {row};
    memset(row, value, sizeof row);
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &len);
    c.image_width = 16;
    c.image_height = 16;
    c.input_components = 1;
    c.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < 16) {
        (void)jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    f->len = 0;
    made_add(f, bytes, len);
    free(bytes);
}

/* A JPEG of one grey comes back as it; cut off, it is refused. */
static void test_jpeg(void **state)
{
    static struct made_file f;
    make_jpeg(&f, 77);
    struct covey_input *in = open_bytes(state, "a.jpg", &f);
    struct covey_item item = first(in);
    expect_shape(&item.shape, (const uint32_t[]){1, 16, 16}, 3);
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(item.data[i], 76, 78);
    }
    covey_input_close(in);
    expect_all_cuts_refused(state, "cut.jpg", &f);
}

/* PGM and PPM, with comments, and 16-bit values brought to 0..255. */
static void test_pnm(void **state)
{
    static struct made_file f;
    f.len = 0;
    made_add(&f, TEXT("P6\n# made by hand\n2 2\n255\n"));
    made_add(&f, colours, sizeof colours);
    struct covey_input *in = open_bytes(state, "a.ppm", &f);
    expect_floats(first(in).data, planes, 12);
    covey_input_close(in);
    expect_all_cuts_refused(state, "cut.ppm", &f);
    f.len = 0;
    made_add(&f, TEXT("P5 2 1 65535\n\xff\xff\x00\x00"));
    in = open_bytes(state, "b.pgm", &f);
    expect_floats(first(in).data, (const float[]){255, 0}, 2);
    covey_input_close(in);
    f.len = 0;
    made_add(&f, TEXT("P5 99999 99999 255\n"));
    assert_null(open_bytes(state, "huge.pgm", &f));
    f.len = 0;
    made_add(&f, TEXT("P5 0 1 255\n"));
    assert_null(open_bytes(state, "none.pgm", &f));
}

static void refuse_pnm(void **state, const char *text)
{
    static struct made_file f;
    f.len = 0;
    made_add(&f, text, strlen(text));
    assert_null(open_bytes(state, "wrong.pnm", &f));
}

/* Values as text are those of the same picture as bytes; too few of them, too large ones and what
 * is no number are refused. */
static void test_pnm_as_text(void **state)
{
    static struct made_file f;
    char value[8];
    f.len = 0;
    made_add(&f, TEXT("P3\n2 2 # made by hand\n255"));
    for (size_t i = 0; i < sizeof colours; i++) {
        snprintf(value, sizeof value, "%s%d", i % 6 == 0 ? "\n" : " ", colours[i]);
        made_add(&f, value, strlen(value));
    }
    struct covey_input *in = open_bytes(state, "text.ppm", &f);
    expect_floats(first(in).data, planes, 12);
    covey_input_close(in);
    f.len = 0;
    made_add(&f, TEXT("P2 3 1 1000\n0 # black\n1000\r\n\t500\n"));
    in = open_bytes(state, "text.pgm", &f);
    struct covey_item item = first(in);
    expect_shape(&item.shape, (const uint32_t[]){1, 1, 3}, 3);
    expect_floats(item.data, (const float[]){0, 255, 127.5f}, 3);
    covey_input_close(in);
    refuse_pnm(state, "P2 3 1 255\n1 2\n");
    refuse_pnm(state, "P2 3 1 255\n1 2 x\n");
    refuse_pnm(state, "P2 3 1 255\n1 2 256\n");
    refuse_pnm(state, "P2 3 1 255\n1 2 1234567\n");
    refuse_pnm(state, "P2 3 1 255\n1 -2 3\n");
    refuse_pnm(state, "P2 3 1 255\n1 2x 3\n");
    refuse_pnm(state, "P2 3 1 255x1 2 3\n");
    refuse_pnm(state, "P2 3 1 70000\n1 2 3\n");
    refuse_pnm(state, "P2 32768 32768 255\n1 2 3\n");
    refuse_pnm(state, "P2 3 1 255");
    refuse_pnm(state, "P2 3 1 255 ");
}

/* A text file is no picture, whatever its name. */
static void test_text_as_picture(void **state)
{
    static struct made_file f;
    static const char *const names[] = {"a.png", "a.jpg", "a.pgm", "a.npy", "a.pb", "a"};
    f.len = 0;
    made_add(&f, TEXT("Dear reader,\nthis is no picture at all.\n"));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_null(open_bytes(state, names[i], &f));
    }
}

static void make_npy(struct made_file *f, const char *header, const void *data, size_t len)
{
    uint8_t start[10] = "\x93NUMPY\x01\x00";
    start[8] = (uint8_t)strlen(header);
    f->len = 0;
    made_add(f, start, sizeof start);
    made_add(f, header, strlen(header));
    made_add(f, data, len);
}

/* .npy of each element type; cut off or with another shape it is refused. */
static void test_npy(void **state)
{
    static struct made_file f;
    const struct {
        const char *header;
        const void *data;
        size_t len;
    } forms[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }\n", (const float[]){1, -2, 3},
         12},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 3), }\n",
         (const double[]){1, -2, 3}, 24},
        {"{'descr': '<i4', 'fortran_order': False, 'shape': (1, 3), }\n",
         (const int32_t[]){1, -2, 3}, 12},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (1, 3), }\n",
         (const int64_t[]){1, -2, 3}, 24},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        make_npy(&f, forms[i].header, forms[i].data, forms[i].len);
        struct covey_input *in = open_bytes(state, "a.npy", &f);
        struct covey_item item = first(in);
        assert_int_equal(item.kind, COVEY_ITEM_TENSOR);
        expect_shape(&item.shape, (const uint32_t[]){1, 3}, 2);
        expect_floats(item.data, (const float[]){1, -2, 3}, 3);
        covey_input_close(in);
        expect_all_cuts_refused(state, "cut.npy", &f);
    }
    make_npy(&f, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", "\x01\x02\xff", 3);
    struct covey_input *in = open_bytes(state, "u.npy", &f);
    expect_floats(first(in).data, (const float[]){1, 2, 255}, 3);
    covey_input_close(in);
}

/* Headers that lie or that we do not read. */
static void test_npy_refused(void **state)
{
    static struct made_file f;
    static const char *const bad[] = {
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n",
        "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (65536,65536,65536), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (0,), }\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1",
        "{'descr': '<f4', 'fortran_order': False}",
        "{}",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make_npy(&f, bad[i], "\0\0\0\0", 4);
        assert_null(open_bytes(state, "bad.npy", &f));
    }
}

/* A TensorProto with raw data or with typed data; cut off or lying about its shape: refused. */
static void test_pb(void **state)
{
    static struct made_file f;
    struct wire t = {.len = 0};
    const float data[3] = {1, -2, 3};
    wire_number(&t, 1, 1);
    wire_number(&t, 1, 3);
    wire_number(&t, 2, 1);
    wire_bytes(&t, 9, data, sizeof data);
    f.len = 0;
    made_add(&f, t.bytes, t.len);
    struct covey_input *in = open_bytes(state, "a.pb", &f);
    struct covey_item item = first(in);
    expect_shape(&item.shape, (const uint32_t[]){1, 3}, 2);
    expect_floats(item.data, data, 3);
    covey_input_close(in);
    expect_all_cuts_refused(state, "cut.pb", &f);
    f.len = 0;
    t.len = 0;
    wire_number(&t, 1, 2);
    wire_number(&t, 2, 11); /* double */
    wire_bytes(&t, 10, (const double[]){0.5, 1e300}, 16);
    made_add(&f, t.bytes, t.len);
    in = open_bytes(state, "d.pb", &f);
    expect_floats(first(in).data, (const float[]){0.5f, __builtin_inff()}, 2);
    covey_input_close(in);
    f.len = 0;
    t.len = 0;
    wire_number(&t, 1, 1 << 28);
    wire_number(&t, 2, 1);
    made_add(&f, t.bytes, t.len);
    assert_null(open_bytes(state, "lie.pb", &f));
}

/* Tensors that hold several inputs are split for a model, others are not. */
static void test_split(void **state)
{
    static struct made_file f;
    const float data[6] = {1, 2, 3, 4, 5, 6};
    struct covey_nn_error why = {""};
    struct covey_item item;
    make_npy(&f, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", data,
             sizeof data);
    struct covey_input *in = open_bytes(state, "a.npy", &f);
    assert_non_null(in);
    covey_input_split(in, 3);
    assert_int_equal(covey_input_count(in), 1);
    covey_input_split(in, 2);
    assert_int_equal(covey_input_count(in), 3);
    expect_ok(covey_input_item(in, 2, &item, &why), &why);
    expect_shape(&item.shape, (const uint32_t[]){1, 2}, 2);
    expect_floats(item.data, data + 4, 2);
    expect_line(covey_input_item(in, 3, &item, &why), &why);
    covey_input_close(in);
}

/* Opens a data set of the scratch folder; NULL when refused. */
static struct covey_input *open_set(void **state, const char *kind, const char *name)
{
    char spec[FIXTURE_PATH + 64];
    struct covey_input *in = NULL;
    struct covey_nn_error why = {""};
    (void)snprintf(spec, sizeof spec, "%s:%s%s%s", kind, (const char *)*state,
                   *name && *name != ',' ? "/" : "", name);
    covey_err err = covey_input_open(spec, &in, &why);
    if (err) {
        expect_line(err, &why);
        assert_non_null(strstr(why.text, *state));
    }
    return in;
}

static void write_gz(void **state, const char *name, const struct made_file *f)
{
    char path[FIXTURE_PATH];
    scratch_path(state, name, path);
    gzFile gz = gzopen(path, "wb");
    assert_non_null(gz);
    assert_int_equal(gzwrite(gz, f->bytes, (unsigned)f->len), f->len);
    assert_int_equal(gzclose(gz), Z_OK);
}

/* IDX images and labels, plain and .gz; sizes that lie and cut-off files are refused. */
static void test_mnist(void **state)
{
    static struct made_file images;
    static struct made_file labels;
    char path[FIXTURE_PATH];
    struct covey_nn_error why = {""};
    struct covey_item item;
    images.len = labels.len = 0;
    made_add_big(&images, 0x803);
    made_add_big(&images, 2);
    made_add_big(&images, 2);
    made_add_big(&images, 3);
    made_add(&images, "abcdefghijkl", 12);
    made_add_big(&labels, 0x801);
    made_add_big(&labels, 2);
    made_add(&labels, "\x07\x09", 2);
    assert_null(open_set(state, "mnist", ""));
    write_gz(state, "t10k-images-idx3-ubyte.gz", &images);
    scratch_write(state, "t10k-labels-idx1-ubyte", labels.bytes, labels.len, path);
    struct covey_input *in = open_set(state, "mnist", "");
    assert_non_null(in);
    assert_int_equal(covey_input_count(in), 2);
    expect_ok(covey_input_item(in, 1, &item, &why), &why);
    expect_shape(&item.shape, (const uint32_t[]){1, 2, 3}, 3);
    assert_int_equal(item.label, 9);
    expect_floats(item.data, (const float[]){'g', 'h', 'i', 'j', 'k', 'l'}, 6);
    covey_input_close(in);
    for (size_t len = 0; len < images.len; len++) {
        scratch_write(state, "t10k-images-idx3-ubyte", images.bytes, len, path);
        assert_null(open_set(state, "mnist", ""));
    }
    memset(images.bytes + 4, 0xff, 12);
    scratch_write(state, "t10k-images-idx3-ubyte", images.bytes, images.len, path);
    assert_null(open_set(state, "mnist", ""));
    assert_null(open_set(state, "mnist", "absent"));
}

/* A .gz that is cut off anywhere is refused, not read as a shorter data set. */
static void test_gzip_cut(void **state)
{
    static struct made_file f;
    char path[FIXTURE_PATH];
    uint8_t bytes[4096];
    f.len = 0;
    for (unsigned line = 0; line < 20; line++) {
        for (unsigned i = 0; i < 64; i++) {
            made_add(&f, (i * line) % 5 ? "3," : "16,", (i * line) % 5 ? 2 : 3);
        }
        made_add(&f, "4\n", 2);
    }
    write_gz(state, "digits.csv.gz", &f);
    scratch_path(state, "digits.csv.gz", path);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    struct covey_input *in = open_set(state, "digits", "digits.csv.gz");
    assert_non_null(in);
    assert_int_equal(covey_input_count(in), 20);
    struct covey_item item = first(in);
    assert_int_equal(item.kind, COVEY_ITEM_DIGIT);
    assert_int_equal(item.label, 4);
    expect_shape(&item.shape, (const uint32_t[]){1, 8, 8}, 3);
    covey_input_close(in);
    for (size_t cut = 1; cut < len; cut++) {
        scratch_write(state, "digits.csv.gz", bytes, len - cut, path);
        assert_null(open_set(state, "digits", "digits.csv.gz"));
    }
}

/* A line that is too short, too long, out of range or no numbers is refused with its number. */
static void test_digits_refused(void **state)
{
    static const char *const ends[] = {"1\n",  "1,2\n",  "10\n", "\n",   "-1\n",
                                       "1,\n", "17,1\n", "x\n",  "1 \n", "1.5\n"};
    static struct made_file f;
    char path[FIXTURE_PATH];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        f.len = 0;
        for (unsigned value = 0; value < 64; value++) {
            made_add(&f, "0,", 2);
        }
        made_add(&f, ends[i], strlen(ends[i]));
        scratch_write(state, "d.csv", f.bytes, f.len, path);
        struct covey_input *in = open_set(state, "digits", "d.csv");
        assert_true((in != NULL) == (i == 0));
        covey_input_close(in);
    }
}

/* CIFAR records with their labels; half a record and labels out of range are refused. */
static void test_cifar(void **state)
{
    static struct made_file f;
    char path[FIXTURE_PATH];
    struct covey_nn_error why = {""};
    struct covey_item item;
    f.len = 0;
    memset(f.bytes, 5, sizeof f.bytes);
    f.bytes[3074] = 19;
    f.bytes[3075] = 99;
    f.bytes[3076] = 200;
    f.len = 2 * 3074;
    write_gz(state, "test.bin.gz", &f);
    struct covey_input *in = open_set(state, "cifar100", "");
    assert_non_null(in);
    assert_int_equal(covey_input_count(in), 2);
    expect_ok(covey_input_item(in, 1, &item, &why), &why);
    expect_shape(&item.shape, (const uint32_t[]){3, 32, 32}, 3);
    assert_int_equal(item.label, 99);
    assert_int_equal((int)item.data[0], 200);
    covey_input_close(in);
    assert_null(open_set(state, "cifar10", ""));
    assert_null(open_set(state, "cifar100", ",train"));
    f.len = 3073;
    scratch_write(state, "data_batch_1.bin", f.bytes, f.len, path);
    scratch_write(state, "data_batch_2.bin", f.bytes, f.len, path);
    in = open_set(state, "cifar10", ",train");
    assert_non_null(in); /* all the batches that are there */
    assert_int_equal(covey_input_count(in), 2);
    covey_input_close(in);
    f.bytes[0] = 10;
    scratch_write(state, "one.bin", f.bytes, f.len, path);
    assert_null(open_set(state, "cifar10", "one.bin"));
}

/* The shared data sets open whole. */
static void test_shared(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *place, *tail;
        size_t count;
    } sets[] = {
        {"mnist", "mnist", "", 10000},
        {"mnist", "mnist", ",train", 60000},
        {"cifar10", "cifar-10", "", 1000},
        {"cifar100", "cifar-100", ",test", 10000},
        {"digits", "digits/digits.csv.gz", "", 1797},
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char path[FIXTURE_PATH];
        char spec[FIXTURE_PATH + 64];
        struct covey_nn_error why = {""};
        struct covey_input *in = NULL;
        data_path(path, sets[i].place);
        (void)snprintf(spec, sizeof spec, "%s:%s%s", sets[i].spec, path, sets[i].tail);
        expect_ok(covey_input_open(spec, &in, &why), &why);
        assert_int_equal(covey_input_count(in), sets[i].count);
        covey_input_close(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png),
        cmocka_unit_test(test_png_cut),
        cmocka_unit_test(test_jpeg),
        cmocka_unit_test(test_pnm),
        cmocka_unit_test(test_pnm_as_text),
        cmocka_unit_test(test_text_as_picture),
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_npy_refused),
        cmocka_unit_test(test_pb),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_mnist),
        cmocka_unit_test(test_gzip_cut),
        cmocka_unit_test(test_digits_refused),
        cmocka_unit_test(test_cifar),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
