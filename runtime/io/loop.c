/* SPDX-License-Identifier: MIT */
#include "covey/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "covey/pace.h"
#include "spare.h"
#include "loop_internal.h"

struct post {
    struct post *next;
    covey_loop_fn fn;
    void *user;
};

enum { SIGNAL_COUNT = 2 };

/* first and last are guarded by lock; everything else belongs to the loop's thread. */
struct covey_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t wait;
    struct covey__before_wait *before_wait;
    struct covey__shape shape;
    uv_mutex_t lock;
    struct post *first, *last;
    struct post *taken; /* of these, to be run now */
    uv_signal_t signals[SIGNAL_COUNT];
    bool has_signals;
    covey_loop_fn on_signal;
    void *signal_user;
};

struct covey_timer {
    uv_timer_t uv;
    covey_loop_fn fn;
    void *user;
    bool calling; /* fn */
};

struct work {
    uv_work_t uv;
    covey_loop_fn work, done;
    void *user;
    struct covey_pace_work pace;
};

uv_loop_t *covey__loop_uv(struct covey_loop *loop)
{
    return &loop->uv;
}

struct covey__shape *covey__loop_shape(struct covey_loop *loop)
{
    return &loop->shape;
}

covey_err covey_loop_shape(struct covey_loop *loop, uint32_t delay_ms, double loss_percent)
{
    return covey__shape_open(&loop->shape, &loop->uv, delay_ms, loss_percent);
}

static struct post *take_posts(struct covey_loop *loop)
{
    uv_mutex_lock(&loop->lock);
    struct post *p = loop->first;
    loop->first = NULL;
    loop->last = NULL;
    uv_mutex_unlock(&loop->lock);
    return p;
}

static void run_posts(struct covey_loop *loop)
{
    loop->taken = take_posts(loop);
    while (loop->taken != NULL) {
        struct post *p = loop->taken;
        loop->taken = p->next;
        p->fn(p->user);
        free(p);
    }
}

/* Returns the last one that is left. */
static struct post *drop_posts(struct post **first, const void *user)
{
    struct post *last = NULL;
    while (*first != NULL) {
        struct post *p = *first;
        if (p->user == user) {
            *first = p->next;
            free(p);
        } else {
            last = p;
            first = &p->next;
        }
    }
    return last;
}

void covey_loop_unpost(struct covey_loop *loop, const void *user)
{
    (void)drop_posts(&loop->taken, user);
    uv_mutex_lock(&loop->lock);
    loop->last = drop_posts(&loop->first, user);
    uv_mutex_unlock(&loop->lock);
}

static void on_wake(uv_async_t *wake)
{
    run_posts(wake->data);
}

/* libuv writes without MSG_NOSIGNAL: a peer that resets its connection must not end the process. */
static void ignore_broken_pipes(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        now.sa_handler = SIG_IGN;
        int rc = sigaction(SIGPIPE, &now, NULL);
        COVEY_ASSERT(rc == 0);
    }
}

void covey__loop_before_wait(struct covey_loop *loop, struct covey__before_wait *hook)
{
    hook->next = loop->before_wait;
    loop->before_wait = hook;
}

void covey__loop_forget(struct covey_loop *loop, struct covey__before_wait *hook)
{
    for (struct covey__before_wait **at = &loop->before_wait; *at != NULL; at = &(*at)->next) {
        if (*at == hook) {
            *at = hook->next;
            return;
        }
    }
}

static void run_before_wait(struct covey_loop *loop)
{
    for (struct covey__before_wait *hook = loop->before_wait; hook != NULL;) {
        struct covey__before_wait *next = hook->next;
        hook->fn(hook->user);
        hook = next;
    }
}

static void on_wait(uv_prepare_t *wait)
{
    run_before_wait(wait->data);
    covey__spare_trim();
    if (covey_pace_on()) {
        covey_pace_rest();
    }
}

/* Alone it must not keep the loop running. */
static void start_waiting(struct covey_loop *loop)
{
    int rc = uv_prepare_init(&loop->uv, &loop->wait) | uv_prepare_start(&loop->wait, on_wait);
    COVEY_ASSERT(rc == 0);
    loop->wait.data = loop;
    uv_unref((uv_handle_t *)&loop->wait);
}

covey_err covey_loop_new(struct covey_loop **out)
{
    ignore_broken_pipes();
    struct covey_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (uv_mutex_init(&loop->lock) != 0) {
        goto no_lock;
    }
    if (uv_loop_init(&loop->uv) != 0) {
        goto no_loop;
    }
    if (uv_async_init(&loop->uv, &loop->wake, on_wake) != 0) {
        goto no_wake;
    }
    loop->wake.data = loop;
    start_waiting(loop);
    *out = loop;
    return COVEY_OK;
no_wake:
    uv_loop_close(&loop->uv);
no_loop:
    uv_mutex_destroy(&loop->lock);
no_lock:
    free(loop);
    return COVEY_ERR_IO;
}

static void close_left(uv_handle_t *handle, void *user)
{
    (void)user;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void covey_loop_free(struct covey_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    /* Owners have closed what they own; our own handles are left, and a forgotten one must not make
     * the process hang at its end. */
    covey__shape_close(&loop->shape);
    uv_walk(&loop->uv, close_left, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) {
    }
    COVEY_ASSERT(uv_loop_close(&loop->uv) == 0);
    run_posts(loop); /* what is left frees what was on its way */
    uv_mutex_destroy(&loop->lock);
    free(loop);
}

void covey_loop_run(struct covey_loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    run_before_wait(loop); /* a last word may have been said with the stop */
}

void covey_loop_stop(struct covey_loop *loop)
{
    uv_stop(&loop->uv);
}

uint64_t covey_loop_now_ms(const struct covey_loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t covey_wall_ms(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_REALTIME, &t) != 0 || t.tv_sec < 0) {
        return 0;
    }
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t covey_wall_s(void)
{
    return covey_wall_ms() / 1000;
}

uint64_t covey_clock_ns(void)
{
    return uv_hrtime();
}

static uint64_t read_cpu(clockid_t clock)
{
    struct timespec t = {0, 0};
    (void)clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t covey_thread_cpu_ns(void)
{
    return read_cpu(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t covey_process_cpu_ns(void)
{
    return read_cpu(CLOCK_PROCESS_CPUTIME_ID);
}

covey_err covey_loop_post(struct covey_loop *loop, covey_loop_fn fn, void *user)
{
    struct post *p = malloc(sizeof(*p));
    if (p == NULL) {
        return COVEY_ERR_NOMEM;
    }
    *p = (struct post){.fn = fn, .user = user};
    uv_mutex_lock(&loop->lock);
    if (loop->last == NULL) {
        loop->first = p;
    } else {
        loop->last->next = p;
    }
    loop->last = p;
    uv_mutex_unlock(&loop->lock);
    return uv_async_send(&loop->wake) == 0 ? COVEY_OK : COVEY_ERR_IO;
}

static void run_work(uv_work_t *uv)
{
    struct work *w = uv->data;
    covey_pace_begin(&w->pace);
    w->work(w->user);
    covey_pace_end(&w->pace);
}

static void finish_work(uv_work_t *uv, int status)
{
    (void)status;
    struct work *w = uv->data;
    covey_loop_fn done = w->done;
    void *user = w->user;
    covey_pace_seen(&w->pace);
    free(w);
    done(user);
}

covey_err covey_loop_work(struct covey_loop *loop, covey_loop_fn work, covey_loop_fn done,
                          void *user)
{
    struct work *w = malloc(sizeof(*w));
    if (w == NULL) {
        return COVEY_ERR_NOMEM;
    }
    w->work = work;
    w->done = done;
    w->user = user;
    w->uv.data = w;
    covey_pace_submit(&w->pace, COVEY_PACE_URGENT);
    if (uv_queue_work(&loop->uv, &w->uv, run_work, finish_work) != 0) {
        covey_pace_seen(&w->pace);
        free(w);
        return COVEY_ERR_IO;
    }
    return COVEY_OK;
}

covey_err covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                          struct covey_timer **out)
{
    struct covey_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return COVEY_ERR_NOMEM;
    }
    if (uv_timer_init(&loop->uv, &t->uv) != 0) {
        free(t);
        return COVEY_ERR_IO;
    }
    t->uv.data = t;
    t->fn = fn;
    t->user = user;
    *out = t;
    return COVEY_OK;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void covey_timer_free(struct covey_timer *timer)
{
    if (timer != NULL) {
        uv_close((uv_handle_t *)&timer->uv, timer_closed);
    }
}

static void on_timer(uv_timer_t *uv)
{
    struct covey_timer *t = uv->data;
    t->calling = true;
    t->fn(t->user);
    t->calling = false;
}

void covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX) {
        uv_timer_stop(&timer->uv);
        return;
    }
    /* libuv calls timers that are due until none is, and nothing else meanwhile. */
    uint64_t now = uv_now(timer->uv.loop), least = timer->calling ? 1 : 0;
    uint64_t in_ms = deadline_ms > now ? deadline_ms - now : 0;
    int rc = uv_timer_start(&timer->uv, on_timer, in_ms > least ? in_ms : least, 0);
    COVEY_ASSERT(rc == 0);
}

static void on_signal(uv_signal_t *uv, int number)
{
    (void)number;
    struct covey_loop *loop = uv->data;
    loop->on_signal(loop->signal_user);
}

covey_err covey_loop_on_signal(struct covey_loop *loop, covey_loop_fn fn, void *user)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT};
    loop->on_signal = fn;
    loop->signal_user = user;
    if (loop->has_signals) {
        return COVEY_OK;
    }
    for (int i = 0; i < SIGNAL_COUNT; i++) {
        if (uv_signal_init(&loop->uv, &loop->signals[i]) != 0) {
            return COVEY_ERR_IO;
        }
        loop->signals[i].data = loop;
        /* A signal handler alone must not keep the loop running. */
        uv_unref((uv_handle_t *)&loop->signals[i]);
        if (uv_signal_start(&loop->signals[i], on_signal, numbers[i]) != 0) {
            return COVEY_ERR_IO;
        }
    }
    loop->has_signals = true;
    return COVEY_OK;
}
