/* SPDX-License-Identifier: MIT */
#include "gradient_check.h"
#include "rounds_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many rounds pass before the workers' rates are looked at again: devices measure themselves
 * in their first minute. */
enum { RATES_EVERY = 16 };

/* ---- from the session's thread to the loop ---- */

static void post_free(struct covey__round_post *p)
{
    covey_body_unref(p->body);
    free(p);
}

static void rounds_destroy(struct covey_rounds *r)
{
    while (r->out_first != NULL) {
        struct covey__round_post *p = r->out_first;
        r->out_first = p->next;
        post_free(p);
    }
    while (r->news_first != NULL) {
        struct covey__round_news *n = r->news_first;
        r->news_first = n->next;
        covey_body_unref(n->body);
        free(n);
    }
    covey__product_cache_free(r->products);
    covey__gradient_check_free(r->check);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static void add_news(struct covey_rounds *r, const struct covey__round_news *news)
{
    struct covey__round_news *n = malloc(sizeof(*n));
    if (n == NULL) { /* as if it had not come: its round ends without it, or not before a stop */
        r->config.services->log(r->config.services->user, "out of memory: an answer was dropped");
        covey_body_unref(news->body);
        return;
    }
    *n = *news;
    n->next = NULL;
    pthread_mutex_lock(&r->mutex);
    if (r->news_last != NULL) {
        r->news_last->next = n;
    } else {
        r->news_first = n;
    }
    r->news_last = n;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->mutex);
}

static void refresh_rates(struct covey_rounds *r)
{
    const struct covey_services *s = r->config.services;
    struct covey_member_info info;
    for (uint32_t i = 0; i < r->workers; i++) { /* written by this thread only */
        if (s->member(s->user, &r->worker[i].id, &info)) {
            pthread_mutex_lock(&r->mutex);
            r->worker[i].rates = info.rates;
            pthread_mutex_unlock(&r->mutex);
        }
    }
    if (s->member(s->user, NULL, &info)) {
        pthread_mutex_lock(&r->mutex);
        r->own = info.rates;
        pthread_mutex_unlock(&r->mutex);
    }
}

static void feed_post(struct covey_rounds *r, struct covey__round_post *p)
{
    struct covey_services *s = r->config.services;
    struct covey_event event = p->event;
    event.fence = r->config.fence;
    event.bytes = covey_bytes_of(p->spec, p->len);
    if (p->body != NULL) {
        event.body_len = p->body->len;
        event.body = covey__handles_put(&s->handles, covey_body_ref(p->body));
    }
    if (event.type == COVEY_EVENT_ROUND_TASK && event.body == 0) { /* no handle was left */
        const struct covey__round_news none = {
            .type = COVEY__NEWS_ANSWER, .round = event.request, .task = event.index, .count = 1};
        add_news(r, &none);
        return;
    }
    if (event.type == COVEY_EVENT_ROUND_LIED) {
        s->tell(s->user, &event.peer, "gave a wrong answer: it gets no more work");
    }
    if (event.type == COVEY_EVENT_ROUND_BEGIN && event.request % RATES_EVERY == 1) {
        refresh_rates(r);
    }
    s->feed(s->user, &event);
}

static void flush(struct covey_rounds *r)
{
    pthread_mutex_lock(&r->mutex);
    struct covey__round_post *p = r->out_first;
    r->out_first = r->out_last = NULL;
    pthread_mutex_unlock(&r->mutex);
    while (p != NULL) {
        struct covey__round_post *next = p->next;
        feed_post(r, p);
        post_free(p);
        p = next;
    }
}

static void drain(void *user)
{
    struct covey_rounds *r = user;
    pthread_mutex_lock(&r->mutex);
    r->posted = false;
    pthread_mutex_unlock(&r->mutex);
    flush(r);
}

static covey_err post(struct covey_rounds *r, const struct covey_event *event,
                      struct covey_bytes spec, struct covey_body *take_body)
{
    struct covey__round_post *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        covey_body_unref(take_body);
        return COVEY_ERR_NOMEM;
    }
    p->event = *event;
    p->body = take_body;
    p->len = spec.len;
    COVEY_ASSERT(spec.len <= sizeof(p->spec));
    if (spec.len > 0) {
        memcpy(p->spec, spec.ptr, spec.len);
    }
    pthread_mutex_lock(&r->mutex);
    if (r->out_last != NULL) {
        r->out_last->next = p;
    } else {
        r->out_first = p;
    }
    r->out_last = p;
    covey_err err = r->posted ? COVEY_OK : covey_loop_post(r->config.services->loop, drain, r);
    r->posted = r->posted || err == COVEY_OK; /* else the next one takes it along */
    pthread_mutex_unlock(&r->mutex);
    return COVEY_OK;
}

covey_err covey__rounds_begin(struct covey_rounds *r, const struct covey_round_spec *spec,
                              struct covey_body *take_shared, uint64_t *out_round)
{
    uint8_t bytes[COVEY_ROUND_SPEC_BYTES];
    covey__round_spec_encode(spec, bytes);
    const struct covey_event event = {.type = COVEY_EVENT_ROUND_BEGIN,
                                      .request = r->next_round + 1};
    covey_err err = post(r, &event, covey_bytes_of(bytes, sizeof(bytes)), take_shared);
    if (err == COVEY_OK) {
        *out_round = ++r->next_round;
        covey__rounds_count(r, &(struct covey_rounds_report){.rounds = 1});
    }
    return err;
}

covey_err covey__rounds_task(struct covey_rounds *r, uint64_t round, uint32_t task,
                             const struct covey_task_spec *spec, struct covey_body *take_body)
{
    uint8_t bytes[COVEY_TASK_SPEC_BYTES];
    covey__task_spec_encode(spec, bytes);
    /* Of gradients those that begin with the same part have the same parts. */
    const struct covey_event event = {.type = COVEY_EVENT_ROUND_TASK,
                                      .request = round,
                                      .index = task,
                                      .work = spec->count > 0 ? spec->part[0] + 1 : 0};
    covey_err err = post(r, &event, covey_bytes_of(bytes, sizeof(bytes)), take_body);
    if (err == COVEY_OK) {
        covey__rounds_count(r, &(struct covey_rounds_report){.tasks = 1});
    }
    return err;
}

static void post_or_stop(struct covey_rounds *r, const struct covey_event *event)
{
    if (post(r, event, covey_bytes_of(NULL, 0), NULL) != COVEY_OK) {
        pthread_mutex_lock(&r->mutex);
        r->stopped = true; /* no memory for some bytes: the node would keep this round for ever */
        pthread_mutex_unlock(&r->mutex);
    }
}

bool covey__rounds_has_lied(struct covey_rounds *r, const struct covey_node_id *peer)
{
    bool known = false;
    pthread_mutex_lock(&r->mutex);
    for (uint8_t i = 0; i < r->report.liars && !known; i++) {
        known = covey_node_id_equal(&r->report.liar[i], peer);
    }
    pthread_mutex_unlock(&r->mutex);
    return known;
}

bool covey__rounds_doubts(struct covey_rounds *r, const struct covey_node_id *peer)
{
    bool doubts = true; /* gone already */
    pthread_mutex_lock(&r->mutex);
    for (uint32_t i = 0; i < r->workers; i++) {
        if (covey_node_id_equal(&r->worker[i].id, peer)) {
            doubts = r->worker[i].checked;
        }
    }
    pthread_mutex_unlock(&r->mutex);
    return doubts;
}

void covey__rounds_lied(struct covey_rounds *r, uint64_t round, const struct covey_node_id *peer)
{
    const struct covey_event event = {
        .type = COVEY_EVENT_ROUND_LIED, .request = round, .peer = *peer};
    struct covey_rounds_report *report = &r->report;
    const uint8_t most = sizeof(report->liar) / sizeof(report->liar[0]);
    bool known = covey__rounds_has_lied(r, peer);
    pthread_mutex_lock(&r->mutex);
    if (!known && report->liars < most) {
        report->liar[report->liars++] = *peer;
    }
    pthread_mutex_unlock(&r->mutex);
    post_or_stop(r, &event);
}

void covey__rounds_end(struct covey_rounds *r, uint64_t round)
{
    const struct covey_event event = {.type = COVEY_EVENT_ROUND_END, .request = round};
    post_or_stop(r, &event);
}

/* Under the mutex. */
static bool take_news(struct covey_rounds *r, struct covey__round_news *out)
{
    struct covey__round_news *n = r->news_first;
    if (n == NULL) {
        return false;
    }
    r->news_first = n->next;
    r->news_last = n->next == NULL ? NULL : r->news_last;
    *out = *n;
    out->next = NULL;
    free(n);
    return true;
}

bool covey__rounds_poll(struct covey_rounds *r, struct covey__round_news *out)
{
    pthread_mutex_lock(&r->mutex);
    bool got = !r->stopped && take_news(r, out);
    pthread_mutex_unlock(&r->mutex);
    return got;
}

covey_err covey__rounds_wait(struct covey_rounds *r, struct covey__round_news *out)
{
    if (covey__rounds_poll(r, out)) {
        return COVEY_OK;
    }
    covey_pace_leave(); /* a paced device waits when it has done what it did */
    pthread_mutex_lock(&r->mutex);
    while (!r->stopped && r->news_first == NULL) {
        pthread_cond_wait(&r->wake, &r->mutex);
    }
    bool stopped = r->stopped || !take_news(r, out);
    pthread_mutex_unlock(&r->mutex);
    covey_pace_enter();
    return stopped ? COVEY_ERR_CLOSED : COVEY_OK;
}

uint32_t covey__rounds_workers(struct covey_rounds *r,
                               struct covey__round_worker out[static COVEY_WORKERS_MAX])
{
    pthread_mutex_lock(&r->mutex);
    uint32_t count = r->workers;
    memcpy(out, r->worker, count * sizeof(*out));
    pthread_mutex_unlock(&r->mutex);
    return count;
}

void covey__rounds_count(struct covey_rounds *r, const struct covey_rounds_report *more)
{
    pthread_mutex_lock(&r->mutex);
    struct covey_rounds_report *t = &r->report;
    t->rounds += more->rounds;
    t->tasks += more->tasks;
    t->answers += more->answers;
    t->late += more->late;
    t->reissued += more->reissued;
    t->refused += more->refused;
    t->rough += more->rough;
    t->spread += more->spread;
    t->here += more->here;
    t->encode_ns += more->encode_ns;
    t->decode_ns += more->decode_ns;
    t->check_ns += more->check_ns;
    t->wall_ns += more->wall_ns;
    pthread_mutex_unlock(&r->mutex);
}

/* ---- on the loop ---- */

static void on_worker(struct covey_rounds *r, const struct covey_action *action)
{
    const struct covey_services *s = r->config.services;
    struct covey_member_info info = {.trust = COVEY_TRUST_NONE};
    bool known = s->member(s->user, &action->peer, &info);
    struct covey__round_worker w = {.id = action->peer, .rates = info.rates};
    w.self = known && info.self;
    w.checked =
        !w.self && (r->config.strategy.check_all || !known || info.trust != COVEY_TRUST_FULL);
    pthread_mutex_lock(&r->mutex);
    uint32_t i = 0;
    while (i < r->workers && !covey_node_id_equal(&r->worker[i].id, &w.id)) {
        i++;
    }
    bool was = i < r->workers;
    if (action->err == COVEY_OK && i < COVEY_WORKERS_MAX) {
        r->worker[i] = w;
        r->workers += !was;
    } else if (action->err != COVEY_OK && was) {
        r->worker[i] = r->worker[--r->workers];
        r->report.lost++;
    } else if (action->err != COVEY_OK) {
        r->report.declined++;
    }
    r->report.workers = r->workers;
    pthread_mutex_unlock(&r->mutex);
    const struct covey__round_news news = {.type = COVEY__NEWS_WORKERS};
    add_news(r, &news);
}

void covey__rounds_action(struct covey_rounds *r, const struct covey_action *action)
{
    struct covey__round_news news = {
        .round = action->request, .peer = action->peer, .spent_us = action->spent_us};
    switch ((int)action->type) {
    case COVEY_ACTION_TRAIN_WORKER:
        on_worker(r, action);
        break;
    case COVEY_ACTION_ROUND_HUNGRY:
        news.type = COVEY__NEWS_HUNGRY;
        news.count = action->index;
        add_news(r, &news);
        break;
    case COVEY_ACTION_ROUND_RESULT:
        news.type = COVEY__NEWS_ANSWER;
        news.task = action->index;
        news.body = covey__handles_take(&r->config.services->handles, action->body);
        add_news(r, &news);
        break;
    default:
        COVEY_ASSERT(!"no action of rounds");
    }
}

covey_err covey__rounds_new(const struct covey_rounds_config *config, struct covey_rounds **out)
{
    COVEY_ASSERT(config->enlist.len <= COVEY_ENLIST_SPEC_BYTES);
    struct covey_rounds *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return COVEY_ERR_NOMEM;
    }
    r->config = *config;
    memcpy(r->enlist, config->enlist.ptr, config->enlist.len);
    r->config.enlist = covey_bytes_of(r->enlist, config->enlist.len);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->wake, NULL);
    refresh_rates(r);
    const struct covey_strategy *s = &config->strategy;
    bool private = s->kind == COVEY_CODE_PRIVATE || s->kind == COVEY_CODE_PRIVATE_INPUTS;
    const struct covey_event event = {.type = COVEY_EVENT_TRAIN_OPEN,
                                      .fence = config->fence,
                                      .bytes = r->config.enlist,
                                      .work = (s->any_trust ? (uint32_t)COVEY_TRAIN_ANY_TRUST : 0) |
                                              (s->own_work ? (uint32_t)COVEY_TRAIN_SELF : 0) |
                                              (private ? (uint32_t)COVEY_TRAIN_ONE_EACH : 0),
                                      .index = s->devices};
    *out = r; /* actions may come before this returns */
    config->services->feed(config->services->user, &event);
    return COVEY_OK;
}

void covey__rounds_stop(struct covey_rounds *r)
{
    pthread_mutex_lock(&r->mutex);
    r->stopped = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->mutex);
}

void covey__rounds_free(struct covey_rounds *r)
{
    if (r == NULL) {
        return;
    }
    flush(r); /* what was said last goes before */
    const struct covey_event event = {.type = COVEY_EVENT_TRAIN_CLOSE, .fence = r->config.fence};
    r->config.services->feed(r->config.services->user, &event);
    covey_loop_unpost(r->config.services->loop, r);
    rounds_destroy(r);
}

void covey__rounds_report(const struct covey_rounds *r, struct covey_rounds_report *out)
{
    struct covey_rounds *own = (struct covey_rounds *)(uintptr_t)r; /* its lock is no part of it */
    pthread_mutex_lock(&own->mutex);
    *out = own->report;
    pthread_mutex_unlock(&own->mutex);
}

void covey__rounds_why(const struct covey_rounds *r, char out[static COVEY_ROUNDS_WHY_MAX])
{
    struct covey_rounds_report now;
    const struct covey_strategy *s = &r->config.strategy;
    covey__rounds_report(r, &now);
    uint64_t all = now.spread + now.here;
    const char *rest = now.workers == 0 ? "no device works for it now"
                       : s->all         ? "the others cannot be spread"
                                        : "the others are faster here";
    snprintf(out, COVEY_ROUNDS_WHY_MAX, "%llu of %llu products over %u devices, %s%s%s",
             (unsigned long long)now.spread, (unsigned long long)all, now.workers,
             covey_code_kind_name(s->kind), now.here > 0 || now.workers == 0 ? ": " : "",
             now.here > 0 || now.workers == 0 ? rest : "");
}
