/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

#include <float.h>

/* Inputs as they are, no attributes. */
void covey__onnx_plain(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, SIZE_MAX);
    covey__onnx_finish(b, &e);
}

void covey__onnx_pass(struct covey_onnx_build *b)
{
    uint16_t x = covey__onnx_need(b, 0);
    covey__onnx_define(b, 0, x);
}

/* Functions of one input with floats that shape them; the defaults are ONNX's. */
void covey__onnx_shaped(struct covey_onnx_build *b)
{
    static const struct {
        enum covey_op op;
        const char *alpha;
        float alpha_default;
        const char *second; /* beta, or bias */
        float second_default;
    } rows[] = {
        {COVEY_OP_LEAKYRELU, "alpha", 0.01f, NULL, 0},
        {COVEY_OP_ELU, "alpha", 1.0f, NULL, 0},
        {COVEY_OP_CELU, "alpha", 1.0f, NULL, 0},
        {COVEY_OP_THRESHOLDEDRELU, "alpha", 1.0f, NULL, 0},
        {COVEY_OP_SELU, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f},
        {COVEY_OP_HARDSIGMOID, "alpha", 0.2f, "beta", 0.5f},
        {COVEY_OP_SHRINK, "lambd", 0.5f, "bias", 0.0f},
    };
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].op != b->op) {
            continue;
        }
        e.attrs.alpha = covey__onnx_float(b, rows[i].alpha, rows[i].alpha_default);
        if (rows[i].second) {
            float second = covey__onnx_float(b, rows[i].second, rows[i].second_default);
            *(b->op == COVEY_OP_SHRINK ? &e.attrs.bias : &e.attrs.beta) = second;
        }
    }
    covey__onnx_finish(b, &e);
}

/* Operators whose one attribute chooses between forms. */
void covey__onnx_mode(struct covey_onnx_build *b)
{
    static const char *const approximate[] = {"none", "tanh", NULL};
    static const char *const direction[] = {"", "RIGHT", "LEFT", NULL};
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 2);
    if (b->op == COVEY_OP_GELU) {
        e.attrs.mode = covey__onnx_choice(b, "approximate", approximate);
    } else if (b->op == COVEY_OP_BITSHIFT) {
        unsigned word = covey__onnx_choice(b, "direction", direction);
        e.attrs.mode = word == 2;
        if (word == 0) {
            covey__onnx_fail(b, COVEY_ERR_MALFORMED, "direction is missing");
        }
    } else if (b->op == COVEY_OP_MOD) {
        e.attrs.mode = covey__onnx_flag(b, "fmod", false);
    } else {
        e.attrs.mode = (covey__onnx_flag(b, "detect_negative", true) ? 1U : 0U) |
                       (covey__onnx_flag(b, "detect_positive", true) ? 2U : 0U);
    }
    covey__onnx_finish(b, &e);
}

static void cast_to(struct covey_onnx_build *b, enum covey_type to)
{
    struct covey_onnx_emit e;
    uint16_t x = covey__onnx_need(b, 0);
    if (covey__onnx_type_of(b, x) == to) {
        covey__onnx_define(b, 0, x);
        return;
    }
    covey__onnx_emit_init(&e, COVEY_OP_CAST);
    covey__onnx_emit_add(b, &e, x);
    e.attrs.to = to;
    covey__onnx_finish(b, &e);
}

void covey__onnx_cast(struct covey_onnx_build *b)
{
    covey__onnx_ignore(b, "saturate"); /* only of 8-bit floats */
    if (strcmp(b->node->op_type, "CastLike") == 0) {
        cast_to(b, covey__onnx_type_of(b, covey__onnx_need(b, 1)));
        return;
    }
    int64_t to = covey__onnx_int(b, "to", 0);
    if (covey__onnx_type(to) == COVEY_TYPE_COUNT) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a cast to element type %lld", (long long)to);
        return;
    }
    cast_to(b, covey__onnx_type(to));
}

/* Bounds that are not known now, or not exact as floats: min(max(x, low), high). */
static void clip_by_values(struct covey_onnx_build *b, uint16_t x)
{
    uint16_t low = covey__onnx_input(b, 1);
    uint16_t high = covey__onnx_input(b, 2);
    uint16_t y = x;
    if (low != COVEY_VALUE_NONE) {
        y = covey__onnx_pair(b, COVEY_OP_MAX, y, low);
    }
    if (high != COVEY_VALUE_NONE) {
        y = covey__onnx_pair(b, COVEY_OP_MIN, y, high);
    }
    covey__onnx_define(b, 0, y);
}

void covey__onnx_clip(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 1, 1);
    if (b->opset < 11) {
        e.attrs.low = covey__onnx_float(b, "min", -FLT_MAX);
        e.attrs.high = covey__onnx_float(b, "max", FLT_MAX);
        covey__onnx_finish(b, &e);
        return;
    }
    bool exact = covey__onnx_type_of(b, e.input[0]) == COVEY_TYPE_F32;
    for (size_t i = 1; !b->err && i < 3; i++) {
        uint16_t v = covey__onnx_input(b, i);
        bool given = v != COVEY_VALUE_NONE;
        exact &= !given || (covey__onnx_constant(b, v) && covey__onnx_count(b, v) == 1);
    }
    if (!exact || b->err) {
        clip_by_values(b, e.input[0]);
        return;
    }
    e.attrs.low = (float)covey__onnx_scalar(b, 1, -FLT_MAX);
    e.attrs.high = (float)covey__onnx_scalar(b, 2, FLT_MAX);
    covey__onnx_finish(b, &e);
}

/* A mask like x that keeps everything. */
static uint16_t keep_all(struct covey_onnx_build *b, uint16_t x)
{
    static const float one = 1.0f;
    struct covey_shape shape = covey__onnx_shape(b, x);
    enum covey_type type = b->opset < 10 ? covey__onnx_type_of(b, x) : COVEY_TYPE_BOOL;
    const void *element = type == COVEY_TYPE_F32 ? (const void *)&one : (const void *)"\1";
    size_t bytes = covey_type_size(type);
    uint16_t index = 0;
    if (type != COVEY_TYPE_BOOL && type != COVEY_TYPE_F32) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "a mask of %s", covey_type_name(type));
    }
    uint8_t *data = covey__onnx_make(b, type, &shape, &index);
    size_t count = covey__onnx_count(b, index);
    for (size_t i = 0; data && i < count; i++) {
        memcpy(data + i * bytes, element, bytes);
    }
    return index;
}

/* Inference, or training that drops nothing: the identity. */
void covey__onnx_dropout(struct covey_onnx_build *b)
{
    uint16_t x = covey__onnx_need(b, 0);
    covey__onnx_ignore(b, "ratio");
    covey__onnx_ignore(b, "seed");
    bool training = b->opset >= 12 && covey__onnx_scalar(b, 2, 0) != 0;
    if (training && covey__onnx_scalar(b, 1, 0.5) != 0) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "training_mode is true");
    }
    covey__onnx_define(b, 0, x);
    if (b->node->n_output > 1 && b->node->output[1][0]) {
        covey__onnx_define(b, 1, keep_all(b, x));
    }
}

/* Numbers of a quantised type. */
static bool type_range(enum covey_type type, float *low, float *high)
{
    static const struct {
        enum covey_type type;
        float low, high;
    } rows[] = {
        {COVEY_TYPE_U8, 0, 255},
        {COVEY_TYPE_I8, -128, 127},
        {COVEY_TYPE_U16, 0, 65535},
        {COVEY_TYPE_I16, -32768, 32767},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].type == type) {
            *low = rows[i].low;
            *high = rows[i].high;
            return true;
        }
    }
    return false;
}

static void quantize_attrs(struct covey_onnx_build *b, struct covey_onnx_emit *e)
{
    e->attrs.axis = (int32_t)covey__onnx_int_in(
        b, "axis", 1, (const int64_t[]){-COVEY_RANK_MAX, COVEY_RANK_MAX - 1});
    e->attrs.size = (uint32_t)covey__onnx_int_in(b, "block_size", 0,
                                                 (const int64_t[]){0, COVEY_TENSOR_ELEMENTS_MAX});
    covey__onnx_ignore(b, "saturate"); /* only of 8-bit floats */
}

void covey__onnx_quantize(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 3);
    quantize_attrs(b, &e);
    bool zero = e.inputs > 2 && e.input[2] != COVEY_VALUE_NONE;
    int64_t named = covey__onnx_int(b, "output_dtype", 0);
    enum covey_type to = zero         ? covey__onnx_type_of(b, e.input[2])
                         : named != 0 ? covey__onnx_type(named)
                                      : COVEY_TYPE_U8;
    if (!type_range(to, &e.attrs.low, &e.attrs.high)) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "quantising to this type");
    }
    e.attrs.to = to;
    covey__onnx_finish(b, &e);
}

void covey__onnx_dequantize(struct covey_onnx_build *b)
{
    struct covey_onnx_emit e;
    covey__onnx_begin(b, &e, 2, 3);
    quantize_attrs(b, &e);
    covey__onnx_finish(b, &e);
}
