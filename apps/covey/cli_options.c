/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"

static const struct covey__option *find(const struct covey__option *options, size_t count,
                                        const char *arg, size_t len)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == len && memcmp(options[i].name, arg, len) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static bool set_number(const struct covey__cli *cli, const struct covey__option *o,
                       const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || n < o->min || n > o->max) {
        covey__cli_usage(cli, "%s takes a number from %u to %u, not '%s'", o->name, o->min, o->max,
                         text);
        return false;
    }
    *(uint32_t *)o->value = (uint32_t)n;
    return true;
}

static bool set_real(const struct covey__cli *cli, const struct covey__option *o, const char *text)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != 0 || !isfinite(value)) {
        covey__cli_usage(cli, "%s takes a number, not '%s'", o->name, text);
        return false;
    }
    *(double *)o->value = value;
    return true;
}

static bool set_name(const struct covey__cli *cli, const struct covey__option *o, const char *text)
{
    if (!covey__cli_is_name(text)) {
        covey__cli_usage(cli,
                         "%s takes 1 to %d bytes of UTF-8 without control characters, not '%s'",
                         o->name, COVEY_NAME_MAX, text);
        return false;
    }
    *(const char **)o->value = text;
    return true;
}

static bool set(const struct covey__cli *cli, const struct covey__option *o, const char *text)
{
    if (o->given != NULL) {
        *o->given = true;
    }
    switch (o->kind) {
    case COVEY__OPTION_FLAG:
        *(bool *)o->value = true;
        return true;
    case COVEY__OPTION_TEXT:
        *(const char **)o->value = text;
        return true;
    case COVEY__OPTION_NAME:
        return set_name(cli, o, text);
    case COVEY__OPTION_NUMBER:
        return set_number(cli, o, text);
    case COVEY__OPTION_REAL:
        return set_real(cli, o, text);
    }
    return false;
}

/* Takes the option at argv[*index], which begins with dashes, and its value. */
static bool take(const struct covey__cli *cli, const struct covey__option *o, const char *equals,
                 char **argv, int *index)
{
    if (o->kind == COVEY__OPTION_FLAG) {
        if (equals != NULL) {
            covey__cli_usage(cli, "%s takes no value", o->name);
            return false;
        }
        return set(cli, o, NULL);
    }
    if (equals != NULL) {
        return set(cli, o, equals + 1);
    }
    if (argv[*index + 1] == NULL) {
        covey__cli_usage(cli, "%s needs a value", o->name);
        return false;
    }
    return set(cli, o, argv[++*index]);
}

bool covey__cli_options(struct covey__cli *cli, const struct covey__option *options, size_t count,
                        int *inout_argc, char **argv)
{
    const struct covey__option common[] = {
        {.name = "--json", .kind = COVEY__OPTION_FLAG, .value = &cli->json},
        {.name = "--help", .kind = COVEY__OPTION_FLAG, .value = &cli->help},
        {.name = "--state", .kind = COVEY__OPTION_TEXT, .value = &cli->state},
    };
    int argc = *inout_argc;
    int kept = 1;
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        if (only_words || arg[0] != '-' || arg[1] == 0) {
            argv[kept++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        const char *equals = strchr(arg, '=');
        size_t len = equals != NULL ? (size_t)(equals - arg) : strlen(arg);
        const struct covey__option *o = find(options, count, arg, len);
        if (o == NULL) {
            o = find(common, sizeof(common) / sizeof(common[0]), arg, len);
        }
        if (o == NULL) {
            covey__cli_usage(cli, "'%s' has no option '%.*s': see 'covey --help'", argv[0],
                             (int)len, arg);
            return false;
        }
        if (!take(cli, o, equals, argv, &i)) {
            return false;
        }
    }
    *inout_argc = kept;
    return true;
}
