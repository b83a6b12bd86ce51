/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "covey/socket.h"

covey_err covey__control_refuse(struct covey__control *c, covey_err err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->why, sizeof(c->why), format, args);
    va_end(args);
    return err;
}

/* A directory that others may write to, or read keys from, is not a node's to be trusted. */
static covey_err check_state(struct covey__control *c, const char *state)
{
    struct stat st;
    if (state[0] == 0) {
        return covey__control_refuse(c, COVEY_ERR_CLOSED, "no node here: --state is empty");
    }
    if (stat(state, &st) != 0) {
        return errno == EACCES
                   ? covey__control_refuse(c, COVEY_ERR_DENIED,
                                           "no right to read state directory %s", state)
                   : covey__control_refuse(
                         c, COVEY_ERR_CLOSED,
                         "no node here: %s does not exist (make it with 'covey mesh enrol', "
                         "or name another with --state)",
                         state);
    }
    if (!S_ISDIR(st.st_mode)) {
        return covey__control_refuse(c, COVEY_ERR_CLOSED, "%s is not a state directory", state);
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return covey__control_refuse(
            c, COVEY_ERR_PERMISSIONS,
            "permissions of %s are too loose: make it owner-only with chmod 700", state);
    }
    return COVEY_OK;
}

covey_err covey__control_open(struct covey__control *c, const char *state)
{
    char path[COVEY_SOCKET_PATH_MAX + 1];
    covey_err err = check_state(c, state);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey_socket_path(state, path);
    if (err == COVEY_OK) {
        err = covey_client_connect(path, &c->fd);
    }
    if (err == COVEY_ERR_NOT_FOUND) {
        return covey__control_refuse(c, COVEY_ERR_CLOSED,
                                     "no node runs with state %s: start it with 'coveyd --state'",
                                     state);
    }
    if (err == COVEY_ERR_LIMIT) {
        return covey__control_refuse(c, err, "path of state directory %s is too long for a socket",
                                     state);
    }
    if (err != COVEY_OK) {
        return covey__control_refuse(c, err, "cannot reach the node with state %s", state);
    }
    c->is_open = true;
    c->request = calloc(1, sizeof(*c->request));
    c->reply = calloc(1, sizeof(*c->reply));
    if (c->request == NULL || c->reply == NULL) {
        covey__control_close(c);
        return covey__control_refuse(c, COVEY_ERR_NOMEM, "out of memory");
    }
    return COVEY_OK;
}

void covey__control_close(struct covey__control *c)
{
    if (c->is_open) {
        covey_client_close(c->fd);
        c->is_open = false;
    }
    free(c->request);
    free(c->reply);
    free(c->header);
    free(c->body);
    c->request = c->reply = NULL;
    c->header = c->body = NULL;
}

covey_err covey__control_ask(struct covey__control *c, enum covey_control_type type,
                             struct covey_bytes body)
{
    uint8_t header[1024]; /* requests are small */
    size_t len = 0;
    c->request->type = type;
    c->request->id = ++c->next_id;
    struct covey_buf out = {header, sizeof(header)};
    covey_err err = covey_control_encode(c->request, out, &len);
    if (err == COVEY_OK) {
        err = covey_client_send(c->fd, covey_bytes_of(header, len), body);
    }
    return err == COVEY_OK
               ? COVEY_OK
               : covey__control_refuse(c, err, "the node cannot be asked: is it still there?");
}

static covey_err receive(struct covey__control *c, int timeout_ms)
{
    free(c->header);
    free(c->body);
    c->header = c->body = NULL;
    c->body_len = 0;
    covey_err err =
        covey_client_receive(c->fd, timeout_ms, &c->header, &c->header_len, &c->body, &c->body_len);
    if (err == COVEY_ERR_TIMEOUT) {
        return covey__control_refuse(c, err, "the node did not answer in time");
    }
    if (err != COVEY_OK) {
        return covey__control_refuse(c, err, "the node went away before it answered");
    }
    err = covey_control_decode(covey_bytes_of(c->header, c->header_len), c->reply);
    return err == COVEY_OK
               ? COVEY_OK
               : covey__control_refuse(c, err, "the node's answer cannot be read: other version?");
}

/* Not left over from a call that was given up. Of a request that the node cannot read it does not
 * know the id, and says 0. */
static bool is_answer(const struct covey__control *c)
{
    return c->reply->id == c->request->id ||
           (c->reply->id == 0 && c->reply->type == COVEY_CONTROL_ERROR);
}

covey_err covey__control_next(struct covey__control *c, int timeout_ms)
{
    do {
        covey_err err = receive(c, timeout_ms);
        if (err != COVEY_OK) {
            return err;
        }
    } while (!is_answer(c));
    if (c->reply->type == COVEY_CONTROL_ERROR) {
        covey_err code = c->reply->error.code;
        return covey__control_refuse(c, code == COVEY_OK ? COVEY_ERR_STATE : code, "%s",
                                     c->reply->error.text);
    }
    return COVEY_OK;
}

covey_err covey__control_answer(struct covey__control *c, enum covey_control_type expected,
                                int timeout_ms)
{
    covey_err err = covey__control_next(c, timeout_ms);
    if (err == COVEY_OK && c->reply->type != expected) {
        return covey__control_refuse(c, COVEY_ERR_MALFORMED,
                                     "the node answered something else: other version?");
    }
    return err;
}

covey_err covey__control_call(struct covey__control *c, enum covey_control_type type,
                              struct covey_bytes body, enum covey_control_type expected,
                              int timeout_ms)
{
    covey_err err = covey__control_ask(c, type, body);
    return err == COVEY_OK ? covey__control_answer(c, expected, timeout_ms) : err;
}

static int compare_members(const void *a, const void *b)
{
    const struct covey_control_member *x = a, *y = b;
    int by_name = covey__compare_names(x->name, y->name);
    return by_name != 0 ? by_name : memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
}

covey_err covey__control_status(struct covey__control *c, int timeout_ms)
{
    covey_err err = covey__control_call(c, COVEY_CONTROL_STATUS, covey_bytes_of(NULL, 0),
                                        COVEY_CONTROL_STATUS_REPLY, timeout_ms);
    if (err == COVEY_OK) {
        qsort(c->reply->status.member, c->reply->status.member_count,
              sizeof(c->reply->status.member[0]), compare_members);
    }
    return err;
}

enum covey_exit covey__cli_fail_call(const struct covey__cli *cli, const struct covey__control *c,
                                     covey_err err)
{
    return covey__cli_fail(cli, covey__cli_exit_of(err), "%s", c->why);
}

enum covey_exit covey__cli_connect(const struct covey__cli *cli, struct covey__control *c)
{
    covey_err err = covey__control_open(c, cli->state);
    return err == COVEY_OK ? COVEY_EXIT_DONE : covey__cli_fail_call(cli, c, err);
}
