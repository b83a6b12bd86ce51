/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch.h"
#include "services.h"

enum { LOOK_TICKS = 20, PUT_OFF_LOOKS = 15 };

/* One look, after which r->trimmed_bytes says whether anything was given back. */
static bool gives_back(struct covey_resident *r, bool busy)
{
    r->trimmed_bytes = 0;
    for (unsigned i = 0; i < LOOK_TICKS; i++) {
        assert_int_equal(r->trimmed_bytes, 0);
        covey__resident_tick(r, busy);
    }
    return r->trimmed_bytes > 0;
}

/* Beside requests free memory stays for half a minute; without any it goes back at the next look.
 */
static void test_resident_waits_for_requests(void **state)
{
    (void)state;
    struct covey_resident r = {0};
    assert_true(covey__resident_bytes() > 0);
    assert_true(gives_back(&r, false));
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < PUT_OFF_LOOKS; i++) {
            assert_false(gives_back(&r, true));
        }
        assert_true(gives_back(&r, true));
    }
    assert_false(gives_back(&r, true));
    assert_true(gives_back(&r, false));
}

/* A node whose memory is bounded keeps to it at any price. */
static void test_resident_keeps_its_bound(void **state)
{
    (void)state;
    struct covey_resident r = {.bound_bytes = UINT64_MAX};
    for (unsigned i = 0; i < 3; i++) {
        assert_true(gives_back(&r, true));
    }
}

/* Near its bound nothing is left free until the next look. */
static void test_resident_is_near_its_bound(void **state)
{
    (void)state;
    struct covey_resident r = {.bound_bytes = covey__resident_bytes() / 16 * 17};
    for (unsigned i = 0; i < 3; i++) {
        r.trimmed_bytes = 0;
        covey__resident_tick(&r, true);
        assert_true(r.trimmed_bytes > 0);
    }
    uint64_t bytes = r.trimmed_bytes = covey__resident_bytes();
    covey__resident_tick(&r, true); /* nothing has come */
    assert_int_equal(r.trimmed_bytes, bytes);
    r.bound_bytes = bytes * 2;
    r.trimmed_bytes = 0;
    covey__resident_tick(&r, true);
    assert_int_equal(r.trimmed_bytes, 0);
}

/* What was asked for, else half of the machine's, and never more than half of the addresses: with
 * 32 bits a node that was given 8 GiB would promise what it cannot hold. */
static void test_resident_is_bounded_by_addresses(void **state)
{
    (void)state;
    const uint64_t gib = UINT64_C(1) << 30;
    assert_int_equal(covey__resident_bound(0, 8 * gib, UINT64_MAX), 4 * gib);
    assert_int_equal(covey__resident_bound(3 * gib, 8 * gib, UINT64_MAX), 3 * gib);
    assert_int_equal(covey__resident_bound(0, 0, UINT64_MAX), gib);
    assert_int_equal(covey__resident_bound(0, 8 * gib, UINT32_MAX), UINT32_MAX / 2);
    assert_int_equal(covey__resident_bound(8 * gib, 8 * gib, UINT32_MAX), UINT32_MAX / 2);
    assert_int_equal(covey__resident_bound(gib, 8 * gib, UINT32_MAX), gib);
}

static struct covey_event told;

static void on_event(void *user, const struct covey_event *event)
{
    (void)user;
    assert_int_equal(told.type, COVEY_EVENT_TICK); /* once */
    told = *event;
}

static bool on_member(void *user, const struct covey_node_id *device, struct covey_member_info *out)
{
    (void)user;
    assert_null(device);
    *out = (struct covey_member_info){.rates = {.mflops = 7}};
    return true;
}

/* What the mesh is told by a device of so much memory and so large a store. */
static void offer(void **state, uint64_t memory, uint64_t store)
{
    char dir[SCRATCH_PATH];
    struct covey_services services = {
        .memory.limit_bytes = memory, .feed = on_event, .member = on_member};
    scratch_folder(state, dir);
    assert_int_equal(covey__store_open(&services.store, dir), COVEY_OK);
    assert_int_equal(covey__store_limit(&services.store, store), COVEY_OK);
    told = (struct covey_event){.type = COVEY_EVENT_TICK};
    covey__resident_offer(&services);
    covey__store_close(&services.store);
    assert_int_equal(told.type, COVEY_EVENT_MEASURED);
    assert_int_equal(told.rates.mflops, 7);
    assert_int_equal(told.memory_bytes, services.memory.limit_bytes);
    assert_int_equal(told.store_bytes, services.store_bytes);
}

/* The others hear of memory what the program leaves of it, and of the store fifteen sixteenths; of
 * neither nothing, which would say nothing at all. */
static void test_memory_and_store_are_offered(void **state)
{
    const uint64_t memory = UINT64_C(1) << 40;
    offer(state, memory, 16000);
    assert_true(told.memory_bytes > memory / 2 && told.memory_bytes < memory);
    assert_int_equal(told.store_bytes, 15000);
    offer(state, 4000, memory);
    assert_int_equal(told.memory_bytes, 1000);
    assert_int_equal(told.store_bytes, memory / 16 * 15);
    offer(state, 1, 1);
    assert_int_equal(told.memory_bytes, 1);
    assert_int_equal(told.store_bytes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident_waits_for_requests),
        cmocka_unit_test(test_resident_keeps_its_bound),
        cmocka_unit_test(test_resident_is_near_its_bound),
        cmocka_unit_test(test_resident_is_bounded_by_addresses),
        cmocka_unit_test(test_memory_and_store_are_offered),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
