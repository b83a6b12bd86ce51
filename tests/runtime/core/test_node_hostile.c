/* SPDX-License-Identifier: MIT */
#include "node_world.h"

enum { HOSTILE = 2 /* node 2, of trust none */, COPY_PORT = 1 };

/* What a node says in a gossip message of its own, over its channel to another. */
struct words {
    uint8_t body[COVEY_STATEMENT_MAX], signature[COVEY_SIGNATURE_BYTES], wire[1024];
    struct covey_statement statement;
};

static void sign(const struct node_world *w, unsigned by, const char *label, size_t len,
                 struct words *words)
{
    covey_statement_sign(words->signature, label, &w->id[by]->cert.mesh,
                         covey_bytes_of(words->body, len), w->id[by]->sign_secret);
    words->statement.body = covey_bytes_of(words->body, len);
    words->statement.signature = covey_bytes_of(words->signature, sizeof(words->signature));
}

static void tell(struct node_world *w, unsigned from, unsigned to, struct words *words)
{
    struct covey_gossip_message m = {.type = COVEY_GOSSIP_NEWS, .statements = 1};
    size_t len = 0;
    m.statement[0] = words->statement;
    assert_int_equal(
        covey_gossip_encode(&m, (struct covey_buf){words->wire, sizeof(words->wire)}, &len),
        COVEY_OK);
    world_step(w, to, world_message(w, from, covey_bytes_of(words->wire, len)));
}

static void suspect(const struct node_world *w, unsigned subject, uint64_t incarnation,
                    struct words *words)
{
    struct covey_accusation a = {.accuser = w->id[HOSTILE]->cert.node,
                                 .subject = w->id[subject]->cert.node,
                                 .incarnation = incarnation};
    size_t len = 0;
    assert_int_equal(
        covey_accusation_encode(&a, (struct covey_buf){words->body, sizeof(words->body)}, &len),
        COVEY_OK);
    words->statement.kind = COVEY_STATEMENT_SUSPECT;
    sign(w, HOSTILE, "covey suspect 1", len, words);
}

/* A record of this incarnation, made with the node's key. */
static void record(const struct node_world *w, unsigned by, uint64_t incarnation,
                   struct words *words)
{
    struct covey_record_body r = {.node = w->id[by]->cert.node,
                                  .incarnation = incarnation,
                                  .cert = w->id[by]->cert_digest,
                                  .rates.mflops = (uint32_t)incarnation,
                                  .gossip_port = COPY_PORT,
                                  .channel_port = COPY_PORT + 1};
    size_t len = 0;
    assert_int_equal(
        covey_record_encode(&r, (struct covey_buf){words->body, sizeof(words->body)}, &len),
        COVEY_OK);
    words->statement.kind = COVEY_STATEMENT_RECORD;
    sign(w, by, "covey record 1", len, words);
}

static uint64_t incarnation_of(const struct node_world *w, unsigned at, unsigned who)
{
    struct covey_member_info info;
    assert_true(covey_node_find(w->node[at], &w->id[who]->cert.node, &info));
    return info.incarnation;
}

/* A suspicion of an incarnation that is not there yet would come true again after each refutation,
 * and be handed on for ever, by all: nobody counts it, the record is asked for. One of the present
 * incarnation counts, and after its refutation does not. */
static void test_a_suspicion_ahead_of_time(void **state)
{
    struct node_world *w = *state;
    static const uint64_t ahead[] = {1, 1000, UINT64_MAX};
    struct words words;
    world_connect(w, 0, 1);
    world_connect(w, 0, HOSTILE);
    world_connect(w, 1, HOSTILE);
    for (unsigned i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
        uint64_t now = incarnation_of(w, 0, 1);
        suspect(w, 1, ahead[i] == UINT64_MAX ? UINT64_MAX : now + ahead[i], &words);
        tell(w, HOSTILE, 0, &words);
        assert_true(world_alive(w, 0, 1));
        assert_int_equal(world_count(w, COVEY_ACTION_SEND), i == 0); /* asked once in a while */
        tell(w, HOSTILE, 1, &words);
        assert_int_equal(w->node[1]->members.hot[COVEY_SELF].incarnation, now);
    }
    suspect(w, 1, incarnation_of(w, 0, 1), &words);
    tell(w, HOSTILE, 0, &words);
    assert_false(world_alive(w, 0, 1));
    tell(w, HOSTILE, 1, &words);
    struct covey_statement refuted = covey__node_record_of(w->node[1], COVEY_SELF);
    struct words refutation = {.statement = refuted};
    tell(w, 1, 0, &refutation);
    assert_true(world_alive(w, 0, 1));
    tell(w, HOSTILE, 0, &words);
    assert_true(world_alive(w, 0, 1));
}

/* A device whose state directory was copied, and the copy, say the same of themselves with other
 * addresses: to others they are one member, whose word is that of who said the later one. Neither
 * is driven out, for each goes beyond what the other says of it. */
static void test_two_boots_are_one_member(void **state)
{
    enum { TIMES = 20 };
    struct node_world *w = *state;
    struct words copys;
    world_connect(w, 0, 1);
    world_connect(w, 0, HOSTILE);
    world_connect(w, 1, HOSTILE);
    size_t members = covey_node_members(w->node[0]);
    uint16_t at = covey__member_find(&w->node[0]->members, &w->id[1]->cert.node);
    const struct covey_record_body *known = &w->node[0]->members.cold[at].record;
    uint16_t port = known->gossip_port;
    assert_int_not_equal(port, COPY_PORT);
    for (unsigned i = 0; i < TIMES; i++) {
        uint64_t said = incarnation_of(w, 0, 1) + (UINT64_C(1) << 32);
        record(w, 1, said, &copys);
        tell(w, HOSTILE, 0, &copys);
        assert_int_equal(incarnation_of(w, 0, 1), said);
        assert_int_equal(known->gossip_port, COPY_PORT);
        tell(w, HOSTILE, 1, &copys);
        assert_int_equal(w->node[1]->members.hot[COVEY_SELF].incarnation, said + 1);
        struct words own = {.statement = covey__node_record_of(w->node[1], COVEY_SELF)};
        tell(w, 1, 0, &own);
        assert_int_equal(incarnation_of(w, 0, 1), said + 1);
        assert_int_equal(known->gossip_port, port);
        tell(w, HOSTILE, 0, &copys); /* an older word again */
        assert_int_equal(known->gossip_port, port);
        assert_true(world_alive(w, 0, 1));
    }
    assert_int_equal(covey_node_members(w->node[0]), members);
}

/* Whose statements come by the thousands gets some of them checked, then a hundred a second, and
 * takes nothing from what others say. */
static void test_signatures_are_rationed(void **state)
{
    enum { TOLD = 5000, AT_ONCE = 2100, SECOND = 110 };
    struct node_world *w = *state;
    struct words words;
    world_connect(w, 0, HOSTILE);
    world_connect(w, 0, 1);
    uint64_t first = incarnation_of(w, 0, HOSTILE);
    for (unsigned i = 1; i <= TOLD; i++) {
        record(w, HOSTILE, first + i, &words);
        tell(w, HOSTILE, 0, &words);
    }
    uint64_t believed = incarnation_of(w, 0, HOSTILE);
    assert_in_range(believed - first, AT_ONCE / 2, AT_ONCE);
    w->now_ms += 1000;
    for (unsigned i = 1; i <= TOLD; i++) {
        record(w, HOSTILE, first + TOLD + i, &words);
        tell(w, HOSTILE, 0, &words);
    }
    assert_in_range(incarnation_of(w, 0, HOSTILE) - first - TOLD, 1, SECOND);
    uint64_t other = incarnation_of(w, 0, 1);
    w->node[1]->members.hot[COVEY_SELF].incarnation = other + 1;
    assert_int_equal(covey__node_sign_record(w->node[1]), COVEY_OK);
    words.statement = covey__node_record_of(w->node[1], COVEY_SELF);
    tell(w, 1, 0, &words);
    assert_int_equal(incarnation_of(w, 0, 1), other + 1);
}

/* A hello that is said again for ever, by whoever heard it once, has its sender dialled now and
 * then, and makes nobody a member. */
static void test_replayed_hello(void **state)
{
    enum { STEP_MS = 10, FOR_MS = 10000, DIALS = 20 };
    struct node_world *w = *state;
    uint8_t hello[COVEY_HELLO_MAX];
    unsigned dials = 0;
    w->now_ms += COVEY_HELLO_FIRST_MS;
    world_step(w, 0, (struct covey_event){.type = COVEY_EVENT_TICK});
    struct covey_event event = {.type = COVEY_EVENT_HELLO,
                                .addr = world_addr_of(0),
                                .bytes = world_take(w, COVEY_ACTION_MULTICAST, hello)};
    for (unsigned ms = 0; ms < FOR_MS; ms += STEP_MS) {
        w->now_ms += STEP_MS;
        world_step(w, 1, event);
        dials += world_count(w, COVEY_ACTION_DIAL);
    }
    assert_in_range(dials, 1, DIALS);
    assert_int_equal(covey_node_members(w->node[1]), 1);
}

/* Session hears when a member's state changes, not each time that it says the same again: a flood
 * of records must not become a flood of lines. */
static void test_only_changes_are_told(void **state)
{
    struct node_world *w = *state;
    struct words words;
    unsigned told = 0;
    world_connect(w, 0, HOSTILE);
    uint64_t first = incarnation_of(w, 0, HOSTILE);
    for (unsigned i = 1; i <= 100; i++) {
        record(w, HOSTILE, first + i, &words);
        tell(w, HOSTILE, 0, &words);
        told += world_count(w, COVEY_ACTION_MEMBER);
    }
    assert_int_equal(incarnation_of(w, 0, HOSTILE), first + 100);
    assert_int_equal(told, 0);
    suspect(w, HOSTILE, first + 100, &words); /* itself */
    tell(w, HOSTILE, 0, &words);
    assert_int_equal(world_count(w, COVEY_ACTION_MEMBER), 1);
    record(w, HOSTILE, first + 101, &words);
    tell(w, HOSTILE, 0, &words);
    assert_int_equal(world_count(w, COVEY_ACTION_MEMBER), 1);
}

/* As long as a change is paid with. */
static void later(struct node_world *w)
{
    w->now_ms += 2000;
    world_step(w, 0, (struct covey_event){.type = COVEY_EVENT_TICK});
}

/* What plans of node 0 know of node 1; NULL: they do not. */
static const struct covey_plan_device *planned_with(const struct node_world *w)
{
    const struct covey_job_view *view = &w->node[0]->view;
    for (unsigned i = 0; i < view->devices; i++) {
        if (covey_node_id_equal(&view->device[i].id, &w->id[1]->cert.node)) {
            return &view->device[i];
        }
    }
    return NULL;
}

/* One that changes its record without end has nobody plan without end: some changes count at once,
 * then one in a while, and what it said last in the end. That it is gone counts at once, and when
 * it is back once its time has come. */
static void test_changes_are_rationed(void **state)
{
    enum { TIMES = 200, MOST = 34 };
    struct node_world *w = *state;
    struct words words;
    world_connect(w, 0, 1);
    world_connect(w, 0, HOSTILE);
    uint64_t last = incarnation_of(w, 0, 1);
    uint64_t generation = w->node[0]->view.device_generation;
    for (unsigned i = 0; i < TIMES; i++) {
        record(w, 1, ++last, &words);
        tell(w, 1, 0, &words);
    }
    assert_in_range(w->node[0]->view.device_generation - generation, 16, MOST);
    assert_int_not_equal(planned_with(w)->mflops, (uint32_t)last);
    later(w);
    assert_int_equal(planned_with(w)->mflops, (uint32_t)last);
    suspect(w, 1, last, &words);
    tell(w, HOSTILE, 0, &words);
    assert_null(planned_with(w));
    record(w, 1, ++last, &words);
    tell(w, 1, 0, &words);
    assert_true(world_alive(w, 0, 1));
    assert_null(planned_with(w));
    later(w);
    record(w, 1, ++last, &words); /* its answers to pings are carried by nobody */
    tell(w, 1, 0, &words);
    assert_non_null(planned_with(w));
}

/* The plan that node 0 wants made, if any, is there: what it has sent then. */
static unsigned make_plan(struct node_world *w)
{
    static struct covey_plan plan;
    for (size_t i = 0; i < w->update.count; i++) {
        const struct covey_action *a = &w->update.actions[i];
        if (a->type == COVEY_ACTION_PLAN) {
            struct covey_event planned = {
                .type = COVEY_EVENT_PLANNED, .work = a->work, .plan = &plan};
            assert_int_equal(covey_plan_make(a->costs, &plan), COVEY_OK);
            world_step(w, 0, planned);
            return world_count(w, COVEY_ACTION_SEND);
        }
    }
    return 0;
}

/* How many of so many placements that node 1 asks for at once are made by node 0. */
static unsigned placements(struct node_world *w, uint16_t layers, unsigned times)
{
    static struct covey_plan_request costs;
    static uint8_t payload[COVEY__PLAN_REQUEST_MAX], wire[COVEY__PLAN_REQUEST_MAX + 256];
    struct covey_work_message m = {.type = COVEY_WORK_PLACE};
    size_t len = 0;
    unsigned made = 0;
    memset(&costs, 0, sizeof(costs));
    costs.layers = layers;
    for (unsigned i = 0; i < layers; i++) {
        costs.cost[i] = (struct covey_plan_cost){
            .units = 2, .unit_bytes = 8, .input_bytes = 8, .answer_bytes = 4, .unit.flops = 1000};
    }
    assert_int_equal(
        covey__plan_request_encode(&costs, (struct covey_buf){payload, sizeof(payload)}, &len),
        COVEY_OK);
    m.place.payload = covey_bytes_of(payload, len);
    assert_int_equal(covey_work_encode(&m, (struct covey_buf){wire, sizeof(wire)}, &len), COVEY_OK);
    for (unsigned i = 0; i < times; i++) {
        world_step(w, 0, world_message(w, 1, covey_bytes_of(wire, len)));
        made += make_plan(w);
    }
    return made;
}

/* An owner that asks the coordinator for plan after plan gets some, and more later; it must not
 * keep it from all else. */
static void test_placements_are_rationed(void **state)
{
    enum { LAYERS = 192, AT_ONCE = 130, SECOND = 35 };
    struct node_world *w = *state;
    struct covey_node_id leader;
    uint64_t term;
    world_connect(w, 0, 1);
    do { /* nobody else is heard */
        w->now_ms += 100;
        world_step(w, 0, (struct covey_event){.type = COVEY_EVENT_TICK});
        assert_true(w->now_ms < 5000);
    } while (!covey_node_coordinator(w->node[0], &leader, &term));
    assert_int_equal(placements(w, 1, 100), 100);
    assert_in_range(placements(w, LAYERS, 200), 5, AT_ONCE);
    assert_in_range(placements(w, LAYERS, 200), 0, 1);
    w->now_ms += 1000;
    assert_in_range(placements(w, LAYERS, 200), 1, SECOND);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_a_suspicion_ahead_of_time), WITH(test_two_boots_are_one_member),
        WITH(test_signatures_are_rationed),   WITH(test_replayed_hello),
        WITH(test_only_changes_are_told),     WITH(test_placements_are_rationed),
        WITH(test_changes_are_rationed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
