/* SPDX-License-Identifier: MIT
 *
 * control.h - one question at a time to a node over its control socket.
 */
#ifndef COVEY_CLI_CONTROL_H
#define COVEY_CLI_CONTROL_H

#include "cli.h"
#include "covey/message_control.h"

/* Zeroed, then open. reply and body are those of the last call, until the next one. */
struct covey__control {
    int fd;
    bool is_open;
    uint32_t next_id;
    struct covey_control *request; /* for callers to fill */
    struct covey_control *reply;
    uint8_t *header, *body;
    size_t header_len, body_len;
    char why[256];
};

/* Connects to the node with this state directory. On failure why says what to do. */
covey_err covey__control_open(struct covey__control *c, const char *state) COVEY_CHECK;
void covey__control_close(struct covey__control *c); /* safe on a zeroed struct */

/* Sends c->request as `type` and waits for its reply, which must be of type `expected`. An ERROR
 * reply gives its code, with its line in why. */
covey_err covey__control_call(struct covey__control *c, enum covey_control_type type,
                              struct covey_bytes body, enum covey_control_type expected,
                              int timeout_ms) COVEY_CHECK;
/* The two halves: what happens between them is the caller's. */
covey_err covey__control_ask(struct covey__control *c, enum covey_control_type type,
                             struct covey_bytes body) COVEY_CHECK;
covey_err covey__control_answer(struct covey__control *c, enum covey_control_type expected,
                                int timeout_ms) COVEY_CHECK;
/* The same, of any type: for questions that are answered more than once. */
covey_err covey__control_next(struct covey__control *c, int timeout_ms) COVEY_CHECK;

/* STATUS into c->reply->status, its members in the order of their names. */
covey_err covey__control_status(struct covey__control *c, int timeout_ms) COVEY_CHECK;

/* Writes why and returns err. */
covey_err covey__control_refuse(struct covey__control *c, covey_err err, const char *format,
                                ...) COVEY_CHECK __attribute__((format(printf, 3, 4)));

/* covey__control_open for a command: says what is wrong. */
enum covey_exit covey__cli_connect(const struct covey__cli *cli, struct covey__control *c);
/* Says why the last call failed. */
enum covey_exit covey__cli_fail_call(const struct covey__cli *cli, const struct covey__control *c,
                                     covey_err err);

#endif /* COVEY_CLI_CONTROL_H */
