/* SPDX-License-Identifier: MIT */
#include "node_world.h"

#include <stdlib.h>

enum { ALIGN = 64 };

struct covey_addr world_addr_of(unsigned i)
{
    return (struct covey_addr){.ip = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)i},
                               .port = 5684};
}

int world_setup(void **state)
{
    struct node_world *f = calloc(1, sizeof(*f));
    uint8_t pub[COVEY_SIGN_PUBLIC_BYTES], secret[COVEY_SIGN_SECRET_BYTES];
    const uint8_t key[COVEY_KEY_BYTES] = {1};
    if (f == NULL || covey_crypto_init() != COVEY_OK) {
        return -1;
    }
    covey_authority_keypair(pub, secret);
    f->now_ms = 1000;
    for (unsigned i = 0; i < WORLD_NODES; i++) {
        assert_int_equal(covey_identity_new("n", COVEY_TIER_EDGE,
                                            i == 2 ? COVEY_TRUST_NONE : COVEY_TRUST_FULL, secret,
                                            key, WORLD_NOW_S, &f->id[i]),
                         COVEY_OK);
        struct covey_node_config config = {.identity = f->id[i],
                                           .gossip_port = 5684,
                                           .channel_port = 5685,
                                           .rates.mflops = 1000,
                                           .memory_bytes = 1 << 20,
                                           .seed = i};
        size_t size = (covey_node_size(&config) + ALIGN - 1) / ALIGN * ALIGN;
        f->memory[i] = aligned_alloc(ALIGN, size);
        assert_non_null(f->memory[i]);
        assert_int_equal(covey_node_init(f->memory[i], &config, f->now_ms, &f->node[i]), COVEY_OK);
    }
    *state = f;
    return 0;
}

int world_teardown(void **state)
{
    struct node_world *f = *state;
    for (unsigned i = 0; i < WORLD_NODES; i++) {
        covey_node_done(f->node[i]);
        covey_identity_free(f->id[i]);
        free(f->memory[i]);
    }
    free(f);
    return 0;
}

void world_step(struct node_world *f, unsigned at, struct covey_event event)
{
    event.now_ms = f->now_ms;
    event.wall_s = WORLD_NOW_S;
    assert_int_equal(covey_node_step(f->node[at], &event, &f->update), COVEY_OK);
}

unsigned world_count(const struct node_world *f, enum covey_action_type type)
{
    unsigned n = 0;
    for (size_t i = 0; i < f->update.count; i++) {
        n += f->update.actions[i].type == type;
    }
    return n;
}

/* The first action of the type, its bytes copied to out; the test fails without one. */
struct covey_bytes world_take(const struct node_world *f, enum covey_action_type type, uint8_t *out)
{
    for (size_t i = 0; i < f->update.count; i++) {
        const struct covey_action *action = &f->update.actions[i];
        if (action->type == type) {
            memcpy(out, action->bytes.ptr, action->bytes.len);
            return covey_bytes_of(out, action->bytes.len);
        }
    }
    fail_msg("no action of type %d", (int)type);
    return covey_bytes_of(out, 0);
}

struct covey_event world_up(const struct node_world *f, unsigned peer)
{
    return (struct covey_event){.type = COVEY_EVENT_CHANNEL_UP,
                                .peer = f->id[peer]->cert.node,
                                .bytes =
                                    covey_bytes_of(f->id[peer]->cert_wire, f->id[peer]->cert_len),
                                .addr = world_addr_of(peer)};
}

struct covey_event world_message(const struct node_world *f, unsigned from,
                                 struct covey_bytes bytes)
{
    return (struct covey_event){
        .type = COVEY_EVENT_MESSAGE, .peer = f->id[from]->cert.node, .bytes = bytes};
}

/* A channel between a and b; each has the other's record. */
void world_connect(struct node_world *f, unsigned a, unsigned b)
{
    uint8_t from_a[4096], from_b[4096];
    world_step(f, a, world_up(f, b));
    struct covey_bytes a_says = world_take(f, COVEY_ACTION_SEND, from_a);
    world_step(f, b, world_up(f, a));
    struct covey_bytes b_says = world_take(f, COVEY_ACTION_SEND, from_b);
    world_step(f, a, world_message(f, b, b_says));
    world_step(f, b, world_message(f, a, a_says));
}

bool world_alive(const struct node_world *f, unsigned at, unsigned who)
{
    struct covey_member_info info;
    return covey_node_find(f->node[at], &f->id[who]->cert.node, &info) &&
           info.state == COVEY_MEMBER_ALIVE;
}
