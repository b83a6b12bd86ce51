/* SPDX-License-Identifier: MIT */
#include "fake_training.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster_state.h"

enum {
    OWNER = 0,
    TASKS_MAX = 256,
    CODED = 18,
    WANTED = 12,
    FIRST = 8,
    ENLISTED_MAX = 4,
    ENDED = 16
};

/* Which answers suffice. */
enum kind { ANY_OF_MANY, ALL, ON_DEMAND, KINDS };

struct round {
    bool open;
    enum kind kind;
    uint64_t number, key;
    unsigned given, wanted, had;
    bool answered[TASKS_MAX];
};

/* What one node computes, as a worker. */
struct worker {
    bool busy, liar;
    uint64_t turn;
    struct covey_node_id owner;
    uint32_t work;
    uint64_t round;
    covey_handle body, shared;
    unsigned enlisted;
    struct covey_fence session[ENLISTED_MAX];
};

struct training {
    struct cluster *c;
    uint64_t seed, next_round;
    bool open, running;
    struct covey_fence fence;
    struct training_counts counts;
    struct round round[TRAINING_BESIDE];
    struct {
        uint64_t number, at_us;
    } ended[ENDED]; /* the last ones */
    struct worker worker[CLUSTER_NODES_MAX];
    uint64_t let_go_us[CLUSTER_NODES_MAX]; /* when it lied; 0: it did not */
};

static void fail(const struct training *t, unsigned node, const char *what)
{
    fprintf(stderr, "FAILED at %llu ms, node %u: %s\n", (unsigned long long)cluster_now_ms(t->c),
            node, what);
    exit(1);
}

static uint64_t mixed(uint64_t key, uint64_t number)
{
    uint64_t x = (key ^ number * UINT64_C(0x9e3779b97f4a7c15)) + number;
    x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ x >> 29;
}

static covey_handle number_body(struct training *t, uint64_t number)
{
    return cluster_body_new(t->c, &number, sizeof(number));
}

static uint64_t number_in(const struct training *t, covey_handle body)
{
    uint64_t number = 0;
    size_t len = 0;
    const uint8_t *data = cluster_body_data(t->c, body, &len);
    if (len != sizeof(number)) {
        fail(t, OWNER, "a body is another");
    }
    memcpy(&number, data, sizeof(number));
    return number;
}

/* ---- the owner ---- */

static void give(struct training *t, struct round *round)
{
    struct covey_event e = {.type = COVEY_EVENT_ROUND_TASK,
                            .fence = t->fence,
                            .request = round->number,
                            .index = round->given};
    uint8_t spec = (uint8_t)round->given;
    if (round->given == TASKS_MAX) {
        fail(t, OWNER, "a round does not end");
    }
    e.bytes = covey_bytes_of(&spec, 1);
    e.body = number_body(t, mixed(round->number, round->given++));
    e.body_len = sizeof(uint64_t);
    cluster_inject(t->c, OWNER, &e);
}

static void begin(struct training *t, struct round *round)
{
    *round = (struct round){.open = true,
                            .kind = (enum kind)(cluster_random(t->c) % KINDS),
                            .number = ++t->next_round,
                            .key = cluster_random(t->c),
                            .wanted = WANTED};
    struct covey_event e = {.type = COVEY_EVENT_ROUND_BEGIN,
                            .fence = t->fence,
                            .request = round->number,
                            .bytes = covey_bytes_of((const uint8_t *)"round", 5),
                            .body = number_body(t, round->key)};
    cluster_inject(t->c, OWNER, &e);
    unsigned first = round->kind == ANY_OF_MANY ? CODED : round->kind == ALL ? WANTED : FIRST;
    while (round->given < first) {
        give(t, round);
    }
}

static void end(struct training *t, struct round *round)
{
    struct covey_event e = {
        .type = COVEY_EVENT_ROUND_END, .fence = t->fence, .request = round->number};
    cluster_inject(t->c, OWNER, &e);
    round->open = false;
    t->ended[t->counts.rounds % ENDED].number = round->number;
    t->ended[t->counts.rounds % ENDED].at_us = cluster_now_us(t->c);
    t->counts.rounds++;
    if (t->running) {
        begin(t, round);
    }
}

static struct round *find_round(struct training *t, uint64_t number)
{
    for (unsigned i = 0; i < TRAINING_BESIDE; i++) {
        if (t->round[i].open && t->round[i].number == number) {
            return &t->round[i];
        }
    }
    return NULL;
}

/* Its end is told, but the pool has not stepped it yet. */
static bool ends_now(const struct training *t, uint64_t number)
{
    for (unsigned i = 0; i < ENDED; i++) {
        if (t->ended[i].number == number && t->ended[i].at_us == cluster_now_us(t->c)) {
            return true;
        }
    }
    return false;
}

static void result(struct training *t, const struct covey_action *action)
{
    struct round *round = find_round(t, action->request);
    unsigned from = cluster_index(t->c, &action->peer);
    if (round == NULL && !ends_now(t, action->request)) {
        fail(t, OWNER, "an answer of a round that is over");
    }
    if (action->body == 0) {
        t->counts.refused++;
        return;
    }
    if (round == NULL) {
        cluster_body_unref(t->c, action->body);
        return;
    }
    if (action->index >= round->given || from == UINT_MAX) {
        fail(t, OWNER, "an answer that nobody was asked for");
    }
    /* Until LIED is stepped, behind what came at the same time. */
    if (t->let_go_us[from] != 0 && t->let_go_us[from] != cluster_now_us(t->c)) {
        fail(t, OWNER, "an answer of a device that was let go");
    }
    uint64_t is = number_in(t, action->body);
    uint64_t should_be = mixed(round->key, mixed(round->number, action->index));
    cluster_body_unref(t->c, action->body);
    if (is != should_be) {
        struct covey_event e = {.type = COVEY_EVENT_ROUND_LIED,
                                .fence = t->fence,
                                .request = round->number,
                                .peer = action->peer};
        if (!t->worker[from].liar) {
            fail(t, OWNER, "an answer is wrong");
        }
        t->counts.lies++;
        t->let_go_us[from] = cluster_now_us(t->c);
        cluster_inject(t->c, OWNER, &e);
        return;
    }
    /* What a liar answered rightly before comes twice. */
    round->had += !round->answered[action->index];
    round->answered[action->index] = true;
    t->counts.answers++;
    if (round->had == round->wanted) {
        end(t, round);
    }
}

static void hungry(struct training *t, const struct covey_action *action)
{
    struct round *round = find_round(t, action->request);
    t->counts.hungry++;
    for (uint32_t i = 0; round != NULL && round->kind == ON_DEMAND && i < action->index; i++) {
        if (round->given < TASKS_MAX) {
            give(t, round);
        }
    }
}

/* ---- workers ---- */

static void task_done(struct training *t, unsigned node, bool answer)
{
    struct worker *w = &t->worker[node];
    struct covey_event e = {.type = COVEY_EVENT_TASK_DONE,
                            .peer = w->owner,
                            .work = w->work,
                            .spent_us = 5,
                            .body_len = sizeof(uint64_t)};
    if (answer) {
        uint64_t number = mixed(number_in(t, w->shared), number_in(t, w->body));
        bool lie = w->liar && cluster_random(t->c) % 8 == 0;
        e.body = number_body(t, number + lie);
    }
    cluster_body_unref(t->c, w->body);
    cluster_body_unref(t->c, w->shared);
    w->busy = false;
    cluster_inject(t->c, node, &e);
}

static void computed(void *user, unsigned node, uint64_t turn)
{
    struct training *t = user;
    struct worker *w = &t->worker[node];
    if (w->busy && w->turn == turn) {
        /* Now and then one has no memory for it. */
        task_done(t, node, cluster_random(t->c) % 40 != 0);
    }
}

static void compute(struct training *t, unsigned node, const struct covey_action *action)
{
    struct worker *w = &t->worker[node];
    uint64_t delay_us = 500 + cluster_random(t->c) % 20000;
    delay_us *= cluster_random(t->c) % 10 == 0 ? 20 : 1;
    if (w->busy || action->shared == 0 || action->bytes.len != 5 || action->task_spec.len != 1 ||
        action->task_spec.ptr[0] != (uint8_t)action->index) {
        fail(t, node, "a task that is no task");
    }
    w->busy = true;
    w->turn++;
    w->owner = action->peer;
    w->work = action->work;
    w->round = action->request;
    w->body = action->body;
    w->shared = action->shared;
    cluster_body_ref(t->c, w->shared);
    cluster_call_after(t->c, node, delay_us, computed, t, w->turn);
}

static void enlisted(struct training *t, unsigned node, const struct covey_action *action)
{
    struct worker *w = &t->worker[node];
    struct covey_event e = {
        .type = COVEY_EVENT_ENLIST_CHECKED, .peer = action->peer, .fence = action->fence};
    if (w->enlisted == ENLISTED_MAX) {
        fail(t, node, "enlisted too often");
    }
    w->session[w->enlisted++] = action->fence;
    cluster_inject_after(t->c, node, cluster_random(t->c) % 5000, &e);
}

static void dismissed(struct training *t, unsigned node, const struct covey_action *action)
{
    struct worker *w = &t->worker[node];
    for (unsigned i = 0; i < w->enlisted; i++) {
        if (memcmp(&w->session[i], &action->fence, sizeof(action->fence)) == 0) {
            w->session[i] = w->session[--w->enlisted];
            return;
        }
    }
    fail(t, node, "dismissed from what it is not in");
}

static void on_action(void *user, unsigned node, const struct covey_action *action)
{
    struct training *t = user;
    switch ((int)action->type) {
    case COVEY_ACTION_TRAIN_WORKER:
        t->counts.workers = action->index;
        t->counts.lost += action->err != COVEY_OK;
        break;
    case COVEY_ACTION_ROUND_RESULT:
        result(t, action);
        break;
    case COVEY_ACTION_ROUND_HUNGRY:
        hungry(t, action);
        break;
    case COVEY_ACTION_ENLISTED:
        enlisted(t, node, action);
        break;
    case COVEY_ACTION_DISMISSED:
        dismissed(t, node, action);
        break;
    case COVEY_ACTION_TASK:
        compute(t, node, action);
        break;
    case COVEY_ACTION_ROUND_OVER:
        if (t->worker[node].busy && t->worker[node].round == action->request &&
            cluster_random(t->c) % 2 == 0) {
            task_done(t, node, false);
        }
        break;
    default:
        break;
    }
}

static void on_stop(void *user, unsigned node)
{
    struct training *t = user;
    struct worker *w = &t->worker[node];
    if (w->busy) {
        cluster_body_unref(t->c, w->body);
        cluster_body_unref(t->c, w->shared);
    }
    w->busy = false;
    w->enlisted = 0;
}

/* Tasks for a round that ended in the same step are the only ones that may fail. */
static void on_error(void *user, unsigned node, const struct covey_event *event, covey_err err)
{
    struct training *t = user;
    bool late = event->type == COVEY_EVENT_ROUND_TASK || event->type == COVEY_EVENT_ROUND_END ||
                event->type == COVEY_EVENT_ROUND_LIED;
    if (!late || err != COVEY_ERR_NOT_FOUND || find_round(t, event->request) != NULL) {
        fprintf(stderr, "event %d: %s\n", (int)event->type, covey_strerror(err));
        fail(t, node, "an event failed");
    }
}

/* ---- from outside ---- */

struct training *training_new(uint64_t seed)
{
    struct training *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        exit(1);
    }
    t->seed = seed;
    return t;
}

void training_free(struct training *t)
{
    free(t);
}

void training_plug(struct training *t, struct cluster_config *config)
{
    config->user = t;
    config->on_action = on_action;
    config->on_stop = on_stop;
    config->on_error = on_error;
}

void training_cluster(struct training *t, struct cluster *c)
{
    t->c = c;
}

void training_open(struct training *t, uint32_t epoch)
{
    t->fence = (struct covey_fence){.session = {{1, 2, 3}}, .epoch = epoch};
    t->next_round = 0; /* rounds rise within an epoch */
    t->open = true;
    struct covey_event e = {.type = COVEY_EVENT_TRAIN_OPEN,
                            .fence = t->fence,
                            .bytes = covey_bytes_of((const uint8_t *)"train", 5),
                            .work = COVEY_TRAIN_ANY_TRUST};
    e.work |= t->seed % 2 == 0 ? COVEY_TRAIN_SELF : 0;
    cluster_inject(t->c, OWNER, &e);
}

void training_close(struct training *t)
{
    struct covey_event e = {.type = COVEY_EVENT_TRAIN_CLOSE, .fence = t->fence};
    t->running = false;
    t->open = false;
    for (unsigned i = 0; i < TRAINING_BESIDE; i++) {
        t->round[i].open = false;
        t->ended[i].number = t->round[i].number;
        t->ended[i].at_us = cluster_now_us(t->c);
    }
    cluster_inject(t->c, OWNER, &e);
}

void training_run(struct training *t, bool on)
{
    t->running = on;
    for (unsigned i = 0; on && i < TRAINING_BESIDE; i++) {
        if (!t->round[i].open) {
            begin(t, &t->round[i]);
        }
    }
}

void training_lie(struct training *t, unsigned node)
{
    t->worker[node].liar = true;
}

void training_break(struct training *t, unsigned node)
{
    sim_channel_break(t->c, OWNER, node, true, true);
}

const struct training_counts *training_counts(const struct training *t)
{
    return &t->counts;
}

unsigned training_enlisted(const struct training *t, unsigned node)
{
    return t->worker[node].enlisted;
}

void training_print(const struct training *t)
{
    const struct training_counts *n = &t->counts;
    printf("  %llu rounds, %llu answers, %llu refused, %llu lies, hungry %llu times, %llu workers "
           "lost\n",
           (unsigned long long)n->rounds, (unsigned long long)n->answers,
           (unsigned long long)n->refused, (unsigned long long)n->lies,
           (unsigned long long)n->hungry, (unsigned long long)n->lost);
    for (unsigned i = 0; i < cluster_size(t->c); i++) {
        struct covey_member_info info = {.channel = false};
        bool known = cluster_node(t->c, OWNER) != NULL &&
                     covey_node_find(cluster_node(t->c, OWNER), cluster_id(t->c, i), &info);
        printf("  node %u: %s, state %d, channel %d, enlisted %u, computes %d\n", i,
               cluster_running(t->c, i) ? "runs" : "stands", known ? (int)info.state : -1,
               info.channel, t->worker[i].enlisted, t->worker[i].busy);
    }
    for (unsigned i = 0; i < TRAINING_BESIDE; i++) {
        const struct round *r = &t->round[i];
        if (r->open) {
            fprintf(stderr, "  round %llu, kind %d: %u of %u, %u given\n",
                    (unsigned long long)r->number, (int)r->kind, r->had, r->wanted, r->given);
        }
    }
}
