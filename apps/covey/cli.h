/* SPDX-License-Identifier: MIT
 *
 * cli.h - what all commands share: options, exit codes, one-line errors, JSON.
 */
#ifndef COVEY_CLI_H
#define COVEY_CLI_H

#include <cjson/cJSON.h>

#include "covey/bytes.h"
#include "covey/ids.h"
#include "covey/message_control.h"

/* Scripts rely on these numbers. */
enum covey_exit {
    COVEY_EXIT_DONE = 0,
    COVEY_EXIT_FAILED = 1,
    COVEY_EXIT_USAGE = 2,
    COVEY_EXIT_MISSING = 3, /* something is missing on this machine */
    COVEY_EXIT_NO_NODE = 4, /* no node or no mesh */
    COVEY_EXIT_REFUSED = 5, /* rights, trust */
    COVEY_EXIT_INPUT = 6,   /* bad input */
};

struct covey__cli {
    const char *state; /* --state, else $COVEY_STATE, else /var/lib/covey */
    bool json;
    bool help;
};

struct covey__cli_command {
    const char *name;
    const char *summary;
    const char *help; /* all of what --help prints */
    enum covey_exit (*run)(struct covey__cli *cli, int argc, char **argv);
};

enum covey__option_kind {
    COVEY__OPTION_FLAG,
    COVEY__OPTION_TEXT,
    COVEY__OPTION_NAME,   /* a text that covey__cli_is_name() */
    COVEY__OPTION_NUMBER, /* min..max */
    COVEY__OPTION_REAL,
};

struct covey__option {
    const char *name; /* with the dashes */
    enum covey__option_kind kind;
    void *value; /* bool, const char *, uint32_t, double */
    uint32_t min, max;
    bool *given; /* may be NULL */
};

/* Takes the options (and --json, --state, --help) out of argv wherever they stand; what is left is
 * moved to the front. Behind "--" nothing is an option. argv[0] is left alone. False: said what is
 * wrong, exit with USAGE. argv ends with NULL, as that of main(). */
bool covey__cli_options(struct covey__cli *cli, const struct covey__option *options, size_t count,
                        int *inout_argc, char **argv);

/* One line on standard error and, with --json, {"error", "code"} on standard output. Returns code.
 * Control characters are replaced. */
enum covey_exit covey__cli_fail(const struct covey__cli *cli, enum covey_exit code,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));
enum covey_exit covey__cli_usage(const struct covey__cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
enum covey_exit covey__cli_exit_of(covey_err err);

/* Prints and frees; a document that could not be made or written is FAILED. */
enum covey_exit covey__cli_print(const struct covey__cli *cli, cJSON *take_document);
/* The same as one line, flushed. */
enum covey_exit covey__cli_print_line(const struct covey__cli *cli, cJSON *take_document);

/* A file that somebody asked for: the whole of it or, with a line on standard error, what was there
 * before. */
enum covey_exit covey__cli_write(const struct covey__cli *cli, const char *path,
                                 struct covey_bytes content);

/* The same before the work whose result the file is to hold: its folder is there and can be written
 * to. NULL: no file is asked for. */
enum covey_exit covey__cli_check_place(const struct covey__cli *cli, const char *path);

/* 1 to COVEY_NAME_MAX bytes of UTF-8 without control characters: of sessions and models. */
bool covey__cli_is_name(const char *text);

/* Looks argv[1] up in a table and runs it with argv moved by one. The last entry has no name. */
enum covey_exit covey__cli_dispatch(struct covey__cli *cli, const char *program,
                                    const struct covey__cli_command *table, int argc, char **argv);

void covey__hex(char *out, const uint8_t *bytes, size_t count); /* writes 2 x count + 1 */
/* As strcmp() does, but numbers by their values: node2 is before node10. */
int covey__compare_names(const char *a, const char *b);
/* As people know a device: its name, or its id, which is written to hex. */
const char *covey__cli_device_name(const struct covey_control_status *s,
                                   const struct covey_node_id *id, char hex[static 33]);

#endif /* COVEY_CLI_H */
