/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
