/* SPDX-License-Identifier: MIT */
#include "train_checkpoint.h"

#include <stdlib.h>

#include "covey/crypto.h"

enum {
    VERSION = 1,
    DIGEST_BYTES = 32,
};

enum key {
    KEY_VERSION = 1,
    KEY_OPTIONS,
    KEY_DATA,
    KEY_MODEL,
    KEY_EPOCH,
    KEY_STEP,
    KEY_LOSS_SUM,
    KEY_SECONDS,
    KEY_CORRECT,
    KEY_HISTORY,
    KEY_STATE_BYTES,
    KEY_COUNT = KEY_STATE_BYTES,
};

static const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES] = {'C', 'O', 'V', 'E',
                                                                 'Y', 'C', 'K', 'P'};

static void put_progress(struct covey_cbor_writer *w, const struct covey__train_progress *p)
{
    covey_cbor_put_uint(w, KEY_EPOCH);
    covey_cbor_put_uint(w, p->epoch);
    covey_cbor_put_uint(w, KEY_STEP);
    covey_cbor_put_uint(w, p->step);
    covey_cbor_put_uint(w, KEY_LOSS_SUM);
    covey_cbor_put_float(w, p->loss_sum);
    covey_cbor_put_uint(w, KEY_SECONDS);
    covey_cbor_put_float(w, p->seconds);
    covey_cbor_put_uint(w, KEY_CORRECT);
    covey_cbor_put_uint(w, p->correct);
    covey_cbor_put_uint(w, KEY_HISTORY);
    covey_training_history_put(w, p->epoch, p->history);
}

static covey_err put_header(const struct covey__train_checkpoint *c, struct covey_buf out,
                            size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, KEY_COUNT);
    covey_cbor_put_uint(&w, KEY_VERSION);
    covey_cbor_put_uint(&w, VERSION);
    covey_cbor_put_uint(&w, KEY_OPTIONS);
    covey__train_options_put(&w, &c->options);
    covey_cbor_put_uint(&w, KEY_DATA);
    covey_cbor_put_bytes(&w, covey_bytes_of(c->data.bytes, sizeof(c->data.bytes)));
    covey_cbor_put_uint(&w, KEY_MODEL);
    covey_cbor_put_bytes(&w, covey_bytes_of(c->model.bytes, sizeof(c->model.bytes)));
    put_progress(&w, &c->progress);
    covey_cbor_put_uint(&w, KEY_STATE_BYTES);
    covey_cbor_put_uint(&w, c->state.len);
    return covey_cbor_writer_done(&w, out_len);
}

covey_err covey__train_checkpoint_encode(const struct covey__train_checkpoint *c, uint8_t **out,
                                         size_t *out_len)
{
    struct covey_buf none = {NULL, 0};
    struct covey_digest digest;
    size_t header = 0, total = 0;
    covey_err err = put_header(c, none, &header);
    if (err == COVEY_OK && header > COVEY_TRAINING_RECORD_MAX) {
        err = COVEY_ERR_LIMIT;
    }
    if (err == COVEY_OK) {
        err = covey_size_add(c->state.len, COVEY_TRAINING_RECORD_START + header + DIGEST_BYTES,
                             &total);
    }
    if (err != COVEY_OK) {
        return err;
    }
    uint8_t *file = malloc(total);
    if (file == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_training_start_put(file, magic, header);
    err = put_header(c, (struct covey_buf){file + COVEY_TRAINING_RECORD_START, header}, &header);
    if (err != COVEY_OK) {
        free(file);
        return err;
    }
    memcpy(file + COVEY_TRAINING_RECORD_START + header, c->state.ptr, c->state.len);
    covey_hash(&digest, covey_bytes_of(file, total - DIGEST_BYTES));
    memcpy(file + total - DIGEST_BYTES, digest.bytes, DIGEST_BYTES);
    *out = file;
    *out_len = total;
    return COVEY_OK;
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, void *user)
{
    struct covey__train_checkpoint *out = user;
    struct covey__train_progress *p = &out->progress;
    switch (key) {
    case KEY_VERSION:
        covey_training_version_get(r, VERSION);
        break;
    case KEY_OPTIONS:
        covey__train_options_get(r, &out->options);
        break;
    case KEY_DATA:
        covey_cbor_get_fixed(r, out->data.bytes, sizeof(out->data.bytes));
        break;
    case KEY_MODEL:
        covey_cbor_get_fixed(r, out->model.bytes, sizeof(out->model.bytes));
        break;
    case KEY_EPOCH:
        p->epoch = (uint32_t)covey_cbor_get_uint(r, COVEY_TRAINING_EPOCHS_MAX);
        break;
    case KEY_STEP:
        p->step = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_LOSS_SUM:
        p->loss_sum = covey_training_real_get(r);
        break;
    case KEY_SECONDS:
        p->seconds = covey_training_real_get(r);
        break;
    case KEY_CORRECT:
        p->correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_HISTORY:
        covey_training_history_get(r, p->epoch, p->history);
        break;
    case KEY_STATE_BYTES:
        out->state.len = (size_t)covey_cbor_get_uint(r, SIZE_MAX);
        break;
    default:
        r->err = COVEY_ERR_MALFORMED;
    }
}

covey_err covey__train_checkpoint_decode(struct covey_bytes file,
                                         struct covey__train_checkpoint *out)
{
    struct covey__train_checkpoint c = {.state = {NULL, 0}};
    struct covey_digest digest;
    struct covey_bytes header, state;
    if (file.len < COVEY_TRAINING_RECORD_START + DIGEST_BYTES) {
        return COVEY_ERR_MALFORMED;
    }
    struct covey_bytes body = covey_bytes_of(file.ptr, file.len - DIGEST_BYTES);
    covey_err err = covey_training_start_get(body, magic, &header, &state);
    if (err != COVEY_OK) {
        return err;
    }
    covey_hash(&digest, body);
    if (memcmp(digest.bytes, file.ptr + body.len, DIGEST_BYTES) != 0) {
        return COVEY_ERR_MALFORMED;
    }
    c.progress.history = calloc(COVEY_TRAINING_EPOCHS_MAX, sizeof(*c.progress.history));
    if (c.progress.history == NULL) {
        return COVEY_ERR_NOMEM;
    }
    /* In order: the history comes behind the epoch that says how long it is. */
    err = covey_training_keys_get(header, KEY_COUNT, get_field, &c);
    if (err == COVEY_OK && c.state.len != state.len) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err != COVEY_OK) {
        free(c.progress.history);
        return err == COVEY_ERR_UNSUPPORTED ? err : COVEY_ERR_MALFORMED;
    }
    c.state = state;
    *out = c;
    return COVEY_OK;
}
