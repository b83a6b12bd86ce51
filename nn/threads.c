/* SPDX-License-Identifier: MIT */
#include "covey/threads.h"

#include "covey/bytes.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A run is one word: how many workers are inside, whether it takes more, and its number. The
 * caller waits only for workers that came in, never for one that the system has not woken yet. */
#define STATE_INSIDE UINT64_C(0xff)
#define STATE_OPEN UINT64_C(0x100)
#define STATE_NUMBER UINT64_C(0x200)

/* About 50 microseconds: layers follow each other faster than a thread wakes. */
enum { SPIN_MAX = 1000, ALIGNMENT = 64 };

struct worker {
    struct covey_threads *pool;
    pthread_t thread;
    unsigned index;
};

/* fn, ctx and parts change only while the run is closed and nobody is inside. */
struct covey_threads {
    _Alignas(ALIGNMENT) _Atomic uint64_t state;
    _Alignas(ALIGNMENT) _Atomic size_t next; /* part */
    _Alignas(ALIGNMENT) atomic_uint sleeping;
    atomic_bool stop;
    covey_threads_fn fn;
    void *ctx;
    size_t parts;
    unsigned count, started, spins;
    pthread_mutex_t lock;
    pthread_cond_t opened, left;
    struct worker workers[COVEY_THREADS_MAX];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#endif
}

static void take_parts(struct covey_threads *t, unsigned thread)
{
    size_t part;
    while ((part = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed)) < t->parts) {
        t->fn(t->ctx, part, thread);
    }
}

/* Takes a run that is open and not number last; its number in last. */
static bool enter(struct covey_threads *t, uint64_t *last)
{
    uint64_t state = atomic_load(&t->state);
    while ((state & STATE_OPEN) != 0 && state / STATE_NUMBER != *last) {
        if (atomic_compare_exchange_weak(&t->state, &state, state + 1)) {
            *last = state / STATE_NUMBER;
            return true;
        }
    }
    return false;
}

static void leave(struct covey_threads *t)
{
    uint64_t state = atomic_fetch_sub(&t->state, 1);
    if ((state & STATE_OPEN) == 0 && (state & STATE_INSIDE) == 1) {
        pthread_mutex_lock(&t->lock);
        pthread_cond_signal(&t->left);
        pthread_mutex_unlock(&t->lock);
    }
}

/* false: the pool is to end. */
static bool wait_open(struct covey_threads *t, uint64_t *last)
{
    for (unsigned i = 0; i < t->spins; i++) {
        if (enter(t, last)) {
            return true;
        }
        relax();
    }
    /* Sleeping is told before the state is read, and the caller opens before it reads sleeping: one
     * of the two sees the other. */
    pthread_mutex_lock(&t->lock);
    atomic_fetch_add(&t->sleeping, 1);
    bool entered = enter(t, last);
    while (!entered && !atomic_load(&t->stop)) {
        pthread_cond_wait(&t->opened, &t->lock);
        entered = enter(t, last);
    }
    atomic_fetch_sub(&t->sleeping, 1);
    pthread_mutex_unlock(&t->lock);
    return entered;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    uint64_t last = 0;
    while (wait_open(w->pool, &last)) {
        take_parts(w->pool, w->index);
        leave(w->pool);
    }
    return NULL;
}

/* Signals are for the thread that runs the program's loop. */
static int start(struct covey_threads *t)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int status = 0;
    while (status == 0 && t->started + 1 < t->count) {
        struct worker *w = &t->workers[t->started];
        *w = (struct worker){.pool = t, .index = t->started + 1};
        status = pthread_create(&w->thread, NULL, worker_main, w);
        t->started += status == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

covey_err covey_threads_new(unsigned count, struct covey_threads **out)
{
    if (count == 0 || count > COVEY_THREADS_MAX) {
        return COVEY_ERR_RANGE;
    }
    struct covey_threads *t = aligned_alloc(ALIGNMENT, sizeof(*t));
    if (t == NULL) {
        return COVEY_ERR_NOMEM;
    }
    memset(t, 0, sizeof(*t));
    t->count = count;
    /* With fewer processors than threads, spinning would hold up who computes. */
    t->spins = sysconf(_SC_NPROCESSORS_ONLN) >= (long)count ? SPIN_MAX : 0;
    atomic_init(&t->state, STATE_NUMBER); /* workers begin with number 0 as their last */
    atomic_init(&t->next, 0);
    atomic_init(&t->sleeping, 0);
    atomic_init(&t->stop, false);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->opened, NULL);
    pthread_cond_init(&t->left, NULL);
    if (start(t) != 0) {
        covey_threads_free(t);
        return COVEY_ERR_NOMEM;
    }
    *out = t;
    return COVEY_OK;
}

void covey_threads_free(struct covey_threads *t)
{
    if (t == NULL) {
        return;
    }
    pthread_mutex_lock(&t->lock);
    atomic_store(&t->stop, true);
    pthread_cond_broadcast(&t->opened);
    pthread_mutex_unlock(&t->lock);
    for (unsigned i = 0; i < t->started; i++) {
        pthread_join(t->workers[i].thread, NULL);
    }
    pthread_cond_destroy(&t->left);
    pthread_cond_destroy(&t->opened);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

unsigned covey_threads_count(const struct covey_threads *t)
{
    return t == NULL ? 1 : t->count;
}

static void open_run(struct covey_threads *t)
{
    atomic_store_explicit(&t->next, 0, memory_order_relaxed);
    uint64_t number = atomic_load(&t->state) / STATE_NUMBER + 1;
    atomic_store(&t->state, number * STATE_NUMBER | STATE_OPEN);
    if (atomic_load(&t->sleeping) > 0) {
        pthread_mutex_lock(&t->lock);
        pthread_cond_broadcast(&t->opened);
        pthread_mutex_unlock(&t->lock);
    }
}

static void close_run(struct covey_threads *t)
{
    uint64_t inside = atomic_fetch_and(&t->state, ~STATE_OPEN) & STATE_INSIDE;
    for (unsigned i = 0; i < t->spins && inside > 0; i++) {
        relax();
        inside = atomic_load(&t->state) & STATE_INSIDE;
    }
    if (inside > 0) {
        pthread_mutex_lock(&t->lock);
        while ((atomic_load(&t->state) & STATE_INSIDE) != 0) {
            pthread_cond_wait(&t->left, &t->lock);
        }
        pthread_mutex_unlock(&t->lock);
    }
}

void covey_threads_run(struct covey_threads *t, size_t parts, covey_threads_fn fn, void *ctx)
{
    if (t == NULL || t->count == 1 || parts <= 1) {
        for (size_t part = 0; part < parts; part++) {
            fn(ctx, part, 0);
        }
        return;
    }
    COVEY_ASSERT((atomic_load(&t->state) & (STATE_OPEN | STATE_INSIDE)) == 0); /* one caller */
    t->fn = fn;
    t->ctx = ctx;
    t->parts = parts;
    open_run(t);
    take_parts(t, 0);
    close_run(t);
}
