/* SPDX-License-Identifier: MIT
 *
 * node_world.h - a few nodes for tests that carry their messages by hand.
 */
#ifndef COVEY_TESTS_NODE_WORLD_H
#define COVEY_TESTS_NODE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/message_gossip.h"
#include "node_state.h"

enum { WORLD_NODES = 3, WORLD_NOW_S = 1767225600 };

/* Nodes without a network: the test carries what it likes. Node 2 has trust none. */
struct node_world {
    struct covey_identity *id[WORLD_NODES];
    struct covey_node *node[WORLD_NODES];
    void *memory[WORLD_NODES];
    struct covey_update update;
    uint64_t now_ms;
};

struct covey_addr world_addr_of(unsigned i);
int world_setup(void **state);
int world_teardown(void **state);
void world_step(struct node_world *f, unsigned at, struct covey_event event);
unsigned world_count(const struct node_world *f, enum covey_action_type type);
/* The first action of the type, its bytes copied to out; the test fails without one. */
struct covey_bytes world_take(const struct node_world *f, enum covey_action_type type,
                              uint8_t *out);
/* The peer's channel is up; a message of it. */
struct covey_event world_up(const struct node_world *f, unsigned peer);
struct covey_event world_message(const struct node_world *f, unsigned from,
                                 struct covey_bytes bytes);
/* A channel between a and b; each has the other's record. */
void world_connect(struct node_world *f, unsigned a, unsigned b);
/* As `at` sees it. */
bool world_alive(const struct node_world *f, unsigned at, unsigned who);

#endif /* COVEY_TESTS_NODE_WORLD_H */
