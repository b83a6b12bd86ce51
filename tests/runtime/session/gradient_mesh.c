/* SPDX-License-Identifier: MIT */
#include "gradient_mesh.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "../../nn/builder.h"

static bool find_member(void *user, const struct covey_node_id *id, struct covey_member_info *out)
{
    const struct mesh *m = user;
    *out = (struct covey_member_info){.trust = m->trust, .self = id == NULL};
    return true;
}

void tell_worker(struct mesh *m, uint8_t worker, covey_err err)
{
    m->gone[worker] = err != COVEY_OK;
    rounds_mesh_worker(&m->base, worker, err, 0);
}

void tell_workers(struct mesh *m, covey_err err)
{
    for (uint8_t i = 1; i <= WORKERS; i++) {
        tell_worker(m, i, err);
    }
}

/* As the pool has it: nobody answers the same twice, while there are others. */
static uint8_t worker_for(const struct mesh *m, const struct held *h)
{
    bool had[WORKERS + 1] = {false};
    uint8_t alone = 0;
    for (uint32_t i = 0; i < m->base.count; i++) {
        const struct held *o = &m->base.held[i];
        had[o->worker] = had[o->worker] || (o->round == h->round && o->answered &&
                                            o->spec.part[0] == h->spec.part[0]);
    }
    for (uint8_t i = 0; i < WORKERS; i++) {
        uint8_t w = (uint8_t)(1 + (h->task + i) % WORKERS);
        alone = m->gone[w] || alone != 0 ? alone : w;
        if (!m->gone[w] && !had[w]) {
            return w;
        }
    }
    return alone;
}

static void tell_lie(const struct mesh *m, struct covey_body *out, uint32_t parts)
{
    const float loss = NAN;
    size_t floats = m->scene->parameters + m->scene->statistics;
    float *x = (float *)(void *)(out->data + covey__gradient_answer_bytes(0, parts));
    for (size_t i = 0; i < floats && m->lie != NO_LOSS; i++) {
        x[i] = m->lie == BIASED ? 1.01f * x[i] : i % 8 == 0 ? -x[i] : x[i];
    }
    if (m->lie == NO_LOSS) {
        memcpy(out->data, &loss, sizeof(loss));
    }
}

/* Whatever it did in this round is done again. */
static void on_lied(struct mesh *m, const struct covey_event *event)
{
    uint8_t worker = event->peer.bytes[0];
    m->lies++;
    for (uint32_t i = 0; i < m->base.count; i++) {
        struct held *h = &m->base.held[i];
        h->answered = h->answered && (h->round != event->request || h->worker != worker);
    }
    if (m->trust == COVEY_TRUST_NONE && !m->gone[worker]) {
        tell_worker(m, worker, COVEY_ERR_DENIED);
    }
}

static void answer_one(struct mesh *m, struct held *h)
{
    const _Atomic bool stop = false;
    struct covey_body *out = NULL;
    enum fate fate = m->fate[h->task];
    m->fate[h->task] = ANSWERED;
    h->worker = worker_for(m, h);
    h->answered = fate == ANSWERED;
    if (fate == REFUSED) {
        rounds_mesh_result(&m->base, h, NULL);
        return;
    }
    const struct covey__gradient_task task = {
        .round = &m->spec, .spec = &h->spec, .shared = m->shared, .body = h->body, .stop = &stop};
    assert_int_equal(covey__gradient_work_compute(m->scene->work, &task, &out), COVEY_OK);
    if (fate == CUT_SHORT) {
        out->len -= 4;
    }
    if (h->worker == m->liar || h->worker == m->partner) {
        tell_lie(m, out, h->spec.count);
    }
    m->given += h->answered;
    rounds_mesh_result(&m->base, h, out);
    if (m->late) { /* the same once more, then from the round before */
        struct held again = *h;
        assert_int_equal(covey_body_new(8, &out), COVEY_OK);
        again.round = h->round - 1;
        rounds_mesh_result(&m->base, &again, out);
    }
}

static void answer(void *user)
{
    struct mesh *m = user;
    uint32_t from = random_below(&m->seed, HELD_MAX);
    m->base.due = false;
    for (uint32_t i = 0; m->open && i < m->base.count; i++) {
        struct held *h = &m->base.held[(from + i) % m->base.count];
        if (h->answered || h->round != m->round || m->fate[h->task] == LOST) {
            continue;
        }
        answer_one(m, h);
        if (m->given == m->dies) {
            tell_workers(m, COVEY_ERR_CLOSED);
            return;
        }
        rounds_mesh_due(&m->base);
        return;
    }
}

static void on_task(struct mesh *m, const struct covey_event *event)
{
    while (m->base.count > 0 &&
           m->base.held[0].round + 1 < event->request) { /* rounds that are over */
        covey_body_unref(m->base.held[0].body);
        memmove(&m->base.held[0], &m->base.held[1], --m->base.count * sizeof(m->base.held[0]));
    }
    rounds_mesh_hold(&m->base, event);
}

static void feed(void *user, const struct covey_event *event)
{
    struct mesh *m = user;
    switch ((int)event->type) {
    case COVEY_EVENT_ROUND_BEGIN:
        assert_int_equal(covey__round_spec_decode(event->bytes, &m->spec), COVEY_OK);
        covey_body_unref(m->shared);
        m->shared = covey__handles_take(&m->scene->services.handles, event->body);
        m->round = event->request;
        m->open = true;
        break;
    case COVEY_EVENT_ROUND_TASK:
        on_task(m, event);
        break;
    case COVEY_EVENT_ROUND_LIED:
        on_lied(m, event);
        break;
    case COVEY_EVENT_ROUND_END:
        m->open = false;
        m->ends++;
        break;
    default:
        break;
    }
    rounds_mesh_due(&m->base);
}

static void ignore_device(void *user, const struct covey_node_id *device, const char *what)
{
    (void)user;
    (void)device;
    (void)what;
}

static covey_err session(void *user)
{
    struct mesh *m = user;
    covey_err err = COVEY_OK;
    for (unsigned i = 0; i < m->rounds_wanted && err == COVEY_OK; i++) {
        err = covey__rounds_gradient(m->base.rounds, &m->io);
    }
    return err;
}

void mesh_open_with(struct mesh *m, struct gradient_scene *s, const struct covey_strategy *strategy)
{
    const struct rounds_mesh_calls calls = {feed, find_member, ignore_device};
    bool doubted = strategy->any_trust || strategy->check_all;
    *m = (struct mesh){.scene = s, .seed = 8, .dies = NEVER, .rounds_wanted = 1};
    m->trust = doubted ? COVEY_TRUST_NONE : COVEY_TRUST_FULL;
    m->base.services = &s->services;
    m->base.fence.epoch = 1;
    m->base.user = m;
    m->base.answer = answer;
    m->base.session = session;
    s->services.loop = s->loop;
    rounds_mesh_open(
        &m->base, &calls, &s->spec,
        (struct covey_rounds_config){.strategy = *strategy, .mode = COVEY_TRAINING_DATA});
    m->io = (struct covey_gradient_round){.values = s->shared,
                                          .parameters = s->parameters,
                                          .statistics = s->statistics,
                                          .input = s->input,
                                          .labels = s->labels,
                                          .batch = s->batch,
                                          .parts = s->parts,
                                          .input_floats = s->values};
    m->io.gradient = calloc(s->parameters + s->statistics, sizeof(float));
    assert_non_null(m->io.gradient);
}

void mesh_open(struct mesh *m, struct gradient_scene *s, uint32_t spare)
{
    mesh_open_with(m, s, &(const struct covey_strategy){.spare = spare});
}

void mesh_close(struct mesh *m)
{
    rounds_mesh_close(&m->base);
    covey_body_unref(m->shared);
    free(m->io.gradient);
}

covey_err mesh_run(struct mesh *m)
{
    return rounds_mesh_run(&m->base);
}

void expect_whole_step(const struct mesh *m)
{
    const struct gradient_scene *s = m->scene;
    double off =
        gradient_difference(m->io.gradient, covey_trainer_gradient(s->whole), s->parameters);
    if (off > 1e-5) {
        fail_msg("%u parts: off by %g", s->parts, off);
    }
    assert_true(fabs((double)(m->io.result.loss - s->step.loss)) < 1e-4);
    assert_int_equal(m->io.result.correct, s->step.correct);
}
