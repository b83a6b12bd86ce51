/* SPDX-License-Identifier: MIT */
#include "tiling.h"

#include <stdio.h>
#include <stdlib.h>

static float *copy_of(const float *data, const struct covey_shape *shape)
{
    size_t bytes = floats_of(shape) * sizeof(float);
    float *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    return copy;
}

void tiling_init(struct tiling *t, struct covey_graph *take_g)
{
    struct covey_nn_error why = {""};
    struct covey_run *r = NULL;
    uint64_t seed = 77;
    *t = (struct tiling){.g = take_g};
    expect_ok(covey_graph_check(t->g, 0, &why), &why);
    expect_ok(covey_model_new(t->g, NULL, &t->m, &why), &why);
    expect_ok(covey_cells_find(t->g, t->m, &t->cells, &t->count, &why), &why);
    expect_ok(covey_run_new(t->m, &r), NULL);
    t->values = calloc(t->count + 1, sizeof(*t->values));
    struct covey_stage *stages = calloc(t->count + 1, sizeof(*stages));
    for (size_t i = 0; i < t->count; i++) {
        const struct covey_cell *c = &t->cells[i];
        stages[i] = (struct covey_stage){.nodes = true,
                                         .first_node = c->first_node,
                                         .last_node = c->last_node,
                                         .in = c->in,
                                         .out = c->out};
    }
    float *input = random_floats(&seed, floats_of(covey_model_input(t->m)));
    covey_run_stages(r, stages, t->count);
    covey_run_start(r, (const void *const[]){input});
    size_t stage, next = 0;
    const float *value;
    for (; covey_run_next(r, &stage, &value); next++) {
        assert_int_equal(stage, next);
        t->values[stage] = copy_of(value, &t->g->values[t->cells[stage].in].shape);
        covey_run_local(r);
    }
    assert_int_equal(next, t->count);
    t->values[t->count] = copy_of(covey_run_result(r, 0), covey_model_output(t->m));
    covey_run_free(r);
    free(input);
    free(stages);
}

void tiling_done(struct tiling *t)
{
    for (size_t i = 0; i <= t->count; i++) {
        free(t->values[i]);
    }
    free(t->values);
    free(t->cells);
    covey_model_free(t->m);
    covey_graph_free(t->g);
}

struct covey_strip tiling_strip(const struct covey_cell *cells, size_t count, uint32_t begin,
                                uint32_t end)
{
    struct covey_strip s = {.out_begin = begin, .out_end = end};
    for (size_t i = count; i > 0; i--) {
        const struct covey_cell *c = &cells[i - 1];
        uint32_t last = (end - 1) * c->stride + c->after + 1;
        begin = begin * c->stride > c->before ? begin * c->stride - c->before : 0;
        end = last < c->in_rows ? last : c->in_rows;
        assert_true(begin < end);
    }
    s.in_begin = begin;
    s.in_end = end;
    return s;
}

/* Computes one strip and puts it where it belongs. */
static void run_strip(const struct tiling *t, size_t first, size_t count,
                      const struct covey_strip *strip, float *joined)
{
    const struct covey_cell *a = &t->cells[first], *b = &t->cells[first + count - 1];
    struct covey_plane_rows in = {a->in_planes, a->in_rows, a->in_width, strip->in_begin,
                                  strip->in_end};
    struct covey_plane_rows out = {b->out_planes, b->out_rows, b->out_width, strip->out_begin,
                                   strip->out_end};
    struct covey_nn_error why = {""};
    struct covey_graph *g = NULL;
    struct covey_model *m = NULL;
    struct covey_run *r = NULL;
    expect_ok(covey_tile_graph(t->g, a, count, strip, &g, &why), &why);
    expect_ok(covey_model_new(g, NULL, &m, &why), &why);
    expect_ok(covey_run_new(m, &r), NULL);
    covey_rows_cut(&in, t->values[first], covey_run_input(r, 0));
    covey_run_inputs(r, (const void *const[]){NULL});
    covey_rows_join(&out, covey_run_result(r, 0), joined);
    covey_run_free(r);
    covey_model_free(m);
    covey_graph_free(g);
}

double tiling_error(const struct tiling *t, size_t first, size_t count, uint32_t rows,
                    uint32_t extra)
{
    const struct covey_cell *a = &t->cells[first], *b = &t->cells[first + count - 1];
    const struct covey_shape *shape = &t->g->values[b->out].shape;
    size_t floats = floats_of(shape);
    float *joined = malloc(floats * sizeof(*joined) + 1);
    uint64_t seed = first * 31 + count;
    assert_int_equal(floats, (size_t)b->out_planes * b->out_rows * b->out_width);
    memset(joined, 0xff, floats * sizeof(*joined)); /* not a number */
    for (uint32_t begin = 0; begin < b->out_rows;) {
        uint32_t step = rows > 0 ? rows : 1 + random_below(&seed, b->out_rows);
        uint32_t end = begin + step < b->out_rows ? begin + step : b->out_rows;
        struct covey_strip strip = tiling_strip(a, count, begin, end);
        strip.in_begin -= extra < strip.in_begin ? extra : strip.in_begin;
        strip.in_end = strip.in_end + extra < a->in_rows ? strip.in_end + extra : a->in_rows;
        run_strip(t, first, count, &strip, joined);
        begin = end;
    }
    double error = relative_error(joined, t->values[first + count], floats);
    if (!(error < 1e-5)) {
        fprintf(stderr, "cells %zu + %zu, every %u rows (%u more): %g\n", first, count, rows, extra,
                error);
    }
    free(joined);
    return error;
}

size_t tiling_run(const struct tiling *t, size_t first)
{
    size_t count = 0;
    while (first + count < t->count && t->cells[first + count].tiles) {
        count++;
    }
    return count;
}

double tiling_worst(const struct tiling *t, size_t longest)
{
    double worst = -1.0;
    for (size_t first = 0; first < t->count; first++) {
        size_t room = tiling_run(t, first);
        for (size_t count = 1; count <= room && count <= longest; count++) {
            for (uint32_t i = 0; i < 3; i++) {
                static const uint32_t rows[] = {1, 0, 3}, extra[] = {0, 0, 2};
                double error = tiling_error(t, first, count, rows[i], extra[i]);
                worst = error > worst || error != error ? error : worst;
            }
        }
    }
    assert_true(worst >= 0.0);
    return worst;
}
