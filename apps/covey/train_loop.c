/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "bench_measure.h"
#include "train_report.h"
#include "train_session.h"

/* A signal handler reaches nothing else. BLAS has threads of its own, so that blocking signals
 * here and waiting for them would not keep them from ending the process. */
static volatile sig_atomic_t stop_signal;

static void on_signal(int number)
{
    stop_signal = number;
}

static const int signals[] = {SIGINT, SIGTERM};

/* The second Ctrl-C ends the process at once. */
static void catch_signals(struct sigaction before[2])
{
    struct sigaction action = {.sa_flags = SA_RESTART | (int)SA_RESETHAND};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    stop_signal = 0;
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], &action, &before[i]);
    }
}

static void leave_signals(const struct sigaction before[2])
{
    for (size_t i = 0; i < 2; i++) {
        sigaction(signals[i], &before[i], NULL);
    }
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(covey__now_ns() - start_ns) * 1e-9;
}

/* One step. RANGE: the numbers ran away. */
static enum covey_exit step(struct covey__train *t)
{
    struct covey__train_progress *p = &t->progress;
    struct covey_train_result result;
    struct covey_nn_error why = {""};
    uint64_t start = covey__now_ns();
    covey_batches_step(&t->batches, p->step);
    covey_err err = covey_trainer_step(t->trainer, t->batches.input, t->batches.labels, &result);
    if (err == COVEY_ERR_RANGE) {
        covey__train_clear_bar();
        return covey__cli_fail(t->cli, COVEY_EXIT_FAILED,
                               "the loss is not a number any more in epoch %u, step %u: try a "
                               "lower --lr than %g",
                               p->epoch + 1, p->step + 1, t->options.lr);
    }
    if (err != COVEY_OK) {
        return covey__train_fail(t, err, &why);
    }
    double seconds = seconds_since(start);
    p->loss_sum += (double)result.loss;
    p->correct += result.correct;
    p->step++;
    p->seconds += seconds;
    t->seconds_here += seconds;
    t->steps_here++;
    return COVEY_EXIT_DONE;
}

/* Hits on the test set. False: asked to stop. */
static bool evaluate(struct covey__train *t, struct covey_training_epoch *out)
{
    uint64_t start = covey__now_ns();
    size_t first = 0;
    while (first < t->test.count && stop_signal == 0) {
        struct covey_train_result result;
        uint32_t count = covey_batches_plain(&t->batches, &t->held, first);
        covey_trainer_evaluate(t->trainer, t->batches.input, t->batches.labels, count, &result);
        out->test_correct += result.correct;
        first += count;
    }
    out->test_seconds = seconds_since(start);
    return first >= t->test.count;
}

static enum covey_exit stop(struct covey__train *t)
{
    const struct covey__train_progress *p = &t->progress;
    const char *path = t->options.checkpoint;
    enum covey_exit code = (enum covey_exit)(128 + stop_signal);
    covey__train_clear_bar();
    if (path == NULL) {
        return covey__cli_fail(t->cli, code,
                               "stopped in epoch %u after step %u: nothing was written "
                               "(no --checkpoint)",
                               p->epoch + 1, p->step);
    }
    enum covey_exit written = covey__train_checkpoint_write(t);
    if (written != COVEY_EXIT_DONE) {
        return written;
    }
    return covey__cli_fail(t->cli, code,
                           "stopped in epoch %u after step %u: go on with 'covey train --local "
                           "--resume %s'",
                           p->epoch + 1, p->step, path);
}

static enum covey_exit train_steps(struct covey__train *t, struct covey__train_ticker *ticker)
{
    struct covey__train_progress *p = &t->progress;
    enum covey_exit code = COVEY_EXIT_DONE;
    while (p->step < t->batches.steps && stop_signal == 0 && code == COVEY_EXIT_DONE) {
        code = step(t);
        if (code != COVEY_EXIT_DONE) {
            break;
        }
        covey__train_say_step(t, ticker);
        /* That of the last step is written when its epoch is over. */
        if (t->options.every != 0 && p->step < t->batches.steps &&
            covey_trainer_steps(t->trainer) % t->options.every == 0) {
            code = covey__train_checkpoint_write(t);
        }
    }
    return code;
}

/* Takes the epoch's sums into the history. */
static void end_epoch(struct covey__train_progress *p, struct covey_training_epoch epoch)
{
    struct covey__train_progress next = {.epoch = p->epoch + 1, .history = p->history};
    epoch.loss = p->loss_sum / p->step;
    epoch.correct = p->correct;
    epoch.seconds = p->seconds;
    p->history[p->epoch] = epoch;
    *p = next;
}

static enum covey_exit train_epoch(struct covey__train *t, struct covey__train_ticker *ticker)
{
    struct covey_training_epoch epoch = {.loss = 0};
    covey_batches_epoch(&t->batches, t->progress.epoch);
    enum covey_exit code = train_steps(t, ticker);
    if (code != COVEY_EXIT_DONE) {
        return code;
    }
    if (stop_signal != 0 || !evaluate(t, &epoch)) {
        return stop(t);
    }
    end_epoch(&t->progress, epoch);
    covey__train_say_epoch(t);
    return t->options.checkpoint != NULL ? covey__train_checkpoint_write(t) : COVEY_EXIT_DONE;
}

enum covey_exit covey__train_loop(struct covey__train *t)
{
    struct sigaction before[2];
    struct covey__train_ticker ticker = {0};
    enum covey_exit code = COVEY_EXIT_DONE;
    catch_signals(before);
    covey__train_say_start(t);
    while (t->progress.epoch < t->options.epochs && code == COVEY_EXIT_DONE) {
        code = train_epoch(t, &ticker);
    }
    leave_signals(before);
    return code;
}
