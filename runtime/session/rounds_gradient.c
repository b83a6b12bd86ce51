/* SPDX-License-Identifier: MIT */
#include "rounds_gradient.h"

#include <math.h>
#include <string.h>

enum { TASKS = COVEY__GRADIENT_TASKS };

/* Statistics, then the gradient back to front. */
static float *sums_of(const struct covey__gradient_sum *r, const struct covey_body *b)
{
    return (float *)(void *)(b->data + covey__gradient_answer_bytes(0, r->code.spare + 1));
}

/* ---- out ---- */

static covey_err make_shared(const struct covey__gradient_sum *r, struct covey_body **out)
{
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(r->floats * sizeof(float), &body);
    if (err != COVEY_OK) {
        return err;
    }
    memcpy(body->data, r->io->values, r->floats * sizeof(float));
    err = covey_body_share(body);
    if (err != COVEY_OK) {
        covey_body_unref(body);
        return err;
    }
    *out = body;
    return COVEY_OK;
}

/* The last part may have fewer samples than the others: the rest do not count. */
static uint32_t samples_of(const struct covey__gradient_sum *r, uint32_t part)
{
    uint32_t before = part * r->part, left = r->io->batch - before;
    return left < r->part ? left : r->part;
}

/* Samples of its parts, then their labels. */
static covey_err make_task(const struct covey__gradient_sum *r, const struct covey_task_spec *spec,
                           struct covey_body **out)
{
    const struct covey_gradient_round *io = r->io;
    size_t values = (size_t)r->part * io->input_floats, bytes = values * sizeof(float);
    size_t labels = r->part * sizeof(uint32_t);
    struct covey_body *body = NULL;
    covey_err err = covey_body_new(spec->count * (bytes + labels), &body);
    if (err != COVEY_OK) {
        return err;
    }
    uint8_t *tail = body->data + spec->count * bytes;
    for (size_t i = 0; i < spec->count; i++) {
        const uint32_t *from = io->labels + (size_t)spec->part[i] * r->part;
        size_t count = samples_of(r, spec->part[i]), given = bytes / r->part * count;
        memcpy(body->data + i * bytes, io->input + spec->part[i] * values, given);
        memset(body->data + i * bytes + given, 0, bytes - given);
        for (size_t k = 0; k < r->part; k++) {
            covey_store32(tail + i * labels + k * sizeof(uint32_t),
                          k < count ? from[k] : COVEY_LABEL_NONE);
        }
    }
    *out = body;
    return COVEY_OK;
}

covey_err covey__gradient_task_of(const struct covey__gradient_sum *r, uint32_t task,
                                  struct covey_task_spec *out_spec, struct covey_body **out)
{
    struct covey_task_spec spec = {.count = (uint8_t)(r->code.spare + 1)};
    for (uint32_t i = 0; i <= r->code.spare; i++) {
        spec.part[i] = covey_gradient_part(&r->code, task, i);
        spec.coefficient[i] = r->code.coefficient[task][i];
    }
    *out_spec = spec;
    return out != NULL ? make_task(r, &spec, out) : COVEY_OK;
}

static covey_err send_task(struct covey__gradient_sum *r, uint32_t task,
                           struct covey_body **inout_group)
{
    struct covey_task_spec spec;
    covey_err err =
        covey__gradient_task_of(r, task, &spec, *inout_group == NULL ? inout_group : NULL);
    return err == COVEY_OK
               ? covey__rounds_task(r->rounds, r->number, task, &spec, covey_body_ref(*inout_group))
               : err;
}

/* Of each group one task, then of each the next: with fewer workers than tasks, none does what
 * another has done before all have been begun. */
static covey_err send_groups(struct covey__gradient_sum *r)
{
    uint32_t size = r->code.spare + 1, groups = r->code.tasks / size;
    struct covey_body *body[TASKS] = {NULL};
    covey_err err = COVEY_OK;
    for (uint32_t i = 0; i < r->code.tasks && err == COVEY_OK; i++) {
        uint32_t group = i % groups;
        err = send_task(r, group * size + i / groups, &body[group]);
    }
    for (uint32_t i = 0; i < groups; i++) {
        covey_body_unref(body[i]);
    }
    return err;
}

static covey_err send_cyclic(struct covey__gradient_sum *r)
{
    covey_err err = COVEY_OK;
    for (uint32_t t = 0; t < r->code.tasks && err == COVEY_OK; t++) {
        struct covey_body *body = NULL;
        err = send_task(r, t, &body);
        covey_body_unref(body);
    }
    return err;
}

static covey_err begin(struct covey__gradient_sum *r)
{
    const struct covey_round_spec spec = {.mode = COVEY_TRAIN_DATA, .step = r->io->step};
    struct covey_body *shared = NULL;
    uint64_t start = covey_thread_cpu_ns();
    covey_err err = make_shared(r, &shared);
    if (err == COVEY_OK) {
        covey_pace_leave(); /* in front of what is handed on */
        err = covey__rounds_begin(r->rounds, &spec, shared, &r->number);
    }
    if (err != COVEY_OK) {
        return err;
    }
    covey_pace_enter();
    err = r->code.kind == COVEY_GRADIENT_FRACTIONAL ? send_groups(r) : send_cyclic(r);
    covey__rounds_count(r->rounds,
                        &(struct covey_rounds_report){.encode_ns = covey_thread_cpu_ns() - start});
    return err;
}

/* ---- back ---- */

/* Losses and hits of the parts that were not known yet. RANGE: a loss is no number. */
static covey_err read_heads(struct covey__gradient_sum *r, uint32_t task,
                            const struct covey_body *answer)
{
    for (uint32_t i = 0; i <= r->code.spare; i++) {
        const uint8_t *head = answer->data + covey__gradient_answer_bytes(0, i);
        uint32_t part = covey_gradient_part(&r->code, task, i), bits = covey_load32(head);
        float loss;
        memcpy(&loss, &bits, sizeof(loss));
        if (!isfinite(loss)) {
            return COVEY_ERR_RANGE;
        }
        if (!r->seen[part]) {
            r->seen[part] = true;
            r->loss[part] = loss;
            r->hits[part] = covey_load32(head + sizeof(float));
        }
    }
    return COVEY_OK;
}

static void keep(struct covey__gradient_sum *r, uint32_t place, struct covey_body *take_body)
{
    r->kept[place] = take_body;
    r->width[place] = 1;
}

/* A group's answer is there: sums of as many groups, side by side, become one. */
static void join(struct covey__gradient_sum *r, uint32_t group)
{
    uint32_t groups = r->code.tasks / (r->code.spare + 1);
    for (uint32_t width = 1; width < groups; width *= 2) {
        uint32_t left = group / (2 * width) * (2 * width), right = left + width;
        if (right >= groups) {
            r->width[left] = r->width[left] == width ? 2 * width : r->width[left];
        }
        if (right < groups && r->width[left] == width && r->width[right] == width) {
            covey_gradient_add(sums_of(r, r->kept[left]), sums_of(r, r->kept[right]), r->floats,
                               1.0f, false);
            covey_body_unref(r->kept[right]);
            r->kept[right] = NULL;
            r->width[left] = 2 * width;
        }
        group = left;
    }
}

static void take_answer(struct covey__gradient_sum *r, uint32_t task, struct covey_body *take_body)
{
    uint32_t group = task / (r->code.spare + 1);
    if (r->code.kind == COVEY_GRADIENT_CYCLIC) {
        keep(r, task, take_body);
    } else if (r->width[group] != 0) { /* another of its group was faster */
        covey_body_unref(take_body);
    } else {
        keep(r, group, take_body);
        join(r, group);
    }
    r->answered[task] = true;
}

static covey_err on_answer(struct covey__gradient_sum *r, const struct covey__round_news *news)
{
    struct covey_rounds_report count = {.answers = 1};
    size_t bytes = covey__gradient_answer_bytes(r->floats, r->code.spare + 1);
    uint64_t start = covey_thread_cpu_ns(), check_ns = 0;
    covey_err err = COVEY_OK;
    if (news->round != r->number || news->task >= r->code.tasks || r->answered[news->task]) {
        covey_body_unref(news->body);
        count = (struct covey_rounds_report){.late = news->round != r->number};
    } else if (news->body == NULL) { /* it is given to another; or it never left */
        count = (struct covey_rounds_report){.refused = 1};
        err = news->count > 0 ? COVEY_ERR_NOMEM : COVEY_OK;
    } else if (r->doubted) {
        err = covey__doubt_answer(r, news);
        check_ns = covey_thread_cpu_ns() - start;
    } else if (news->body->len != bytes) {
        covey_body_unref(news->body);
        covey__rounds_lied(r->rounds, r->number, &news->peer);
        count = (struct covey_rounds_report){.reissued = 1};
    } else {
        err = read_heads(r, news->task, news->body);
        take_answer(r, news->task, news->body);
    }
    count.check_ns = check_ns;
    count.decode_ns = covey_thread_cpu_ns() - start - check_ns;
    covey__rounds_count(r->rounds, &count);
    return err;
}

static bool is_complete(const struct covey__gradient_sum *r, float weight[TASKS])
{
    return covey_gradient_weights(&r->code, r->answered, weight) &&
           (!r->doubted || covey__doubt_settled(r));
}

/* Until the answers suffice. */
static covey_err collect(struct covey__gradient_sum *r, float weight[TASKS])
{
    struct covey__round_worker workers[COVEY_WORKERS_MAX];
    covey_err err = COVEY_OK;
    while (err == COVEY_OK && !is_complete(r, weight)) {
        struct covey__round_news news;
        err = covey__rounds_wait(r->rounds, &news);
        if (err == COVEY_OK && news.type == COVEY__NEWS_ANSWER) {
            err = on_answer(r, &news);
        } else if (err == COVEY_OK && covey__rounds_workers(r->rounds, workers) == 0) {
            err = COVEY_ERR_UNSUPPORTED;
        }
    }
    return err;
}

/* What is kept of a doubted round, as if it came now. */
static covey_err take_kept(struct covey__gradient_sum *r)
{
    covey_err err = COVEY_OK;
    for (uint32_t t = 0; t < r->code.tasks && err == COVEY_OK; t++) {
        uint32_t place = covey__gradient_place(r, t);
        if (t != covey__gradient_first(r, place) || r->kept[place] == NULL) {
            continue;
        }
        err = read_heads(r, t, r->kept[place]);
        r->width[place] = 1;
        if (r->code.kind == COVEY_GRADIENT_FRACTIONAL) {
            join(r, place);
        }
    }
    return err;
}

/* The mean over the parts. */
static void finish(struct covey__gradient_sum *r, const float weight[TASKS])
{
    struct covey_gradient_round *io = r->io;
    const float share = (float)r->part / (float)io->batch;
    uint64_t start = covey_thread_cpu_ns();
    bool first = true;
    double loss = 0.0;
    for (uint32_t t = 0; t < r->code.tasks; t++) {
        bool cyclic = r->code.kind == COVEY_GRADIENT_CYCLIC;
        if (r->kept[t] != NULL && (!cyclic || weight[t] != 0.0f)) {
            const float *sums = sums_of(r, r->kept[t]), each = cyclic ? share * weight[t] : share;
            covey_gradient_add_back(io->gradient, sums + io->statistics, io->parameters, each,
                                    first);
            covey_gradient_add(io->gradient + io->parameters, sums, io->statistics, each, first);
            first = false;
        }
    }
    io->result = (struct covey_train_result){.loss = 0.0f};
    for (uint32_t p = 0; p < r->code.tasks; p++) {
        loss += (double)r->loss[p];
        io->result.correct += r->hits[p];
    }
    io->result.loss = (float)(loss * (double)share);
    covey__rounds_count(r->rounds,
                        &(struct covey_rounds_report){.decode_ns = covey_thread_cpu_ns() - start});
}

static covey_err open_sum(struct covey__gradient_sum *r, struct covey_rounds *rounds,
                          struct covey_gradient_round *io)
{
    const struct covey_strategy *s = &rounds->config.strategy;
    *r = (struct covey__gradient_sum){.rounds = rounds,
                                      .io = io,
                                      .floats = io->parameters + io->statistics,
                                      .doubted = s->any_trust || s->check_all};
    if (!covey__gradient_parts_fit(io->batch, io->parts, io->statistics)) {
        return COVEY_ERR_RANGE;
    }
    r->part = covey__gradient_part(io->batch, io->parts);
    return covey_gradient_code_init(&r->code, io->parts, covey__gradient_spare(s));
}

static void close_sum(struct covey__gradient_sum *r)
{
    covey__doubt_end(r);
    for (uint32_t t = 0; t < r->code.tasks; t++) {
        covey_body_unref(r->kept[t]);
    }
}

/* Answers that are kept. Where those side by side are summed as they come: every other one, and the
 * next. */
static uint64_t answers_most(const struct covey_strategy *s, uint32_t parts)
{
    uint32_t size = covey__gradient_spare(s) + 1, groups = parts / size;
    bool summed = !s->any_trust && !s->check_all && parts % size == 0;
    return !summed ? parts : groups > 1 ? (groups + 1) / 2 + 1 : 1;
}

uint64_t covey__rounds_gradient_bytes(const struct covey_strategy *strategy,
                                      const struct covey_gradient_round *io)
{
    enum { OWN = 2, SHARED = 2 }; /* values and gradient; what goes out, and sealed */
    uint32_t size = covey__gradient_spare(strategy) + 1;
    uint64_t floats = (uint64_t)io->parameters + io->statistics;
    uint64_t sample = io->input_floats * sizeof(float) + sizeof(uint32_t);
    uint64_t times = io->parts % size != 0 ? size : 1; /* within a group all get the same */
    return (OWN + SHARED + answers_most(strategy, io->parts)) * floats * sizeof(float) +
           times * io->batch * sample;
}

covey_err covey__rounds_gradient(struct covey_rounds *rounds, struct covey_gradient_round *inout)
{
    struct covey__round_worker workers[COVEY_WORKERS_MAX];
    struct covey__gradient_sum r;
    float weight[TASKS];
    uint64_t start = covey_clock_ns();
    if (covey__rounds_workers(rounds, workers) < (rounds->config.strategy.check_all ? 2 : 1)) {
        return COVEY_ERR_UNSUPPORTED; /* one alone has nobody beside it to be compared with */
    }
    covey_err err = open_sum(&r, rounds, inout);
    if (err != COVEY_OK) {
        return err;
    }
    if (!r.doubted) { /* its model, from when nobody was there */
        covey__gradient_check_free(rounds->check);
        rounds->check = NULL;
    }
    err = begin(&r);
    if (err == COVEY_OK && r.doubted) {
        err = covey__doubt_begin(&r);
    }
    if (err == COVEY_OK) {
        err = collect(&r, weight);
    }
    if (r.number != 0) {
        covey__rounds_end(rounds, r.number);
    }
    if (err == COVEY_OK && r.doubted) {
        err = take_kept(&r);
    }
    if (err == COVEY_OK) {
        finish(&r, weight);
    }
    close_sum(&r);
    covey__rounds_count(rounds, &(struct covey_rounds_report){.wall_ns = covey_clock_ns() - start});
    return err;
}

covey_err covey__rounds_gradient_here(struct covey_rounds *rounds,
                                      struct covey_gradient_round *inout)
{
    struct covey__gradient_sum r;
    const float weight[TASKS] = {0.0f};
    covey_err err = open_sum(&r, rounds, inout);
    if (err == COVEY_OK && r.code.kind == COVEY_GRADIENT_CYCLIC) {
        err = COVEY_ERR_UNSUPPORTED; /* its sums are those of who answers, so there are no others */
    }
    for (uint32_t t = 0; t < r.code.tasks && err == COVEY_OK; t += r.code.spare + 1) {
        uint32_t place = covey__gradient_place(&r, t);
        err = covey__doubt_truth(&r, place);
        if (err == COVEY_OK) {
            err = read_heads(&r, t, r.truth[place]);
        }
        if (err == COVEY_OK) {
            take_answer(&r, t, r.truth[place]);
            r.truth[place] = NULL;
        }
    }
    if (err == COVEY_OK) {
        finish(&r, weight);
    }
    close_sum(&r);
    return err;
}
