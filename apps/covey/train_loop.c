/* SPDX-License-Identifier: MIT */
#include "bench_measure.h"
#include "train_report.h"
#include "train_session.h"
#include "train_stop.h"

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
    while (first < t->test.count && covey__train_stop_signal() == 0) {
        struct covey_train_result result;
        uint32_t count = covey_batches_plain(&t->batches, &t->held, first);
        covey_trainer_evaluate(t->trainer, t->batches.input, t->batches.labels, count, &result);
        out->test_correct += result.correct;
        first += count;
    }
    out->test_seconds = seconds_since(start);
    return first >= t->test.count;
}

static enum covey_exit end_early(struct covey__train *t)
{
    const struct covey__train_progress *p = &t->progress;
    const char *path = t->options.checkpoint;
    enum covey_exit code = (enum covey_exit)(128 + covey__train_stop_signal());
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
    while (p->step < t->batches.steps && covey__train_stop_signal() == 0 &&
           code == COVEY_EXIT_DONE) {
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
    if (covey__train_stop_signal() != 0 || !evaluate(t, &epoch)) {
        return end_early(t);
    }
    end_epoch(&t->progress, epoch);
    covey__train_say_epoch(t);
    return t->options.checkpoint != NULL ? covey__train_checkpoint_write(t) : COVEY_EXIT_DONE;
}

enum covey_exit covey__train_loop(struct covey__train *t)
{
    struct covey__train_stop stop;
    struct covey__train_ticker ticker = {0};
    enum covey_exit code = COVEY_EXIT_DONE;
    covey__train_stop_catch(&stop, SA_RESTART);
    covey__train_say_start(t);
    while (t->progress.epoch < t->options.epochs && code == COVEY_EXIT_DONE) {
        code = train_epoch(t, &ticker);
    }
    covey__train_stop_leave(&stop);
    return code;
}
