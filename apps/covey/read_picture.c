/* SPDX-License-Identifier: MIT */
#include "read_decode.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "read_file.h"
#include "read_input.h"

enum {
    SIDE_MAX = 1 << 15,
    /* Scans of a progressive JPEG: encoders write about 10; each costs a pass over the picture. */
    JPEG_SCANS_MAX = 64,
};

bool covey__is_png(struct covey_bytes in)
{
    return in.len >= 8 && memcmp(in.ptr, "\x89PNG\r\n\x1a\n", 8) == 0;
}

bool covey__is_jpeg(struct covey_bytes in)
{
    return in.len >= 3 && memcmp(in.ptr, "\xff\xd8\xff", 3) == 0;
}

covey_err covey__check_picture(size_t width, size_t height, struct covey_nn_error *why)
{
    if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX ||
        width * height > COVEY_PICTURE_PIXELS_MAX) {
        return covey__why(COVEY_ERR_LIMIT, why, "a picture of %zu x %zu pixels, at most %d", width,
                          height, COVEY_PICTURE_PIXELS_MAX);
    }
    return COVEY_OK;
}

covey_err covey__planes(const uint8_t *bytes, size_t height, size_t width, size_t channels,
                        struct covey_decoded *out)
{
    size_t pixels = height * width;
    float *data = malloc(pixels * channels * sizeof *data);
    if (!data) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < pixels; i++) {
            data[c * pixels + i] = (float)bytes[i * channels + c];
        }
    }
    out->shape = (struct covey_shape){3, {(uint32_t)channels, (uint32_t)height, (uint32_t)width}};
    out->data = data;
    return COVEY_OK;
}

covey_err covey__decode_png(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *bytes = NULL;
    if (!png_image_begin_read_from_memory(&image, in.ptr, in.len)) {
        return covey__why(COVEY_ERR_MALFORMED, why, "PNG: %.100s", image.message);
    }
    covey_err err = covey__check_picture(image.width, image.height, why);
    if (err) {
        goto out;
    }
    bool color = (image.format & PNG_FORMAT_FLAG_COLOR) != 0;
    size_t channels = color ? 3 : 1;
    /* Values as they stand in the file: no conversion of 16-bit values as if they were linear. */
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    image.format = color ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    /* Calloc: a transparent picture is laid over black. */
    bytes = calloc((size_t)image.width * image.height, channels);
    if (!bytes) {
        err = covey__why(COVEY_ERR_NOMEM, why, "out of memory");
        goto out;
    }
    if (!png_image_finish_read(&image, NULL, bytes, 0, NULL)) {
        err = covey__why(COVEY_ERR_MALFORMED, why, "PNG: %.100s", image.message);
        goto out;
    }
    err = covey__planes(bytes, image.height, image.width, channels, out);
out:
    png_image_free(&image);
    free(bytes);
    return err;
}

/* libjpeg leaves by longjmp when a file is bad; what must survive it is in here. */
struct jpeg {
    struct jpeg_decompress_struct dec;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf leave;
    char message[JMSG_LENGTH_MAX];
    uint8_t *bytes;
    size_t width, height, channels;
};

_Noreturn static void jpeg_error(j_common_ptr common)
{
    struct jpeg *j = common->client_data;
    common->err->format_message(common, j->message);
    longjmp(j->leave, 1);
}

/* A warning means corrupt data too: what is missing would be grey. Bytes between segments and odd
 * Adobe markers are harmless and common. */
static void jpeg_message(j_common_ptr common, int level)
{
    int code = common->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM) {
        jpeg_error(common);
    }
}

static void jpeg_silent(j_common_ptr common)
{
    (void)common;
}

static void jpeg_scans(j_common_ptr common)
{
    struct jpeg *j = common->client_data;
    if (j->dec.input_scan_number > JPEG_SCANS_MAX) {
        (void)snprintf(j->message, sizeof j->message, "more than %d scans", JPEG_SCANS_MAX);
        longjmp(j->leave, 1);
    }
}

static covey_err jpeg_read(struct jpeg *j, struct covey_bytes in, struct covey_nn_error *why)
{
    if (setjmp(j->leave)) {
        return covey__why(COVEY_ERR_MALFORMED, why, "JPEG: %.120s", j->message);
    }
    jpeg_create_decompress(&j->dec);
    jpeg_mem_src(&j->dec, in.ptr, (unsigned long)in.len);
    (void)jpeg_read_header(&j->dec, TRUE);
    covey_err err = covey__check_picture(j->dec.image_width, j->dec.image_height, why);
    if (err) {
        return err;
    }
    j->dec.progress = &j->progress;
    j->channels = j->dec.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
    j->dec.out_color_space = j->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    (void)jpeg_start_decompress(&j->dec);
    j->width = j->dec.output_width;
    j->height = j->dec.output_height;
    j->bytes = malloc(j->width * j->height * j->channels);
    if (!j->bytes) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    while (j->dec.output_scanline < j->dec.output_height) {
        JSAMPROW row = j->bytes + (size_t)j->dec.output_scanline * j->width * j->channels;
        (void)jpeg_read_scanlines(&j->dec, &row, 1);
    }
    (void)jpeg_finish_decompress(&j->dec);
    return COVEY_OK;
}

covey_err covey__decode_jpeg(struct covey_bytes in, struct covey_decoded *out,
                             struct covey_nn_error *why)
{
    struct jpeg *j = calloc(1, sizeof *j);
    if (!j) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    j->dec.err = jpeg_std_error(&j->errors);
    j->errors.error_exit = jpeg_error;
    j->errors.emit_message = jpeg_message;
    j->errors.output_message = jpeg_silent;
    j->progress.progress_monitor = jpeg_scans;
    j->dec.client_data = j;
    covey_err err = jpeg_read(j, in, why);
    if (!err) {
        err = covey__planes(j->bytes, j->height, j->width, j->channels, out);
    }
    jpeg_destroy_decompress(&j->dec);
    free(j->bytes);
    free(j);
    return err;
}

covey_err covey__decode_picture(struct covey_bytes in, struct covey_decoded *out,
                                struct covey_nn_error *why)
{
    if (covey__is_png(in)) {
        return covey__decode_png(in, out, why);
    }
    if (covey__is_jpeg(in)) {
        return covey__decode_jpeg(in, out, why);
    }
    if (covey__is_pnm(in)) {
        return covey__decode_pnm(in, out, why);
    }
    if (covey__is_bmp(in)) {
        return covey__decode_bmp(in, out, why);
    }
    return covey__why(COVEY_ERR_UNSUPPORTED, why,
                      "it is not a picture (PNG, JPEG, PGM, PPM, BMP) nor a tensor (.npy, .pb)");
}

covey_err covey__picture_read(const char *path, struct covey_decoded *out,
                              struct covey_nn_error *why)
{
    struct covey_buf file = {0};
    struct covey_nn_error inner = {""};
    covey_err err = covey__file_read(path, COVEY_FILE_INPUT_MAX, &file, why);
    if (err) {
        return err;
    }
    err = covey__decode_picture(covey_bytes_of(file.ptr, file.len), out, &inner);
    free(file.ptr);
    return covey__why_file(err, why, path, &inner);
}
