/* SPDX-License-Identifier: MIT */
#include "labels.h"

#include <stdlib.h>

#include "covey/text.h"
#include "read_file.h"
#include "read_why.h"

enum { LINE_MAX_BYTES = 1000 };

static covey_err cut(struct covey__labels *l, const char *what, struct covey_nn_error *why)
{
    char *at = l->text;
    for (size_t i = 0; i < l->count; i++) {
        char *end = strchr(at, '\n');
        size_t len = (size_t)(end - at), shown = len > 0 && at[len - 1] == '\r' ? len - 1 : len;
        if (shown > LINE_MAX_BYTES || !covey_text_is_plain(covey_bytes_of(at, shown))) {
            return covey__why(COVEY_ERR_MALFORMED, why,
                              "%.120s: line %zu is no name of at most %d bytes of UTF-8", what,
                              i + 1, LINE_MAX_BYTES);
        }
        at[shown] = 0;
        l->line[i] = at;
        at = end + 1;
    }
    return COVEY_OK;
}

covey_err covey__labels_parse(struct covey__labels *l, struct covey_bytes text, const char *what,
                              struct covey_nn_error *out_why)
{
    struct covey__labels fresh = {.bytes = text.len};
    if (text.len == 0 || text.len > COVEY_LABELS_BYTES_MAX) {
        return covey__why(COVEY_ERR_LIMIT, out_why, "%.120s: labels have 1 to %d bytes", what,
                          COVEY_LABELS_BYTES_MAX);
    }
    if (memchr(text.ptr, 0, text.len) != NULL) {
        return covey__why(COVEY_ERR_MALFORMED, out_why, "%.120s: it is no text", what);
    }
    bool ended = text.ptr[text.len - 1] == '\n';
    fresh.count = ended ? 0 : 1;
    for (size_t i = 0; i < text.len; i++) {
        fresh.count += text.ptr[i] == '\n';
    }
    if (fresh.count > COVEY_LABELS_MAX) {
        return covey__why(COVEY_ERR_LIMIT, out_why, "%.120s: more than %d labels", what,
                          COVEY_LABELS_MAX);
    }
    fresh.text = calloc(text.len + 2, 1);
    fresh.line = calloc(fresh.count, sizeof(*fresh.line));
    covey_err err = COVEY_ERR_NOMEM;
    if (fresh.text != NULL && fresh.line != NULL) {
        memcpy(fresh.text, text.ptr, text.len);
        fresh.text[text.len] = ended ? 0 : '\n';
        err = cut(&fresh, what, out_why);
    } else {
        err = covey__why(err, out_why, "out of memory");
    }
    if (err != COVEY_OK) {
        covey__labels_done(&fresh);
        return err;
    }
    covey__labels_done(l);
    *l = fresh;
    return COVEY_OK;
}

covey_err covey__labels_load(struct covey__labels *l, const char *path,
                             struct covey_nn_error *out_why)
{
    struct covey_buf file = {NULL, 0};
    covey_err err = covey__file_read(path, COVEY_LABELS_BYTES_MAX, &file, out_why);
    if (err == COVEY_OK) {
        err = covey__labels_parse(l, covey_bytes_of(file.ptr, file.len), path, out_why);
    }
    free(file.ptr);
    return err;
}

void covey__labels_done(struct covey__labels *l)
{
    free(l->text);
    free(l->line);
    *l = (struct covey__labels){NULL, NULL, 0, 0};
}

covey_err covey__labels_fit(const struct covey__labels *l, size_t outputs,
                            struct covey_nn_error *out_why)
{
    return l->count == 0 || l->count == outputs
               ? COVEY_OK
               : covey__why(COVEY_ERR_RANGE, out_why,
                            "there are %zu labels, and the model has %zu outputs", l->count,
                            outputs);
}

const char *covey__labels_name(const struct covey__labels *l, size_t index)
{
    return index < l->count && l->line[index][0] != 0 ? l->line[index] : NULL;
}

covey_err covey__labels_text(const struct covey__labels *l, struct covey_buf *out)
{
    size_t len = 0;
    uint8_t *text = malloc(l->bytes + 1);
    if (text == NULL) {
        return COVEY_ERR_NOMEM;
    }
    for (size_t i = 0; i < l->count; i++) {
        size_t n = strlen(l->line[i]);
        memcpy(text + len, l->line[i], n);
        text[len + n] = '\n';
        len += n + 1;
    }
    *out = (struct covey_buf){text, len};
    return COVEY_OK;
}
