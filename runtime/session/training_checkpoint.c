/* SPDX-License-Identifier: MIT */
#include "training_checkpoint.h"

#include <math.h>
#include <stdlib.h>

enum { VERSION = 1, DIGEST = sizeof(struct covey_digest), STATE = sizeof(uint64_t) };

enum key {
    KEY_VERSION = 1,
    KEY_EPOCH,
    KEY_STEP,
    KEY_CORRECT,
    KEY_LOSS_SUM,
    KEY_SECONDS,
    KEY_HISTORY,
    KEY_STRIDE,
    KEY_SINCE,
    KEY_SINCE_SUM,
    KEY_CURVE,
    KEY_COUNT = KEY_CURVE,
};

static const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES] = {'C', 'O', 'V', 'E',
                                                                 'Y', 'T', 'C', 'P'};

covey_err covey__training_record_init(struct covey_training_record *r, uint32_t epochs)
{
    struct covey_training_record fresh = {.stride = 1};
    *r = fresh;
    r->history = calloc((size_t)epochs + 1, sizeof(*r->history));
    return r->history != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

void covey__training_record_done(struct covey_training_record *r)
{
    free(r->history);
    r->history = NULL;
}

static void add_point(struct covey_training_record *r, float point)
{
    if (r->points == COVEY_TRAINING_POINTS) {
        for (uint32_t i = 0; i < COVEY_TRAINING_POINTS / 2; i++) {
            r->curve[i] = 0.5f * (r->curve[2 * i] + r->curve[2 * i + 1]);
        }
        r->points = COVEY_TRAINING_POINTS / 2;
    }
    r->curve[r->points++] = point;
    if (r->points == COVEY_TRAINING_POINTS) {
        r->stride = r->stride <= UINT32_MAX / 2 ? 2 * r->stride : r->stride;
    }
}

void covey__training_record_step(struct covey_training_record *r, float loss, uint32_t correct,
                                 double seconds)
{
    r->loss_sum += (double)loss;
    r->correct += correct;
    r->seconds += seconds;
    r->step++;
    r->since_sum += (double)loss;
    r->since++;
    /* A full curve waits for a point of twice the steps: then it is halved. */
    if (r->since >= r->stride) {
        float point = (float)(r->since_sum / r->since);
        r->since = 0;
        r->since_sum = 0;
        add_point(r, point);
    }
}

void covey__training_record_epoch(struct covey_training_record *r, uint32_t test_correct,
                                  double test_seconds)
{
    struct covey_training_epoch *e = &r->history[r->epoch++];
    *e = (struct covey_training_epoch){.loss = r->loss_sum / r->step,
                                       .correct = r->correct,
                                       .test_correct = test_correct,
                                       .seconds = r->seconds,
                                       .test_seconds = test_seconds};
    r->step = r->correct = 0;
    r->loss_sum = r->seconds = 0;
}

covey_err covey__training_record_encode(const struct covey_training_record *r, struct covey_buf out,
                                        size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, KEY_COUNT);
    covey_cbor_put_uint(&w, KEY_VERSION);
    covey_cbor_put_uint(&w, VERSION);
    covey_cbor_put_uint(&w, KEY_EPOCH);
    covey_cbor_put_uint(&w, r->epoch);
    covey_cbor_put_uint(&w, KEY_STEP);
    covey_cbor_put_uint(&w, r->step);
    covey_cbor_put_uint(&w, KEY_CORRECT);
    covey_cbor_put_uint(&w, r->correct);
    covey_cbor_put_uint(&w, KEY_LOSS_SUM);
    covey_cbor_put_float(&w, r->loss_sum);
    covey_cbor_put_uint(&w, KEY_SECONDS);
    covey_cbor_put_float(&w, r->seconds);
    covey_cbor_put_uint(&w, KEY_HISTORY);
    covey_training_history_put(&w, r->epoch, r->history);
    covey_cbor_put_uint(&w, KEY_STRIDE);
    covey_cbor_put_uint(&w, r->stride);
    covey_cbor_put_uint(&w, KEY_SINCE);
    covey_cbor_put_uint(&w, r->since);
    covey_cbor_put_uint(&w, KEY_SINCE_SUM);
    covey_cbor_put_float(&w, r->since_sum);
    covey_cbor_put_uint(&w, KEY_CURVE);
    covey_cbor_put_array(&w, r->points);
    for (uint32_t i = 0; i < r->points; i++) {
        covey_cbor_put_float(&w, (double)r->curve[i]);
    }
    return covey_cbor_writer_done(&w, out_len);
}

static uint32_t get_u32(struct covey_cbor_reader *r, uint32_t max)
{
    return (uint32_t)covey_cbor_get_uint(r, max);
}

static void get_curve(struct covey_cbor_reader *r, struct covey_training_record *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY_TRAINING_POINTS);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        double point = covey_training_real_get(r);
        if (r->err == COVEY_OK && !(fabs(point) < 1e30)) {
            r->err = COVEY_ERR_RANGE;
            return;
        }
        out->curve[i] = (float)point;
    }
    out->points = r->err == COVEY_OK ? (uint32_t)count : 0;
    covey_cbor_leave(r);
}

/* What is read into, and the most epochs that it may tell of. */
struct reading {
    struct covey_training_record *record;
    uint32_t epochs;
};

static void get_field(struct covey_cbor_reader *r, uint64_t key, void *user)
{
    const struct reading *reading = user;
    struct covey_training_record *out = reading->record;
    switch (key) {
    case KEY_VERSION:
        covey_training_version_get(r, VERSION);
        break;
    case KEY_EPOCH:
        out->epoch = get_u32(r, reading->epochs);
        break;
    case KEY_STEP:
        out->step = get_u32(r, UINT32_MAX);
        break;
    case KEY_CORRECT:
        out->correct = get_u32(r, UINT32_MAX);
        break;
    case KEY_LOSS_SUM:
        out->loss_sum = covey_training_real_get(r);
        break;
    case KEY_SECONDS:
        out->seconds = covey_training_real_get(r);
        break;
    case KEY_HISTORY:
        covey_training_history_get(r, out->epoch, out->history);
        break;
    case KEY_STRIDE:
        out->stride = get_u32(r, UINT32_MAX);
        break;
    case KEY_SINCE:
        out->since = get_u32(r, UINT32_MAX);
        break;
    case KEY_SINCE_SUM:
        out->since_sum = covey_training_real_get(r);
        break;
    case KEY_CURVE:
        get_curve(r, out);
        break;
    default:
        r->err = COVEY_ERR_MALFORMED;
    }
}

/* Every key once, in order: the history comes behind the epoch that says how long it is. */
covey_err covey__training_record_decode(struct covey_bytes in, uint32_t epochs,
                                        struct covey_training_record *out)
{
    struct reading reading = {out, epochs};
    COVEY_ASSERT(epochs <= COVEY_TRAINING_EPOCHS_MAX);
    covey_err err = covey__training_record_init(out, epochs);
    if (err != COVEY_OK || in.len > COVEY_TRAINING_RECORD_MAX) {
        return err != COVEY_OK ? err : COVEY_ERR_LIMIT;
    }
    err = covey_training_keys_get(in, KEY_COUNT, get_field, &reading);
    return err == COVEY_OK && (out->stride == 0 || out->since > out->stride) ? COVEY_ERR_RANGE
                                                                             : err;
}

/* ---- the paper ---- */

covey_err covey__checkpoint_count(uint64_t bytes, size_t *out)
{
    const uint64_t most = (uint64_t)COVEY_CHECKPOINT_PIECES_MAX * COVEY_CHECKPOINT_PIECE;
    if (bytes == 0) {
        return COVEY_ERR_RANGE;
    }
    if (bytes > most) {
        return COVEY_ERR_LIMIT;
    }
    *out = (size_t)((bytes + COVEY_CHECKPOINT_PIECE - 1) / COVEY_CHECKPOINT_PIECE);
    return COVEY_OK;
}

size_t covey__checkpoint_piece_bytes(const struct covey_checkpoint_pieces *pieces, size_t index)
{
    COVEY_ASSERT(index < pieces->count);
    uint64_t left = pieces->bytes - (uint64_t)index * COVEY_CHECKPOINT_PIECE;
    return left < COVEY_CHECKPOINT_PIECE ? (size_t)left : COVEY_CHECKPOINT_PIECE;
}

struct covey_digest covey__checkpoint_piece(const struct covey_checkpoint_pieces *pieces,
                                            size_t index)
{
    struct covey_digest digest;
    COVEY_ASSERT(index < pieces->count);
    memcpy(digest.bytes, pieces->digests + index * DIGEST, DIGEST);
    return digest;
}

covey_err covey__training_checkpoint_encode(const struct covey_training_record *r,
                                            const struct covey_checkpoint_pieces *pieces,
                                            uint8_t **out, size_t *out_len)
{
    struct covey_buf none = {NULL, 0};
    size_t record = 0, written = 0, digests = pieces->count * DIGEST;
    covey_err err = covey__training_record_encode(r, none, &record);
    if (err == COVEY_OK && record > COVEY_TRAINING_RECORD_MAX) {
        err = COVEY_ERR_LIMIT;
    }
    if (err != COVEY_OK) {
        return err;
    }
    size_t len = COVEY_TRAINING_RECORD_START + record + STATE + digests;
    uint8_t *paper = malloc(len);
    if (paper == NULL) {
        return COVEY_ERR_NOMEM;
    }
    uint8_t *at = paper + COVEY_TRAINING_RECORD_START;
    covey_training_start_put(paper, magic, record);
    err = covey__training_record_encode(r, (struct covey_buf){at, record}, &written);
    if (err != COVEY_OK) {
        free(paper);
        return err;
    }
    covey_store64(at + record, pieces->bytes);
    memcpy(at + record + STATE, pieces->digests, digests);
    *out = paper;
    *out_len = len;
    return COVEY_OK;
}

covey_err covey__training_checkpoint_decode(struct covey_bytes paper,
                                            struct covey_bytes *out_record,
                                            struct covey_checkpoint_pieces *out)
{
    struct covey_bytes record, rest;
    struct covey_checkpoint_pieces pieces;
    covey_err err = covey_training_start_get(paper, magic, &record, &rest);
    if (err != COVEY_OK) {
        return err;
    }
    if (rest.len < STATE) {
        return COVEY_ERR_MALFORMED;
    }
    pieces.bytes = covey_load64(rest.ptr);
    pieces.digests = rest.ptr + STATE;
    err = covey__checkpoint_count(pieces.bytes, &pieces.count);
    if (err == COVEY_OK && rest.len - STATE != pieces.count * DIGEST) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out_record = record;
        *out = pieces;
    }
    return err;
}
