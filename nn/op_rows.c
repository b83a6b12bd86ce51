/* SPDX-License-Identifier: MIT */
#include "op_rows.h"

#include <math.h>

void covey_tensor_elements(const struct covey_tensor *t, size_t first, size_t count, double *out)
{
    if (t->type == COVEY_TYPE_F32) {
        const float *in = (const float *)t->data + first;
        for (size_t i = 0; i < count; i++) {
            out[i] = (double)in[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = covey_tensor_element(t, first + i);
    }
}

void covey__store_reals(struct covey_tensor *t, size_t first, size_t count, const double *in)
{
    if (t->type == COVEY_TYPE_F32) {
        float *out = (float *)t->data + first;
        for (size_t i = 0; i < count; i++) {
            out[i] = (float)in[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        covey__store_real(t, first + i, in[i]);
    }
}

struct covey__lines covey__lines_of(const struct covey_shape *s, int32_t axis)
{
    unsigned at = (unsigned)(axis < 0 ? axis + s->rank : axis);
    return (struct covey__lines){covey__shape_range(s, 0, at), s->dims[at],
                                 covey__shape_range(s, at + 1, s->rank)};
}

/* The dimension in front of those seen so far joins the last one noted of its sort if nothing of
 * the other sort lies between. */
static void note_dim(struct covey__dims *d, size_t dim, size_t step, bool joins)
{
    d->count *= dim;
    if (joins && d->rank > 0) {
        d->dim[d->rank - 1] *= dim;
        return;
    }
    d->dim[d->rank] = dim;
    d->step[d->rank] = step;
    d->rank++;
}

void covey__groups_init(struct covey__groups *out, const struct covey_shape *s, uint32_t axes)
{
    struct covey__groups g = {.kept.count = 1, .folded.count = 1, .run = 1};
    size_t step = 1;
    int last = -1;
    for (unsigned i = s->rank; i-- > 0;) {
        int folds = axes >> i & 1;
        if (s->dims[i] == 1) {
            continue;
        }
        note_dim(folds ? &g.folded : &g.kept, s->dims[i], step, last == folds);
        if (last < 0) {
            g.inner_folded = folds;
        }
        last = folds;
        step *= s->dims[i];
    }
    const struct covey__dims *inner = g.inner_folded ? &g.folded : &g.kept;
    g.run = inner->rank > 0 ? inner->dim[0] : 1;
    *out = g;
}

size_t covey__dims_offset(const struct covey__dims *d, size_t index)
{
    size_t offset = 0;
    for (unsigned i = 0; i < d->rank; i++) {
        offset += index % d->dim[i] * d->step[i];
        index /= d->dim[i];
    }
    return offset;
}

uint64_t covey__order_key(const struct covey_tensor *t, size_t i)
{
    const uint64_t sign = (uint64_t)1 << 63;
    if (t->type == COVEY_TYPE_U64) {
        return ((const uint64_t *)t->data)[i];
    }
    if (!covey_type_is_float(t->type)) {
        return (uint64_t)covey__load_int(t, i) ^ sign;
    }
    double v = covey_tensor_element(t, i) + 0.0; /* -0 becomes 0 */
    uint64_t bits;
    if (isnan(v)) {
        return UINT64_MAX;
    }
    memcpy(&bits, &v, sizeof(bits));
    return (bits & sign) != 0 ? ~bits : bits | sign;
}
