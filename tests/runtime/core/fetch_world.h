/* SPDX-License-Identifier: MIT
 *
 * fetch_world.h - fetch machines of several nodes for tests, their messages and disks: what is sent
 * arrives in any order, drawn by a seed.
 */
#ifndef COVEY_TESTS_FETCH_WORLD_H
#define COVEY_TESTS_FETCH_WORLD_H

#include "fetch_state.h"

/* Node 0 is the owner. */
enum {
    NODES = 6,
    BLOBS = 300,
    BODIES = 65536,
    ITEMS = 65536,
    BLOB_LEN = 100000,
    END_MS = 20000000
};

struct fetch_item;

struct fetch_node {
    struct covey_fetch *fetch;
    bool has[BLOBS];
    bool silent, lies, away;
    uint64_t keep_ms;               /* that keeping a blob takes, one after the other */
    uint64_t kept_ms;               /* all that came is kept then */
    unsigned keeping, keeping_most; /* blobs */
    unsigned given, asked;          /* blobs */
    unsigned fetched;
    covey_err err;
    unsigned dials;
};

struct fetch_world {
    uint64_t now_ms, seed;
    bool own, once; /* fetch_want(): of the device itself; each source is asked once */
    struct covey_update *out;
    struct fetch_node node[NODES];
    struct fetch_item *item;
    size_t items;
    struct {
        bool alive, wrong;
    } * body;
    covey_handle bodies;
    unsigned alive;
};

/* A number below the bound. */
uint64_t fetch_draw(struct fetch_world *w, uint64_t below);
struct covey_node_id fetch_id(unsigned node);
struct covey_fence fetch_fence(uint32_t version);
/* What the machine of node n wants done. */
void fetch_carry_out(struct fetch_world *w, unsigned n);
/* The next thing that happens, or the next deadline. False: nothing is left. */
bool fetch_go_on(struct fetch_world *w);
struct fetch_world *fetch_world_new(uint64_t seed);
/* Runs to the end; nothing may be left over. */
void fetch_world_end(struct fetch_world *w);
void fetch_world_free(struct fetch_world *w);
/* Node n lacks what it has not, up to `count` blobs, which the nodes of the mask have or fetch too,
 * and the owner. */
void fetch_want(struct fetch_world *w, unsigned n, unsigned count, uint32_t mask, uint32_t version);
/* Node n has all, and was told so once. */
void fetch_assert_complete(const struct fetch_world *w, unsigned n);

#endif /* COVEY_TESTS_FETCH_WORLD_H */
