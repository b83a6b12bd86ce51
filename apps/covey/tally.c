/* SPDX-License-Identifier: MIT */
#include "tally.h"

#include <stdlib.h>

size_t covey__argmax(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (values[i] > values[best]) {
            best = i;
        }
    }
    return best;
}

static bool grow(struct covey__tally *t)
{
    if (t->count < t->capacity) {
        return true;
    }
    size_t capacity = t->capacity == 0 ? 256 : t->capacity * 2;
    double *grown = realloc(t->ms, capacity * sizeof(*grown));
    if (grown == NULL) {
        return false;
    }
    t->ms = grown;
    t->capacity = capacity;
    return true;
}

/* Each is named once, in the order they were found. */
static void add_liars(struct covey__tally *t, const struct covey_control_result *r)
{
    for (size_t i = 0; i < r->liar_count; i++) {
        size_t at = 0;
        while (at < t->liars && !covey_node_id_equal(&t->liar[at], &r->liar[i])) {
            at++;
        }
        if (at == t->liars && at < COVEY_CONTROL_LIARS_MAX) {
            t->liar[t->liars++] = r->liar[i];
        }
    }
}

covey_err covey__tally_add(struct covey__tally *t, const struct covey__answer *answer,
                           size_t floats, int32_t label)
{
    if (!grow(t)) {
        return COVEY_ERR_NOMEM;
    }
    t->ms[t->count++] = answer->elapsed_ms;
    if (label >= 0) {
        t->labelled++;
        t->right += covey__argmax(answer->output, floats) == (size_t)label;
    }
    t->devices = 1;
    if (answer->result != NULL) {
        t->devices = answer->result->devices;
        t->recovered_dead += answer->row == 0 ? answer->result->recovered_dead : 0;
        t->recovered_late += answer->row == 0 ? answer->result->recovered_late : 0;
        t->checked += answer->result->checked;
        t->believed += !answer->result->checked && answer->result->devices > 1;
        add_liars(t, answer->result);
    }
    return COVEY_OK;
}

void covey__tally_done(struct covey__tally *t)
{
    free(t->ms);
    t->ms = NULL;
    t->count = t->capacity = 0;
}

double covey__tally_accuracy(const struct covey__tally *t)
{
    return t->labelled > 0 ? (double)t->right / (double)t->labelled : 0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double covey__tally_median_ms(struct covey__tally *t)
{
    if (t->count == 0) {
        return 0;
    }
    qsort(t->ms, t->count, sizeof(*t->ms), compare);
    size_t middle = t->count / 2;
    return t->count % 2 == 1 ? t->ms[middle] : (t->ms[middle - 1] + t->ms[middle]) / 2;
}

double covey__tally_max_ms(const struct covey__tally *t)
{
    double max = 0;
    for (size_t i = 0; i < t->count; i++) {
        max = t->ms[i] > max ? t->ms[i] : max;
    }
    return max;
}

bool covey__tally_checked(const struct covey__tally *t)
{
    return t->checked > 0 && t->believed == 0;
}
