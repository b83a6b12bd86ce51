/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "covey/node.h"
#include "fuzz.h"
#include "tests/sim/fuzz_member.h"

enum { KINDS = 6 };

/* The plans that it wants made, as session makes them. */
static covey_err make_plans(struct covey_node *node, const struct covey_event *after,
                            struct covey_update *update)
{
    static struct covey_plan plan;
    for (size_t i = 0; i < update->count; i++) {
        if (update->actions[i].type != COVEY_ACTION_PLAN) {
            continue;
        }
        struct covey_event planned = {.type = COVEY_EVENT_PLANNED,
                                      .now_ms = after->now_ms,
                                      .wall_s = after->wall_s,
                                      .work = update->actions[i].work,
                                      .fence = update->actions[i].fence,
                                      .err = covey_plan_make(update->actions[i].costs, &plan),
                                      .plan = &plan};
        return covey_node_step(node, &planned, update); /* a step wants one at most */
    }
    return COVEY_OK;
}

/* Events as kind u8 (high half: time passed) || length u16 || bytes, into a node that has a channel
 * to one fully trusted peer: whatever comes, no step fails and nothing is corrupted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void *memory; /* one for all inputs: a node is megabytes that a run hardly touches */
    static struct covey_update update;
    static const enum covey_event_type kinds[KINDS] = {
        COVEY_EVENT_HELLO,      COVEY_EVENT_GOSSIP,       COVEY_EVENT_MESSAGE,
        COVEY_EVENT_CHANNEL_UP, COVEY_EVENT_CHANNEL_DOWN, COVEY_EVENT_TICK};
    const struct covey_identity *self = fuzz_member(0), *peer = fuzz_member(1);
    struct covey_node_config config = {
        .identity = self, .rates.mflops = 1, .memory_bytes = 1 << 20};
    struct covey_event event = {.type = COVEY_EVENT_CHANNEL_UP, .wall_s = 1};
    struct covey_node *node = NULL;
    event.peer = peer->cert.node;
    event.bytes = covey_bytes_of(peer->cert_wire, peer->cert_len);
    size_t bytes = (covey_node_size(&config) + 63) / 64 * 64;
    memory = memory != NULL ? memory : aligned_alloc(64, bytes);
    COVEY_ASSERT(memory != NULL);
    COVEY_ASSERT(covey_node_init(memory, &config, 0, &node) == COVEY_OK);
    covey_err err = covey_node_step(node, &event, &update);
    while (err == COVEY_OK && size >= 3) {
        size_t told = covey_load16(data + 1), len = told < size - 3 ? told : size - 3;
        event.type = kinds[(data[0] & 15) % KINDS];
        event.now_ms += (data[0] >> 4) * UINT64_C(100);
        event.bytes = covey_bytes_of(data + 3, len);
        err = covey_node_step(node, &event, &update);
        err = err == COVEY_OK ? make_plans(node, &event, &update) : err;
        data += 3 + len;
        size -= 3 + len;
    }
    COVEY_ASSERT(err == COVEY_OK);
    covey_node_done(node);
    return 0;
}
