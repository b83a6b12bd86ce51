/* SPDX-License-Identifier: MIT
 *
 * pool.h - threads of our own for mathematics and for storage. Results come back on the loop.
 */
#ifndef COVEY_SESSION_POOL_H
#define COVEY_SESSION_POOL_H

#include "account.h"
#include "covey/bytes.h"
#include "covey/loop.h"
#include "covey/pace.h"

/* A thread's scratch memory; grows to the largest piece of work and stays. */
struct covey_scratch {
    float *data;
    size_t floats;
    struct covey_account *account; /* they are added to it; NULL: to none */
};
/* At least `floats` floats, 64-byte aligned; NULL when memory is short. */
float *covey__scratch_get(struct covey_scratch *scratch, size_t floats);

/* Embedded in what is worked on; the embedder's until done() was called. */
struct covey_task {
    void (*work)(struct covey_task *task, struct covey_scratch *scratch); /* on a pool's thread */
    void (*done)(struct covey_task *task);                                /* on the loop */
    struct covey_pool *pool;
    struct covey_task *next;
    struct covey_pace_work pace;
    uint64_t due_ms; /* of a lab's late answer, or 0 */
};

struct covey_task_list {
    struct covey_task *head, *tail;
};
void covey__task_list_push(struct covey_task_list *list, struct covey_task *task);
struct covey_task *covey__task_list_pop(struct covey_task_list *list); /* or NULL */

struct covey_pool;

struct covey_pool_config {
    unsigned threads;
    int nice;                      /* added to the threads' niceness, so that the loop goes first */
    enum covey_pace_class class;   /* the same of a paced device; not URGENT */
    struct covey_account *account; /* of scratch memory; NULL: it is not counted */
};
covey_err covey__pool_new(struct covey_loop *loop, const struct covey_pool_config *config,
                          struct covey_pool **out) COVEY_CHECK;
/* Runs what is queued to its end and joins; done() of the last tasks runs before this returns. What
 * is submitted from then on is neither run nor told of. */
void covey__pool_stop(struct covey_pool *pool);
/* Stops it first. Where a done() of one pool's tasks may ask for another all are stopped before any
 * is freed. */
void covey__pool_free(struct covey_pool *pool);
void covey__pool_submit(struct covey_pool *pool, struct covey_task *task);
/* At once, on the loop's thread, where this is called: for what is light (light.h). */
void covey__pool_here(struct covey_pool *pool, struct covey_task *task);
static inline void covey__pool_give(struct covey_pool *pool, struct covey_task *task, bool light)
{
    (light ? covey__pool_here : covey__pool_submit)(pool, task);
}
unsigned covey__pool_threads(const struct covey_pool *pool);

#endif /* COVEY_SESSION_POOL_H */
