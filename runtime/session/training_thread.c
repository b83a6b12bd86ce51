/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "covey/crypto.h"
#include "covey/pack.h"
#include "training_ended.h"
#include "training_open.h"
#include "training_save.h"
#include "training_way.h"

enum {
    TRAINING_NICE = 5, /* behind requests, which somebody waits for */
    SLEEP_MS = 100,
    ROOMLESS_MS = 10000, /* it waits so long for memory, as requests do */
    AHEAD_MS = 1000,     /* a lease is never longer waited for than this before its end */
    SAVE_SHARE = 20,     /* of the time, at most, goes into checkpoints that nobody asked for */
};

#define POST_NS UINT64_C(200000000)
#define SPEED_NS UINT64_C(1000000000)
/* A minute of work is what the loss of a device may cost, where nothing else is asked for. */
#define SAVE_NS UINT64_C(60000000000)
/* So long steps wait for a checkpoint that does not come to be kept, and half a second more for
 * each MB that is to travel: training matters more. */
#define UNKEPT_NS UINT64_C(60000000000)
#define UNKEPT_BYTE_NS UINT64_C(500)

static uint64_t now_ms(void)
{
    return covey_clock_ns() / 1000000;
}

void covey__training_why(struct covey_training *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->progress.why, sizeof(t->progress.why), format, args);
    va_end(args);
}

/* ---- what is seen ---- */

/* Under the mutex. */
static void note(struct covey_training *t)
{
    const struct covey_training_record *r = &t->record;
    struct covey_training_progress *p = &t->progress;
    double samples = (double)t->job.train.batch;
    p->epoch = r->epoch;
    p->step = r->step;
    p->epochs = t->job.epochs;
    p->steps = t->batches.steps;
    p->total_steps = (uint64_t)r->epoch * t->batches.steps + r->step;
    if (r->step > 0) {
        p->loss = r->loss_sum / r->step;
        p->accuracy = (double)r->correct / (samples * r->step);
    } else if (r->epoch > 0) {
        const struct covey_training_epoch *e = &r->history[r->epoch - 1];
        p->loss = e->loss;
        p->accuracy = (double)e->correct / (samples * t->batches.steps);
    }
    if (r->epoch > 0 && t->test.count > 0) {
        p->test_accuracy = (double)r->history[r->epoch - 1].test_correct / (double)t->test.count;
    }
}

/* Under the mutex. */
static void note_speed(struct covey_training *t, uint64_t now_ns)
{
    uint64_t spent = now_ns - t->speed_ns, steps = covey_trainer_steps(t->trainer);
    if (spent >= SPEED_NS) {
        t->progress.steps_s = (double)(steps - t->speed_steps) * 1e9 / (double)spent;
        t->speed_ns = now_ns;
        t->speed_steps = steps;
    }
}

static void note_state(struct covey_training *t, enum covey_training_state state)
{
    pthread_mutex_lock(&t->mutex);
    if (t->progress.state != state) {
        t->progress.state = state;
        covey__training_post(t);
    }
    pthread_mutex_unlock(&t->mutex);
}

/* ---- waiting ---- */

/* Under the mutex. */
static void sleep_some(struct covey_training *t)
{
    uint64_t at = covey_clock_ns() + SLEEP_MS * UINT64_C(1000000);
    struct timespec until = {.tv_sec = (time_t)(at / UINT64_C(1000000000)),
                             .tv_nsec = (long)(at % UINT64_C(1000000000))};
    int ignored = pthread_cond_timedwait(&t->wake, &t->mutex, &until);
    (void)ignored;
}

static enum covey__training_ask asked(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    enum covey__training_ask ask = t->ask;
    pthread_mutex_unlock(&t->mutex);
    return ask;
}

/* Until there is a lease that what takes need_ns can end in: then true. False: it is to end. What
 * takes longer than most leases may begin in any of them, since nothing of it leaves without one.
 */
static bool wait_lease(struct covey_training *t, uint64_t need_ns)
{
    uint64_t need_ms = need_ns / 1000000 < AHEAD_MS ? need_ns / 1000000 : AHEAD_MS;
    bool waited = false;
    pthread_mutex_lock(&t->mutex);
    while (t->needs_lease && t->ask == COVEY__TRAINING_GO && t->lease_ms <= now_ms() + need_ms) {
        if (!waited) {
            t->progress.state = COVEY_TRAINING_PAUSED;
            covey__training_post(t);
        }
        waited = true;
        sleep_some(t);
    }
    bool go = t->ask == COVEY__TRAINING_GO;
    if (go && waited) {
        t->progress.state = COVEY_TRAINING_RUNNING;
        covey__training_post(t);
    }
    pthread_mutex_unlock(&t->mutex);
    return go;
}

/* The loop says how steps are made. */
static bool wait_way(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    t->opened = true;
    covey__training_post(t);
    while (!t->way.chosen && t->ask == COVEY__TRAINING_GO) {
        pthread_cond_wait(&t->wake, &t->mutex);
    }
    bool go = t->ask == COVEY__TRAINING_GO;
    pthread_mutex_unlock(&t->mutex);
    return go;
}

/* Whether there may be room for it now: what is idle makes some, on the loop; else what took `used`
 * is at work, of others or its own, and may end until then. */
static bool wait_room(struct covey_training *t, uint64_t used, uint64_t until_ms)
{
    const struct covey_account *account = &t->services->memory;
    pthread_mutex_lock(&t->mutex);
    t->scarce = true;
    t->roomed = false;
    covey__training_post(t);
    while (t->scarce && t->ask == COVEY__TRAINING_GO) {
        pthread_cond_wait(&t->wake, &t->mutex);
    }
    t->scarce = false;
    bool room = t->roomed, waits = t->ask == COVEY__TRAINING_GO && now_ms() < until_ms;
    while (!room && waits && used > 0) {
        room = atomic_load(&account->used_bytes) < used;
        if (!room) {
            sleep_some(t);
        }
        waits = t->ask == COVEY__TRAINING_GO && now_ms() < until_ms;
    }
    pthread_mutex_unlock(&t->mutex);
    return room && waits;
}

/* CLOSED: asked to end. */
static covey_err open_all(struct covey_training *t, char out_why[static 200])
{
    uint64_t until_ms = 0;
    for (;;) {
        uint64_t used = atomic_load(&t->services->memory.used_bytes);
        covey_pace_enter();
        covey_err err = covey__training_open(t, out_why);
        covey_pace_leave();
        if (err != COVEY_ERR_BUSY) {
            return err;
        }
        covey__training_shut(t);
        until_ms = until_ms == 0 ? now_ms() + ROOMLESS_MS : until_ms;
        if (!wait_room(t, used, until_ms)) {
            return asked(t) == COVEY__TRAINING_GO ? err : COVEY_ERR_CLOSED;
        }
    }
}

/* ---- checkpoints ---- */

static covey_err put_checkpoint(struct covey_training *t)
{
    struct covey_checkpoint_ref ref;
    uint64_t start = covey_clock_ns();
    covey_err err = covey__training_save(t, &ref);
    if (err != COVEY_OK) {
        return err;
    }
    t->save_ns = covey_clock_ns() - start;
    t->saved_step = ref.step;
    t->saved_bytes = ref.len;
    t->travelling = true;
    pthread_mutex_lock(&t->mutex);
    t->made = ref;
    t->has_made = true;
    covey__training_post(t);
    pthread_mutex_unlock(&t->mutex);
    return COVEY_OK;
}

static void tell_unkept(struct covey_training *t, covey_err err)
{
    char line[200];
    snprintf(line, sizeof(line),
             "session %s: no checkpoint can be kept, it is lost with its owner: %s", t->job.name,
             err == COVEY_ERR_LIMIT
                 ? "the store of this device has no room for one, or it is above 16 GiB"
                 : covey_strerror(err));
    pthread_mutex_lock(&t->mutex);
    covey__training_why(t, "%s", line);
    t->progress.unkept = true;
    covey__training_post(t);
    pthread_mutex_unlock(&t->mutex);
}

/* Nothing is put out without a lease; where one is needed and has gone, none is waited for if this
 * is the last thing to do. */
static void save(struct covey_training *t, bool last)
{
    pthread_mutex_lock(&t->mutex);
    bool may = !t->needs_lease || t->lease_ms > now_ms();
    pthread_mutex_unlock(&t->mutex);
    if (!may && (last || !wait_lease(t, 0))) {
        return;
    }
    covey_err err = put_checkpoint(t);
    if (err == COVEY_ERR_CLOSED) {
        return; /* another device has it now */
    }
    t->saved_ns = covey_clock_ns();
    t->unkeepable = t->unkeepable || err != COVEY_OK;
    if (err != COVEY_OK) {
        t->saved_step = covey_trainer_steps(t->trainer);
        tell_unkept(t, err);
        return;
    }
    pthread_mutex_lock(&t->mutex);
    t->progress.unkept = false;
    pthread_mutex_unlock(&t->mutex);
}

/* Whoever keeps the last one is done with it, so that it may be forgotten here. */
static bool may_save(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    bool settled = t->unkeepable || t->settled_step >= t->saved_step;
    pthread_mutex_unlock(&t->mutex);
    return settled;
}

/* No more than `every` steps may be lost: those that are made while a checkpoint travels count. */
static bool save_is_due(struct covey_training *t)
{
    if (t->job.every == 0) {
        uint64_t wait = SAVE_SHARE * t->save_ns > SAVE_NS ? SAVE_SHARE * t->save_ns : SAVE_NS;
        return covey_clock_ns() - t->saved_ns >= wait && may_save(t);
    }
    uint64_t half = t->job.every / 2, early = t->travel < half ? t->travel : half;
    uint64_t since = covey_trainer_steps(t->trainer) - t->saved_step;
    return since >= t->job.every - early && may_save(t);
}

/* Steps that the owner's death would undo: also while the first custodians are still on their way,
 * since one of them may be the next owner as soon as it is one. */
static uint64_t unkept_steps(struct covey_training *t)
{
    pthread_mutex_lock(&t->mutex);
    uint64_t kept = t->progress.checkpoint_step;
    pthread_mutex_unlock(&t->mutex);
    uint64_t steps = covey_trainer_steps(t->trainer);
    if (t->travelling && kept >= t->saved_step) {
        uint64_t travel = steps - t->saved_step;
        t->travelling = false;
        t->travel = travel > t->travel ? travel : (3 * t->travel + travel) / 4;
        t->unkeepable = false;
    }
    return kept > steps ? 0 : steps - kept;
}

/* For a checkpoint to be kept; false: not for long enough already. */
static bool wait_some(struct covey_training *t)
{
    uint64_t now = covey_clock_ns();
    t->unkept_ns = t->unkept_ns != 0 ? t->unkept_ns : now;
    if (now - t->unkept_ns >= UNKEPT_NS + UNKEPT_BYTE_NS * t->saved_bytes) {
        t->unkeepable = true;
        pthread_mutex_lock(&t->mutex);
        covey__training_why(t,
                            "session %s: its checkpoints are not kept elsewhere: more than %u "
                            "steps may be lost",
                            t->job.name, t->job.every);
        covey__training_post(t);
        pthread_mutex_unlock(&t->mutex);
        return false;
    }
    pthread_mutex_lock(&t->mutex);
    if (t->ask == COVEY__TRAINING_GO) {
        sleep_some(t);
    }
    pthread_mutex_unlock(&t->mutex);
    return true;
}

/* Where it was said how many steps may be lost, no more are made than that. */
static void wait_kept(struct covey_training *t)
{
    while (unkept_steps(t) >= t->job.every && t->job.every > 0 && !t->unkeepable &&
           asked(t) == COVEY__TRAINING_GO) {
        uint64_t before = covey_clock_ns();
        if (!wait_lease(t, 0)) {
            break; /* one that is cut off is paused, and says so */
        }
        t->unkept_ns = covey_clock_ns() - before > SPEED_NS ? 0 : t->unkept_ns;
        bool older = t->saved_step < covey_trainer_steps(t->trainer);
        if (older && may_save(t)) {
            save(t, false);
        } else if (!wait_some(t)) {
            break;
        }
    }
    t->unkept_ns = 0;
}

/* ---- steps ---- */

static covey_err make_step(struct covey_training *t, struct covey_train_result *out)
{
    covey_pace_enter();
    covey_batches_step(&t->batches, t->record.step);
    covey_err err = covey__training_way_step(t, out);
    covey_pace_leave();
    return err;
}

static covey_err step(struct covey_training *t)
{
    struct covey_train_result result;
    uint64_t start = covey_clock_ns();
    covey_err err = make_step(t, &result);
    uint64_t end = covey_clock_ns();
    if (err != COVEY_OK) {
        return err;
    }
    /* What one takes at most, lately: a longer one counts at once, shorter ones slowly. */
    uint64_t spent = end - start;
    covey__training_way_took(t, spent);
    t->step_ns = spent > t->step_ns ? spent : (7 * t->step_ns + spent) / 8;
    pthread_mutex_lock(&t->mutex);
    covey__training_record_step(&t->record, result.loss, result.correct, (double)spent * 1e-9);
    note(t);
    note_speed(t, end);
    if (end - t->posted_ns >= POST_NS) {
        t->posted_ns = end;
        covey__training_post(t);
    }
    pthread_mutex_unlock(&t->mutex);
    return COVEY_OK;
}

/* CLOSED: asked to end. */
static covey_err run_steps(struct covey_training *t)
{
    while (t->record.step < t->batches.steps) {
        wait_kept(t);
        if (!wait_lease(t, t->step_ns)) {
            return COVEY_ERR_CLOSED;
        }
        covey_err err = step(t);
        if (err != COVEY_OK) {
            return err;
        }
        if (save_is_due(t)) {
            save(t, false);
        }
    }
    return asked(t) != COVEY__TRAINING_GO ? COVEY_ERR_CLOSED : COVEY_OK;
}

static covey_err evaluate(struct covey_training *t, uint32_t *out_correct)
{
    uint32_t correct = 0;
    for (size_t first = 0; first < t->test.count;) {
        struct covey_train_result result;
        if (asked(t) != COVEY__TRAINING_GO) {
            return COVEY_ERR_CLOSED;
        }
        covey_pace_enter();
        uint32_t count = covey_batches_plain(&t->batches, &t->test, first);
        covey_trainer_evaluate(t->trainer, t->batches.input, t->batches.labels, count, &result);
        covey_pace_leave();
        correct += result.correct;
        first += count;
    }
    *out_correct = correct;
    return COVEY_OK;
}

static covey_err run_epoch(struct covey_training *t)
{
    uint32_t correct = 0;
    covey_batches_epoch(&t->batches, t->record.epoch);
    covey_err err = run_steps(t);
    uint64_t start = covey_clock_ns();
    if (err == COVEY_OK) {
        err = evaluate(t, &correct);
    }
    if (err != COVEY_OK) {
        return err;
    }
    uint64_t end = covey_clock_ns();
    pthread_mutex_lock(&t->mutex);
    covey__training_record_epoch(&t->record, correct, (double)(end - start) * 1e-9);
    note(t);
    t->speed_ns += end - start; /* the test is no part of it */
    t->posted_ns = end;
    covey__training_post(t);
    pthread_mutex_unlock(&t->mutex);
    return COVEY_OK;
}

/* ---- the end ---- */

static covey_err put_result(void *user, const struct covey_digest *digest, struct covey_bytes blob)
{
    return covey__store_add(user, digest, blob);
}

/* It is known after a restart too; else the node says so. */
static covey_err keep_ended(struct covey_training *t)
{
    const struct covey_store *store = &t->services->store;
    struct covey_checkpoint_parts parts = {NULL, 0};
    pthread_mutex_lock(&t->mutex);
    struct covey_training_ended e = {.fence = t->fence,
                                     .result = t->result,
                                     .job = t->job,
                                     .progress = t->progress,
                                     .record = t->record};
    pthread_mutex_unlock(&t->mutex);
    e.progress.state = COVEY_TRAINING_DONE;
    if (t->way.rounds != NULL) {
        covey__rounds_report(t->way.rounds, &e.progress.rounds);
        e.progress.rounds.workers = 0;
    }
    covey_err err = covey__training_result_parts(store, &t->result, &parts);
    if (err == COVEY_OK) {
        err = covey__checkpoint_pin(store, &parts);
    }
    if (err != COVEY_OK) {
        covey__checkpoint_parts_done(&parts);
        return err;
    }
    t->model = parts;
    return covey__training_ended_write(store, &e);
}

static covey_err finish(struct covey_training *t)
{
    struct covey_nn_error why = {""};
    struct covey_store *store = &t->services->store;
    struct covey_digest id;
    uint8_t *manifest = NULL;
    size_t len = 0;
    if (!wait_lease(t, 0)) {
        return COVEY_ERR_CLOSED;
    }
    covey_err err = covey_trainer_store(t->trainer);
    if (err == COVEY_OK) {
        err = covey_pack_plain(t->graph, t->job.model_name, put_result, store, &manifest, &len, &id,
                               &why);
    }
    if (err == COVEY_OK) {
        err = covey__store_add(store, &id, covey_bytes_of(manifest, len));
    }
    free(manifest);
    if (err == COVEY_OK) {
        pthread_mutex_lock(&t->mutex);
        t->result = id;
        t->has_result = true;
        pthread_mutex_unlock(&t->mutex);
        t->ended_err = keep_ended(t);
    }
    return err;
}

static covey_err run(struct covey_training *t)
{
    uint64_t now = covey_clock_ns();
    covey_err err = covey__training_way_begin(t);
    t->saved_ns = t->speed_ns = now;
    t->speed_steps = t->saved_step = covey_trainer_steps(t->trainer);
    note_state(t, COVEY_TRAINING_RUNNING);
    while (t->record.epoch < t->job.epochs && err == COVEY_OK) {
        err = run_epoch(t);
    }
    return err == COVEY_OK ? finish(t) : err;
}

/* Under the mutex. */
static void tell_end(struct covey_training *t, covey_err err)
{
    struct covey_training_progress *p = &t->progress;
    p->state = err == COVEY_OK           ? COVEY_TRAINING_DONE
               : err == COVEY_ERR_CLOSED ? COVEY_TRAINING_STOPPED
                                         : COVEY_TRAINING_FAILED;
    p->moved = p->state == COVEY_TRAINING_STOPPED && t->ask == COVEY__TRAINING_DROP;
    if (err == COVEY_ERR_RANGE && t->opened) {
        covey__training_why(t,
                            "the loss is not a number any more in epoch %u, step %u: try a lower "
                            "rate than %g",
                            p->epoch + 1, p->step + 1, (double)t->job.train.lr);
    } else if (err == COVEY_ERR_BUSY && t->opened && t->way.err == COVEY_OK) {
        covey__training_why(t, "no memory to compute what workers' answers are compared with "
                               "(coveyd --memory)");
    } else if (p->state == COVEY_TRAINING_FAILED && t->opened && t->way.err == COVEY_OK) {
        covey__training_why(t, "%s", covey_strerror(err));
    }
    t->err = err;
    t->ended = true;
    covey__training_post(t);
}

void *covey__training_thread(void *user)
{
    struct covey_training *t = user;
    char why[200] = "";
    int ignored = setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), TRAINING_NICE);
    (void)ignored;
    covey_err err = open_all(t, why);
    pthread_mutex_lock(&t->mutex);
    if (err == COVEY_OK) {
        note(t);
    } else {
        covey__training_why(t, "%s", why);
    }
    pthread_mutex_unlock(&t->mutex);
    if (err == COVEY_OK) {
        err = wait_way(t) ? run(t) : COVEY_ERR_CLOSED;
    }
    if (err == COVEY_ERR_CLOSED && asked(t) == COVEY__TRAINING_STOP && t->opened) {
        save(t, true);
    }
    pthread_mutex_lock(&t->mutex);
    tell_end(t, err);
    pthread_mutex_unlock(&t->mutex);
    covey__training_shut(t);
    return NULL;
}
