/* SPDX-License-Identifier: MIT */
#include "covey/message_catalogue.h"

#include "covey/cbor.h"

/* Unknown keys are skipped: room for later ones. */
enum { MAP_MAX = 32 };

enum { KEY_TYPE, KEY_CERT, KEY_ENTRIES, KEYS = 3 };

enum {
    MODEL_PUBLISHER = 1,
    MODEL_SEQUENCE,
    MODEL_ID,
    MODEL_NAME,
    MODEL_BYTES,
    MODEL_INPUT,
    MODEL_OUTPUT,
    MODEL_REMOVED,
    MODEL_KEYS = MODEL_REMOVED,
};

enum { ENTRY_FIELDS = 2 };

/* ---- messages ---- */

static void get_entry(struct covey_cbor_reader *r, struct covey_catalogue_signed *out)
{
    size_t fields = covey_cbor_enter_array(r, ENTRY_FIELDS);
    out->body = covey_cbor_get_bytes(r, COVEY_CATALOGUE_BODY_MAX);
    out->signature = covey_cbor_get_bytes(r, COVEY_CATALOGUE_SIGNATURE);
    covey_cbor_leave(r);
    if (r->err == COVEY_OK &&
        (fields != ENTRY_FIELDS || out->signature.len != COVEY_CATALOGUE_SIGNATURE)) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static void get_type(struct covey_cbor_reader *r)
{
    uint64_t type = covey_cbor_get_uint(r, UINT16_MAX);
    if (r->err == COVEY_OK && type != COVEY_CATALOGUE_TYPE) {
        r->err = COVEY_ERR_UNSUPPORTED;
    }
}

covey_err covey_catalogue_decode(struct covey_bytes in, struct covey_catalogue_message *out)
{
    struct covey_cbor_reader r;
    struct covey_catalogue_message m = {.count = 0};
    uint64_t key = 0;
    unsigned seen = 0;
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        if (key == KEY_TYPE) {
            get_type(&r);
        } else if (key == KEY_CERT) {
            m.cert = covey_cbor_get_bytes(&r, COVEY_CERT_MAX);
        } else if (key == KEY_ENTRIES) {
            m.count = covey_cbor_enter_array(&r, COVEY_CATALOGUE_ENTRIES_MAX);
            for (size_t i = 0; i < m.count && r.err == COVEY_OK; i++) {
                get_entry(&r, &m.entry[i]);
            }
            covey_cbor_leave(&r);
        } else {
            covey_cbor_skip(&r);
            continue;
        }
        seen++;
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && (seen != KEYS || m.count == 0)) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = m;
    }
    return err;
}

covey_err covey_catalogue_encode(const struct covey_catalogue_message *message,
                                 struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    COVEY_ASSERT(message->count > 0 && message->count <= COVEY_CATALOGUE_ENTRIES_MAX);
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, KEYS);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, COVEY_CATALOGUE_TYPE);
    covey_cbor_put_uint(&w, KEY_CERT);
    covey_cbor_put_bytes(&w, message->cert);
    covey_cbor_put_uint(&w, KEY_ENTRIES);
    covey_cbor_put_array(&w, message->count);
    for (size_t i = 0; i < message->count; i++) {
        covey_cbor_put_array(&w, ENTRY_FIELDS);
        covey_cbor_put_bytes(&w, message->entry[i].body);
        covey_cbor_put_bytes(&w, message->entry[i].signature);
    }
    return covey_cbor_writer_done(&w, out_len);
}

/* ---- entries ---- */

static void put_dims(struct covey_cbor_writer *w, unsigned rank, const uint32_t *dims)
{
    COVEY_ASSERT(rank <= COVEY_RANK_MAX);
    covey_cbor_put_array(w, rank);
    for (unsigned i = 0; i < rank; i++) {
        covey_cbor_put_uint(w, dims[i]);
    }
}

static uint8_t get_dims(struct covey_cbor_reader *r, uint32_t dims[static COVEY_RANK_MAX])
{
    size_t rank = covey_cbor_enter_array(r, COVEY_RANK_MAX);
    for (size_t i = 0; i < rank && r->err == COVEY_OK; i++) {
        dims[i] = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
    }
    covey_cbor_leave(r);
    return r->err == COVEY_OK ? (uint8_t)rank : 0;
}

covey_err covey_catalogue_model_encode(const struct covey_catalogue_model *model,
                                       struct covey_buf out, size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, MODEL_KEYS);
    covey_cbor_put_uint(&w, MODEL_PUBLISHER);
    covey_cbor_put_bytes(&w,
                         covey_bytes_of(model->publisher.bytes, sizeof(model->publisher.bytes)));
    covey_cbor_put_uint(&w, MODEL_SEQUENCE);
    covey_cbor_put_uint(&w, model->sequence);
    covey_cbor_put_uint(&w, MODEL_ID);
    covey_cbor_put_bytes(&w, covey_bytes_of(model->id.bytes, sizeof(model->id.bytes)));
    covey_cbor_put_uint(&w, MODEL_NAME);
    covey_cbor_put_text(&w, model->name);
    covey_cbor_put_uint(&w, MODEL_BYTES);
    covey_cbor_put_uint(&w, model->bytes);
    covey_cbor_put_uint(&w, MODEL_INPUT);
    put_dims(&w, model->input_rank, model->input);
    covey_cbor_put_uint(&w, MODEL_OUTPUT);
    put_dims(&w, model->output_rank, model->output);
    covey_cbor_put_uint(&w, MODEL_REMOVED);
    covey_cbor_put_bool(&w, model->removed);
    return covey_cbor_writer_done(&w, out_len);
}

static bool get_field(struct covey_cbor_reader *r, uint64_t key, struct covey_catalogue_model *out)
{
    switch (key) {
    case MODEL_PUBLISHER:
        covey_cbor_get_fixed(r, out->publisher.bytes, sizeof(out->publisher.bytes));
        return true;
    case MODEL_SEQUENCE:
        out->sequence = covey_cbor_get_uint(r, UINT64_MAX);
        return true;
    case MODEL_ID:
        covey_cbor_get_fixed(r, out->id.bytes, sizeof(out->id.bytes));
        return true;
    case MODEL_NAME:
        covey_cbor_get_string(r, out->name, sizeof(out->name));
        return true;
    case MODEL_BYTES:
        out->bytes = covey_cbor_get_uint(r, UINT64_MAX);
        return true;
    case MODEL_INPUT:
        out->input_rank = get_dims(r, out->input);
        return true;
    case MODEL_OUTPUT:
        out->output_rank = get_dims(r, out->output);
        return true;
    case MODEL_REMOVED:
        out->removed = covey_cbor_get_bool(r);
        return true;
    default:
        covey_cbor_skip(r);
        return false;
    }
}

covey_err covey_catalogue_model_decode(struct covey_bytes in, struct covey_catalogue_model *out)
{
    struct covey_cbor_reader r;
    struct covey_catalogue_model m = {.sequence = 0};
    uint64_t key = 0;
    unsigned seen = 0;
    covey_cbor_reader_init(&r, in);
    (void)covey_cbor_enter_map(&r, MAP_MAX);
    while (covey_cbor_next_key(&r, &key)) {
        seen += get_field(&r, key, &m);
    }
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK && seen != MODEL_KEYS) {
        err = COVEY_ERR_MALFORMED;
    }
    if (err == COVEY_OK) {
        *out = m;
    }
    return err;
}
