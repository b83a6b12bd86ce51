/* SPDX-License-Identifier: MIT
 *
 * train_show.h - training sessions in 'covey session'.
 */
#ifndef COVEY_CLI_TRAIN_SHOW_H
#define COVEY_CLI_TRAIN_SHOW_H

#include "control.h"

/* How far it is. */
enum covey_exit covey__train_show(const struct covey__cli *cli, struct covey__control *c,
                                  const struct covey_control_session *session);
/* Writes the trained model as ONNX, once it is there. */
enum covey_exit covey__train_get(const struct covey__cli *cli, struct covey__control *c,
                                 const struct covey_control_session *session, const char *path);

#endif /* COVEY_CLI_TRAIN_SHOW_H */
