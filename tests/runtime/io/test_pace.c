/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "covey/loop.h"
#include "covey/pace.h"

/* Lower bounds only: how much later than allowed something happens is the machine's affair. What
 * the ledger says to the nanosecond is test_pace_ledger.c's. */

enum { PERCENT = 10, WORK_US = 2000 };

static uint64_t thread_ns(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Uses so much of the thread's time. */
static void burn(uint64_t us)
{
    uint64_t end = thread_ns() + us * 1000;
    while (thread_ns() < end) {
    }
}

static void expect(bool condition)
{
    if (!condition) {
        _exit(1);
    }
}

/* So much work in all is not done earlier than this. A debt too short to sleep for is carried on.
 */
static void expect_since(uint64_t start_ns, uint64_t cpu_us)
{
    expect(covey_clock_ns() + 50000 >= start_ns + cpu_us * 1000 * 100 / PERCENT);
}

/* The pace belongs to the process, so each test has one of its own. */
static void in_child(void (*test)(uint64_t start_ns))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint64_t start_ns = covey_clock_ns();
        covey_pace_set(PERCENT);
        test(start_ns);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Unpaced, nothing waits and rates are as measured. */
static void test_off(void **state)
{
    (void)state;
    assert_false(covey_pace_on());
    assert_int_equal(covey_pace_percent(), 100);
    struct covey_pace_work w;
    covey_pace_submit(&w, COVEY_PACE_COMPUTE);
    covey_pace_begin(&w);
    covey_pace_end(&w);
    covey_pace_effect();
}

static void full(uint64_t start_ns)
{
    (void)start_ns;
    covey_pace_set(100);
    expect(!covey_pace_on() && covey_pace_percent() == 100);
}

/* A whole core is the same as no pace. */
static void test_full(void **state)
{
    (void)state;
    in_child(full);
}

static void effects(uint64_t start_ns)
{
    expect(covey_pace_percent() == PERCENT);
    for (unsigned i = 1; i <= 3; i++) {
        burn(WORK_US);
        covey_pace_effect();
        expect_since(start_ns, i * WORK_US);
    }
}

/* No effect of the loop's own work leaves before the device would be as far. */
static void test_effects(void **state)
{
    (void)state;
    in_child(effects);
}

static void writes(uint64_t start_ns)
{
    covey_pace_writes(1);
    burn(WORK_US);
    covey_pace_written(1); /* a quarter of it is expected of the next */
    covey_pace_writes(4);
    expect_since(start_ns, 2 * WORK_US);
    covey_pace_written(4);
}

/* Several writes wait before the first of them for what all are likely to cost. */
static void test_writes(void **state)
{
    (void)state;
    in_child(writes);
}

struct job {
    struct covey_loop *loop;
    unsigned left;
    uint64_t due_ns;
};

static void job_work(void *user)
{
    (void)user;
    burn(WORK_US);
}

static void job_done(void *user)
{
    struct job *job = user;
    if (--job->left == 0) {
        covey_loop_stop(job->loop);
    }
}

static void ciphers(uint64_t start_ns)
{
    struct job job = {.left = 3};
    expect(covey_loop_new(&job.loop) == COVEY_OK);
    for (unsigned i = 0; i < 3; i++) {
        expect(covey_loop_work(job.loop, job_work, job_done, &job) == COVEY_OK);
    }
    covey_loop_run(job.loop);
    expect_since(start_ns, 3 * WORK_US);
    covey_loop_free(job.loop);
}

/* Work on several threads is done one after the other: the device has one processor. */
static void test_ciphers(void **state)
{
    (void)state;
    in_child(ciphers);
}

struct computing {
    struct covey_pace_work pace;
    pthread_barrier_t go;
};

static void *compute(void *user)
{
    struct computing *c = user;
    covey_pace_begin(&c->pace);
    pthread_barrier_wait(&c->go);
    burn(WORK_US);
    covey_pace_end(&c->pace);
    return NULL;
}

static void preempt(uint64_t start_ns)
{
    struct computing c;
    pthread_t thread;
    expect(pthread_barrier_init(&c.go, NULL, 2) == 0);
    covey_pace_submit(&c.pace, COVEY_PACE_COMPUTE);
    expect(pthread_create(&thread, NULL, compute, &c) == 0);
    burn(WORK_US);
    covey_pace_effect();
    expect_since(start_ns, WORK_US);
    pthread_barrier_wait(&c.go);
    expect(pthread_join(thread, NULL) == 0);
    expect_since(start_ns, 2 * WORK_US);
}

/* Computing ends later by what was urgent meanwhile. */
static void test_preempt(void **state)
{
    (void)state;
    in_child(preempt);
}

struct behind {
    struct covey_pace_work pace;
    _Atomic bool burnt;
    uint64_t us, end_ns;
};

static void *work_behind(void *user)
{
    struct behind *b = user;
    covey_pace_begin(&b->pace);
    burn(b->us);
    b->burnt = true;
    covey_pace_step();
    covey_pace_end(&b->pace);
    b->end_ns = covey_clock_ns();
    return NULL;
}

/* Returns once all of it is about to be charged. */
static pthread_t start_behind(struct behind *b)
{
    pthread_t thread;
    covey_pace_submit(&b->pace, COVEY_PACE_BACKGROUND);
    expect(pthread_create(&thread, NULL, work_behind, b) == 0);
    while (!b->burnt) {
        expect(usleep(100) == 0);
    }
    return thread;
}

static void compute_here(uint64_t us)
{
    struct covey_pace_work w;
    covey_pace_submit(&w, COVEY_PACE_COMPUTE);
    covey_pace_begin(&w);
    burn(us);
    covey_pace_end(&w);
}

/* The work itself takes little of what it is stretched to, where this machine is busy too. */
enum { SLOW_PERCENT = 1, BEHIND_US = 8 * WORK_US, TRIES = 15 };

/* False: by then the background had had all the time that it takes, and nobody can say who went
 * first. */
static bool goes_before(void)
{
    struct behind b = {.us = BEHIND_US};
    uint64_t over_ns = covey_clock_ns() + (uint64_t)BEHIND_US * 1000 * 100 / SLOW_PERCENT;
    pthread_t thread = start_behind(&b);
    burn(WORK_US);
    covey_pace_effect();
    compute_here(WORK_US);
    uint64_t end_ns = covey_clock_ns();
    expect(pthread_join(thread, NULL) == 0);
    expect(end_ns < b.end_ns || end_ns >= over_ns);
    return end_ns < over_ns;
}

static void go_first(uint64_t start_ns)
{
    unsigned tries = 1;
    covey_pace_set(SLOW_PERCENT);
    while (!goes_before()) {
        expect(tries++ < TRIES);
    }
    expect_since(start_ns, (BEHIND_US + 2 * WORK_US) * PERCENT / SLOW_PERCENT);
}

/* What is urgent and what is computed does not wait for the background, which waits for both. Where
 * this process was stopped meanwhile it is tried again. */
static void test_background_goes_behind(void **state)
{
    (void)state;
    in_child(go_first);
}

static void never_starve(uint64_t start_ns)
{
    enum { PIECES = 80, PIECE_US = 1000 };
    (void)start_ns;
    struct behind b = {.us = PIECE_US};
    struct covey_pace_work now, next;
    covey_pace_submit(&now, COVEY_PACE_COMPUTE);
    covey_pace_begin(&now);
    pthread_t thread = start_behind(&b);
    for (unsigned i = 0; i < PIECES; i++) { /* one is there before the other ends */
        covey_pace_submit(&next, COVEY_PACE_COMPUTE);
        burn(PIECE_US);
        covey_pace_end(&now);
        now = next;
        covey_pace_begin(&now);
    }
    uint64_t end_ns = covey_clock_ns();
    covey_pace_end(&now);
    expect(pthread_join(thread, NULL) == 0);
    expect(b.end_ns < end_ns);
}

/* Where there is always something to compute the background ends all the same. */
static void test_background_never_starves(void **state)
{
    (void)state;
    in_child(never_starve);
}

static void on_timer(void *user)
{
    struct job *job = user;
    burn(WORK_US);
    covey_pace_effect();
    expect_since(job->due_ns, WORK_US); /* the device began then, however late this machine did */
    covey_loop_stop(job->loop);
}

static void idle(uint64_t start_ns)
{
    (void)start_ns;
    struct job job = {.left = 1};
    struct covey_timer *timer = NULL;
    expect(covey_loop_new(&job.loop) == COVEY_OK);
    expect(covey_timer_new(job.loop, on_timer, &job, &timer) == COVEY_OK);
    uint64_t due_ms = covey_loop_now_ms(job.loop) + 20;
    job.due_ns = due_ms * 1000000;
    covey_timer_set(timer, due_ms);
    covey_loop_run(job.loop);
    covey_timer_free(timer);
    covey_loop_free(job.loop);
}

/* Time in which the device had nothing to do is not saved up. */
static void test_idle(void **state)
{
    (void)state;
    in_child(idle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_effects),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_ciphers),
        cmocka_unit_test(test_preempt),
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_background_goes_behind),
        cmocka_unit_test(test_background_never_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
