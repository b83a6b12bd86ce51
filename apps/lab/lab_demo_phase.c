/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab_demo.h"
#include "lab_stream.h"

static void compare(const struct covey__demo *d, struct covey__demo_phase *phase, size_t index,
                    const float *output)
{
    size_t floats = d->local.output_floats;
    const float *reference = d->reference + index * floats;
    double diff = covey__lab_difference(output, reference, floats);
    if (!(diff <= phase->max_rel_diff)) {
        phase->max_rel_diff = diff;
    }
    phase->argmax_equal =
        phase->argmax_equal && covey__argmax(output, floats) == covey__argmax(reference, floats);
}

int covey__demo_index(const struct covey__demo *d, const char *name)
{
    for (unsigned i = 0; i < d->lab.count; i++) {
        if (strcmp(d->lab.node[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

/* Who coordinates may be another one than when the phase began. */
static covey_err look_again(struct covey__demo *d, struct covey__demo_phase *phase)
{
    char name[COVEY_NAME_MAX + 1];
    uint64_t term = 0;
    covey_err err = covey__demo_coordinator(d, name, &term);
    int index = err == COVEY_OK ? covey__demo_index(d, name) : -1;
    if (err == COVEY_OK && (index < 0 || (unsigned)index == d->asker)) {
        snprintf(d->why, sizeof(d->why), "the coordinator changed while it was to be killed");
        return COVEY_ERR_BUSY;
    }
    if (err == COVEY_OK && index != phase->victim) {
        fprintf(stderr, "%s: %s coordinates by now and will be killed\n", phase->name, name);
        phase->victim = index;
    }
    return err;
}

covey_err covey__demo_answer(struct covey__demo *d, struct covey__demo_phase *phase)
{
    bool killed = phase->victim == COVEY_DEMO_NO_VICTIM, reaped = killed;
    double after_ms = fmin(d->steady_ms, 500) / 2; /* half of a usual request's time is over */
    phase->argmax_equal = true;
    for (size_t i = 0; i < d->count; i++) {
        if (covey__lab_signals_pending()) {
            snprintf(d->why, sizeof(d->why), "interrupted");
            return COVEY_ERR_CANCELLED;
        }
        if (phase->kills_coordinator && !killed && i >= d->count / 3) {
            covey_err looked = look_again(d, phase);
            if (looked != COVEY_OK) {
                return looked;
            }
        }
        struct covey__answer answer;
        covey_err err = covey__target_send(&d->target, d->inputs + i * d->local.input_floats);
        if (err == COVEY_OK && !killed && i >= d->count / 3) {
            killed = covey__lab_kill_in_flight(&d->target, &d->lab.node[phase->victim], after_ms);
            after_ms *= 0.7; /* where it was answered before: the next time sooner */
        }
        if (err == COVEY_OK) {
            err = covey__target_receive(&d->target, &answer);
        }
        if (killed && !reaped) {
            /* A busy machine takes long to end a process: the rest of the digits is for a mesh in
             * which it is gone. */
            covey__lab_kill(&d->lab.node[phase->victim]);
            reaped = true;
        }
        if (err == COVEY_OK) {
            err = covey__tally_add(&phase->tally, &answer, d->local.output_floats, d->labels[i]);
        }
        if (err == COVEY_OK) {
            compare(d, phase, i, answer.output);
            continue;
        }
        snprintf(d->why, sizeof(d->why), "%.200s", d->target.why.text);
        if (covey__lab_stream_broken(err)) {
            return err;
        }
        fprintf(stderr, "  digit %zu is lost: %s\n", i, d->why);
        phase->tally.lost++;
    }
    if (!reaped) {
        covey__lab_kill(&d->lab.node[phase->victim]);
    }
    return COVEY_OK;
}

covey_err covey__demo_coordinator(struct covey__demo *d, char name[static COVEY_NAME_MAX + 1],
                                  uint64_t *out_term)
{
    struct covey__control c = {0};
    covey_err err = covey__lab_status(&d->lab, d->asker, &c);
    if (err != COVEY_OK) {
        snprintf(d->why, sizeof(d->why), "%s", c.why);
        covey__control_close(&c);
        return err;
    }
    const struct covey_control_status *s = &c.reply->status;
    name[0] = 0;
    for (size_t i = 0; s->has_coordinator && i < s->member_count; i++) {
        if (covey_node_id_equal(&s->member[i].id, &s->coordinator)) {
            snprintf(name, COVEY_NAME_MAX + 1, "%s", s->member[i].name);
        }
    }
    *out_term = s->term;
    covey__control_close(&c);
    return COVEY_OK;
}
