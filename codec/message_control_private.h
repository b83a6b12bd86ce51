/* SPDX-License-Identifier: MIT
 *
 * message_control_private.h - what the parts of the control messages' codec share.
 */
#ifndef COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H
#define COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H

#include "covey/message_control.h"
#include "message_fields.h"

/* A record's field; no keys in it. */
#define CONTROL_NUMBER(type, member) COVEY__NUMBER(0, struct covey_control_##type, member)
#define CONTROL_UINT(type, member, max) COVEY__UINT(0, struct covey_control_##type, member, max)
#define CONTROL_BOOL(type, member) COVEY__BOOL(0, struct covey_control_##type, member)
#define CONTROL_FIXED(type, member) COVEY__FIXED(0, struct covey_control_##type, member.bytes)
#define CONTROL_STRING(type, member) COVEY__STRING(0, struct covey_control_##type, member)
#define CONTROL_LINE(type, member) COVEY__LINE(0, struct covey_control_##type, member)
#define CONTROL_RECORD(type, member, fields)                                                       \
    COVEY__RECORD(0, struct covey_control_##type, member, fields)
#define CONTROL_LIST(type, count, array, item)                                                     \
    COVEY__LIST(0, struct covey_control_##type, count, array, item)
#define CONTROL_OPTIONAL(type, has, member, item)                                                  \
    COVEY__OPTIONAL(0, struct covey_control_##type, has, member, item)

/* Of a struct covey_control_plan; message_control_plan.c. */
extern const struct covey__field covey__part_plan;
/* Of a struct covey_control_sessions; message_control_sessions.c. */
extern const struct covey__field covey__part_sessions;

#endif /* COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H */
