/* SPDX-License-Identifier: MIT
 *
 * onnx_cases DIR...: runs ONNX's conformance cases, one JSON line each.
 */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "case.h"

enum { PATH_ROOM = 4096 };

struct counts {
    size_t by_status[3];
};

static bool exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

/* dir/name, with an ending; false: too long. */
static bool join(char out[PATH_ROOM], const char *dir, const char *name, const char *ending)
{
    int wrote = snprintf(out, PATH_ROOM, "%s/%s%s", dir, name, ending);
    return wrote > 0 && wrote < PATH_ROOM;
}

static void report(const char *name, const struct case_result *r, struct counts *counts)
{
    static const char *const words[] = {"pass", "fail", "unsupported"};
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "case", name);
    cJSON_AddStringToObject(line, "status", words[r->status]);
    cJSON_AddStringToObject(line, "reason", r->reason.text);
    char *text = cJSON_PrintUnformatted(line);
    printf("%s\n", text ? text : "");
    fflush(stdout);
    cJSON_free(text);
    cJSON_Delete(line);
    counts->by_status[r->status]++;
}

static void run_case(const struct case_files *files, const char *name, struct counts *counts)
{
    struct case_result r;
    case_run(files, &r);
    report(name, &r, counts);
}

/* A folder that holds model.onnx; false: it does not. */
static bool try_folder(const char *dir, const char *name, struct counts *counts)
{
    char model[PATH_ROOM];
    char sets[PATH_ROOM];
    if (!join(model, dir, "model", ".onnx") || !exists(model) ||
        !join(sets, dir, "test_data_set_0", "") || !exists(sets)) {
        return false;
    }
    run_case(&(struct case_files){.model = model, .folder = dir}, name, counts);
    return true;
}

/* NAME.onnx beside NAME_output_0.pb. */
static bool try_file(const char *dir, const char *file, struct counts *counts)
{
    char model[PATH_ROOM];
    char output[PATH_ROOM];
    char name[256];
    size_t len = strlen(file);
    if (len < 6 || len >= sizeof name || strcmp(file + len - 5, ".onnx") != 0) {
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(len - 5), file);
    if (!join(model, dir, file, "") || !join(output, dir, name, "_output_0.pb") ||
        !exists(output)) {
        return false;
    }
    run_case(&(struct case_files){.model = model, .output = output}, name, counts);
    return true;
}

static int by_text(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* A case, or a folder of cases; false: there is none in it. */
static bool run_dir(const char *dir, struct counts *counts)
{
    struct dirent **names = NULL;
    char path[PATH_ROOM];
    bool any = false;
    if (try_folder(dir, last_part(dir), counts)) {
        return true;
    }
    int count = scandir(dir, &names, NULL, by_text);
    for (int i = 0; i < count; i++) {
        const char *name = names[i]->d_name;
        if (name[0] != '.' && join(path, dir, name, "")) {
            any |= try_folder(path, name, counts) || try_file(dir, name, counts);
        }
        free(names[i]);
    }
    free(names);
    return any;
}

int main(int argc, char **argv)
{
    struct counts counts = {{0}};
    bool all = argc > 1;
    if (argc == 2 && strcmp(argv[1], "--operators") == 0) {
        covey_onnx_operators(stdout);
        return 0;
    }
    if (argc < 2 || argv[1][0] == '-') {
        fprintf(stderr,
                "usage: onnx_cases DIR...\n"
                "       onnx_cases --operators\n"
                "DIR is a case (model.onnx, test_data_set_0/), or a folder of cases, or of\n"
                "NAME.onnx with NAME_output_0.pb. One JSON line a case, then the counts.\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!run_dir(argv[i], &counts)) {
            fprintf(stderr, "onnx_cases: no case in %s\n", argv[i]);
            all = false;
        }
    }
    printf("%zu passed, %zu failed, %zu skipped\n", counts.by_status[CASE_PASS],
           counts.by_status[CASE_FAIL], counts.by_status[CASE_UNSUPPORTED]);
    return all && counts.by_status[CASE_FAIL] == 0 ? 0 : 1;
}
