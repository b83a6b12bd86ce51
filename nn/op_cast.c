/* SPDX-License-Identifier: MIT */
#include "op_cast_chunk.h"
#include "ops_unary.h"

#include <string.h>

enum { CHUNK = 512, PART = 16384 };

covey_err covey__infer_cast(const struct covey__op_call *c, struct covey_tensor *out,
                            struct covey_nn_error *out_why)
{
    if (covey_type_size(c->attrs->to) == 0) {
        return covey__nn_fail(out_why, COVEY_ERR_RANGE, "no such type");
    }
    out->type = c->attrs->to;
    out->shape = c->in[0]->shape;
    return COVEY_OK;
}

/* Integers stay integers, so that int64 keeps every digit; uint64 is a double on its way to
 * floating point, because only there the sign of its bits matters. */
static void cast_chunk(const struct covey__op_call *c, size_t first, size_t count)
{
    enum covey_type from = c->in[0]->type, to = c->out[0]->type;
    bool real = covey_type_is_float(from) || (from == COVEY_TYPE_U64 && covey_type_is_float(to));
    if (real) {
        double v[CHUNK];
        covey__chunk_reals(c->in[0], first, count, v);
        covey__chunk_put_reals(c->out[0], first, count, v);
    } else {
        int64_t v[CHUNK];
        covey__chunk_ints(c->in[0], first, count, v);
        covey__chunk_put_ints(c->out[0], first, count, v);
    }
}

static void cast_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct covey__op_call *c = ctx;
    size_t all = covey__shape_elements(&c->out[0]->shape), last = (part + 1) * PART;
    last = last < all ? last : all;
    for (size_t i = part * PART; i < last; i += CHUNK) {
        cast_chunk(c, i, last - i < CHUNK ? last - i : CHUNK);
    }
}

void covey__op_cast(const struct covey__op_call *c)
{
    if (c->in[0]->type == c->out[0]->type) {
        covey__op_identity(c);
        return;
    }
    struct covey__op_call job = *c;
    size_t count = covey__shape_elements(&c->out[0]->shape);
    covey_threads_run(c->threads, (count + PART - 1) / PART, cast_part, &job);
}

void covey__op_identity(const struct covey__op_call *c)
{
    size_t count = covey__shape_elements(&c->out[0]->shape);
    if (count > 0 && c->out[0]->data != c->in[0]->data) {
        memcpy(c->out[0]->data, c->in[0]->data, count * covey_type_size(c->out[0]->type));
    }
}
