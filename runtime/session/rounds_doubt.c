/* SPDX-License-Identifier: MIT */
#include "rounds_gradient.h"

#include "covey/crypto.h"

/* Nobody can check a gradient for less than it takes to compute it. So what was computed twice is
 * compared, and beside that one task in so many rounds is computed here, drawn in secret: who
 * answers wrongly cannot know when it matters. Where two answers differ, what is computed here says
 * whose is wrong. */
enum { AUDIT_ONE_IN = 4 };

static covey_err make_check(struct covey_rounds *rounds)
{
    struct covey_enlist_spec spec;
    if (rounds->check != NULL) {
        return COVEY_OK;
    }
    covey_err err = covey__enlist_spec_decode(rounds->config.enlist, &spec);
    return err == COVEY_OK
               ? covey__gradient_check_new(rounds->config.services, &spec, &rounds->check)
               : err;
}

/* A task as a worker gets it. */
struct question {
    struct covey_round_spec round;
    struct covey_task_spec spec;
    struct covey_body *shared, *body;
    struct covey__gradient_task task;
};

static void question_done(struct question *q)
{
    covey_body_unref(q->shared);
    covey_body_unref(q->body);
}

static covey_err question_init(struct question *q, const struct covey__gradient_sum *r,
                               uint32_t place)
{
    *q = (struct question){.round = {.mode = COVEY_TRAIN_DATA, .step = r->io->step}};
    covey_err err = make_check(r->rounds);
    if (err == COVEY_OK) {
        err = covey__gradient_task_of(r, covey__gradient_first(r, place), &q->spec, &q->body);
    }
    if (err == COVEY_OK) {
        err = covey_body_new(r->floats * sizeof(float), &q->shared);
    }
    if (err != COVEY_OK) {
        question_done(q);
        return err;
    }
    memcpy(q->shared->data, r->io->values, r->floats * sizeof(float));
    q->task = (struct covey__gradient_task){.round = &q->round,
                                            .spec = &q->spec,
                                            .shared = q->shared,
                                            .body = q->body,
                                            .stop = &r->rounds->stopped};
    return COVEY_OK;
}

covey_err covey__doubt_truth(struct covey__gradient_sum *r, uint32_t place)
{
    struct question q;
    struct covey_body *truth = NULL;
    if (r->truth[place] != NULL) {
        return COVEY_OK;
    }
    covey_err err = question_init(&q, r, place);
    if (err != COVEY_OK) {
        return err;
    }
    err = covey__gradient_check_compute(r->rounds->check, &q.task, &truth);
    question_done(&q);
    if (err == COVEY_OK &&
        !covey__gradient_check_sound(r->rounds->check, truth, r->code.spare + 1)) {
        covey_body_unref(truth);
        err = COVEY_ERR_RANGE;
    }
    if (err == COVEY_OK) {
        r->truth[place] = truth;
    }
    return err;
}

covey_err covey__doubt_begin(struct covey__gradient_sum *r)
{
    struct covey__round_worker worker[COVEY_WORKERS_MAX];
    uint32_t dice[2], places = covey__gradient_place(r, r->code.tasks - 1) + 1;
    bool any = false;
    for (uint32_t i = covey__rounds_workers(r->rounds, worker); i > 0; i--) {
        any = any || worker[i - 1].checked;
    }
    covey_random(dice, sizeof(dice));
    if (!any || dice[0] % AUDIT_ONE_IN != 0) {
        return COVEY_OK;
    }
    uint64_t start = covey_thread_cpu_ns();
    covey_err err = covey__doubt_truth(r, dice[1] % places);
    covey__rounds_count(r->rounds,
                        &(struct covey_rounds_report){.check_ns = covey_thread_cpu_ns() - start});
    return err;
}

/* ---- answers ---- */

/* Beside what is computed here. */
static covey_err judge(struct covey__gradient_sum *r, uint32_t place,
                       const struct covey_body *answer, bool *out_right)
{
    struct question q;
    covey_err err = covey__doubt_truth(r, place);
    if (err == COVEY_OK &&
        !covey__gradient_check_sound(r->rounds->check, answer, r->code.spare + 1)) {
        *out_right = false;
        return COVEY_OK;
    }
    if (err == COVEY_OK) {
        err = question_init(&q, r, place);
    }
    if (err != COVEY_OK) {
        return err;
    }
    err =
        covey__gradient_check_judge(r->rounds->check, &q.task, r->truth[place], answer, out_right);
    question_done(&q);
    return err;
}

static void drop(struct covey__gradient_sum *r, uint32_t place)
{
    covey_body_unref(r->kept[place]);
    r->kept[place] = NULL;
    r->sure[place] = false;
    for (uint32_t t = 0; t < r->code.tasks; t++) {
        r->answered[t] = r->answered[t] && covey__gradient_place(r, t) != place;
    }
}

/* Nothing of it stays that is not known to be right: the node gives its tasks to others. */
static void on_liar(struct covey__gradient_sum *r, const struct covey_node_id *peer)
{
    covey__rounds_lied(r->rounds, r->number, peer);
    covey__rounds_count(r->rounds, &(struct covey_rounds_report){.reissued = 1});
    for (uint32_t p = 0; p < r->code.tasks; p++) {
        if (r->kept[p] != NULL && !r->sure[p] && covey_node_id_equal(&r->from[p], peer)) {
            drop(r, p);
        }
    }
}

/* Somebody else has answered the same. */
static covey_err compare(struct covey__gradient_sum *r, uint32_t place,
                         const struct covey__round_news *news, bool *out_right)
{
    const struct covey_node_id from = r->from[place];
    bool kept_right = true, right = true;
    covey_err err = make_check(r->rounds);
    if (err == COVEY_OK &&
        covey__gradient_check_sound(r->rounds->check, news->body, r->code.spare + 1) &&
        covey__gradient_check_same(r->rounds->check, r->kept[place], news->body,
                                   r->code.spare + 1)) {
        r->sure[place] = true;
        *out_right = true;
        return COVEY_OK;
    }
    if (err == COVEY_OK) {
        err = judge(r, place, r->kept[place], &kept_right);
    }
    if (err == COVEY_OK && covey__rounds_doubts(r->rounds, &news->peer)) {
        err = judge(r, place, news->body, &right);
    }
    if (err != COVEY_OK) {
        return err;
    }
    if (kept_right || !covey__rounds_doubts(r->rounds, &from)) {
        r->sure[place] = true;
    } else {
        on_liar(r, &from);
    }
    *out_right = right;
    return COVEY_OK;
}

/* Whether it may be used as far as is known now. */
static covey_err look(struct covey__gradient_sum *r, uint32_t place,
                      const struct covey__round_news *news, bool *out_right)
{
    bool beside = r->kept[place] != NULL && !covey_node_id_equal(&r->from[place], &news->peer);
    *out_right = true;
    if (!covey__rounds_doubts(r->rounds, &news->peer)) { /* it is believed, and says who is not */
        return beside && !r->sure[place] ? compare(r, place, news, out_right) : COVEY_OK;
    }
    covey_err err = make_check(r->rounds);
    if (err != COVEY_OK) {
        return err;
    }
    if (r->truth[place] != NULL ||
        !covey__gradient_check_sound(r->rounds->check, news->body, r->code.spare + 1)) {
        return judge(r, place, news->body, out_right);
    }
    return beside ? compare(r, place, news, out_right) : COVEY_OK;
}

/* Nobody else is left to ask: every task of it was answered by one device. */
static covey_err settle(struct covey__gradient_sum *r, uint32_t place)
{
    const uint32_t first = covey__gradient_first(r, place);
    const struct covey_node_id from = r->from[place];
    bool right = true, all = true;
    for (uint32_t t = first; t < r->code.tasks && covey__gradient_place(r, t) == place; t++) {
        all = all && r->answered[t];
    }
    if (!r->rounds->config.strategy.check_all || !all || r->sure[place]) {
        return COVEY_OK;
    }
    covey_err err = judge(r, place, r->kept[place], &right);
    r->sure[place] = right;
    if (err == COVEY_OK && !right) {
        on_liar(r, &from);
    }
    return err;
}

static void accept(struct covey__gradient_sum *r, uint32_t place,
                   const struct covey__round_news *news)
{
    if (r->kept[place] == NULL) {
        r->kept[place] = news->body;
        r->from[place] = news->peer;
        r->sure[place] = r->truth[place] != NULL || !covey__rounds_doubts(r->rounds, &news->peer);
    } else {
        covey_body_unref(news->body);
    }
    r->answered[news->task] = true;
}

covey_err covey__doubt_answer(struct covey__gradient_sum *r, const struct covey__round_news *news)
{
    const uint32_t place = covey__gradient_place(r, news->task);
    const size_t bytes = covey__gradient_answer_bytes(r->floats, r->code.spare + 1);
    bool right = false;
    covey_err err = COVEY_OK;
    if (news->body->len == bytes && !covey__rounds_has_lied(r->rounds, &news->peer)) {
        err = look(r, place, news, &right);
    }
    if (err != COVEY_OK || !right) {
        covey_body_unref(news->body);
    }
    if (err == COVEY_OK && right) {
        accept(r, place, news);
        err = settle(r, place);
    } else if (err == COVEY_OK) {
        on_liar(r, &news->peer);
    }
    return err;
}

bool covey__doubt_settled(const struct covey__gradient_sum *r)
{
    bool sure = true;
    for (uint32_t p = 0; p < r->code.tasks && r->rounds->config.strategy.check_all; p++) {
        sure = sure && (r->kept[p] == NULL || r->sure[p]);
    }
    return sure;
}

void covey__doubt_end(struct covey__gradient_sum *r)
{
    for (uint32_t p = 0; p < r->code.tasks; p++) {
        covey_body_unref(r->truth[p]);
        r->truth[p] = NULL;
    }
}
