/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

covey_err covey__infer_concat(const struct covey__op_call *c, struct covey_tensor *out,
                              struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    unsigned axis = 0;
    covey_err err = covey__axis(c->attrs->axis, s.rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    uint64_t total = s.dims[axis];
    for (unsigned i = 1; i < c->inputs; i++) {
        if (c->in[i] == NULL) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "input %u is left out", i);
        }
        struct covey_shape other = c->in[i]->shape;
        if (other.rank == s.rank) {
            total += other.dims[axis];
            other.dims[axis] = s.dims[axis];
        }
        if (!covey_shape_equal(&s, &other)) {
            return covey__nn_fail(out_why, COVEY_ERR_RANGE, "inputs differ beside the axis");
        }
    }
    if (total > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_LIMIT, "result is too large");
    }
    s.dims[axis] = (uint32_t)total;
    out->shape = s;
    return COVEY_OK;
}

/* One part of a tensor along an axis: bytes of the part and of the whole for each outer index. */
struct part {
    size_t outer, part, whole, done;
};

static struct part part_of(const struct covey__op_call *c, const struct covey_tensor *whole)
{
    const struct covey_shape *s = &whole->shape;
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + s->rank : given);
    return (struct part){.outer = covey__shape_range(s, 0, axis),
                         .whole =
                             covey__shape_range(s, axis, s->rank) * covey_type_size(whole->type)};
}

static void set_part(const struct covey__op_call *c, const struct covey_tensor *t, struct part *p)
{
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + t->shape.rank : given);
    p->part = covey__shape_range(&t->shape, axis, t->shape.rank) * covey_type_size(t->type);
}

void covey__op_concat(const struct covey__op_call *c)
{
    struct part p = part_of(c, c->out[0]);
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    for (unsigned i = 0; i < c->inputs; i++) {
        set_part(c, c->in[i], &p);
        struct covey__box b = {.rank = 2,
                               .size = 1,
                               .src = c->in[i]->data,
                               .dst = (uint8_t *)c->out[0]->data + p.done,
                               .dims = {p.outer, p.part},
                               .src_step = {(ptrdiff_t)p.part, 1},
                               .dst_step = {(ptrdiff_t)p.whole, 1}};
        covey__box_copy(&b, c->threads);
        p.done += p.part;
    }
}

covey_err covey__infer_split(const struct covey__op_call *c, struct covey_tensor *out,
                             struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    unsigned axis = 0;
    uint64_t total = 0;
    covey_err err = covey__axis(c->attrs->axis, s.rank, &axis, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    for (unsigned i = 0; i < c->outputs; i++) {
        total += c->attrs->sizes[i];
    }
    if (total != s.dims[axis]) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "sizes do not sum to dimension %u", axis);
    }
    for (unsigned i = 0; i < c->outputs; i++) {
        s.dims[axis] = c->attrs->sizes[i];
        out[i].type = c->in[0]->type;
        out[i].shape = s;
    }
    return COVEY_OK;
}

void covey__op_split(const struct covey__op_call *c)
{
    struct part p = part_of(c, c->in[0]);
    const struct covey_shape *x = &c->in[0]->shape;
    if (covey__shape_elements(x) == 0) {
        return;
    }
    int32_t given = c->attrs->axis;
    unsigned axis = (unsigned)(given < 0 ? given + x->rank : given);
    size_t unit = p.whole / x->dims[axis];
    for (unsigned i = 0; i < c->outputs; i++) {
        p.part = unit * c->attrs->sizes[i];
        if (c->out[i] != NULL) {
            struct covey__box b = {.rank = 2,
                                   .size = 1,
                                   .src = (const uint8_t *)c->in[0]->data + p.done,
                                   .dst = c->out[i]->data,
                                   .dims = {p.outer, p.part},
                                   .src_step = {(ptrdiff_t)p.whole, 1},
                                   .dst_step = {(ptrdiff_t)p.part, 1}};
            covey__box_copy(&b, c->threads);
        }
        p.done += p.part;
    }
}
