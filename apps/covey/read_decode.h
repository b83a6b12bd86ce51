/* SPDX-License-Identifier: MIT
 *
 * read_decode.h - decoders of pictures that are in memory, and of gzip.
 *
 * Private to the readers. A reason that is written does not name the file: the caller does.
 */
#ifndef COVEY_READ_DECODE_H
#define COVEY_READ_DECODE_H

#include "covey/graph.h"
#include "read_why.h"

/* Floats on the heap, freed by the caller. */
struct covey_decoded {
    struct covey_shape shape;
    float *data;
};

/* By their first bytes. */
bool covey__is_png(struct covey_bytes in);
bool covey__is_jpeg(struct covey_bytes in);
bool covey__is_pnm(struct covey_bytes in);
bool covey__is_bmp(struct covey_bytes in);

covey_err covey__decode_png(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_jpeg(struct covey_bytes in, struct covey_decoded *out,
                             struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_pnm(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_bmp(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
/* LIMIT when a picture is larger than we read; to be asked before memory is taken for it. */
covey_err covey__check_picture(size_t width, size_t height, struct covey_nn_error *why) COVEY_CHECK;
/* Any picture. UNSUPPORTED when it is none. */
covey_err covey__decode_picture(struct covey_bytes in, struct covey_decoded *out,
                                struct covey_nn_error *why) COVEY_CHECK;
/* The picture in a file. Names the file. */
covey_err covey__picture_read(const char *path, struct covey_decoded *out,
                              struct covey_nn_error *why) COVEY_CHECK;
/* Rows and columns of interleaved bytes (channels 1 or 3) as planes of floats. */
covey_err covey__planes(const uint8_t *bytes, size_t height, size_t width, size_t channels,
                        struct covey_decoded *out) COVEY_CHECK;

/* read_gzip.c: the members of a gzip stream one behind the other; at most max bytes. */
covey_err covey__gunzip(struct covey_bytes in, size_t max, struct covey_buf *out,
                        struct covey_nn_error *why) COVEY_CHECK;
/* A file, uncompressed when its content is gzip; at most max bytes. Names the file. */
covey_err covey__gzip_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *why) COVEY_CHECK;

#endif /* COVEY_READ_DECODE_H */
