/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pool_world.h"

/* ENLIST with the session's spec goes to each device that is there, and to those that come. */
static void test_enlist_goes_to_all(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_new();
    pool_up(w, ONE);
    pool_peer_is(w, TWO, true, COVEY_PEER_NO_CHANNEL);
    pool_open(w, 0, 0);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 1);
    assert_int_equal(train_message(w->seen, COVEY_TRAIN_ENLIST, 0)->spec_first, 42);
    pool_up(w, TWO);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 2);
    pool_pull(w, TWO, 2);
    const struct covey_action *told = train_action(w->seen, COVEY_ACTION_TRAIN_WORKER, 0);
    assert_true(told->err == COVEY_OK && told->index == 1);
    pool_world_free(w);
}

/* Devices of trust none work only where the session allows it; this device only where asked. */
static void test_who_is_enlisted(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_new();
    pool_up(w, ONE);
    pool_peer_is(w, TWO, false, COVEY_PEER_UP);
    pool_open(w, 0, 0);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 1);
    pool_world_free(w);

    w = pool_world_new();
    pool_up(w, ONE);
    pool_peer_is(w, TWO, false, COVEY_PEER_UP);
    pool_open(w, COVEY_TRAIN_ANY_TRUST | COVEY_TRAIN_SELF, 0);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 3);
    pool_world_free(w);
}

/* Where there is a limit, another device is asked for each that will not, or goes. */
static void test_limit_of_workers(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_new();
    pool_up(w, ONE);
    pool_up(w, TWO);
    pool_up(w, THREE);
    pool_open(w, 0, 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 1);
    pool_pull(w, ONE, 0);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 2);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_TRAIN_WORKER), 1);
    const struct covey_action *told = train_action(w->seen, COVEY_ACTION_TRAIN_WORKER, 0);
    assert_true(told->err == COVEY_ERR_CANCELLED && told->index == 0); /* nobody waits for it */
    pool_pull(w, TWO, 2);
    pool_peer_is(w, TWO, true, COVEY_PEER_GONE);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 3);
    pool_world_free(w);
}

/* A worker gets as many tasks as it gave credit for, the round once, and in the order given. */
static void test_tasks_follow_credit(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    pool_begin(w, 10);
    for (uint32_t i = 0; i < 4; i++) {
        pool_give(w, 10, i);
    }
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ROUND), 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 2);
    struct train_seen first = pool_task_to(w, ONE, 0);
    assert_true(first.message.task == 0 && first.spec_first == 100 && first.message.round == 10);
    assert_int_equal(train_message(w->seen, COVEY_TRAIN_ROUND, 0)->spec_first, 7);
    pool_answer(w, ONE, &first, true);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 3);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ROUND), 1);
    assert_int_equal(pool_task_to(w, ONE, 2).message.task, 2);
    const struct covey_action *result = train_action(w->seen, COVEY_ACTION_ROUND_RESULT, 0);
    assert_true(result->request == 10 && result->index == 0 && result->body != 0 &&
                result->spent_us == 11);
    pool_drop_results(w);
    pool_world_free(w);
}

/* Whoever has most credit gets the next task; of those alike who has waited longest. */
static void test_tasks_go_to_the_idle(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 6; i++) {
        pool_give(w, 1, i);
    }
    assert_int_equal(pool_task_to(w, ONE, 0).message.task, 0);
    assert_int_equal(pool_task_to(w, TWO, 0).message.task, 1);
    assert_int_equal(pool_task_to(w, ONE, 1).message.task, 2);
    assert_int_equal(pool_task_to(w, TWO, 1).message.task, 3);
    pool_drop_results(w);
    pool_world_free(w);
}

/* A round's last tasks, one for each worker, wait for those who are idle first; where there is
 * nobody else, nothing waits; and the next round's may go ahead. */
static void test_last_tasks_are_not_handed_out_ahead(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 4; i++) {
        pool_give(w, 1, i);
    }
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 2);
    for (uint32_t i = 1; i < 3; i++) { /* one of the two is fast */
        struct train_seen of_two = pool_task_to(w, TWO, i - 1);
        pool_answer(w, TWO, &of_two, true);
        assert_int_equal(pool_task_to(w, TWO, i).message.task, i + 1);
    }
    assert_int_equal(pool_tasks_to(w, ONE), 1);
    pool_begin(w, 2);
    pool_give(w, 2, 7);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 5);
    pool_drop_results(w);
    pool_world_free(w);

    w = pool_world_with(1);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    pool_give(w, 1, 1);
    assert_int_equal(pool_tasks_to(w, ONE), 2);
    pool_world_free(w);
}

/* Tasks of the older round go first, whichever round was given more lately. */
static void test_older_round_first(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    pool_begin(w, 1);
    pool_begin(w, 2);
    pool_give(w, 2, 0);
    pool_give(w, 2, 1);
    pool_give(w, 2, 2);
    pool_give(w, 1, 9);
    struct train_seen first = pool_task_to(w, ONE, 0);
    pool_answer(w, ONE, &first, true);
    assert_int_equal(pool_task_to(w, ONE, 2).message.task, 9);
    assert_int_equal(pool_task_to(w, ONE, 2).message.round, 1);
    pool_drop_results(w);
    pool_world_free(w);
}

/* What a device held goes to others when it is gone, before what waits. */
static void test_lost_worker_gives_back(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 6; i++) {
        pool_give(w, 1, i);
    }
    pool_peer_is(w, ONE, true, COVEY_PEER_NO_CHANNEL); /* it held 0 and 2 */
    assert_int_equal(train_action(w->seen, COVEY_ACTION_TRAIN_WORKER, 0)->err, COVEY_ERR_CLOSED);
    struct train_seen a = pool_task_to(w, TWO, 0), b = pool_task_to(w, TWO, 1);
    pool_answer(w, TWO, &a, true);
    pool_answer(w, TWO, &b, true);
    assert_int_equal(pool_task_to(w, TWO, 2).message.task, 0);
    assert_int_equal(pool_task_to(w, TWO, 3).message.task, 2);
    pool_drop_results(w);
    pool_world_free(w);
}

/* A device that comes back is a new worker: asked anew, and its former answers are not taken. */
static void test_rejoined_worker_is_new(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    struct train_seen before = pool_task_to(w, ONE, 0);
    pool_peer_is(w, ONE, true, COVEY_PEER_GONE);
    pool_up(w, ONE);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), 1);
    pool_answer(w, ONE, &before, true);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 0);
    pool_pull(w, ONE, 2);
    assert_int_equal(pool_tasks_to(w, ONE), 2);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ROUND), 2);
    pool_world_free(w);
}

/* At the end of a round its workers hear OVER once, and all its bodies are given back. */
static void test_round_end(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    pool_end(w, 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_OVER), 1);
    assert_int_equal(train_alive(w->seen), 0);
    struct covey_event late = {.type = COVEY_EVENT_ROUND_TASK,
                               .fence = pool_fence(),
                               .request = 1,
                               .body = train_body(w->seen)};
    assert_int_equal(pool_event(w, late), COVEY_ERR_NOT_FOUND);
    pool_world_free(w);
}

/* A task of a round that is over keeps its credit until the worker gives it back, by its answer
 * or by PULL: a slow device is not buried. */
static void test_credit_of_a_round_that_is_over(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    pool_give(w, 1, 1);
    pool_end(w, 1);
    pool_begin(w, 2);
    pool_give(w, 2, 0);
    pool_give(w, 2, 1);
    assert_int_equal(pool_tasks_to(w, ONE), 2);
    struct train_seen late = pool_task_to(w, ONE, 0);
    pool_answer(w, ONE, &late, true);
    assert_int_equal(pool_tasks_to(w, ONE), 3);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 0);
    pool_pull(w, ONE, 1);
    assert_int_equal(pool_tasks_to(w, ONE), 4);
    pool_pull(w, ONE, 1);
    pool_give(w, 2, 2);
    assert_int_equal(pool_tasks_to(w, ONE), 5);
    pool_world_free(w);
}

/* A worker that says that it can hold more than anyone may gets no more than the limit. */
static void test_credit_is_bounded(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    for (unsigned i = 0; i < 40; i++) {
        pool_pull(w, ONE, COVEY_WORKER_TASKS_MAX);
    }
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 3 * COVEY_WORKER_TASKS_MAX; i++) {
        pool_give(w, 1, i);
        pool_pull(w, ONE, COVEY_WORKER_TASKS_MAX);
    }
    assert_int_equal(pool_tasks_to(w, ONE), COVEY_WORKER_TASKS_MAX);
    pool_world_free(w);
}

/* Results are taken only of the very task that the very worker holds. */
static void test_results_are_fenced(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    pool_give(w, 1, 3);
    struct train_seen task = pool_task_to(w, ONE, 0);
    struct train_seen wrong = task;
    pool_answer(w, TWO, &task, true);
    wrong.message.work++;
    pool_answer(w, ONE, &wrong, true);
    wrong = task;
    wrong.message.round++;
    pool_answer(w, ONE, &wrong, true);
    wrong = task;
    wrong.message.task++;
    pool_answer(w, ONE, &wrong, true);
    struct covey_train_message m = task.message;
    m.type = COVEY_TRAIN_RESULT;
    m.fence.epoch++;
    pool_say(w, ONE, m, train_body(w->seen));
    m.fence = train_fence(2, 5);
    pool_say(w, ONE, m, train_body(w->seen));
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 0);
    pool_answer(w, ONE, &task, true);
    pool_answer(w, ONE, &task, true); /* twice is once */
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 1);
    pool_drop_results(w);
    pool_world_free(w);
}

/* What one device refuses another one gets; who refuses three in a row is let go. */
static void test_refusals(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    struct train_seen task = pool_task_to(w, ONE, 0);
    pool_answer(w, ONE, &task, false);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_ROUND_RESULT, 0)->body, 0);
    assert_int_equal(pool_task_to(w, TWO, 0).message.task, 0);
    for (uint32_t i = 1; i < 4; i++) {
        pool_give(w, 1, i);
    }
    for (unsigned i = 1; i < 3; i++) {
        task = pool_task_to(w, ONE, i);
        pool_answer(w, ONE, &task, false);
    }
    const struct covey_action *told = train_action(w->seen, COVEY_ACTION_TRAIN_WORKER, 0);
    assert_true(told->err == COVEY_ERR_UNSUPPORTED && told->index == 1);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 1);
    unsigned before = pool_tasks_to(w, ONE);
    pool_pull(w, ONE, 2);
    assert_int_equal(pool_tasks_to(w, ONE), before);
    pool_world_free(w);
}

/* A refused task comes back to the only worker there is, rather than to nobody. */
static void test_refused_by_the_only_one(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    struct train_seen task = pool_task_to(w, ONE, 0);
    pool_answer(w, ONE, &task, false);
    assert_int_equal(pool_tasks_to(w, ONE), 2);
    pool_world_free(w);
}

/* Who lied gets no more, ever, and what it did in this round others do again. */
static void test_liar(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 4; i++) {
        pool_give(w, 1, i);
    }
    struct train_seen task = pool_task_to(w, ONE, 0), other = pool_task_to(w, TWO, 0);
    pool_answer(w, ONE, &task, true);
    pool_answer(w, TWO, &other, true);
    struct covey_event e = {
        .type = COVEY_EVENT_ROUND_LIED, .fence = pool_fence(), .request = 1, .peer = train_id(ONE)};
    assert_int_equal(pool_event(w, e), COVEY_OK);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_TRAIN_WORKER, 0)->err, COVEY_ERR_DENIED);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 1);
    assert_int_equal(pool_task_to(w, TWO, 2).message.task, 0);
    unsigned asked = train_sent(w->seen, COVEY_TRAIN_ENLIST);
    pool_peer_is(w, ONE, true, COVEY_PEER_GONE);
    pool_up(w, ONE);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_ENLIST), asked);
    task = pool_task_to(w, TWO, 1);
    pool_answer(w, TWO, &task, true);
    assert_int_equal(pool_task_to(w, TWO, 3).message.task, 2); /* it was out at the liar */
    pool_drop_results(w);
    pool_world_free(w);
}

/* With one task each no other device sees a second one of a round, not even one that comes back. */
static void test_one_each(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_new();
    pool_up(w, ONE);
    pool_up(w, TWO);
    pool_open(w, COVEY_TRAIN_ONE_EACH, 0);
    pool_pull(w, ONE, 2);
    pool_pull(w, TWO, 2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 3; i++) {
        pool_give(w, 1, i);
    }
    assert_true(pool_tasks_to(w, ONE) == 1 && pool_tasks_to(w, TWO) == 1);
    pool_peer_is(w, ONE, true, COVEY_PEER_GONE);
    pool_up(w, ONE);
    pool_pull(w, ONE, 2);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 2);
    pool_up(w, THREE);
    pool_pull(w, THREE, 2);
    assert_int_equal(pool_task_to(w, THREE, 0).message.task, 0);
    pool_begin(w, 2);
    pool_give(w, 2, 0);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 4);
    pool_world_free(w);
}

/* Of tasks that ask the same no device gets two, while there are others; alone it gets all. */
static void test_same_question(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    for (uint32_t i = 0; i < 4; i++) {
        pool_give_same(w, 1, i, 1 + i % 2);
    }
    struct train_seen first = pool_task_to(w, ONE, 0), other = pool_task_to(w, TWO, 0);
    assert_true(first.message.task == 0 && other.message.task == 1);
    pool_answer(w, ONE, &first, true);
    assert_int_equal(pool_task_to(w, ONE, 1).message.task, 3);
    struct train_seen second = pool_task_to(w, ONE, 1);
    pool_answer(w, ONE, &second, true);
    assert_int_equal(pool_tasks_to(w, ONE), 2); /* the other 0 waits for TWO */
    pool_peer_is(w, TWO, true, COVEY_PEER_GONE);
    assert_int_equal(pool_tasks_to(w, ONE), 4);
    pool_drop_results(w);
    pool_world_free(w);
}

/* Session hears once that more tasks could be sent, and again when still more could. */
static void test_hungry(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    pool_tick(w, 50);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 0); /* no task yet */
    pool_give(w, 1, 0);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 0); /* more may follow */
    assert_true(covey__taskpool_deadline_ms(w->pool) <= w->now_ms + 10);
    pool_tick(w, 10);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 1);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_ROUND_HUNGRY, 0)->index, 3);
    pool_tick(w, 50);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 1);
    assert_true(covey__taskpool_deadline_ms(w->pool) == UINT64_MAX);
    struct train_seen task = pool_task_to(w, ONE, 0);
    pool_answer(w, ONE, &task, true);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 2);
    assert_int_equal(train_action(w->seen, COVEY_ACTION_ROUND_HUNGRY, 1)->index, 4);
    for (uint32_t i = 1; i < 6; i++) {
        pool_give(w, 1, i);
    }
    pool_tick(w, 50);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_HUNGRY), 2); /* one waits */
    pool_drop_results(w);
    pool_world_free(w);
}

/* Closing tells all workers, gives back all bodies, and leaves nothing that would answer. */
static void test_close(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(2);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    pool_give(w, 1, 1);
    struct train_seen task = pool_task_to(w, ONE, 0);
    assert_int_equal(
        pool_event(w, (struct covey_event){.type = COVEY_EVENT_TRAIN_CLOSE, .fence = pool_fence()}),
        COVEY_OK);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_DISMISS), 2);
    assert_int_equal(train_sent(w->seen, COVEY_TRAIN_OVER), 0);
    assert_int_equal(train_alive(w->seen), 0);
    pool_answer(w, ONE, &task, true);
    assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 0);
    pool_world_free(w);
}

/* What session may not do is refused, and the body it came with given back. */
static void test_limits(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    struct covey_event open = {.type = COVEY_EVENT_TRAIN_OPEN, .fence = pool_fence()};
    assert_int_equal(pool_event(w, open), COVEY_ERR_EXISTS);
    for (uint64_t r = 1; r <= COVEY_ROUNDS_MAX; r++) {
        pool_begin(w, r);
    }
    struct covey_event e = {.type = COVEY_EVENT_ROUND_BEGIN,
                            .fence = pool_fence(),
                            .request = 9,
                            .body = train_body(w->seen)};
    assert_int_equal(pool_event(w, e), COVEY_ERR_LIMIT);
    pool_end(w, 1);
    e.request = 4;
    e.body = train_body(w->seen);
    assert_int_equal(pool_event(w, e), COVEY_ERR_RANGE);
    for (uint32_t i = 0; i < COVEY_ROUND_TASKS_MAX; i++) {
        pool_give(w, 2, i);
    }
    e = (struct covey_event){.type = COVEY_EVENT_ROUND_TASK,
                             .fence = pool_fence(),
                             .request = 2,
                             .body = train_body(w->seen)};
    assert_int_equal(pool_event(w, e), COVEY_ERR_LIMIT);
    e.fence.epoch++;
    e.body = train_body(w->seen);
    assert_int_equal(pool_event(w, e), COVEY_ERR_NOT_FOUND);
    open.fence = train_fence(9, 1);
    for (unsigned i = 1; i < COVEY_TRAININGS_MAX; i++) {
        open.fence = train_fence(20 + i, 1);
        assert_int_equal(pool_event(w, open), COVEY_OK);
    }
    open.fence = train_fence(99, 1);
    assert_int_equal(pool_event(w, open), COVEY_ERR_LIMIT);
    pool_world_free(w);
}

/* Whatever is due when an update is full comes with the next: nothing is lost, nothing twice. */
static void test_full_updates(void **state)
{
    (void)state;
    for (unsigned room = 1; room < 12; room++) {
        struct pool_world *w = pool_world_with(3);
        struct covey_node_id gone = train_id(ONE), id = train_id(TWO);
        pool_begin(w, 1);
        for (uint32_t i = 0; i < 8; i++) {
            pool_give(w, 1, i);
        }
        struct train_seen task = pool_task_to(w, TWO, 0);
        struct covey_train_message m = task.message;
        m.type = COVEY_TRAIN_RESULT;
        train_fill(w->seen, room);
        assert_int_equal(
            covey__taskpool_message(w->pool, &id, &m, train_body(w->seen), w->seen->out), COVEY_OK);
        covey_err err = covey__taskpool_peer(w->pool, &gone, true, COVEY_PEER_GONE, w->seen->out);
        assert_int_equal(err, COVEY_OK);
        pool_tick(w, 0);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_ROUND_RESULT), 1);
        assert_int_equal(train_acted(w->seen, COVEY_ACTION_TRAIN_WORKER), 1);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_TASK), 7);
        struct covey_event e = {.type = COVEY_EVENT_ROUND_END,
                                .fence = pool_fence(),
                                .request = 1,
                                .now_ms = w->now_ms};
        train_fill(w->seen, room);
        assert_int_equal(covey__taskpool_event(w->pool, &e, w->seen->out), COVEY_OK);
        pool_tick(w, 0);
        assert_int_equal(train_sent(w->seen, COVEY_TRAIN_OVER), 2);
        pool_drop_results(w);
        pool_world_free(w);
    }
}

/* More peers than the table holds: those that are long gone make room. */
static void test_many_peers(void **state)
{
    (void)state;
    struct pool_world *w = pool_world_with(1);
    for (unsigned i = 2; i < 2 * COVEY_MEMBERS_MAX; i++) {
        pool_up(w, i);
        if (i > 3) {
            pool_peer_is(w, i, true, COVEY_PEER_GONE);
        }
    }
    assert_true(train_sent(w->seen, COVEY_TRAIN_ENLIST) > COVEY_MEMBERS_MAX);
    pool_begin(w, 1);
    pool_give(w, 1, 0);
    assert_int_equal(pool_tasks_to(w, ONE), 1);
    pool_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enlist_goes_to_all),
        cmocka_unit_test(test_who_is_enlisted),
        cmocka_unit_test(test_limit_of_workers),
        cmocka_unit_test(test_tasks_follow_credit),
        cmocka_unit_test(test_tasks_go_to_the_idle),
        cmocka_unit_test(test_last_tasks_are_not_handed_out_ahead),
        cmocka_unit_test(test_older_round_first),
        cmocka_unit_test(test_lost_worker_gives_back),
        cmocka_unit_test(test_rejoined_worker_is_new),
        cmocka_unit_test(test_round_end),
        cmocka_unit_test(test_credit_of_a_round_that_is_over),
        cmocka_unit_test(test_credit_is_bounded),
        cmocka_unit_test(test_results_are_fenced),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refused_by_the_only_one),
        cmocka_unit_test(test_liar),
        cmocka_unit_test(test_one_each),
        cmocka_unit_test(test_same_question),
        cmocka_unit_test(test_hungry),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_full_updates),
        cmocka_unit_test(test_many_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
