/* SPDX-License-Identifier: MIT */
#include "blas_core.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "covey/blas.h"

static const char name[] = "OPENBLAS_CORETYPE";

void covey__blas_core_correct(char **argv)
{
    const char *better = covey_blas_better_core();
    char path[PATH_MAX];
    /* That the variable is set, by a person or by us, is also why this happens at most once. */
    if (better == NULL || getenv(name) != NULL) {
        return;
    }
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (len <= 0 || setenv(name, better, 1) != 0) {
        return;
    }
    path[len] = 0;
    execv(path, argv);
    unsetenv(name); /* it did not take effect here */
}
