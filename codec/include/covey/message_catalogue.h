/* SPDX-License-Identifier: MIT
 *
 * message_catalogue.h - what devices tell one another of the models that were added, on channels.
 *
 * A message is of one publisher, with its certificate, so that whoever hands it on need not be
 * believed and the publisher need not be there. Type 16, between those of gossip and of work.
 * Entries keep the exact bytes that were signed; signatures are not checked here.
 */
#ifndef COVEY_MESSAGE_CATALOGUE_H
#define COVEY_MESSAGE_CATALOGUE_H

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/limits.h"

enum {
    COVEY_CATALOGUE_TYPE = 16,
    COVEY_CATALOGUE_BODY_MAX = 256,
    COVEY_CATALOGUE_SIGNATURE = 64,
    COVEY_CATALOGUE_ENTRIES_MAX = 16, /* of one message */
    COVEY_CATALOGUE_MESSAGE_MAX =
        COVEY_CERT_MAX + 64 +
        COVEY_CATALOGUE_ENTRIES_MAX * (COVEY_CATALOGUE_BODY_MAX + COVEY_CATALOGUE_SIGNATURE + 8),
};

/* One model of one publisher; of two entries of both the one with the higher sequence counts. */
struct covey_catalogue_model {
    struct covey_node_id publisher;
    uint64_t sequence;      /* high half: boot counter */
    struct covey_digest id; /* of the manifest */
    char name[COVEY_NAME_MAX + 1];
    uint64_t bytes; /* of its blobs */
    uint8_t input_rank, output_rank;
    uint32_t input[COVEY_RANK_MAX], output[COVEY_RANK_MAX];
    bool removed;
};

struct covey_catalogue_signed {
    struct covey_bytes body;      /* at most COVEY_CATALOGUE_BODY_MAX */
    struct covey_bytes signature; /* exactly COVEY_CATALOGUE_SIGNATURE */
};

struct covey_catalogue_message {
    struct covey_bytes cert; /* of the publisher, at most COVEY_CERT_MAX */
    size_t count;            /* at least one */
    struct covey_catalogue_signed entry[COVEY_CATALOGUE_ENTRIES_MAX];
};

/* Views in the result borrow from in. UNSUPPORTED: it is of another family. */
covey_err covey_catalogue_decode(struct covey_bytes in,
                                 struct covey_catalogue_message *out) COVEY_CHECK;
covey_err covey_catalogue_encode(const struct covey_catalogue_message *message,
                                 struct covey_buf out, size_t *out_len) COVEY_CHECK;
covey_err covey_catalogue_model_decode(struct covey_bytes in,
                                       struct covey_catalogue_model *out) COVEY_CHECK;
covey_err covey_catalogue_model_encode(const struct covey_catalogue_model *model,
                                       struct covey_buf out, size_t *out_len) COVEY_CHECK;

#endif /* COVEY_MESSAGE_CATALOGUE_H */
