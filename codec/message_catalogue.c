/* SPDX-License-Identifier: MIT */
#include "covey/message_catalogue.h"

#include "message_fields.h"

enum { ENTRY_FIELDS = 2 };

/* ---- messages ---- */

static void get_type(struct covey_cbor_reader *r, void *whole)
{
    (void)whole;
    uint64_t type = covey_cbor_get_uint(r, UINT16_MAX);
    if (r->err == COVEY_OK && type != COVEY_CATALOGUE_TYPE) {
        r->err = COVEY_ERR_UNSUPPORTED;
    }
}

static void put_type(struct covey_cbor_writer *w, const void *whole)
{
    (void)whole;
    covey_cbor_put_uint(w, COVEY_CATALOGUE_TYPE);
}

static void get_entry(struct covey_cbor_reader *r, void *whole)
{
    struct covey_catalogue_signed *entry = whole;
    size_t fields = covey_cbor_enter_array(r, ENTRY_FIELDS);
    entry->body = covey_cbor_get_bytes(r, COVEY_CATALOGUE_BODY_MAX);
    entry->signature = covey_cbor_get_bytes(r, COVEY_CATALOGUE_SIGNATURE);
    covey_cbor_leave(r);
    if (r->err == COVEY_OK &&
        (fields != ENTRY_FIELDS || entry->signature.len != COVEY_CATALOGUE_SIGNATURE)) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static void put_entry(struct covey_cbor_writer *w, const void *whole)
{
    const struct covey_catalogue_signed *entry = whole;
    covey_cbor_put_array(w, ENTRY_FIELDS);
    covey_cbor_put_bytes(w, entry->body);
    covey_cbor_put_bytes(w, entry->signature);
}

static const struct covey__field entry_item = COVEY__OWN(0, get_entry, put_entry);
static const struct covey__field message_fields[] = {
    COVEY__OWN(COVEY__KEY_TYPE, get_type, put_type),
    COVEY__BYTES(1, struct covey_catalogue_message, cert, COVEY_CERT_MAX),
    COVEY__LIST(2, struct covey_catalogue_message, count, entry, &entry_item),
};
static const struct covey__fields messages = COVEY__FIELDS(message_fields);

covey_err covey_catalogue_decode(struct covey_bytes in, struct covey_catalogue_message *out)
{
    struct covey_catalogue_message m = {.count = 0};
    covey_err err = covey__map_decode(in, messages, &m);
    if (err == COVEY_OK && m.count == 0) {
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
    COVEY_ASSERT(message->count > 0 && message->count <= COVEY_CATALOGUE_ENTRIES_MAX);
    return covey__map_encode(messages, covey__fields_all(messages), message, out, out_len);
}

/* ---- entries ---- */

static const struct covey__field model_fields[] = {
    COVEY__FIXED(1, struct covey_catalogue_model, publisher.bytes),
    COVEY__NUMBER(2, struct covey_catalogue_model, sequence),
    COVEY__FIXED(3, struct covey_catalogue_model, id.bytes),
    COVEY__STRING(4, struct covey_catalogue_model, name),
    COVEY__NUMBER(5, struct covey_catalogue_model, bytes),
    COVEY__LIST(6, struct covey_catalogue_model, input_rank, input, &covey__item_u32),
    COVEY__LIST(7, struct covey_catalogue_model, output_rank, output, &covey__item_u32),
    COVEY__BOOL(8, struct covey_catalogue_model, removed),
};
static const struct covey__fields models = COVEY__FIELDS(model_fields);

covey_err covey_catalogue_model_encode(const struct covey_catalogue_model *model,
                                       struct covey_buf out, size_t *out_len)
{
    return covey__map_encode(models, covey__fields_all(models), model, out, out_len);
}

covey_err covey_catalogue_model_decode(struct covey_bytes in, struct covey_catalogue_model *out)
{
    struct covey_catalogue_model m = {.sequence = 0};
    covey_err err = covey__map_decode(in, models, &m);
    if (err == COVEY_OK) {
        *out = m;
    }
    return err;
}
