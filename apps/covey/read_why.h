/* SPDX-License-Identifier: MIT
 *
 * read_why.h - writes the one line that says what is wrong.
 */
#ifndef COVEY_READ_WHY_H
#define COVEY_READ_WHY_H

#include "covey/graph.h"

/* Formats into why (may be NULL) and returns err. Characters that do not print, as they may come
 * from a hostile file, become '?'. */
covey_err covey__why(covey_err err, struct covey_nn_error *why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the file's name before the inner reason, unless err is OK; returns err. */
covey_err covey__why_file(covey_err err, struct covey_nn_error *why, const char *path,
                          const struct covey_nn_error *inner);

#endif /* COVEY_READ_WHY_H */
