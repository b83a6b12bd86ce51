/* SPDX-License-Identifier: MIT */
#include "node_world.h"

enum { LEADER, OWNER };

static struct covey_plan_request costs;

/* Node 0 coordinates, and has a channel to node 1. */
static void lead(struct node_world *w)
{
    struct covey_node_id leader;
    uint64_t term;
    world_connect(w, LEADER, OWNER);
    do { /* nobody else is heard */
        w->now_ms += 100;
        world_step(w, LEADER, (struct covey_event){.type = COVEY_EVENT_TICK});
        assert_true(w->now_ms < 5000);
    } while (!covey_node_coordinator(w->node[LEADER], &leader, &term));
    w->node[OWNER]->members.hot[COVEY_SELF].incarnation += 10; /* it was not heard either */
    assert_int_equal(covey__node_sign_record(w->node[OWNER]), COVEY_OK);
    world_connect(w, LEADER, OWNER);
    assert_true(world_alive(w, LEADER, OWNER));
    memset(&costs, 0, sizeof(costs));
    costs.layers = 1;
    costs.coded_all = true;
    costs.cost[0] = (struct covey_plan_cost){
        .units = 2, .unit_bytes = 8, .input_bytes = 8, .answer_bytes = 4, .unit.flops = 1000};
}

/* It asks for a placement of this version; whether node 0 wants it made. */
static bool ask_as(struct node_world *w, unsigned owner, uint32_t version)
{
    static uint8_t payload[COVEY__PLAN_REQUEST_MAX], wire[COVEY__PLAN_REQUEST_MAX + 256];
    struct covey_work_message m = {.type = COVEY_WORK_PLACE};
    size_t len = 0;
    assert_int_equal(
        covey__plan_request_encode(&costs, (struct covey_buf){payload, sizeof(payload)}, &len),
        COVEY_OK);
    m.place.session.bytes[0] = 9;
    m.place.version = version;
    m.place.payload = covey_bytes_of(payload, len);
    assert_int_equal(covey_work_encode(&m, (struct covey_buf){wire, sizeof(wire)}, &len), COVEY_OK);
    world_step(w, LEADER, world_message(w, owner, covey_bytes_of(wire, len)));
    assert_int_equal(world_count(w, COVEY_ACTION_SEND), 0);
    return world_count(w, COVEY_ACTION_PLAN) == 1;
}

static bool ask(struct node_world *w, uint32_t version)
{
    return ask_as(w, OWNER, version);
}

static const struct covey_action *wanted(const struct node_world *w)
{
    for (size_t i = 0; i < w->update.count; i++) {
        if (w->update.actions[i].type == COVEY_ACTION_PLAN) {
            return &w->update.actions[i];
        }
    }
    fail_msg("no plan is wanted");
    return NULL;
}

/* What came of it; how many messages the node has sent then. */
static unsigned planned(struct node_world *w, uint32_t work, covey_err err)
{
    static struct covey_plan plan;
    struct covey_plan_request request = costs;
    request.devices = w->node[LEADER]->view.devices;
    memcpy(request.device, w->node[LEADER]->view.device, sizeof(request.device));
    assert_int_equal(covey_plan_make(&request, &plan), COVEY_OK);
    world_step(
        w, LEADER,
        (struct covey_event){.type = COVEY_EVENT_PLANNED, .work = work, .err = err, .plan = &plan});
    return world_count(w, COVEY_ACTION_SEND);
}

/* The coordinator makes no plan itself: it wants one made, for who asked and the devices that it
 * sees, and answers when it is there. */
static void test_places_when_it_is_planned(void **state)
{
    static uint8_t bytes[COVEY__PLAN_MAX + 256];
    static struct covey_plan plan;
    struct node_world *w = *state;
    struct covey_work_message m;
    lead(w);
    assert_true(ask(w, 3));
    const struct covey_action *a = wanted(w);
    assert_int_not_equal(a->work, 0);
    assert_int_equal(a->request, w->now_ms + 200);
    assert_int_equal(a->costs->layers, 1);
    assert_int_equal(a->costs->devices, 2);
    for (unsigned d = 0; d < 2; d++) {
        bool asks = covey_node_id_equal(&a->costs->device[d].id, &w->id[OWNER]->cert.node);
        assert_int_equal(a->costs->device[d].owner, asks);
    }
    assert_int_equal(planned(w, a->work, COVEY_OK), 1);
    struct covey_bytes sent = world_take(w, COVEY_ACTION_SEND, bytes);
    assert_int_equal(covey_work_decode(sent, &m), COVEY_OK);
    assert_int_equal(m.type, COVEY_WORK_PLACEMENT);
    assert_int_equal(m.place.session.bytes[0], 9);
    assert_int_equal(m.place.version, 3);
    assert_int_equal(covey__plan_decode(m.place.payload, &plan), COVEY_OK);
    assert_int_equal(plan.devices, 2);
    assert_int_equal(plan.term, w->node[LEADER]->election.term);
    assert_int_not_equal(plan.term, 0);
}

/* So many are being made at once, or wait, and half as many of one owner; who asks beyond that is
 * not answered, until one is there. */
static void test_few_are_under_way(void **state)
{
    enum { MOST = COVEY__NODE_PLACES / 2 };
    struct node_world *w = *state;
    uint32_t work[MOST];
    lead(w);
    for (unsigned i = 0; i < MOST; i++) {
        assert_true(ask(w, i));
        work[i] = wanted(w)->work;
    }
    uint64_t dropped = w->node[LEADER]->dropped;
    assert_false(ask(w, MOST));
    assert_int_equal(w->node[LEADER]->dropped, dropped + 1);
    assert_int_equal(planned(w, work[1], COVEY_OK), 1);
    assert_true(ask(w, MOST + 1));
    assert_false(ask(w, MOST + 2));
    for (unsigned i = 0; i < COVEY__NODE_PLACES; i++) {
        assert_int_equal(ask_as(w, LEADER, i), i < COVEY__NODE_PLACES - MOST);
    }
}

/* Nothing is said of a plan that could not be made, or that nobody asked for; its place is free. */
static void test_what_is_not_made(void **state)
{
    struct node_world *w = *state;
    lead(w);
    for (unsigned i = 0; i < 2 * COVEY__NODE_PLACES; i++) {
        assert_true(ask(w, i));
        assert_int_equal(planned(w, wanted(w)->work, COVEY_ERR_CANCELLED), 0);
    }
    struct covey_event nobody_s = {
        .type = COVEY_EVENT_PLANNED, .work = 1, .now_ms = w->now_ms, .wall_s = WORLD_NOW_S};
    assert_int_equal(covey_node_step(w->node[LEADER], &nobody_s, &w->update), COVEY_ERR_NOT_FOUND);
}

/* Who coordinates no more says nothing. */
static void test_another_leads_meanwhile(void **state)
{
    struct node_world *w = *state;
    uint8_t bytes[4096];
    struct covey_work_message m;
    lead(w);
    assert_true(ask(w, 1));
    uint32_t work = wanted(w)->work;
    world_step(w, LEADER, (struct covey_event){.type = COVEY_EVENT_LEAVE});
    if (planned(w, work, COVEY_OK) > 0) {
        struct covey_bytes sent = world_take(w, COVEY_ACTION_SEND, bytes);
        assert_int_not_equal(covey_work_decode(sent, &m), COVEY_OK);
    }
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_places_when_it_is_planned),
        WITH(test_few_are_under_way),
        WITH(test_what_is_not_made),
        WITH(test_another_leads_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
