/* SPDX-License-Identifier: MIT
 *
 * dims.h - shapes for people ("1x3x224x224") and for scripts.
 */
#ifndef COVEY_CLI_DIMS_H
#define COVEY_CLI_DIMS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

enum { COVEY__DIMS_TEXT = 96 };

/* Rank 0 is "scalar". */
void covey__dims_text(char out[static COVEY__DIMS_TEXT], unsigned rank, const uint32_t *dims);
cJSON *covey__dims_json(unsigned rank, const uint32_t *dims);
/* "CxHxW", each 1 to 65536. False: it is none. */
bool covey__dims_parse(const char *text, uint32_t out[static 3]);

#endif /* COVEY_CLI_DIMS_H */
