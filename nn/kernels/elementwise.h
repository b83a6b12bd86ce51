/* SPDX-License-Identifier: MIT
 *
 * elementwise.h - functions of one and of two arrays, element by element.
 *
 * threads may be NULL everywhere; results do not depend on it. out may be in (or a, or b, where
 * that has the shape of the result), but not overlap it otherwise. A NaN stays one, also in
 * comparisons.
 */
#ifndef COVEY_NN_ELEMENTWISE_H
#define COVEY_NN_ELEMENTWISE_H

#include "act.h"
#include "covey/threads.h"

/* name, function, y =; a and b are the two parameters. */
#define COVEY__UNARY_MAP(X)                                                                        \
    X(RELU, relu)               /* max(0, x) */                                                    \
    X(CLIP, clip)               /* min(b, max(a, x)) */                                            \
    X(LEAKYRELU, leakyrelu)     /* x < 0: a x; else x */                                           \
    X(THRESHOLDED, thresholded) /* x > a: x; else 0 */                                             \
    X(SIGMOID, sigmoid)         /* 1 / (1 + e^-x) */                                               \
    X(TANH, tanh)                                                                                  \
    X(HARDSIGMOID, hardsigmoid) /* max(0, min(1, a x + b)) */                                      \
    X(HARDSWISH, hardswish)     /* x max(0, min(1, x / 6 + 1 / 2)) */                              \
    X(SILU, silu)               /* x / (1 + e^-x) */                                               \
    X(MISH, mish)               /* x tanh(log(1 + e^x)) */                                         \
    X(GELU, gelu)               /* x (1 + erf(x / sqrt(2))) / 2 */                                 \
    X(GELU_TANH, gelu_tanh)     /* x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 */            \
    X(ELU, elu)                 /* x < 0: a (e^x - 1); else x */                                   \
    X(SELU, selu)               /* x < 0: b a (e^x - 1); else b x */                               \
    X(CELU, celu)               /* x < 0: a (e^(x / a) - 1); else x */                             \
    X(SOFTPLUS, softplus)       /* log(1 + e^x) */                                                 \
    X(SOFTSIGN, softsign)       /* x / (1 + |x|) */                                                \
    X(EXP, exp)                                                                                    \
    X(LOG, log)                                                                                    \
    X(SQRT, sqrt)                                                                                  \
    X(ERF, erf)                                                                                    \
    X(ABS, abs)                                                                                    \
    X(NEG, neg)                                                                                    \
    X(RECIPROCAL, reciprocal) /* 1 / x */                                                          \
    X(SQUARE, square)         /* x^2 */                                                            \
    X(SIGN, sign)             /* -1, 0, 1 */                                                       \
    X(FLOOR, floor)                                                                                \
    X(CEIL, ceil)                                                                                  \
    X(ROUND, round)   /* halves to even */                                                         \
    X(LINEAR, linear) /* a x + b */

enum covey__unary_kind {
#define COVEY__UNARY_ENUM(name, function) COVEY__UNARY_##name,
    COVEY__UNARY_MAP(COVEY__UNARY_ENUM)
#undef COVEY__UNARY_ENUM
        COVEY__UNARY_COUNT
};

struct covey__unary {
    enum covey__unary_kind kind;
    float a, b;
};

/* out[i] = f(in[i]) */
void covey__unary_run(struct covey__unary f, const float *in, float *out, size_t count,
                      struct covey_threads *threads);

#define COVEY__BINARY_MAP(X)                                                                       \
    X(ADD, add)                                                                                    \
    X(SUB, sub)                                                                                    \
    X(MUL, mul)                                                                                    \
    X(DIV, div)                                                                                    \
    X(MIN, min)                                                                                    \
    X(MAX, max)                                                                                    \
    X(PRELU, prelu)               /* a < 0: a b; else a */                                         \
    X(RELU_BACK, relu_back)       /* b > 0: a; else 0: a the gradient, b the result of relu */     \
    X(SIGMOID_BACK, sigmoid_back) /* a b (1 - b) */                                                \
    X(TANH_BACK, tanh_back)       /* a (1 - b^2) */

enum covey__binary_kind {
#define COVEY__BINARY_ENUM(name, function) COVEY__BINARY_##name,
    COVEY__BINARY_MAP(COVEY__BINARY_ENUM)
#undef COVEY__BINARY_ENUM
        COVEY__BINARY_COUNT
};

/* The common shape, with neighbouring dimensions joined where both inputs allow it. */
struct covey__broadcast {
    unsigned rank; /* at least 1 */
    size_t dims[COVEY_RANK_MAX];
    size_t stride[2][COVEY_RANK_MAX]; /* of a and b, in floats; 0: repeated */
};

/* Shapes as ONNX broadcasts them (aligned at the last dimension). The result's shape in *out;
 * RANGE if they do not fit. */
covey_err covey__broadcast_init(struct covey__broadcast *out, const struct covey_shape *a,
                                const struct covey_shape *b,
                                struct covey_shape *out_shape) COVEY_CHECK;
/* Both of count elements. */
struct covey__broadcast covey__broadcast_same(size_t count);

struct covey__binary_call {
    enum covey__binary_kind kind;
    const struct covey__broadcast *shape;
    const float *a, *b;
    float *out;
    struct covey__act act; /* applied to the result */
    struct covey_threads *threads;
};
/* out = act(f(a, b)) */
void covey__binary_run(const struct covey__binary_call *call);

struct covey__affine_call {
    const float *in;            /* [planes / channels, channels, pixels] */
    const float *scale, *shift; /* [channels] */
    float *out;
    size_t planes, channels, pixels;
    struct covey__act act;
    struct covey_threads *threads;
};
/* y = act(scale[c] x + shift[c]): batch normalisation, also of dense layers (pixels 1). */
void covey__affine_run(const struct covey__affine_call *call);

#endif /* COVEY_NN_ELEMENTWISE_H */
