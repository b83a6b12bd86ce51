/* SPDX-License-Identifier: MIT
 *
 * upload.h - gives a node a model of a file: only the parts that it lacks travel.
 */
#ifndef COVEY_CLI_UPLOAD_H
#define COVEY_CLI_UPLOAD_H

#include "control.h"
#include "covey/tensor.h"

struct covey__upload {
    struct covey_digest id;
    char name[COVEY_NAME_MAX + 1];
    struct covey_shape input, output;
    size_t blobs, blobs_sent;
    uint64_t bytes, bytes_sent;
};

/* name NULL: the file's, without folder and ending. On failure c->why says why. */
covey_err covey__upload_file(struct covey__control *c, const char *path, const char *name,
                             struct covey__upload *out) COVEY_CHECK;

/* The model with this name, id or unique prefix of an id (at least 8 digits) among those the node
 * knows. NOT_FOUND. */
covey_err covey__model_find(struct covey__control *c, const char *name,
                            struct covey_control_model *out) COVEY_CHECK;

#endif /* COVEY_CLI_UPLOAD_H */
