/* SPDX-License-Identifier: MIT */
#include "op_binary.h"
#include "op_integer.h"
#include "op_quantize.h"
#include "ops_integer.h"

/* a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; zero points may be left out. */
enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

covey_err covey__infer_qlinearadd(const struct covey__op_call *c, struct covey_tensor *out,
                                  struct covey_nn_error *out_why)
{
    const struct covey__scalar_rule rules[] = {
        {A_SCALE, COVEY__TYPES_FLOAT, false}, {A_ZERO, COVEY__TYPES_BYTE, true},
        {B_SCALE, COVEY__TYPES_FLOAT, false}, {B_ZERO, COVEY__TYPES_BYTE, true},
        {Y_SCALE, COVEY__TYPES_FLOAT, false}, {Y_ZERO, COVEY__TYPES_BYTE, true}};
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        covey_err err = covey__check_scalar(c, rules[i], out_why);
        if (err != COVEY_OK) {
            return err;
        }
    }
    if (covey__optional(c, B) == NULL || c->in[B]->type != c->in[A]->type) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "both numbers must have one type");
    }
    const struct covey_tensor *zero = covey__optional(c, Y_ZERO);
    if (zero != NULL && zero->type != c->in[A]->type) {
        return covey__nn_fail(out_why, COVEY_ERR_UNSUPPORTED, "the result must have that type");
    }
    const struct covey_shape *shapes[2] = {&c->in[A]->shape, &c->in[B]->shape};
    return covey__broadcast(shapes, 2, &out->shape, out_why);
}

struct scales {
    float a, b, y, a_zero, b_zero, y_zero;
    struct covey__range range;
};

/* y = saturate(round(((a - a_zero) a_scale + (b - b_zero) b_scale) / y_scale) + y_zero) */
static void add_row(const struct covey__row *row)
{
    const struct scales *s = row->ctx;
    double a[COVEY__ROW_MAX], b[COVEY__ROW_MAX];
    uint8_t *y = (uint8_t *)row->c->out[0]->data + row->out;
    covey__row_reals(row, 0, a);
    covey__row_reals(row, 1, b);
    for (size_t i = 0; i < row->count; i++) {
        float sum = ((float)a[i] - s->a_zero) * s->a + ((float)b[i] - s->b_zero) * s->b;
        y[i] = (uint8_t)covey__requantize(sum / s->y, s->y_zero, (float)s->range.low,
                                          (float)s->range.high);
    }
}

void covey__op_qlinearadd(const struct covey__op_call *c)
{
    struct scales s = {covey__scale_at(c->in[A_SCALE], 0),
                       covey__scale_at(c->in[B_SCALE], 0),
                       covey__scale_at(c->in[Y_SCALE], 0),
                       (float)covey__zero_at(covey__optional(c, A_ZERO), 0),
                       (float)covey__zero_at(covey__optional(c, B_ZERO), 0),
                       (float)covey__zero_at(covey__optional(c, Y_ZERO), 0),
                       covey__range_of(c->out[0]->type)};
    struct covey__op_call both = *c;
    both.in[1] = c->in[B];
    both.inputs = 2;
    covey__spread_run(&both, 2, add_row, &s);
}
