/* SPDX-License-Identifier: MIT
 *
 * loop.h - the one event loop of a process (libuv), its clock, one timer, and posting from threads.
 */
#ifndef COVEY_LOOP_H
#define COVEY_LOOP_H

#include "covey/bytes.h"

struct covey_loop;

/* Also makes the process ignore SIGPIPE, unless it handles it already. */
covey_err covey_loop_new(struct covey_loop **out) COVEY_CHECK;
/* Runs close callbacks to the end, and what was posted. */
void covey_loop_free(struct covey_loop *loop);
/* Runs until covey_loop_stop(). */
void covey_loop_run(struct covey_loop *loop);
void covey_loop_stop(struct covey_loop *loop);

/* Monotonic, read once per turn. */
uint64_t covey_loop_now_ms(const struct covey_loop *loop);
/* System clock in seconds, in milliseconds. */
uint64_t covey_wall_s(void);
uint64_t covey_wall_ms(void);
/* Monotonic nanoseconds, read at the call: for measuring. */
uint64_t covey_clock_ns(void);
/* Nanoseconds that the calling thread has computed. */
uint64_t covey_thread_cpu_ns(void);
/* The same of all threads of the process. */
uint64_t covey_process_cpu_ns(void);

typedef void (*covey_loop_fn)(void *user);
/* Calls fn(user) on the loop's thread, in order; the only call allowed from other threads. */
covey_err covey_loop_post(struct covey_loop *loop, covey_loop_fn fn, void *user) COVEY_CHECK;
/* On the loop's thread, when nobody posts for this user any more: what was posted for it is not
 * called, so that it can be freed. */
void covey_loop_unpost(struct covey_loop *loop, const void *user);
/* Runs work(user) on one of libuv's threads, then done(user) on the loop. */
covey_err covey_loop_work(struct covey_loop *loop, covey_loop_fn work, covey_loop_fn done,
                          void *user) COVEY_CHECK;

struct covey_timer;
covey_err covey_timer_new(struct covey_loop *loop, covey_loop_fn fn, void *user,
                          struct covey_timer **out) COVEY_CHECK;
void covey_timer_free(struct covey_timer *timer);
/* deadline on covey_loop_now_ms()'s clock; UINT64_MAX: never. Replaces the last. One in the past
 * that fn sets comes at the next turn: what the loop has else to do goes on. */
void covey_timer_set(struct covey_timer *timer, uint64_t deadline_ms);

/* For trying, before the loop runs: what channels and datagrams send leaves delay_ms later, in
 * order, and of the datagrams so many percent do not leave at all. */
covey_err covey_loop_shape(struct covey_loop *loop, uint32_t delay_ms,
                           double loss_percent) COVEY_CHECK;

/* SIGTERM and SIGINT. */
covey_err covey_loop_on_signal(struct covey_loop *loop, covey_loop_fn fn, void *user) COVEY_CHECK;

#endif /* COVEY_LOOP_H */
