/* SPDX-License-Identifier: MIT */
#include "read_why.h"

#include <stdarg.h>
#include <stdio.h>

covey_err covey__why(covey_err err, struct covey_nn_error *why, const char *format, ...)
{
    if (!why) {
        return err;
    }
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    if (wrote < 0) {
        why->text[0] = '\0';
    }
    for (char *c = why->text; *c; c++) {
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f) {
            *c = '?';
        }
    }
    return err;
}

covey_err covey__why_file(covey_err err, struct covey_nn_error *why, const char *path,
                          const struct covey_nn_error *inner)
{
    enum { SHOWN = 100 };
    size_t len = strlen(path);
    if (!err) {
        return COVEY_OK;
    }
    /* Of a long path the end tells more. */
    return len > SHOWN ? covey__why(err, why, "...%s: %.140s", path + len - SHOWN, inner->text)
                       : covey__why(err, why, "%s: %.140s", path, inner->text);
}
