/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* nftw() */
#include "scratch.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

int scratch_setup(void **state)
{
    char *root = malloc(SCRATCH_PATH);
    if (root == NULL) {
        return -1;
    }
    snprintf(root, SCRATCH_PATH, "/tmp/covey-test-XXXXXX");
    if (mkdtemp(root) == NULL) {
        free(root);
        return -1;
    }
    *state = root;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int scratch_teardown(void **state)
{
    int result = nftw(*state, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return result;
}

void scratch_folder(void **state, char out[static SCRATCH_PATH])
{
    int len = snprintf(out, SCRATCH_PATH, "%s/XXXXXX", (const char *)*state);
    assert_true(len > 0 && len < SCRATCH_PATH);
    assert_non_null(mkdtemp(out));
}
