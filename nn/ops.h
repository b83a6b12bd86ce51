/* SPDX-License-Identifier: MIT
 *
 * ops.h - the operators: one row each in a table of shape and forward functions.
 *
 * A shape function checks all that its kernel relies on; a kernel checks nothing.
 */
#ifndef COVEY_NN_OPS_H
#define COVEY_NN_OPS_H

#include "covey/split.h"

/* What a node works on. Shapes of inputs are checked; NULL where an input is left out. */
struct covey__op_call {
    const struct covey_op_attrs *attrs;
    unsigned inputs;
    uint32_t batch; /* the graph's */
    const struct covey_shape *shape[COVEY_NODE_INPUTS_MAX];
    const float *data[COVEY_NODE_INPUTS_MAX];
    const struct covey_shape *out_shape;
    float *out;
    float *scratch; /* as many floats as the scratch function asks for */
};

struct covey__op {
    const char *name;
    uint8_t inputs_min, inputs_max;
    bool alias;    /* the output is the input with another shape: no kernel is run */
    bool in_place; /* out[i] needs only in[i] of input 0: they may share memory */
    bool fuses;    /* attrs.act is applied */
    covey_err (*shape)(const struct covey__op_call *c, struct covey_shape *out,
                       struct covey_nn_error *out_why);
    void (*forward)(const struct covey__op_call *c);
    size_t (*scratch)(const struct covey__op_call *c); /* floats; NULL: none */
};

/* NULL for numbers that have no row. */
const struct covey__op *covey__op_find(enum covey_op op);

/* Writes why (may be NULL) and returns err. */
covey_err covey__nn_fail(struct covey_nn_error *out_why, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Size of a window operator's output along one axis (0: height, 1: width); checks the attributes.
 */
covey_err covey__window_size(const struct covey_op_attrs *a, unsigned axis, uint32_t in,
                             uint32_t *out_size, struct covey_nn_error *out_why);
/* axis in [-rank, rank) to [0, rank). */
covey_err covey__axis(int32_t axis, unsigned rank, unsigned *out_axis,
                      struct covey_nn_error *out_why);

/* Elements of a checked shape, and of its dimensions [first, last). */
size_t covey__shape_floats(const struct covey_shape *s);
size_t covey__shape_range(const struct covey_shape *s, unsigned first, unsigned last);

void covey__act_apply(const struct covey_op_attrs *a, float *data, size_t count);
/* out [batch rows pixels] = act(product [rows x batch x pixels] + bias), bias may be NULL. */
struct covey__finish {
    const struct covey_op_attrs *attrs;
    const float *product, *bias;
    size_t batch, rows, pixels;
    float *out;
};
void covey__finish(const struct covey__finish *f);
/* data [rows x columns] += bias [rows] by row, or [columns] by column; then the activation. */
void covey__bias_rows(float *data, const float *bias, size_t rows, size_t columns);

/* The layer of a convolution or dense node whose shapes are checked; of one group for grouped. */
void covey__layer_of(const struct covey__op_call *c, enum covey_op op, struct covey_layer *out);
/* out [rows x n] = weights [rows x k] * unroll(in). */
struct covey__product {
    const struct covey_layer *layer;
    const float *weights;
    size_t rows;
    const float *in;
    size_t image_stride;
    float *scratch, *out;
};
void covey__conv_product(const struct covey__product *p);

covey_err covey__shape_conv(const struct covey__op_call *c, struct covey_shape *out,
                            struct covey_nn_error *out_why);
covey_err covey__shape_dense(const struct covey__op_call *c, struct covey_shape *out,
                             struct covey_nn_error *out_why);
covey_err covey__shape_matmul(const struct covey__op_call *c, struct covey_shape *out,
                              struct covey_nn_error *out_why);
covey_err covey__shape_batchnorm(const struct covey__op_call *c, struct covey_shape *out,
                                 struct covey_nn_error *out_why);
covey_err covey__shape_pool(const struct covey__op_call *c, struct covey_shape *out,
                            struct covey_nn_error *out_why);
covey_err covey__shape_globalavgpool(const struct covey__op_call *c, struct covey_shape *out,
                                     struct covey_nn_error *out_why);
covey_err covey__shape_same(const struct covey__op_call *c, struct covey_shape *out,
                            struct covey_nn_error *out_why);
covey_err covey__shape_softmax(const struct covey__op_call *c, struct covey_shape *out,
                               struct covey_nn_error *out_why);
covey_err covey__shape_broadcast(const struct covey__op_call *c, struct covey_shape *out,
                                 struct covey_nn_error *out_why);
covey_err covey__shape_concat(const struct covey__op_call *c, struct covey_shape *out,
                              struct covey_nn_error *out_why);
covey_err covey__shape_reshape(const struct covey__op_call *c, struct covey_shape *out,
                               struct covey_nn_error *out_why);
covey_err covey__shape_flatten(const struct covey__op_call *c, struct covey_shape *out,
                               struct covey_nn_error *out_why);
covey_err covey__shape_transpose(const struct covey__op_call *c, struct covey_shape *out,
                                 struct covey_nn_error *out_why);
covey_err covey__shape_pad(const struct covey__op_call *c, struct covey_shape *out,
                           struct covey_nn_error *out_why);
covey_err covey__shape_reduce(const struct covey__op_call *c, struct covey_shape *out,
                              struct covey_nn_error *out_why);
covey_err covey__shape_lrn(const struct covey__op_call *c, struct covey_shape *out,
                           struct covey_nn_error *out_why);

void covey__op_conv(const struct covey__op_call *c);
void covey__op_dense(const struct covey__op_call *c);
void covey__op_matmul(const struct covey__op_call *c);
void covey__op_batchnorm(const struct covey__op_call *c);
void covey__op_maxpool(const struct covey__op_call *c);
void covey__op_avgpool(const struct covey__op_call *c);
void covey__op_globalavgpool(const struct covey__op_call *c);
void covey__op_relu(const struct covey__op_call *c);
void covey__op_leakyrelu(const struct covey__op_call *c);
void covey__op_sigmoid(const struct covey__op_call *c);
void covey__op_tanh(const struct covey__op_call *c);
void covey__op_clip(const struct covey__op_call *c);
void covey__op_softmax(const struct covey__op_call *c);
void covey__op_logsoftmax(const struct covey__op_call *c);
void covey__op_add(const struct covey__op_call *c);
void covey__op_sub(const struct covey__op_call *c);
void covey__op_mul(const struct covey__op_call *c);
void covey__op_div(const struct covey__op_call *c);
void covey__op_concat(const struct covey__op_call *c);
void covey__op_copy(const struct covey__op_call *c);
void covey__op_transpose(const struct covey__op_call *c);
void covey__op_pad(const struct covey__op_call *c);
void covey__op_reducemean(const struct covey__op_call *c);
void covey__op_lrn(const struct covey__op_call *c);
size_t covey__scratch_conv(const struct covey__op_call *c);

#endif /* COVEY_NN_OPS_H */
