/* SPDX-License-Identifier: MIT */
#include "winograd_private.h"

struct covey__wino_segment covey__wino_segment_at(const struct covey__wino_grid *g, size_t at)
{
    size_t tile = g->first + at;
    struct covey__wino_segment seg = {
        .image = tile / (g->rows * g->cols),
        .row = tile / g->cols % g->rows,
        .col = tile % g->cols,
    };
    seg.count = covey__min(g->cols - seg.col, g->count - at);
    return seg;
}

void covey__wino_gather(const struct covey__wino_grid *g, size_t channel, float *tiles)
{
    const struct covey__conv_shape *s = &g->call->plan->shape;
    const struct covey__kernels *kernels = covey__kernels_of(g->call->plan->isa);
    size_t pixels = (size_t)s->height * s->width, across = g->outputs[1] + 2;
    for (size_t at = 0; at < g->count;) {
        struct covey__wino_segment seg = covey__wino_segment_at(g, at);
        const struct covey__split split = {
            .in = g->call->in + (seg.image * s->in_channels + channel) * pixels,
            .size = {s->height, s->width},
            .first = {(int64_t)(seg.row * g->outputs[0]) - s->pads[0],
                      (int64_t)(seg.col * g->outputs[1]) - s->pads[1]},
            .rows = g->outputs[0] + 2,
            .step = 1,
            .stride = g->outputs[1],
            .phases = across,
            .count = seg.count,
            .out = tiles + at,
            .row_pitch = across * g->pitch,
            .pitch = g->pitch,
        };
        kernels->split(&split);
        at += seg.count;
    }
}
