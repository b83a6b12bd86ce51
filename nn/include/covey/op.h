/* SPDX-License-Identifier: MIT
 *
 * op.h - the operators of a graph and their attributes.
 *
 * Meanings are ONNX's (latest opset) unless a line says otherwise. What ONNX passes as an input but
 * only ever is a shape, axes, pads, a repeat or a bound is an attribute here: an importer resolves
 * it.
 */
#ifndef COVEY_OP_H
#define COVEY_OP_H

#include "covey/tensor.h"

/* Numbers travel in manifests: a family has 64, each append-only within its own. */
enum { COVEY_OP_FAMILY = 64, COVEY_OP_FAMILIES = 6, COVEY_OP_COUNT = 64 * 6 };

enum covey_op {
    COVEY_OP_NONE = 0,

    /* Family 0, layers. Window operators take X [n c, one to three spatial dimensions]. */
    COVEY_OP_CONV = 1, /* X, W [m c/groups k..], B [m] or none, R (added before the activation) or
                        * none: 1-D and 2-D */
    COVEY_OP_DENSE,    /* X [n k], W [m k], B [m] or none: Y = X W' + B */
    COVEY_OP_MATMUL,   /* A, B of any rank, broadcast over the leading dimensions (numpy) */
    COVEY_OP_GEMM,     /* A, B, C or none: alpha op(A) op(B) + beta C; mode: COVEY_GEMM_TRANS_* */
    COVEY_OP_CONVTRANSPOSE, /* X, W [c m/groups k..], B or none; pads resolved, out_pads */
    COVEY_OP_BATCHNORM,     /* X, scale, bias, mean, var; epsilon. Running statistics. */
    COVEY_OP_DROPOUT, /* X; alpha: the ratio. At inference the identity; outputs Y, mask or none */

    /* Family 1, one input, element-wise. */
    COVEY_OP_RELU = 64,
    COVEY_OP_LEAKYRELU, /* alpha */
    COVEY_OP_SIGMOID,
    COVEY_OP_TANH,
    COVEY_OP_CLIP, /* low, high, in the input's type */
    COVEY_OP_IDENTITY,
    COVEY_OP_CAST, /* to */
    COVEY_OP_ABS,
    COVEY_OP_NEG,
    COVEY_OP_EXP,
    COVEY_OP_LOG,
    COVEY_OP_SQRT,
    COVEY_OP_RECIPROCAL,
    COVEY_OP_FLOOR,
    COVEY_OP_CEIL,
    COVEY_OP_ROUND, /* half to even */
    COVEY_OP_SIGN,
    COVEY_OP_ERF,
    COVEY_OP_SIN,
    COVEY_OP_COS,
    COVEY_OP_TAN,
    COVEY_OP_ASIN,
    COVEY_OP_ACOS,
    COVEY_OP_ATAN,
    COVEY_OP_SINH,
    COVEY_OP_COSH,
    COVEY_OP_ASINH,
    COVEY_OP_ACOSH,
    COVEY_OP_ATANH,
    COVEY_OP_ELU,         /* alpha */
    COVEY_OP_SELU,        /* alpha, beta: gamma */
    COVEY_OP_CELU,        /* alpha */
    COVEY_OP_HARDSIGMOID, /* alpha, beta */
    COVEY_OP_HARDSWISH,
    COVEY_OP_SOFTPLUS,
    COVEY_OP_SOFTSIGN,
    COVEY_OP_THRESHOLDEDRELU, /* alpha */
    COVEY_OP_GELU,            /* mode 1: the tanh form */
    COVEY_OP_MISH,
    COVEY_OP_SHRINK, /* alpha: lambd, bias */
    COVEY_OP_NOT,
    COVEY_OP_ISNAN,
    COVEY_OP_ISINF, /* mode: bit 0 detect negative, bit 1 detect positive */
    COVEY_OP_BITNOT,
    COVEY_OP_SILU, /* x sigmoid(x); made by the optimiser */

    /* Family 2, two or more inputs, element-wise with broadcasting (numpy). */
    COVEY_OP_ADD = 128,
    COVEY_OP_SUB,
    COVEY_OP_MUL,
    COVEY_OP_DIV, /* integers: towards zero; by zero gives 0, never a trap */
    COVEY_OP_POW, /* exponent of any type; result in the base's */
    COVEY_OP_MOD, /* mode 1: fmod; by zero gives 0 */
    COVEY_OP_PRELU,
    COVEY_OP_MAX, /* MAX, MIN, SUM, MEAN: any number of inputs */
    COVEY_OP_MIN,
    COVEY_OP_SUM,
    COVEY_OP_MEAN,
    COVEY_OP_AND,
    COVEY_OP_OR,
    COVEY_OP_XOR,
    COVEY_OP_EQUAL, /* comparisons give bool */
    COVEY_OP_GREATER,
    COVEY_OP_GREATEREQUAL,
    COVEY_OP_LESS,
    COVEY_OP_LESSEQUAL,
    COVEY_OP_WHERE, /* condition, X, Y */
    COVEY_OP_BITAND,
    COVEY_OP_BITOR,
    COVEY_OP_BITXOR,
    COVEY_OP_BITSHIFT,        /* mode 1: left, 0: right; 64 and more gives 0 */
    COVEY_OP_QUANTIZE,        /* X, scale, zero point or none: to, axis, size (block), low/high */
    COVEY_OP_DEQUANTIZE,      /* X, scale, zero point or none: axis, size (block) */
    COVEY_OP_DYNAMICQUANTIZE, /* X: outputs Y u8, scale, zero point */

    /* Family 3, over windows, channels and rows. */
    COVEY_OP_MAXPOOL =
        192, /* outputs Y, indices (i64, flat) or none; mode 1: column-major indices */
    COVEY_OP_AVGPOOL,
    COVEY_OP_LPPOOL, /* alpha: p */
    COVEY_OP_GLOBALAVGPOOL,
    COVEY_OP_GLOBALMAXPOOL,
    COVEY_OP_GLOBALLPPOOL, /* alpha: p */
    COVEY_OP_LRN,          /* size, alpha, beta, bias */
    COVEY_OP_INSTANCENORM, /* X, scale, bias; epsilon */
    COVEY_OP_LAYERNORM,    /* X, scale, bias or none; axis, epsilon; outputs Y, mean, 1/std */
    COVEY_OP_GROUPNORM,    /* X, scale [c], bias [c]; groups, epsilon */
    COVEY_OP_LPNORM,       /* axis, size: p (1 or 2) */
    COVEY_OP_MVN,          /* axes: (x - mean) / (std + 1e-9) */
    COVEY_OP_SOFTMAX,      /* along axis alone, as since opset 13 */
    COVEY_OP_LOGSOFTMAX,
    COVEY_OP_HARDMAX,
    COVEY_OP_REDUCEMEAN, /* reductions: axes (bits; an importer fills in "all"), keepdims */
    COVEY_OP_REDUCESUM,
    COVEY_OP_REDUCEMAX,
    COVEY_OP_REDUCEMIN,
    COVEY_OP_REDUCEPROD,
    COVEY_OP_REDUCEL1,
    COVEY_OP_REDUCEL2,
    COVEY_OP_REDUCESUMSQUARE,
    COVEY_OP_REDUCELOGSUM,
    COVEY_OP_REDUCELOGSUMEXP,
    COVEY_OP_ARGMAX, /* axis, keepdims, mode 1: the last of equals */
    COVEY_OP_ARGMIN,
    COVEY_OP_CUMSUM, /* axis; mode: bit 0 exclusive, bit 1 reverse */
    COVEY_OP_TOPK,   /* axis, size: k; mode: bit 0 largest, bit 1 sorted; outputs values, indices */

    /* Family 4, moving elements: any type. */
    COVEY_OP_CONCAT = 256, /* axis */
    COVEY_OP_RESHAPE, /* shape: 0 keeps, one -1 is inferred (COVEY_RESHAPE_ZERO in mode: 0 is 0); a
                       * leading 1 stands for the batch where the input leads with the batch */
    COVEY_OP_FLATTEN, /* axis */
    COVEY_OP_TRANSPOSE, /* shape: perm */
    COVEY_OP_PAD,       /* pad (begins, then ends, may be negative), value; mode: COVEY_PAD_* */
    COVEY_OP_SPLIT,     /* axis, sizes: one for each output */
    COVEY_OP_SLICE,     /* start, step (not 0) and shape (the output's) of every dimension */
    COVEY_OP_GATHER,    /* X, indices i32 or i64 (negative count from the end; out of range reads
                         * nothing: 0); axis */
    COVEY_OP_GATHERELEMENTS,
    COVEY_OP_GATHERND,        /* size: batch dimensions */
    COVEY_OP_SCATTERELEMENTS, /* X, indices, updates; axis; mode: COVEY_SCATTER_* */
    COVEY_OP_SCATTERND,
    COVEY_OP_EXPAND,       /* shape: broadcast with the input's */
    COVEY_OP_TILE,         /* shape: repeats */
    COVEY_OP_DEPTHTOSPACE, /* size; mode 1: CRD */
    COVEY_OP_SPACETODEPTH, /* size */
    COVEY_OP_RESIZE,  /* shape: the output's; scale, roi, mode, coordinates, nearest, alpha: cubic
                       * coefficient, exclude_outside, antialias, value: extrapolation */
    COVEY_OP_ONEHOT,  /* indices, values [off, on]; axis, size: depth */
    COVEY_OP_TRILU,   /* axis: k, mode 1: upper */
    COVEY_OP_FILL,    /* no input: shape, to, value: a constant that is made, never stored */
    COVEY_OP_REVERSE, /* axes: made for negative strides over whole dimensions */

    /* Family 5, integers of quantised networks. */
    COVEY_OP_CONVINTEGER = 320, /* X, W u8 or i8, x zero point or none, w zero point or none: i32 */
    COVEY_OP_MATMULINTEGER,     /* A, B, zero points or none: i32 */
    COVEY_OP_QLINEARCONV, /* x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, B i32 or none
                           */
    COVEY_OP_QLINEARMATMUL, /* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero */
    COVEY_OP_QLINEARADD, /* com.microsoft: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero
                          */
};

/* Activation fused behind a layer or an addition. */
enum covey_act {
    COVEY_ACT_NONE,
    COVEY_ACT_RELU,
    COVEY_ACT_CLIP, /* low, high */
    COVEY_ACT_SIGMOID,
    COVEY_ACT_TANH,
    COVEY_ACT_SILU,
    COVEY_ACT_HARDSWISH,
    COVEY_ACT_COUNT,
};

/* Values of attrs.mode and its like. */
enum { COVEY_GEMM_TRANS_A = 1, COVEY_GEMM_TRANS_B = 2, COVEY_RESHAPE_ZERO = 1 };
enum covey_pad_mode { COVEY_PAD_CONSTANT, COVEY_PAD_REFLECT, COVEY_PAD_EDGE, COVEY_PAD_WRAP };
enum covey_scatter {
    COVEY_SCATTER_SET,
    COVEY_SCATTER_ADD,
    COVEY_SCATTER_MUL,
    COVEY_SCATTER_MAX,
    COVEY_SCATTER_MIN
};
enum covey_resize { COVEY_RESIZE_NEAREST, COVEY_RESIZE_LINEAR, COVEY_RESIZE_CUBIC };
enum covey_coordinates {
    COVEY_COORD_HALF_PIXEL,
    COVEY_COORD_ASYMMETRIC,
    COVEY_COORD_ALIGN_CORNERS,
    COVEY_COORD_PYTORCH_HALF_PIXEL,
    COVEY_COORD_TF_CROP_AND_RESIZE,
    COVEY_COORD_HALF_PIXEL_SYMMETRIC,
    COVEY_COORD_COUNT,
};
enum covey_nearest {
    COVEY_NEAREST_ROUND_PREFER_FLOOR,
    COVEY_NEAREST_ROUND_PREFER_CEIL,
    COVEY_NEAREST_FLOOR,
    COVEY_NEAREST_CEIL,
    COVEY_NEAREST_COUNT,
};

enum { COVEY_SPATIAL_MAX = 3, COVEY_NODE_INPUTS_MAX = 64, COVEY_NODE_OUTPUTS_MAX = 16 };

struct covey_op_attrs {
    /* Windows: [0, rank of X - 2) are used, in the order of X's spatial dimensions. */
    uint32_t kernel[COVEY_SPATIAL_MAX], stride[COVEY_SPATIAL_MAX], dilation[COVEY_SPATIAL_MAX];
    uint32_t pads[COVEY_SPATIAL_MAX], pads_end[COVEY_SPATIAL_MAX], out_pads[COVEY_SPATIAL_MAX];
    uint32_t groups;
    bool ceil_mode, count_include_pad, keepdims, exclude_outside, antialias;
    int32_t axis;
    uint32_t axes; /* bit i: axis i */
    float epsilon, alpha, beta, bias, low, high;
    double value;
    uint32_t size;
    uint32_t mode;
    enum covey_type to;
    enum covey_coordinates coordinates;
    enum covey_nearest nearest;
    uint8_t shape_rank; /* entries of shape, start, step, scale and, twice, of pad and roi */
    int64_t shape[COVEY_RANK_MAX], start[COVEY_RANK_MAX], step[COVEY_RANK_MAX];
    int32_t pad[2 * COVEY_RANK_MAX];
    float scale[COVEY_RANK_MAX], roi[2 * COVEY_RANK_MAX]; /* roi: starts, then ends */
    uint32_t sizes[COVEY_NODE_OUTPUTS_MAX];
    enum covey_act act; /* fused; its bounds are low and high */
};

/* Every default of ONNX: kernel, strides, dilations, groups 1, keepdims, axis 1, epsilon 1e-5, ...
 */
void covey_op_attrs_init(struct covey_op_attrs *attrs);
const char *covey_op_name(enum covey_op op);

#endif /* COVEY_OP_H */
