/* SPDX-License-Identifier: MIT */
#include "training_way.h"

#include <stdlib.h>
#include <time.h>

#include "gradient_work.h"
#include "training_forecast.h"

/* At least, and at most. */
#define AWAIT_NS UINT64_C(3000000000)
#define AWAIT_MAX_NS UINT64_C(30000000000)

/* ---- on the loop ---- */

static bool may_work(const struct covey_training *t, const struct covey_member_info *m)
{
    const struct covey_strategy *s = &t->job.strategy;
    if (m->self) {
        return s->own_work;
    }
    return m->state == COVEY_MEMBER_ALIVE && m->channel && !m->incompatible && !m->lied &&
           (s->any_trust || m->trust == COVEY_TRUST_FULL);
}

/* The team that there should be; out_able: all who could be of it. */
static void gather(const struct covey_training *t, struct covey__round_team *out,
                   uint32_t *out_able)
{
    const struct covey_services *s = t->services;
    uint32_t most = t->job.strategy.devices > 0 ? t->job.strategy.devices : COVEY_WORKERS_MAX;
    struct covey_member_info m;
    out->count = *out_able = 0;
    for (size_t i = 0; s->device(s->user, i, &m); i++) {
        if (m.self) {
            out->own = m.rates;
        }
        bool able = may_work(t, &m);
        *out_able += able;
        if (able && out->count < most && out->count < COVEY_WORKERS_MAX) {
            out->worker[out->count++] =
                (struct covey__round_worker){.id = m.id, .rates = m.rates, .self = m.self};
        }
    }
}

static covey_err open_rounds(struct covey_training *t, const struct covey__training_way *way)
{
    uint8_t spec[COVEY_ENLIST_SPEC_BYTES];
    struct covey_enlist_spec enlist = {.mode = way->data ? COVEY_TRAIN_DATA : COVEY_TRAIN_PRODUCTS};
    if (way->data) {
        enlist.model = t->job.model;
        enlist.part = covey__gradient_part(t->job.train.batch, way->parts);
        enlist.label_smoothing = t->job.train.label_smoothing;
        enlist.seed = t->job.train.seed;
    }
    covey__enlist_spec_encode(&enlist, spec);
    const struct covey_rounds_config config = {
        .services = t->services,
        .fence = t->fence,
        .strategy = t->job.strategy,
        .mode = way->data ? COVEY_TRAINING_DATA : COVEY_TRAINING_PRODUCTS,
        .enlist = covey_bytes_of(spec, sizeof(spec)),
        .seed = t->job.train.seed,
    };
    /* Its workers may report before this returns: they must be found by then. */
    return covey__rounds_new(&config, &t->way.rounds);
}

static bool take_room(struct covey_training *t, const struct covey__training_way *way,
                      struct covey_nn_error *why)
{
    const struct covey_gradient_round io = {.parameters = t->values_floats,
                                            .batch = t->job.train.batch,
                                            .parts = way->parts,
                                            .input_floats = covey_samples_values(&t->data)};
    uint64_t bytes = covey__rounds_gradient_bytes(&t->job.strategy, &io);
    if (!covey__account_take_for(&t->services->memory, "gradients over the mesh", bytes, why)) {
        return false;
    }
    t->round_bytes = bytes;
    return true;
}

static void give_room(struct covey_training *t)
{
    covey__account_give(&t->services->memory, t->round_bytes);
    t->round_bytes = 0;
}

/* A model is brought to the devices that make gradients: to wait for it pays for as long as a step
 * here would take. Nobody is waited for who has nothing to do. */
static uint64_t await_ns(const struct covey__training_forecast *f)
{
    if (!f->data && f->spread == 0) {
        return 0;
    }
    double step_ns = f->data ? f->here_ms * 1e6 : 0;
    return step_ns > (double)AWAIT_MAX_NS ? AWAIT_MAX_NS
           : step_ns > (double)AWAIT_NS   ? (uint64_t)step_ns
                                          : AWAIT_NS;
}

void covey__training_choose(struct covey_training *t)
{
    struct covey__training_way way = {.chosen = true};
    struct covey__round_team team;
    struct covey__training_forecast f;
    gather(t, &team, &way.able);
    covey__training_forecast(t, &team, &f);
    way.data = f.data;
    way.parts = f.parts;
    way.team = team.count;
    way.await_ns = await_ns(&f);
    /* Numbers of a field are others than those of floats: such a session stays with one way. */
    way.tries = t->job.mode != COVEY_TRAINING_DATA && !t->job.strategy.all && f.tries;
    struct covey_nn_error no_room = {""};
    bool room = !way.data || take_room(t, &way, &no_room);
    covey_err err = room ? open_rounds(t, &way) : COVEY_ERR_BUSY;
    if (err != COVEY_OK) {
        give_room(t);
    }
    pthread_mutex_lock(&t->mutex);
    way.rounds = err == COVEY_OK ? t->way.rounds : NULL;
    way.err = room || way.tries ? COVEY_OK : err;
    way.tries = way.tries && err == COVEY_OK;
    if (way.err != COVEY_OK) {
        covey__training_why(t, "%.199s", no_room.text);
    } else if (err == COVEY_OK) {
        covey__training_why(t, "%s", f.why);
    } else {
        covey__training_why(t, "all of it on this device: %.170s",
                            room ? covey_strerror(err) : no_room.text);
    }
    t->way = way;
    pthread_cond_broadcast(&t->wake);
    covey__training_post(t);
    pthread_mutex_unlock(&t->mutex);
}

void covey__training_way_stop(struct covey_training *t)
{
    if (t->way.rounds != NULL) {
        covey__rounds_stop(t->way.rounds);
    }
}

void covey__training_way_close(struct covey_training *t)
{
    struct covey_rounds *rounds = t->way.rounds;
    if (rounds == NULL) {
        return;
    }
    covey__rounds_report(rounds, &t->report);
    t->report.workers = 0;
    t->way.rounds = NULL;
    covey__rounds_free(rounds);
    give_room(t);
}

bool covey__training_way_action(struct covey_training *t, const struct covey_action *action)
{
    if (t->way.rounds == NULL) {
        return false;
    }
    covey__rounds_action(t->way.rounds, action);
    return true;
}

void covey__training_way_report(const struct covey_training *t, struct covey_rounds_report *out)
{
    *out = t->report;
    if (t->way.rounds != NULL) {
        covey__rounds_report(t->way.rounds, out);
    }
}

/* ---- on its thread ---- */

/* Rounds charge what they compute by themselves. */
static covey_err on_products(void *user, struct covey_product_call *calls, unsigned count)
{
    struct covey_training *t = user;
    if (t->way.tries && !covey__trial_next(&t->trial)) {
        return COVEY_OK;
    }
    covey_pace_leave();
    covey_err err = covey__rounds_products(t->way.rounds, calls, count);
    covey_pace_enter();
    return err;
}

/* Who will not, or has gone, is replaced by others as long as there are some. */
static bool is_complete(const struct covey_training *t)
{
    struct covey_rounds_report now;
    covey__rounds_report(t->way.rounds, &now);
    return now.workers >= t->way.team || now.workers + now.declined + now.lost >= t->way.able;
}

/* Whoever could work is asked first: for some seconds at most, since work can begin without. */
static void await_workers(struct covey_training *t)
{
    struct timespec pause = {.tv_nsec = 20000000};
    uint64_t until = covey_clock_ns() + t->way.await_ns;
    while (!is_complete(t) && covey_clock_ns() < until) {
        pthread_mutex_lock(&t->mutex);
        bool go = t->ask == COVEY__TRAINING_GO;
        pthread_mutex_unlock(&t->mutex);
        if (!go) {
            return;
        }
        nanosleep(&pause, NULL);
    }
}

covey_err covey__training_way_begin(struct covey_training *t)
{
    size_t floats = covey_trainer_parameters(t->trainer) + covey_trainer_statistics(t->trainer);
    if (t->way.rounds == NULL) {
        return t->way.err;
    }
    await_workers(t);
    if (!t->way.data) {
        covey_trainer_set_hook(t->trainer, &(struct covey_trainer_hook){on_products, NULL, t});
        return COVEY_OK;
    }
    t->values = malloc(floats * sizeof(*t->values));
    t->gradient = malloc(floats * sizeof(*t->gradient));
    return t->values != NULL && t->gradient != NULL ? COVEY_OK : COVEY_ERR_NOMEM;
}

static covey_err sum_gradient(struct covey_training *t, struct covey_gradient_round *round)
{
    covey_pace_leave();
    covey_err err = covey__rounds_gradient(t->way.rounds, round);
    covey_pace_enter();
    return err;
}

/* Nobody is there. What was asked for in parts is made in parts, so that the model does not depend
 * on who was there when; where there is no room for a worker's model, it does. */
static covey_err sum_here(struct covey_training *t, struct covey_gradient_round *round)
{
    covey_err err = covey__rounds_gradient_here(t->way.rounds, round);
    return err == COVEY_ERR_NOMEM || err == COVEY_ERR_BUSY ? COVEY_ERR_UNSUPPORTED : err;
}

/* theta and the running statistics go out, the mean of what the parts made of them comes back. */
static covey_err step_data(struct covey_training *t, struct covey_train_result *out)
{
    struct covey_trainer *trainer = t->trainer;
    size_t parameters = covey_trainer_parameters(trainer);
    size_t statistics = covey_trainer_statistics(trainer);
    struct covey_gradient_round round = {.step = covey_trainer_steps(trainer),
                                         .values = t->values,
                                         .parameters = parameters,
                                         .statistics = statistics,
                                         .input = t->batches.input,
                                         .labels = t->batches.labels,
                                         .batch = t->job.train.batch,
                                         .parts = t->way.parts,
                                         .input_floats = covey_trainer_input_floats(trainer),
                                         .gradient = t->gradient};
    memcpy(t->values, covey_trainer_values(trainer), parameters * sizeof(float));
    if (statistics > 0) {
        memcpy(t->values + parameters, covey_trainer_statistics_values(trainer),
               statistics * sizeof(float));
    }
    covey_err err = sum_gradient(t, &round);
    if (err == COVEY_ERR_UNSUPPORTED && !t->way.tries) {
        err = sum_here(t, &round);
    }
    if (err == COVEY_ERR_UNSUPPORTED) { /* nobody is there: until somebody is */
        return covey_trainer_step(trainer, t->batches.input, t->batches.labels, out);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (statistics > 0) {
        memcpy(covey_trainer_statistics_values(trainer), t->gradient + parameters,
               statistics * sizeof(float));
    }
    covey_trainer_apply(trainer, t->gradient, &round.result);
    *out = round.result;
    return COVEY_OK;
}

covey_err covey__training_way_step(struct covey_training *t, struct covey_train_result *out)
{
    bool here = t->way.rounds == NULL || (t->way.tries && !covey__trial_next(&t->trial));
    if (t->way.data && !here) {
        return step_data(t, out);
    }
    return covey_trainer_step(t->trainer, t->batches.input, t->batches.labels, out);
}

static void tell_trial(struct covey_training *t)
{
    const struct covey__trial *trial = &t->trial;
    pthread_mutex_lock(&t->mutex);
    covey__training_why(t, "%s: a step takes %.1f ms over the mesh and %.1f ms here, measured: %s",
                        t->way.data ? "data" : "products", trial->ns[1] / 1e6, trial->ns[0] / 1e6,
                        trial->mesh ? "over the mesh" : "here");
    pthread_mutex_unlock(&t->mutex);
}

void covey__training_way_took(struct covey_training *t, uint64_t ns)
{
    struct covey_rounds_report now = {.workers = 0};
    if (!t->way.tries) {
        return;
    }
    covey__rounds_report(t->way.rounds, &now);
    if (now.workers == 0) { /* there is nothing to try with */
        return;
    }
    if (covey__trial_took(&t->trial, ns)) {
        t->trial_workers = now.workers;
        tell_trial(t);
    } else if (t->trial_workers != now.workers) {
        t->trial_workers = now.workers;
        covey__trial_again(&t->trial);
    }
}
