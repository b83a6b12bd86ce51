/* SPDX-License-Identifier: MIT */
#include "split_trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"

enum {
    UNIT = SPLIT_TRIAL_ROWS * SPLIT_TRIAL_DEPTH,
    INPUT = SPLIT_TRIAL_COLUMNS * SPLIT_TRIAL_DEPTH
};

struct operands {
    float input[INPUT]; /* [column][depth] */
    float weights[SPLIT_TRIAL_ANSWERS][UNIT];
};

static void fill_random(uint64_t *state, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (float)(*state >> 40) * 0x1p-23f - 1.0f;
    }
}

static covey_err encode(unsigned count, struct operands *o)
{
    const float *units[COVEY_GROUP_UNITS_MAX];
    for (unsigned j = 0; j < count; j++) {
        units[j] = o->weights[j];
    }
    for (unsigned t = 0; t < COVEY_PARITY_MAX; t++) {
        covey_err err = covey_split_encode(t, count, units, UNIT, o->weights[count + t]);
        if (err != COVEY_OK) {
            return err;
        }
    }
    return COVEY_OK;
}

/* All answers as one product, as a holder of all slots computes them. */
static covey_err multiply(const struct operands *o, struct split_trial *t)
{
    unsigned slots = t->count + COVEY_PARITY_MAX;
    struct covey_layer l =
        layer_dense(slots * SPLIT_TRIAL_ROWS, SPLIT_TRIAL_DEPTH, SPLIT_TRIAL_COLUMNS);
    l.unit_rows = SPLIT_TRIAL_ROWS;
    l.units = slots;
    struct covey_product *p = NULL;
    covey_err err = covey_product_new(&l, o->weights[0], slots, &p);
    if (err == COVEY_OK) {
        err = covey_product_run(p, o->input, NULL, t->answer[0]);
        covey_product_free(p);
    }
    return err;
}

static void multiply_exactly(const struct operands *o, struct split_trial *t)
{
    for (unsigned i = 0; i < t->count * SPLIT_TRIAL_FLOATS; i++) {
        unsigned unit = i / SPLIT_TRIAL_FLOATS, at = i % SPLIT_TRIAL_FLOATS;
        const float *row = o->weights[unit] + at / SPLIT_TRIAL_COLUMNS * SPLIT_TRIAL_DEPTH;
        const float *column = o->input + at % SPLIT_TRIAL_COLUMNS * SPLIT_TRIAL_DEPTH;
        double sum = 0;
        for (unsigned k = 0; k < SPLIT_TRIAL_DEPTH; k++) {
            sum += (double)row[k] * (double)column[k];
        }
        t->exact[unit][at] = sum;
    }
}

covey_err split_trial_fill(struct split_trial *t, unsigned count, uint64_t seed)
{
    struct operands *o = malloc(sizeof(*o));
    if (o == NULL) {
        return COVEY_ERR_NOMEM;
    }
    t->count = count;
    fill_random(&seed, o->input, INPUT);
    fill_random(&seed, o->weights[0], (size_t)count * UNIT);
    covey_err err = encode(count, o);
    err = err == COVEY_OK ? multiply(o, t) : err;
    multiply_exactly(o, t);
    free(o);
    return err;
}

static double error_of(const float *got, const double *exact)
{
    double off = 0, all = 0;
    for (unsigned i = 0; i < SPLIT_TRIAL_FLOATS; i++) {
        double d = (double)got[i] - exact[i];
        off += d * d;
        all += exact[i] * exact[i];
    }
    return sqrt(off / all);
}

double split_trial_plain(const struct split_trial *t, unsigned unit)
{
    return error_of(t->answer[unit], t->exact[unit]);
}

covey_err split_trial_rebuild(const struct split_trial *t, unsigned r, uint32_t lost,
                              double *out_error)
{
    static const size_t bytes = sizeof(t->answer[0]);
    float rebuilt[COVEY_GROUP_UNITS_MAX][SPLIT_TRIAL_FLOATS];
    const float *answers[SPLIT_TRIAL_ANSWERS];
    float *out[COVEY_GROUP_UNITS_MAX];
    double worst = 0;
    for (unsigned i = 0; i < t->count + r; i++) {
        answers[i] = (lost >> i & 1) != 0 ? NULL : t->answer[i];
    }
    for (unsigned j = 0; j < t->count; j++) {
        out[j] = rebuilt[j];
    }
    memset(rebuilt, 0xff, sizeof(rebuilt)); /* NaN: what was there must not matter */
    covey_err err = covey_split_rebuild(t->count, r, answers, out, SPLIT_TRIAL_FLOATS);
    for (unsigned j = 0; err == COVEY_OK && j < t->count; j++) {
        double error = 0;
        if (answers[j] == NULL) {
            error = error_of(rebuilt[j], t->exact[j]);
        } else if (memcmp(rebuilt[j], answers[j], bytes) != 0) {
            error = HUGE_VAL;
        }
        worst = error <= worst ? worst : error;
    }
    if (err == COVEY_OK) {
        *out_error = worst;
    }
    return err;
}
