/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "listed_tasks.h"
#include "content.h"
#include "covey/crypto.h"
#include "scratch.h"

enum { BLOB_BYTES = 100000, PEERS = 6 };

/* A store with blobs, and channels that send nothing until the test says so. */
static struct scene {
    struct covey_services services;
    struct covey_task_list tasks;
    struct covey_digest digest[PEERS];
    size_t queued[PEERS];
    unsigned given;
    uint64_t now_ms;
    covey_loop_fn look; /* the timer's */
    void *user;
    bool due;
} scene;

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop);
covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out);
void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t at_ms);
void __wrap_covey_timer_free(struct covey_timer *timer);
void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task);
size_t __wrap_covey_channels_queued(const struct covey_channels *channels,
                                    const struct covey_node_id *peer);
covey_err __wrap_covey_channels_send(struct covey_channels *channels,
                                     const struct covey_node_id *peer, struct covey_bytes control,
                                     struct covey_body *body);

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    (void)loop;
    return scene.now_ms;
}

covey_err __wrap_covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                                 struct covey_timer **out)
{
    (void)loop;
    scene.look = fn;
    scene.user = user;
    *out = NULL;
    return COVEY_OK;
}

void __wrap_covey_timer_set(struct covey_timer *timer, uint64_t at_ms)
{
    (void)timer;
    (void)at_ms;
    scene.due = true;
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

size_t __wrap_covey_channels_queued(const struct covey_channels *channels,
                                    const struct covey_node_id *peer)
{
    (void)channels;
    return scene.queued[peer->bytes[0]];
}

covey_err __wrap_covey_channels_send(struct covey_channels *channels,
                                     const struct covey_node_id *peer, struct covey_bytes control,
                                     struct covey_body *body)
{
    (void)channels;
    (void)control;
    assert_int_equal(body->len, BLOB_BYTES);
    scene.queued[peer->bytes[0]] += body->len;
    scene.given++;
    return COVEY_OK;
}

static void one_goes_out(void)
{
    unsigned i = 0;
    while (scene.queued[i] == 0) {
        i++;
    }
    scene.queued[i] = 0;
}

static void look(void)
{
    assert_true(scene.due);
    scene.due = false;
    scene.look(scene.user);
    listed_tasks_run(&scene.tasks);
}

static struct covey_content *begin(void **state, uint64_t memory_bytes)
{
    static uint8_t blob[BLOB_BYTES];
    char folder[SCRATCH_PATH];
    struct covey_content *content = NULL;
    memset(&scene, 0, sizeof(scene));
    scene.services = (struct covey_services){.memory = {.limit_bytes = memory_bytes}};
    scratch_folder(state, folder);
    assert_int_equal(covey__store_open(&scene.services.store, folder), COVEY_OK);
    for (uint8_t i = 0; i < PEERS; i++) {
        blob[0] = i;
        covey_hash(&scene.digest[i], covey_bytes_of(blob, sizeof(blob)));
        assert_int_equal(covey__store_put(&scene.services.store, &scene.digest[i],
                                          covey_bytes_of(blob, sizeof(blob))),
                         COVEY_OK);
    }
    assert_int_equal(covey__content_new(&scene.services, &content), COVEY_OK);
    return content;
}

static void end(struct covey_content *content)
{
    covey__content_free(content);
    covey__store_close(&scene.services.store);
}

static void want_one(struct covey_content *content, uint8_t peer)
{
    const struct covey_action action = {
        .type = COVEY_ACTION_SERVE,
        .peer = {{peer}},
        .has_peer = true,
        .bytes = covey_bytes_of(&scene.digest[peer], sizeof(scene.digest[peer]))};
    covey__content_serve(content, &action);
    listed_tasks_run(&scene.tasks);
}

/* Each peer wants one blob, and no more. */
static void want_one_each(struct covey_content *content)
{
    for (uint8_t i = 0; i < PEERS; i++) {
        want_one(content, i);
    }
}

/* A device of little memory gives to a few peers at a time: what one of them was given is in memory
 * until all of it is out, however little is left, and though that peer wants nothing more. */
static void test_given_counts_until_it_is_out(void **state)
{
    struct covey_content *content = begin(state, UINT64_C(16) * 3 / 2 * BLOB_BYTES);
    want_one_each(content);
    assert_int_equal(scene.given, 2);
    scene.queued[0] = scene.queued[1] = 1;
    look();
    assert_int_equal(scene.given, 2);
    for (unsigned given = 3; given <= PEERS; given++) {
        one_goes_out();
        look();
        assert_int_equal(scene.given, given);
    }
    assert_false(scene.due);
    end(content);
}

/* Peers that take nothing of what they were given keep it from others for a while only; but they do
 * not get all of the memory either, one after the other. */
static void test_who_takes_nothing_keeps_nothing_back(void **state)
{
    enum { STILL_MS = 3000 };
    struct covey_content *content = begin(state, UINT64_C(16) * 3 / 2 * BLOB_BYTES);
    want_one_each(content);
    scene.now_ms += STILL_MS - 1;
    look();
    assert_int_equal(scene.given, 2);
    scene.now_ms++;
    look();
    look();
    look();
    assert_int_equal(scene.given, 4);
    scene.now_ms += STILL_MS;
    look();
    assert_int_equal(scene.given, 4);
    one_goes_out();
    look();
    assert_int_equal(scene.given, 5);
    end(content);
}

/* Peers that always want more take turns. */
static void test_peers_take_turns(void **state)
{
    unsigned given[PEERS] = {0};
    struct covey_content *content = begin(state, UINT64_C(16) / 2 * BLOB_BYTES);
    want_one_each(content);
    for (unsigned turn = 0; turn < 4 * PEERS; turn++) {
        uint8_t i = 0;
        while (scene.queued[i] == 0) {
            i++;
        }
        given[i]++;
        want_one(content, i);
        one_goes_out();
        look();
        assert_int_equal(scene.given, turn + 2);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(given[i], 4);
    }
    end(content);
}

/* One of much memory gives to all of them at once. */
static void test_all_are_given_where_there_is_memory(void **state)
{
    struct covey_content *content = begin(state, UINT64_C(1) << 30);
    want_one_each(content);
    assert_int_equal(scene.given, PEERS);
    assert_false(scene.due);
    end(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_given_counts_until_it_is_out),
        cmocka_unit_test(test_who_takes_nothing_keeps_nothing_back),
        cmocka_unit_test(test_peers_take_turns),
        cmocka_unit_test(test_all_are_given_where_there_is_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
