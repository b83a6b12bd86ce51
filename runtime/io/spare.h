/* SPDX-License-Identifier: MIT
 *
 * spare.h - memory of large bodies, used again.
 *
 * What the system gives is cleared page by page when it is first written to: for a body of some
 * megabytes that costs as much as deciphering it. Rounds of training bring the same bodies again
 * and again, so the last few are kept for some seconds. They belong to the process like its heap,
 * for which they stand in. Where memory is bounded none are (covey_body_keep_none).
 */
#ifndef COVEY_SPARE_H
#define COVEY_SPARE_H

#include <stddef.h>
#include <stdint.h>

/* At least so many bytes, 64-byte aligned, or NULL; there are covey__spare_room(capacity). */
uint8_t *covey__spare_new(size_t capacity);
size_t covey__spare_room(size_t capacity);
/* capacity: what was asked for, or what of the room was taken since; used: bytes that were written.
 * NULL is a no-op. */
void covey__spare_free(uint8_t *data, size_t capacity, size_t used);
/* Gives back what was not used for some seconds; by any thread, often. */
void covey__spare_trim(void);

#endif /* COVEY_SPARE_H */
