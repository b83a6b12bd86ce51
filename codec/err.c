/* SPDX-License-Identifier: MIT */
#include "covey/err.h"

#include <stdio.h>
#include <stdlib.h>

#include "covey/bytes.h"

const char *covey_strerror(covey_err err)
{
    switch (err) {
#define COVEY_ERR_CASE(name, number, text)                                                         \
    case name:                                                                                     \
        return text;
        COVEY_ERR_MAP(COVEY_ERR_CASE)
#undef COVEY_ERR_CASE
    }
    return "unknown error";
}

_Noreturn void covey__assert_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "covey: assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
