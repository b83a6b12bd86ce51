/* SPDX-License-Identifier: MIT */
#include "node_world.h"

/* A hello of an unknown node gets it dialled; one with a single flipped bit changes nothing. */
static void test_hello(void **state)
{
    struct node_world *f = *state;
    uint8_t hello[COVEY_HELLO_MAX];
    f->now_ms += COVEY_HELLO_FIRST_MS;
    world_step(f, 0, (struct covey_event){.type = COVEY_EVENT_TICK});
    struct covey_bytes said = world_take(f, COVEY_ACTION_MULTICAST, hello);
    struct covey_event event = {.type = COVEY_EVENT_HELLO, .addr = world_addr_of(0), .bytes = said};
    uint64_t dropped = f->node[1]->dropped;
    for (size_t i = 0; i < said.len; i++) {
        hello[i] ^= 0x10;
        world_step(f, 1, event);
        assert_int_equal(world_count(f, COVEY_ACTION_DIAL) + world_count(f, COVEY_ACTION_HELLO), 0);
        hello[i] ^= 0x10;
    }
    assert_int_equal(f->node[1]->dropped - dropped, said.len);
    world_step(f, 1, event);
    f->now_ms += COVEY_DIAL_GREATER_MS;
    unsigned dials = world_count(f, COVEY_ACTION_DIAL);
    world_step(f, 1, (struct covey_event){.type = COVEY_EVENT_TICK});
    assert_true(dials + world_count(f, COVEY_ACTION_DIAL) > 0);
}

/* How many hellos node 1 answers that come at once, each from the next of so many ports of a host.
 * No answer is larger than what was asked. */
static unsigned answers_to(struct node_world *f, struct covey_bytes hello, unsigned ports,
                           unsigned times)
{
    struct covey_event event = {
        .type = COVEY_EVENT_HELLO, .addr = world_addr_of(0), .bytes = hello};
    unsigned answers = 0;
    for (unsigned i = 0; i < times; i++) {
        event.addr.port = (uint16_t)(1 + i % ports);
        world_step(f, 1, event);
        answers += world_count(f, COVEY_ACTION_HELLO);
    }
    f->now_ms += COVEY_HELLO_ANSWER_MS - 1;
    world_step(f, 1, (struct covey_event){.type = COVEY_EVENT_TICK});
    for (size_t a = 0; a < f->update.count; a++) {
        const struct covey_action *action = &f->update.actions[a];
        assert_true(action->type != COVEY_ACTION_HELLO || action->bytes.len <= hello.len);
    }
    return answers + world_count(f, COVEY_ACTION_HELLO);
}

/* A hello that is said again and again is answered once a second and source, and all sources
 * together as often as there is room: who floods a device cannot make it flood others. */
static void test_hellos_are_answered_rarely(void **state)
{
    struct node_world *f = *state;
    uint8_t bytes[COVEY_HELLO_MAX];
    f->now_ms += COVEY_HELLO_FIRST_MS;
    world_step(f, 0, (struct covey_event){.type = COVEY_EVENT_TICK});
    struct covey_bytes hello = world_take(f, COVEY_ACTION_MULTICAST, bytes);
    assert_int_equal(answers_to(f, hello, 1, 100), 1);
    assert_int_equal(answers_to(f, hello, 1, 100), 0); /* a millisecond is left */
    f->now_ms++;
    assert_int_equal(answers_to(f, hello, 1, 100), 1);
    for (unsigned second = 0; second < 3; second++) {
        f->now_ms++;
        assert_in_range(answers_to(f, hello, 1000, 5000), 1, COVEY_SOURCES_MAX);
    }
}

/* Records over a fresh channel make both members at once. */
static void test_channel_makes_members(void **state)
{
    struct node_world *f = *state;
    world_connect(f, 0, 1);
    assert_true(world_alive(f, 0, 1) && world_alive(f, 1, 0));
    assert_int_equal(covey_node_members(f->node[0]), 2);
    assert_int_equal(f->node[0]->view.devices, 2);
}

/* Of others' models a device is given what its store can keep, of its own what memory can. */
static void test_stores_bound_slices(void **state)
{
    struct node_world *f = *state;
    world_step(f, 1, (struct covey_event){.type = COVEY_EVENT_MEASURED, .store_bytes = 1000});
    world_connect(f, 0, 1);
    for (unsigned at = 0; at < 2; at++) {
        const struct covey_job_view *view = &f->node[at]->view;
        assert_int_equal(view->devices, 2);
        for (unsigned d = 0; d < view->devices; d++) {
            bool small = at == 0 && covey_node_id_equal(&view->device[d].id, &f->id[1]->cert.node);
            assert_int_equal(view->device[d].memory_bytes, small ? 1000 : 1 << 20);
        }
    }
}

/* Hands node 0 a claim that `by` signed, over their channel; whether it is believed. */
static bool claim_believed(struct node_world *f, unsigned by)
{
    struct covey_claim claim = {f->id[by]->cert.node, 7, 1};
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS, .statements = 1};
    uint8_t body[128], signature[COVEY_SIGNATURE_BYTES], wire[512];
    size_t len = 0;
    assert_int_equal(covey_claim_encode(&claim, (struct covey_buf){body, sizeof(body)}, &len),
                     COVEY_OK);
    covey_statement_sign(signature, "covey claim 1", &f->id[by]->cert.mesh,
                         covey_bytes_of(body, len), f->id[by]->sign_secret);
    m.statement[0] = (struct covey_statement){COVEY_STATEMENT_CLAIM, covey_bytes_of(body, len),
                                              covey_bytes_of(signature, sizeof(signature))};
    assert_int_equal(covey_gossip_encode(&m, (struct covey_buf){wire, sizeof(wire)}, &len),
                     COVEY_OK);
    world_step(f, 0, world_message(f, by, covey_bytes_of(wire, len)));
    struct covey_node_id leader;
    uint64_t term;
    return covey_node_coordinator(f->node[0], &leader, &term) &&
           covey_node_id_equal(&leader, &claim.coordinator) && term == 7;
}

/* A signed claim is believed of a fully trusted member, and of no other. */
static void test_claims(void **state)
{
    struct node_world *f = *state;
    world_connect(f, 0, 1);
    world_connect(f, 0, 2);
    assert_false(claim_believed(f, 2));
    assert_true(claim_believed(f, 1));
}

/* A member of trust none is a member, but no device, and gets no work done. */
static void test_untrusted(void **state)
{
    struct node_world *f = *state;
    world_connect(f, 0, 2);
    assert_true(world_alive(f, 0, 2));
    assert_int_equal(f->node[0]->view.devices, 1);
    struct covey_work_message execute = {.type = COVEY_WORK_EXECUTE};
    uint8_t wire[256];
    size_t len = 0;
    assert_int_equal(covey_work_encode(&execute, (struct covey_buf){wire, sizeof(wire)}, &len),
                     COVEY_OK);
    uint64_t dropped = f->node[0]->dropped;
    struct covey_event event = world_message(f, 2, covey_bytes_of(wire, len));
    event.body = 7;
    world_step(f, 0, event);
    assert_int_equal(f->node[0]->dropped, dropped + 1);
    assert_int_equal(world_count(f, COVEY_ACTION_RELEASE), 1);
    assert_int_equal(world_count(f, COVEY_ACTION_SEND), 0);
}

static struct covey_event train_message(const struct node_world *f, unsigned from,
                                        const struct covey_train_message *m,
                                        uint8_t wire[static 256])
{
    size_t len = 0;
    assert_int_equal(covey_train_encode(m, (struct covey_buf){wire, 256}, &len), COVEY_OK);
    return world_message(f, from, covey_bytes_of(wire, len));
}

/* A member of trust none owns no training, and works in one only where its owner allows that. */
static void test_untrusted_in_training(void **state)
{
    struct node_world *f = *state;
    struct covey_train_message enlist = {.type = COVEY_TRAIN_ENLIST, .fence = {{{1}}, 1, 0}};
    struct covey_event open = {.type = COVEY_EVENT_TRAIN_OPEN, .fence = {{{1}}, 1, 0}};
    uint8_t wire[256];
    world_connect(f, 0, 2);
    uint64_t dropped = f->node[0]->dropped;
    struct covey_event event = train_message(f, 2, &enlist, wire);
    event.body = 7;
    world_step(f, 0, event);
    assert_int_equal(f->node[0]->dropped, dropped + 1);
    assert_int_equal(world_count(f, COVEY_ACTION_RELEASE), 1);
    assert_int_equal(world_count(f, COVEY_ACTION_ENLISTED), 0);
    open.now_ms = f->now_ms;
    open.wall_s = WORLD_NOW_S;
    assert_int_equal(covey_node_step(f->node[2], &open, &f->update), COVEY_ERR_DENIED);
    world_step(f, 0, open);
    assert_int_equal(world_count(f, COVEY_ACTION_SEND), 0);
    open.fence.session.bytes[0] = 2;
    open.work = COVEY_TRAIN_ANY_TRUST;
    world_step(f, 0, open);
    assert_int_equal(world_count(f, COVEY_ACTION_SEND), 1);
    event = world_message(f, 0, world_take(f, COVEY_ACTION_SEND, wire));
    world_step(f, 2, event);
    assert_int_equal(world_count(f, COVEY_ACTION_ENLISTED), 1);
}

static struct covey_event custody_message(struct node_world *f, unsigned from,
                                          const struct covey_custody_message *m, uint8_t *wire)
{
    size_t len = 0;
    assert_int_equal(covey_custody_encode(m, (struct covey_buf){wire, 512}, &len), COVEY_OK);
    return world_message(f, from, covey_bytes_of(wire, len));
}

/* Custody is spoken with fully trusted devices only: what another says is dropped, and it is never
 * appointed. */
static void test_untrusted_in_custody(void **state)
{
    struct node_world *f = *state;
    struct covey_custody_message appoint = {
        .type = COVEY_CUSTODY_APPOINT, .session = {{1}}, .epoch = 1};
    struct covey_event open = {.type = COVEY_EVENT_CUSTODY_OPEN, .fence = {{{2}}, 1, 0}};
    struct covey_custody_message sent;
    uint8_t wire[512];
    appoint.deed.version = appoint.deed.set.count = 1;
    appoint.deed.set.id[0] = f->id[1]->cert.node;
    world_connect(f, 0, 1);
    world_connect(f, 0, 2);
    uint64_t dropped = f->node[0]->dropped;
    world_step(f, 0, custody_message(f, 2, &appoint, wire));
    assert_int_equal(f->node[0]->dropped, dropped + 1);
    assert_int_equal(world_count(f, COVEY_ACTION_CUSTODY_APPOINTED), 0);
    world_step(f, 0, custody_message(f, 1, &appoint, wire));
    assert_int_equal(world_count(f, COVEY_ACTION_CUSTODY_APPOINTED), 1);
    world_step(f, 0, open);
    unsigned appointed = 0;
    for (size_t i = 0; i < f->update.count; i++) {
        const struct covey_action *action = &f->update.actions[i];
        bool ours = action->type == COVEY_ACTION_SEND &&
                    covey_custody_decode(action->bytes, &sent) == COVEY_OK;
        appointed += ours && sent.type == COVEY_CUSTODY_APPOINT;
        assert_false(ours && covey_node_id_equal(&action->peer, &f->id[2]->cert.node));
    }
    assert_int_equal(appointed, 1);
}

/* Who lied, in a training or to a request, is marked, and works in no training any more. */
static void test_liars_are_let_go(void **state)
{
    struct node_world *f = *state;
    struct covey_train_message pull = {
        .type = COVEY_TRAIN_PULL, .fence = {{{1}}, 1, 0}, .credit = 2};
    struct covey_event open = {
        .type = COVEY_EVENT_TRAIN_OPEN, .fence = {{{1}}, 1, 0}, .work = COVEY_TRAIN_ANY_TRUST};
    struct covey_event lied = {.type = COVEY_EVENT_LIED, .peer = f->id[1]->cert.node};
    uint8_t wire[256];
    world_connect(f, 0, 1);
    world_connect(f, 0, 2);
    world_step(f, 0, open);
    assert_int_equal(world_count(f, COVEY_ACTION_SEND), 2);
    for (unsigned i = 1; i < 3; i++) {
        world_step(f, 0, train_message(f, i, &pull, wire));
        assert_int_equal(world_count(f, COVEY_ACTION_TRAIN_WORKER), 1);
    }
    for (unsigned i = 1; i < 3; i++) {
        struct covey_member_info info;
        world_step(f, 0, lied);
        assert_int_equal(world_count(f, COVEY_ACTION_TRAIN_WORKER), 1);
        assert_int_equal(world_count(f, COVEY_ACTION_SEND), 1); /* DISMISS */
        assert_true(covey_node_find(f->node[0], &lied.peer, &info) && info.lied);
        lied = (struct covey_event){
            .type = COVEY_EVENT_ROUND_LIED, .fence = open.fence, .peer = f->id[2]->cert.node};
    }
    open.fence.session.bytes[0] = 2;
    world_step(f, 0, open);
    assert_int_equal(world_count(f, COVEY_ACTION_SEND), 0);
}

/* What a stranger sends is dropped, and its body given back. */
static void test_stranger(void **state)
{
    struct node_world *f = *state;
    struct covey_event event = world_message(f, 1, covey_bytes_of("\xa0", 1));
    event.body = 3;
    world_step(f, 0, event);
    assert_int_equal(world_count(f, COVEY_ACTION_RELEASE), 1);
    assert_int_equal(f->node[0]->dropped, 1);
}

/* A member that alters another's record gets it believed by nobody. */
static void test_forged_record(void **state)
{
    struct node_world *f = *state;
    world_connect(f, 0, 1);
    world_connect(f, 0, 2);
    struct covey_statement record = covey__node_record_of(f->node[1], COVEY_SELF);
    struct covey_record_body body;
    uint8_t forged[COVEY_STATEMENT_MAX], wire[512];
    size_t len = 0, wire_len = 0;
    assert_int_equal(covey_record_decode(record.body, &body), COVEY_OK);
    body.incarnation++;
    body.rates.mflops = 1;
    assert_int_equal(covey_record_encode(&body, (struct covey_buf){forged, sizeof(forged)}, &len),
                     COVEY_OK);
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS, .statements = 1};
    m.statement[0] = record;
    m.statement[0].body = covey_bytes_of(forged, len);
    assert_int_equal(covey_gossip_encode(&m, (struct covey_buf){wire, sizeof(wire)}, &wire_len),
                     COVEY_OK);
    world_step(f, 0, world_message(f, 2, covey_bytes_of(wire, wire_len)));
    struct covey_member_info info;
    assert_true(covey_node_find(f->node[0], &f->id[1]->cert.node, &info));
    assert_int_equal(info.rates.mflops, 1000);
    assert_true(info.incarnation == body.incarnation - 1);
}

/* A suspicion in somebody else's name is not counted; in one's own it is. */
static void test_forged_suspicion(void **state)
{
    struct node_world *f = *state;
    struct covey__news news;
    uint8_t wire[512];
    size_t len = 0;
    world_connect(f, 0, 1);
    world_connect(f, 0, 2);
    world_connect(f, 1, 2);
    uint16_t subject = covey__member_find(&f->node[2]->members, &f->id[1]->cert.node);
    assert_int_equal(covey__node_sign_accusation(f->node[2], subject, COVEY_STATEMENT_DEAD, &news),
                     COVEY_OK);
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS, .statements = 1};
    for (int honest = 0; honest < 2; honest++) {
        news.signature[0] ^= 1; /* wrong first, then right again */
        m.statement[0] = covey__news_view(&news);
        assert_int_equal(covey_gossip_encode(&m, (struct covey_buf){wire, sizeof(wire)}, &len),
                         COVEY_OK);
        world_step(f, 0, world_message(f, 2, covey_bytes_of(wire, len)));
        struct covey_member_info info;
        assert_true(covey_node_find(f->node[0], &f->id[1]->cert.node, &info));
        /* Another's "dead" is a suspicion. */
        assert_int_equal(info.state, honest ? COVEY_MEMBER_SUSPECT : COVEY_MEMBER_ALIVE);
    }
}

/* A datagram for no boot of mine gets one reply, not a second within the time; a flipped bit none;
 * and a replay of what was taken is dropped. */
static void test_datagrams(void **state)
{
    struct node_world *f = *state;
    uint8_t first[1400], reply[1400];
    world_step(f, 0, world_up(f, 1));
    uint8_t said[4096];
    struct covey_bytes record = world_take(f, COVEY_ACTION_SEND, said);
    world_step(f, 1, world_up(f, 0));
    world_step(f, 1, world_message(f, 0, record));
    struct covey_bytes early =
        world_take(f, COVEY_ACTION_GOSSIP, first); /* it does not know my boot */
    struct covey_event event = {
        .type = COVEY_EVENT_GOSSIP, .addr = world_addr_of(1), .bytes = early};
    first[early.len - 1] ^= 1;
    world_step(f, 0, event);
    assert_int_equal(world_count(f, COVEY_ACTION_GOSSIP), 0);
    first[early.len - 1] ^= 1;
    world_step(f, 0, event);
    assert_false(world_alive(f, 0, 1)); /* and it changed nothing */
    struct covey_bytes answer = world_take(f, COVEY_ACTION_GOSSIP, reply);
    world_step(f, 0, event);
    assert_int_equal(world_count(f, COVEY_ACTION_GOSSIP), 0);
    struct covey_event back = {
        .type = COVEY_EVENT_GOSSIP, .addr = world_addr_of(0), .bytes = answer};
    world_step(f, 1, back);
    struct covey_bytes current = world_take(f, COVEY_ACTION_GOSSIP, first);
    event.bytes = current;
    world_step(f, 0, event);
    assert_true(world_alive(f, 0, 1)); /* its record came along */
    uint64_t dropped = f->node[0]->dropped;
    world_step(f, 0, event);
    assert_int_equal(f->node[0]->dropped, dropped + 1);
}

/* Node 0's channel to node 1 is seen to stand still: whether it is made anew. */
static bool stalls(struct node_world *f)
{
    struct covey_member_info info;
    world_step(
        f, 0,
        (struct covey_event){.type = COVEY_EVENT_CHANNEL_STALLED, .peer = f->id[1]->cert.node});
    bool dropped = world_count(f, COVEY_ACTION_DROP) > 0;
    assert_int_equal(world_count(f, COVEY_ACTION_DIAL), dropped);
    assert_true(covey_node_find(f->node[0], &f->id[1]->cert.node, &info));
    assert_true(info.channel == !dropped && !info.passes);
    return dropped;
}

/* A channel that stands still is made anew once its peer has answered and it still does: not before
 * the answer, not where that took long, and not for another word of the peer's, which may have come
 * the other way only. */
static void test_stalled_channels(void **state)
{
    struct node_world *f = *state;
    uint8_t asked[1400], answered[1400], word[1400];
    struct covey_member_info info;
    world_connect(f, 0, 1);
    assert_true(covey_node_find(f->node[0], &f->id[1]->cert.node, &info));
    assert_true(info.channel && info.passes);
    struct covey_event event = {.type = COVEY_EVENT_GOSSIP};
    for (unsigned soon = 0; soon < 2; soon++) {
        assert_false(stalls(f));
        event.addr = world_addr_of(0);
        event.bytes = world_take(f, COVEY_ACTION_GOSSIP, asked);
        world_step(f, 1,
                   (struct covey_event){.type = COVEY_EVENT_CHANNEL_STALLED,
                                        .peer = f->id[0]->cert.node}); /* its own ping */
        struct covey_event other = {.type = COVEY_EVENT_GOSSIP,
                                    .addr = world_addr_of(1),
                                    .bytes = world_take(f, COVEY_ACTION_GOSSIP, word)};
        world_step(f, 0, other);
        assert_false(stalls(f));
        world_step(f, 1, event);
        event.addr = world_addr_of(1);
        event.bytes = world_take(f, COVEY_ACTION_GOSSIP, answered);
        f->now_ms += soon ? 10 : 400;
        world_step(f, 0, event);
        assert_int_equal(world_count(f, COVEY_ACTION_DROP), 0);
        assert_int_equal(stalls(f), soon);
    }
}

/* Whether node 0 answers a measurement of node 1. */
static bool answers_probe(struct node_world *f)
{
    uint8_t asked[64], said[64];
    size_t len = 0;
    struct covey_work_message m = {.type = COVEY_WORK_PROBE, .probe = 5};
    assert_int_equal(covey_work_encode(&m, (struct covey_buf){asked, sizeof(asked)}, &len),
                     COVEY_OK);
    world_step(f, 0, world_message(f, 1, covey_bytes_of(asked, len)));
    if (world_count(f, COVEY_ACTION_SEND) == 0) {
        return false;
    }
    assert_int_equal(covey_work_decode(world_take(f, COVEY_ACTION_SEND, said), &m), COVEY_OK);
    assert_true(m.type == COVEY_WORK_PROBED && m.probe == 5);
    return true;
}

/* Nobody is measured who has a request in flight: it would be late. */
static void test_measured_beside_no_requests(void **state)
{
    struct node_world *f = *state;
    static struct covey_plan_request costs = {.layers = 1, .cells = 1, .devices_max = 1};
    const struct covey_fence fence = {{{1}}, 1, 0};
    costs.cost[0] = (struct covey_plan_cost){
        .units = 9, .unit_bytes = 8, .input_bytes = 8, .answer_bytes = 4, .unit.flops = 1000};
    costs.cell[0] = (struct covey_plan_cell){.layers = 1, .whole.flops = 9000};
    world_step(
        f, 0,
        (struct covey_event){.type = COVEY_EVENT_SESSION_OPEN, .fence = fence, .costs = &costs});
    static struct covey_plan alone;
    struct covey_event planned = {.type = COVEY_EVENT_PLANNED, .fence = fence, .plan = &alone};
    struct covey_event prepared = {.type = COVEY_EVENT_PREPARED, .fence = fence};
    planned.fence.version = prepared.fence.version = 1;
    assert_int_equal(world_count(f, COVEY_ACTION_PLAN), 1);
    world_step(f, 0, planned);
    world_step(f, 0, prepared);
    assert_int_equal(world_count(f, COVEY_ACTION_ACTIVE), 1); /* it is alone */
    world_connect(f, 0, 1);
    assert_true(answers_probe(f));
    world_step(
        f, 0,
        (struct covey_event){.type = COVEY_EVENT_REQUEST_BEGIN, .fence = fence, .request = 7});
    assert_false(answers_probe(f));
    world_step(f, 0, (struct covey_event){.type = COVEY_EVENT_REQUEST_END, .request = 7});
    assert_true(answers_probe(f));
}

/* One's own record of a life with more incarnations is overtaken. */
static void test_adopts_own_incarnation(void **state)
{
    struct node_world *f = *state;
    struct covey__member *self = &f->node[1]->members.hot[COVEY_SELF];
    self->incarnation = 5;
    assert_int_equal(covey__node_sign_record(f->node[1]), COVEY_OK);
    world_connect(f, 0, 1);
    self->incarnation = 3; /* a restored card */
    assert_int_equal(covey__node_sign_record(f->node[1]), COVEY_OK);
    uint8_t said[4096];
    world_step(f, 0, world_up(f, 1));
    world_step(f, 1, world_message(f, 0, world_take(f, COVEY_ACTION_SEND, said)));
    assert_int_equal(self->incarnation, 6);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_hello),
        WITH(test_hellos_are_answered_rarely),
        WITH(test_channel_makes_members),
        WITH(test_untrusted),
        WITH(test_untrusted_in_training),
        WITH(test_untrusted_in_custody),
        WITH(test_liars_are_let_go),
        WITH(test_stores_bound_slices),
        WITH(test_claims),
        WITH(test_stranger),
        WITH(test_forged_record),
        WITH(test_forged_suspicion),
        WITH(test_datagrams),
        WITH(test_stalled_channels),
        WITH(test_measured_beside_no_requests),
        WITH(test_adopts_own_incarnation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
