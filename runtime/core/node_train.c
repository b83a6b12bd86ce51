/* SPDX-License-Identifier: MIT */
#include "node_state.h"

enum { ALIGN = 64 };

static size_t aligned(size_t size)
{
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

size_t covey__node_train_size(void)
{
    return aligned(covey__taskpool_size()) + aligned(covey__puller_size());
}

void covey__node_train_init(struct covey_node *node, void *memory)
{
    uint8_t *rest = memory;
    node->pool = (struct covey_taskpool *)(void *)rest;
    node->puller = (struct covey_puller *)(void *)(rest + aligned(covey__taskpool_size()));
    covey__taskpool_init(node->pool, &node->identity->cert.node);
    covey__puller_init(node->puller);
}

void covey__node_train_peer(struct covey_node *node, uint16_t index, enum covey_peer_state state)
{
    bool trusted = node->members.cold[index].cert.trust == COVEY_TRUST_FULL;
    covey_err err =
        covey__taskpool_peer(node->pool, &node->members.hot[index].id, trusted, state, node->out);
    node->dropped += err != COVEY_OK; /* one more than there can be members: it gets no tasks */
}

void covey__node_train_down(struct covey_node *node, uint16_t index)
{
    covey_err err = covey__puller_peer_down(node->puller, &node->members.hot[index].id, node->out);
    node->dropped += err != COVEY_OK;
}

/* Messages to oneself come back here through the driver, as all others do. */
covey_err covey__node_train_message(struct covey_node *node, uint16_t from,
                                    const struct covey_train_message *message, covey_handle body)
{
    const struct covey_node_id *peer = &node->members.hot[from].id;
    bool owner_allowed = node->members.cold[from].cert.trust == COVEY_TRUST_FULL;
    covey_err err = COVEY_OK;
    switch (message->type) {
    case COVEY_TRAIN_ENLIST:
    case COVEY_TRAIN_ROUND:
    case COVEY_TRAIN_TASK:
    case COVEY_TRAIN_OVER:
        if (owner_allowed) {
            return covey__puller_message(node->puller, peer, message, body, node->out);
        }
        break;
    case COVEY_TRAIN_PULL:
    case COVEY_TRAIN_RESULT:
        return covey__taskpool_message(node->pool, peer, message, body, node->out);
    case COVEY_TRAIN_DISMISS: /* of whichever half of a session the sender is */
        err = covey__puller_message(node->puller, peer, message, body, node->out);
        return err != COVEY_OK ? err
                               : covey__taskpool_message(node->pool, peer, message, 0, node->out);
    case COVEY_TRAIN_NONE:
        break;
    }
    node->dropped++;
    bool released = covey__update_release(node->out, &body);
    (void)released; /* the update is empty yet */
    return COVEY_OK;
}

covey_err covey__node_train_event(struct covey_node *node, const struct covey_event *event)
{
    if (event->type == COVEY_EVENT_ENLIST_CHECKED || event->type == COVEY_EVENT_TASK_DONE) {
        return covey__puller_event(node->puller, event, node->out);
    }
    if (event->type == COVEY_EVENT_TRAIN_OPEN && node->identity->cert.trust != COVEY_TRUST_FULL) {
        return COVEY_ERR_DENIED;
    }
    if (event->type == COVEY_EVENT_ROUND_LIED) {
        covey__job_distrust(node->job, &event->peer);
    }
    return covey__taskpool_event(node->pool, event, node->out);
}

covey_err covey__node_train_tick(struct covey_node *node)
{
    covey_err pulled = covey__puller_tick(node->puller, node->out);
    covey_err pooled = covey__taskpool_tick(node->pool, node->now_ms, node->out);
    return pulled != COVEY_OK ? pulled : pooled;
}
