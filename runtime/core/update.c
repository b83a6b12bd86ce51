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

covey_err covey__update_send(struct covey_update *out, const struct covey_node_id *peer,
                             const struct covey_work_message *message, covey_handle body)
{
    struct covey_buf space = {out->arena + out->arena_len, sizeof(out->arena) - out->arena_len};
    size_t len = 0;
    if (out->count == COVEY_UPDATE_ACTIONS_MAX) {
        out->more = true;
        return COVEY_ERR_SPACE;
    }
    covey_err err = covey_work_encode(message, space, &len);
    if (err != COVEY_OK) {
        /* Alone in an update nothing would change by stepping again. */
        out->more = out->more || (err == COVEY_ERR_SPACE && out->arena_len != 0);
        return err;
    }
    struct covey_action *action = covey__update_add(out, COVEY_ACTION_SEND);
    action->peer = *peer;
    action->has_peer = true;
    action->bytes = covey_bytes_of(space.ptr, len);
    action->body = body;
    out->arena_len += len;
    return COVEY_OK;
}
