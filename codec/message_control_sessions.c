/* SPDX-License-Identifier: MIT
 *
 * message_control_sessions.c - sessions and detached work: what `covey sessions` lists.
 */
#include "message_control_private.h"

static const struct covey__field custody[] = {
    CONTROL_UINT(custody, kept, COVEY_CONTROL_KEPT_STOPPED),
    CONTROL_FIXED(custody, id),
    CONTROL_NUMBER(custody, epoch),
    CONTROL_LINE(custody, owner),
    CONTROL_NUMBER(custody, checkpoint),
    CONTROL_UINT(custody, keepers, COVEY_CUSTODIANS_MAX),
    CONTROL_UINT(custody, held, COVEY_CUSTODIANS_MAX),
    CONTROL_BOOL(custody, recoverable),
};

static const struct covey__field session[] = {
    CONTROL_LINE(session, name),
    CONTROL_LINE(session, model),
    CONTROL_BOOL(session, detached),
    CONTROL_BOOL(session, training),
    CONTROL_BOOL(session, running),
    CONTROL_NUMBER(session, total),
    CONTROL_NUMBER(session, answered),
    CONTROL_NUMBER(session, lost),
    CONTROL_NUMBER(session, median_us),
    CONTROL_LIST(session, output_rank, output, &covey__item_u32),
    CONTROL_RECORD(session, custody, custody),
};

static const struct covey__field session_item = COVEY__ITEM(session);

const struct covey__field covey__part_sessions =
    CONTROL_LIST(sessions, count, session, &session_item);
