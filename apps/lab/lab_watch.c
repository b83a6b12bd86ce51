/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "covey/loop.h"
#include "covey/node.h"
#include "lab.h"

enum { PAUSE_NS = 20 * 1000 * 1000, STATUS_TIMEOUT_MS = 2000, PATH_BYTES = 128 };

static const int stop_signal[] = {SIGINT, SIGTERM, SIGHUP};

enum { STOP_SIGNALS = sizeof(stop_signal) / sizeof(stop_signal[0]) };

static void stop_signals(sigset_t *out)
{
    sigemptyset(out);
    for (int i = 0; i < STOP_SIGNALS; i++) {
        sigaddset(out, stop_signal[i]);
    }
}

/* A library's thread that was there before the hold took the signal: it is the main thread's, whose
 * number is that of the process, and which holds it back. */
static void pass_on(int signal)
{
    int saved = errno;
    if (gettid() != getpid()) { /* else a node about to start: it is ended as a node */
        tgkill(getpid(), getpid(), signal);
    }
    errno = saved;
}

/* From one disposition to another; one that is neither, as ignored, stays. */
static void change_handlers(void (*from)(int), void (*to)(int))
{
    for (int i = 0; i < STOP_SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(stop_signal[i], NULL, &action) == 0 && action.sa_handler == from) {
            action.sa_handler = to;
            action.sa_flags = SA_RESTART;
            sigaction(stop_signal[i], &action, NULL);
        }
    }
}

void covey__lab_signals_hold(sigset_t *out_before)
{
    sigset_t held;
    stop_signals(&held);
    sigprocmask(SIG_BLOCK, &held, out_before);
    change_handlers(SIG_DFL, pass_on);
}

/* A signal that is held pends although it is ignored. nohup ignores the one that a terminal sends
 * when it goes away; that shells let background jobs ignore SIGINT is no wish to go on. */
static bool ignores(int signal)
{
    struct sigaction action;
    return signal == SIGHUP && sigaction(signal, NULL, &action) == 0 &&
           action.sa_handler == SIG_IGN;
}

bool covey__lab_signals_pending(void)
{
    sigset_t pending;
    sigpending(&pending);
    bool any = false;
    for (int i = 0; i < STOP_SIGNALS; i++) {
        any = any || (sigismember(&pending, stop_signal[i]) == 1 && !ignores(stop_signal[i]));
    }
    return any;
}

void covey__lab_signals_release(const sigset_t *before)
{
    change_handlers(pass_on, SIG_DFL);
    sigprocmask(SIG_SETMASK, before, NULL);
}

void covey__lab_pause(void)
{
    struct timespec t = {.tv_nsec = PAUSE_NS};
    nanosleep(&t, NULL);
}

uint64_t covey__lab_now_ms(void)
{
    return covey_clock_ns() / 1000000;
}

covey_err covey__lab_status(const struct covey__lab *lab, unsigned index, struct covey__control *c)
{
    char state[PATH_BYTES];
    covey__lab_node_dir(lab, index, state, sizeof(state));
    covey_err err = covey__control_open(c, state);
    if (err == COVEY_OK) {
        err = covey__control_status(c, STATUS_TIMEOUT_MS);
    }
    return err;
}

static bool is_running_node(const struct covey__lab *lab, const char *name)
{
    for (unsigned i = 0; i < lab->count; i++) {
        if (strcmp(lab->node[i].name, name) == 0) {
            return covey__lab_running(&lab->node[i]);
        }
    }
    return false;
}

/* Whether node index sees `alive` nodes, none that is not there, has a channel to each on which
 * something arrives, and a coordinator; and the one that the nodes before it saw. */
static bool sees_mesh(const struct covey__lab *lab, unsigned index, unsigned alive,
                      char coordinator[static COVEY_NAME_MAX + 1])
{
    struct covey__control c = {0};
    bool good = covey__lab_status(lab, index, &c) == COVEY_OK && c.reply->status.has_coordinator;
    unsigned seen = 0;
    for (size_t i = 0; good && i < c.reply->status.member_count; i++) {
        const struct covey_control_member *m = &c.reply->status.member[i];
        bool counts = m->self || m->state == COVEY_MEMBER_ALIVE;
        good = !counts || (is_running_node(lab, m->name) && (m->self || m->channel));
        seen += counts;
        if (!covey_node_id_equal(&m->id, &c.reply->status.coordinator)) {
            continue;
        }
        good = good && counts && (coordinator[0] == 0 || strcmp(coordinator, m->name) == 0);
        snprintf(coordinator, COVEY_NAME_MAX + 1, "%s", m->name);
    }
    covey__control_close(&c);
    return good && seen == alive && coordinator[0] != 0;
}

bool covey__lab_takes_part(const struct covey__lab_node *node)
{
    return covey__lab_running(node) && !covey__lab_frozen(node) && !node->cut;
}

/* ---- waiting ---- */

struct limit {
    uint64_t end_ms;
    int wait_ms; /* as it was asked for */
};

static struct limit limit_of(int wait_ms)
{
    return (struct limit){covey__lab_now_ms() + (uint64_t)wait_ms, wait_ms};
}

/* TIMEOUT: why is the caller's to say. It is looked at once in any case. */
static covey_err await(struct covey__lab *lab, unsigned index, const struct limit *limit,
                       bool (*is_so)(const struct covey__lab *lab, unsigned index))
{
    while (!is_so(lab, index)) {
        if (covey__lab_signals_pending()) {
            snprintf(lab->why, sizeof(lab->why), "interrupted");
            return COVEY_ERR_CANCELLED;
        }
        if (covey__lab_now_ms() >= limit->end_ms) {
            return COVEY_ERR_TIMEOUT;
        }
        covey__lab_pause();
    }
    return COVEY_OK;
}

static bool mesh_is_whole(const struct covey__lab *lab, unsigned index)
{
    (void)index;
    char coordinator[COVEY_NAME_MAX + 1] = "";
    unsigned alive = 0;
    for (unsigned i = 0; i < lab->count; i++) {
        alive += covey__lab_takes_part(&lab->node[i]);
    }
    for (unsigned i = 0; i < lab->count; i++) {
        if (covey__lab_takes_part(&lab->node[i]) && !sees_mesh(lab, i, alive, coordinator)) {
            return false;
        }
    }
    return alive > 0;
}

static covey_err await_mesh(struct covey__lab *lab, const struct limit *limit)
{
    covey_err err = await(lab, 0, limit, mesh_is_whole);
    if (err == COVEY_ERR_TIMEOUT) {
        snprintf(lab->why, sizeof(lab->why),
                 "the nodes did not reach one another and find a coordinator within %d s",
                 limit->wait_ms / 1000);
    }
    return err;
}

static bool is_redundant(const struct covey__lab *lab, unsigned index)
{
    struct covey__control c = {0};
    bool redundant = covey__lab_status(lab, index, &c) == COVEY_OK &&
                     c.reply->status.sessions_redundant == c.reply->status.sessions;
    covey__control_close(&c);
    return redundant;
}

static covey_err await_redundant(struct covey__lab *lab, unsigned index, const struct limit *limit)
{
    covey_err err = await(lab, index, limit, is_redundant);
    if (err == COVEY_ERR_TIMEOUT) {
        snprintf(lab->why, sizeof(lab->why), "redundancy at %s was not restored within %d s",
                 lab->node[index].name, limit->wait_ms / 1000);
    }
    return err;
}

covey_err covey__lab_wait_mesh(struct covey__lab *lab, int wait_ms)
{
    const struct limit limit = limit_of(wait_ms);
    return await_mesh(lab, &limit);
}

covey_err covey__lab_wait_redundant(struct covey__lab *lab, unsigned index, int wait_ms)
{
    const struct limit limit = limit_of(wait_ms);
    return await_redundant(lab, index, &limit);
}

covey_err covey__lab_wait_all(struct covey__lab *lab, int wait_ms)
{
    const struct limit limit = limit_of(wait_ms);
    covey_err err = await_mesh(lab, &limit);
    for (unsigned i = 0; i < lab->count && err == COVEY_OK; i++) {
        if (covey__lab_takes_part(&lab->node[i])) {
            err = await_redundant(lab, i, &limit);
        }
    }
    return err;
}
