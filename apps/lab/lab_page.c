/* SPDX-License-Identifier: MIT */
#include "lab_page.h"

#include <stdlib.h>
#include <string.h>

#include "covey/files.h"
#include "lab.h"

enum { PAGE_MODE = 0644 };

const char covey__lab_no_gnuplot[] =
    "gnuplot is needed for the plots: install it with 'apt-get install gnuplot-nox'";

covey_err covey__lab_find_gnuplot(void)
{
    const char *const argv[] = {"gnuplot", "--version", NULL};
    covey_err err = covey__lab_spawn(NULL, "/dev/null", argv);
    return err == COVEY_OK ? err : COVEY_ERR_NOT_FOUND;
}

covey_err covey__lab_page_write(const char *path, void (*write)(const void *user, FILE *file),
                                const void *user)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (file == NULL) {
        return COVEY_ERR_NOMEM;
    }
    write(user, file);
    bool failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    covey_err err =
        failed ? COVEY_ERR_NOMEM : covey_file_write(path, covey_bytes_of(text, len), PAGE_MODE);
    free(text);
    return err;
}

covey_err covey__lab_page_write_json(const char *path, cJSON *take_document)
{
    char *text = cJSON_Print(take_document);
    cJSON_Delete(take_document);
    covey_err err = text == NULL
                        ? COVEY_ERR_NOMEM
                        : covey_file_write(path, covey_bytes_of(text, strlen(text)), PAGE_MODE);
    free(text);
    return err;
}
