/* SPDX-License-Identifier: MIT */
#include "covey/update.h"

#include "job.h"

struct covey_action *covey__update_add(struct covey_update *out, enum covey_action_type type)
{
    if (out->count == COVEY_UPDATE_ACTIONS_MAX) {
        out->more = true;
        return NULL;
    }
    struct covey_action *action = &out->actions[out->count++];
    memset(action, 0, sizeof(*action));
    action->type = type;
    return action;
}

/* What is left of the arena, if another message may be put in. */
static covey_err space_left(struct covey_update *out, struct covey_buf *out_space)
{
    if (out->count == COVEY_UPDATE_ACTIONS_MAX) {
        out->more = true;
        return COVEY_ERR_SPACE;
    }
    *out_space =
        (struct covey_buf){out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
    return COVEY_OK;
}

/* Of a message that was encoded, or not, where space_left() said. */
static covey_err send_encoded(struct covey_update *out, const struct covey_node_id *peer,
                              covey_err encoded, size_t len, covey_handle body)
{
    if (encoded != COVEY_OK) {
        /* Alone in an update nothing would change by stepping again. */
        out->more = out->more || (encoded == COVEY_ERR_SPACE && out->arena_len != 0);
        return encoded;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_SEND);
    action->peer = *peer;
    action->has_peer = true;
    action->bytes = covey_bytes_of(out->arena + out->arena_len, len);
    action->body = body;
    out->arena_len += len;
    return COVEY_OK;
}

covey_err covey__update_send(struct covey_update *out, const struct covey_node_id *peer,
                             const struct covey_work_message *message, covey_handle body)
{
    struct covey_buf space;
    size_t len = 0;
    covey_err err = space_left(out, &space);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_work_encode(message, space, &len);
    return send_encoded(out, peer, err, len, body);
}

covey_err covey__update_send_part(struct covey_update *out, const struct covey_node_id *peer,
                                  const struct covey_work_message *message, covey_handle body,
                                  struct covey_relay_piece part)
{
    covey_err err = covey__update_send(out, peer, message, body);
    if (err == COVEY_OK) {
        struct covey_action *action = &out->actions[out->count - 1];
        action->part_from = part.from;
        action->part_len = part.len;
    }
    return err;
}

covey_err covey__update_send_train(struct covey_update *out, const struct covey_node_id *peer,
                                   const struct covey_train_message *message, covey_handle body)
{
    struct covey_buf space;
    size_t len = 0;
    covey_err err = space_left(out, &space);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_train_encode(message, space, &len);
    return send_encoded(out, peer, err, len, body);
}

bool covey__update_release(struct covey_update *out, covey_handle *inout_body)
{
    if (*inout_body == 0) {
        return true;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_RELEASE);
    if (action == NULL) {
        return false;
    }
    action->body = *inout_body;
    *inout_body = 0;
    return true;
}

bool covey__update_bytes(struct covey_update *out, struct covey_bytes bytes,
                         struct covey_bytes *out_copy)
{
    if (bytes.len > sizeof(out->arena) - out->arena_len) {
        out->more = true;
        return false;
    }
    if (bytes.len > 0) {
        memcpy(out->arena + out->arena_len, bytes.ptr, bytes.len);
    }
    *out_copy = covey_bytes_of(out->arena + out->arena_len, bytes.len);
    out->arena_len += bytes.len;
    return true;
}
