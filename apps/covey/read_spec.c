/* SPDX-License-Identifier: MIT */
#include "read_set.h"

#include <stdio.h>

static const char *const kinds[] = {"mnist", "cifar10", "cifar100", "digits", "folder", "npy"};

const char *covey__spec_kind(const char *spec)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(spec, kinds[i], len) == 0 && spec[len] == ':') {
            return kinds[i];
        }
    }
    return NULL;
}

bool covey_dataset_is_spec(const char *spec)
{
    return covey__spec_kind(spec) != NULL;
}

/* "32x48": height and width. */
static bool take_size(const char *word, struct covey_dataset_config *ask)
{
    uint32_t side[2] = {0};
    for (size_t i = 0; i < 2; i++) {
        size_t digits = 0;
        for (; *word >= '0' && *word <= '9' && digits < 5; word++, digits++) {
            side[i] = side[i] * 10 + (uint32_t)(*word - '0');
        }
        if (digits == 0 || *word != (i == 0 ? 'x' : '\0')) {
            return false;
        }
        word++;
    }
    ask->height = side[0];
    ask->width = side[1];
    return true;
}

static bool take_option(const char *word, struct covey__place *place)
{
    static const char *const splits[] = {"", "train", "test", "both"};
    for (size_t i = 1; i < sizeof splits / sizeof splits[0]; i++) {
        if (strcmp(word, splits[i]) == 0) {
            place->ask.split = (enum covey_dataset_split)i;
            return true;
        }
    }
    if (strcmp(word, "coarse") == 0) {
        place->coarse = true;
        return true;
    }
    return take_size(word, &place->ask);
}

static bool differ(uint32_t asked, uint32_t said)
{
    return asked != 0 && said != 0 && asked != said;
}

covey_err covey__spec_place(const char *spec, const struct covey_dataset_config *config,
                            struct covey__place *out, struct covey_nn_error *why)
{
    static const struct covey_dataset_config none = {0};
    const struct covey_dataset_config *asked = config ? config : &none;
    const char *kind = covey__spec_kind(spec);
    struct covey_dataset_config *said = &out->ask;
    *out = (struct covey__place){.coarse = false};
    int wrote = snprintf(out->path, sizeof out->path, "%s", strchr(spec, ':') + 1);
    if (wrote < 0 || (size_t)wrote >= sizeof out->path) {
        return covey__why(COVEY_ERR_LIMIT, why, "%.100s: the path is too long", spec);
    }
    for (char *comma = NULL; (comma = strrchr(out->path, ',')) && take_option(comma + 1, out);) {
        *comma = '\0';
    }
    if (differ(asked->split, said->split) || differ(asked->height, said->height) ||
        differ(asked->width, said->width)) {
        return covey__why(COVEY_ERR_RANGE, why, "%.100s: its options contradict what is asked",
                          spec);
    }
    if ((out->coarse && strcmp(kind, "cifar100") != 0) ||
        (said->height != 0 && strcmp(kind, "folder") != 0)) {
        return covey__why(COVEY_ERR_RANGE, why, "%.100s: an option that %s does not have", spec,
                          kind);
    }
    said->split = asked->split ? asked->split : said->split;
    said->channels = asked->channels;
    said->height = asked->height ? asked->height : said->height;
    said->width = asked->width ? asked->width : said->width;
    return COVEY_OK;
}
