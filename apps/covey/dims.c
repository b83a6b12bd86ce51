/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "dims.h"

void covey__dims_text(char out[static COVEY__DIMS_TEXT], unsigned rank, const uint32_t *dims)
{
    size_t at = 0;
    snprintf(out, COVEY__DIMS_TEXT, "%s", rank == 0 ? "scalar" : "");
    for (unsigned i = 0; i < rank && at < COVEY__DIMS_TEXT; i++) {
        int n = snprintf(out + at, COVEY__DIMS_TEXT - at, i == 0 ? "%u" : "x%u", dims[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

cJSON *covey__dims_json(unsigned rank, const uint32_t *dims)
{
    cJSON *list = cJSON_CreateArray();
    for (unsigned i = 0; i < rank; i++) {
        cJSON_AddItemToArray(list, cJSON_CreateNumber(dims[i]));
    }
    return list;
}

bool covey__dims_parse(const char *text, uint32_t out[static 3])
{
    enum { DIM_MAX = 65536 };
    for (unsigned i = 0; i < 3; i++) {
        char *end = NULL;
        if (text[0] < '0' || text[0] > '9') {
            return false;
        }
        unsigned long v = strtoul(text, &end, 10);
        if (v == 0 || v > DIM_MAX || *end != (i < 2 ? 'x' : '\0')) {
            return false;
        }
        out[i] = (uint32_t)v;
        text = end + 1;
    }
    return true;
}
