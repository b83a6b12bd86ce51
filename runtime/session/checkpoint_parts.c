/* SPDX-License-Identifier: MIT */
#include "checkpoint_parts.h"

#include <stdlib.h>

#include "training_checkpoint.h"

static covey_err list(struct covey_bytes paper, const struct covey_digest *name,
                      struct covey_checkpoint_parts *out)
{
    struct covey_bytes record;
    struct covey_checkpoint_pieces pieces;
    covey_err err = covey__training_checkpoint_decode(paper, &record, &pieces);
    if (err != COVEY_OK) {
        return err;
    }
    out->digest = calloc(pieces.count + 1, sizeof(*out->digest));
    if (out->digest == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < pieces.count; i++) {
        out->digest[i] = covey__checkpoint_piece(&pieces, i);
    }
    out->digest[pieces.count] = *name;
    out->count = pieces.count + 1;
    return COVEY_OK;
}

covey_err covey__checkpoint_parts(const struct covey_store *store, const struct covey_digest *paper,
                                  struct covey_checkpoint_parts *out)
{
    struct covey_body *body = NULL;
    covey_err err = covey__store_body(store, paper, &body);
    if (err == COVEY_OK) {
        err = list(covey_bytes_of(body->data, body->len), paper, out);
    }
    covey_body_unref(body);
    return err;
}

void covey__checkpoint_parts_done(struct covey_checkpoint_parts *parts)
{
    free(parts->digest);
    *parts = (struct covey_checkpoint_parts){NULL, 0};
}

covey_err covey__checkpoint_pin(const struct covey_store *store,
                                const struct covey_checkpoint_parts *parts)
{
    struct covey_checkpoint_parts pinned = {.digest = parts->digest};
    covey_err err = COVEY_OK;
    while (pinned.count < parts->count && err == COVEY_OK) {
        err = covey__store_pin(store, &parts->digest[pinned.count]);
        pinned.count += err == COVEY_OK;
    }
    if (err != COVEY_OK) {
        covey__checkpoint_unpin(store, &pinned);
    }
    return err;
}

void covey__checkpoint_unpin(const struct covey_store *store,
                             const struct covey_checkpoint_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        covey__store_unpin(store, &parts->digest[i]);
    }
}

void covey__checkpoint_drop(const struct covey_store *store,
                            const struct covey_checkpoint_parts *parts)
{
    covey__checkpoint_unpin(store, parts);
    for (size_t i = 0; i < parts->count; i++) {
        covey__store_drop(store, &parts->digest[i]);
    }
}

bool covey__checkpoint_whole(const struct covey_store *store,
                             const struct covey_checkpoint_parts *parts)
{
    bool whole = true;
    for (size_t i = 0; i < parts->count && whole; i++) {
        whole = covey__store_whole(store, &parts->digest[i]);
    }
    return whole;
}
