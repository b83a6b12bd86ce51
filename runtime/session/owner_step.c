/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "owner_state.h"

/* One step of a request, on the pool: what came is put together, and the run goes on to the next
 * stage. One task does it all: every task costs a device its processor. */

static void drop_input(struct covey_request *r)
{
    covey__parts_drop(r);
    covey_body_unref(r->layer_input);
    covey_body_unref(r->layer_wire);
    r->layer_input = r->layer_wire = NULL;
}

/* Nobody waits for it any more: what the run has is not complete. */
static bool is_late(const struct covey_request *r)
{
    return atomic_load(covey__request_late(r)) != 0;
}

static covey_err start(struct covey_request *r)
{
    if (r->run == NULL) {
        covey_err err = covey_run_new(r->session->file->model, &r->run);
        if (err != COVEY_OK) {
            return err;
        }
    }
    const struct covey_model_file *f = r->session->file;
    if (r->alone) {
        covey_run_stages(r->run, f->layers, f->layer_stages);
    } else {
        covey_run_stages(r->run, r->version->stage, r->version->stages);
    }
    const struct covey_wanted in_time = {covey__request_late(r), 0};
    covey_run_wanted(r->run, &in_time);
    covey_run_start(r->run, (const void *const[]){r->input->data});
    return COVEY_OK;
}

/* Answers of others travelled as float16; the owner's own did not travel. */
static covey_err widen_answers(struct covey_request *r)
{
    for (unsigned d = 0; d < r->version->plan.devices; d++) {
        struct covey_body *half = r->answers.device[d];
        if (half == NULL || d == r->version->self) {
            continue;
        }
        covey_err err = covey__body_widen(half, &r->answers.device[d]);
        if (err != COVEY_OK) {
            return err;
        }
        covey_body_unref(half);
    }
    return COVEY_OK;
}

static covey_err combine(struct covey_request *r, struct covey_scratch *scratch)
{
    bool later = !covey__layer_is_exact(r);
    covey_err err = r->version->plan.half ? widen_answers(r) : COVEY_OK;
    if (err == COVEY_OK && !later) {
        err = covey__version_check(r->version, r->at.index, r->layer_input, &r->answers, scratch,
                                   &r->wrong);
        r->unsure = r->fed;
    }
    if (err != COVEY_OK || r->wrong != 0) {
        return err;
    }
    err = covey__version_combine(r->version, r->at.index, &r->answers, covey_run_answer(r->run));
    if (err == COVEY_OK && later) {
        err = covey__check_keep(r);
    }
    if (err == COVEY_OK) {
        covey_run_resume(r->run);
        drop_input(r);
        r->fed = 0;
    }
    return err;
}

static bool is_by_rows(const struct covey_request *r)
{
    return r->version != NULL && !r->at.tiles && r->at.index < r->version->plan.layers &&
           r->version->plan.layer[r->at.index].by_rows;
}

/* To each device its own, without zeros where that is less. */
static covey_err cut_rows(struct covey_request *r, const float *input)
{
    const struct covey_layer *shape = &r->version->layer[r->at.index].shape;
    size_t floats = covey_layer_input_floats(shape);
    const struct covey_plane_rows all = {1, 1, (uint32_t)floats, 0, 1};
    covey_err err = covey__version_blocks(r->version, r->at.index, input, r->answers.block);
    for (unsigned d = 0; d < r->version->plan.devices && err == COVEY_OK; d++) {
        const struct covey_body *block = r->answers.block[d];
        if (block != NULL && d != r->version->self) {
            err = covey__body_sparse(&all, (const float *)(const void *)block->data,
                                     &r->part_wire[d]);
        }
    }
    return err;
}

/* Sealed once here, where it is for several: the loop has only to authenticate it for each. */
static void share(const struct covey_request *r)
{
    const struct covey_plan_layer *layer = &r->version->plan.layer[r->at.index];
    uint32_t holders = 0;
    for (unsigned s = 0; s < layer->slots; s++) {
        holders |= layer->holder[s] == r->version->self ? 0 : UINT32_C(1) << layer->holder[s];
    }
    holders &= layer->relayed ? 0 : ~r->fed; /* unless they miss something */
    if ((holders & (holders - 1)) != 0) {
        covey_err ignored = covey_body_share(r->layer_wire);
        (void)ignored; /* without memory it is sealed for each, as always */
    }
}

static covey_err copy_input(struct covey_request *r, const float *input)
{
    const struct covey_layer *l = covey_model_layer(r->session->file->model, r->at.index);
    size_t floats = covey_layer_input_floats(l);
    if (r->version->plan.half) {
        covey_err err = covey__body_halve(input, floats, &r->layer_wire);
        return err != COVEY_OK ? err : covey__body_widen(r->layer_wire, &r->layer_input);
    }
    covey_err err = covey_body_new(floats * sizeof(float), &r->layer_input);
    if (err == COVEY_OK) {
        memcpy(r->layer_input->data, input, floats * sizeof(float));
        const struct covey_plane_rows all = {1, 1, (uint32_t)floats, 0, 1};
        err = covey__body_sparse(&all, input, &r->layer_wire);
    }
    return err;
}

static covey_err take_input(struct covey_request *r, const float *input)
{
    if (is_by_rows(r)) {
        return cut_rows(r, input);
    }
    covey_err err = copy_input(r, input);
    if (err == COVEY_OK) {
        share(r);
    }
    return err;
}

/* float16 has fewer numbers: what the devices were sent, so that this node makes the same of it. */
static covey_err halve_input(struct covey_request *r)
{
    const struct covey_plan_run *run = &r->version->plan.run[r->at.index];
    const struct covey_cell *cell = &r->session->file->cell[run->first_cell];
    size_t floats = (size_t)cell->in_planes * cell->in_rows * cell->in_width;
    struct covey_body *half = NULL, *wide = NULL;
    covey_err err = covey__body_halve(r->tile_input, floats, &half);
    if (err == COVEY_OK) {
        err = covey__body_widen(half, &wide);
    }
    if (err == COVEY_OK) {
        /* It is the run's own memory, and nothing else reads it any more. */
        memcpy((float *)(uintptr_t)r->tile_input, wide->data, floats * sizeof(float));
    }
    covey_body_unref(half);
    covey_body_unref(wide);
    return err;
}

/* Rows that were made twice and are not the same: this node makes them too, which says who was
 * wrong. Nothing of what came is used. */
static covey_err settle(struct covey_request *r, const struct covey_version_pieces *pieces)
{
    covey_err err = r->version->plan.half ? halve_input(r) : COVEY_OK;
    if (err != COVEY_OK) {
        return err;
    }
    const float *right = covey_run_answer(r->run);
    covey_run_local(r->run);
    return covey__version_wrong(r->version, r->at.index, pieces, right, &r->lied);
}

static covey_err join(struct covey_request *r)
{
    const struct covey_version_pieces pieces = {&r->layout, &r->twin, r->answers.device};
    bool agree = true;
    if (r->twin.segments > 0) {
        covey_err err = covey__version_agree(r->version, r->at.index, &pieces, &agree);
        if (err != COVEY_OK || !agree) {
            return err != COVEY_OK ? err : settle(r, &pieces);
        }
    }
    covey__version_join(r->version, r->at.index, &r->layout, r->answers.device,
                        covey_run_answer(r->run));
    covey_run_resume(r->run);
    return COVEY_OK;
}

static covey_err put_together(struct covey_request *r, struct covey_scratch *scratch)
{
    if (r->found_err != COVEY_OK || r->found != 0) {
        r->wrong = r->found;
        r->unsure = r->found_fed;
        r->again = true;
        drop_input(r);
        return r->found_err;
    }
    switch (r->step) {
    case COVEY_STEP_START:
        return start(r);
    case COVEY_STEP_COMBINE:
        return combine(r, scratch);
    case COVEY_STEP_JOIN:
        return join(r);
    case COVEY_STEP_LOCAL:
        covey_run_local(r->run);
        break;
    }
    return COVEY_OK;
}

/* To the next stage. Of a layer whose weights are in the store the product is made at once. */
static covey_err go_on(struct covey_request *r, struct covey_scratch *scratch,
                       const float **out_input)
{
    size_t stage = 0;
    r->stopped = covey_run_next(r->run, &stage, out_input);
    if (!r->stopped) {
        return COVEY_OK;
    }
    const struct covey_model_file *f = r->session->file;
    r->at = r->alone
                ? (struct covey_version_stage){.streamed = true, .index = f->layers[stage].layer}
                : r->version->at[stage];
    if (!r->at.streamed) {
        return COVEY_OK;
    }
    covey_err err =
        covey__model_file_product(f, r->at.index, *out_input, scratch, covey_run_answer(r->run));
    if (err == COVEY_OK) {
        covey_run_resume(r->run);
    }
    return err;
}

covey_err covey__request_advance(struct covey_request *r, struct covey_scratch *scratch)
{
    r->wrong = r->lied = r->unsure = 0;
    r->again = false;
    covey_err err = put_together(r, scratch);
    covey__answers_drop(&r->answers);
    r->found = 0;
    err = err == COVEY_OK && is_late(r) ? COVEY_ERR_CANCELLED : err;
    if (err != COVEY_OK || r->wrong != 0) {
        return err;
    }
    uint64_t begin_ns = covey_clock_ns();
    const float *input = NULL;
    do {
        err = go_on(r, scratch, &input);
        err = err == COVEY_OK && is_late(r) ? COVEY_ERR_CANCELLED : err;
    } while (err == COVEY_OK && r->stopped && r->at.streamed);
    r->local_us = (uint32_t)((covey_clock_ns() - begin_ns) / 1000);
    if (r->check != NULL && (err != COVEY_OK || !covey__check_may_wait(r))) {
        covey_err checked = covey__check_now(r, scratch);
        if (checked != COVEY_OK || r->wrong != 0) {
            return checked;
        }
    }
    if (err != COVEY_OK || !r->stopped) {
        return err;
    }
    r->tile_input = input;
    return r->at.tiles ? COVEY_OK : take_input(r, input);
}
