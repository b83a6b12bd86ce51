/* SPDX-License-Identifier: MIT */
#include "tiles_world.h"

#include <stdlib.h>
#include <string.h>

#include "covey/pack.h"

struct covey_node_id tiles_id(unsigned d)
{
    return (struct covey_node_id){{(uint8_t)(d + 1)}};
}

static covey_err put_blob(void *user, const struct covey_digest *digest, struct covey_bytes bytes)
{
    struct world *w = user;
    assert_true(w->blobs < BLOBS);
    struct blob *b = &w->blob[w->blobs++];
    b->digest = *digest;
    b->len = bytes.len;
    b->data = malloc(bytes.len + 1);
    assert_non_null(b->data);
    memcpy(b->data, bytes.ptr, bytes.len);
    return COVEY_OK;
}

static covey_err fetch(void *user, const struct covey_digest *digest, void *data, size_t len)
{
    struct world *w = user;
    w->fetched++;
    for (size_t i = 0; i < w->blobs; i++) {
        if (covey_digest_equal(&w->blob[i].digest, digest) && w->blob[i].len == len) {
            memcpy(data, w->blob[i].data, len);
            return COVEY_OK;
        }
    }
    return COVEY_ERR_NOT_FOUND;
}

static void feed(void *user, const struct covey_event *event)
{
    struct world *w = user;
    assert_int_equal(event->type, COVEY_EVENT_TILE_COMPUTED);
    memset(w->pieces, 0, sizeof(w->pieces));
    if (event->pieces != NULL) {
        memcpy(w->pieces, event->pieces, sizeof(w->pieces));
    }
    w->err = event->err;
    covey_loop_stop(w->services.loop);
}

static struct covey_row_map map_of(const struct covey_cell *c)
{
    return (struct covey_row_map){(uint16_t)c->in_rows,
                                  (uint16_t)c->out_rows,
                                  (uint16_t)c->stride,
                                  (uint16_t)c->before,
                                  (uint16_t)c->after,
                                  4 * c->in_planes * c->in_width,
                                  4 * c->out_planes * c->out_width};
}

/* Segments of `cells` cells each; device 1 has no rows of every third segment. */
static void make_plan(struct world *w, unsigned cells)
{
    struct covey_plan_run *run = &w->plan.run[0];
    w->plan.devices = HOLDERS;
    w->plan.runs = 1;
    run->cells = (uint16_t)w->tiled;
    for (unsigned d = 0; d < HOLDERS; d++) {
        w->plan.device[d] = tiles_id(d);
    }
    for (unsigned first = 0; first < w->tiled; first += cells) {
        struct covey_plan_segment *s = &run->segment[run->segments++];
        s->first_cell = (uint16_t)first;
        s->cells = (uint16_t)(first + cells < w->tiled ? cells : w->tiled - first);
        s->map = map_of(&w->cell[first]);
        for (unsigned c = 1; c < s->cells; c++) {
            struct covey_row_map next = map_of(&w->cell[first + c]);
            s->map = covey_row_map_join(&s->map, &next);
        }
        s->rows[1] = (uint16_t)(s->map.out_rows / 2);
        s->rows[2] = (uint16_t)(run->segments % 3 == 0 ? s->rows[1] : s->map.out_rows * 3 / 4);
        s->rows[3] = s->map.out_rows;
    }
}

static void run_whole(struct world *w)
{
    struct covey_run *r = NULL;
    uint64_t seed = 5;
    size_t stage = 0;
    const float *value = NULL;
    const struct covey_cell *next = &w->cell[w->tiled], *last = next - 1;
    const struct covey_stage after = {.nodes = true,
                                      .first_node = next->first_node,
                                      .last_node = next->last_node,
                                      .in = next->in,
                                      .out = next->out};
    size_t floats = (size_t)last->out_planes * last->out_rows * last->out_width;
    w->input = random_floats(&seed, floats_of(covey_model_input(w->model)));
    w->expected = malloc(floats * sizeof(float));
    assert_non_null(w->expected);
    expect_ok(covey_run_new(w->model, &r), NULL);
    covey_run_stages(r, &after, 1);
    covey_run_start(r, (const void *const[]){w->input});
    assert_true(covey_run_next(r, &stage, &value));
    memcpy(w->expected, value, floats * sizeof(float));
    covey_run_free(r);
}

static void pack(struct world *w, struct covey_graph *take_g)
{
    struct covey_nn_error why = {""};
    struct covey_digest id;
    struct covey_graph *g = NULL;
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    expect_ok(
        covey_pack(take_g, "net", put_blob, w, &w->manifest_bytes, &w->manifest_len, &id, &why),
        &why);
    covey_graph_free(take_g);
    struct covey_bytes bytes = covey_bytes_of(w->manifest_bytes, w->manifest_len);
    expect_ok(covey_manifest_decode(bytes, &w->manifest, &why), &why);
    expect_ok(covey_manifest_bind(w->manifest, w->batch, fetch, w, &g, &why), &why);
    expect_ok(covey_model_new(g, NULL, &w->model, &why), &why);
    expect_ok(covey_cells_find(g, w->model, &w->cell, &w->cells, &why), &why);
    while (w->tiled < w->cells && w->cell[w->tiled].tiles) {
        w->tiled++;
    }
    assert_in_range(w->tiled, 2, w->cells - 1);
}

covey_err tiles_open(struct world *w, unsigned d, uint32_t version, uint64_t limit,
                     struct covey_assignment **out)
{
    const struct covey_fence fence = {{{3}}, 1, version};
    const struct covey_budget budget = {&w->used_bytes, limit, {{1}}};
    struct covey_node_id owner = tiles_id(0), self = tiles_id(d);
    const struct covey_network_id id = {{{9}}, w->batch};
    struct covey_bytes bytes = covey_bytes_of(w->manifest_bytes, w->manifest_len);
    struct covey_assignment *a = covey__assignment_new(&owner, &fence);
    assert_non_null(a);
    *out = a;
    expect_ok(covey__network_get(&w->networks[d], &id, &budget, &a->network), NULL);
    if (a->network->graph == NULL) {
        expect_ok(covey__network_manifest(a->network, bytes), NULL);
        expect_ok(covey__network_open(a->network, fetch, w), NULL);
    }
    expect_ok(covey__strips_new(a->network, &w->plan, &self, &a->strips), NULL);
    return covey__strips_fill(a->strips, 0, fetch, w);
}

covey_err tiles_open_holder(struct world *w, unsigned d, uint64_t limit)
{
    assert_int_equal(covey__tiling_new(&w->services, &w->holder[d].tiling), COVEY_OK);
    return tiles_open(w, d, 1, limit, &w->holder[d].assignment);
}

void tiles_world_init(struct world *w, struct covey_graph *take_g, unsigned cells, uint32_t batch)
{
    *w = (struct world){.batch = batch};
    pack(w, take_g);
    make_plan(w, cells);
    run_whole(w);
    w->services = (struct covey_services){.user = w, .feed = feed};
    assert_int_equal(covey_loop_new(&w->services.loop), COVEY_OK);
    const struct covey_pool_config pool = {2, 0, COVEY_PACE_COMPUTE, NULL};
    assert_int_equal(covey__pool_new(w->services.loop, &pool, &w->services.compute), COVEY_OK);
    assert_int_equal(covey__handles_init(&w->services.handles), COVEY_OK);
    for (unsigned d = 0; d < HOLDERS; d++) {
        assert_int_equal(covey__network_table_init(&w->networks[d]), COVEY_OK);
    }
}

void tiles_open_holders(struct world *w)
{
    for (unsigned d = 0; d < HOLDERS; d++) {
        assert_int_equal(tiles_open_holder(w, d, MEMORY), COVEY_OK);
    }
}

void tiles_world_done(struct world *w)
{
    covey__pool_free(w->services.compute);
    for (unsigned d = 0; d < HOLDERS; d++) {
        covey__tiling_free(w->holder[d].tiling);
        covey__assignment_unref(w->holder[d].assignment);
        covey__network_table_done(&w->networks[d]);
    }
    assert_true(w->used_bytes == 0);
    covey__handles_done(&w->services.handles);
    covey_loop_free(w->services.loop);
    free(w->cell);
    covey_model_free(w->model);
    covey_manifest_free(w->manifest);
    free(w->manifest_bytes);
    free(w->input);
    free(w->expected);
    for (size_t i = 0; i < w->blobs; i++) {
        free(w->blob[i].data);
    }
}

covey_handle tiles_put(struct world *w, const float *tensor, struct covey_plane_rows part)
{
    struct covey_body *body = NULL;
    size_t floats = (size_t)part.planes * (part.end - part.begin) * part.width;
    assert_int_equal(covey_body_new(floats * (w->plan.half ? 2 : 4), &body), COVEY_OK);
    if (w->plan.half) {
        covey_rows_cut_half(&part, tensor, (uint16_t *)(void *)body->data);
    } else {
        covey_rows_cut(&part, tensor, (float *)(void *)body->data);
    }
    return covey__handles_put(&w->services.handles, body);
}

static void join(struct world *w, covey_handle piece, float *tensor, struct covey_plane_rows part)
{
    struct covey_body *body = covey__handles_take(&w->services.handles, piece);
    size_t floats = (size_t)part.planes * (part.end - part.begin) * part.width;
    assert_non_null(body);
    assert_int_equal(body->len, floats * (w->plan.half ? 2 : 4));
    if (w->plan.half) {
        covey_rows_join_half(&part, (const uint16_t *)(const void *)body->data, tensor);
    } else {
        covey_rows_join(&part, (const float *)(const void *)body->data, tensor);
    }
    covey_body_unref(body);
}

/* The pieces on their way, by segment, source and destination. */
typedef covey_handle pieces_of[COVEY_TILE_SEGMENTS_MAX + 1][HOLDERS][COVEY_PLAN_DEVICES_MAX + 1];

void tiles_begin(const struct world *w, unsigned d, uint8_t attempt,
                 const struct covey_tile_layout *layout, struct covey_tile_task *task)
{
    *task = (struct covey_tile_task){
        .attempt = attempt, .device = (uint8_t)d, .layout = layout, .plan = &w->plan};
}

struct covey_action tiles_action(struct world *w, unsigned d, const struct covey_tile_task *task)
{
    return (struct covey_action){.type = COVEY_ACTION_TILE,
                                 .peer = w->holder[d].assignment->owner,
                                 .fence = w->holder[d].assignment->fence,
                                 .request = 9,
                                 .work = 4,
                                 .tile = task};
}

void tiles_compute(struct world *w, unsigned d, const struct covey_tile_task *task)
{
    struct covey_action action = tiles_action(w, d, task);
    covey__tiling_compute(w->holder[d].tiling, w->holder[d].assignment, &action);
    covey_loop_run(w->services.loop);
}

static void segment_of(struct world *w, unsigned s, uint8_t attempt,
                       const struct covey_tile_layout *layout, pieces_of pieces)
{
    const struct covey_plan_run *run = &w->plan.run[0];
    const struct covey_cell *first = &w->cell[0];
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_tile_task task;
        struct covey_rows rows = covey_tile_need(run, layout, s, d);
        tiles_begin(w, d, attempt, layout, &task);
        task.segment = (uint8_t)s;
        if (rows.begin == rows.end) {
            continue;
        }
        for (unsigned from = 0; s > 0 && from < HOLDERS; from++) {
            task.piece[from] = pieces[s][from][d];
            pieces[s][from][d] = 0;
        }
        if (s == 0) {
            task.piece[COVEY_TILE_OWNER] =
                tiles_put(w, w->input,
                          (struct covey_plane_rows){first->in_planes, first->in_rows,
                                                    first->in_width, rows.begin, rows.end});
        }
        tiles_compute(w, d, &task);
        assert_int_equal(w->err, COVEY_OK);
        memcpy(pieces[s + 1][d], w->pieces, sizeof(w->pieces));
    }
}

double tiles_run(struct world *w, uint8_t attempt, const struct covey_tile_layout *layout)
{
    static pieces_of pieces;
    const struct covey_plan_run *run = &w->plan.run[0];
    const struct covey_cell *last = &w->cell[w->tiled - 1];
    size_t floats = (size_t)last->out_planes * last->out_rows * last->out_width;
    float *got = calloc(floats, sizeof(float));
    assert_non_null(got);
    memset(pieces, 0, sizeof(pieces));
    for (unsigned s = 0; s < run->segments; s++) {
        segment_of(w, s, attempt, layout, pieces);
    }
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_rows rows = covey_tile_made(layout, run->segments - 1U, d);
        if (rows.begin < rows.end) {
            join(w, pieces[run->segments][d][COVEY_TILE_OWNER], got,
                 (struct covey_plane_rows){last->out_planes, last->out_rows, last->out_width,
                                           rows.begin, rows.end});
        }
    }
    double error = relative_error(got, w->expected, floats);
    free(got);
    return error;
}

struct covey_graph *tiles_vgg(uint64_t seed)
{
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 3, 32, 24));
    struct covey_op_attrs pool = attrs_default();
    pool.kernel[0] = pool.kernel[1] = pool.stride[0] = pool.stride[1] = 2;
    uint16_t x = g->input[0];
    for (uint32_t block = 0, c = 3; block < 3; block++, c = 8 * block) {
        uint32_t m = 8 * (block + 1);
        x = add_unary(g, COVEY_OP_RELU, add_conv(g, x, (const uint32_t[]){c, m, 3, 1}, &seed));
        x = add_unary(g, COVEY_OP_RELU, add_conv(g, x, (const uint32_t[]){m, m, 3, 1}, &seed));
        x = add_op(g, COVEY_OP_MAXPOOL, &pool, &x, 1);
    }
    x = add_unary(g, COVEY_OP_FLATTEN, x);
    add_dense(g, x, 24 * 4 * 3, 10, &seed);
    return g;
}

struct covey_network *tiles_network(const struct world *w, unsigned d)
{
    return w->holder[d].assignment->network;
}
