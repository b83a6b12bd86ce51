/* SPDX-License-Identifier: MIT */
#include "combine.h"

#include <math.h>
#include <string.h>

/* Units lost and the parities they are solved with: as many, ascending. */
struct losses {
    unsigned count;
    unsigned unit[COVEY_PARITY_MAX], parity[COVEY_PARITY_MAX];
    double inverse[COVEY_PARITY_MAX][COVEY_PARITY_MAX]; /* of the square part g[parity][unit] */
};

static covey_err find_losses(unsigned count, unsigned r, const float *const *answers,
                             struct losses *out)
{
    unsigned parities = 0;
    out->count = 0;
    for (unsigned j = 0; j < count; j++) {
        if (answers[j] != NULL) {
            continue;
        }
        if (out->count == r) {
            return COVEY_ERR_STATE;
        }
        out->unit[out->count++] = j;
    }
    for (unsigned t = 0; t < r && parities < out->count; t++) {
        if (answers[count + t] != NULL) {
            out->parity[parities++] = t;
        }
    }
    return parities == out->count ? COVEY_OK : COVEY_ERR_STATE;
}

struct row {
    double at[2 * COVEY_PARITY_MAX]; /* of the square part, then of the identity */
};

/* Clears column c of the other rows. */
static covey_err eliminate(unsigned size, unsigned c, struct row rows[COVEY_PARITY_MAX])
{
    unsigned pivot = c;
    for (unsigned i = c + 1; i < size; i++) {
        pivot = fabs(rows[i].at[c]) > fabs(rows[pivot].at[c]) ? i : pivot;
    }
    struct row first = rows[pivot];
    rows[pivot] = rows[c];
    if (first.at[c] == 0) {
        return COVEY_ERR_RANGE;
    }
    double pivot_value = first.at[c];
    for (unsigned j = 0; j < 2 * size; j++) {
        first.at[j] /= pivot_value;
    }
    rows[c] = first;
    for (unsigned i = 0; i < size; i++) {
        double times = i == c ? 0 : rows[i].at[c];
        for (unsigned j = 0; j < 2 * size; j++) {
            rows[i].at[j] -= times * first.at[j];
        }
    }
    return COVEY_OK;
}

/* Gauss-Jordan with partial pivoting. */
static covey_err invert(struct losses *l)
{
    struct row rows[COVEY_PARITY_MAX] = {0};
    for (unsigned i = 0; i < l->count; i++) {
        for (unsigned j = 0; j < l->count; j++) {
            float g = 0;
            covey_err err = covey_split_coefficient(l->parity[i], l->unit[j], &g);
            if (err != COVEY_OK) {
                return err;
            }
            rows[i].at[j] = (double)g;
        }
        rows[i].at[l->count + i] = 1;
    }
    for (unsigned c = 0; c < l->count; c++) {
        covey_err err = eliminate(l->count, c, rows);
        if (err != COVEY_OK) {
            return err;
        }
    }
    for (unsigned i = 0; i < l->count; i++) {
        memcpy(l->inverse[i], &rows[i].at[l->count], l->count * sizeof(double));
    }
    return COVEY_OK;
}

/* Lost unit i is sum_t inv_it (P_t - sum over known j of g_tj Y_j): one weighted sum of everything
 * that came. */
static covey_err factors_of(const struct losses *l, unsigned i, unsigned count,
                            const float *const *answers, struct covey__combine *out)
{
    out->terms = 0;
    for (unsigned t = 0; t < l->count; t++) {
        out->factor[out->terms] = (float)l->inverse[i][t];
        out->term[out->terms++] = answers[count + l->parity[t]];
    }
    for (unsigned j = 0; j < count; j++) {
        double factor = 0;
        for (unsigned t = 0; t < l->count && answers[j] != NULL; t++) {
            float g = 0;
            covey_err err = covey_split_coefficient(l->parity[t], j, &g);
            if (err != COVEY_OK) {
                return err;
            }
            factor -= l->inverse[i][t] * (double)g;
        }
        if (answers[j] != NULL) {
            out->factor[out->terms] = (float)factor;
            out->term[out->terms++] = answers[j];
        }
    }
    return COVEY_OK;
}

covey_err covey_split_rebuild(unsigned count, unsigned r, const float *const *answers,
                              float *const *out, size_t floats)
{
    struct losses l;
    struct covey__combine sum[COVEY_PARITY_MAX];
    if (count == 0 || count > COVEY_GROUP_UNITS_MAX || r > COVEY_PARITY_MAX) {
        return COVEY_ERR_RANGE;
    }
    covey_err err = find_losses(count, r, answers, &l);
    err = err == COVEY_OK ? invert(&l) : err;
    for (unsigned i = 0; err == COVEY_OK && i < l.count; i++) {
        err = factors_of(&l, i, count, answers, &sum[i]);
    }
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned i = 0; i < l.count; i++) {
        covey__combine(&sum[i], floats, out[l.unit[i]]);
    }
    for (unsigned j = 0; j < count; j++) {
        if (answers[j] != NULL && answers[j] != out[j]) {
            memcpy(out[j], answers[j], floats * sizeof(float));
        }
    }
    return COVEY_OK;
}
