/* SPDX-License-Identifier: MIT */
#include "op_binary.h"
#include "op_binary_spread.h"
#include "op_cast_chunk.h"
#include "ops_binary.h"

#include <string.h>

covey_err covey__infer_broadcast(const struct covey__op_call *c, struct covey_tensor *out,
                                 struct covey_nn_error *out_why)
{
    const struct covey_shape *shapes[COVEY_NODE_INPUTS_MAX];
    for (unsigned i = 0; i < c->inputs; i++) {
        if (c->in[i] == NULL) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u is missing", i);
        }
        shapes[i] = &c->in[i]->shape;
    }
    return covey__broadcast(shapes, c->inputs, &out->shape, out_why);
}

static void real_row(const struct covey__row *row)
{
    const struct covey__binary_rule *rule = row->ctx;
    double a[COVEY__ROW_MAX], b[COVEY__ROW_MAX];
    covey__row_reals(row, 0, a);
    covey__row_reals(row, 1, b);
    rule->real(a, b, row->count);
    covey__chunk_put_reals(row->c->out[0], row->out, row->count, a);
}

static void whole_row(const struct covey__row *row)
{
    const struct covey__binary_rule *rule = row->ctx;
    int64_t a[COVEY__ROW_MAX], b[COVEY__ROW_MAX];
    covey__row_ints(row, 0, a);
    covey__row_ints(row, 1, b);
    rule->whole[row->c->in[0]->type == COVEY_TYPE_U64](a, b, row->count);
    covey__chunk_put_ints(row->c->out[0], row->out, row->count, a);
}

void covey__row_reals(const struct covey__row *row, unsigned input, double *out)
{
    size_t have = row->step[input] == 0 ? 1 : row->count;
    covey__chunk_reals(row->c->in[input], row->at[input], have, out);
    for (size_t i = have; i < row->count; i++) {
        out[i] = out[0];
    }
}

void covey__row_ints(const struct covey__row *row, unsigned input, int64_t *out)
{
    size_t have = row->step[input] == 0 ? 1 : row->count;
    covey__chunk_ints(row->c->in[input], row->at[input], have, out);
    for (size_t i = have; i < row->count; i++) {
        out[i] = out[0];
    }
}

static void fast(const struct covey__op_call *c, enum covey__binary_kind kind)
{
    struct covey__broadcast shape;
    struct covey_shape ignored; /* inference found it */
    covey_err err = covey__broadcast_init(&shape, &c->in[0]->shape, &c->in[1]->shape, &ignored);
    COVEY_ASSERT(err == COVEY_OK);
    covey__binary_run(&(struct covey__binary_call){.kind = kind,
                                                   .shape = &shape,
                                                   .a = covey__in(c, 0),
                                                   .b = covey__in(c, 1),
                                                   .out = covey__out(c),
                                                   .threads = c->threads});
}

void covey__binary_apply(const struct covey__op_call *c, const struct covey__binary_rule *rule)
{
    if (rule->fast != COVEY__NOT_FAST && c->in[0]->type == COVEY_TYPE_F32) {
        fast(c, (enum covey__binary_kind)rule->fast);
    } else if (covey_type_is_float(c->in[0]->type)) {
        covey__spread_run(c, 2, real_row, rule);
    } else {
        covey__spread_run(c, 2, whole_row, rule);
    }
}

static void copy_row(const struct covey__row *row)
{
    const struct covey_tensor *in = row->c->in[0];
    size_t size = covey_type_size(in->type);
    const uint8_t *from = (const uint8_t *)in->data + row->at[0] * size;
    uint8_t *out = (uint8_t *)row->c->out[0]->data + row->out * size;
    for (size_t i = 0; i < row->count; i++) {
        memcpy(out + i * size, from + i * row->step[0] * size, size);
    }
}

void covey__variadic_apply(const struct covey__op_call *c, const struct covey__binary_rule *rule)
{
    struct covey__op_call pass = *c;
    pass.inputs = 2;
    if (c->inputs == 1 ||
        covey__shape_elements(&c->in[0]->shape) != covey__shape_elements(&c->out[0]->shape)) {
        covey__spread_run(c, 1, copy_row, NULL);
        pass.in[0] = c->out[0];
    }
    for (unsigned i = 1; i < c->inputs; i++) {
        pass.in[1] = c->in[i];
        covey__binary_apply(&pass, rule);
        pass.in[0] = c->out[0];
    }
}
