/* SPDX-License-Identifier: MIT
 *
 * pace.h - makes this process behave like a device with one processor of P percent of a core.
 *
 * What work used by its thread's CPU clock is charged, and no effect of it (a message, a result)
 * leaves before the charged time divided by P has passed. A quota of the kernel would let the node
 * run at full speed for a while and then stop it, which makes latencies meaningless.
 *
 * Three classes share the processor, as their threads' niceness has it: the loop and the ciphers
 * are urgent and wait for one another only; computing waits for them; storage and what is made for
 * later, in the background, wait for all, but for a small part that they have in any case. For
 * each class a ledger says when, on the device that is played, all that was charged so far has been
 * done. The ledgers go on from one another where work is handed over, so the time in which this
 * machine wakes a thread is not counted as the device's.
 *
 * The pace belongs to the process like its clocks do. Off, each call is one branch.
 */
#ifndef COVEY_PACE_H
#define COVEY_PACE_H

#include <stdatomic.h>

#include "covey/bytes.h"

enum covey_pace_class { COVEY_PACE_URGENT, COVEY_PACE_COMPUTE, COVEY_PACE_BACKGROUND };

/* 0: not paced. Written by covey_pace_set() alone. */
extern _Atomic unsigned covey__pace_percent;

static inline bool covey_pace_on(void)
{
    return atomic_load_explicit(&covey__pace_percent, memory_order_relaxed) != 0;
}

/* Before any other thread is started: 1 to 99 percent of a core; 100: as fast as the machine is. */
void covey_pace_set(unsigned percent);
/* 100 when not paced: what is measured unpaced is to be multiplied by this and divided by 100. */
unsigned covey_pace_percent(void);

/* ---- work handed to another thread ---- */

/* Where on the ledgers a piece of work begins; lives from its submission to its end. */
struct covey_pace_work {
    uint64_t from_ns; /* submitted then, as the device sees it */
    enum covey_pace_class class;
};

void covey__pace_submit(struct covey_pace_work *w, enum covey_pace_class class);
void covey__pace_begin(const struct covey_pace_work *w);
void covey__pace_end(const struct covey_pace_work *w);
void covey__pace_seen(const struct covey_pace_work *w);
void covey__pace_step(void);
void covey__pace_hand_on(void);

/* On the loop's thread, which submits. */
static inline void covey_pace_submit(struct covey_pace_work *w, enum covey_pace_class class)
{
    if (covey_pace_on()) {
        covey__pace_submit(w, class);
    }
}

/* On the thread that works, in front of the work. */
static inline void covey_pace_begin(const struct covey_pace_work *w)
{
    if (covey_pace_on()) {
        covey__pace_begin(w);
    }
}

/* Behind the work: charges it and returns when the device would be done. */
static inline void covey_pace_end(const struct covey_pace_work *w)
{
    if (covey_pace_on()) {
        covey__pace_end(w);
    }
}

/* On the loop, when it was told of the end: for urgent work only. */
static inline void covey_pace_seen(const struct covey_pace_work *w)
{
    if (covey_pace_on()) {
        covey__pace_seen(w);
    }
}

/* In the middle of long work, on its thread: work in the background lets go first what became
 * urgent or is to be computed meanwhile; else nothing happens. */
static inline void covey_pace_step(void)
{
    if (covey_pace_on()) {
        covey__pace_step();
    }
}

/* In the middle of a piece of computing, before a part of it is handed on: charges what it used so
 * far and returns when the device would be as far. */
static inline void covey_pace_hand_on(void)
{
    if (covey_pace_on()) {
        covey__pace_hand_on();
    }
}

/* ---- a thread that works for itself ---- */

void covey__pace_enter(void);
void covey__pace_leave(void);

/* On a thread of one's own, not the loop's, that computes without being handed each piece: in front
 * of a piece, and behind it, where it charges the piece as computing and returns when the device
 * would be done. Leave also before anything of the piece is handed on, and before waiting; twice in
 * a row either does nothing. */
static inline void covey_pace_enter(void)
{
    if (covey_pace_on()) {
        covey__pace_enter();
    }
}

static inline void covey_pace_leave(void)
{
    if (covey_pace_on()) {
        covey__pace_leave();
    }
}

/* ---- the loop's thread ---- */

void covey__pace_effect(void);
/* In front of everything that leaves the process: charges what the thread used since it was last
 * charged, and returns when the device would be as far. */
static inline void covey_pace_effect(void)
{
    if (covey_pace_on()) {
        covey__pace_effect();
    }
}

void covey__pace_writes(unsigned count);
void covey__pace_written(unsigned count);
/* The same in front of several writes at once: what they will cost, by what the last ones did, is
 * waited for before the first. A sleep for each would cost the device more than many of them do. */
static inline void covey_pace_writes(unsigned count)
{
    if (covey_pace_on()) {
        covey__pace_writes(count);
    }
}

/* Behind them. */
static inline void covey_pace_written(unsigned count)
{
    if (covey_pace_on()) {
        covey__pace_written(count);
    }
}

/* In front of the loop's waiting for something to happen. */
void covey_pace_rest(void);

#endif /* COVEY_PACE_H */
