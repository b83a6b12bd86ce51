/* SPDX-License-Identifier: MIT */
#include "read_set.h"

#include <stdlib.h>

enum { DIGIT_VALUES = 64, DIGIT_TOP = 16, DIGIT_CLASSES = 10 };

/* One number of a CSV line, at most `most`, and what ends it. */
static bool csv_number(struct covey_bytes in, size_t *at, unsigned most, char end, uint8_t *out)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; *at < in.len && in.ptr[*at] >= '0' && in.ptr[*at] <= '9' && digits < 3;
         (*at)++, digits++) {
        value = value * 10 + (unsigned)(in.ptr[*at] - '0');
    }
    if (digits == 0 || value > most) {
        return false;
    }
    if (end == '\n' && *at < in.len && in.ptr[*at] == '\r') {
        (*at)++;
    }
    /* The last line may lack its end. */
    bool ended = *at == in.len ? end == '\n' : in.ptr[*at] == (uint8_t)end;
    *at += *at < in.len;
    *out = (uint8_t)value;
    return ended;
}

covey_err covey__decode_digits(struct covey_bytes in, struct covey_dataset *out,
                               struct covey_nn_error *why)
{
    struct covey_dataset form = {.kind = COVEY_ITEM_DIGIT,
                                 .channels = 1,
                                 .height = 8,
                                 .width = 8,
                                 .classes = DIGIT_CLASSES,
                                 .top = DIGIT_TOP};
    struct covey_dataset d = {0};
    form.count = in.len > 0 && in.ptr[in.len - 1] != '\n';
    for (size_t i = 0; i < in.len; i++) {
        form.count += in.ptr[i] == '\n';
    }
    covey_err err = covey__set_new(&form, false, &d, why);
    if (err) {
        return err;
    }
    size_t at = 0;
    for (size_t line = 0; line < d.count; line++) {
        bool ok = true;
        uint8_t label = 0;
        for (size_t i = 0; ok && i < DIGIT_VALUES; i++) {
            ok = csv_number(in, &at, DIGIT_TOP, ',', &d.bytes[line * DIGIT_VALUES + i]);
        }
        if (!ok || !csv_number(in, &at, DIGIT_CLASSES - 1, '\n', &label)) {
            covey_dataset_done(&d);
            return covey__why(COVEY_ERR_MALFORMED, why,
                              "line %zu is not 64 values of 0 to 16 and a label", line + 1);
        }
        d.labels[line] = label;
    }
    *out = d;
    return COVEY_OK;
}

covey_err covey__decode_names(struct covey_bytes in, size_t count, struct covey_dataset_name **out,
                              struct covey_nn_error *why)
{
    size_t line = 0;
    size_t end = in.len;
    /* CIFAR's own table ends with an empty line. */
    while (end > 0 && (in.ptr[end - 1] == '\n' || in.ptr[end - 1] == '\r')) {
        end--;
    }
    struct covey_dataset_name *names = calloc(count, sizeof *names);
    if (!names) {
        return covey__why(COVEY_ERR_NOMEM, why, "out of memory");
    }
    size_t used = 0;
    for (size_t i = 0; i < end && line < count; i++) {
        uint8_t c = in.ptr[i];
        if (c == '\n') {
            used = 0;
            line++;
        } else if (c != '\r' && used < COVEY_DATASET_NAME_MAX) {
            /* Names are printed: what is not text becomes '?'. */
            names[line].text[used++] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
        } else if (c != '\r') {
            line = count;
        }
    }
    if (end == 0 || line + 1 != count) {
        free(names);
        return covey__why(COVEY_ERR_MALFORMED, why, "it is not %zu lines with a name each", count);
    }
    *out = names;
    return COVEY_OK;
}
