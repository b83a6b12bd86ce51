/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "owner_state.h"

/* Answers are checked while the next layer is computed elsewhere, when this device has little to
 * do: a request passes on what it has not checked yet, but never ends before it has. A wrong answer
 * found behind what it was put together to means that the request starts again, without whoever
 * gave it. */

void covey__answers_drop(struct covey_answers *answers)
{
    for (size_t i = 0; i < COVEY_PLAN_DEVICES_MAX; i++) {
        covey_body_unref(answers->device[i]);
        covey_body_unref(answers->block[i]);
    }
    covey_body_unref(answers->local);
    *answers = (struct covey_answers){0};
}

void covey__check_free(struct covey_check *c)
{
    if (c != NULL) {
        covey__answers_drop(&c->answers);
        covey_body_unref(c->input);
        covey__version_unref(c->version);
        free(c);
    }
}

bool covey__layer_is_exact(const struct covey_request *r)
{
    return !r->at.tiles && covey_model_layer(r->session->file->model, r->at.index)->exact != 0;
}

/* Of nothing that follows anybody would be asked; or wrong numbers would be refused there, where
 * integers must be in their bounds. */
bool covey__check_may_wait(const struct covey_request *r)
{
    return r->stopped && !covey__layer_is_exact(r);
}

covey_err covey__check_keep(struct covey_request *r)
{
    struct covey_check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return COVEY_ERR_NOMEM;
    }
    c->owner = r->session->owner;
    c->session = r->session;
    c->version = covey__version_ref(r->version);
    c->request = r->id;
    c->layer = r->at.index;
    c->fed = r->fed;
    c->answers = r->answers;
    c->input = r->layer_input;
    r->answers = (struct covey_answers){0};
    r->layer_input = NULL;
    r->check = c;
    return COVEY_OK;
}

static void check(struct covey_check *c, struct covey_scratch *scratch)
{
    c->err = covey__version_check(c->version, c->layer, c->input, &c->answers, scratch, &c->wrong);
}

covey_err covey__check_now(struct covey_request *r, struct covey_scratch *scratch)
{
    struct covey_check *c = r->check;
    check(c, scratch);
    covey_err err = c->err;
    r->wrong = err == COVEY_OK ? c->wrong : 0;
    r->again = r->wrong != 0;
    r->unsure = c->fed;
    r->check = NULL;
    covey__check_free(c);
    return err;
}

static void check_work(struct covey_task *task, struct covey_scratch *scratch)
{
    struct covey_check *c = (struct covey_check *)task;
    check(c, scratch);
    covey__answers_drop(&c->answers);
}

static void check_done(struct covey_task *task)
{
    struct covey_check *c = (struct covey_check *)task;
    struct covey_request *r = covey__request_of(c->owner, c->request);
    c->session->tasks--;
    if (r != NULL) {
        r->checking = false;
        r->found_err = c->err;
        r->found_fed = c->fed;
        r->found = c->err == COVEY_OK ? c->wrong : 0;
        covey__request_checked(r);
    }
    covey__check_free(c);
}

void covey__check_later(struct covey_request *r)
{
    struct covey_check *c = r->check;
    if (c == NULL) {
        return;
    }
    c->task = (struct covey_task){.work = check_work, .done = check_done};
    r->check = NULL;
    r->checking = true;
    r->session->tasks++;
    covey__pool_submit(r->session->owner->services->compute, &c->task);
}
