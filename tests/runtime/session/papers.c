/* SPDX-License-Identifier: MIT */
#include "papers.h"

#include <stdlib.h>

#include "covey/crypto.h"
#include "training_checkpoint.h"

static covey_err put(const struct covey_store *store, struct covey_bytes blob,
                     struct covey_digest *out)
{
    covey_hash(out, blob);
    return covey__store_put(store, out, blob);
}

static covey_err put_paper(const struct covey_store *store,
                           const struct covey_checkpoint_pieces *pieces,
                           struct covey_checkpoint_ref *inout)
{
    struct covey_training_record record;
    uint8_t *paper = NULL;
    size_t len = 0;
    covey_err err = covey__training_record_init(&record, 1);
    record.step = (uint32_t)inout->step;
    if (err == COVEY_OK) {
        err = covey__training_checkpoint_encode(&record, pieces, &paper, &len);
    }
    if (err == COVEY_OK) {
        err = put(store, covey_bytes_of(paper, len), &inout->digest);
        inout->len = len + pieces->bytes;
    }
    covey__training_record_done(&record);
    free(paper);
    return err;
}

covey_err paper_put(const struct covey_store *store, struct covey_bytes state,
                    struct covey_checkpoint_ref *inout)
{
    struct covey_checkpoint_pieces pieces = {.bytes = state.len};
    covey_err err = covey__checkpoint_count(pieces.bytes, &pieces.count);
    struct covey_digest *digests = calloc(pieces.count + 1, sizeof(*digests));
    err = digests == NULL ? COVEY_ERR_NOMEM : err;
    for (size_t i = 0; i < pieces.count && err == COVEY_OK; i++) {
        size_t len = covey__checkpoint_piece_bytes(&pieces, i);
        err = put(store, covey_bytes_of(state.ptr + i * COVEY_CHECKPOINT_PIECE, len), &digests[i]);
    }
    if (err == COVEY_OK) {
        pieces.digests = digests[0].bytes;
        err = put_paper(store, &pieces, inout);
    }
    free(digests);
    return err;
}

static covey_err get_pieces(const struct covey_store *store,
                            const struct covey_checkpoint_pieces *pieces, uint8_t *out)
{
    covey_err err = COVEY_OK;
    for (size_t i = 0; i < pieces->count && err == COVEY_OK; i++) {
        struct covey_digest digest = covey__checkpoint_piece(pieces, i);
        err = covey__store_get(store, &digest, out + i * COVEY_CHECKPOINT_PIECE,
                               covey__checkpoint_piece_bytes(pieces, i));
    }
    return err;
}

covey_err paper_get(const struct covey_store *store, const struct covey_checkpoint_ref *ref,
                    uint8_t **out, size_t *out_len)
{
    struct covey_checkpoint_pieces pieces;
    struct covey_bytes record;
    struct covey_body *body = NULL;
    uint8_t *state = NULL;
    covey_err err = covey__store_body(store, &ref->digest, &body);
    if (err == COVEY_OK) {
        err = covey__training_checkpoint_decode(covey_bytes_of(body->data, body->len), &record,
                                                &pieces);
    }
    if (err == COVEY_OK) {
        state = malloc((size_t)pieces.bytes);
        err = state == NULL ? COVEY_ERR_NOMEM : get_pieces(store, &pieces, state);
    }
    if (err == COVEY_OK) {
        *out = state;
        *out_len = (size_t)pieces.bytes;
        state = NULL;
    }
    free(state);
    covey_body_unref(body);
    return err;
}

struct covey_digest paper_piece(const struct covey_store *store,
                                const struct covey_checkpoint_ref *ref, size_t index)
{
    struct covey_checkpoint_pieces pieces;
    struct covey_bytes record;
    struct covey_body *body = NULL;
    struct covey_digest digest = {{0}};
    covey_err err = covey__store_body(store, &ref->digest, &body);
    if (err == COVEY_OK && covey__training_checkpoint_decode(covey_bytes_of(body->data, body->len),
                                                             &record, &pieces) == COVEY_OK) {
        digest = covey__checkpoint_piece(&pieces, index);
    }
    covey_body_unref(body);
    return digest;
}
