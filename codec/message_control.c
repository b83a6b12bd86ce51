/* SPDX-License-Identifier: MIT
 *
 * message_control.c - control-socket messages: a map of type, id and the one part of that type.
 *
 * Records inside a part are arrays of fixed length: both ends are installed together. A failed
 * decode leaves the type NONE and the rest of the struct unspecified: it is too large for a copy.
 */
#include "covey/message_control.h"

#include "message_control_private.h"

enum control_key {
    KEY_TYPE = 0,
    KEY_ID = 1,
    KEY_PART = 2,
};

static const struct covey__field infer[] = {
    CONTROL_STRING(infer, model),
    CONTROL_NUMBER(infer, devices),
    CONTROL_UINT(infer, parity, COVEY_PARITY_MAX),
    CONTROL_BOOL(infer, trace),
    CONTROL_NUMBER(infer, timeout_ms),
    CONTROL_BOOL(infer, coded_all),
    CONTROL_BOOL(infer, half),
    CONTROL_UINT(infer, batch, COVEY_BATCH_MAX),
    CONTROL_BOOL(infer, exact),
    CONTROL_BOOL(infer, check_all),
};

static const struct covey__field error[] = {
    CONTROL_UINT(error, code, UINT16_MAX),
    CONTROL_LINE(error, text),
};

static const struct covey__field member[] = {
    CONTROL_FIXED(member, id),
    CONTROL_LINE(member, name),
    CONTROL_LINE(member, address),
    CONTROL_NUMBER(member, tier),
    CONTROL_NUMBER(member, trust),
    CONTROL_NUMBER(member, state),
    CONTROL_NUMBER(member, rtt_us),
    CONTROL_NUMBER(member, mflops),
    CONTROL_NUMBER(member, memory_bytes),
    CONTROL_BOOL(member, self),
    CONTROL_BOOL(member, channel),
    CONTROL_BOOL(member, lied),
};
static const struct covey__field member_item = COVEY__ITEM(member);

static const struct covey__field status[] = {
    CONTROL_LINE(status, version),
    CONTROL_OPTIONAL(status, has_coordinator, coordinator, &covey__item_id),
    CONTROL_NUMBER(status, term),
    CONTROL_NUMBER(status, sessions),
    CONTROL_NUMBER(status, sessions_redundant),
    CONTROL_NUMBER(status, fetched_owner),
    CONTROL_NUMBER(status, fetched_others),
    CONTROL_LIST(status, member_count, member, &member_item),
};

static const struct covey__field model[] = {
    CONTROL_FIXED(model, id),
    CONTROL_LINE(model, name),
    CONTROL_NUMBER(model, bytes),
    CONTROL_LIST(model, input_rank, input, &covey__item_u32),
    CONTROL_LIST(model, output_rank, output, &covey__item_u32),
    CONTROL_LINE(model, publisher),
    CONTROL_BOOL(model, here),
};
static const struct covey__field model_item = COVEY__ITEM(model);

static const struct covey__field layer[] = {
    CONTROL_LINE(layer, name),
    CONTROL_UINT(layer, mode, COVEY_CONTROL_ROWS),
    CONTROL_NUMBER(layer, units),
    CONTROL_NUMBER(layer, parity_units),
    CONTROL_NUMBER(layer, recovered_dead),
    CONTROL_NUMBER(layer, recovered_late),
    CONTROL_NUMBER(layer, fed),
    CONTROL_NUMBER(layer, us),
    CONTROL_NUMBER(layer, predicted_us),
};
static const struct covey__field layer_item = COVEY__ITEM(layer);

static const struct covey__field result[] = {
    CONTROL_NUMBER(result, elapsed_us),
    CONTROL_NUMBER(result, devices),
    CONTROL_NUMBER(result, recovered_dead),
    CONTROL_NUMBER(result, recovered_late),
    CONTROL_NUMBER(result, plan_version),
    CONTROL_NUMBER(result, predicted_us),
    CONTROL_BOOL(result, checked),
    CONTROL_LIST(result, liar_count, liar, &covey__item_id),
    CONTROL_LIST(result, output_rank, output, &covey__item_u32),
    CONTROL_LIST(result, layer_count, layer, &layer_item),
};

static const struct covey__field latency[] = {
    COVEY__UINT(0, struct covey_latency, kind, COVEY_LATENCY_EXPONENTIAL),
    COVEY__NUMBER(0, struct covey_latency, a_us),
    COVEY__NUMBER(0, struct covey_latency, b_us),
    COVEY__NUMBER(0, struct covey_latency, device),
    COVEY__NUMBER(0, struct covey_latency, seed),
};

static const struct covey__field lab[] = {
    CONTROL_NUMBER(lab, delay_ms),
    CONTROL_UINT(lab, lie_percent, 100),
    CONTROL_RECORD(lab, latency, latency),
};

/* ---- the part of each type ---- */

static const struct covey__field digest_part = COVEY__FIXED(0, struct covey_control, digest.bytes);
static const struct covey__field model_get[] = {
    COVEY__FIXED(0, struct covey_control, digest.bytes),
    COVEY__NUMBER(0, struct covey_control, wait_ms),
};
static const struct covey__field model_get_part = COVEY__ITEM(model_get);
static const struct covey__field infer_part = COVEY__RECORD(0, struct covey_control, infer, infer);
static const struct covey__field error_part = COVEY__RECORD(0, struct covey_control, error, error);
static const struct covey__field status_part =
    COVEY__RECORD(0, struct covey_control, status, status);
static const struct covey__field models_part =
    COVEY__LIST(0, struct covey_control, models.count, models.model, &model_item);
static const struct covey__field result_part =
    COVEY__RECORD(0, struct covey_control, result, result);
static const struct covey__field lab_part = COVEY__RECORD(0, struct covey_control, lab, lab);
static const struct covey__field name_part = COVEY__STRING(0, struct covey_control, name);
static const struct covey__field detach[] = {
    COVEY__STRING(0, struct covey_control, name),
    COVEY__RECORD(0, struct covey_control, infer, infer),
};
static const struct covey__field detach_part = COVEY__ITEM(detach);

/* A part and the struct it is of. */
struct part {
    const struct covey__field *field; /* NULL: the type is no more than its name */
    size_t at;
};

static struct part part_of(enum covey_control_type type)
{
    switch (type) {
    case COVEY_CONTROL_BLOB_PUT:
    case COVEY_CONTROL_BLOB_GET:
    case COVEY_CONTROL_MODEL_REMOVE:
    case COVEY_CONTROL_DONE:
        return (struct part){&digest_part, 0};
    case COVEY_CONTROL_MODEL_GET:
        return (struct part){&model_get_part, 0};
    case COVEY_CONTROL_INFER:
    case COVEY_CONTROL_PLAN:
        return (struct part){&infer_part, 0};
    case COVEY_CONTROL_ERROR:
        return (struct part){&error_part, 0};
    case COVEY_CONTROL_STATUS_REPLY:
        return (struct part){&status_part, 0};
    case COVEY_CONTROL_MODEL_LIST_REPLY:
        return (struct part){&models_part, 0};
    case COVEY_CONTROL_INFER_REPLY:
        return (struct part){&result_part, 0};
    case COVEY_CONTROL_PLAN_REPLY:
        return (struct part){&covey__part_plan, offsetof(struct covey_control, plan)};
    case COVEY_CONTROL_LAB:
        return (struct part){&lab_part, 0};
    case COVEY_CONTROL_DETACH:
        return (struct part){&detach_part, 0};
    case COVEY_CONTROL_SESSION_GET:
    case COVEY_CONTROL_SESSION_STOP:
    case COVEY_CONTROL_TRAIN_WATCH:
    case COVEY_CONTROL_TRAIN_RESUME:
    case COVEY_CONTROL_TRAIN_FORK:
        return (struct part){&name_part, 0};
    case COVEY_CONTROL_SESSIONS_REPLY:
        return (struct part){&covey__part_sessions, offsetof(struct covey_control, sessions)};
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
    return (struct part){NULL, 0};
}

covey_err covey_control_encode(const struct covey_control *message, struct covey_buf out,
                               size_t *out_len)
{
    struct covey_cbor_writer w;
    struct part part = part_of(message->type);
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_map(&w, part.field != NULL ? 3 : 2);
    covey_cbor_put_uint(&w, KEY_TYPE);
    covey_cbor_put_uint(&w, (uint64_t)message->type);
    covey_cbor_put_uint(&w, KEY_ID);
    covey_cbor_put_uint(&w, message->id);
    if (part.field != NULL) {
        covey_cbor_put_uint(&w, KEY_PART);
        covey__field_put(&w, part.field, (const uint8_t *)message + part.at);
    }
    return covey_cbor_writer_done(&w, out_len);
}

static void get_part(struct covey_cbor_reader *r, struct covey_control *out)
{
    struct part part = part_of(out->type);
    if (part.field != NULL) {
        covey__field_get(r, part.field, (uint8_t *)out + part.at);
    } else {
        r->err = COVEY_ERR_MALFORMED;
    }
}

static bool known_type(uint64_t type)
{
    return (type >= COVEY_CONTROL_STATUS && type <= COVEY_CONTROL_TRAIN_FORK) ||
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
            out->id = (uint32_t)covey_cbor_get_uint(r, UINT32_MAX);
        } else if (key == KEY_PART) {
            get_part(r, out);
        } else {
            covey_cbor_skip(r);
            continue;
        }
        seen |= 1U << key;
    }
    unsigned needed = 1U << KEY_TYPE | 1U << KEY_ID;
    needed |= part_of(out->type).field != NULL ? 1U << KEY_PART : 0;
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
