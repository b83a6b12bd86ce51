/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "pool.h"

enum { TASKS = 200 };

static const struct covey_pool_config one = {1, 1, COVEY_PACE_BACKGROUND, NULL};
static const struct covey_pool_config two = {2, 1, COVEY_PACE_COMPUTE, NULL};

struct counted {
    struct covey_task task;
    struct covey_loop *loop;
    pthread_t worked_on;
    unsigned *done;
    unsigned goal;
    sem_t *worked;
};

static void work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct counted *c = (struct counted *)task;
    float *room = covey__scratch_get(scratch, 1000);
    room[999] = 1;
    c->worked_on = pthread_self();
}

static void done(struct covey_task *task)
{
    struct counted *c = (struct counted *)task;
    assert_false(pthread_equal(c->worked_on, pthread_self()));
    if (++*c->done == c->goal) {
        covey_loop_stop(c->loop);
    }
}

/* Room for more floats than can be addressed is refused: their bytes would come out small. */
static void test_scratch_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct covey_scratch scratch = {0};
    assert_null(covey__scratch_get(&scratch, SIZE_MAX / sizeof(float)));
    assert_null(covey__scratch_get(&scratch, SIZE_MAX));
    assert_null(scratch.data);
}

/* Every task is worked on by a pool's thread and comes back once, on the loop's. */
static void test_pool_brings_every_task_back(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    struct covey_pool *pool = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &two, &pool), COVEY_OK);
    struct counted tasks[TASKS];
    unsigned count = 0;
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i] = (struct counted){
            .task = {.work = work, .done = done}, .loop = loop, .done = &count, .goal = TASKS};
        covey__pool_submit(pool, &tasks[i].task);
    }
    covey_loop_run(loop);
    assert_int_equal(count, TASKS);
    covey__pool_free(pool);
    covey_loop_free(loop);
}

/* Freeing a pool finishes what was queued: nothing that a task holds is leaked. */
static void done_here(struct covey_task *task)
{
    struct counted *c = (struct counted *)task;
    assert_true(pthread_equal(c->worked_on, pthread_self()));
    ++*c->done;
}

/* What is light is done before the call returns, by no other thread. */
static void test_light_work_is_done_at_once(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    struct covey_pool *pool = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &one, &pool), COVEY_OK);
    unsigned count = 0;
    struct counted task = {.task = {.work = work, .done = done_here}, .done = &count};
    covey__pool_give(pool, &task.task, true);
    assert_int_equal(count, 1);
    covey__pool_free(pool);
    covey_loop_free(loop);
}

static void test_pool_free_finishes_the_queue(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    struct covey_pool *pool = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &one, &pool), COVEY_OK);
    struct counted tasks[TASKS];
    unsigned count = 0;
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i] = (struct counted){
            .task = {.work = work, .done = done}, .loop = loop, .done = &count, .goal = TASKS + 1};
        covey__pool_submit(pool, &tasks[i].task);
    }
    covey__pool_free(pool);
    assert_int_equal(count, TASKS);
    covey_loop_free(loop);
}

struct passed_on {
    struct covey_task task, next;
    struct covey_pool *to;
    unsigned threads, done;
};

static void no_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)task;
    (void)scratch;
}

static void never_done(struct covey_task *task)
{
    (void)task;
    fail();
}

static void pass_on(struct covey_task *task)
{
    struct passed_on *p = (struct passed_on *)task;
    p->done++;
    p->threads = covey__pool_threads(p->to);
    covey__pool_submit(p->to, &p->next);
}

/* A node that closes stops one pool after the other, and what ends with the last may ask for the
 * first: that is there, and does nothing any more. */
static void test_a_stopped_pool_may_be_asked(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    struct covey_pool *first = NULL, *last = NULL;
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &two, &first), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &one, &last), COVEY_OK);
    struct passed_on p = {.task = {.work = no_work, .done = pass_on},
                          .next = {.work = no_work, .done = never_done},
                          .to = first};
    covey__pool_submit(last, &p.task);
    covey__pool_stop(first);
    covey__pool_stop(last);
    assert_int_equal(p.done, 1);
    assert_int_equal(p.threads, 2);
    covey__pool_free(first);
    covey__pool_free(last);
    covey_loop_free(loop);
}

static void say_so(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    assert_int_equal(sem_post(((struct counted *)task)->worked), 0);
}

/* By then the one thread has posted that the task before this one is done. */
static void wait_for(sem_t *worked)
{
    struct timespec end;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &end), 0);
    end.tv_sec += 60;
    while (sem_timedwait(worked, &end) != 0) {
        assert_int_equal(errno, EINTR);
    }
}

/* What is told the loop of a pool that is gone meanwhile touches nothing of its owner's. */
static void test_a_late_drain_needs_no_account(void **state)
{
    (void)state;
    struct covey_loop *loop = NULL;
    struct covey_pool *pool = NULL;
    sem_t worked;
    unsigned count = 0;
    struct covey_account *account = calloc(1, sizeof(*account));
    assert_non_null(account);
    struct covey_pool_config config = one;
    config.account = account;
    assert_int_equal(sem_init(&worked, 0, 0), 0);
    assert_int_equal(covey_loop_new(&loop), COVEY_OK);
    assert_int_equal(covey__pool_new(loop, &config, &pool), COVEY_OK);
    struct counted tasks[] = {
        {.task = {.work = work, .done = done}, .done = &count, .goal = 3},
        {.task = {.work = say_so, .done = done}, .done = &count, .goal = 3, .worked = &worked}};
    covey__pool_submit(pool, &tasks[0].task);
    covey__pool_submit(pool, &tasks[1].task);
    wait_for(&worked);
    covey__pool_free(pool);
    assert_int_equal(count, 2);
    assert_int_equal(account->used_bytes, 0);
    free(account);
    covey_loop_free(loop);
    sem_destroy(&worked);
}

/* A thread whose first work needs no scratch gets some all the same: NULL means no memory. */
static void test_scratch_of_nothing_is_there(void **state)
{
    (void)state;
    struct covey_scratch scratch = {0};
    const float *first = covey__scratch_get(&scratch, 0);
    assert_non_null(first);
    assert_ptr_equal(covey__scratch_get(&scratch, 1), first);
    assert_non_null(covey__scratch_get(&scratch, 1000));
    assert_true(scratch.floats >= 1000);
    free(scratch.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scratch_of_nothing_is_there),
        cmocka_unit_test(test_light_work_is_done_at_once),
        cmocka_unit_test(test_scratch_refuses_what_cannot_be),
        cmocka_unit_test(test_pool_brings_every_task_back),
        cmocka_unit_test(test_pool_free_finishes_the_queue),
        cmocka_unit_test(test_a_stopped_pool_may_be_asked),
        cmocka_unit_test(test_a_late_drain_needs_no_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
