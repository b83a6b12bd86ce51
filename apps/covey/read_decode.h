/* SPDX-License-Identifier: MIT
 *
 * read_decode.h - decoders of single files that are in memory, and of data sets.
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
bool covey__is_npy(struct covey_bytes in);

covey_err covey__decode_png(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_jpeg(struct covey_bytes in, struct covey_decoded *out,
                             struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_pnm(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
/* Any picture. UNSUPPORTED when it is none. */
covey_err covey__decode_picture(struct covey_bytes in, struct covey_decoded *out,
                                struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_npy(struct covey_bytes in, struct covey_decoded *out,
                            struct covey_nn_error *why) COVEY_CHECK;
covey_err covey__decode_pb(struct covey_bytes in, struct covey_decoded *out,
                           struct covey_nn_error *why) COVEY_CHECK;
/* Rows and columns of interleaved bytes (channels 1 or 3) as planes of floats. */
covey_err covey__planes(const uint8_t *bytes, size_t height, size_t width, size_t channels,
                        struct covey_decoded *out) COVEY_CHECK;

/* Items of one shape with labels, as bytes. Freed with covey__dataset_done(). */
struct covey_dataset {
    size_t count;
    struct covey_shape shape;
    uint8_t *pixels;
    uint8_t *labels;
};
void covey__dataset_done(struct covey_dataset *d);
/* Lines of 64 values of 0..16 and a label of 0..9. */
covey_err covey__decode_digits(struct covey_bytes in, struct covey_dataset *out,
                               struct covey_nn_error *why) COVEY_CHECK;
/* IDX: images [n h w] of bytes with labels [n]. */
covey_err covey__decode_idx(struct covey_bytes images, struct covey_bytes labels,
                            struct covey_dataset *out, struct covey_nn_error *why) COVEY_CHECK;
/* CIFAR records: label_bytes labels (the last one counts, below classes), 3072 pixels. */
covey_err covey__decode_cifar(struct covey_bytes in, size_t label_bytes, unsigned classes,
                              struct covey_dataset *out, struct covey_nn_error *why) COVEY_CHECK;

/* read_gzip.c: a file, uncompressed when it is .gz; at most max bytes. Names the file. */
covey_err covey__gzip_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *why) COVEY_CHECK;
/* read_dataset.c: spec behind the colon, e.g. "DIR,train". Names the file. */
covey_err covey__dataset_open(const char *kind, const char *where, struct covey_dataset *out,
                              struct covey_nn_error *why) COVEY_CHECK;

#endif /* COVEY_READ_DECODE_H */
