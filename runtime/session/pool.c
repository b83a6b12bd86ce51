/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { POOL_THREADS_MAX = 16 };

struct covey_pool {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct covey_task_list todo;     /* under mutex */
    struct covey_task_list finished; /* under mutex; drained on the loop */
    bool posted;                     /* under mutex: a drain is on its way to the loop */
    unsigned idle;                   /* under mutex: threads that wait for a task */
    bool stop;
    struct covey_loop *loop;
    struct covey_scratch here; /* the loop's thread's */
    struct covey_pool_config config;
    unsigned threads;
    pthread_t thread[POOL_THREADS_MAX];
};

void covey__task_list_push(struct covey_task_list *list, struct covey_task *task)
{
    task->next = NULL;
    if (list->tail != NULL) {
        list->tail->next = task;
    } else {
        list->head = task;
    }
    list->tail = task;
}

struct covey_task *covey__task_list_pop(struct covey_task_list *list)
{
    struct covey_task *task = list->head;
    if (task != NULL) {
        list->head = task->next;
        if (list->head == NULL) {
            list->tail = NULL;
        }
    }
    return task;
}

static void scratch_free(struct covey_scratch *scratch)
{
    covey__account_give(scratch->account, scratch->floats * sizeof(float));
    free(scratch->data);
}

float *covey__scratch_get(struct covey_scratch *scratch, size_t floats)
{
    /* Also for 0 floats there is a place: a dense layer may be a thread's first work. */
    if (floats > PTRDIFF_MAX / sizeof(float)) {
        return NULL; /* or the bytes would come out small */
    }
    if (scratch->data == NULL || scratch->floats < floats) {
        size_t rounded = floats / 16 * 16 + 16;
        float *bigger = aligned_alloc(64, rounded * sizeof(float));
        if (bigger == NULL) {
            return NULL;
        }
        free(scratch->data);
        covey__account_add(scratch->account, (rounded - scratch->floats) * sizeof(float));
        scratch->data = bigger;
        scratch->floats = rounded;
    }
    return scratch->data;
}

static void run_finished(struct covey_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    struct covey_task *task = pool->finished.head;
    pool->finished.head = pool->finished.tail = NULL;
    pthread_mutex_unlock(&pool->mutex);
    while (task != NULL) {
        struct covey_task *next = task->next;
        task->done(task);
        task = next;
    }
}

static void drain(void *user)
{
    struct covey_pool *pool = user;
    pthread_mutex_lock(&pool->mutex);
    pool->posted = false;
    pthread_mutex_unlock(&pool->mutex);
    run_finished(pool);
}

/* Whoever is woken wants the mutex: it is let go before. */
static void finish(struct covey_pool *pool, struct covey_task *task)
{
    pthread_mutex_lock(&pool->mutex);
    covey__task_list_push(&pool->finished, task);
    bool post = !pool->posted && !pool->stop;
    pool->posted = pool->posted || post;
    pthread_mutex_unlock(&pool->mutex);
    if (post && covey_loop_post(pool->loop, drain, pool) != COVEY_OK) {
        pthread_mutex_lock(&pool->mutex);
        pool->posted = false;
        pthread_mutex_unlock(&pool->mutex);
    }
}

static void *pool_thread(void *user)
{
    struct covey_pool *pool = user;
    struct covey_scratch scratch = {.account = pool->config.account};
    /* On Linux niceness is per thread. A refusal changes only who goes first. */
    int ignored = setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), pool->config.nice);
    (void)ignored;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct covey_task *task = covey__task_list_pop(&pool->todo);
        if (task == NULL) {
            if (pool->stop) {
                break;
            }
            pool->idle++;
            pthread_cond_wait(&pool->wake, &pool->mutex);
            pool->idle--;
            continue;
        }
        pthread_mutex_unlock(&pool->mutex);
        covey_pace_begin(&task->pace);
        task->work(task, &scratch);
        covey_pace_end(&task->pace);
        finish(pool, task);
        pthread_mutex_lock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    scratch_free(&scratch);
    return NULL;
}

covey_err covey__pool_new(struct covey_loop *loop, const struct covey_pool_config *config,
                          struct covey_pool **out)
{
    COVEY_ASSERT(config->threads >= 1 && config->class != COVEY_PACE_URGENT);
    struct covey_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return COVEY_ERR_NOMEM;
    }
    pool->loop = loop;
    pool->config = *config;
    pool->here.account = config->account;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    unsigned most = config->threads < POOL_THREADS_MAX ? config->threads : POOL_THREADS_MAX;
    for (; pool->threads < most; pool->threads++) {
        if (pthread_create(&pool->thread[pool->threads], NULL, pool_thread, pool) != 0) {
            break;
        }
    }
    if (pool->threads == 0) {
        covey__pool_free(pool);
        return COVEY_ERR_NOMEM;
    }
    *out = pool;
    return COVEY_OK;
}

void covey__pool_submit(struct covey_pool *pool, struct covey_task *task)
{
    covey_pace_submit(&task->pace, pool->config.class);
    pthread_mutex_lock(&pool->mutex);
    task->pool = pool;
    covey__task_list_push(&pool->todo, task);
    bool wake = pool->idle > 0;
    pthread_mutex_unlock(&pool->mutex);
    if (wake) {
        pthread_cond_signal(&pool->wake);
    }
}

void covey__pool_here(struct covey_pool *pool, struct covey_task *task)
{
    task->work(task, &pool->here);
    task->done(task);
}

unsigned covey__pool_threads(const struct covey_pool *pool)
{
    return pool->threads;
}

void covey__pool_stop(struct covey_pool *pool)
{
    if (pool == NULL || pool->stop) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stop = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->threads; i++) {
        pthread_join(pool->thread[i], NULL);
    }
    run_finished(pool);
}

void covey__pool_free(struct covey_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    covey__pool_stop(pool);
    scratch_free(&pool->here);
    covey_loop_unpost(pool->loop, pool);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
