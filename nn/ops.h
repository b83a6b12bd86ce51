/* SPDX-License-Identifier: MIT
 *
 * ops.h - the operators: one row each in the table of its family.
 *
 * An infer function checks all that its kernel relies on; a kernel checks nothing but the numbers
 * in tensors that it uses as indices.
 */
#ifndef COVEY_NN_OPS_H
#define COVEY_NN_OPS_H

#include "covey/graph.h"
#include "covey/threads.h"

/* What a node works on; NULL where an input or output is left out. While inferring, data is NULL
 * except of constants. */
struct covey__op_call {
    const struct covey_op_attrs *attrs;
    unsigned inputs, outputs;
    uint32_t batch;                /* the graph's */
    bool small;                    /* no state: weights are used as they are */
    struct covey_layouts *layouts; /* of constants, shared; NULL: none */
    const struct covey_tensor *in[COVEY_NODE_INPUTS_MAX];
    struct covey_tensor *out[COVEY_NODE_OUTPUTS_MAX];
    void *scratch;     /* as many bytes as the scratch function asks for, 64-byte aligned */
    const void *state; /* what prepare made; NULL: it was not called */
    struct covey_threads *threads; /* NULL: this one */
    unsigned thread_count;         /* for which scratch is sized; at least 1 */
};

struct covey_layer;

/* A product of integers that can be split (covey/exact.h). */
struct covey__op_exact {
    uint8_t weights, weights_zero, input_zero; /* which inputs */
    uint8_t rank, outputs;                     /* of the weights, and the axis of W's rows there */
    void (*layer)(const struct covey__op_call *c, struct covey_layer *out);
    /* Rows first .. first + rows - 1 of W less their zero points, [rows x k]. */
    void (*rows)(const struct covey__op_call *c, size_t first, size_t rows, float *out);
    /* The node's output from its layer's product. */
    void (*finish)(const struct covey__op_call *c, const int32_t *product);
};

typedef covey_err (*covey__infer_fn)(const struct covey__op_call *c, struct covey_tensor *out,
                                     struct covey_nn_error *out_why);

struct covey__op {
    const char *name; /* ONNX's */
    uint8_t inputs_min, inputs_max, outputs_max;
    bool alias;     /* the output is the input with another shape: no kernel is run */
    bool in_place;  /* out[i] needs only in[i] of input 0: they may share memory */
    bool fuses;     /* attrs.act is applied */
    bool empties;   /* copes with inputs that have no elements */
    bool mixed;     /* inputs differ in type: infer checks all but input 0 */
    uint32_t types; /* COVEY__TYPES_*: of input 0, and, unless mixed, of all the others with it */
    /* Types and shapes of all outputs (types default to that of input 0, data is not touched). */
    covey__infer_fn infer;
    void (*forward)(const struct covey__op_call *c);
    size_t (*scratch)(const struct covey__op_call *c); /* bytes; NULL: none */
    /* Optional: constant inputs laid out once as the kernel wants them. May be called on any
     * thread.
     */
    size_t (*state)(const struct covey__op_call *c); /* bytes; 0: none */
    void (*prepare)(const struct covey__op_call *c, void *state);
    /* Fills call->layouts, before prepare. */
    covey_err (*share)(const struct covey__op_call *c);
    uint32_t replaces; /* bit i: input i is not read any more once there is a state */
    const char *(*kernel)(
        const struct covey__op_call *c); /* its kernel's name, for tables; or NULL */
    const struct covey__op_exact *exact; /* NULL: it is none */
};

/* The families' tables, by number within the family. */
extern const struct covey__op covey__ops_layer[COVEY_OP_FAMILY];
extern const struct covey__op covey__ops_unary[COVEY_OP_FAMILY];
extern const struct covey__op covey__ops_binary[COVEY_OP_FAMILY];
extern const struct covey__op covey__ops_window[COVEY_OP_FAMILY];
extern const struct covey__op covey__ops_move[COVEY_OP_FAMILY];
extern const struct covey__op covey__ops_integer[COVEY_OP_FAMILY];

/* NULL for numbers that have no row. */
const struct covey__op *covey__op_find(enum covey_op op);

/* Writes why (may be NULL) and returns err. */
covey_err covey__nn_fail(struct covey_nn_error *out_why, covey_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Size of a window operator's output along one axis (0: the first spatial); checks the attributes.
 */
covey_err covey__window_size(const struct covey_op_attrs *a, unsigned axis, uint32_t in,
                             uint32_t *out_size, struct covey_nn_error *out_why);
/* axis in [-rank, rank) to [0, rank). */
covey_err covey__axis(int32_t axis, unsigned rank, unsigned *out_axis,
                      struct covey_nn_error *out_why);
/* Shape that all `count` shapes broadcast to (numpy); RANGE where they do not. */
covey_err covey__broadcast(const struct covey_shape *const *shapes, size_t count,
                           struct covey_shape *out, struct covey_nn_error *out_why);

/* Elements of a checked shape, and of its dimensions [first, last). */
size_t covey__shape_elements(const struct covey_shape *s);
size_t covey__shape_range(const struct covey_shape *s, unsigned first, unsigned last);

/* Input i as floats; NULL where it is left out or has no data. */
static inline const float *covey__in(const struct covey__op_call *c, unsigned i)
{
    return i < c->inputs && c->in[i] != NULL ? c->in[i]->data : NULL;
}

static inline float *covey__out(const struct covey__op_call *c)
{
    return c->out[0]->data;
}

/* Types as bits: COVEY__TYPES_FLOAT etc. UNSUPPORTED naming the type when it is not among them. */
#define COVEY__TYPE_BIT(t) (1u << COVEY_TYPE_##t)
enum {
    COVEY__TYPES_F32 = COVEY__TYPE_BIT(F32),
    COVEY__TYPES_FLOAT = COVEY__TYPE_BIT(F32) | COVEY__TYPE_BIT(F64) | COVEY__TYPE_BIT(F16),
    COVEY__TYPES_INDEX = COVEY__TYPE_BIT(I32) | COVEY__TYPE_BIT(I64),
    COVEY__TYPES_ALL = (1 << COVEY_TYPE_COUNT) - 1,
    COVEY__TYPES_NUMBER = COVEY__TYPES_ALL & ~COVEY__TYPE_BIT(BOOL),
};
covey_err covey__type_among(const struct covey_tensor *t, unsigned types,
                            struct covey_nn_error *out_why);

/* Element i of any type as an int64, and back from a double or an int64 (saturating, NaN to 0). */
int64_t covey__load_int(const struct covey_tensor *t, size_t i);
void covey__store_real(struct covey_tensor *t, size_t i, double v);
void covey__store_int(struct covey_tensor *t, size_t i, int64_t v);
float covey__half_to_float(uint16_t bits);
uint16_t covey__float_to_half(float v); /* to nearest, ties to even */

/* The fused activation of attrs over count floats. */
void covey__act_apply(const struct covey_op_attrs *a, float *data, size_t count);

#endif /* COVEY_NN_OPS_H */
