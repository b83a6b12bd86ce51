/* SPDX-License-Identifier: MIT */
#include "custodian_house.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "../../nn/builder.h"
#include "covey/crypto.h"
#include "covey/wants.h"
#include "data_blob.h"
#include "papers.h"
#include "stored.h"

enum { WAIT_MS = 20000 };

const struct covey_node_id house_self = {{1}}, house_owner = {{2}};

/* ---- as the node would ---- */

struct fetching {
    struct house *house;
    struct covey_fence fence;
    covey_err err;
};

static void on_fetched(void *user)
{
    struct fetching *f = user;
    struct covey_action action = {.type = COVEY_ACTION_FETCHED, .fence = f->fence, .err = f->err};
    assert_true(covey__custodian_fetched(f->house->custodian, &action));
    free(f);
}

static void fetch(struct house *h, const struct covey_event *event)
{
    struct fetching *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    *f = (struct fetching){h, event->fence, COVEY_OK};
    assert_memory_equal(&event->peer, &house_owner, sizeof(house_owner));
    for (size_t i = 0; i < covey_wants_count(event->bytes); i++) {
        struct covey_want want = covey_wants_get(event->bytes, i);
        struct covey_body *body = NULL;
        if (covey__store_body(&h->owners, &want.digest, &body) != COVEY_OK) {
            f->err = COVEY_ERR_NOT_FOUND;
            continue;
        }
        if (want.len != 0) {
            assert_int_equal(want.len, body->len);
        }
        assert_int_equal(covey__store_put(&h->services.store, &want.digest,
                                          covey_bytes_of(body->data, body->len)),
                         COVEY_OK);
        covey_body_unref(body);
        h->fetched++;
    }
    assert_int_equal(covey_loop_post(h->services.loop, on_fetched, f), COVEY_OK);
}

static void feed(void *user, const struct covey_event *event)
{
    struct house *h = user;
    if (event->type == COVEY_EVENT_FETCH) {
        fetch(h, event);
        return;
    }
    assert_true(h->events < EVENTS_MAX);
    h->event[h->events++] = *event;
    if (event->type == COVEY_EVENT_CUSTODY_STATE) {
        memcpy(h->bytes, event->bytes.ptr, event->bytes.len);
    }
    if (event->type == h->wanted) {
        covey_loop_stop(h->services.loop);
    }
}

static void too_late(void *user)
{
    (void)user;
    fail_msg("waited in vain");
}

const struct covey_event *house_await(struct house *h, enum covey_event_type type)
{
    h->wanted = type;
    covey_timer_set(h->timer, covey_loop_now_ms(h->services.loop) + WAIT_MS);
    covey_loop_run(h->services.loop);
    h->wanted = COVEY_EVENT_TICK;
    return &h->event[h->events - 1];
}

static void count_down(struct house *h, unsigned *left)
{
    if (*left > 0 && --*left == 0) {
        covey_loop_stop(h->services.loop);
    }
}

void house_await_count(struct house *h, unsigned *left)
{
    *left = 1;
    covey_timer_set(h->timer, covey_loop_now_ms(h->services.loop) + WAIT_MS);
    covey_loop_run(h->services.loop);
}

bool house_was_fed(const struct house *h, enum covey_event_type type, covey_err err)
{
    unsigned i = 0;
    while (i < h->events && (h->event[i].type != type || h->event[i].err != err)) {
        i++;
    }
    return i < h->events;
}

void house_expect_all_here(const struct house *h)
{
    const struct covey_digest named[] = {h->job, h->model, h->data};
    for (size_t i = 0; i < 3; i++) {
        assert_true(covey__store_has(&h->services.store, &named[i]));
    }
    struct covey_body *body = NULL;
    struct covey_data_header header;
    assert_int_equal(covey__store_body(&h->services.store, &h->data, &body), COVEY_OK);
    assert_int_equal(covey__data_header_decode(covey_bytes_of(body->data, body->len), &header),
                     COVEY_OK);
    struct covey_digest chunk;
    memcpy(chunk.bytes, header.digests, sizeof(chunk.bytes));
    assert_true(covey__store_has(&h->services.store, &chunk));
    covey_body_unref(body);
}

/* ---- as the trainings would ---- */

static size_t sources(void *user, struct covey_node_id *out, size_t max)
{
    const struct house *h = user;
    if (!h->owner_is_up || max == 0) {
        return 0;
    }
    out[0] = house_owner;
    return 1;
}

static covey_err lead(void *user, const struct covey_training_start *start)
{
    const struct covey_checkpoint_ref *newest = start->newest;
    struct house *h = user;
    const struct covey_training_keeper *keeper = covey__custodian_keeper(h->custodian);
    h->leads++;
    h->lead_fence = start->fence;
    h->lead_job = start->digest;
    assert_non_null(start->job);
    memcpy(h->lead_name, start->job->name, sizeof(h->lead_name));
    h->lead_from = newest != NULL ? *newest : (struct covey_checkpoint_ref){.epoch = 0};
    count_down(h, &h->wanted_lead);
    if (h->lead_err == COVEY_OK) {
        keeper->opened(keeper->user, &start->fence, &start->digest, newest);
    }
    return h->lead_err;
}

static bool done(void *user, const struct covey_session_id *session)
{
    const struct house *h = user;
    (void)session;
    return h->was_done;
}

static void lease(void *user, const struct covey_fence *fence, uint64_t until_ms)
{
    struct house *h = user;
    assert_memory_equal(&fence->session, &h->lead_fence.session, sizeof(fence->session));
    assert_int_equal(fence->epoch, h->lead_fence.epoch);
    h->lease_ms = until_ms;
}

static void lost(void *user, const struct covey_fence *fence)
{
    struct house *h = user;
    (void)fence;
    h->losses++;
}

static void news(void *user, const struct covey_fence *fence, uint8_t held, uint8_t wanted)
{
    struct house *h = user;
    (void)fence;
    h->held = held;
    h->wanted_held = wanted;
}

static void kept(void *user, const struct covey_fence *fence, uint64_t step)
{
    struct house *h = user;
    (void)fence;
    h->kept_step = step;
}

static void on_resumed(void *user, const struct covey_custodian_resumed *resumed)
{
    struct house *h = user;
    h->resumed = *resumed;
    h->resumes++;
    count_down(h, &h->wanted_resumed);
}

static void log_line(void *user, const char *line)
{
    (void)user;
    (void)line;
}

/* ---- life ---- */

void house_open(struct house *h)
{
    const struct covey_pool_config one = {1, 0, COVEY_PACE_BACKGROUND, NULL};
    struct covey_services *s = &h->services;
    char why[256];
    assert_int_equal(covey_loop_new(&s->loop), COVEY_OK);
    assert_int_equal(covey_timer_new(s->loop, too_late, h, &h->timer), COVEY_OK);
    assert_int_equal(covey__pool_new(s->loop, &one, &s->storage), COVEY_OK);
    assert_int_equal(covey__store_open(&s->store, h->dir), COVEY_OK);
    assert_int_equal(covey__store_limit(&s->store, h->quota != 0 ? h->quota : QUOTA), COVEY_OK);
    s->user = h;
    s->feed = feed;
    s->log = log_line;
    h->events = 0;
    const struct covey_custodian_config config = {.services = s,
                                                  .state_dir = h->dir,
                                                  .self = house_self,
                                                  .user = h,
                                                  .sources = sources,
                                                  .lead = lead,
                                                  .done = done,
                                                  .lease = lease,
                                                  .lost = lost,
                                                  .news = news,
                                                  .kept = kept,
                                                  .resumed = on_resumed};
    assert_int_equal(covey__custodian_new(&config, &h->custodian, why), COVEY_OK);
    assert_string_equal(why, "");
}

void house_close(struct house *h)
{
    covey__custodian_stop(h->custodian);
    covey__pool_free(h->services.storage);
    covey__custodian_free(h->custodian);
    covey__store_close(&h->services.store);
    covey_timer_free(h->timer);
    covey_loop_free(h->services.loop);
}

static covey_err put_owned(void *user, struct covey_bytes blob, struct covey_digest *out)
{
    covey_hash(out, blob);
    return covey__store_put(user, out, blob);
}

void house_make_job(struct house *h, struct covey_store *to)
{
    static const uint8_t pictures[12 * 4] = {1, 2, 3};
    static const uint16_t labels[12] = {0, 1};
    struct covey_training_job job = {.name = "digits", .model_name = "digits-1", .epochs = 2};
    struct covey_samples samples = {.count = 12,
                                    .channels = 1,
                                    .height = 2,
                                    .width = 2,
                                    .classes = 2,
                                    .bytes = pictures,
                                    .labels = labels};
    uint8_t bytes[COVEY_TRAINING_JOB_MAX];
    size_t len = 0;
    stored_network(to, small_network(7), &job.model);
    assert_int_equal(covey__data_encode(&samples, put_owned, to, &job.data), COVEY_OK);
    covey_train_options_init(&job.train);
    job.train.batch = 4;
    job.every = 5;
    job.strategy.kind = COVEY_CODE_MDS;
    assert_int_equal(
        covey__training_job_encode(&job, (struct covey_buf){bytes, sizeof(bytes)}, &len), COVEY_OK);
    assert_int_equal(put_owned(to, covey_bytes_of(bytes, len), &h->job), COVEY_OK);
    h->model = job.model;
    h->data = job.data;
}

struct covey_checkpoint_ref house_checkpoint(const struct covey_store *store, uint64_t step)
{
    struct covey_checkpoint_ref ref = {.epoch = 1, .step = step};
    assert_int_equal(paper_put(store, covey_bytes_of(&step, sizeof(step)), &ref), COVEY_OK);
    return ref;
}
