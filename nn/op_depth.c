/* SPDX-License-Identifier: MIT */
#include "op_box.h"
#include "ops_move.h"

enum { CRD = 1 };

static covey_err image(const struct covey__op_call *c, struct covey_nn_error *out_why)
{
    if (c->in[0]->shape.rank != 4 || c->attrs->size == 0 ||
        c->attrs->size > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "needs rank 4 and a block size");
    }
    return COVEY_OK;
}

covey_err covey__infer_depth_to_space(const struct covey__op_call *c, struct covey_tensor *out,
                                      struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    uint64_t size = c->attrs->size;
    covey_err err = image(c, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (s.dims[1] % (size * size) != 0 || s.dims[2] * size > COVEY_TENSOR_ELEMENTS_MAX ||
        s.dims[3] * size > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "channels do not divide into blocks");
    }
    s.dims[1] = (uint32_t)(s.dims[1] / (size * size));
    s.dims[2] *= (uint32_t)size;
    s.dims[3] *= (uint32_t)size;
    out->shape = s;
    return COVEY_OK;
}

covey_err covey__infer_space_to_depth(const struct covey__op_call *c, struct covey_tensor *out,
                                      struct covey_nn_error *out_why)
{
    struct covey_shape s = c->in[0]->shape;
    uint64_t size = c->attrs->size;
    covey_err err = image(c, out_why);
    if (err != COVEY_OK) {
        return err;
    }
    if (s.dims[2] % size != 0 || s.dims[3] % size != 0 || size * size > COVEY_TENSOR_ELEMENTS_MAX ||
        s.dims[1] * size * size > COVEY_TENSOR_ELEMENTS_MAX) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "the image does not divide into blocks");
    }
    s.dims[1] *= (uint32_t)(size * size);
    s.dims[2] /= (uint32_t)size;
    s.dims[3] /= (uint32_t)size;
    out->shape = s;
    return COVEY_OK;
}

/* The deep tensor seen as [n, blocks and channels, h, w], the wide one as [n, c, h b, w b]: both
 * walked in the order n, c, h, block row, w, block column. */
struct walk {
    size_t dims[6];
    ptrdiff_t deep[6], wide[6];
};

/* Channel of the deep tensor: DCR (block row, block column, c), CRD (c, block row, block column).
 */
static struct walk walk_of(const struct covey_tensor *deep, const struct covey_tensor *wide,
                           size_t block, bool crd)
{
    const struct covey_shape *d = &deep->shape;
    size_t channels = wide->shape.dims[1];
    ptrdiff_t s[4], t[4], b = (ptrdiff_t)block, ch = (ptrdiff_t)channels;
    covey__box_steps(d, covey_type_size(deep->type), s);
    covey__box_steps(&wide->shape, covey_type_size(wide->type), t);
    return (struct walk){.dims = {d->dims[0], channels, d->dims[2], block, d->dims[3], block},
                         .deep = {s[0], crd ? s[1] * b * b : s[1], s[2],
                                  crd ? s[1] * b : s[1] * b * ch, s[3], crd ? s[1] : s[1] * ch},
                         .wide = {t[0], t[1], t[2] * b, t[2], t[3] * b, t[3]}};
}

void covey__op_depth_to_space(const struct covey__op_call *c)
{
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    struct walk w = walk_of(c->in[0], c->out[0], c->attrs->size, c->attrs->mode == CRD);
    struct covey__box b = {.rank = 6,
                           .size = covey_type_size(c->out[0]->type),
                           .src = c->in[0]->data,
                           .dst = c->out[0]->data};
    memcpy(b.dims, w.dims, sizeof w.dims);
    memcpy(b.src_step, w.deep, sizeof w.deep);
    memcpy(b.dst_step, w.wide, sizeof w.wide);
    covey__box_copy(&b, c->threads);
}

void covey__op_space_to_depth(const struct covey__op_call *c)
{
    if (covey__shape_elements(&c->out[0]->shape) == 0) {
        return;
    }
    struct walk w = walk_of(c->out[0], c->in[0], c->attrs->size, false);
    struct covey__box b = {.rank = 6,
                           .size = covey_type_size(c->out[0]->type),
                           .src = c->in[0]->data,
                           .dst = c->out[0]->data};
    memcpy(b.dims, w.dims, sizeof w.dims);
    memcpy(b.src_step, w.wide, sizeof w.wide);
    memcpy(b.dst_step, w.deep, sizeof w.deep);
    covey__box_copy(&b, c->threads);
}
