/* SPDX-License-Identifier: MIT
 *
 * incoming.h - one whole work message of a channel, as node.c hands it to the job or the worker.
 */
#ifndef COVEY_CORE_INCOMING_H
#define COVEY_CORE_INCOMING_H

#include "covey/update.h"

struct covey_incoming {
    struct covey_node_id peer;
    const struct covey_work_message *message;
    struct covey_bytes wire; /* the message's own bytes: handed on with ASSIGNED */
    covey_handle body;       /* 0: none */
    size_t body_len;
};

/* Whether both are of one session; and of one version of its plan. */
static inline bool covey__fence_session(const struct covey_fence *a, const struct covey_fence *b)
{
    return covey_session_id_equal(&a->session, &b->session);
}
static inline bool covey__fence_equal(const struct covey_fence *a, const struct covey_fence *b)
{
    return covey__fence_session(a, b) && a->epoch == b->epoch && a->version == b->version;
}

#endif /* COVEY_CORE_INCOMING_H */
