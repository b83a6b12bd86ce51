/* SPDX-License-Identifier: MIT */
#include "covey/message_train.h"

#include "covey/cbor.h"

enum {
    KEY_TYPE,
    KEY_SESSION,
    KEY_EPOCH,
    KEY_ROUND,
    KEY_TASK,
    KEY_WORK,
    KEY_CREDIT,
    KEY_STATUS,
    KEY_SPEC,
    KEY_SPENT,
    KEY_COUNT,
};

#define BIT(key) (1U << (key))
#define FENCE (BIT(KEY_SESSION) | BIT(KEY_EPOCH))
#define TASK (FENCE | BIT(KEY_ROUND) | BIT(KEY_TASK) | BIT(KEY_WORK))

static unsigned keys_of(enum covey_train_type type)
{
    switch (type) {
    case COVEY_TRAIN_ENLIST:
        return FENCE | BIT(KEY_SPEC);
    case COVEY_TRAIN_PULL:
        return FENCE | BIT(KEY_CREDIT);
    case COVEY_TRAIN_ROUND:
        return FENCE | BIT(KEY_ROUND) | BIT(KEY_SPEC);
    case COVEY_TRAIN_TASK:
        return TASK | BIT(KEY_SPEC);
    case COVEY_TRAIN_RESULT:
        return TASK | BIT(KEY_STATUS) | BIT(KEY_SPENT);
    case COVEY_TRAIN_OVER:
        return FENCE | BIT(KEY_ROUND);
    case COVEY_TRAIN_DISMISS:
        return FENCE;
    case COVEY_TRAIN_NONE:
        break;
    }
    return 0;
}

static void get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_train_message *m)
{
    switch (key) {
    case KEY_SESSION:
        covey_cbor_get_fixed(r, m->fence.session.bytes, sizeof(m->fence.session.bytes));
        break;
    case KEY_EPOCH:
        m->fence.epoch = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_ROUND:
        m->round = covey_cbor_get_uint(r, UINT64_MAX);
        break;
    case KEY_TASK:
        m->task = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_WORK:
        m->work = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    case KEY_CREDIT:
        m->credit = (uint8_t)covey_cbor_get_uint(r, COVEY_WORKER_TASKS_MAX);
        break;
    case KEY_STATUS:
        m->status = (uint8_t)covey_cbor_get_uint(r, COVEY_TRAIN_REFUSED);
        break;
    case KEY_SPEC:
        m->spec = covey_cbor_get_bytes(r, COVEY_TASK_SPEC_MAX);
        break;
    case KEY_SPENT:
        m->spent_us = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        break;
    default:
        covey_cbor_skip(r);
        break;
    }
}

/* The type, which deterministic form puts first; NONE when it is not one of ours. */
static enum covey_train_type get_type(struct covey_cbor_reader *r)
{
    uint64_t key = 0;
    if (!covey_cbor_next_key(r, &key) || key != KEY_TYPE) {
        return COVEY_TRAIN_NONE;
    }
    uint64_t type = covey_cbor_get_uint(r, UINT64_MAX);
    return type < COVEY_TRAIN_ENLIST || type > COVEY_TRAIN_DISMISS ? COVEY_TRAIN_NONE
                                                                   : (enum covey_train_type)type;
}

covey_err covey_train_decode(struct covey_bytes in, struct covey_train_message *out)
{
    struct covey_cbor_reader r;
    struct covey_train_message m = {0};
    uint64_t key = 0;
    unsigned seen = 0;
    if (in.len > COVEY_CONTROL_MAX) {
        return COVEY_ERR_LIMIT;
    }
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, COVEY_WORK_KEYS_MAX);
    m.type = get_type(&r);
    if (m.type == COVEY_TRAIN_NONE) {
        return r.err != COVEY_OK ? r.err : COVEY_ERR_UNSUPPORTED;
    }
    unsigned wanted = keys_of(m.type);
    while (covey_cbor_next_key(&r, &key)) {
        if (key < KEY_COUNT && (wanted & BIT(key)) != 0) {
            get_field(&r, key, &m);
            seen |= BIT(key);
        } else {
            covey_cbor_skip(&r);
        }
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && seen != wanted) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = m;
    }
    return err;
}

static void put_field(struct covey_cbor_writer *w, unsigned key,
                      const struct covey_train_message *m)
{
    covey_cbor_put_uint(w, key);
    switch (key) {
    case KEY_SESSION:
        covey_cbor_put_bytes(
            w, covey_bytes_of(m->fence.session.bytes, sizeof(m->fence.session.bytes)));
        break;
    case KEY_EPOCH:
        covey_cbor_put_uint(w, m->fence.epoch);
        break;
    case KEY_ROUND:
        covey_cbor_put_uint(w, m->round);
        break;
    case KEY_TASK:
        covey_cbor_put_uint(w, m->task);
        break;
    case KEY_WORK:
        covey_cbor_put_uint(w, m->work);
        break;
    case KEY_CREDIT:
        covey_cbor_put_uint(w, m->credit);
        break;
    case KEY_STATUS:
        covey_cbor_put_uint(w, m->status);
        break;
    case KEY_SPEC:
        covey_cbor_put_bytes(w, m->spec);
        break;
    default:
        covey_cbor_put_uint(w, m->spent_us);
        break;
    }
}

covey_err covey_train_encode(const struct covey_train_message *message, struct covey_buf out,
                             size_t *out_len)
{
    struct covey_cbor_writer w;
    unsigned wanted = keys_of(message->type);
    size_t pairs = 1;
    if (wanted == 0) {
        return COVEY_ERR_UNSUPPORTED;
    }
    if (message->spec.len > COVEY_TASK_SPEC_MAX || message->credit > COVEY_WORKER_TASKS_MAX ||
        message->status > COVEY_TRAIN_REFUSED) {
        return COVEY_ERR_LIMIT; /* nobody would take it */
    }
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        pairs += (wanted & BIT(key)) != 0;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, pairs);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, (uint64_t)message->type);
    for (unsigned key = KEY_SESSION; key < KEY_COUNT; key++) {
        if ((wanted & BIT(key)) != 0) {
            put_field(&w, key, message);
        }
    }
    return covey_cbor_writer_done(&w, out_len);
}
