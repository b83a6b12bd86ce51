/* SPDX-License-Identifier: MIT */
#include "covey/training_history.h"

#include <math.h>

enum { EPOCH_FIELDS = 5 };

void covey_training_history_put(struct covey_cbor_writer *w, uint32_t epochs,
                                const struct covey_training_epoch *history)
{
    covey_cbor_put_array(w, epochs);
    for (uint32_t i = 0; i < epochs; i++) {
        const struct covey_training_epoch *e = &history[i];
        covey_cbor_put_array(w, EPOCH_FIELDS);
        covey_cbor_put_float(w, e->loss);
        covey_cbor_put_uint(w, e->correct);
        covey_cbor_put_uint(w, e->test_correct);
        covey_cbor_put_float(w, e->seconds);
        covey_cbor_put_float(w, e->test_seconds);
    }
}

/* What is not finite was never written. */
double covey_training_real_get(struct covey_cbor_reader *r)
{
    double value = covey_cbor_get_float(r);
    if (r->err == COVEY_OK && !isfinite(value)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    return value;
}

void covey_training_history_get(struct covey_cbor_reader *r, uint32_t epochs,
                                struct covey_training_epoch *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY_TRAINING_EPOCHS_MAX);
    if (r->err == COVEY_OK && count != epochs) {
        r->err = COVEY_ERR_MALFORMED;
    }
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        struct covey_training_epoch *e = &out[i];
        if (covey_cbor_enter_array(r, EPOCH_FIELDS) != EPOCH_FIELDS && r->err == COVEY_OK) {
            r->err = COVEY_ERR_MALFORMED;
        }
        e->loss = covey_training_real_get(r);
        e->correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        e->test_correct = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        e->seconds = covey_training_real_get(r);
        e->test_seconds = covey_training_real_get(r);
        covey_cbor_leave(r);
    }
    covey_cbor_leave(r);
}

void covey_training_version_get(struct covey_cbor_reader *r, unsigned version)
{
    if (covey_cbor_get_uint(r, UINT64_MAX) != version && r->err == COVEY_OK) {
        r->err = COVEY_ERR_UNSUPPORTED;
    }
}

covey_err covey_training_keys_get(struct covey_bytes record, size_t keys,
                                  void (*get)(struct covey_cbor_reader *r, uint64_t key,
                                              void *user),
                                  void *user)
{
    struct covey_cbor_reader r;
    uint64_t key = 0;
    covey_cbor_reader_init(&r, record);
    if (covey_cbor_enter_map(&r, keys) != keys && r.err == COVEY_OK) {
        return COVEY_ERR_MALFORMED;
    }
    while (covey_cbor_next_key(&r, &key)) {
        get(&r, key, user);
    }
    return covey_cbor_reader_done(&r);
}

void covey_training_start_put(uint8_t *out, const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES],
                              size_t record_len)
{
    memcpy(out, magic, COVEY_TRAINING_RECORD_MAGIC_BYTES);
    covey_store32(out + COVEY_TRAINING_RECORD_MAGIC_BYTES, (uint32_t)record_len);
}

covey_err covey_training_start_get(struct covey_bytes in,
                                   const uint8_t magic[COVEY_TRAINING_RECORD_MAGIC_BYTES],
                                   struct covey_bytes *out_record, struct covey_bytes *out_rest)
{
    if (in.len < COVEY_TRAINING_RECORD_START ||
        memcmp(in.ptr, magic, COVEY_TRAINING_RECORD_MAGIC_BYTES) != 0) {
        return COVEY_ERR_MALFORMED;
    }
    size_t record = covey_load32(in.ptr + COVEY_TRAINING_RECORD_MAGIC_BYTES);
    size_t room = in.len - COVEY_TRAINING_RECORD_START;
    if (record > room || record > COVEY_TRAINING_RECORD_MAX) {
        return COVEY_ERR_MALFORMED;
    }
    *out_record = covey_bytes_of(in.ptr + COVEY_TRAINING_RECORD_START, record);
    *out_rest = covey_bytes_of(in.ptr + COVEY_TRAINING_RECORD_START + record, room - record);
    return COVEY_OK;
}
