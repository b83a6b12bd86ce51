/* SPDX-License-Identifier: MIT
 *
 * message_control.c - control-socket messages: a map of type, id and the one part of that type.
 *
 * Records inside a part are arrays of fixed length: both ends are installed together. A failed
 * decode leaves the type NONE and the rest of the struct unspecified: it is too large for a copy.
 */
#include "covey/message_control.h"

#include "covey/cbor.h"
#include "message_control_private.h"

enum control_key {
    KEY_TYPE = 0,
    KEY_ID = 1,
    KEY_PART = 2,
};

enum {
    INFER_FIELDS = 9,
    ERROR_FIELDS = 2,
    STATUS_FIELDS = 6,
    MEMBER_FIELDS = 12,
    MODEL_FIELDS = 7,
    RESULT_FIELDS = 9,
    LAYER_FIELDS = 8,
    LAB_FIELDS = 3,
    LATENCY_FIELDS = 5,
    DETACH_FIELDS = 2,
};

/* ---- writing ---- */

static void put_id(struct covey_cbor_writer *w, const struct covey_node_id *id)
{
    covey_cbor_put_bytes(w, covey_bytes_of(id->bytes, sizeof(id->bytes)));
}

static void put_digest(struct covey_cbor_writer *w, const struct covey_digest *digest)
{
    covey_cbor_put_bytes(w, covey_bytes_of(digest->bytes, sizeof(digest->bytes)));
}

static void put_optional_id(struct covey_cbor_writer *w, bool has, const struct covey_node_id *id)
{
    if (has) {
        put_id(w, id);
    } else {
        covey_cbor_put_null(w);
    }
}

static void put_dims(struct covey_cbor_writer *w, unsigned rank, const uint32_t *dims)
{
    COVEY_ASSERT(rank <= COVEY_RANK_MAX);
    covey_cbor_put_array(w, rank);
    for (unsigned i = 0; i < rank; i++) {
        covey_cbor_put_uint(w, dims[i]);
    }
}

static void put_infer(struct covey_cbor_writer *w, const struct covey_control_infer *infer)
{
    covey_cbor_put_array(w, INFER_FIELDS);
    covey_cbor_put_text(w, infer->model);
    covey_cbor_put_uint(w, infer->devices);
    covey_cbor_put_uint(w, infer->parity);
    covey_cbor_put_bool(w, infer->trace);
    covey_cbor_put_uint(w, infer->timeout_ms);
    covey_cbor_put_bool(w, infer->coded_all);
    covey_cbor_put_bool(w, infer->half);
    covey_cbor_put_uint(w, infer->batch);
    covey_cbor_put_bool(w, infer->exact);
}

static void put_error(struct covey_cbor_writer *w, const struct covey_control_error *error)
{
    covey_cbor_put_array(w, ERROR_FIELDS);
    covey_cbor_put_uint(w, (uint64_t)error->code);
    covey_cbor_put_text(w, error->text);
}

static void put_member(struct covey_cbor_writer *w, const struct covey_control_member *m)
{
    covey_cbor_put_array(w, MEMBER_FIELDS);
    put_id(w, &m->id);
    covey_cbor_put_text(w, m->name);
    covey_cbor_put_text(w, m->address);
    covey_cbor_put_uint(w, m->tier);
    covey_cbor_put_uint(w, m->trust);
    covey_cbor_put_uint(w, m->state);
    covey_cbor_put_uint(w, m->rtt_us);
    covey_cbor_put_uint(w, m->mflops);
    covey_cbor_put_uint(w, m->memory_bytes);
    covey_cbor_put_bool(w, m->self);
    covey_cbor_put_bool(w, m->channel);
    covey_cbor_put_bool(w, m->lied);
}

static void put_status(struct covey_cbor_writer *w, const struct covey_control_status *status)
{
    COVEY_ASSERT(status->member_count <= COVEY_MEMBERS_MAX);
    covey_cbor_put_array(w, STATUS_FIELDS);
    covey_cbor_put_text(w, status->version);
    put_optional_id(w, status->has_coordinator, &status->coordinator);
    covey_cbor_put_uint(w, status->term);
    covey_cbor_put_uint(w, status->sessions);
    covey_cbor_put_uint(w, status->sessions_redundant);
    covey_cbor_put_array(w, status->member_count);
    for (size_t i = 0; i < status->member_count; i++) {
        put_member(w, &status->member[i]);
    }
}

static void put_models(struct covey_cbor_writer *w, const struct covey_control_models *models)
{
    COVEY_ASSERT(models->count <= COVEY_CONTROL_MODELS_MAX);
    covey_cbor_put_array(w, models->count);
    for (size_t i = 0; i < models->count; i++) {
        const struct covey_control_model *m = &models->model[i];
        covey_cbor_put_array(w, MODEL_FIELDS);
        put_digest(w, &m->id);
        covey_cbor_put_text(w, m->name);
        covey_cbor_put_uint(w, m->bytes);
        put_dims(w, m->input_rank, m->input);
        put_dims(w, m->output_rank, m->output);
        covey_cbor_put_text(w, m->publisher);
        covey_cbor_put_bool(w, m->here);
    }
}

static void put_result(struct covey_cbor_writer *w, const struct covey_control_result *result)
{
    COVEY_ASSERT(result->layer_count <= COVEY_LAYERS_MAX &&
                 result->liar_count <= COVEY_CONTROL_LIARS_MAX);
    covey_cbor_put_array(w, RESULT_FIELDS);
    covey_cbor_put_uint(w, result->elapsed_us);
    covey_cbor_put_uint(w, result->devices);
    covey_cbor_put_uint(w, result->recovered_dead);
    covey_cbor_put_uint(w, result->recovered_late);
    covey_cbor_put_uint(w, result->plan_version);
    covey_cbor_put_bool(w, result->checked);
    covey_cbor_put_array(w, result->liar_count);
    for (size_t i = 0; i < result->liar_count; i++) {
        put_id(w, &result->liar[i]);
    }
    put_dims(w, result->output_rank, result->output);
    covey_cbor_put_array(w, result->layer_count);
    for (size_t i = 0; i < result->layer_count; i++) {
        const struct covey_control_layer *l = &result->layer[i];
        covey_cbor_put_array(w, LAYER_FIELDS);
        covey_cbor_put_text(w, l->name);
        covey_cbor_put_uint(w, l->mode);
        covey_cbor_put_uint(w, l->units);
        covey_cbor_put_uint(w, l->parity_units);
        covey_cbor_put_uint(w, l->recovered_dead);
        covey_cbor_put_uint(w, l->recovered_late);
        covey_cbor_put_uint(w, l->us);
        covey_cbor_put_uint(w, l->predicted_us);
    }
}

static void put_lab(struct covey_cbor_writer *w, const struct covey_control_lab *lab)
{
    covey_cbor_put_array(w, LAB_FIELDS);
    covey_cbor_put_uint(w, lab->delay_ms);
    covey_cbor_put_uint(w, lab->lie_percent);
    covey_cbor_put_array(w, LATENCY_FIELDS);
    covey_cbor_put_uint(w, lab->latency.kind);
    covey_cbor_put_uint(w, lab->latency.a_us);
    covey_cbor_put_uint(w, lab->latency.b_us);
    covey_cbor_put_uint(w, lab->latency.device);
    covey_cbor_put_uint(w, lab->latency.seed);
}

/* False: the type has no part. */
static bool put_part(struct covey_cbor_writer *w, const struct covey_control *message)
{
    switch (message->type) {
    case COVEY_CONTROL_BLOB_PUT:
    case COVEY_CONTROL_MODEL_GET:
    case COVEY_CONTROL_BLOB_GET:
    case COVEY_CONTROL_MODEL_REMOVE:
    case COVEY_CONTROL_DONE:
        put_digest(w, &message->digest);
        return true;
    case COVEY_CONTROL_INFER:
    case COVEY_CONTROL_PLAN:
        put_infer(w, &message->infer);
        return true;
    case COVEY_CONTROL_ERROR:
        put_error(w, &message->error);
        return true;
    case COVEY_CONTROL_STATUS_REPLY:
        put_status(w, &message->status);
        return true;
    case COVEY_CONTROL_MODEL_LIST_REPLY:
        put_models(w, &message->models);
        return true;
    case COVEY_CONTROL_INFER_REPLY:
        put_result(w, &message->result);
        return true;
    case COVEY_CONTROL_PLAN_REPLY:
        covey__control_put_plan(w, &message->plan);
        return true;
    case COVEY_CONTROL_LAB:
        put_lab(w, &message->lab);
        return true;
    case COVEY_CONTROL_DETACH:
        covey_cbor_put_array(w, DETACH_FIELDS);
        covey_cbor_put_text(w, message->name);
        put_infer(w, &message->infer);
        return true;
    case COVEY_CONTROL_SESSION_GET:
    case COVEY_CONTROL_SESSION_STOP:
    case COVEY_CONTROL_TRAIN_WATCH:
    case COVEY_CONTROL_TRAIN_RESUME:
        covey_cbor_put_text(w, message->name);
        return true;
    case COVEY_CONTROL_SESSIONS_REPLY:
        covey__control_put_sessions(w, &message->sessions);
        return true;
    case COVEY_CONTROL_NONE:
    case COVEY_CONTROL_STATUS:
    case COVEY_CONTROL_BLOB_HAVE:
    case COVEY_CONTROL_MODEL_PUT:
    case COVEY_CONTROL_MODEL_LIST:
    case COVEY_CONTROL_BLOB_HAVE_REPLY:
    case COVEY_CONTROL_MODEL_GET_REPLY:
    case COVEY_CONTROL_BLOB_GET_REPLY:
    case COVEY_CONTROL_SESSIONS:
    case COVEY_CONTROL_SESSION_GET_REPLY:
    case COVEY_CONTROL_TRAIN:
    case COVEY_CONTROL_PRODUCT:
    case COVEY_CONTROL_TRAIN_PROGRESS:
    case COVEY_CONTROL_PRODUCT_REPLY:
        break;
    }
    return false;
}

/* Types that are no more than their name; put_part() refuses them. */
static bool has_part(enum covey_control_type type)
{
    switch ((int)type) {
    case COVEY_CONTROL_NONE:
    case COVEY_CONTROL_STATUS:
    case COVEY_CONTROL_BLOB_HAVE:
    case COVEY_CONTROL_MODEL_PUT:
    case COVEY_CONTROL_MODEL_LIST:
    case COVEY_CONTROL_BLOB_HAVE_REPLY:
    case COVEY_CONTROL_MODEL_GET_REPLY:
    case COVEY_CONTROL_BLOB_GET_REPLY:
    case COVEY_CONTROL_SESSIONS:
    case COVEY_CONTROL_SESSION_GET_REPLY:
    case COVEY_CONTROL_TRAIN:
    case COVEY_CONTROL_PRODUCT:
    case COVEY_CONTROL_TRAIN_PROGRESS:
    case COVEY_CONTROL_PRODUCT_REPLY:
        return false;
    default:
        return true;
    }
}

covey_err covey_control_encode(const struct covey_control *message, struct covey_buf out,
                               size_t *out_len)
{
    struct covey_cbor_writer w;
    covey_cbor_writer_init(&w, out);
    bool part = has_part(message->type);
    covey_cbor_put_map(&w, part ? 3 : 2);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, (uint64_t)message->type);
    covey_cbor_put_uint(&w, KEY_ID);
    covey_cbor_put_uint(&w, message->id);
    if (part) {
        covey_cbor_put_uint(&w, KEY_PART);
        part = put_part(&w, message);
        COVEY_ASSERT(part);
    }
    return covey_cbor_writer_done(&w, out_len);
}

/* ---- reading ---- */

void covey__control_enter(struct covey_cbor_reader *r, size_t fields)
{
    size_t count = covey_cbor_enter_array(r, fields);
    if (r->err == COVEY_OK && count != fields) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static uint8_t get_u8(struct covey_cbor_reader *r)
{
    return (uint8_t)covey_cbor_get_uint(r, UINT8_MAX);
}

static uint16_t get_u16(struct covey_cbor_reader *r)
{
    return (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
}

static uint32_t get_u32(struct covey_cbor_reader *r)
{
    return (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
}

/* As covey_cbor_get_string(), but may be empty: it goes to a terminal, so no control characters. */
void covey__control_get_line(struct covey_cbor_reader *r, char *out, size_t cap)
{
    struct covey_bytes text = covey_cbor_get_text(r, cap - 1);
    for (size_t i = 0; i < text.len && r->err == COVEY_OK; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            r->err = COVEY_ERR_MALFORMED;
        }
    }
    if (r->err != COVEY_OK) {
        return;
    }
    if (text.len > 0) {
        memcpy(out, text.ptr, text.len);
    }
    out[text.len] = 0;
}

static void get_id(struct covey_cbor_reader *r, struct covey_node_id *out)
{
    covey_cbor_get_fixed(r, out->bytes, sizeof(out->bytes));
}

static bool get_optional_id(struct covey_cbor_reader *r, struct covey_node_id *out)
{
    if (covey_cbor_peek(r) == COVEY_CBOR_NULL) {
        covey_cbor_get_null(r);
        return false;
    }
    get_id(r, out);
    return true;
}

static uint8_t get_dims(struct covey_cbor_reader *r, uint32_t dims[static COVEY_RANK_MAX])
{
    size_t rank = covey_cbor_enter_array(r, COVEY_RANK_MAX);
    for (size_t i = 0; i < rank && r->err == COVEY_OK; i++) {
        dims[i] = get_u32(r);
    }
    covey_cbor_leave(r);
    return r->err == COVEY_OK ? (uint8_t)rank : 0;
}

static void get_infer(struct covey_cbor_reader *r, struct covey_control_infer *out)
{
    covey__control_enter(r, INFER_FIELDS);
    covey_cbor_get_string(r, out->model, sizeof(out->model));
    out->devices = get_u8(r);
    out->parity = (uint8_t)covey_cbor_get_uint(r, COVEY_PARITY_MAX);
    out->trace = covey_cbor_get_bool(r);
    out->timeout_ms = get_u32(r);
    out->coded_all = covey_cbor_get_bool(r);
    out->half = covey_cbor_get_bool(r);
    out->batch = (uint16_t)covey_cbor_get_uint(r, COVEY_BATCH_MAX);
    out->exact = covey_cbor_get_bool(r);
    covey_cbor_leave(r);
}

static void get_error(struct covey_cbor_reader *r, struct covey_control_error *out)
{
    covey__control_enter(r, ERROR_FIELDS);
    out->code = (covey_err)get_u16(r);
    covey__control_get_line(r, out->text, sizeof(out->text));
    covey_cbor_leave(r);
}

static void get_member(struct covey_cbor_reader *r, struct covey_control_member *out)
{
    covey__control_enter(r, MEMBER_FIELDS);
    get_id(r, &out->id);
    covey__control_get_line(r, out->name, sizeof(out->name));
    covey__control_get_line(r, out->address, sizeof(out->address));
    out->tier = get_u8(r);
    out->trust = get_u8(r);
    out->state = get_u8(r);
    out->rtt_us = get_u32(r);
    out->mflops = get_u32(r);
    out->memory_bytes = covey_cbor_get_uint(r, UINT64_MAX);
    out->self = covey_cbor_get_bool(r);
    out->channel = covey_cbor_get_bool(r);
    out->lied = covey_cbor_get_bool(r);
    covey_cbor_leave(r);
}

static void get_status(struct covey_cbor_reader *r, struct covey_control_status *out)
{
    covey__control_enter(r, STATUS_FIELDS);
    covey__control_get_line(r, out->version, sizeof(out->version));
    out->has_coordinator = get_optional_id(r, &out->coordinator);
    out->term = covey_cbor_get_uint(r, UINT64_MAX);
    out->sessions = get_u32(r);
    out->sessions_redundant = get_u32(r);
    size_t count = covey_cbor_enter_array(r, COVEY_MEMBERS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        get_member(r, &out->member[i]);
    }
    out->member_count = (uint16_t)count;
    covey_cbor_leave(r);
    covey_cbor_leave(r);
}

static void get_models(struct covey_cbor_reader *r, struct covey_control_models *out)
{
    size_t count = covey_cbor_enter_array(r, COVEY_CONTROL_MODELS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        struct covey_control_model *m = &out->model[i];
        covey__control_enter(r, MODEL_FIELDS);
        covey_cbor_get_fixed(r, m->id.bytes, sizeof(m->id.bytes));
        covey__control_get_line(r, m->name, sizeof(m->name));
        m->bytes = covey_cbor_get_uint(r, UINT64_MAX);
        m->input_rank = get_dims(r, m->input);
        m->output_rank = get_dims(r, m->output);
        covey__control_get_line(r, m->publisher, sizeof(m->publisher));
        m->here = covey_cbor_get_bool(r);
        covey_cbor_leave(r);
    }
    out->count = (uint16_t)count;
    covey_cbor_leave(r);
}

static void get_result(struct covey_cbor_reader *r, struct covey_control_result *out)
{
    covey__control_enter(r, RESULT_FIELDS);
    out->elapsed_us = get_u32(r);
    out->devices = get_u8(r);
    out->recovered_dead = get_u16(r);
    out->recovered_late = get_u16(r);
    out->plan_version = get_u32(r);
    out->checked = covey_cbor_get_bool(r);
    size_t liars = covey_cbor_enter_array(r, COVEY_CONTROL_LIARS_MAX);
    for (size_t i = 0; i < liars && r->err == COVEY_OK; i++) {
        get_id(r, &out->liar[i]);
    }
    out->liar_count = (uint8_t)liars;
    covey_cbor_leave(r);
    out->output_rank = get_dims(r, out->output);
    size_t count = covey_cbor_enter_array(r, COVEY_LAYERS_MAX);
    for (size_t i = 0; i < count && r->err == COVEY_OK; i++) {
        struct covey_control_layer *l = &out->layer[i];
        covey__control_enter(r, LAYER_FIELDS);
        covey__control_get_line(r, l->name, sizeof(l->name));
        l->mode = (uint8_t)covey_cbor_get_uint(r, COVEY_CONTROL_EXACT);
        l->units = get_u16(r);
        l->parity_units = get_u16(r);
        l->recovered_dead = get_u16(r);
        l->recovered_late = get_u16(r);
        l->us = get_u32(r);
        l->predicted_us = get_u32(r);
        covey_cbor_leave(r);
    }
    out->layer_count = (uint16_t)count;
    covey_cbor_leave(r);
    covey_cbor_leave(r);
}

static void get_lab(struct covey_cbor_reader *r, struct covey_control_lab *out)
{
    covey__control_enter(r, LAB_FIELDS);
    out->delay_ms = get_u32(r);
    out->lie_percent = (uint8_t)covey_cbor_get_uint(r, 100);
    covey__control_enter(r, LATENCY_FIELDS);
    struct covey_latency *latency = &out->latency;
    latency->kind = (enum covey_latency_kind)covey_cbor_get_uint(r, COVEY_LATENCY_EXPONENTIAL);
    latency->a_us = get_u32(r);
    latency->b_us = get_u32(r);
    latency->device = get_u32(r);
    latency->seed = covey_cbor_get_uint(r, UINT64_MAX);
    covey_cbor_leave(r);
    covey_cbor_leave(r);
}

/* Unknown types are refused here. */
static void get_part(struct covey_cbor_reader *r, struct covey_control *out)
{
    switch (out->type) {
    case COVEY_CONTROL_BLOB_PUT:
    case COVEY_CONTROL_MODEL_GET:
    case COVEY_CONTROL_BLOB_GET:
    case COVEY_CONTROL_MODEL_REMOVE:
    case COVEY_CONTROL_DONE:
        covey_cbor_get_fixed(r, out->digest.bytes, sizeof(out->digest.bytes));
        return;
    case COVEY_CONTROL_INFER:
    case COVEY_CONTROL_PLAN:
        get_infer(r, &out->infer);
        return;
    case COVEY_CONTROL_ERROR:
        get_error(r, &out->error);
        return;
    case COVEY_CONTROL_STATUS_REPLY:
        get_status(r, &out->status);
        return;
    case COVEY_CONTROL_MODEL_LIST_REPLY:
        get_models(r, &out->models);
        return;
    case COVEY_CONTROL_INFER_REPLY:
        get_result(r, &out->result);
        return;
    case COVEY_CONTROL_PLAN_REPLY:
        covey__control_get_plan(r, &out->plan);
        return;
    case COVEY_CONTROL_LAB:
        get_lab(r, &out->lab);
        return;
    case COVEY_CONTROL_DETACH:
        covey__control_enter(r, DETACH_FIELDS);
        covey_cbor_get_string(r, out->name, sizeof(out->name));
        get_infer(r, &out->infer);
        covey_cbor_leave(r);
        return;
    case COVEY_CONTROL_SESSION_GET:
    case COVEY_CONTROL_SESSION_STOP:
    case COVEY_CONTROL_TRAIN_WATCH:
    case COVEY_CONTROL_TRAIN_RESUME:
        covey_cbor_get_string(r, out->name, sizeof(out->name));
        return;
    case COVEY_CONTROL_SESSIONS_REPLY:
        covey__control_get_sessions(r, &out->sessions);
        return;
    case COVEY_CONTROL_NONE:
    case COVEY_CONTROL_STATUS:
    case COVEY_CONTROL_BLOB_HAVE:
    case COVEY_CONTROL_MODEL_PUT:
    case COVEY_CONTROL_MODEL_LIST:
    case COVEY_CONTROL_BLOB_HAVE_REPLY:
    case COVEY_CONTROL_MODEL_GET_REPLY:
    case COVEY_CONTROL_BLOB_GET_REPLY:
    case COVEY_CONTROL_SESSIONS:
    case COVEY_CONTROL_SESSION_GET_REPLY:
    case COVEY_CONTROL_TRAIN:
    case COVEY_CONTROL_PRODUCT:
    case COVEY_CONTROL_TRAIN_PROGRESS:
    case COVEY_CONTROL_PRODUCT_REPLY:
        r->err = COVEY_ERR_MALFORMED;
        return;
    }
}

static bool known_type(uint64_t type)
{
    return (type >= COVEY_CONTROL_STATUS && type <= COVEY_CONTROL_TRAIN_RESUME) ||
           type == COVEY_CONTROL_LAB ||
           (type >= COVEY_CONTROL_DONE && type <= COVEY_CONTROL_PRODUCT_REPLY);
}

static void get_message(struct covey_cbor_reader *r, struct covey_control *out)
{
    enum { KEYS_MAX = 16 };
    uint64_t key = 0;
    unsigned seen = 0;
    (void)covey_cbor_enter_map(r, KEYS_MAX);
    while (covey_cbor_next_key(r, &key)) {
        if (key == KEY_TYPE) {
            uint64_t type = covey_cbor_get_uint(r, UINT16_MAX);
            if (r->err == COVEY_OK && !known_type(type)) {
                r->err = COVEY_ERR_UNSUPPORTED;
                return;
            }
            out->type = (enum covey_control_type)type;
        } else if (key == KEY_ID) {
            out->id = get_u32(r);
        } else if (key == KEY_PART) {
            get_part(r, out);
        } else {
            covey_cbor_skip(r);
            continue;
        }
        seen |= 1U << key;
    }
    unsigned needed = 1U << KEY_TYPE | 1U << KEY_ID;
    needed |= has_part(out->type) ? 1U << KEY_PART : 0;
    if (r->err == COVEY_OK && (seen & needed) != needed) {
        r->err = COVEY_ERR_MALFORMED;
    }
}

covey_err covey_control_decode(struct covey_bytes in, struct covey_control *out)
{
    struct covey_cbor_reader r;
    covey_cbor_reader_init(&r, in);
    out->type = COVEY_CONTROL_NONE;
    get_message(&r, out);
    covey_err err = covey_cbor_reader_done(&r);
    if (err != COVEY_OK) {
        out->type = COVEY_CONTROL_NONE;
    }
    return err;
}
