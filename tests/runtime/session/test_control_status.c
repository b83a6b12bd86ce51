/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control_private.h"

enum { MEMBERS = 5, SESSIONS = 3, REQUEST = 7, TERM = 11 };

/* What the node would tell: itself, then others whose channel passes, stands still, is not there;
 * and one whom it does not understand. */
static const struct covey_member_info members[MEMBERS] = {
    {.name = "self", .self = true, .state = COVEY_MEMBER_ALIVE, .rates = {.mflops = 900}},
    {.name = "passes", .channel = true, .passes = true, .rtt_us = 250, .tier = COVEY_TIER_EDGE},
    {.name = "stands still", .channel = true, .lied = true, .memory_bytes = 4096},
    {.name = "none", .state = COVEY_MEMBER_DEAD},
    {.name = "other version", .incompatible = true},
};
static unsigned replies;

size_t __wrap_covey_node_members(const struct covey_node *node);
void __wrap_covey_node_member(const struct covey_node *node, size_t index,
                              struct covey_member_info *out);
bool __wrap_covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                                   uint64_t *out_term);
bool __wrap_covey_node_is_redundant(const struct covey_node *node,
                                    const struct covey_fence *session);
struct covey_fetched __wrap_covey_node_fetched(const struct covey_node *node);
void __wrap_covey__owner_visit(const struct covey_owner *o, covey_owner_visit_fn fn, void *user);
void __wrap_covey__control_reply(struct covey_client *client, struct covey_bytes body);

size_t __wrap_covey_node_members(const struct covey_node *node)
{
    (void)node;
    return MEMBERS;
}

void __wrap_covey_node_member(const struct covey_node *node, size_t index,
                              struct covey_member_info *out)
{
    (void)node;
    assert_true(index < MEMBERS);
    *out = members[index];
}

bool __wrap_covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                                   uint64_t *out_term)
{
    (void)node;
    *out_id = (struct covey_node_id){{3}};
    *out_term = TERM;
    return true;
}

bool __wrap_covey_node_is_redundant(const struct covey_node *node,
                                    const struct covey_fence *session)
{
    (void)node;
    return session->epoch == 1;
}

struct covey_fetched __wrap_covey_node_fetched(const struct covey_node *node)
{
    (void)node;
    return (struct covey_fetched){.owner_bytes = 1000, .others_bytes = 70};
}

void __wrap_covey__owner_visit(const struct covey_owner *o, covey_owner_visit_fn fn, void *user)
{
    (void)o;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        struct covey_fence session = {.epoch = i};
        fn(user, &session);
    }
}

void __wrap_covey__control_reply(struct covey_client *client, struct covey_bytes body)
{
    assert_non_null(client);
    assert_int_equal(body.len, 0);
    replies++;
}

/* A node's status names its members in the node's order, and says of each what the node does: that
 * there is a channel only where one is up and does not stand still. */
static void test_status_tells_the_nodes_view(void **state)
{
    (void)state;
    struct covey_daemon *d = calloc(1, sizeof(*d));
    struct covey_control *out = calloc(1, sizeof(*out));
    assert_true(d != NULL && out != NULL);
    d->out = out;
    d->own_addr = (struct covey_addr){.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = 5684};
    struct covey_client client = {.daemon = d};
    covey__control_tell_status(&client, REQUEST);
    assert_int_equal(replies, 1);
    assert_int_equal(out->type, COVEY_CONTROL_STATUS_REPLY);
    assert_int_equal(out->id, REQUEST);
    const struct covey_control_status *s = &out->status;
    assert_true(s->has_coordinator && s->coordinator.bytes[0] == 3 && s->term == TERM);
    assert_int_equal(s->sessions, SESSIONS);
    assert_int_equal(s->sessions_redundant, 1);
    assert_true(s->fetched_owner == 1000 && s->fetched_others == 70);
    assert_int_equal(s->member_count, MEMBERS);
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct covey_member_info *is = &members[i];
        const struct covey_control_member *said = &s->member[i];
        assert_string_equal(said->name, is->name);
        assert_int_equal(said->channel, is->passes);
        assert_int_equal(said->self, is->self);
        assert_int_equal(said->lied, is->lied);
        assert_int_equal(said->tier, is->tier);
        assert_int_equal(said->state, is->incompatible ? 0xff : (int)is->state);
        assert_int_equal(said->rtt_us, is->rtt_us);
        assert_int_equal(said->mflops, is->rates.mflops);
        assert_int_equal(said->memory_bytes, is->memory_bytes);
    }
    assert_string_equal(s->member[0].address, "10.0.0.1:5684");
    free(out);
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_tells_the_nodes_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
