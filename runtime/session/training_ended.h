/* SPDX-License-Identifier: MIT
 *
 * training_ended.h - what stays of a training session that is done when its device starts again:
 * where its model is and how it went, a small file for each, STATE/trained/ID. Blocking: not on the
 * loop, but at the start.
 *
 * A file is deterministic CBOR of the forms that there are: job, progress, record; schema:
 * docs/messages.cddl.
 */
#ifndef COVEY_SESSION_TRAINING_ENDED_H
#define COVEY_SESSION_TRAINING_ENDED_H

#include "checkpoint_parts.h"
#include "training.h"
#include "training_checkpoint.h"

enum {
    COVEY__TRAINING_ENDED_MAX = 16, /* files that are read; older ones are removed */
    COVEY__TRAINING_ENDED_BYTES =
        COVEY_TRAINING_RECORD_MAX + 4096, /* of one: a record, and what is small beside it */
};

struct covey_training_ended {
    struct covey_fence fence;   /* of the owner that ended it */
    struct covey_digest result; /* manifest of the model */
    struct covey_training_job job;
    struct covey_training_progress progress; /* DONE */
    struct covey_training_record record;
};

/* Heap, freed by the caller. */
covey_err covey__training_ended_encode(const struct covey_training_ended *e, uint8_t **out,
                                       size_t *out_len) COVEY_CHECK;
/* Bytes from the disk: MALFORMED, RANGE, UNSUPPORTED. Freed with done() on success. */
covey_err covey__training_ended_decode(struct covey_bytes in,
                                       struct covey_training_ended *out) COVEY_CHECK;
void covey__training_ended_done(struct covey_training_ended *e);

/* The whole file, or what was there before; when this returns it is on the disk, and so is all that
 * is in the store. */
covey_err covey__training_ended_write(const struct covey_store *store,
                                      const struct covey_training_ended *e) COVEY_CHECK;
/* Calls each() for every file that can be read, the oldest first; it may take what is in `ended`,
 * and leaves zeros then. Of others it is told the error alone. */
typedef void (*covey_training_ended_fn)(void *user, covey_err err, const char *name,
                                        struct covey_training_ended *ended);
void covey__training_ended_read(const struct covey_store *store, covey_training_ended_fn each,
                                void *user);
void covey__training_ended_remove(const struct covey_store *store,
                                  const struct covey_session_id *id);

/* The blobs of a trained model in the store: its manifest's, then the manifest. Errors as of
 * covey__checkpoint_parts(). */
covey_err covey__training_result_parts(const struct covey_store *store,
                                       const struct covey_digest *manifest,
                                       struct covey_checkpoint_parts *out) COVEY_CHECK;

#endif /* COVEY_SESSION_TRAINING_ENDED_H */
