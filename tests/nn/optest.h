/* SPDX-License-Identifier: MIT
 *
 * optest.h - runs one operator over tensors of any type, for the tests of nn.
 */
#ifndef COVEY_TESTS_OPTEST_H
#define COVEY_TESTS_OPTEST_H

#include "builder.h"

#include <stdlib.h>

#include "../../nn/ops.h"

enum { OPTEST_MAX = 4096 }; /* elements of a tensor */

/* A tensor with its elements. */
struct held {
    struct covey_tensor t;
    _Alignas(64) uint8_t bytes[OPTEST_MAX * 8];
};

static inline struct covey_shape dims(unsigned rank, const uint32_t *d)
{
    struct covey_shape s = {.rank = (uint8_t)rank};
    for (unsigned i = 0; i < rank; i++) {
        s.dims[i] = d[i];
    }
    return s;
}
#define DIMS(...)                                                                                  \
    dims(sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (const uint32_t[]){__VA_ARGS__})
#define SCALAR ((struct covey_shape){0})

static inline struct held *hold(enum covey_type type, struct covey_shape shape)
{
    struct held *h = aligned_alloc(64, sizeof(*h) + 63 - (sizeof(*h) + 63) % 64);
    assert_non_null(h);
    assert_true(covey__shape_elements(&shape) <= OPTEST_MAX);
    h->t = (struct covey_tensor){type, shape, h->bytes};
    return h;
}

/* The values, stored as the type holds them. */
static inline struct held *hold_reals(enum covey_type type, struct covey_shape shape,
                                      const double *values)
{
    struct held *h = hold(type, shape);
    for (size_t i = 0; i < covey__shape_elements(&shape); i++) {
        covey__store_real(&h->t, i, values[i]);
    }
    return h;
}
#define REALS(type, shape, ...) hold_reals(type, shape, (const double[]){__VA_ARGS__})

/* Numbers in [low, low + range). */
static inline struct held *hold_random(enum covey_type type, struct covey_shape shape, int low,
                                       uint32_t range)
{
    static uint64_t seed = 11;
    struct held *h = hold(type, shape);
    for (size_t i = 0; i < covey__shape_elements(&shape); i++) {
        covey__store_int(&h->t, i, low + (int64_t)random_below(&seed, range));
    }
    return h;
}

struct optest {
    struct covey_op_attrs attrs;
    struct held *in[9]; /* NULL: left out; freed by the run */
    unsigned inputs, outputs, threads;
};

static inline struct optest optest_of(unsigned inputs)
{
    return (struct optest){attrs_default(), {NULL}, inputs, 1, 1};
}

/* Infers and runs as a graph would; the outputs, or NULL when inference refuses. */
static inline covey_err optest_try(enum covey_op op, const struct optest *t, struct held **out)
{
    const struct covey__op *row = covey__op_find(op);
    struct covey_nn_error why = {""};
    struct covey_tensor made[3] = {0};
    struct covey__op_call c = {.attrs = &t->attrs,
                               .inputs = t->inputs,
                               .outputs = t->outputs,
                               .batch = 1,
                               .thread_count = t->threads};
    assert_non_null(row);
    for (unsigned i = 0; i < t->inputs; i++) {
        c.in[i] = t->in[i] != NULL ? &t->in[i]->t : NULL;
    }
    for (unsigned i = 0; i < t->outputs; i++) {
        made[i].type = c.in[0]->type;
    }
    covey_err err = covey__type_among(c.in[0], row->types, &why);
    err = err == COVEY_OK ? row->infer(&c, made, &why) : err;
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned i = 0; i < t->outputs; i++) {
        out[i] = hold(made[i].type, made[i].shape);
        c.out[i] = &out[i]->t;
    }
    size_t bytes = row->scratch != NULL ? row->scratch(&c) : 0;
    c.scratch = aligned_alloc(64, bytes / 64 * 64 + 64);
    assert_non_null(c.scratch);
    if (t->threads > 1) {
        expect_ok(covey_threads_new(t->threads, &c.threads), NULL);
    }
    row->forward(&c);
    covey_threads_free(c.threads);
    free(c.scratch);
    return COVEY_OK;
}

static inline void optest_done(struct optest *t)
{
    for (unsigned i = 0; i < t->inputs; i++) {
        free(t->in[i]);
        t->in[i] = NULL;
    }
}

static inline struct held *optest_run(enum covey_op op, struct optest *t)
{
    struct held *out = NULL;
    covey_err err = optest_try(op, t, &out);
    if (err != COVEY_OK) {
        fail_msg("%s: %s", covey_op_name(op), covey_strerror(err));
    }
    optest_done(t);
    return out;
}

/* What an operator may not be given. */
struct refusal {
    enum covey_op op;
    struct covey_shape in[4];
    unsigned inputs;
    struct covey_op_attrs attrs;
};

static inline void expect_refused(const struct refusal *table, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        struct optest t = optest_of(table[i].inputs);
        struct held *out[1];
        t.attrs = table[i].attrs;
        for (unsigned j = 0; j < t.inputs; j++) {
            t.in[j] = hold_random(COVEY_TYPE_F32, table[i].in[j], 0, 5);
        }
        if (optest_try(table[i].op, &t, out) == COVEY_OK) {
            fail_msg("row %zu is accepted", i);
        }
        optest_done(&t);
    }
}

/* Exactly these values, NaN for NaN, and frees. */
static inline void expect_reals(struct held *got, enum covey_type type, struct covey_shape shape,
                                const double *values, double tolerance)
{
    assert_int_equal(got->t.type, type);
    assert_true(covey_shape_equal(&got->t.shape, &shape));
    for (size_t i = 0; i < covey__shape_elements(&shape); i++) {
        double v = covey_tensor_element(&got->t, i), e = values[i];
        bool same = v <= e && v >= e;
        double d = v > e ? v - e : e - v, size = e < 0 ? -e : e;
        bool near = same || (v != v && e != e) || d <= tolerance * (size > 1.0 ? size : 1.0);
        if (!near) {
            fail_msg("element %zu: %.9g, not %.9g", i, v, e);
        }
    }
    free(got);
}
#define EXPECT(got, type, shape, ...)                                                              \
    expect_reals(got, type, shape, (const double[]){__VA_ARGS__}, 0.0)

#endif /* COVEY_TESTS_OPTEST_H */
