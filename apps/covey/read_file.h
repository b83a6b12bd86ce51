/* SPDX-License-Identifier: MIT
 *
 * read_file.h - whole files in, whole files out.
 *
 * Private to the readers. A file that is written appears complete or not at all.
 */
#ifndef COVEY_READ_FILE_H
#define COVEY_READ_FILE_H

#include <stdio.h>

#include "covey/graph.h"

enum covey_file_limits {
    /* Bytes of an ONNX file: protobuf's own limit. */
    COVEY_FILE_MODEL_MAX = 0x7fffffff,
    /* Bytes of a picture or tensor. */
    COVEY_FILE_INPUT_MAX = 1 << 30,
    /* Bytes of a path: Linux's own PATH_MAX. */
    COVEY_READ_PATH = 4096,
};

bool covey__is_file(const char *path);
bool covey__is_folder(const char *path);
/* dir/name or dir/name.gz, whichever is there. */
bool covey__find_file(const char *dir, const char *name, char out[static COVEY_READ_PATH]);

/* All of a regular file, 64-byte aligned, freed by the caller with free(). */
covey_err covey__file_read(const char *path, size_t max, struct covey_buf *out,
                           struct covey_nn_error *out_why) COVEY_CHECK;

/* A file beside path that replaces it on commit; a device or a pipe is written to itself. Takes
 * nothing if it fails. */
struct covey_file_writer {
    FILE *file;
    int error;            /* errno of the first failure, else 0 */
    char temporary[4096]; /* "": there is none */
};
covey_err covey__file_create(const char *path, struct covey_file_writer *out,
                             struct covey_nn_error *out_why) COVEY_CHECK;
/* A failure is remembered for the commit. */
void covey__file_write(struct covey_file_writer *w, const void *data, size_t len);
/* Ends w: path holds all that was written, or on failure is as it was. */
covey_err covey__file_commit(struct covey_file_writer *w, const char *path,
                             struct covey_nn_error *out_why) COVEY_CHECK;

#endif /* COVEY_READ_FILE_H */
