/* SPDX-License-Identifier: MIT */
#include "onnx_ops.h"

enum { LEGACY_BELOW = 7 };

/* Operators whose form before opset 7 is another one in more than what is read here. */
static bool has_other_form(const struct covey_onnx_build *b, const struct covey_onnx_row *row)
{
    static const struct {
        const char *name;
        int64_t since;
    } forms[] = {{"Cast", 6}, {"Reshape", 5}, {"Tile", 6}, {"Pad", 2}, {"Upsample", 7}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(forms[i].name, row->name) == 0) {
            return b->opset < forms[i].since;
        }
    }
    return row->since > LEGACY_BELOW;
}

static bool is_binary(enum covey_op op)
{
    static const enum covey_op ops[] = {COVEY_OP_ADD,  COVEY_OP_SUB,     COVEY_OP_MUL,
                                        COVEY_OP_DIV,  COVEY_OP_POW,     COVEY_OP_AND,
                                        COVEY_OP_OR,   COVEY_OP_XOR,     COVEY_OP_EQUAL,
                                        COVEY_OP_LESS, COVEY_OP_GREATER, COVEY_OP_PRELU};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (ops[i] == op) {
            return true;
        }
    }
    return false;
}

/* B under a shape that broadcasts from its end: dimension 0 of B is dimension axis of A. */
static uint16_t aligned(struct covey_onnx_build *b, uint16_t x, uint16_t y, int64_t axis)
{
    int64_t target[COVEY_RANK_MAX] = {0};
    struct covey_shape a = covey__onnx_shape(b, x), small = covey__onnx_shape(b, y);
    uint8_t first = covey__onnx_axis(b, axis, a.rank);
    if (b->err || first + small.rank > a.rank) {
        covey__onnx_fail(b, COVEY_ERR_MALFORMED, "axis does not fit the second input");
        return y;
    }
    size_t rank = (size_t)a.rank - first;
    for (size_t i = 0; i < rank; i++) {
        target[i] = i < small.rank ? small.dims[i] : 1;
    }
    return rank == small.rank ? y : covey__onnx_reshape(b, y, target, rank);
}

/* Broadcasting by request, and along an axis. */
static void read_binary(struct covey_onnx_build *b)
{
    uint16_t x = covey__onnx_need(b, 0), y = covey__onnx_need(b, 1);
    bool broadcast = covey__onnx_flag(b, "broadcast", b->op == COVEY_OP_PRELU);
    bool given = covey__onnx_attribute(b, "axis") != NULL;
    int64_t axis = covey__onnx_int(b, "axis", b->op == COVEY_OP_PRELU ? 1 : 0);
    if (b->err == COVEY_OK && broadcast && (given || b->op == COVEY_OP_PRELU)) {
        y = aligned(b, x, y, axis);
    }
    covey__onnx_define(b, 0, covey__onnx_pair(b, b->op, x, y));
}

bool covey__onnx_legacy(struct covey_onnx_build *b, const struct covey_onnx_row *row)
{
    if (b->opset >= LEGACY_BELOW) {
        return false;
    }
    covey__onnx_ignore(b, "consumed_inputs");
    covey__onnx_ignore(b, "is_test");
    if (has_other_form(b, row)) {
        covey__onnx_fail(b, COVEY_ERR_UNSUPPORTED, "its form of opset %lld is not supported",
                         (long long)b->opset);
        return true;
    }
    if (strcmp(row->name, "Gemm") == 0) {
        covey__onnx_ignore(b, "broadcast");
    }
    if (is_binary(row->op)) {
        read_binary(b);
        return true;
    }
    return false;
}
