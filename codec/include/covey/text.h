/* SPDX-License-Identifier: MIT
 *
 * text.h - what a terminal shows as it is: UTF-8 without control characters, neither those of ASCII
 * nor U+0080 to U+009F, which some terminals obey too.
 */
#ifndef COVEY_TEXT_H
#define COVEY_TEXT_H

#include "covey/bytes.h"

bool covey_text_is_plain(struct covey_bytes text);
/* Each byte of what is not so becomes '?'. */
void covey_text_make_plain(char *text);

#endif /* COVEY_TEXT_H */
