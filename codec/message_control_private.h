/* SPDX-License-Identifier: MIT
 *
 * message_control_private.h - what the parts of the control messages' codec share.
 */
#ifndef COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H
#define COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H

#include "covey/cbor.h"
#include "covey/message_control.h"

/* A record: an array of exactly so many items. */
void covey__control_enter(struct covey_cbor_reader *r, size_t fields);
/* As covey_cbor_get_string(), but may be empty: it goes to a terminal, so no control characters. */
void covey__control_get_line(struct covey_cbor_reader *r, char *out, size_t cap);

void covey__control_put_plan(struct covey_cbor_writer *w, const struct covey_control_plan *plan);
void covey__control_get_plan(struct covey_cbor_reader *r, struct covey_control_plan *out);

/* message_control_sessions.c */
void covey__control_put_sessions(struct covey_cbor_writer *w,
                                 const struct covey_control_sessions *sessions);
void covey__control_get_sessions(struct covey_cbor_reader *r, struct covey_control_sessions *out);

#endif /* COVEY_CODEC_MESSAGE_CONTROL_PRIVATE_H */
