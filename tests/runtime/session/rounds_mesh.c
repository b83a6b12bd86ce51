/* SPDX-License-Identifier: MIT */
#include "rounds_mesh.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

static void ignore(void *user, const char *line)
{
    (void)user;
    (void)line;
}

void rounds_mesh_open(struct rounds_mesh *m, const struct rounds_mesh_calls *calls,
                      const struct covey_enlist_spec *enlist, struct covey_rounds_config config)
{
    uint8_t spec[COVEY_ENLIST_SPEC_BYTES];
    struct covey_services *s = m->services;
    covey__enlist_spec_encode(enlist, spec);
    assert_int_equal(covey__handles_init(&s->handles), COVEY_OK);
    s->user = m->user;
    s->feed = calls->feed;
    s->tell = calls->tell;
    s->log = ignore;
    s->member = calls->member;
    config.services = s;
    config.fence = m->fence;
    config.enlist = covey_bytes_of(spec, sizeof(spec));
    assert_int_equal(covey__rounds_new(&config, &m->rounds), COVEY_OK);
}

void rounds_mesh_drop_tasks(struct rounds_mesh *m)
{
    for (uint32_t i = 0; i < m->count; i++) {
        covey_body_unref(m->held[i].body);
    }
    m->count = 0;
}

void rounds_mesh_close(struct rounds_mesh *m)
{
    covey__rounds_free(m->rounds);
    rounds_mesh_drop_tasks(m);
    covey__handles_done(&m->services->handles);
}

void rounds_mesh_worker(struct rounds_mesh *m, uint8_t worker, covey_err err, uint32_t index)
{
    const struct covey_action action = {.type = COVEY_ACTION_TRAIN_WORKER,
                                        .peer = {.bytes = {worker}},
                                        .fence = m->fence,
                                        .err = err,
                                        .index = index};
    covey__rounds_action(m->rounds, &action);
}

void rounds_mesh_result(struct rounds_mesh *m, const struct held *h, struct covey_body *take_out)
{
    struct covey_handles *handles = &m->services->handles;
    const struct covey_action action = {
        .type = COVEY_ACTION_ROUND_RESULT,
        .peer = {.bytes = {h->worker}},
        .fence = m->fence,
        .request = h->round,
        .index = h->task,
        .body = take_out != NULL ? covey__handles_put(handles, take_out) : 0};
    covey__rounds_action(m->rounds, &action);
}

void rounds_mesh_hold(struct rounds_mesh *m, const struct covey_event *event)
{
    struct held *h = &m->held[m->count];
    assert_true(m->count < HELD_MAX);
    *h = (struct held){.round = event->request, .task = event->index};
    assert_int_equal(covey__task_spec_decode(event->bytes, &h->spec), COVEY_OK);
    h->body = covey__handles_take(&m->services->handles, event->body);
    assert_non_null(h->body);
    m->count++;
}

void rounds_mesh_due(struct rounds_mesh *m)
{
    if (!m->due) {
        m->due = true;
        assert_int_equal(covey_loop_post(m->services->loop, m->answer, m->user), COVEY_OK);
    }
}

static void stop_loop(void *user)
{
    covey_loop_stop(user);
}

static void *session(void *user)
{
    struct rounds_mesh *m = user;
    struct covey_loop *loop = m->services->loop;
    m->err = m->session(m->user);
    covey_err err = covey_loop_post(loop, stop_loop, loop);
    COVEY_ASSERT(err == COVEY_OK);
    return NULL;
}

covey_err rounds_mesh_run(struct rounds_mesh *m)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, session, m), 0);
    covey_loop_run(m->services->loop);
    pthread_join(thread, NULL);
    return m->err;
}
