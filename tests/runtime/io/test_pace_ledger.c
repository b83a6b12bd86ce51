/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "covey/pace.h"
#include "pace_machine.h"

/* The ledger to the nanosecond, on a machine that the test plays: its clocks move by what is done
 * below and by nothing else. Threads it has one. */

#define US UINT64_C(1000)
#define MS (1000 * US)

enum { PERCENT = 10, STRETCH = 100 / PERCENT, PIECES = 50 };
/* What a sleep and a look at the file of delays take of the processor. */
#define SLEEP_NS (20 * US)
#define LOOK_NS (3 * US)

static struct {
    uint64_t now_ns, cpu_ns, delay_ns;
} machine;

static void work(uint64_t ns)
{
    machine.now_ns += ns;
    machine.cpu_ns += ns;
}

uint64_t covey__machine_now_ns(void)
{
    return machine.now_ns;
}

uint64_t covey__machine_cpu_ns(void)
{
    return machine.cpu_ns;
}

uint64_t covey__machine_delay_ns(void)
{
    work(LOOK_NS);
    return machine.delay_ns;
}

void covey__machine_sleep_until(uint64_t at_ns)
{
    machine.now_ns = machine.now_ns > at_ns ? machine.now_ns : at_ns;
    work(SLEEP_NS);
}

void covey__machine_sleep_exactly(void)
{
}

/* Others have the processor, and this thread would run. */
static void be_delayed(uint64_t ns)
{
    machine.now_ns += ns;
    machine.delay_ns += ns;
}

static void be_idle(uint64_t ns)
{
    machine.now_ns += ns;
}

/* Work of the loop itself, and the message it makes. */
static void act(uint64_t ns)
{
    work(ns);
    covey_pace_effect();
}

/* One of these slept for what was charged, and woke a sleep's processor time later. */
static void assert_slept_until(uint64_t at_ns)
{
    assert_int_equal(machine.now_ns, at_ns + SLEEP_NS);
}

/* The ledger belongs to the process: what the last test left in it is seen to first. */
static int begin(void **state)
{
    (void)state;
    covey_pace_set(PERCENT);
    covey_pace_rest();
    covey_pace_effect();
    be_idle(1000 * MS);
    covey_pace_set(PERCENT);
    return 0;
}

/* A device at work does not sleep, so what its sleeps take of this machine costs it nothing. */
static void test_sleeps_of_the_loop_are_not_charged(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    for (unsigned i = 0; i < PIECES; i++) {
        act(MS);
    }
    assert_slept_until(start + PIECES * STRETCH * MS);
}

static void test_sleeps_for_writes_are_not_charged(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    for (unsigned i = 0; i < PIECES; i++) {
        work(MS);
        covey_pace_writes(1); /* that cost nothing */
        covey_pace_written(1);
    }
    assert_slept_until(start + PIECES * STRETCH * MS);
}

static void do_pieces(enum covey_pace_class class)
{
    uint64_t start = machine.now_ns;
    for (unsigned i = 0; i < PIECES; i++) {
        struct covey_pace_work w;
        covey_pace_submit(&w, class);
        covey_pace_begin(&w);
        work(MS);
        covey_pace_end(&w);
        covey_pace_seen(&w);
    }
    assert_slept_until(start + PIECES * STRETCH * MS);
}

/* The same of those whose pieces are handed to them. */
static void test_sleeps_of_pieces_are_not_charged(void **state)
{
    (void)state;
    do_pieces(COVEY_PACE_URGENT);
    begin(NULL);
    do_pieces(COVEY_PACE_COMPUTE);
    begin(NULL);
    do_pieces(COVEY_PACE_BACKGROUND);
}

/* And in the middle of a piece. */
static void test_sleeps_within_a_piece_are_not_charged(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    struct covey_pace_work w;
    covey_pace_submit(&w, COVEY_PACE_COMPUTE);
    covey_pace_begin(&w);
    for (unsigned i = 0; i < PIECES; i++) {
        work(MS);
        covey_pace_hand_on();
    }
    assert_slept_until(start + PIECES * STRETCH * MS);
    covey_pace_end(&w);

    begin(NULL);
    start = machine.now_ns;
    covey_pace_submit(&w, COVEY_PACE_BACKGROUND);
    covey_pace_begin(&w);
    for (unsigned i = 0; i < PIECES; i++) {
        work(MS);
        covey_pace_step();
    }
    assert_slept_until(start + PIECES * STRETCH * MS);
    covey_pace_end(&w);
}

/* After nothing to do the device goes on from when there was something; to look for how long the
 * loop was delayed costs it nothing. */
static void test_idle_is_not_saved_up(void **state)
{
    (void)state;
    covey_pace_rest();
    be_idle(30 * MS);
    uint64_t ready = machine.now_ns;
    act(MS);
    assert_slept_until(ready + STRETCH * MS);
}

/* While the loop could run and others had the processor the device would have been at work. */
static void test_waiting_for_a_processor_is_not_idle(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        covey_pace_rest();
        be_idle(30 * MS);
        uint64_t ready = machine.now_ns;
        be_delayed(4 * MS);
        act(MS);
        assert_slept_until(ready + STRETCH * MS);
    }
}

/* Where it was only that, there was no idle time at all. */
static void test_nothing_but_waiting_for_a_processor(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    act(MS);
    covey_pace_rest();
    be_delayed(4 * MS);
    act(MS);
    assert_slept_until(start + 2 * STRETCH * MS);
}

/* What the file counts from before the wait says nothing of it. */
static void test_a_delay_before_the_wait_does_not_count(void **state)
{
    (void)state;
    be_delayed(4 * MS);
    covey_pace_rest();
    be_idle(30 * MS);
    uint64_t ready = machine.now_ns;
    act(MS);
    assert_slept_until(ready + STRETCH * MS);
}

/* A kernel that does not say: then the device was idle until the loop ran. */
static void test_unknown_delay(void **state)
{
    (void)state;
    be_delayed(4 * MS);
    covey_pace_rest();
    be_idle(30 * MS);
    machine.delay_ns = 0;
    uint64_t ran = machine.now_ns;
    act(MS);
    assert_slept_until(ran + STRETCH * MS);
}

/* What came while it asked was there before: it had not waited. */
static void test_a_short_wait_is_none(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    act(MS);
    covey_pace_rest();
    be_idle(30 * US);
    act(MS);
    assert_slept_until(start + 2 * STRETCH * MS);
}

/* The loop that computing's end woke goes on from that end, however late it was told. */
static void test_goes_on_from_the_end_of_computing(void **state)
{
    (void)state;
    uint64_t start = machine.now_ns;
    struct covey_pace_work w;
    covey_pace_submit(&w, COVEY_PACE_COMPUTE);
    covey_pace_rest();
    covey_pace_begin(&w);
    work(MS);
    covey_pace_end(&w);
    be_idle(2 * MS);
    act(MS);
    assert_slept_until(start + 2 * STRETCH * MS);
}

/* A node that was stopped for a minute makes up for 5 ms of it. */
static void test_being_stopped_is_not_made_up_for(void **state)
{
    (void)state;
    be_idle(60000 * MS);
    act(0);
    uint64_t stopped = machine.now_ns;
    act(MS);
    assert_slept_until(stopped - 5 * MS + STRETCH * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_sleeps_of_the_loop_are_not_charged, begin),
        cmocka_unit_test_setup(test_sleeps_for_writes_are_not_charged, begin),
        cmocka_unit_test_setup(test_sleeps_of_pieces_are_not_charged, begin),
        cmocka_unit_test_setup(test_sleeps_within_a_piece_are_not_charged, begin),
        cmocka_unit_test_setup(test_idle_is_not_saved_up, begin),
        cmocka_unit_test_setup(test_waiting_for_a_processor_is_not_idle, begin),
        cmocka_unit_test_setup(test_nothing_but_waiting_for_a_processor, begin),
        cmocka_unit_test_setup(test_a_delay_before_the_wait_does_not_count, begin),
        cmocka_unit_test_setup(test_unknown_delay, begin),
        cmocka_unit_test_setup(test_a_short_wait_is_none, begin),
        cmocka_unit_test_setup(test_goes_on_from_the_end_of_computing, begin),
        cmocka_unit_test_setup(test_being_stopped_is_not_made_up_for, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
