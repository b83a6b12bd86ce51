/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <sys/stat.h>

#include "onnx_build.h"
#include "read_file.h"

static const char *entry(const Onnx__TensorProto *t, const char *key)
{
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = t->external_data[i];
        if (e->key && e->value && strcmp(e->key, key) == 0) {
            return e->value;
        }
    }
    return NULL;
}

/* A decimal number of bytes; false: it is none. */
static bool entry_bytes(const Onnx__TensorProto *t, const char *key, size_t fallback, size_t *out)
{
    const char *text = entry(t, key);
    uint64_t value = 0;
    *out = fallback;
    if (!text) {
        return true;
    }
    for (const char *c = text; *c; c++) {
        value = value * 10 + (uint64_t)(*c - '0');
        if (*c < '0' || *c > '9' || value > COVEY_FILE_MODEL_MAX) {
            return false;
        }
    }
    *out = (size_t)value;
    return text[0] != '\0';
}

/* Only a plain file of the model's own folder: no path, no link. */
static bool is_inside(const char *path, const char *location)
{
    struct stat st;
    return location[0] != '\0' && !strpbrk(location, "/\\") && strcmp(location, "..") != 0 &&
           lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Reads the file, or finds it among those read. */
static struct covey_bytes open_file(struct covey_onnx_build *b, const char *location)
{
    struct covey_onnx *o = b->onnx;
    struct covey_nn_error why = {""};
    char path[COVEY_READ_PATH];
    for (size_t i = 0; i < o->external_count; i++) {
        if (strcmp(o->external[i].name, location) == 0) {
            return covey_bytes_of(o->external[i].file.ptr, o->external[i].file.len);
        }
    }
    int wrote = snprintf(path, sizeof path, "%s/%s", b->folder, location);
    if (wrote < 0 || (size_t)wrote >= sizeof path || !is_inside(path, location)) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED,
                         "external data '%.60s' is no plain file in the model's folder", location);
        return (struct covey_bytes){0};
    }
    if (o->external_count == COVEY_ONNX_EXTERNAL_MAX) {
        covey__onnx_fail(b, COVEY_ERR_LIMIT, "external data in more than %d files",
                         COVEY_ONNX_EXTERNAL_MAX);
        return (struct covey_bytes){0};
    }
    if (!o->external) {
        o->external = calloc(COVEY_ONNX_EXTERNAL_MAX, sizeof *o->external);
    }
    struct covey_onnx_external fresh = {.name = strdup(location)};
    covey_err err = COVEY_ERR_NOMEM;
    if (o->external && fresh.name) {
        err = covey__file_read(path, COVEY_FILE_MODEL_MAX, &fresh.file, &why);
    }
    if (err) {
        free(fresh.name);
        covey__onnx_fail(b, err, "%s", why.text[0] ? why.text : covey_strerror(err));
        return (struct covey_bytes){0};
    }
    o->external[o->external_count++] = fresh;
    return covey_bytes_of(fresh.file.ptr, fresh.file.len);
}

struct covey_bytes covey__onnx_external(struct covey_onnx_build *b, const Onnx__TensorProto *t)
{
    const char *location = entry(t, "location");
    size_t at = 0;
    size_t len = 0;
    if (!location || !b->folder) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "tensor '%.60s' is in another file",
                         t->name ? t->name : "");
        return (struct covey_bytes){0};
    }
    struct covey_bytes file = open_file(b, location);
    if (b->err) {
        return file;
    }
    bool good = entry_bytes(t, "offset", 0, &at) && at <= file.len &&
                entry_bytes(t, "length", file.len - at, &len) && len <= file.len - at;
    if (!good) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "tensor '%.60s' lies outside '%.60s'",
                         t->name ? t->name : "", location);
        return (struct covey_bytes){0};
    }
    return covey_bytes_of(file.ptr + at, len);
}
