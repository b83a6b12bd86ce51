/* SPDX-License-Identifier: MIT */
#include "kernels/elementwise.h"
#include "train/grad.h"

static size_t count_of(const struct covey__grad_call *c)
{
    return covey__shape_elements(&c->op->out[0]->shape);
}

static void copy(const struct covey__grad_call *c, float *to)
{
    if (to != NULL && to != c->dy) {
        memcpy(to, c->dy, count_of(c) * sizeof(float));
    }
}

/* dx = f(dy, y) element by element. */
static void by_result(const struct covey__grad_call *c, enum covey__binary_kind kind)
{
    struct covey__broadcast same = covey__broadcast_same(count_of(c));
    struct covey__binary_call call = {.kind = kind,
                                      .shape = &same,
                                      .a = c->dy,
                                      .b = c->op->out[0]->data,
                                      .out = c->dx[0],
                                      .threads = c->op->threads};
    covey__binary_run(&call);
}

static void relu_back(const struct covey__grad_call *c)
{
    by_result(c, COVEY__BINARY_RELU_BACK);
}

static void sigmoid_back(const struct covey__grad_call *c)
{
    by_result(c, COVEY__BINARY_SIGMOID_BACK);
}

static void tanh_back(const struct covey__grad_call *c)
{
    by_result(c, COVEY__BINARY_TANH_BACK);
}

/* y = low or high: dx = 0; between: dx = dy */
static void clip_back(const struct covey__grad_call *c)
{
    const float *y = c->op->out[0]->data;
    float low = c->op->attrs->low, high = c->op->attrs->high;
    size_t count = count_of(c);
    for (size_t i = 0; i < count; i++) {
        c->dx[0][i] = y[i] > low && y[i] < high ? c->dy[i] : 0.0f;
    }
}

/* y < 0 where x < 0, for alpha > 0 */
static void leakyrelu_back(const struct covey__grad_call *c)
{
    const float *x = covey__in(c->op, 0);
    float alpha = c->op->attrs->alpha;
    size_t count = count_of(c);
    for (size_t i = 0; i < count; i++) {
        c->dx[0][i] = x[i] < 0.0f ? alpha * c->dy[i] : c->dy[i];
    }
}

/* y = x g, g = clip(x / 6 + 1 / 2, 0, 1): dy/dx = g + x / 6 inside */
static void hardswish_back(const struct covey__grad_call *c)
{
    const float *x = covey__in(c->op, 0);
    size_t count = count_of(c);
    for (size_t i = 0; i < count; i++) {
        float slope = x[i] <= -3.0f ? 0.0f : x[i] >= 3.0f ? 1.0f : x[i] / 3.0f + 0.5f;
        c->dx[0][i] = slope * c->dy[i];
    }
}

static void identity_back(const struct covey__grad_call *c)
{
    copy(c, c->dx[0]);
}

/* Sums over the dimensions along which input i was repeated. v [as output] is read in order. */
static void sum_to_input(const struct covey__grad_call *c, unsigned input, const float *v)
{
    const struct covey_shape *y = &c->op->out[0]->shape, *x = &c->op->in[input]->shape;
    size_t step[COVEY_RANK_MAX] = {0}, next = 1, to = 0, count = count_of(c);
    uint32_t at[COVEY_RANK_MAX] = {0};
    float *out = c->dx[input];
    for (unsigned i = 0; i < x->rank; i++) {
        unsigned axis = y->rank - 1u - i;
        uint32_t dim = x->dims[x->rank - 1u - i];
        step[axis] = dim == 1 ? 0 : next;
        next *= dim;
    }
    memset(out, 0, covey__shape_elements(x) * sizeof(float));
    for (size_t i = 0; i < count; i++) {
        out[to] += v[i];
        for (unsigned axis = y->rank; axis-- > 0;) {
            to += step[axis];
            if (++at[axis] < y->dims[axis]) {
                break;
            }
            to -= step[axis] * at[axis];
            at[axis] = 0;
        }
    }
}

static bool repeated(const struct covey__grad_call *c, unsigned input)
{
    return !covey_shape_equal(&c->op->in[input]->shape, &c->op->out[0]->shape);
}

/* Y = A + B, or the sum of all inputs */
static void add_back(const struct covey__grad_call *c)
{
    for (unsigned i = c->op->inputs; i-- > 0;) {
        if (c->dx[i] == NULL) {
            continue;
        }
        if (repeated(c, i)) {
            sum_to_input(c, i, c->dy);
        } else {
            copy(c, c->dx[i]);
        }
    }
}

/* Y = A - B */
static void sub_back(const struct covey__grad_call *c)
{
    if (c->dx[1] != NULL) {
        size_t count = covey__shape_elements(&c->op->in[1]->shape);
        if (repeated(c, 1)) {
            sum_to_input(c, 1, c->dy);
        } else {
            copy(c, c->dx[1]);
        }
        for (size_t i = 0; i < count; i++) {
            c->dx[1][i] = -c->dx[1][i];
        }
    }
    if (c->dx[0] != NULL && repeated(c, 0)) {
        sum_to_input(c, 0, c->dy);
    } else {
        copy(c, c->dx[0]);
    }
}

/* Y = A B: dA = dY B, dB = dY A, each summed to its shape; scratch [output] holds the product */
static void mul_back(const struct covey__grad_call *c)
{
    struct covey__broadcast shape;
    struct covey_shape made;
    for (unsigned i = 0; i < 2; i++) {
        const struct covey_tensor *other = c->op->in[1 - i];
        if (c->dx[i] == NULL) {
            continue;
        }
        covey_err err = covey__broadcast_init(&shape, &c->op->out[0]->shape, &other->shape, &made);
        COVEY_ASSERT(err == COVEY_OK); /* they were when the product was made */
        struct covey__binary_call call = {.kind = COVEY__BINARY_MUL,
                                          .shape = &shape,
                                          .a = c->dy,
                                          .b = other->data,
                                          .out = c->scratch,
                                          .threads = c->op->threads};
        covey__binary_run(&call);
        sum_to_input(c, i, c->scratch);
    }
}

static size_t mul_scratch(const struct covey__op_call *c)
{
    return covey__shape_elements(&c->out[0]->shape) * sizeof(float);
}

/* splitmix64 of the element's number: the same mask again in the backward step. */
static float dropout_factor(uint64_t seed, uint64_t i, float ratio)
{
    uint64_t z = seed + i * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) * 0x1p-24f < ratio ? 0.0f : 1.0f / (1.0f - ratio);
}

/* y = x / (1 - ratio), or 0 with probability ratio (Srivastava et al. 2014, inverted) */
static void drop(const struct covey__grad_call *c, const float *in, float *out)
{
    float ratio = c->op->attrs->alpha;
    size_t count = count_of(c);
    for (size_t i = 0; i < count; i++) {
        out[i] = in[i] * dropout_factor(c->seed, c->first + i, ratio);
    }
}

static void dropout_forward(const struct covey__grad_call *c)
{
    drop(c, covey__in(c->op, 0), c->op->out[0]->data);
}

static void dropout_back(const struct covey__grad_call *c)
{
    drop(c, c->dy, c->dx[0]);
}

enum { FIRST = 1, BOTH = 3 };

const struct covey__grad covey__grads_elementwise[] = {
    {.op = COVEY_OP_RELU,
     .inputs = FIRST,
     .needs_y = true,
     .in_place = true,
     .backward = relu_back},
    {.op = COVEY_OP_SIGMOID,
     .inputs = FIRST,
     .needs_y = true,
     .in_place = true,
     .backward = sigmoid_back},
    {.op = COVEY_OP_TANH,
     .inputs = FIRST,
     .needs_y = true,
     .in_place = true,
     .backward = tanh_back},
    {.op = COVEY_OP_CLIP,
     .inputs = FIRST,
     .needs_y = true,
     .in_place = true,
     .backward = clip_back},
    {.op = COVEY_OP_LEAKYRELU,
     .inputs = FIRST,
     .needs_x = true,
     .in_place = true,
     .backward = leakyrelu_back},
    {.op = COVEY_OP_HARDSWISH,
     .inputs = FIRST,
     .needs_x = true,
     .in_place = true,
     .backward = hardswish_back},
    {.op = COVEY_OP_IDENTITY, .inputs = FIRST, .in_place = true, .backward = identity_back},
    {.op = COVEY_OP_DROPOUT,
     .inputs = FIRST,
     .in_place = true,
     .backward = dropout_back,
     .forward = dropout_forward},
    {.op = COVEY_OP_ADD,
     .inputs = BOTH,
     .parameters = BOTH,
     .in_place = true,
     .backward = add_back},
    {.op = COVEY_OP_SUM, .inputs = UINT32_MAX, .in_place = true, .backward = add_back},
    {.op = COVEY_OP_SUB, .inputs = BOTH, .in_place = true, .backward = sub_back},
    {.op = COVEY_OP_MUL,
     .inputs = BOTH,
     .parameters = BOTH,
     .needs_x = true,
     .backward = mul_back,
     .scratch = mul_scratch},
    {.op = COVEY_OP_NONE},
};
