/* SPDX-License-Identifier: MIT
 *
 * channel_fixture.h - nodes with channels on one loop, and what they were told.
 */
#ifndef COVEY_CHANNEL_FIXTURE_H
#define COVEY_CHANNEL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/channels.h"

/* Two members; the third place is for a test to fill, with an identity that the test frees. */
enum { FIXTURE_MEMBERS = 2, FIXTURE_NODES = 3, FIXTURE_KEPT = 512, FIXTURE_WAIT_MS = 20000 };

struct fixture_message {
    size_t control_len;
    uint8_t tag; /* first control byte */
    bool has_body;
    size_t body_len;
    bool body_right; /* the pattern of fixture_body(tag) */
};

struct fixture_node {
    struct covey_identity *identity;
    struct covey_channels *channels;
    struct fixture *fixture;
    unsigned ups, downs, failed, logs, stalled;
    covey_err last_down, last_failed;
    char last_log[320];
    size_t count;
    struct fixture_message messages[FIXTURE_KEPT];
    bool echo;  /* answers each message with its own control and body */
    bool greet; /* sends one message when a channel comes up */
    bool close_on_message;
};

struct fixture {
    struct covey_loop *loop;
    struct covey_timer *timer;
    struct fixture_node nodes[FIXTURE_NODES];
    uint8_t authority[COVEY_SIGN_SECRET_BYTES], mesh_key[COVEY_KEY_BYTES];
    bool (*done)(const struct fixture *f);
    uint64_t until_ms;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Opens node index's channels, with its own identity. */
void fixture_open(struct fixture *f, size_t index);
/* Runs the loop until done(f) or the bound; tells which. */
bool fixture_run(struct fixture *f, bool (*done)(const struct fixture *f), uint64_t bound_ms);
struct covey_addr fixture_loopback(uint16_t port);
const struct covey_node_id *fixture_id(const struct fixture *f, size_t index);
/* Node from dials node to, knowing its id. */
void fixture_dial(struct fixture *f, size_t from, size_t to);
/* Connects node 0 to node 1 and waits until both are up. */
void fixture_connect(struct fixture *f);
struct covey_body *fixture_body(uint8_t tag, size_t len);
/* One message whose control is control_len bytes of tag; body_len SIZE_MAX for none. */
covey_err fixture_send(struct fixture *f, size_t from, uint8_t tag, size_t control_len,
                       size_t body_len);
bool fixture_both_up(const struct fixture *f);
bool fixture_never(const struct fixture *f);

#endif /* COVEY_CHANNEL_FIXTURE_H */
