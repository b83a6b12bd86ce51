/* SPDX-License-Identifier: MIT */
#include "covey/pace.h"

#include <pthread.h>

#include "pace_machine.h"

/* A thread sleeps no shorter than this with any accuracy; what is owed is paid at the next effect.
 */
#define CARRY_NS UINT64_C(40000)
/* A wait no longer than this was not one: what the loop then sees was there before it asked. */
#define REST_NS UINT64_C(60000)
/* How far the ledgers may lag behind the clock: a node that was stopped for a minute must not make
 * up for it. */
#define CREDIT_NS UINT64_C(5000000)
/* What work in the background charges at once, at most about. */
#define STEP_NS UINT64_C(1000000)
/* Computing leaves the background this part of the processor, like a niceness would: it ends some
 * day also where there is always something to compute. */
#define BACKGROUND_PART 16

_Atomic unsigned covey__pace_percent;

static struct {
    pthread_mutex_t lock;
    uint64_t urgent_ns;     /* when the urgent work charged so far is done */
    uint64_t compute_ns;    /* the same of computing, urgent work that went ahead of it included */
    uint64_t background_ns; /* the same in the background, all that went ahead of it included */
    unsigned urgent, compute,
        background;     /* pieces submitted and not yet ended (urgent: not seen) */
    uint64_t handed_ns; /* latest end of one that the loop has not woken for */
    uint64_t rest_ns;   /* the loop began to wait then */
    bool resting;
    /* Of the loop's thread alone: */
    uint64_t delayed_ns;     /* for how long it was ready and did not run before it began to wait */
    uint64_t writes_from_ns; /* its processor time when the writes at hand began */
    uint64_t write_ns;       /* that one took lately */
} ledger = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What of this thread's CPU time is charged already. */
static _Thread_local uint64_t charged_ns;
/* It works in the background. */
static _Thread_local bool behind;
/* It is at a piece of its own. */
static _Thread_local bool inside;

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void covey_pace_set(unsigned percent)
{
    COVEY_ASSERT(percent >= 1 && percent <= 100);
    covey__machine_sleep_exactly();
    uint64_t now = covey__machine_now_ns();
    pthread_mutex_lock(&ledger.lock);
    ledger.urgent_ns = ledger.compute_ns = ledger.background_ns = now;
    pthread_mutex_unlock(&ledger.lock);
    charged_ns = covey__machine_cpu_ns();
    atomic_store(&covey__pace_percent, percent < 100 ? percent : 0);
}

unsigned covey_pace_percent(void)
{
    unsigned percent = atomic_load_explicit(&covey__pace_percent, memory_order_relaxed);
    return percent == 0 ? 100 : percent;
}

static uint64_t stretched(uint64_t cpu_ns)
{
    return cpu_ns * 100 / covey_pace_percent();
}

/* Under lock. Urgent work goes ahead of computing, which ends that much later. */
static void charge_urgent(uint64_t cpu_ns)
{
    uint64_t spent = stretched(cpu_ns);
    ledger.urgent_ns += spent;
    if (ledger.compute > 0) {
        ledger.compute_ns += spent;
    }
    if (ledger.background > 0) {
        ledger.background_ns += spent;
    }
}

/* What the calling thread used since it was last charged. */
static uint64_t take_cpu(void)
{
    uint64_t cpu = covey__machine_cpu_ns();
    uint64_t used = cpu - charged_ns;
    charged_ns = cpu;
    return used;
}

/* Under lock: the loop waited until woke_ns. The device was idle until then, unless the loop had
 * not really waited or a cipher was at work; where computing's end woke the loop, until that; and
 * where other devices' processes had the machine, until the loop was ready to run. */
static void wake(uint64_t woke_ns)
{
    ledger.resting = false;
    uint64_t delayed_ns = later(covey__machine_delay_ns(), ledger.delayed_ns);
    uint64_t delay = delayed_ns - ledger.delayed_ns;
    uint64_t ready_ns = woke_ns - ledger.rest_ns > delay ? woke_ns - delay : ledger.rest_ns;
    if (ledger.urgent == 0 && ready_ns > ledger.rest_ns + REST_NS) {
        bool handed = ledger.handed_ns != 0 && ledger.handed_ns < ready_ns;
        ledger.urgent_ns = later(ledger.urgent_ns, handed ? ledger.handed_ns : ready_ns);
    }
    ledger.handed_ns = 0;
}

/* Under lock, on the loop's thread. Returns the time. */
static uint64_t charge_loop(void)
{
    uint64_t now = covey__machine_now_ns(), used = take_cpu();
    if (ledger.resting) {
        wake(now - used);
        (void)take_cpu();
    }
    charge_urgent(used);
    ledger.urgent_ns = later(ledger.urgent_ns, now - CREDIT_NS);
    return now;
}

/* Falling asleep and waking up takes a processor 20 us, which the device, at work meanwhile, would
 * not spend: that is not charged. */
static void sleep_until(uint64_t at_ns)
{
    uint64_t before = covey__machine_cpu_ns();
    covey__machine_sleep_until(at_ns);
    charged_ns += covey__machine_cpu_ns() - before;
}

void covey__pace_effect(void)
{
    pthread_mutex_lock(&ledger.lock);
    uint64_t now = charge_loop(), until = ledger.urgent_ns;
    pthread_mutex_unlock(&ledger.lock);
    if (until > now + CARRY_NS) {
        sleep_until(until);
    }
}

void covey__pace_writes(unsigned count)
{
    pthread_mutex_lock(&ledger.lock);
    uint64_t now = charge_loop();
    uint64_t until = ledger.urgent_ns + stretched(count * ledger.write_ns);
    pthread_mutex_unlock(&ledger.lock);
    if (until > now + CARRY_NS) {
        sleep_until(until);
    }
    ledger.writes_from_ns = covey__machine_cpu_ns();
}

/* They are charged with what follows. */
void covey__pace_written(unsigned count)
{
    if (count > 0) {
        uint64_t each_ns = (covey__machine_cpu_ns() - ledger.writes_from_ns) / count;
        ledger.write_ns = (3 * ledger.write_ns + each_ns) / 4;
    }
}

/* What was used since the last effect is owed, not waited for: a device would be at it while the
 * next thing arrives. */
void covey_pace_rest(void)
{
    pthread_mutex_lock(&ledger.lock);
    ledger.rest_ns = charge_loop();
    ledger.resting = true;
    ledger.delayed_ns = covey__machine_delay_ns();
    (void)take_cpu(); /* asking is not the device's work */
    pthread_mutex_unlock(&ledger.lock);
}

void covey__pace_submit(struct covey_pace_work *w, enum covey_pace_class class)
{
    pthread_mutex_lock(&ledger.lock);
    uint64_t now = charge_loop();
    (void)now;
    *w = (struct covey_pace_work){.from_ns = ledger.urgent_ns, .class = class};
    if (class == COVEY_PACE_URGENT) {
        ledger.urgent++;
    } else if (class == COVEY_PACE_COMPUTE) {
        ledger.compute++;
    } else {
        ledger.background++;
    }
    pthread_mutex_unlock(&ledger.lock);
}

void covey__pace_begin(const struct covey_pace_work *w)
{
    pthread_mutex_lock(&ledger.lock);
    behind = w->class == COVEY_PACE_BACKGROUND;
    if (w->class == COVEY_PACE_COMPUTE) {
        ledger.compute_ns = later(ledger.compute_ns, w->from_ns);
    } else if (behind) {
        uint64_t busy_ns = ledger.compute > 0 ? ledger.compute_ns : 0;
        ledger.background_ns = later(ledger.background_ns, later(w->from_ns, busy_ns));
    }
    pthread_mutex_unlock(&ledger.lock);
}

static void end_urgent(void)
{
    pthread_mutex_lock(&ledger.lock);
    charge_urgent(take_cpu());
    uint64_t until = ledger.urgent_ns;
    pthread_mutex_unlock(&ledger.lock);
    sleep_until(until);
}

/* Under lock, which is let go meanwhile: until the time that *at_ns has come to, since others may
 * go ahead still. */
static void wait_for(const uint64_t *at_ns)
{
    while (*at_ns > covey__machine_now_ns()) {
        uint64_t until = *at_ns;
        pthread_mutex_unlock(&ledger.lock);
        sleep_until(until);
        pthread_mutex_lock(&ledger.lock);
    }
}

/* Under lock. */
static void charge_compute(void)
{
    uint64_t now = covey__machine_now_ns(), spent = stretched(take_cpu());
    if (ledger.background > 0) {
        ledger.background_ns += spent;
        spent += spent / BACKGROUND_PART;
    }
    ledger.compute_ns = later(ledger.compute_ns + spent, now - CREDIT_NS);
    wait_for(&ledger.compute_ns);
}

static void end_compute(void)
{
    pthread_mutex_lock(&ledger.lock);
    charge_compute();
    ledger.compute--;
    ledger.handed_ns = later(ledger.handed_ns, ledger.compute_ns);
    pthread_mutex_unlock(&ledger.lock);
}

/* Under lock. */
static void charge_background(void)
{
    uint64_t now = covey__machine_now_ns(), spent = stretched(take_cpu());
    ledger.background_ns = later(ledger.background_ns + spent, now - CREDIT_NS);
    wait_for(&ledger.background_ns);
}

static void end_background(void)
{
    pthread_mutex_lock(&ledger.lock);
    charge_background();
    behind = false;
    ledger.background--;
    ledger.handed_ns = later(ledger.handed_ns, ledger.background_ns);
    pthread_mutex_unlock(&ledger.lock);
}

void covey__pace_step(void)
{
    if (behind && covey__machine_cpu_ns() >= charged_ns + STEP_NS) {
        pthread_mutex_lock(&ledger.lock);
        charge_background();
        pthread_mutex_unlock(&ledger.lock);
    }
}

void covey__pace_hand_on(void)
{
    pthread_mutex_lock(&ledger.lock);
    charge_compute();
    ledger.handed_ns = later(ledger.handed_ns, ledger.compute_ns);
    pthread_mutex_unlock(&ledger.lock);
}

void covey__pace_end(const struct covey_pace_work *w)
{
    if (w->class == COVEY_PACE_URGENT) {
        end_urgent();
    } else if (w->class == COVEY_PACE_COMPUTE) {
        end_compute();
    } else {
        end_background();
    }
}

/* What it used outside of its pieces is the waking and the waiting: the device's own would cost
 * less. */
void covey__pace_enter(void)
{
    if (inside) {
        return;
    }
    inside = true;
    pthread_mutex_lock(&ledger.lock);
    (void)take_cpu();
    ledger.compute++;
    ledger.compute_ns = later(ledger.compute_ns, covey__machine_now_ns());
    pthread_mutex_unlock(&ledger.lock);
}

void covey__pace_leave(void)
{
    if (inside) {
        inside = false;
        end_compute();
    }
}

void covey__pace_seen(const struct covey_pace_work *w)
{
    if (w->class == COVEY_PACE_URGENT) {
        pthread_mutex_lock(&ledger.lock);
        ledger.urgent--;
        pthread_mutex_unlock(&ledger.lock);
    }
}
