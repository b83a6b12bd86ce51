/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memmem() */
#include "fixture.h"

#include <stdlib.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include "made_file.h"
#include "read_decode.h"
#include "read_input.h"

enum { SIDE = 4 };

static void png_add(png_structp png, png_bytep bytes, size_t len)
{
    made_add(png_get_io_ptr(png), bytes, len);
}

static void png_nothing(png_structp png)
{
    (void)png;
}

struct form {
    int color, depth, interlace;
    const uint8_t *rows; /* SIDE rows that are all the same */
};

static const png_color palette[4] = {{10, 20, 30}, {40, 50, 60}, {70, 80, 90}, {255, 0, 128}};

static void make_png(struct made_file *f, const struct form *form)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    assert_non_null(png);
    png_infop info = png_create_info_struct(png);
    assert_non_null(info);
    f->len = 0;
    png_set_write_fn(png, f, png_add, png_nothing);
    png_set_IHDR(png, info, SIDE, SIDE, form->depth, form->color, form->interlace,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (form->color == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 4);
    }
    png_write_info(png, info);
    png_bytep rows[SIDE];
    for (size_t i = 0; i < SIDE; i++) {
        rows[i] = (png_bytep)(uintptr_t)form->rows; /* only read */
    }
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
}

static void expect_columns(const struct made_file *f, size_t channels, const float columns[][SIDE])
{
    struct covey_decoded out = {.data = NULL};
    struct covey_nn_error why = {""};
    expect_ok(covey__decode_picture(covey_bytes_of(f->bytes, f->len), &out, &why), &why);
    assert_int_equal(out.shape.rank, 3);
    assert_int_equal(out.shape.dims[0], channels);
    assert_int_equal(out.shape.dims[1], SIDE);
    assert_int_equal(out.shape.dims[2], SIDE);
    for (size_t i = 0; i < channels * SIDE * SIDE; i++) {
        float want = columns[i / (SIDE * SIDE)][i % SIDE];
        if (out.data[i] != want) {
            fail_msg("value %zu is %g, not %g", i, (double)out.data[i], (double)want);
        }
    }
    free(out.data);
}

/* PNG of every kind of pixel, also interlaced: grey of 1 to 16 bits, palette, colour, opaque
 * alpha; what is transparent is black. */
static void test_png_kinds(void **state)
{
    (void)state;
    static struct made_file f;
    static const uint8_t bits[] = {0x50}, pairs[] = {0x1b};
    static const uint8_t bytes[] = {0, 1, 128, 255};
    static const uint8_t wide[] = {0, 0, 1, 1, 128, 128, 255, 255};
    static const uint8_t colour[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 0, 128};
    static const uint8_t wide_colour[] = {1, 1, 2, 2, 3, 3, 4,   4,   5, 5, 6,   6,
                                          7, 7, 8, 8, 9, 9, 255, 255, 0, 0, 128, 128};
    static const uint8_t gray_alpha[] = {0, 255, 1, 255, 128, 255, 200, 0};
    static const uint8_t alpha[] = {1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 200, 100, 50, 0};
    static const float black_white[1][SIDE] = {{0, 255, 0, 255}},
                       quarters[1][SIDE] = {{0, 85, 170, 255}};
    static const float grays[1][SIDE] = {{0, 1, 128, 255}}, gray_hole[1][SIDE] = {{0, 1, 128, 0}};
    static const float indexed[3][SIDE] = {{10, 40, 70, 255}, {20, 50, 80, 0}, {30, 60, 90, 128}};
    static const float colours[3][SIDE] = {{1, 4, 7, 255}, {2, 5, 8, 0}, {3, 6, 9, 128}};
    static const float hole[3][SIDE] = {{1, 4, 7, 0}, {2, 5, 8, 0}, {3, 6, 9, 0}};
    const struct {
        int color, depth;
        const uint8_t *rows;
        size_t channels;
        const float (*want)[SIDE];
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, 1, bits, 1, black_white},
        {PNG_COLOR_TYPE_GRAY, 2, pairs, 1, quarters},
        {PNG_COLOR_TYPE_GRAY, 8, bytes, 1, grays},
        {PNG_COLOR_TYPE_GRAY, 16, wide, 1, grays},
        {PNG_COLOR_TYPE_GRAY_ALPHA, 8, gray_alpha, 1, gray_hole},
        {PNG_COLOR_TYPE_PALETTE, 2, pairs, 3, indexed},
        {PNG_COLOR_TYPE_RGB, 8, colour, 3, colours},
        {PNG_COLOR_TYPE_RGB, 16, wide_colour, 3, colours},
        {PNG_COLOR_TYPE_RGB_ALPHA, 8, alpha, 3, hole},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        for (int interlace = PNG_INTERLACE_NONE; interlace <= PNG_INTERLACE_ADAM7; interlace++) {
            const struct form form = {kinds[i].color, kinds[i].depth, interlace, kinds[i].rows};
            make_png(&f, &form);
            expect_columns(&f, kinds[i].channels, kinds[i].want);
        }
    }
}

static void refuse(const struct made_file *f, const char *words)
{
    struct covey_decoded out = {.data = NULL};
    struct covey_nn_error why = {""};
    expect_line(covey__decode_picture(covey_bytes_of(f->bytes, f->len), &out, &why), &why);
    assert_null(out.data);
    if (!strstr(why.text, words)) {
        fail_msg("'%s' does not say '%s'", why.text, words);
    }
}

static void make_jpeg(struct made_file *f, J_COLOR_SPACE space, int channels, const uint8_t *pixel,
                      bool exif)
{
    static const char turned[] =
        "Exif\0\0MM\0\x2a\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long len = 0;
    uint8_t row[16 * 4];
    JSAMPROW rows[1] = {row};
    for (size_t i = 0; i < sizeof row; i++) {
        row[i] = pixel[i % (size_t)channels];
    }
    c.err = jpeg_std_error(&errors);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &len);
    c.image_width = 16;
    c.image_height = 8;
    c.input_components = channels;
    c.in_color_space = space;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    jpeg_start_compress(&c, TRUE);
    if (exif) {
        jpeg_write_marker(&c, JPEG_APP0 + 1, (const JOCTET *)turned, sizeof turned - 1);
    }
    while (c.next_scanline < 8) {
        (void)jpeg_write_scanlines(&c, rows, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    f->len = 0;
    made_add(f, bytes, len);
    free(bytes);
}

/* A JPEG in colour comes as three planes of its height and width; that EXIF data says it should be
 * shown turned changes nothing. */
static void test_jpeg_colour(void **state)
{
    (void)state;
    static struct made_file f;
    const uint8_t pixel[3] = {200, 100, 50};
    for (int exif = 0; exif < 2; exif++) {
        struct covey_decoded out = {.data = NULL};
        struct covey_nn_error why = {""};
        make_jpeg(&f, JCS_RGB, 3, pixel, exif);
        expect_ok(covey__decode_picture(covey_bytes_of(f.bytes, f.len), &out, &why), &why);
        assert_int_equal(out.shape.dims[0], 3);
        assert_int_equal(out.shape.dims[1], 8);
        assert_int_equal(out.shape.dims[2], 16);
        for (size_t i = 0; i < 3 * 128; i++) {
            assert_in_range(out.data[i], pixel[i / 128] - 2, pixel[i / 128] + 2);
        }
        free(out.data);
    }
}

/* A PNG or JPEG whose header declares more than the largest picture is refused before memory is
 * taken for it. */
static void test_huge(void **state)
{
    (void)state;
    static struct made_file f;
    static const uint8_t bytes[] = {0, 1, 128, 255};
    const struct form form = {PNG_COLOR_TYPE_GRAY, 8, 0, bytes};
    make_png(&f, &form);
    memcpy(f.bytes + 16, "\x00\x00\x7f\xff\x00\x00\x7f\xff", 8);
    png_uint_32 crc = (png_uint_32)crc32(crc32(0, NULL, 0), f.bytes + 12, 17);
    const uint8_t check[4] = {(uint8_t)(crc >> 24), (uint8_t)(crc >> 16), (uint8_t)(crc >> 8),
                              (uint8_t)crc};
    memcpy(f.bytes + 29, check, 4);
    refuse(&f, "32767 x 32767");
    make_jpeg(&f, JCS_GRAYSCALE, 1, bytes, false);
    uint8_t *frame = memmem(f.bytes, f.len, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\x7f\xff\x7f\xff", 4);
    refuse(&f, "32767 x 32767");
}

/* JPEGs for printing (CMYK) are refused: there is no one way to turn them into light. */
static void test_jpeg_cmyk(void **state)
{
    (void)state;
    static struct made_file f;
    make_jpeg(&f, JCS_CMYK, 4, (const uint8_t[]){1, 2, 3, 4}, false);
    refuse(&f, "JPEG");
}

/* A BMP of 3 x 2 pixels; rows are the file's, padding and all. */
static void make_bmp(struct made_file *f, uint16_t depth, int32_t height, const void *palette_bytes,
                     uint32_t colours)
{
    uint8_t header[54] = "BM";
    covey_store32(header + 10, 54 + 4 * colours);
    covey_store32(header + 14, 40);
    covey_store32(header + 18, 3);
    covey_store32(header + 22, (uint32_t)height);
    covey_store16(header + 26, 1);
    covey_store16(header + 28, depth);
    covey_store32(header + 46, colours);
    f->len = 0;
    made_add(f, header, sizeof header);
    made_add(f, palette_bytes, 4 * (size_t)colours);
}

static void expect_bmp(const struct made_file *f, uint32_t channels, const float *want)
{
    struct covey_decoded out = {.data = NULL};
    struct covey_nn_error why = {""};
    expect_ok(covey__decode_picture(covey_bytes_of(f->bytes, f->len), &out, &why), &why);
    assert_int_equal(out.shape.dims[0], channels);
    assert_int_equal(out.shape.dims[1], 2);
    assert_int_equal(out.shape.dims[2], 3);
    assert_memory_equal(out.data, want, channels * 6 * sizeof *want);
    free(out.data);
}

/* BMP with a palette or in colour, from the bottom or from the top; what lies or is cut: refused.
 */
static void test_bmp(void **state)
{
    (void)state;
    static struct made_file f;
    static const uint8_t gray[] = {5, 5, 5, 0, 9, 9, 9, 0}, blue[] = {5, 5, 5, 0, 9, 8, 7, 0};
    static const uint8_t indices[] = {0, 1, 0, 77, 1, 1, 1, 77};
    static const uint8_t colours[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  0, 0, 0,
                                      10, 11, 12, 13, 14, 15, 16, 17, 18, 0, 0, 0};
    make_bmp(&f, 8, 2, gray, 2);
    made_add(&f, indices, sizeof indices);
    expect_bmp(&f, 1, (const float[]){9, 9, 9, 5, 9, 5});
    size_t len = f.len;
    for (f.len = 0; f.len < len; f.len++) {
        refuse(&f, "");
    }
    f.bytes[len - 4] = 2;
    f.len = len;
    refuse(&f, "palette");
    make_bmp(&f, 8, -2, blue, 2);
    made_add(&f, indices, sizeof indices);
    expect_bmp(&f, 3, (const float[]){5, 7, 5, 7, 7, 7, 5, 8, 5, 8, 8, 8, 5, 9, 5, 9, 9, 9});
    make_bmp(&f, 24, 2, "", 0);
    made_add(&f, colours, sizeof colours);
    expect_bmp(&f, 3,
               (const float[]){12, 15, 18, 3, 6, 9, 11, 14, 17, 2, 5, 8, 10, 13, 16, 1, 4, 7});
    covey_store32(f.bytes + 18, 32767);
    covey_store32(f.bytes + 22, 0x80000000U);
    refuse(&f, "32767");
    make_bmp(&f, 4, 2, gray, 2);
    made_add(&f, indices, sizeof indices);
    refuse(&f, "bits a pixel");
}

/* The shared photographs have their known sizes. */
static void test_photos(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t height, width;
    } photos[] = {{"photos/bird.bmp", 343, 512},   {"photos/pelican.jpeg", 375, 500},
                  {"photos/parrot.jpg", 929, 512}, {"photos/hot_dog.jpg", 384, 512},
                  {"photos/pets.jpg", 430, 512},   {"photos/squeezenet-piano.jpg", 426, 640}};
    for (size_t i = 0; i < sizeof photos / sizeof photos[0]; i++) {
        char path[FIXTURE_PATH];
        struct covey_decoded out = {.data = NULL};
        struct covey_nn_error why = {""};
        data_path(path, photos[i].name);
        expect_ok(covey__picture_read(path, &out, &why), &why);
        assert_int_equal(out.shape.dims[0], 3);
        assert_int_equal(out.shape.dims[1], photos[i].height);
        assert_int_equal(out.shape.dims[2], photos[i].width);
        free(out.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_kinds),   cmocka_unit_test(test_huge),
        cmocka_unit_test(test_jpeg_colour), cmocka_unit_test(test_jpeg_cmyk),
        cmocka_unit_test(test_bmp),         cmocka_unit_test(test_photos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
