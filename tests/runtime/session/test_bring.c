/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../../nn/builder.h"
#include "listed_tasks.h"
#include "bring.h"
#include "covey/crypto.h"
#include "covey/wants.h"
#include "scratch.h"
#include "stored.h"

enum { FIRST = 1, SECOND = 2, WANTED = 256, WAIT_MS = 30000, SOON_MS = 1000 };

/* A store, another device's where the model is, and whoever can be asked: the test says who, when
 * it is, and what comes. */
static struct scene {
    struct covey_services services;
    struct covey_store there;
    struct covey_task_list tasks;
    uint64_t now_ms;
    struct covey_bring *bring;
    struct covey_digest id;
    uint8_t source[2];
    size_t sources;
    /* of the last FETCH */
    unsigned asked;
    struct covey_event fetch;
    struct covey_digest wanted[WANTED];
    size_t wants;
    bool widely;
    /* what was told */
    unsigned done;
    covey_err err;
    uint32_t tag;
    char why[160];
} scene;

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop);
void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task);

uint64_t __wrap_covey_loop_now_ms(const struct covey_loop *loop)
{
    (void)loop;
    return scene.now_ms;
}

void __wrap_covey__pool_submit(struct covey_pool *pool, struct covey_task *task)
{
    (void)pool;
    covey__task_list_push(&scene.tasks, task);
}

static void feed(void *user, const struct covey_event *event)
{
    (void)user;
    assert_int_equal(event->type, COVEY_EVENT_FETCH);
    assert_int_equal(event->index, 1); /* each source once: it is looked again who is there */
    scene.asked++;
    scene.fetch = *event;
    scene.widely = event->bytes.ptr[0] > 0;
    scene.wants = covey_wants_count(event->bytes);
    assert_in_range(scene.wants, 1, WANTED);
    for (size_t i = 0; i < scene.wants; i++) {
        scene.wanted[i] = covey_wants_get(event->bytes, i).digest;
    }
}

static size_t sources(void *user, const struct covey_digest *id, struct covey_node_id *out,
                      size_t max)
{
    (void)user;
    assert_true(covey_digest_equal(id, &scene.id));
    assert_true(scene.sources <= max);
    for (size_t i = 0; i < scene.sources; i++) {
        out[i] = (struct covey_node_id){{scene.source[i]}};
    }
    return scene.sources;
}

static void done(void *user, const struct covey_brought *brought)
{
    (void)user;
    scene.done++;
    scene.err = brought->err;
    scene.tag = brought->tag;
    snprintf(scene.why, sizeof(scene.why), "%s", brought->why);
    assert_true((brought->manifest != NULL) || brought->err != COVEY_OK);
}

static void begin(void **state)
{
    char here[SCRATCH_PATH], there[SCRATCH_PATH];
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    memset(&scene, 0, sizeof(scene));
    scene.now_ms = 1000;
    scene.services.feed = feed;
    scratch_folder(state, here);
    scratch_folder(state, there);
    assert_int_equal(covey__store_open(&scene.services.store, here), COVEY_OK);
    assert_int_equal(covey__store_open(&scene.there, there), COVEY_OK);
    stored_network(&scene.there, small_network(7), &scene.id);
    const struct covey_bring_config config = {
        .services = &scene.services, .sources = sources, .done = done};
    assert_int_equal(covey__bring_new(&config, &scene.bring), COVEY_OK);
}

static void end(void)
{
    covey__bring_free(scene.bring);
    covey__store_close(&scene.there);
    covey__store_close(&scene.services.store);
}

static void ask(uint32_t tag, uint32_t wait_ms)
{
    assert_int_equal(covey__bring_model(scene.bring, &scene.id, 1, tag, wait_ms), COVEY_OK);
    listed_tasks_run(&scene.tasks);
}

static void pass(uint64_t ms)
{
    scene.now_ms += ms;
    covey__bring_tick(scene.bring);
    listed_tasks_run(&scene.tasks);
}

static void here_are(size_t count, uint8_t first, uint8_t second)
{
    scene.sources = count;
    scene.source[0] = first;
    scene.source[1] = second;
}

/* Of what was asked for last so much comes. */
static void come(size_t count)
{
    struct covey_action fetched = {.type = COVEY_ACTION_FETCHED,
                                   .fence = scene.fetch.fence,
                                   .err = count < scene.wants ? COVEY_ERR_NOT_FOUND : COVEY_OK};
    for (size_t i = 0; i < count && i < scene.wants; i++) {
        struct covey_body *body = NULL;
        assert_int_equal(covey__store_body(&scene.there, &scene.wanted[i], &body), COVEY_OK);
        assert_int_equal(covey__store_put(&scene.services.store, &scene.wanted[i],
                                          covey_bytes_of(body->data, body->len)),
                         COVEY_OK);
        covey_body_unref(body);
    }
    assert_true(covey__bring_fetched(scene.bring, &fetched));
    listed_tasks_run(&scene.tasks);
}

static void assert_asks(unsigned asked, uint8_t whom, bool widely)
{
    assert_int_equal(scene.asked, asked);
    assert_int_equal(scene.fetch.peer.bytes[0], whom);
    assert_int_equal(scene.widely, widely);
    assert_int_equal(scene.done, 0);
}

/* Its only holder is waited for, at the beginning and in the middle, and then it goes on where it
 * was. */
static void test_the_only_holder_is_waited_for(void **state)
{
    begin(state);
    ask(1, 0);
    pass(WAIT_MS - SOON_MS - 1);
    assert_int_equal(scene.asked + scene.done, 0);
    here_are(1, FIRST, 0);
    pass(SOON_MS);
    assert_asks(1, FIRST, false);
    come(1);
    size_t all = scene.wants;
    assert_true(all > 2);
    assert_asks(2, FIRST, false);
    here_are(0, 0, 0);
    come(2);
    pass(WAIT_MS - 1);
    assert_int_equal(scene.done, 0);
    here_are(1, FIRST, 0);
    pass(0);
    assert_asks(3, FIRST, false);
    assert_int_equal(scene.wants, all - 2);
    come(scene.wants);
    assert_int_equal(scene.done, 1);
    assert_int_equal(scene.err, COVEY_OK);
    end();
}

/* Those who were asked in vain are not all there will be: who has it may come back. */
static void test_who_comes_back_is_asked(void **state)
{
    begin(state);
    here_are(1, SECOND, 0);
    ask(1, 0);
    assert_asks(1, SECOND, false);
    come(0);
    assert_asks(2, SECOND, true);
    here_are(2, FIRST, SECOND); /* too late for that list */
    come(0);
    assert_int_equal(scene.done, 0);
    pass(SOON_MS);
    assert_asks(3, FIRST, false);
    come(1);
    come(scene.wants);
    assert_int_equal(scene.done, 1);
    assert_int_equal(scene.err, COVEY_OK);
    end();
}

/* Nothing is waited for without end: as long as who waits longest asked for, since something came.
 * What came stays. */
static void test_waiting_ends(void **state)
{
    begin(state);
    ask(1, SOON_MS);
    ask(2, 5 * SOON_MS);
    pass(5 * SOON_MS - 1);
    here_are(1, FIRST, 0);
    pass(0);
    come(1);
    here_are(0, 0, 0);
    come(1);
    size_t all = scene.wants;
    pass(5 * SOON_MS - 1);
    assert_int_equal(scene.done, 0);
    pass(1);
    assert_int_equal(scene.done, 2);
    assert_int_equal(scene.err, COVEY_ERR_CLOSED);
    assert_string_equal(scene.why, "no device that may have this model can be reached now");
    scene.done = 0;
    here_are(1, SECOND, 0);
    ask(3, SOON_MS);
    assert_asks(3, SECOND, false);
    assert_int_equal(scene.wants, all - 1);
    come(0);
    come(0);
    pass(SOON_MS);
    assert_int_equal(scene.done, 1);
    assert_int_equal(scene.tag, 3);
    assert_non_null(strstr(scene.why, "is the one that added it up?"));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_only_holder_is_waited_for),
        cmocka_unit_test(test_who_comes_back_is_asked),
        cmocka_unit_test(test_waiting_ends),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
