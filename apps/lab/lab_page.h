/* SPDX-License-Identifier: MIT
 *
 * lab_page.h - what `covey lab report` and `covey lab paper` do alike: a page, its numbers as JSON,
 * and gnuplot for its pictures.
 */
#ifndef COVEY_LAB_PAGE_H
#define COVEY_LAB_PAGE_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "covey/err.h"

extern const char covey__lab_no_gnuplot[];

/* NOT_FOUND: covey__lab_no_gnuplot says what to do. */
covey_err covey__lab_find_gnuplot(void) COVEY_CHECK;
/* A file of what `write` writes: all of it, or none. */
covey_err covey__lab_page_write(const char *path, void (*write)(const void *user, FILE *file),
                                const void *user) COVEY_CHECK;
/* Takes the document, NULL too, in any case. */
covey_err covey__lab_page_write_json(const char *path, cJSON *take_document) COVEY_CHECK;

#endif /* COVEY_LAB_PAGE_H */
