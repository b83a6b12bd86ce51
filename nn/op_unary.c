/* SPDX-License-Identifier: MIT */
#include "op_unary.h"
#include "op_cast_chunk.h"

enum { CHUNK = 512, PART = 16384 };

struct job {
    const struct covey_op_attrs *attrs;
    const struct covey__unary_rule *rule;
    const struct covey_tensor *in;
    struct covey_tensor *out;
    size_t count;
};

static void run_chunk(const struct job *j, size_t first, size_t count)
{
    if (covey_type_is_float(j->in->type) || j->rule->whole == NULL) {
        double v[CHUNK];
        covey__chunk_reals(j->in, first, count, v);
        for (size_t i = 0; i < count; i++) {
            v[i] = j->rule->real(v[i], j->attrs);
        }
        covey__chunk_put_reals(j->out, first, count, v);
    } else {
        int64_t v[CHUNK];
        covey__chunk_ints(j->in, first, count, v);
        for (size_t i = 0; i < count; i++) {
            v[i] = j->rule->whole(v[i], j->in->type == COVEY_TYPE_U64, j->attrs);
        }
        covey__chunk_put_ints(j->out, first, count, v);
    }
}

static void run_part(void *ctx, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *j = ctx;
    size_t last = (part + 1) * PART < j->count ? (part + 1) * PART : j->count;
    for (size_t i = part * PART; i < last; i += CHUNK) {
        run_chunk(j, i, last - i < CHUNK ? last - i : CHUNK);
    }
}

static bool two_bounds(int fast)
{
    return fast == COVEY__UNARY_CLIP;
}

void covey__unary_apply(const struct covey__op_call *c, const struct covey__unary_rule *rule,
                        const struct covey_tensor *in, struct covey_tensor *out)
{
    const struct covey_op_attrs *a = c->attrs;
    struct job j = {a, rule, in, out, covey__shape_elements(&out->shape)};
    if (rule->fast != COVEY__NOT_FAST && in->type == COVEY_TYPE_F32) {
        struct covey__unary f = {(enum covey__unary_kind)rule->fast, a->alpha, a->beta};
        if (two_bounds(rule->fast)) {
            f.a = a->low;
            f.b = a->high;
        }
        covey__unary_run(f, in->data, out->data, j.count, c->threads);
    } else {
        covey_threads_run(c->threads, (j.count + PART - 1) / PART, run_part, &j);
    }
}
