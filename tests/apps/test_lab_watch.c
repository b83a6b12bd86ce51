/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "covey/loop.h"
#include "covey/node.h"
#include "lab.h"

/* A mesh that the test makes up, by a clock of the test's: it passes while the lab waits. */
enum { NODES = 3 };
static struct {
    uint64_t now_ms;
    uint64_t whole_ms;            /* from then on the nodes know one another */
    uint64_t redundant_ms[NODES]; /* and all at a node is redundant */
} world;

covey_err __wrap_covey__control_open(struct covey__control *c, const char *state);
covey_err __wrap_covey__control_open(struct covey__control *c, const char *state)
{
    c->reply = calloc(1, sizeof(*c->reply));
    c->fd = state[strlen(state) - 1] - '1'; /* of node1 and so on */
    return c->reply != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

covey_err __wrap_covey__control_status(struct covey__control *c, int timeout_ms);
covey_err __wrap_covey__control_status(struct covey__control *c, int timeout_ms)
{
    struct covey_control_status *s = &c->reply->status;
    (void)timeout_ms;
    s->has_coordinator = true;
    s->coordinator.bytes[0] = 1;
    s->member_count = world.now_ms >= world.whole_ms ? NODES : 1;
    s->sessions = 1;
    s->sessions_redundant = world.now_ms >= world.redundant_ms[c->fd];
    for (unsigned i = 0; i < s->member_count; i++) {
        struct covey_control_member *m = &s->member[i];
        snprintf(m->name, sizeof(m->name), "node%u", i + 1);
        m->id.bytes[0] = (uint8_t)(i + 1);
        m->self = (int)i == c->fd;
        m->state = COVEY_MEMBER_ALIVE;
        m->channel = true;
    }
    return COVEY_OK;
}

bool __wrap_covey__lab_running(const struct covey__lab_node *node);
bool __wrap_covey__lab_running(const struct covey__lab_node *node)
{
    return node->pid != 0;
}

bool __wrap_covey__lab_frozen(const struct covey__lab_node *node);
bool __wrap_covey__lab_frozen(const struct covey__lab_node *node)
{
    (void)node;
    return false;
}

uint64_t __wrap_covey_clock_ns(void);
uint64_t __wrap_covey_clock_ns(void)
{
    return world.now_ms * 1000000;
}

int __wrap_nanosleep(const struct timespec *t, struct timespec *left);
int __wrap_nanosleep(const struct timespec *t, struct timespec *left)
{
    (void)left;
    world.now_ms += (uint64_t)t->tv_nsec / 1000000;
    return 0;
}

static void make_lab(struct covey__lab *lab)
{
    *lab = (struct covey__lab){.count = NODES, .dir = "/nowhere"};
    world.now_ms = 5000;
    for (unsigned i = 0; i < NODES; i++) {
        snprintf(lab->node[i].name, sizeof(lab->node[i].name), "node%u", i + 1);
        lab->node[i].pid = 1;
    }
}

/* Mesh and nodes share the time that was given: it is over when that is, whoever used it. */
static void test_the_time_is_for_all(void **state)
{
    (void)state;
    struct covey__lab lab;
    make_lab(&lab);
    world.whole_ms = 5800;
    world.redundant_ms[0] = 5900;
    world.redundant_ms[1] = 6600;
    world.redundant_ms[2] = 7400;
    assert_int_equal(covey__lab_wait_all(&lab, 1000), COVEY_ERR_TIMEOUT);
    assert_string_equal(lab.why, "redundancy at node2 was not restored within 1 s");
    assert_in_range(world.now_ms, 6000, 6050);
    make_lab(&lab);
    assert_int_equal(covey__lab_wait_all(&lab, 2500), COVEY_OK);
    assert_in_range(world.now_ms, 7400, 7450);
}

/* What is there when the time is just over is enough; a mesh that is not whole is said to be so. */
static void test_each_is_looked_at_once(void **state)
{
    (void)state;
    struct covey__lab lab;
    make_lab(&lab);
    world.whole_ms = 0;
    world.redundant_ms[0] = 6000;
    world.redundant_ms[1] = world.redundant_ms[2] = 0;
    assert_int_equal(covey__lab_wait_all(&lab, 1000), COVEY_OK);
    make_lab(&lab);
    world.whole_ms = 9000;
    assert_int_equal(covey__lab_wait_all(&lab, 1000), COVEY_ERR_TIMEOUT);
    assert_non_null(strstr(lab.why, "did not reach one another"));
    assert_non_null(strstr(lab.why, "within 1 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_time_is_for_all),
        cmocka_unit_test(test_each_is_looked_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
