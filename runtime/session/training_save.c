/* SPDX-License-Identifier: MIT */
#include "training_save.h"

#include <stdlib.h>

/* What is being made. */
struct saving {
    struct covey_training *t;
    struct covey_checkpoint_pieces pieces;
    struct covey_checkpoint_parts parts; /* those that are in the store; room for all */
    uint8_t *room;                       /* a piece */
    uint64_t bytes;                      /* of parts */
};

static bool is_dropped(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    bool dropped = t->ask == COVEY__TRAINING_DROP;
    pthread_mutex_unlock(&t->mutex);
    return dropped;
}

/* Charged as it goes: others' work gets in between. */
static covey_err put(struct saving *s, struct covey_bytes blob)
{
    struct covey_digest digest;
    covey_err err = covey__store_make(&s->t->services->store, blob, &digest);
    if (err == COVEY_OK) {
        s->parts.digest[s->parts.count++] = digest;
        s->bytes += blob.len;
    }
    return err;
}

static covey_err put_piece(struct saving *s, size_t index)
{
    size_t len = covey__checkpoint_piece_bytes(&s->pieces, index);
    struct covey_buf room = {s->room, len};
    covey_pace_enter();
    covey_trainer_save_part(s->t->trainer, index * (size_t)COVEY_CHECKPOINT_PIECE, room);
    covey_err err = put(s, covey_bytes_of(s->room, len));
    covey_pace_leave();
    return err;
}

static covey_err put_paper(struct saving *s)
{
    uint8_t *paper = NULL;
    size_t len = 0;
    s->pieces.digests = s->parts.digest[0].bytes;
    /* Only this thread writes the record, so it may be read without the mutex. */
    covey_err err = covey__training_checkpoint_encode(&s->t->record, &s->pieces, &paper, &len);
    if (err == COVEY_OK) {
        err = put(s, covey_bytes_of(paper, len));
    }
    free(paper);
    return err;
}

static covey_err begin(struct saving *s)
{
    s->pieces.bytes = covey_trainer_state_bytes(s->t->trainer);
    covey_err err = covey__checkpoint_count(s->pieces.bytes, &s->pieces.count);
    if (err != COVEY_OK) {
        return err;
    }
    s->room = malloc(covey__checkpoint_piece_bytes(&s->pieces, 0));
    s->parts.digest = calloc(s->pieces.count + 1, sizeof(*s->parts.digest));
    return s->room != NULL && s->parts.digest != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

/* The last two stay; the one before them is of no use. */
static void keep(struct covey_training *t, struct covey_checkpoint_parts *parts)
{
    const struct covey_store *store = &t->services->store;
    struct covey_checkpoint_parts *oldest = &t->kept[1];
    covey__checkpoint_drop(store, oldest);
    covey__checkpoint_parts_done(oldest);
    t->kept[1] = t->kept[0];
    t->kept[0] = *parts;
}

covey_err covey__training_save(struct covey_training *t, struct covey_checkpoint_ref *out)
{
    struct saving s = {.t = t};
    covey_err err = begin(&s);
    for (size_t i = 0; i < s.pieces.count && err == COVEY_OK; i++) {
        err = is_dropped(t) ? COVEY_ERR_CLOSED : put_piece(&s, i);
    }
    if (err == COVEY_OK) {
        err = put_paper(&s);
    }
    free(s.room);
    if (err != COVEY_OK) {
        covey__checkpoint_drop(&t->services->store, &s.parts);
        covey__checkpoint_parts_done(&s.parts);
        return err;
    }
    *out = (struct covey_checkpoint_ref){.epoch = t->fence.epoch,
                                         .step = covey_trainer_steps(t->trainer),
                                         .digest = s.parts.digest[s.parts.count - 1],
                                         .len = s.bytes};
    keep(t, &s.parts);
    return COVEY_OK;
}

static covey_err load_piece(struct covey_training *t, const struct covey_checkpoint_pieces *pieces,
                            size_t index, uint8_t *room)
{
    size_t len = covey__checkpoint_piece_bytes(pieces, index);
    struct covey_digest digest = covey__checkpoint_piece(pieces, index);
    covey_err err = covey__store_get(&t->services->store, &digest, room, len);
    return err == COVEY_OK
               ? covey_trainer_load_part(t->trainer, index * (size_t)COVEY_CHECKPOINT_PIECE,
                                         covey_bytes_of(room, len))
               : err;
}

covey_err covey__training_restore(struct covey_training *t,
                                  const struct covey_checkpoint_pieces *pieces)
{
    if (pieces->bytes != covey_trainer_state_bytes(t->trainer)) {
        return COVEY_ERR_RANGE;
    }
    uint8_t *room = malloc(covey__checkpoint_piece_bytes(pieces, 0));
    covey_err err = room != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
    for (size_t i = 0; i < pieces->count && err == COVEY_OK; i++) {
        err = load_piece(t, pieces, i, room);
    }
    free(room);
    return err;
}
