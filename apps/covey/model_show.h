/* SPDX-License-Identifier: MIT
 *
 * model_show.h - `covey model show`, of a file and of a model that the node knows.
 */
#ifndef COVEY_CLI_MODEL_SHOW_H
#define COVEY_CLI_MODEL_SHOW_H

#include "upload.h"

/* notes NULL: those of a file, none. */
enum covey_exit covey__model_show(struct covey__cli *cli, const char *name,
                                  const struct covey_graph *g, const struct covey__notes *notes);
enum covey_exit covey__model_show_known(struct covey__cli *cli, const char *name);

#endif /* COVEY_CLI_MODEL_SHOW_H */
