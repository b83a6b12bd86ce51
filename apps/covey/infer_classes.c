/* SPDX-License-Identifier: MIT */
#include "infer_classes.h"

#include <stdlib.h>
#include <string.h>

/* As "n02051845" is of "n02051845 pelican". */
static bool is_first_word(const char *word, const char *line)
{
    size_t len = strlen(word);
    return strncmp(word, line, len) == 0 && line[len] == ' ';
}

/* -1: no output is called so, or several are. */
static int32_t output_of(const struct covey__labels *labels, const char *name)
{
    int32_t whole = -1, first = -1;
    size_t wholes = 0, firsts = 0;
    for (size_t i = 0; i < labels->count; i++) {
        if (strcmp(labels->line[i], name) == 0) {
            whole = (int32_t)i;
            wholes++;
        } else if (is_first_word(name, labels->line[i])) {
            first = (int32_t)i;
            firsts++;
        }
    }
    if (wholes > 0) {
        return wholes == 1 ? whole : -1;
    }
    return firsts == 1 ? first : -1;
}

covey_err covey__infer_classes(struct covey_input *in, const struct covey__labels *labels,
                               size_t outputs, bool *out_told)
{
    size_t count = covey_input_classes(in);
    bool told = true;
    if (count > 0) {
        int32_t *label = calloc(count, sizeof(*label));
        if (label == NULL) {
            return COVEY_ERR_NOMEM;
        }
        for (size_t i = 0; i < count; i++) {
            int32_t same = count == outputs ? (int32_t)i : -1;
            label[i] = labels->count > 0 ? output_of(labels, covey_input_class(in, i)) : same;
            told = told && label[i] >= 0;
        }
        for (size_t i = 0; i < count && !told; i++) {
            label[i] = -1;
        }
        covey_input_relabel(in, label);
    }
    *out_told = told;
    return COVEY_OK;
}
