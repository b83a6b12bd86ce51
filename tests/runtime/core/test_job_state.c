/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "job_state.h"

/* Parts of the job machine by themselves: times that deadlines are made of, and entries. */

static struct covey_job *new_job(void)
{
    struct covey_job *job = calloc(1, covey__job_size());
    assert_non_null(job);
    return job;
}

/* A run of two segments that is predicted to take 90 ms, the longer one 60, at its first attempt.
 */
static struct covey__session *session_of_run(struct covey_plan_run *run)
{
    struct covey__session *session = calloc(1, sizeof(*session));
    assert_non_null(session);
    *run = (struct covey_plan_run){.predicted_us = 90000, .segments = 2};
    run->segment[0].predicted_us = 60000;
    run->segment[1].predicted_us = 30000;
    return session;
}

static void measure(struct covey__session *session, uint64_t ms)
{
    for (unsigned i = 0; i < COVEY__JOB_TIMES; i++) {
        covey__times_add(&session->run_times[0], ms);
    }
}

/* Half of: one and a half of the longest segment, three times as long before any run was measured
 * and as much longer as runs take than predicted; at least half a run. */
static void test_stalls_follow_what_runs_take(void **state)
{
    (void)state;
    static const struct {
        unsigned measured_ms, stall_ms;
    } cases[] = {{0, (270 + 20) / 2},
                 {90, (90 + 20) / 2},
                 {180, (180 + 20) / 2},
                 {30, (90 + 20) / 2},
                 {900000, UINT16_MAX}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct covey_plan_run run;
        struct covey__session *session = session_of_run(&run);
        struct covey__request *request = calloc(1, sizeof(*request));
        assert_non_null(request);
        request->beside = 1;
        request->tiles.tries = 1;
        if (cases[i].measured_ms != 0) {
            measure(session, cases[i].measured_ms);
        }
        assert_int_equal(covey__run_stall_ms(session, &run, request), cases[i].stall_ms);
        run.segment[0].predicted_us = 0; /* only the other: half a run is longer */
        if (cases[i].measured_ms == 180) {
            assert_int_equal(covey__run_stall_ms(session, &run, request), (135 + 20) / 2);
        }
        free(request);
        free(session);
    }
}

/* As long as a holder waits, until four answers are known; then half of that, or the longest of the
 * last fifteen and half of it; at least 10 ms. */
static void test_answers_may_take_what_they_took(void **state)
{
    (void)state;
    static const struct {
        unsigned run_ms, count, quick_ms, slow_ms, answer_ms;
    } cases[] = {{90, 0, 0, 0, 55},   {90, 3, 0, 0, 55},   {90, 4, 0, 0, 27},
                 {90, 15, 3, 18, 27}, {90, 15, 3, 30, 45}, {90, 15, 3, 40, 55},
                 {90, 16, 3, 40, 27}, {4, 15, 0, 0, 10},   {4, 15, 0, 8, 12}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct covey_plan_run run;
        struct covey__session *session = session_of_run(&run);
        struct covey__request *request = calloc(1, sizeof(*request));
        assert_non_null(request);
        request->beside = 1;
        request->tiles.tries = 1;
        measure(session, cases[i].run_ms);
        if (cases[i].run_ms < 10) {
            run = (struct covey_plan_run){.predicted_us = 4000, .segments = 1};
            run.segment[0].predicted_us = 4000;
        }
        for (unsigned n = 0; n < cases[i].count; n++) {
            covey__times_add(&session->answer_times, n == 0 ? cases[i].slow_ms : cases[i].quick_ms);
        }
        assert_int_equal(covey__run_answer_ms(session, &run, request), cases[i].answer_ms);
        free(request);
        free(session);
    }
}

static void hold(struct covey_plan *plan, uint8_t devices)
{
    memset(plan, 0, sizeof(*plan));
    plan->devices = devices;
    plan->runs = 1;
    plan->run[0].cells = 1;
    plan->run[0].segments = 1;
    for (uint8_t d = 0; d < devices; d++) {
        plan->device[d].bytes[0] = (uint8_t)(d + 1);
        plan->run[0].segment[0].rows[d + 1] = (uint16_t)(d + 1);
    }
}

/* Weights of a run go to those who had none of it; beside requests they have eight times as long.
 */
static void test_assigning_counts_what_is_new(void **state)
{
    (void)state;
    static struct covey_plan plan, before;
    struct covey_plan_run run;
    struct covey__session *session = session_of_run(&run);
    session->costs.cells = 1;
    session->costs.cell[0].weight_bytes = UINT64_C(100) * COVEY__JOB_ASSIGN_BYTES_MS;
    hold(&plan, 3);
    hold(&before, 2);
    assert_int_equal(covey__job_tiles_holders(&plan, 0), 7);
    assert_int_equal(covey__assign_ms(session, &plan, NULL), COVEY__JOB_ASSIGN_FIRST_MS + 300);
    assert_int_equal(covey__assign_ms(session, &plan, &before),
                     COVEY__JOB_ASSIGN_NEXT_MS + COVEY__JOB_ASSIGN_SHARE * 100);
    before.run[0].cells = 2; /* another run */
    assert_int_equal(covey__assign_ms(session, &plan, &before),
                     COVEY__JOB_ASSIGN_NEXT_MS + COVEY__JOB_ASSIGN_SHARE * 300);
    free(session);
}

static struct covey_node_id number(unsigned n)
{
    struct covey_node_id id = {{(uint8_t)n, (uint8_t)(n >> 8), 1}};
    return id;
}

/* Where there is no room for another device, one that no plan names and whose channel is down is
 * forgotten; but not that it lied. */
static void test_liars_are_not_forgotten(void **state)
{
    (void)state;
    struct covey_job *job = new_job();
    job->peer[0].used = true;
    for (unsigned i = 1; i < COVEY__JOB_PEERS; i++) {
        struct covey_node_id id = number(i);
        assert_int_equal(covey__peer_keep(job, &id), i);
        job->peer[i].lied = i != 5;
    }
    struct covey_node_id more = number(1000), last = number(1001);
    assert_int_equal(covey__peer_keep(job, &more), 5);
    job->peer[5].plans = 1;
    assert_int_equal(covey__peer_keep(job, &last), COVEY__JOB_NO_PEER);
    job->peer[5].plans = 0;
    job->peer[5].state = COVEY_PEER_UP;
    assert_int_equal(covey__peer_keep(job, &last), COVEY__JOB_NO_PEER);
    job->peer[5].state = COVEY_PEER_GONE;
    assert_int_equal(covey__peer_keep(job, &last), 5);
    free(job);
}

/* What a device held is gone with its channel; what it had given up it does not get again. */
static void test_a_lost_channel_drops_what_was_held(void **state)
{
    (void)state;
    static const enum covey__holder_state had[] = {COVEY__HOLDER_NONE, COVEY__HOLDER_IDLE,
                                                   COVEY__HOLDER_ASSIGNED, COVEY__HOLDER_READY,
                                                   COVEY__HOLDER_MOVED};
    static const enum covey__holder_state has[] = {COVEY__HOLDER_NONE, COVEY__HOLDER_IDLE,
                                                   COVEY__HOLDER_IDLE, COVEY__HOLDER_IDLE,
                                                   COVEY__HOLDER_MOVED};
    struct covey_job *job = new_job();
    struct covey__version *version = &job->session[0].version[1];
    job->session[0].used = true;
    version->state = COVEY__VERSION_ACTIVE;
    version->plan.devices = 2;
    version->peer[0] = 3;
    version->peer[1] = 4;
    for (size_t i = 0; i < sizeof(had) / sizeof(had[0]); i++) {
        version->holder[0] = version->holder[1] = had[i];
        covey__session_peer(job, 4);
        assert_int_equal(version->holder[0], had[i]);
        assert_int_equal(version->holder[1], has[i]);
    }
    free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stalls_follow_what_runs_take),
        cmocka_unit_test(test_answers_may_take_what_they_took),
        cmocka_unit_test(test_assigning_counts_what_is_new),
        cmocka_unit_test(test_liars_are_not_forgotten),
        cmocka_unit_test(test_a_lost_channel_drops_what_was_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
