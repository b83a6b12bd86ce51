/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "puller.h"
#include "train_world.h"

enum { OWNER = 0, OTHER = 1 };

struct world {
    struct train_world *seen;
    struct covey_puller *puller;
};

static void tick(struct world *w)
{
    do {
        train_drain(w->seen);
        assert_int_equal(covey__puller_tick(w->puller, w->seen->out), COVEY_OK);
    } while (w->seen->out->more);
    train_drain(w->seen);
}

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->seen = train_world_new();
    w->puller = malloc(covey__puller_size());
    assert_non_null(w->puller);
    covey__puller_init(w->puller);
    return w;
}

/* Every owner goes: then no body is left, once what was being computed is done. */
static void world_free(struct world *w)
{
    for (unsigned i = 0; i < 16; i++) {
        struct covey_node_id id = train_id(i);
        assert_int_equal(covey__puller_peer_down(w->puller, &id, w->seen->out), COVEY_OK);
        tick(w);
    }
    assert_int_equal(train_alive(w->seen), 0);
    train_world_free(w->seen);
    free(w->puller);
    free(w);
}

static struct covey_fence fence_of(unsigned owner)
{
    return train_fence(owner + 1, 3);
}

static void say_as(struct world *w, unsigned from, struct covey_train_message m, covey_handle body)
{
    static const uint8_t spec[2] = {31, 0};
    struct covey_node_id id = train_id(from);
    if (m.spec.len == 0) {
        m.spec = covey_bytes_of(spec, sizeof(spec));
    }
    assert_int_equal(covey__puller_message(w->puller, &id, &m, body, w->seen->out), COVEY_OK);
    tick(w);
}

static void say(struct world *w, unsigned from, enum covey_train_type type)
{
    say_as(w, from, (struct covey_train_message){.type = type, .fence = fence_of(from)}, 0);
}

static void checked(struct world *w, unsigned owner, covey_err err)
{
    struct covey_event e = {.type = COVEY_EVENT_ENLIST_CHECKED,
                            .peer = train_id(owner),
                            .fence = fence_of(owner),
                            .err = err};
    assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
    tick(w);
}

static void enlist(struct world *w, unsigned owner)
{
    say(w, owner, COVEY_TRAIN_ENLIST);
    checked(w, owner, COVEY_OK);
}

static covey_handle round_comes(struct world *w, unsigned from, uint64_t round)
{
    covey_handle shared = train_body(w->seen);
    say_as(w, from,
           (struct covey_train_message){
               .type = COVEY_TRAIN_ROUND, .fence = fence_of(from), .round = round},
           shared);
    return shared;
}

static void task_comes(struct world *w, unsigned from, uint64_t round, uint32_t task)
{
    uint8_t spec[1] = {(uint8_t)task};
    say_as(w, from,
           (struct covey_train_message){.type = COVEY_TRAIN_TASK,
                                        .fence = fence_of(from),
                                        .round = round,
                                        .task = task,
                                        .work = task + 500,
                                        .spec = covey_bytes_of(spec, sizeof(spec))},
           train_body(w->seen));
}

static void over(struct world *w, unsigned from, uint64_t round)
{
    say_as(w, from,
           (struct covey_train_message){
               .type = COVEY_TRAIN_OVER, .fence = fence_of(from), .round = round},
           0);
}

/* The nth task that was to be computed is done; its body was session's. */
static void done(struct world *w, unsigned nth, bool answer)
{
    struct covey_action task = *train_action(w->seen, COVEY_ACTION_TASK, nth);
    struct covey_event e = {.type = COVEY_EVENT_TASK_DONE,
                            .peer = task.peer,
                            .work = task.work,
                            .body = answer ? train_body(w->seen) : 0,
                            .spent_us = 77};
    train_drop(w->seen, task.body);
    assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
    tick(w);
}

static unsigned credit(const struct world *w)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < train_sent(w->seen, COVEY_TRAIN_PULL); i++) {
        sum += train_message(w->seen, COVEY_TRAIN_PULL, i)->message.credit;
    }
    return sum;
}

/* Session checks what ENLIST says; then, and only then, tasks are pulled. */
static void test_enlist_and_pull(void **state)
{
    (void)state;
    struct world *w = world_new();
    say(w, OWNER, COVEY_TRAIN_ENLIST);
    const struct covey_action *enlisted = train_action(w->seen, COVEY_ACTION_ENLISTED, 0);
    assert_int_equal(enlisted->bytes.len, 2);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_PULL), 0);
    checked(w, OWNER, COVEY_OK);
    assert_int_equal(credit(w), 2);
    checked(w, OWNER, COVEY_OK); /* twice is once */
    assert_int_equal(credit(w), 2);
    world_free(w);
}

/* What it cannot do it says with a PULL of nothing; then it forgets the session. */
static void test_enlist_denied(void **state)
{
    (void)state;
    struct world *w = world_new();
    say(w, OWNER, COVEY_TRAIN_ENLIST);
    checked(w, OWNER, COVEY_ERR_UNSUPPORTED);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_PULL), 1);
    assert_int_equal(credit(w), 0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_DISMISSED), 1);
    round_comes(w, OWNER, 1);
    task_comes(w, OWNER, 1, 1);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 0);
    assert_int_equal(train_alive(w->seen), 0);
    world_free(w);
}

/* A task is computed with its round's spec and shared body, and its answer sent and given back. */
static void test_task_is_computed(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    covey_handle shared = round_comes(w, OWNER, 4);
    task_comes(w, OWNER, 4, 8);
    const struct covey_action *task = train_action(w->seen, COVEY_ACTION_TASK, 0);
    assert_true(task->request == 4 && task->index == 8 && task->work == 508 &&
                task->shared == shared && task->body != 0);
    assert_true(task->bytes.len == 2 && task->task_spec.len == 1);
    done(w, 0, true);
    const struct covey_train_message *m = &train_message(w->seen, COVEY_TRAIN_RESULT, 0)->message;
    assert_true(m->round == 4 && m->task == 8 && m->work == 508 && m->spent_us == 77 &&
                m->status == COVEY_TRAIN_DONE);
    assert_int_equal(train_alive(w->seen), 1); /* what the round shares */
    world_free(w);
}

/* Without an answer the task is refused. */
static void test_task_is_refused(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    round_comes(w, OWNER, 4);
    task_comes(w, OWNER, 4, 8);
    done(w, 0, false);
    const struct train_seen *seen = train_message(w->seen, COVEY_TRAIN_RESULT, 0);
    assert_int_equal(seen->message.status, COVEY_TRAIN_REFUSED);
    assert_int_equal(seen->action.body, 0);
    world_free(w);
}

/* A task that overtakes its round's body waits for it; others go on meanwhile. */
static void test_task_before_its_round(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    round_comes(w, OWNER, 1);
    task_comes(w, OWNER, 2, 1);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 0);
    task_comes(w, OWNER, 1, 5);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_TASK, 0)->index, 5);
    round_comes(w, OWNER, 2);
    done(w, 0, true);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_TASK, 1)->index, 1);
    done(w, 1, true);
    world_free(w);
}

/* One task at a time for all owners together, and owners take turns. */
static void test_owners_take_turns(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    enlist(w, OTHER);
    round_comes(w, OWNER, 1);
    round_comes(w, OTHER, 1);
    task_comes(w, OWNER, 1, 0);
    task_comes(w, OWNER, 1, 1);
    task_comes(w, OTHER, 1, 2);
    task_comes(w, OTHER, 1, 3);
    for (unsigned i = 0; i < 4; i++) {
        static const uint32_t order[4] = {0, 2, 1, 3};
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), i + 1);
        assert_int_equal(train_action(w->seen, COVEY_ACTION_TASK, i)->index, order[i]);
        done(w, i, true);
    }
    world_free(w);
}

/* When a round is over, what waits is dropped and its credit given back; what is computed is worth
 * its credit only, when it is done. */
static void test_round_over(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    round_comes(w, OWNER, 1);
    task_comes(w, OWNER, 1, 0);
    task_comes(w, OWNER, 1, 1);
    train_clear(w->seen);
    struct covey_event e = {.type = COVEY_EVENT_TASK_DONE, .peer = train_id(OWNER), .work = 500};
    over(w, OWNER, 1);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_ROUND_OVER, 0)->request, 1);
    assert_int_equal(credit(w), 1);
    assert_int_equal(train_alive(w->seen), 1); /* of the task that is computed */
    train_drop(w->seen, 2);
    e.body = train_body(w->seen);
    assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
    tick(w);
    assert_int_equal(credit(w), 2);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_RESULT), 0);
    assert_int_equal(train_alive(w->seen), 0);
    round_comes(w, OWNER, 2);
    task_comes(w, OWNER, 2, 0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 1);
    done(w, 0, true);
    world_free(w);
}

/* Bodies of a round that come behind its end are given back at once, tasks' with their credit. */
static void test_bodies_behind_the_end(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    train_clear(w->seen);
    over(w, OWNER, 6);
    over(w, OWNER, 6);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_OVER), 0); /* nothing was computed */
    round_comes(w, OWNER, 6);
    task_comes(w, OWNER, 6, 0);
    task_comes(w, OWNER, 6, 1);
    assert_int_equal(credit(w), 2);
    assert_int_equal(train_alive(w->seen), 0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 0);
    world_free(w);
}

/* Dismissed, or left by its owner, it gives back all and tells session; what is computed meanwhile
 * goes to nobody. */
static void test_dismissed(void **state)
{
    (void)state;
    for (unsigned down = 0; down < 2; down++) {
        struct world *w = world_new();
        struct covey_node_id id = train_id(OWNER);
        enlist(w, OWNER);
        round_comes(w, OWNER, 1);
        task_comes(w, OWNER, 1, 0);
        task_comes(w, OWNER, 1, 1);
        if (down == 1) {
            assert_int_equal(covey__puller_peer_down(w->puller, &id, w->seen->out), COVEY_OK);
            tick(w);
        } else {
            say(w, OWNER, COVEY_TRAIN_DISMISS);
        }
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_DISMISSED), 1);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 0);
        assert_int_equal(train_alive(w->seen), 1);
        enlist(w, OTHER); /* waits until the processor is free */
        round_comes(w, OTHER, 1);
        task_comes(w, OTHER, 1, 2);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 1);
        done(w, 0, true);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_RESULT), 0);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 2);
        done(w, 1, true);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_RESULT), 1);
        world_free(w);
    }
}

/* Asked anew by its owner it begins anew: the former session is forgotten first. */
static void test_enlisted_again(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    round_comes(w, OWNER, 1);
    task_comes(w, OWNER, 1, 0);
    train_clear(w->seen);
    struct covey_event e = {.type = COVEY_EVENT_TASK_DONE, .peer = train_id(OWNER), .work = 500};
    say(w, OWNER, COVEY_TRAIN_ENLIST);
    assert_int_equal(w->seen->seen[0].action.type, COVEY_ACTION_DISMISSED);
    assert_int_equal(w->seen->seen[1].action.type, COVEY_ACTION_ENLISTED);
    checked(w, OWNER, COVEY_OK);
    assert_int_equal(credit(w), 2);
    train_drop(w->seen, 2);
    e.body = train_body(w->seen);
    assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
    tick(w);
    assert_int_equal(credit(w), 2); /* that task was the former session's */
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_RESULT), 0);
    world_free(w);
}

/* Of two owners of one session the one of the higher epoch is worked for; the other one hears. */
static void test_higher_epoch_wins(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct covey_train_message m = {.type = COVEY_TRAIN_ENLIST, .fence = fence_of(OWNER)};
    enlist(w, OWNER);
    train_clear(w->seen);
    m.fence.epoch++;
    say_as(w, OTHER, m, 0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_DISMISSED), 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 1);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), 1);
    say(w, OWNER, COVEY_TRAIN_ENLIST); /* the old epoch again */
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_PULL), 1);
    assert_int_equal(credit(w), 0);
    world_free(w);
}

/* More sessions than there is room for are denied; more tasks than credit end the session. */
static void test_bounds(void **state)
{
    (void)state;
    struct world *w = world_new();
    for (unsigned i = 0; i < COVEY_TRAININGS_MAX; i++) {
        enlist(w, i);
    }
    unsigned before = credit(w);
    say(w, COVEY_TRAININGS_MAX, COVEY_TRAIN_ENLIST);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), COVEY_TRAININGS_MAX);
    assert_int_equal(credit(w), before);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_PULL), COVEY_TRAININGS_MAX + 1);
    for (uint32_t i = 0; i <= COVEY_WORKER_TASKS_MAX; i++) {
        task_comes(w, OWNER, 1, i);
    }
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 1);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_DISMISSED), 1);
    for (uint64_t r = 1; r <= 3 * COVEY_ROUNDS_MAX; r++) {
        round_comes(w, OTHER, r);
    }
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 2);
    assert_int_equal(train_alive(w->seen), 0);
    world_free(w);
}

/* One owner with sessions without end leaves places for others. */
static void test_one_owner_leaves_places(void **state)
{
    enum { MOST = COVEY_TRAININGS_MAX - 2 };
    (void)state;
    struct world *w = world_new();
    for (unsigned i = 0; i < 2 * COVEY_TRAININGS_MAX; i++) {
        struct covey_train_message m = {.type = COVEY_TRAIN_ENLIST, .fence = train_fence(i + 1, 3)};
        say_as(w, OWNER, m, 0);
    }
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), MOST);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_PULL), 2 * COVEY_TRAININGS_MAX - MOST);
    say_as(w, OTHER,
           (struct covey_train_message){.type = COVEY_TRAIN_ENLIST,
                                        .fence = train_fence(3 * COVEY_TRAININGS_MAX, 3)},
           0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), MOST + 1);
    world_free(w);
}

/* Of other sessions, other epochs or other devices nothing is taken. */
static void test_strangers(void **state)
{
    (void)state;
    struct world *w = world_new();
    enlist(w, OWNER);
    round_comes(w, OTHER, 1);
    task_comes(w, OTHER, 1, 0);
    struct covey_train_message m = {
        .type = COVEY_TRAIN_ROUND, .fence = fence_of(OWNER), .round = 1};
    m.fence.epoch--;
    say_as(w, OWNER, m, train_body(w->seen));
    assert_int_equal(train_alive(w->seen), 0);
    struct covey_event e = {.type = COVEY_EVENT_TASK_DONE,
                            .peer = train_id(OWNER),
                            .work = 3,
                            .body = train_body(w->seen)};
    assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
    tick(w);
    assert_int_equal(train_alive(w->seen), 0);
    world_free(w);
}

/* Whatever is due when an update is full comes with the next: nothing is lost, nothing twice. */
static void test_full_updates(void **state)
{
    (void)state;
    for (unsigned room = 1; room < 10; room++) {
        struct world *w = world_new();
        struct covey_node_id id = train_id(OWNER);
        struct covey_train_message m = {.type = COVEY_TRAIN_ENLIST, .fence = fence_of(OWNER)};
        struct covey_event e = {
            .type = COVEY_EVENT_ENLIST_CHECKED, .peer = train_id(OWNER), .fence = fence_of(OWNER)};
        train_fill(w->seen, room - 1);
        assert_int_equal(covey__puller_message(w->puller, &id, &m, 0, w->seen->out), COVEY_OK);
        tick(w);
        train_fill(w->seen, room - 1);
        assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
        tick(w);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_ENLISTED), 1);
        assert_int_equal(credit(w), 2);
        round_comes(w, OWNER, 1);
        task_comes(w, OWNER, 1, 0);
        task_comes(w, OWNER, 1, 1);
        e = (struct covey_event){.type = COVEY_EVENT_TASK_DONE,
                                 .peer = train_id(OWNER),
                                 .work = 500,
                                 .body = train_body(w->seen)};
        train_drop(w->seen, 2);
        train_fill(w->seen, room - 1);
        assert_int_equal(covey__puller_event(w->puller, &e, w->seen->out), COVEY_OK);
        tick(w);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_RESULT), 1);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_TASK), 2);
        train_fill(w->seen, room - 1);
        assert_int_equal(covey__puller_peer_down(w->puller, &id, w->seen->out), COVEY_OK);
        tick(w);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_DISMISSED), 1);
        done(w, 1, true);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enlist_and_pull),
        cmocka_unit_test(test_enlist_denied),
        cmocka_unit_test(test_task_is_computed),
        cmocka_unit_test(test_task_is_refused),
        cmocka_unit_test(test_task_before_its_round),
        cmocka_unit_test(test_owners_take_turns),
        cmocka_unit_test(test_round_over),
        cmocka_unit_test(test_bodies_behind_the_end),
        cmocka_unit_test(test_dismissed),
        cmocka_unit_test(test_enlisted_again),
        cmocka_unit_test(test_higher_epoch_wins),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_one_owner_leaves_places),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_full_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
