/* SPDX-License-Identifier: MIT
 *
 * train_mesh_report.h - what a training with the mesh says: lines while it runs, a bar on a
 * terminal, and its part of the report.
 */
#ifndef COVEY_CLI_TRAIN_MESH_REPORT_H
#define COVEY_CLI_TRAIN_MESH_REPORT_H

#include <stdio.h>

#include "train_mesh.h"
#include "train_report.h"

/* Whenever progress was heard. */
void covey__train_say_progress(const struct covey__train *t, const struct covey__train_mesh *m,
                               struct covey__train_ticker *ticker);

/* How the mesh fared: on standard output, into a document, as rows of a table. */
void covey__train_mesh_lines(const struct covey__train_mesh *m);
cJSON *covey__train_mesh_json(const struct covey__train_mesh *m);
void covey__train_mesh_markdown(const struct covey__train_mesh *m, FILE *to);

#endif /* COVEY_CLI_TRAIN_MESH_REPORT_H */
