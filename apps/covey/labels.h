/* SPDX-License-Identifier: MIT
 *
 * labels.h - what the outputs of a model are called: a text with one name a line.
 */
#ifndef COVEY_CLI_LABELS_H
#define COVEY_CLI_LABELS_H

#include "covey/manifest_notes.h"

/* Zeroed: none. */
struct covey__labels {
    char *text; /* lines, each ended by 0 */
    const char **line;
    size_t count;
    size_t bytes; /* of text, before it was cut into lines */
};

/* UTF-8 without control characters, at most COVEY_LABELS_MAX lines of COVEY_LABELS_BYTES_MAX
 * bytes in all; what: how messages call it. */
covey_err covey__labels_parse(struct covey__labels *l, struct covey_bytes text, const char *what,
                              struct covey_nn_error *out_why) COVEY_CHECK;
covey_err covey__labels_load(struct covey__labels *l, const char *path,
                             struct covey_nn_error *out_why) COVEY_CHECK;
void covey__labels_done(struct covey__labels *l);
/* One name for each output, or it is the wrong file: RANGE. */
covey_err covey__labels_fit(const struct covey__labels *l, size_t outputs,
                            struct covey_nn_error *out_why) COVEY_CHECK;
/* NULL: it has no name. */
const char *covey__labels_name(const struct covey__labels *l, size_t index);
/* The text as it travels: each line ended by a newline. Heap, freed by the caller. */
covey_err covey__labels_text(const struct covey__labels *l, struct covey_buf *out) COVEY_CHECK;

#endif /* COVEY_CLI_LABELS_H */
