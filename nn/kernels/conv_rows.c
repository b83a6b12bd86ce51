/* SPDX-License-Identifier: MIT */
#include "conv_private.h"
#include "gemm_pack.h"

enum {
    FILTERS_FEW = 16, /* unrolling takes longer than multiplying: some lanes may stay empty */
    FILTERS_MAX = 64, /* with more, unrolling pays */
    DEPTH_MAX = 512,  /* k: places of the rows of B */
};

struct job {
    const struct covey__conv_call *call;
    const struct covey__conv_shape *s;
    const struct covey__kernels *kernels;
    struct covey__prep prep;
    const float *in; /* one image, prepared or as it is */
    float *out;
    const float *residual;
    size_t m, k;               /* of one group */
    size_t offsets[DEPTH_MAX]; /* of row k of B from its first column's place */
    float low, high;
};

bool covey__rows_fit(const struct covey__conv_plan *plan)
{
    const struct covey__conv_shape *s = &plan->shape;
    size_t taps = covey__taps(s), k = s->in_channels / s->groups * taps;
    size_t filters = s->out_channels / s->groups;
    size_t room = covey__round_up(s->out_width, covey__kernels_of(plan->isa)->lanes);
    bool lanes =
        filters <= FILTERS_FEW ? 4 * (size_t)s->out_width >= 3 * room : s->out_width == room;
    return taps > 1 && k <= DEPTH_MAX && filters <= FILTERS_MAX && lanes;
}

/* One row of the output of one group, in strips of equal width. */
static void run_row(void *ctx, size_t part, unsigned thread)
{
    const struct job *j = ctx;
    const struct covey__conv_shape *s = j->s;
    size_t group = part / s->out_height, y = part % s->out_height, lanes = j->kernels->lanes;
    size_t channels = s->in_channels / s->groups, pixels = covey__pixels(s);
    size_t vecs = covey__ceil_div(s->out_width, lanes);
    size_t strips = covey__ceil_div(vecs, COVEY__STRIP_VECS), first = group * j->m;
    (void)thread;
    for (size_t i = 0; i < strips; i++) {
        size_t x = i * vecs / strips * lanes;
        size_t end = covey__min((i + 1) * vecs / strips * lanes, s->out_width);
        size_t at = first * pixels + y * s->out_width + x;
        struct covey__strip strip = {
            .a = j->call->weights + group * covey__gemm_packed_floats(j->m, j->k, j->kernels->mr),
            .a_stride = j->kernels->mr * j->k,
            .b = j->in + group * channels * j->prep.plane + y * j->prep.row_pitch + x,
            .offsets = j->offsets,
            .k = j->k,
            .m = j->m,
            .cols = end - x,
            .first = true,
            .bias = j->call->bias != NULL ? j->call->bias + first : NULL,
            .init = j->residual != NULL ? j->residual + at : NULL,
            .c = j->out + at,
            .ldc = pixels,
            .low = j->low,
            .high = j->high,
        };
        j->kernels->strip(&strip);
    }
}

void covey__rows_run(const struct covey__conv_call *call)
{
    const struct covey__conv_shape *s = &call->plan->shape;
    size_t taps = covey__taps(s), out_floats = s->out_channels * covey__pixels(s);
    size_t in_floats = (size_t)s->in_channels * s->height * s->width;
    struct job j = {
        .call = call,
        .s = s,
        .kernels = covey__kernels_of(call->plan->isa),
        .m = s->out_channels / s->groups,
        .k = s->in_channels / s->groups * taps,
    };
    covey__prep_init(&j.prep, s);
    covey__act_bounds(&call->act, &j.low, &j.high);
    for (size_t k = 0; k < j.k; k++) {
        j.offsets[k] = k / taps * j.prep.plane + covey__prep_tap(&j.prep, s, k % taps);
    }
    for (size_t image = 0; image < s->batch; image++) {
        j.in = call->in + image * in_floats;
        j.out = call->out + image * out_floats;
        j.residual = call->residual != NULL ? call->residual + image * out_floats : NULL;
        if (j.prep.copies) {
            covey__prep_planes(call, &j.prep, image * s->in_channels, s->in_channels,
                               call->scratch);
            j.in = call->scratch;
        }
        covey_threads_run(call->threads, s->groups * s->out_height, run_row, &j);
    }
}
