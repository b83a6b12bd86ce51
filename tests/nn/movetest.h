/* SPDX-License-Identifier: MIT
 *
 * movetest.h - running one operator by itself on tensors of any type, for the tests of nn.
 */
#ifndef COVEY_TESTS_NN_MOVETEST_H
#define COVEY_TESTS_NN_MOVETEST_H

#include "builder.h"

#include <stdlib.h>
#include <string.h>

#include "../../nn/ops.h"

/* Buffers are exactly as long as their tensors: a sanitizer sees each step outside. */
static inline void *exact(size_t bytes)
{
    void *data = calloc(bytes > 0 ? bytes : 1, 1);
    assert_non_null(data);
    return data;
}

static inline size_t bytes_of(const struct covey_tensor *t)
{
    return covey__shape_elements(&t->shape) * covey_type_size(t->type);
}

static inline struct covey_shape shape8(unsigned rank, const uint32_t *dims)
{
    struct covey_shape s = {.rank = (uint8_t)rank};
    for (unsigned i = 0; i < rank; i++) {
        s.dims[i] = dims[i];
    }
    return s;
}

/* Random elements, of floats too: small whole numbers. */
static inline struct covey_tensor random_tensor(enum covey_type type, struct covey_shape s,
                                                uint64_t *seed)
{
    struct covey_tensor t = {type, s, NULL};
    t.data = exact(bytes_of(&t));
    for (size_t i = 0; i < covey__shape_elements(&s); i++) {
        covey__store_int(&t, i, (int64_t)random_below(seed, 120) + 1);
    }
    return t;
}

static inline struct covey_tensor floats_tensor(struct covey_shape s, const float *data)
{
    struct covey_tensor t = {COVEY_TYPE_F32, s, NULL};
    t.data = exact(bytes_of(&t));
    memcpy(t.data, data, bytes_of(&t));
    return t;
}

static inline struct covey_tensor longs_tensor(struct covey_shape s, const int64_t *data)
{
    struct covey_tensor t = {COVEY_TYPE_I64, s, NULL};
    t.data = exact(bytes_of(&t));
    if (bytes_of(&t) > 0) {
        memcpy(t.data, data, bytes_of(&t));
    }
    return t;
}

/* One operator over up to three inputs. */
struct alone {
    enum covey_op op;
    const struct covey_op_attrs *attrs;
    struct covey_tensor in[3];
    unsigned inputs, outputs; /* outputs 0: one */
    uint32_t batch;
    unsigned threads;  /* 0: one */
    unsigned left_out; /* bit i: output i is */
};

static inline void alone_call(const struct alone *a, struct covey__op_call *c)
{
    *c = (struct covey__op_call){.attrs = a->attrs,
                                 .inputs = a->inputs,
                                 .outputs = a->outputs > 0 ? a->outputs : 1,
                                 .batch = a->batch > 0 ? a->batch : 1,
                                 .thread_count = a->threads > 0 ? a->threads : 1};
    for (unsigned i = 0; i < a->inputs; i++) {
        c->in[i] = &a->in[i];
    }
}

static inline covey_err alone_infer(const struct alone *a, struct covey_tensor *out)
{
    struct covey__op_call c;
    struct covey_nn_error why;
    alone_call(a, &c);
    for (unsigned i = 0; i < c.outputs; i++) {
        out[i] = (struct covey_tensor){.type = a->inputs > 0 ? a->in[0].type : a->attrs->to};
    }
    return covey__op_find(a->op)->infer(&c, out, &why);
}

/* Outputs are the caller's to free. */
static inline void alone_run(const struct alone *a, struct covey_tensor *out)
{
    struct covey__op_call c;
    const struct covey__op *op = covey__op_find(a->op);
    assert_int_equal(alone_infer(a, out), COVEY_OK);
    alone_call(a, &c);
    for (unsigned i = 0; i < c.outputs; i++) {
        size_t count;
        assert_int_equal(covey_shape_count(&out[i].shape, &count), COVEY_OK);
        out[i].data = exact(bytes_of(&out[i]));
        memset(out[i].data, 0xa5, bytes_of(&out[i]));
        c.out[i] = (a->left_out >> i & 1) == 0 ? &out[i] : NULL;
    }
    if (c.thread_count > 1) {
        assert_int_equal(covey_threads_new(c.thread_count, &c.threads), COVEY_OK);
    }
    void *scratch = exact(op->scratch != NULL ? op->scratch(&c) : 0);
    c.scratch = scratch;
    op->forward(&c);
    free(scratch);
    covey_threads_free(c.threads);
}

static inline struct covey_tensor alone_one(const struct alone *a)
{
    struct covey_tensor out;
    alone_run(a, &out);
    return out;
}

/* The indices of a flat place, and back. */
static inline void place(const struct covey_shape *s, size_t flat, int64_t *at)
{
    for (unsigned i = s->rank; i-- > 0;) {
        at[i] = (int64_t)(flat % s->dims[i]);
        flat /= s->dims[i];
    }
}

static inline size_t flat_of(const struct covey_shape *s, const int64_t *at)
{
    size_t flat = 0;
    for (unsigned i = 0; i < s->rank; i++) {
        assert_true(at[i] >= 0 && at[i] < s->dims[i]);
        flat = flat * s->dims[i] + (size_t)at[i];
    }
    return flat;
}

#endif /* COVEY_TESTS_NN_MOVETEST_H */
