/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "covey/files.h"
#include "covey/text.h"

enum { LINE_MAX_BYTES = 1024, REASON_BYTES = 128, FILE_MODE = 0644 };

static void print_help(const char *program, const struct covey__cli_command *table)
{
    printf("usage: %s COMMAND [ARGS...]\n\n", program);
    for (const struct covey__cli_command *c = table; c->name != NULL; c++) {
        printf("  %-10s %s\n", c->name, c->summary);
    }
    printf(
        "\nEvery command has --help and --json. --state DIR says which node (else $COVEY_STATE,\n"
        "else /var/lib/covey).\n");
}

static void say_error(const struct covey__cli *cli, enum covey_exit code, char *line)
{
    covey_text_make_plain(line);
    fprintf(stderr, "covey: %s\n", line);
    if (!cli->json) {
        return;
    }
    cJSON *document = cJSON_CreateObject();
    cJSON_AddStringToObject(document, "error", line);
    cJSON_AddNumberToObject(document, "code", code);
    char *text = cJSON_PrintUnformatted(document);
    cJSON_Delete(document);
    if (text != NULL) {
        printf("%s\n", text);
        free(text);
    }
}

enum covey_exit covey__cli_fail(const struct covey__cli *cli, enum covey_exit code,
                                const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    say_error(cli, code, line);
    return code;
}

enum covey_exit covey__cli_usage(const struct covey__cli *cli, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    say_error(cli, COVEY_EXIT_USAGE, line);
    return COVEY_EXIT_USAGE;
}

enum covey_exit covey__cli_exit_of(covey_err err)
{
    switch (err) {
    case COVEY_OK:
        return COVEY_EXIT_DONE;
    case COVEY_ERR_SHORT:
    case COVEY_ERR_MALFORMED:
    case COVEY_ERR_UNSUPPORTED:
    case COVEY_ERR_RANGE:
    case COVEY_ERR_LIMIT:
    case COVEY_ERR_NOT_FOUND: /* what was named is not there */
        return COVEY_EXIT_INPUT;
    case COVEY_ERR_AUTH:
    case COVEY_ERR_REPLAY:
    case COVEY_ERR_EXPIRED:
    case COVEY_ERR_DENIED:
    case COVEY_ERR_PERMISSIONS:
        return COVEY_EXIT_REFUSED;
    case COVEY_ERR_CLOSED:
        return COVEY_EXIT_NO_NODE;
    case COVEY_ERR_NOMEM:
    case COVEY_ERR_SPACE:
    case COVEY_ERR_STATE:
    case COVEY_ERR_TIMEOUT:
    case COVEY_ERR_CANCELLED:
    case COVEY_ERR_EXISTS:
    case COVEY_ERR_BUSY:
    case COVEY_ERR_IO:
        break;
    }
    return COVEY_EXIT_FAILED;
}

static enum covey_exit print_text(const struct covey__cli *cli, cJSON *document, char *text)
{
    cJSON_Delete(document);
    if (text == NULL) {
        return covey__cli_fail(cli, COVEY_EXIT_FAILED, "out of memory while writing JSON");
    }
    bool written = printf("%s\n", text) >= 0 && fflush(stdout) == 0;
    free(text);
    if (!written) {
        fprintf(stderr, "covey: standard output cannot be written\n");
    }
    return written ? COVEY_EXIT_DONE : COVEY_EXIT_FAILED;
}

enum covey_exit covey__cli_print(const struct covey__cli *cli, cJSON *take_document)
{
    return print_text(cli, take_document, cJSON_Print(take_document));
}

enum covey_exit covey__cli_print_line(const struct covey__cli *cli, cJSON *take_document)
{
    return print_text(cli, take_document, cJSON_PrintUnformatted(take_document));
}

static enum covey_exit fail_write(const struct covey__cli *cli, const char *path, int number,
                                  covey_err err)
{
    char reason[REASON_BYTES];
    bool known = strerror_r(number, reason, sizeof(reason)) == 0;
    return covey__cli_fail(cli, COVEY_EXIT_FAILED, "%s cannot be written: %s", path,
                           known ? reason : covey_strerror(err));
}

enum covey_exit covey__cli_write(const struct covey__cli *cli, const char *path,
                                 struct covey_bytes content)
{
    covey_err err = covey_file_write(path, content, FILE_MODE);
    return err == COVEY_OK ? COVEY_EXIT_DONE : fail_write(cli, path, errno, err);
}

/* A file is made beside what it replaces, so that its folder must take it. 0, or what is wrong. */
static int place_error(const char *path)
{
    struct stat st;
    char folder[PATH_MAX];
    if ((size_t)snprintf(folder, sizeof(folder), "%s", path) >= sizeof(folder)) {
        return ENAMETOOLONG;
    }
    if (path[0] == 0) {
        return ENOENT;
    }
    if (covey_file_is_stream(path)) {
        return access(path, W_OK) == 0 ? 0 : errno;
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        snprintf(folder, sizeof(folder), ".");
    } else {
        slash[slash == folder] = 0;
    }
    if (access(folder, W_OK | X_OK) != 0) {
        return errno;
    }
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? EISDIR : 0;
}

enum covey_exit covey__cli_check_place(const struct covey__cli *cli, const char *path)
{
    int number = path != NULL ? place_error(path) : 0;
    return number == 0 ? COVEY_EXIT_DONE : fail_write(cli, path, number, COVEY_ERR_IO);
}

bool covey__cli_is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= COVEY_NAME_MAX && covey_text_is_plain(covey_bytes_of(text, len));
}

/* Whether --help or --json stands before "--": they work wherever they are typed. */
static bool asks(int argc, char **argv, const char *what)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], what) == 0) {
            return true;
        }
    }
    return false;
}

enum covey_exit covey__cli_dispatch(struct covey__cli *cli, const char *program,
                                    const struct covey__cli_command *table, int argc, char **argv)
{
    cli->json = cli->json || asks(argc, argv, "--json");
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)) {
        print_help(program, table);
        return COVEY_EXIT_DONE;
    }
    if (argc < 2 || argv[1][0] == '-') {
        return covey__cli_usage(cli, "'%s' needs a command: see '%s --help'", program, program);
    }
    for (const struct covey__cli_command *c = table; c->name != NULL; c++) {
        if (strcmp(c->name, argv[1]) != 0) {
            continue;
        }
        if (c->help != NULL && asks(argc - 1, argv + 1, "--help")) {
            printf("%s", c->help);
            return COVEY_EXIT_DONE;
        }
        return c->run(cli, argc - 1, argv + 1);
    }
    return covey__cli_usage(cli, "'%s' has no command '%s': see '%s --help'", program, argv[1],
                            program);
}

void covey__hex(char *out, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = 0;
}

const char *covey__cli_device_name(const struct covey_control_status *s,
                                   const struct covey_node_id *id, char hex[static 33])
{
    for (size_t i = 0; i < s->member_count; i++) {
        if (covey_node_id_equal(&s->member[i].id, id)) {
            return s->member[i].name;
        }
    }
    covey__hex(hex, id->bytes, sizeof(id->bytes));
    return hex;
}

int covey__compare_names(const char *a, const char *b)
{
    while (*a != 0 && *b != 0) {
        char *a_end = NULL, *b_end = NULL;
        bool numbers = *a >= '0' && *a <= '9' && *b >= '0' && *b <= '9';
        unsigned long x = numbers ? strtoul(a, &a_end, 10) : (unsigned char)*a;
        unsigned long y = numbers ? strtoul(b, &b_end, 10) : (unsigned char)*b;
        if (x != y) {
            return x < y ? -1 : 1;
        }
        a = numbers ? a_end : a + 1;
        b = numbers ? b_end : b + 1;
    }
    return (*a != 0) - (*b != 0);
}
