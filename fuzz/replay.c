/* SPDX-License-Identifier: MIT
 *
 * replay.c - runs a harness on each file of a folder, so that harnesses and seeds cannot rot where
 * there is no libFuzzer. The inputs are heap blocks of exact size: a read past the end is seen.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { SEED_BYTES_MAX = 16 * 1024 * 1024 };

static int run_file(const char *path)
{
    struct stat info;
    uint8_t *data = NULL;
    int result = -1;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &info) != 0 || info.st_size > SEED_BYTES_MAX) {
        goto out;
    }
    size_t size = (size_t)info.st_size;
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        goto out;
    }
    result = LLVMFuzzerTestOneInput(data, size);
out:
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return result;
}

static int run_folder(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        fprintf(stderr, "replay: cannot open the folder %s\n", folder);
        return -1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[4096];
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || len < 0 || (size_t)len >= sizeof(path)) {
            continue;
        }
        if (run_file(path) != 0) {
            fprintf(stderr, "replay: failed on %s\n", path);
            count = -1;
            break;
        }
        count++;
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    int count = run_folder(argv[1]);
    printf("%d seeds replayed\n", count);
    /* No seeds is a failure too: the harness would be tested with nothing. */
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
