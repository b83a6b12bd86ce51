/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listed_tasks.h"
#include "content.h"
#include "daemon_state.h"
#include "holder.h"
#include "scratch.h"
#include "covey/seldom.h"

/* A holder and a store without threads, whose clock is the test's. */
static struct scene {
    struct covey_services services;
    struct covey_task_list tasks;
    uint64_t now_ms;
    unsigned lines, checked, stored;
    covey_err err; /* of the last event */
    struct covey_node_id coordinator;
    uint64_t term;
    char line[512];
} scene;

static const struct covey_node_id owner = {{7}};

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop);
bool __wrap_covey_node_find(const struct covey_node *node, const struct covey_node_id *id,
                            struct covey_member_info *out);
bool __wrap_covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                                   uint64_t *out_term);
covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out);
void __wrap_covey_timer_free(struct covey_timer *timer);
void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task);

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    (void)loop;
    return scene.now_ms;
}

bool __wrap_covey_node_find(const struct covey_node *node, const struct covey_node_id *id,
                            struct covey_member_info *out)
{
    (void)node;
    *out = (struct covey_member_info){.id = *id, .state = COVEY_MEMBER_DEAD};
    snprintf(out->name, sizeof(out->name), "node%u", id->bytes[0]);
    return true;
}

bool __wrap_covey_node_coordinator(const struct covey_node *node, struct covey_node_id *out_id,
                                   uint64_t *out_term)
{
    (void)node;
    *out_id = scene.coordinator;
    *out_term = scene.term;
    return true;
}

covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out)
{
    (void)loop;
    (void)fn;
    (void)user;
    *out = NULL;
    return COVEY_OK;
}

void __wrap_covey_timer_free(struct covey_timer *timer)
{
    assert_null(timer);
}

void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task)
{
    (void)pool;
    covey__task_list_push(&scene.tasks, task);
}

static void on_event(void *user, const struct covey_event *event)
{
    (void)user;
    scene.checked += event->type == COVEY_EVENT_ASSIGN_CHECKED;
    scene.stored += event->type == COVEY_EVENT_STORED;
    scene.err = event->err;
}

static void on_line(void *user, const char *line)
{
    (void)user;
    snprintf(scene.line, sizeof(scene.line), "%s", line);
    scene.lines++;
}

static bool on_member(void *user, const struct covey_node_id *device, struct covey_member_info *out)
{
    (void)user;
    assert_null(device);
    *out = (struct covey_member_info){.id = {{1}}};
    return true;
}

static void begin(void)
{
    memset(&scene, 0, sizeof(scene));
    scene.services = (struct covey_services){.memory.limit_bytes = UINT64_MAX,
                                             .store_bytes = UINT64_MAX,
                                             .feed = on_event,
                                             .log = on_line,
                                             .member = on_member};
    assert_int_equal(covey__handles_init(&scene.services.handles), COVEY_OK);
}

/* Due at first, also when the clock begins, then not before its time. */
static void test_seldom_is_due_once(void **state)
{
    (void)state;
    struct covey_seldom s = {0};
    assert_true(covey_seldom_due(&s, 0));
    assert_false(covey_seldom_due(&s, 0));
    assert_false(covey_seldom_due(&s, COVEY_SELDOM_MS - 1));
    assert_true(covey_seldom_due(&s, COVEY_SELDOM_MS));
    assert_false(covey_seldom_due(&s, COVEY_SELDOM_MS + 1));
}

/* Where some are due at once, they are so again after as many times. */
static void test_seldom_some(void **state)
{
    enum { SOME = 3 };
    (void)state;
    struct covey_seldom s = {0};
    for (uint64_t now_ms = 0; now_ms < 1000 * (uint64_t)COVEY_SELDOM_MS;
         now_ms += SOME * COVEY_SELDOM_MS) {
        for (unsigned i = 0; i < 2 * SOME; i++) {
            assert_int_equal(covey_seldom_some(&s, now_ms + i, SOME), i < SOME);
        }
    }
}

/* An owner that sends what is no assignment, as often as it likes, gets an answer each time and
 * fills no log. */
static void test_bad_assignments_fill_no_log(void **state)
{
    (void)state;
    begin();
    static const uint8_t bad[] = {0xff, 0, 1};
    struct covey_holder *h = NULL;
    assert_int_equal(covey__holder_new(&scene.services, &h), COVEY_OK);
    struct covey_action action = {.type = COVEY_ACTION_ASSIGNED,
                                  .peer = owner,
                                  .has_peer = true,
                                  .bytes = covey_bytes_of(bad, sizeof(bad))};
    for (unsigned i = 0; i < 100; i++) {
        action.fence.version++;
        covey__holder_assigned(h, &action);
        listed_tasks_run(&scene.tasks);
        assert_int_equal(scene.checked, i + 1);
        assert_int_not_equal(scene.err, COVEY_OK);
        assert_int_equal(scene.lines, i < 60 ? 1 : 2);
        scene.now_ms += COVEY_SELDOM_MS / 60;
    }
    covey__holder_free(h);
    covey__handles_done(&scene.services.handles);
}

/* Nor does who gives other bytes than it was asked for. */
static void test_wrong_bytes_fill_no_log(void **state)
{
    char folder[SCRATCH_PATH];
    begin();
    scratch_folder(state, folder);
    assert_int_equal(covey__store_open(&scene.services.store, folder), COVEY_OK);
    struct covey_content *content = NULL;
    assert_int_equal(covey__content_new(&scene.services, &content), COVEY_OK);
    for (unsigned i = 0; i < 100; i++) {
        struct covey_body *body = NULL;
        assert_int_equal(covey_body_new(8, &body), COVEY_OK);
        memset(body->data, 0, body->len);
        struct covey_action action = {.type = COVEY_ACTION_STORE,
                                      .body = covey__handles_put(&scene.services.handles, body)};
        covey__content_store(content, &action);
        listed_tasks_run(&scene.tasks);
        assert_int_equal(scene.stored, i + 1);
        assert_int_equal(scene.err, COVEY_ERR_AUTH);
        assert_int_equal(scene.lines, 1);
    }
    covey__content_free(content);
    covey__store_close(&scene.services.store);
    covey__handles_done(&scene.services.handles);
}

/* Nor a member that claims the coordinator's role in term after term, and comes and goes: what is
 * said of it is rationed, and another's is said all the same. */
static void test_claims_fill_no_log(void **state)
{
    enum { AT_ONCE = 16, CLAIMS = 300, CLAIM_MS = 10 };
    (void)state;
    begin();
    struct covey_daemon *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    d->on_log = on_line;
    scene.coordinator = (struct covey_node_id){{7}};
    for (scene.term = 1; scene.term <= CLAIMS; scene.term++) {
        covey__daemon_tell_coordinator(d);
        if (scene.term == 1) {
            assert_string_equal(scene.line, "node7 coordinates, term 1");
        }
        covey__daemon_tell_member(d, &scene.coordinator);
        covey__daemon_tell_down(d, &scene.coordinator, COVEY_ERR_MALFORMED);
        scene.now_ms += CLAIM_MS;
    }
    assert_int_equal(scene.lines, AT_ONCE);
    scene.coordinator = (struct covey_node_id){{8}};
    covey__daemon_tell_coordinator(d);
    assert_string_equal(scene.line, "node8 coordinates, term 301");
    covey__daemon_tell_member(d, &scene.coordinator);
    assert_string_equal(scene.line, "node8 is dead");
    covey__daemon_tell_down(d, &scene.coordinator, COVEY_ERR_TIMEOUT);
    assert_string_equal(scene.line, "channel to node8 ended: timed out");
    assert_int_equal(scene.lines, AT_ONCE + 3);
    scene.now_ms += COVEY_SELDOM_MS;
    for (unsigned i = 0; i < CLAIMS; i++) {
        scene.coordinator = (struct covey_node_id){{7}};
        covey__daemon_tell_coordinator(d);
    }
    assert_int_equal(scene.lines, AT_ONCE + 4);
    free(d);
    covey__handles_done(&scene.services.handles);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seldom_is_due_once),
        cmocka_unit_test(test_seldom_some),
        cmocka_unit_test(test_bad_assignments_fill_no_log),
        cmocka_unit_test(test_wrong_bytes_fill_no_log),
        cmocka_unit_test(test_claims_fill_no_log),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
