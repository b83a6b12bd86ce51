/* SPDX-License-Identifier: MIT
 *
 * upload.h - gives a node a model of a file: only the parts that it lacks travel.
 */
#ifndef COVEY_CLI_UPLOAD_H
#define COVEY_CLI_UPLOAD_H

#include "control.h"
#include "covey/tensor.h"
#include "labels.h"

struct covey__upload {
    struct covey_digest id;
    char name[COVEY_NAME_MAX + 1];
    struct covey_shape input, output;
    size_t blobs, blobs_sent;
    uint64_t bytes, bytes_sent;
};

/* Not a name: a path, or what ends in .onnx, or what is there. */
bool covey__looks_like_file(const char *model);

/* What a model says besides its graph; zeroed: nothing. labels.count 0: none. */
struct covey__notes {
    struct covey_manifest_notes manifest;
    struct covey__labels labels;
};

/* name NULL: the file's, without folder and ending. notes NULL: none. On failure c->why says why.
 */
covey_err covey__upload_file(struct covey__control *c, const char *path, const char *name,
                             const struct covey__notes *notes,
                             struct covey__upload *out) COVEY_CHECK;

/* The manifest, as c->body, of a model that the node knows, which is brought there with its weights
 * if need be, however long that takes. wait_ms: while nothing of it comes, 0: 30 s. */
covey_err covey__model_get(struct covey__control *c, const struct covey_digest *id,
                           uint32_t wait_ms) COVEY_CHECK;
/* The same, and then its notes. */
covey_err covey__notes_get(struct covey__control *c, const struct covey_digest *id,
                           uint32_t wait_ms, struct covey__notes *out) COVEY_CHECK;
void covey__notes_done(struct covey__notes *notes);

/* The model with this name, as it was given to add it, with this id or unique prefix of an id (at
 * least 8 digits) among those the node knows. NOT_FOUND. */
covey_err covey__model_find(struct covey__control *c, const char *name,
                            struct covey_control_model *out) COVEY_CHECK;

/* The model of this name or id is on the node's device afterwards. wait_ms: the same. */
covey_err covey__model_bring(struct covey__control *c, const char *name, uint32_t wait_ms,
                             struct covey_control_model *out) COVEY_CHECK;

#endif /* COVEY_CLI_UPLOAD_H */
