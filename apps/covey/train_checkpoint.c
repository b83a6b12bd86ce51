/* SPDX-License-Identifier: MIT */
#include "train_checkpoint.h"

#include <math.h>
#include <stdlib.h>

#include "covey/crypto.h"

enum {
    VERSION = 1,
    MAGIC_BYTES = 8,
    START_BYTES = MAGIC_BYTES + 4,
    DIGEST_BYTES = 32,
    HEADER_MAX = 1 << 20, /* 10,000 epochs take 400 kB, the texts 45 kB */
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

static const uint8_t magic[MAGIC_BYTES] = {'C', 'O', 'V', 'E', 'Y', 'C', 'K', 'P'};

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
    covey_cbor_put_array(w, p->epoch);
    for (uint32_t i = 0; i < p->epoch; i++) {
        const struct covey__train_epoch *e = &p->history[i];
        covey_cbor_put_array(w, 5);
        covey_cbor_put_float(w, e->loss);
        covey_cbor_put_uint(w, e->correct);
        covey_cbor_put_uint(w, e->test_correct);
        covey_cbor_put_float(w, e->seconds);
        covey_cbor_put_float(w, e->test_seconds);
    }
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
    if (err == COVEY_OK && header > HEADER_MAX) {
        err = COVEY_ERR_LIMIT;
    }
    if (err == COVEY_OK) {
        err = covey_size_add(c->state.len, START_BYTES + header + DIGEST_BYTES, &total);
    }
    if (err != COVEY_OK) {
        return err;
    }
    uint8_t *file = malloc(total);
    if (file == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memcpy(file, magic, MAGIC_BYTES);
    covey_store32(file + MAGIC_BYTES, (uint32_t)header);
    err = put_header(c, (struct covey_buf){file + START_BYTES, header}, &header);
    if (err != COVEY_OK) {
        free(file);
        return err;
    }
    memcpy(file + START_BYTES + header, c->state.ptr, c->state.len);
    covey_hash(&digest, covey_bytes_of(file, total - DIGEST_BYTES));
    memcpy(file + total - DIGEST_BYTES, digest.bytes, DIGEST_BYTES);
    *out = file;
    *out_len = total;
    return COVEY_OK;
}

/* A time or a sum; what is not finite was never written. */
static double get_real(struct covey_cbor_reader *r)
{
    double value = covey_cbor_get_float(r);
    if (r->err == COVEY_OK && !isfinite(value)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    return value;
}

static void get_history(struct covey_cbor_reader *r, struct covey__train_progress *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY__TRAIN_EPOCHS_MAX);
    if (r->err == COVEY_OK && count != out->epoch) {
        r->err = COVEY_ERR_MALFORMED;
    }
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        struct covey__train_epoch *e = &out->history[i];
        if (covey_cbor_enter_array(r, 5) != 5 && r->err == COVEY_OK) {
            r->err = COVEY_ERR_MALFORMED;
        }
        e->loss = get_real(r);
        e->correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        e->test_correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        e->seconds = get_real(r);
        e->test_seconds = get_real(r);
        covey_cbor_leave(r);
    }
    covey_cbor_leave(r);
}

static void get_field(struct covey_cbor_reader *r, uint64_t key,
                      struct covey__train_checkpoint *out)
{
    struct covey__train_progress *p = &out->progress;
    switch (key) {
    case KEY_VERSION:
        if (covey_cbor_get_uint(r, UINT64_MAX) != VERSION && r->err == COVEY_OK) {
            r->err = COVEY_ERR_UNSUPPORTED;
        }
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
        p->epoch = (uint32_t)covey_cbor_get_uint(r, COVEY__TRAIN_EPOCHS_MAX);
        break;
    case KEY_STEP:
        p->step = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_LOSS_SUM:
        p->loss_sum = get_real(r);
        break;
    case KEY_SECONDS:
        p->seconds = get_real(r);
        break;
    case KEY_CORRECT:
        p->correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_HISTORY:
        get_history(r, p);
        break;
    case KEY_STATE_BYTES:
        out->state.len = (size_t)covey_cbor_get_uint(r, SIZE_MAX);
        break;
    default:
        r->err = COVEY_ERR_MALFORMED;
    }
}

/* Every key once, in order: history comes behind the epoch that says how long it is. */
static covey_err get_header(struct covey_bytes header, struct covey__train_checkpoint *out)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, header);
    if (covey_cbor_enter_map(&r, KEY_COUNT) != KEY_COUNT && r.err == COVEY_OK) {
        return COVEY_ERR_MALFORMED;
    }
    while (covey_cbor_next_key(&r, &key)) {
        get_field(&r, key, out);
    }
    return covey_cbor_reader_done(&r);
}

covey_err covey__train_checkpoint_decode(struct covey_bytes file,
                                         struct covey__train_checkpoint *out)
{
    struct covey__train_checkpoint c = {.state = {NULL, 0}};
    struct covey_digest digest;
    if (file.len < START_BYTES + DIGEST_BYTES || memcmp(file.ptr, magic, MAGIC_BYTES) != 0) {
        return COVEY_ERR_MALFORMED;
    }
    size_t header = covey_load32(file.ptr + MAGIC_BYTES);
    size_t room = file.len - START_BYTES - DIGEST_BYTES;
    if (header > room || header > HEADER_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    covey_hash(&digest, covey_bytes_of(file.ptr, file.len - DIGEST_BYTES));
    if (memcmp(digest.bytes, file.ptr + file.len - DIGEST_BYTES, DIGEST_BYTES) != 0) {
        return COVEY_ERR_MALFORMED;
    }
    c.progress.history = calloc(COVEY__TRAIN_EPOCHS_MAX, sizeof(*c.progress.history));
    if (c.progress.history == NULL) {
        return COVEY_ERR_NOMEM;
    }
    covey_err err = get_header(covey_bytes_of(file.ptr + START_BYTES, header), &c);
    if (err == COVEY_OK && c.state.len != room - header) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err != COVEY_OK) {
        free(c.progress.history);
        return err == COVEY_ERR_UNSUPPORTED ? err : COVEY_ERR_MALFORMED;
    }
    c.state.ptr = file.ptr + START_BYTES + header;
    *out = c;
    return COVEY_OK;
}
