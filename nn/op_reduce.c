/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

#include "op_reduce.h"
#include "ops_window.h"

/* What becomes of an element, and how two of them become one. */
enum fold { FOLD_SUM, FOLD_ABS, FOLD_SQUARE, FOLD_EXP, FOLD_POWER, FOLD_PROD, FOLD_MAX, FOLD_MIN };

struct job {
    const struct covey__op_call *c;
    struct covey__groups g;
    enum covey__reduce_kind kind;
    double power;
    bool whole; /* counted in integers */
};

/* Elements side by side: of one group, or one of each of many groups. */
union row {
    double real[COVEY__ROW];
    uint64_t whole[COVEY__ROW];
};

static enum fold fold_of(enum covey__reduce_kind kind)
{
    switch (kind) {
    case COVEY__REDUCE_MEAN:
    case COVEY__REDUCE_SUM:
    case COVEY__REDUCE_LOGSUM:
        return FOLD_SUM;
    case COVEY__REDUCE_MAX:
        return FOLD_MAX;
    case COVEY__REDUCE_MIN:
        return FOLD_MIN;
    case COVEY__REDUCE_PROD:
        return FOLD_PROD;
    case COVEY__REDUCE_L1:
        return FOLD_ABS;
    case COVEY__REDUCE_L2:
    case COVEY__REDUCE_SUMSQUARE:
        return FOLD_SQUARE;
    case COVEY__REDUCE_LOGSUMEXP:
        return FOLD_EXP;
    case COVEY__REDUCE_LP:
        return FOLD_POWER;
    }
    return FOLD_SUM;
}

/* acc[i] = acc[i] and x[i] as one; a NaN stays. The kind is known when compiling. */
static inline __attribute__((always_inline)) void fold_loop(const enum fold fold, size_t count,
                                                            const double *x, double *acc)
{
    for (size_t i = 0; i < count; i++) {
        double v = fold == FOLD_ABS      ? fabs(x[i])
                   : fold == FOLD_SQUARE ? x[i] * x[i]
                   : fold == FOLD_EXP    ? exp(x[i])
                                         : x[i];
        if (fold == FOLD_PROD) {
            acc[i] *= v;
        } else if (fold == FOLD_MAX) {
            acc[i] = v > acc[i] || v != v ? v : acc[i];
        } else if (fold == FOLD_MIN) {
            acc[i] = v < acc[i] || v != v ? v : acc[i];
        } else {
            acc[i] += v;
        }
    }
}

static void fold_reals(enum fold fold, size_t count, const double *x, double *acc)
{
    switch (fold) {
    case FOLD_SUM:
    case FOLD_POWER: /* raised before */
        fold_loop(FOLD_SUM, count, x, acc);
        break;
    case FOLD_ABS:
        fold_loop(FOLD_ABS, count, x, acc);
        break;
    case FOLD_SQUARE:
        fold_loop(FOLD_SQUARE, count, x, acc);
        break;
    case FOLD_EXP:
        fold_loop(FOLD_EXP, count, x, acc);
        break;
    case FOLD_PROD:
        fold_loop(FOLD_PROD, count, x, acc);
        break;
    case FOLD_MAX:
        fold_loop(FOLD_MAX, count, x, acc);
        break;
    case FOLD_MIN:
        fold_loop(FOLD_MIN, count, x, acc);
        break;
    }
}

/* Wrapping; u64 has its sign bit turned, so that it compares like the others. */
static uint64_t fold_one(enum fold fold, uint64_t acc, uint64_t x)
{
    switch (fold) {
    case FOLD_ABS:
        return acc + ((int64_t)x < 0 ? 0 - x : x);
    case FOLD_SQUARE:
        return acc + x * x;
    case FOLD_PROD:
        return acc * x;
    case FOLD_MAX:
        return (int64_t)x > (int64_t)acc ? x : acc;
    case FOLD_MIN:
        return (int64_t)x < (int64_t)acc ? x : acc;
    case FOLD_SUM:
    case FOLD_EXP:
    case FOLD_POWER:
        break;
    }
    return acc + x;
}

static uint64_t turned(const struct job *j, uint64_t v)
{
    bool orders = j->kind == COVEY__REDUCE_MAX || j->kind == COVEY__REDUCE_MIN;
    bool turns = orders && j->c->in[0]->type == COVEY_TYPE_U64;
    return turns ? v ^ (uint64_t)1 << 63 : v;
}

/* How two folded numbers become one. */
static enum fold merging(enum fold fold)
{
    return fold == FOLD_PROD || fold == FOLD_MAX || fold == FOLD_MIN ? fold : FOLD_SUM;
}

static void start_row(const struct job *j, enum fold fold, size_t count, union row *acc)
{
    double real = fold == FOLD_PROD  ? 1.0
                  : fold == FOLD_MAX ? -INFINITY
                  : fold == FOLD_MIN ? INFINITY
                                     : 0.0;
    uint64_t whole = fold == FOLD_PROD  ? 1
                     : fold == FOLD_MAX ? (uint64_t)INT64_MIN
                     : fold == FOLD_MIN ? INT64_MAX
                                        : 0;
    for (size_t i = 0; i < count; i++) {
        if (j->whole) {
            acc->whole[i] = whole;
        } else {
            acc->real[i] = real;
        }
    }
}

/* Folds count neighbouring elements into acc, each into its own; shift is taken off before. */
static void fold_row(const struct job *j, enum fold fold, const size_t range[2],
                     const double *shift, union row *acc)
{
    const struct covey_tensor *x = j->c->in[0];
    double row[COVEY__ROW];
    if (j->whole) {
        for (size_t i = 0; i < range[1]; i++) {
            uint64_t v = turned(j, (uint64_t)covey__load_int(x, range[0] + i));
            acc->whole[i] = fold_one(fold, acc->whole[i], v);
        }
        return;
    }
    covey_tensor_elements(x, range[0], range[1], row);
    for (size_t i = 0; i < range[1] && fold == FOLD_EXP; i++) {
        row[i] -= shift[i];
    }
    for (size_t i = 0; i < range[1] && fold == FOLD_POWER; i++) {
        row[i] = pow(fabs(row[i]), j->power);
    }
    fold_reals(fold, range[1], row, acc->real);
}

/* The numbers of one row into its first. */
static void merge_row(const struct job *j, enum fold fold, size_t count, union row *acc)
{
    fold = merging(fold);
    for (size_t i = 1; i < count; i++) {
        if (j->whole) {
            acc->whole[0] = fold_one(fold, acc->whole[0], acc->whole[i]);
        } else {
            fold_reals(fold, 1, &acc->real[i], &acc->real[0]);
        }
    }
}

/* One group whose elements lie in runs; its number is acc[0]. */
static void fold_group(const struct job *j, enum fold fold, size_t base, const double *shift,
                       union row *acc)
{
    size_t run = j->g.run, width = run < COVEY__ROW ? run : COVEY__ROW;
    start_row(j, fold, width > 0 ? width : 1, acc);
    for (size_t i = 0; i < j->g.folded.count; i += run) {
        size_t first = base + covey__dims_offset(&j->g.folded, i);
        for (size_t at = 0; at < run; at += COVEY__ROW) {
            const size_t range[2] = {first + at, run - at < COVEY__ROW ? run - at : COVEY__ROW};
            fold_row(j, fold, range, shift, acc);
        }
    }
    merge_row(j, fold, width, acc);
}

/* Groups side by side, each with its own number in acc. */
static void fold_groups(const struct job *j, enum fold fold, const size_t base_count[2],
                        const double *shift, union row *acc)
{
    start_row(j, fold, base_count[1], acc);
    for (size_t i = 0; i < j->g.folded.count; i++) {
        const size_t range[2] = {base_count[0] + covey__dims_offset(&j->g.folded, i),
                                 base_count[1]};
        fold_row(j, fold, range, shift, acc);
    }
}

static double finished(const struct job *j, double v, double shift)
{
    switch (j->kind) {
    case COVEY__REDUCE_MEAN:
        return v / (double)j->g.folded.count;
    case COVEY__REDUCE_L2:
        return sqrt(v);
    case COVEY__REDUCE_LOGSUM:
        return log(v);
    case COVEY__REDUCE_LOGSUMEXP:
        return log(v) + shift;
    case COVEY__REDUCE_LP:
        return pow(v, 1.0 / j->power);
    case COVEY__REDUCE_SUM:
    case COVEY__REDUCE_MAX:
    case COVEY__REDUCE_MIN:
    case COVEY__REDUCE_PROD:
    case COVEY__REDUCE_L1:
    case COVEY__REDUCE_SUMSQUARE:
        break;
    }
    return v;
}

static void fold_part(const struct job *j, enum fold fold, const size_t base_count[2],
                      const double *shift, union row *acc)
{
    if (j->g.inner_folded) {
        fold_group(j, fold, base_count[0], shift, acc);
    } else {
        fold_groups(j, fold, base_count, shift, acc);
    }
}

/* What exponents are made relative to: each group's maximum, where it is a number. */
static void find_shift(const struct job *j, const size_t base_count[2], double *shift)
{
    union row top;
    fold_part(j, FOLD_MAX, base_count, NULL, &top);
    for (size_t i = 0; i < COVEY__ROW && (j->g.inner_folded || i < base_count[1]); i++) {
        double v = j->g.inner_folded ? top.real[0] : top.real[i];
        shift[i] = isfinite(v) ? v : 0.0;
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    size_t first = part, count = 1;
    double shift[COVEY__ROW];
    union row acc;
    if (!j->g.inner_folded) {
        size_t blocks = (j->g.run + COVEY__ROW - 1) / COVEY__ROW, at = part % blocks * COVEY__ROW;
        first = part / blocks * j->g.run + at;
        count = j->g.run - at < COVEY__ROW ? j->g.run - at : COVEY__ROW;
    }
    const size_t base_count[2] = {covey__dims_offset(&j->g.kept, first), count};
    if (j->kind == COVEY__REDUCE_LOGSUMEXP) {
        find_shift(j, base_count, shift);
    }
    fold_part(j, fold_of(j->kind), base_count, shift, &acc);
    for (size_t i = 0; i < count; i++) {
        if (j->whole) {
            covey__store_int(j->c->out[0], first + i, (int64_t)turned(j, acc.whole[i]));
        } else {
            double off = j->kind == COVEY__REDUCE_LOGSUMEXP ? shift[i] : 0.0;
            acc.real[i] = finished(j, acc.real[i], off);
        }
    }
    if (!j->whole) {
        covey__store_reals(j->c->out[0], first, count, acc.real);
    }
}

void covey__reduce(const struct covey__op_call *c, enum covey__reduce_kind kind, uint32_t axes,
                   double power)
{
    enum fold fold = fold_of(kind);
    struct job j = {.c = c, .kind = kind, .power = power};
    covey__groups_init(&j.g, &c->in[0]->shape, axes);
    j.whole = !covey_type_is_float(c->in[0]->type) && kind != COVEY__REDUCE_MEAN &&
              kind != COVEY__REDUCE_L2 && kind != COVEY__REDUCE_LOGSUM && fold != FOLD_EXP &&
              fold != FOLD_POWER;
    if (j.g.kept.count == 0) {
        return;
    }
    size_t parts = j.g.kept.count;
    if (!j.g.inner_folded) {
        parts = parts / j.g.run * ((j.g.run + COVEY__ROW - 1) / COVEY__ROW);
    }
    covey_threads_run(c->threads, parts, run_part, &j);
}

/* None given means all. */
static uint32_t axes_of(const struct covey__op_call *c)
{
    uint32_t all = (1u << c->in[0]->shape.rank) - 1;
    return c->attrs->axes == 0 ? all : c->attrs->axes;
}

covey_err covey__infer_reduce(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    const struct covey_shape *x = &c->in[0]->shape;
    struct covey_shape s = {0, {0}};
    if (c->attrs->axes >> x->rank != 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "axes beyond the rank");
    }
    for (unsigned i = 0; i < x->rank; i++) {
        if ((axes_of(c) >> i & 1) == 0) {
            s.dims[s.rank++] = x->dims[i];
        } else if (c->attrs->keepdims) {
            s.dims[s.rank++] = 1;
        }
    }
    out->shape = s;
    return COVEY_OK;
}

#define REDUCE(name, kind)                                                                         \
    void covey__op_reduce##name(const struct covey__op_call *c)                                    \
    {                                                                                              \
        covey__reduce(c, COVEY__REDUCE_##kind, axes_of(c), 1.0);                                   \
    }
REDUCE(mean, MEAN)
REDUCE(sum, SUM)
REDUCE(max, MAX)
REDUCE(min, MIN)
REDUCE(prod, PROD)
REDUCE(l1, L1)
REDUCE(l2, L2)
REDUCE(sumsquare, SUMSQUARE)
REDUCE(logsum, LOGSUM)
REDUCE(logsumexp, LOGSUMEXP)
