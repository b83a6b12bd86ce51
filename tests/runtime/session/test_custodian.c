/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "covey/crypto.h"
#include "custodian_house.h"
#include "data_blob.h"
#include "papers.h"
#include "training_checkpoint.h"

static void setup_room(void **state, struct house *h, uint64_t quota)
{
    char other[SCRATCH_PATH];
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    *h = (struct house){.owner_is_up = true, .quota = quota};
    scratch_folder(state, h->dir);
    scratch_folder(state, other);
    assert_int_equal(covey__store_open(&h->owners, other), COVEY_OK);
    house_make_job(h, &h->owners);
    house_open(h);
}

static void setup(void **state, struct house *h)
{
    setup_room(state, h, 0);
}

static void again(struct house *h)
{
    house_close(h);
    house_open(h);
}

static struct covey_action action_of(const struct house *h, enum covey_action_type type,
                                     uint32_t epoch)
{
    struct covey_action a = {.type = type,
                             .peer = house_owner,
                             .has_peer = true,
                             .digest = h->job,
                             .fence.epoch = epoch};
    memset(a.fence.session.bytes, 0xab, sizeof(a.fence.session.bytes));
    return a;
}

static void appoint(struct house *h, const struct covey_checkpoint_ref *checkpoint)
{
    struct covey_action a = action_of(h, COVEY_ACTION_CUSTODY_APPOINTED, 1);
    if (checkpoint != NULL) {
        a.checkpoint = *checkpoint;
    }
    covey__custodian_action(h->custodian, &a);
    const struct covey_event *event = house_await(h, COVEY_EVENT_CUSTODY_HELD);
    assert_int_equal(event->err, COVEY_OK);
    assert_memory_equal(&event->fence, &a.fence, sizeof(a.fence));
}

static void fill_store(struct house *h)
{
    uint8_t *bytes = malloc(QUOTA / 8);
    assert_non_null(bytes);
    for (unsigned i = 0; i < 16; i++) {
        struct covey_digest digest;
        memset(bytes, (int)i, QUOTA / 8);
        covey_hash(&digest, covey_bytes_of(bytes, QUOTA / 8));
        covey_err err =
            covey__store_put(&h->services.store, &digest, covey_bytes_of(bytes, QUOTA / 8));
        assert_int_equal(err, COVEY_OK);
    }
    free(bytes);
}

/* A custodian fetches the job and all that it names, with the checkpoint, and keeps it whatever
 * else the store is asked to hold, also after a restart. */
static void test_custodian_holds_all_of_it(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref checkpoint = house_checkpoint(&h.owners, 15);
    appoint(&h, &checkpoint);
    house_expect_all_here(&h);
    fill_store(&h);
    house_expect_all_here(&h);
    struct covey_custodian_session seen;
    assert_int_equal(covey__custodian_count(h.custodian), 1);
    covey__custodian_get(h.custodian, 0, &seen);
    assert_string_equal(seen.row.name, "digits");
    assert_int_equal(seen.row.state, COVEY_JOURNAL_KEPT);
    assert_memory_equal(&seen.row.owner, &house_owner, sizeof(house_owner));
    assert_int_equal(seen.newest.step, 15);
    again(&h);
    covey__custodian_get(h.custodian, 0, &seen);
    assert_string_equal(seen.row.name, "digits");
    assert_int_equal(seen.newest.step, 15);
    struct covey_action note = action_of(&h, COVEY_ACTION_CUSTODY_PERSIST, 1);
    note.bytes = covey_bytes_of("state", 5);
    covey__custodian_action(h.custodian, &note); /* behind what pins it, on the same thread */
    (void)house_await(&h, COVEY_EVENT_PERSISTED);
    fill_store(&h);
    house_expect_all_here(&h);
    assert_true(covey__store_has(&h.services.store, &checkpoint.digest));
    house_close(&h);
}

/* What nobody who is here has cannot be held, and that is said. */
static void test_custodian_says_what_cannot_be_had(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_APPOINTED, 1);
    a.checkpoint = (struct covey_checkpoint_ref){.step = 3, .digest = {{1}}, .len = 3};
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(house_await(&h, COVEY_EVENT_CUSTODY_HELD)->err, COVEY_ERR_NOT_FOUND);
    h.owner_is_up = false;
    a.checkpoint = (struct covey_checkpoint_ref){.step = 0};
    a.fence.session.bytes[0] = 1;
    a.digest.bytes[0] ^= 1;
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(house_await(&h, COVEY_EVENT_CUSTODY_HELD)->err, COVEY_ERR_NOT_FOUND);
    house_close(&h);
}

/* A newer checkpoint is on this disk when that is said; the one before it stays, older ones go. */
static void test_custodian_keeps_checkpoints(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref ref[4];
    appoint(&h, NULL);
    for (uint64_t i = 0; i < 4; i++) {
        struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_KEEP, 1);
        a.checkpoint = ref[i] = house_checkpoint(&h.owners, 10 * (i + 1));
        covey__custodian_action(h.custodian, &a);
        const struct covey_event *event = house_await(&h, COVEY_EVENT_CUSTODY_STORED);
        assert_int_equal(event->err, COVEY_OK);
        assert_memory_equal(&event->checkpoint, &ref[i], sizeof(ref[i]));
    }
    assert_false(covey__store_has(&h.services.store, &ref[1].digest));
    assert_true(covey__store_has(&h.services.store, &ref[2].digest));
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_OVER, 1);
    covey__custodian_action(h.custodian, &a);
    again(&h);
    assert_false(covey__store_has(&h.services.store, &ref[3].digest));
    struct covey_custodian_session seen;
    covey__custodian_get(h.custodian, 0, &seen);
    assert_int_equal(seen.row.state, COVEY_JOURNAL_OVER);
    house_close(&h);
}

static void keep(struct house *h, const struct covey_checkpoint_ref *ref)
{
    struct covey_action a = action_of(h, COVEY_ACTION_CUSTODY_KEEP, 1);
    a.checkpoint = *ref;
    covey__custodian_action(h->custodian, &a);
    const struct covey_event *event = house_await(h, COVEY_EVENT_CUSTODY_STORED);
    assert_int_equal(event->err, COVEY_OK);
    assert_memory_equal(&event->checkpoint, ref, sizeof(*ref));
}

static void expect_state(const struct house *h, const struct covey_checkpoint_ref *ref,
                         struct covey_bytes state)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_int_equal(paper_get(&h->services.store, ref, &bytes, &len), COVEY_OK);
    assert_true(covey_bytes_equal(covey_bytes_of(bytes, len), state));
    free(bytes);
}

/* A checkpoint larger than one body comes piece by piece, of the next one only what has changed;
 * after a restart it is still here, whole, so that the session can go on from it with its owner
 * gone; in the end no piece is left. */
static void test_custodian_keeps_large_checkpoints(void **state)
{
    enum { PIECES = 20, LEN = (PIECES - 1) * COVEY_CHECKPOINT_PIECE + 5, CHANGED = 7 };
    struct house h;
    struct covey_checkpoint_ref ref[2] = {{.epoch = 1, .step = 10}, {.epoch = 1, .step = 20}};
    uint8_t *bytes = calloc(LEN, 1);
    assert_true((size_t)LEN > COVEY_BODY_MAX && bytes != NULL);
    setup_room(state, &h, 4 * (uint64_t)LEN);
    appoint(&h, NULL);
    for (size_t i = 0; i < PIECES; i++) {
        bytes[i * COVEY_CHECKPOINT_PIECE] = (uint8_t)i;
    }
    assert_int_equal(paper_put(&h.owners, covey_bytes_of(bytes, LEN), &ref[0]), COVEY_OK);
    h.fetched = 0;
    keep(&h, &ref[0]);
    assert_int_equal(h.fetched, 1 + PIECES);
    bytes[CHANGED * COVEY_CHECKPOINT_PIECE + 1] = 1;
    assert_int_equal(paper_put(&h.owners, covey_bytes_of(bytes, LEN), &ref[1]), COVEY_OK);
    h.fetched = 0;
    keep(&h, &ref[1]);
    assert_int_equal(h.fetched, 2);
    again(&h);
    h.owner_is_up = false;
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_LEAD, 4);
    a.checkpoint = ref[1];
    covey__custodian_action(h.custodian, &a);
    house_await_count(&h, &h.wanted_lead);
    expect_state(&h, &ref[1], covey_bytes_of(bytes, LEN));
    struct covey_digest same = paper_piece(&h.services.store, &ref[1], 0);
    struct covey_digest old = paper_piece(&h.services.store, &ref[0], CHANGED);
    assert_true(covey__store_has(&h.services.store, &same));
    assert_true(covey__store_has(&h.services.store, &old));
    a = action_of(&h, COVEY_ACTION_CUSTODY_OVER, 4);
    a.err = COVEY_ERR_STATE; /* its owner is back, then ends it */
    covey__custodian_action(h.custodian, &a);
    a.err = COVEY_OK;
    covey__custodian_action(h.custodian, &a);
    again(&h);
    assert_false(covey__store_has(&h.services.store, &ref[1].digest));
    assert_false(covey__store_has(&h.services.store, &same));
    assert_false(covey__store_has(&h.services.store, &old));
    free(bytes);
    house_close(&h);
}

/* What the machine had written comes back after a restart; what was forgotten does not. */
static void test_custodian_persists(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_PERSIST, 3);
    a.bytes = covey_bytes_of("a vote", 6);
    a.index = 77;
    covey__custodian_action(h.custodian, &a);
    const struct covey_event *event = house_await(&h, COVEY_EVENT_PERSISTED);
    assert_int_equal(event->index, 77);
    assert_int_equal(event->err, COVEY_OK);
    again(&h);
    assert_int_equal(h.events, 1);
    assert_int_equal(h.event[0].type, COVEY_EVENT_CUSTODY_STATE);
    assert_memory_equal(h.bytes, "a vote", 6);
    a.bytes = covey_bytes_of(NULL, 0);
    covey__custodian_action(h.custodian, &a);
    (void)house_await(&h, COVEY_EVENT_PERSISTED);
    again(&h);
    assert_int_equal(h.events, 0);
    house_close(&h);
}

/* When the machine lets this device go on, the trainings begin once all is here, and have the lease
 * that came before; when another device goes on they are told to end. */
static void test_custodian_leads(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref checkpoint = house_checkpoint(&h.owners, 20);
    appoint(&h, NULL);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_LEAD, 4);
    a.checkpoint = checkpoint;
    covey__custodian_action(h.custodian, &a);
    a = action_of(&h, COVEY_ACTION_CUSTODY_LEASE, 4);
    a.request = 123456;
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(h.leads, 0);
    house_await_count(&h, &h.wanted_lead);
    assert_int_equal(h.lead_fence.epoch, 4);
    assert_memory_equal(&h.lead_job, &h.job, sizeof(h.job));
    assert_int_equal(h.lead_from.step, 20);
    assert_string_equal(h.lead_name, "digits");
    assert_true(covey__store_has(&h.services.store, &checkpoint.digest));
    assert_int_equal(h.lease_ms, 123456);
    for (unsigned i = 0; i < h.events; i++) {
        assert_int_not_equal(h.event[i].type, COVEY_EVENT_CUSTODY_OPEN); /* the machine knows */
    }
    a.request = 0;
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(h.lease_ms, 0);
    a = action_of(&h, COVEY_ACTION_CUSTODY_OVER, 4);
    a.err = COVEY_ERR_STATE;
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(h.losses, 1);
    struct covey_custodian_session seen;
    covey__custodian_get(h.custodian, 0, &seen);
    assert_false(seen.owns);
    assert_int_equal(seen.row.state, COVEY_JOURNAL_KEPT);
    house_close(&h);
}

/* What this device trained to its end, when it was ended before its journal said so, is closed in
 * the epoch in which it would go on here. */
static void test_custodian_leads_nothing_that_is_done(void **state)
{
    struct house h;
    setup(state, &h);
    h.was_done = true;
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_LEAD, 4);
    a.checkpoint = house_checkpoint(&h.owners, 20);
    covey__custodian_action(h.custodian, &a);
    assert_true(house_was_fed(&h, COVEY_EVENT_CUSTODY_CLOSE, COVEY_OK));
    assert_int_equal(h.event[h.events - 1].fence.epoch, 4);
    struct covey_custodian_session seen;
    covey__custodian_get(h.custodian, 0, &seen);
    assert_int_equal(seen.row.state, COVEY_JOURNAL_OVER);
    assert_false(seen.owns);
    assert_true(h.leads == 0 && h.fetched == 0);
    house_close(&h);
}

/* What is missing for going on is asked for again until somebody who has it is there. */
static void test_custodian_waits_for_what_is_missing(void **state)
{
    struct house h;
    setup(state, &h);
    h.owner_is_up = false;
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_LEAD, 2);
    a.checkpoint = house_checkpoint(&h.owners, 20);
    covey__custodian_action(h.custodian, &a);
    a = action_of(&h, COVEY_ACTION_CUSTODY_PERSIST, 2);
    a.bytes = covey_bytes_of("x", 1);
    covey__custodian_action(h.custodian, &a);
    (void)house_await(&h, COVEY_EVENT_PERSISTED); /* by then it has looked in vain */
    assert_int_equal(h.leads, 0);
    h.owner_is_up = true;
    while (h.leads == 0) {
        covey__custodian_tick(h.custodian);
        covey__custodian_action(h.custodian, &a);
        (void)house_await(&h, COVEY_EVENT_PERSISTED);
        h.events = 0;
    }
    house_expect_all_here(&h);
    assert_int_equal(h.lead_from.step, 20);
    house_close(&h);
}

static struct covey_fence begin_own(struct house *h, const struct covey_checkpoint_ref *ref)
{
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h->custodian);
    struct covey_fence fence = action_of(h, COVEY_ACTION_NONE, 1).fence;
    house_make_job(h, &h->services.store);
    keeper->opened(keeper->user, &fence, &h->job, NULL);
    assert_int_equal(h->event[h->events - 1].type, COVEY_EVENT_CUSTODY_OPEN);
    keeper->checkpoint(keeper->user, &fence, ref);
    const struct covey_event *event = house_await(h, COVEY_EVENT_CUSTODY_CHECKPOINT);
    assert_memory_equal(&event->checkpoint, ref, sizeof(*ref));
    return fence;
}

/* An owner's session is told to the machine, with each checkpoint once it is on the disk; what the
 * machine says of its custodians reaches the trainings. */
static void test_custodian_of_its_own_session(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref ref = house_checkpoint(&h.services.store, 30);
    h.lead_fence = begin_own(&h, &ref);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_NEWS, 1);
    a.set = (struct covey_custodians){.number = 2, .count = 3};
    a.index = 2;
    a.checkpoint = ref;
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(h.held, 2);
    assert_int_equal(h.wanted_held, 3);
    assert_int_equal(h.kept_step, 30);
    struct covey_custodian_session seen;
    covey__custodian_get(h.custodian, 0, &seen);
    assert_true(seen.owns && seen.recoverable);
    a.set.count = 2;
    covey__custodian_action(h.custodian, &a);
    covey__custodian_get(h.custodian, 0, &seen);
    assert_false(seen.recoverable);
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h.custodian);
    keeper->closed(keeper->user, &h.lead_fence);
    assert_int_equal(h.event[h.events - 1].type, COVEY_EVENT_CUSTODY_CLOSE);
    covey__custodian_get(h.custodian, 0, &seen);
    assert_int_equal(seen.row.state, COVEY_JOURNAL_OVER);
    again(&h);
    assert_true(covey__store_has(&h.services.store, &ref.digest)); /* for a fork */
    char why[256];
    assert_int_equal(covey__custodian_forget(h.custodian, "digits", why), COVEY_OK);
    assert_int_equal(covey__custodian_forget(h.custodian, "digits", why), COVEY_ERR_NOT_FOUND);
    assert_non_null(strstr(why, "nothing is left"));
    again(&h);
    assert_false(covey__store_has(&h.services.store, &ref.digest));
    house_close(&h);
}

static covey_err resume_as(struct house *h, const char *which, bool fork, char why[static 256])
{
    const struct covey_custodian_resumed ask = {.client = 5, .tag = 6, .fork = fork};
    return covey__custodian_resume(h->custodian, which, ask, why);
}

static covey_err resume(struct house *h, const char *which)
{
    char why[256];
    return resume_as(h, which, false, why);
}

static covey_err fork_of(struct house *h, const char *which)
{
    char why[256];
    return resume_as(h, which, true, why);
}

/* What the machine says of those who keep it: this device first of them. */
static void kept_by(struct house *h, uint8_t count, bool stopped)
{
    struct covey_action a = action_of(h, COVEY_ACTION_CUSTODY_NEWS, 1);
    a.set = (struct covey_custodians){.number = 1, .count = count, .id = {house_self, house_owner}};
    a.stopped = stopped;
    covey__custodian_action(h->custodian, &a);
}

static struct covey_custodian_session first(const struct house *h)
{
    struct covey_custodian_session seen;
    covey__custodian_get(h->custodian, 0, &seen);
    return seen;
}

/* A session that was stopped stays in the journal as the same one. By hand this device stands for
 * its owner, and once the machine lets it lead it goes on in a later epoch, after a restart too. */
static void test_custodian_resumes_by_hand(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref ref = house_checkpoint(&h.services.store, 30);
    struct covey_fence fence = begin_own(&h, &ref);
    assert_int_equal(resume(&h, "digits"), COVEY_ERR_EXISTS);
    assert_int_equal(resume(&h, "letters"), COVEY_ERR_NOT_FOUND);
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h.custodian);
    keeper->stopped(keeper->user, &fence);
    assert_int_equal(resume(&h, "digits"), COVEY_ERR_BUSY);
    (void)house_await(&h, COVEY_EVENT_CUSTODY_STOP);
    again(&h);
    assert_int_equal(first(&h).row.state, COVEY_JOURNAL_STOPPED);
    assert_int_equal(resume(&h, "digits"), COVEY_ERR_STATE); /* the machine did not tell of it */
    kept_by(&h, 1, true);
    assert_true(first(&h).recoverable);
    assert_int_equal(resume(&h, "abababab"), COVEY_OK);
    assert_true(house_was_fed(&h, COVEY_EVENT_CUSTODY_RESUME, COVEY_OK));
    assert_int_equal(resume(&h, "abababab"), COVEY_ERR_BUSY);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_LEAD, 2);
    a.checkpoint = ref;
    covey__custodian_action(h.custodian, &a);
    house_await_count(&h, &h.wanted_resumed);
    assert_int_equal(h.resumed.err, COVEY_OK);
    assert_int_equal(h.resumed.client, 5);
    assert_int_equal(h.resumed.tag, 6);
    assert_int_equal(h.leads, 1);
    assert_memory_equal(&h.lead_fence.session, &fence.session, sizeof(fence.session));
    assert_int_equal(h.lead_fence.epoch, 2);
    assert_int_equal(h.lead_from.step, 30);
    assert_memory_equal(&h.lead_from.digest, &ref.digest, sizeof(ref.digest));
    assert_int_equal(covey__custodian_count(h.custodian), 1);
    assert_int_equal(first(&h).row.state, COVEY_JOURNAL_OWNED);
    house_close(&h);
}

/* The machine hears of a stop behind the last checkpoint, which is part of it. */
static void test_custodian_stops_with_its_checkpoint(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref ref = house_checkpoint(&h.services.store, 30);
    struct covey_checkpoint_ref last = house_checkpoint(&h.services.store, 34);
    struct covey_fence fence = begin_own(&h, &ref);
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h.custodian);
    keeper->checkpoint(keeper->user, &fence, &last);
    keeper->stopped(keeper->user, &fence);
    const struct covey_event *stop = house_await(&h, COVEY_EVENT_CUSTODY_STOP);
    assert_int_equal(stop[-1].type, COVEY_EVENT_CUSTODY_CHECKPOINT);
    assert_int_equal(stop[-1].checkpoint.step, 34);
    assert_false(first(&h).owns);
    house_close(&h);
}

/* One that has ended goes on as a session of its own only, and only when that is said. */
static void test_custodian_forks_what_has_ended(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref ref = house_checkpoint(&h.services.store, 30);
    struct covey_fence fence = begin_own(&h, &ref);
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h.custodian);
    keeper->closed(keeper->user, &fence);
    again(&h);
    assert_int_equal(resume(&h, "abababab"), COVEY_ERR_STATE);
    assert_int_equal(fork_of(&h, "abababab"), COVEY_OK);
    house_await_count(&h, &h.wanted_resumed);
    assert_int_equal(h.resumed.err, COVEY_OK);
    assert_memory_not_equal(&h.lead_fence.session, &fence.session, sizeof(fence.session));
    assert_int_equal(h.lead_fence.epoch, 1);
    assert_int_equal(h.lead_from.step, 30);
    house_close(&h);
}

/* While its owner is up nobody goes on by hand. Without it, and without a majority, only a session
 * of its own does, which is what is said; what it was is given up here then. */
static void test_custodian_resumes_only_with_the_others(void **state)
{
    struct house h;
    char why[256];
    setup(state, &h);
    appoint(&h, NULL);
    kept_by(&h, 2, false);
    assert_int_equal(resume(&h, "digits"), COVEY_ERR_DENIED);
    assert_int_equal(fork_of(&h, "digits"), COVEY_ERR_DENIED);
    kept_by(&h, 2, true);
    assert_int_equal(fork_of(&h, "digits"), COVEY_ERR_DENIED); /* --resume would do */
    h.owner_is_up = false;
    assert_false(first(&h).recoverable);
    assert_int_equal(resume_as(&h, "digits", false, why), COVEY_ERR_STATE);
    assert_non_null(strstr(why, "1 can be reached, and it takes 2"));
    assert_non_null(strstr(why, "--fork"));
    assert_false(house_was_fed(&h, COVEY_EVENT_CUSTODY_RESUME, COVEY_OK));
    assert_int_equal(fork_of(&h, "digits"), COVEY_OK);
    house_await_count(&h, &h.wanted_resumed);
    assert_int_equal(h.resumed.err, COVEY_OK);
    assert_true(house_was_fed(&h, COVEY_EVENT_CUSTODY_CLOSE, COVEY_ERR_CANCELLED));
    house_close(&h);
}

/* What the machine refuses is told to whoever asked, once, and may be asked again. */
static void test_custodian_is_refused(void **state)
{
    struct house h;
    setup(state, &h);
    appoint(&h, NULL);
    kept_by(&h, 2, true);
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_REFUSED, 1);
    static const struct {
        covey_err machine, told;
    } cases[] = {{COVEY_ERR_TIMEOUT, COVEY_ERR_STATE}, {COVEY_ERR_EXISTS, COVEY_ERR_DENIED}};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(resume(&h, "digits"), COVEY_OK);
        a.err = cases[i].machine;
        covey__custodian_action(h.custodian, &a);
        covey__custodian_action(h.custodian, &a);
        assert_int_equal(h.resumes, i + 1);
        assert_int_equal(h.resumed.err, cases[i].told);
        assert_non_null(h.resumed.why);
    }
    assert_int_equal(resume(&h, "digits"), COVEY_OK);
    a = action_of(&h, COVEY_ACTION_CUSTODY_OVER, 1);
    covey__custodian_action(h.custodian, &a);
    assert_int_equal(h.resumed.err, COVEY_ERR_STATE);
    assert_int_equal(h.leads, 0);
    house_close(&h);
}

/* Forgotten by hand while it rests: the machine tells all, and then nothing of it is left here; one
 * whose place was needed keeps its checkpoint. */
static void test_custodian_forgets(void **state)
{
    struct house h;
    setup(state, &h);
    struct covey_checkpoint_ref checkpoint = house_checkpoint(&h.owners, 15);
    appoint(&h, &checkpoint);
    kept_by(&h, 2, false);
    char why[256];
    assert_int_equal(covey__custodian_forget(h.custodian, "digits", why), COVEY_ERR_DENIED);
    kept_by(&h, 2, true);
    assert_int_equal(covey__custodian_forget(h.custodian, "digits", why), COVEY_OK);
    assert_true(house_was_fed(&h, COVEY_EVENT_CUSTODY_CLOSE, COVEY_OK));
    struct covey_action a = action_of(&h, COVEY_ACTION_CUSTODY_OVER, 1);
    a.err = COVEY_ERR_LIMIT;
    covey__custodian_action(h.custodian, &a);
    again(&h);
    assert_int_equal(first(&h).row.state, COVEY_JOURNAL_OVER);
    assert_int_equal(first(&h).newest.step, 15);
    appoint(&h, &checkpoint);
    a.err = COVEY_OK;
    covey__custodian_action(h.custodian, &a);
    again(&h);
    assert_false(covey__store_has(&h.services.store, &checkpoint.digest));
    house_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_custodian_holds_all_of_it),
        cmocka_unit_test(test_custodian_says_what_cannot_be_had),
        cmocka_unit_test(test_custodian_keeps_checkpoints),
        cmocka_unit_test(test_custodian_keeps_large_checkpoints),
        cmocka_unit_test(test_custodian_persists),
        cmocka_unit_test(test_custodian_leads),
        cmocka_unit_test(test_custodian_leads_nothing_that_is_done),
        cmocka_unit_test(test_custodian_waits_for_what_is_missing),
        cmocka_unit_test(test_custodian_of_its_own_session),
        cmocka_unit_test(test_custodian_resumes_by_hand),
        cmocka_unit_test(test_custodian_stops_with_its_checkpoint),
        cmocka_unit_test(test_custodian_forks_what_has_ended),
        cmocka_unit_test(test_custodian_resumes_only_with_the_others),
        cmocka_unit_test(test_custodian_is_refused),
        cmocka_unit_test(test_custodian_forgets),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
