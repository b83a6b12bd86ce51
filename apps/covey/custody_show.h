/* SPDX-License-Identifier: MIT
 *
 * custody_show.h - what a device keeps of a training session, for people and as JSON.
 */
#ifndef COVEY_CLI_CUSTODY_SHOW_H
#define COVEY_CLI_CUSTODY_SHOW_H

#include "cli.h"
#include "covey/message_control.h"

enum { COVEY__CUSTODY_ID = 2 * sizeof(struct covey_session_id) + 1 };

/* In hexadecimal. */
void covey__custody_id(const struct covey_control_custody *c, char out[static COVEY__CUSTODY_ID]);
/* Nothing when nothing is kept. */
void covey__custody_json(cJSON *o, const struct covey_control_custody *c);
/* The rest of a line of `covey sessions`. */
void covey__custody_line(const struct covey_control_session *s);
void covey__custody_print(const struct covey_control_session *s);
/* It trains, or trained, elsewhere, or before this node's last start. */
bool covey__custody_only(const struct covey_control_session *s);

#endif /* COVEY_CLI_CUSTODY_SHOW_H */
