/* SPDX-License-Identifier: MIT
 *
 * files.h - whole files, written so that a crash leaves the old or the new one: write, fsync,
 * rename, fsync of the folder. Blocking: called from worker threads or at start.
 */
#ifndef COVEY_FILES_H
#define COVEY_FILES_H

#include "covey/bytes.h"

/* Fails with what the system said in errno. A stream is written to, never replaced. */
covey_err covey_file_write(const char *path, struct covey_bytes content, unsigned mode) COVEY_CHECK;
/* Heap, freed by the caller; LIMIT above max. NOT_FOUND. */
covey_err covey_file_read(const char *path, size_t max, uint8_t **out, size_t *out_len) COVEY_CHECK;
bool covey_file_exists(const char *path);
/* A device or a pipe is there: /dev/stdout, /dev/null. */
bool covey_file_is_stream(const char *path);

#endif /* COVEY_FILES_H */
