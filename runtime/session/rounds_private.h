/* SPDX-License-Identifier: MIT
 *
 * rounds_private.h - what rounds of products and of gradients share: the way between the session's
 * thread and the loop.
 *
 * On the thread: begin a round, add tasks, wait for news, end it. What is posted reaches the node
 * in this order. One thread at a time.
 */
#ifndef COVEY_SESSION_ROUNDS_PRIVATE_H
#define COVEY_SESSION_ROUNDS_PRIVATE_H

#include <pthread.h>

#include "rounds.h"
#include "train_spec.h"

struct covey__product_cache;
struct covey_gradient_check;

/* A device that pulls. */
struct covey__round_worker {
    struct covey_node_id id;
    struct covey_rates rates;
    bool self, checked; /* checked: its answers are not believed */
};

/* Who would share work out among whom. */
struct covey__round_team {
    struct covey__round_worker worker[COVEY_WORKERS_MAX];
    uint32_t count;
    struct covey_rates own;
};

enum covey__round_news_type {
    COVEY__NEWS_ANSWER, /* round, task, peer, body (the receiver's); NULL: refused, and another does
                           it; with count 1: it could not be sent, nobody will */
    COVEY__NEWS_HUNGRY, /* round, count: tasks that could be sent and are not there */
    COVEY__NEWS_WORKERS, /* there is one more or one less: covey__rounds_workers() */
};

struct covey__round_news {
    enum covey__round_news_type type;
    struct covey_node_id peer;
    uint64_t round;
    uint32_t task;
    uint32_t count;
    uint32_t spent_us;
    struct covey_body *body;
    struct covey__round_news *next;
};

/* An event for the node: its spec and body go along. */
struct covey__round_post {
    struct covey_event event;
    struct covey_body *body;
    struct covey__round_post *next;
    size_t len;
    uint8_t spec[COVEY_ROUND_SPEC_BYTES];
};

struct covey_rounds {
    struct covey_rounds_config config;
    uint8_t enlist[COVEY_ENLIST_SPEC_BYTES];
    uint64_t next_round;                   /* the thread's */
    struct covey__product_cache *products; /* the thread's */
    struct covey_gradient_check *check;    /* the thread's; made when it is first needed */

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    /* under mutex */
    bool posted;
    _Atomic bool stopped; /* seen without it in the middle of work */
    struct covey__round_post *out_first, *out_last;
    struct covey__round_news *news_first, *news_last;
    struct covey__round_worker worker[COVEY_WORKERS_MAX];
    uint32_t workers;
    struct covey_rates own;
    struct covey_rounds_report report;
};

/* ---- on the session's thread ---- */

/* Its number. take_shared (may be NULL) and take_body are taken in any case. */
covey_err covey__rounds_begin(struct covey_rounds *r, const struct covey_round_spec *spec,
                              struct covey_body *take_shared, uint64_t *out_round) COVEY_CHECK;
covey_err covey__rounds_task(struct covey_rounds *r, uint64_t round, uint32_t task,
                             const struct covey_task_spec *spec,
                             struct covey_body *take_body) COVEY_CHECK;
/* The peer's answer was wrong: it is named, and its tasks of this round are done again. */
void covey__rounds_lied(struct covey_rounds *r, uint64_t round, const struct covey_node_id *peer);
void covey__rounds_end(struct covey_rounds *r, uint64_t round);

/* Blocks until there is some; CLOSED: stopped. What is of rounds that are over is the caller's to
 * drop. */
covey_err covey__rounds_wait(struct covey_rounds *r, struct covey__round_news *out) COVEY_CHECK;
/* The same, but false where it would block. */
bool covey__rounds_poll(struct covey_rounds *r, struct covey__round_news *out);
/* Who pulls now; returns how many were written. */
uint32_t covey__rounds_workers(struct covey_rounds *r,
                               struct covey__round_worker out[static COVEY_WORKERS_MAX]);
/* Its answers are not believed: its trust is none, or all are checked, or it went already. */
bool covey__rounds_doubts(struct covey_rounds *r, const struct covey_node_id *peer);
bool covey__rounds_has_lied(struct covey_rounds *r, const struct covey_node_id *peer);
/* Adds the counters of `more` to the report; what is no counter is left alone. */
void covey__rounds_count(struct covey_rounds *r, const struct covey_rounds_report *more);

/* rounds_product.c: what a call of an exact kind gives on this device alone. RANGE: numbers that
 * the field cannot hold. */
covey_err covey__rounds_here(struct covey_rounds *r, struct covey_product_call *call) COVEY_CHECK;
/* rounds_coded.c */
void covey__product_cache_free(struct covey__product_cache *cache); /* NULL is a no-op */

#endif /* COVEY_SESSION_ROUNDS_PRIVATE_H */
