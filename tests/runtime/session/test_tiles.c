/* SPDX-License-Identifier: MIT
 *
 * Holders' tiles, driven as core drives them, against the whole model: whatever the rows, the
 * attempt and the width of numbers on the way, the rows put together are those of one device.
 */
#include <stdlib.h>
#include <string.h>

#include "../../nn/builder.h"
#include "covey/pack.h"
#include "tiles.h"

enum { HOLDERS = 3, BLOBS = 1024, MEMORY = 64 << 20 };

struct blob {
    struct covey_digest digest;
    uint8_t *data;
    size_t len;
};

struct holder {
    struct covey_assignment *assignment;
    struct covey_tiling *tiling;
};

struct world {
    struct blob blob[BLOBS];
    uint8_t *manifest_bytes;
    size_t blobs, manifest_len;
    /* the whole model, and its cells */
    struct covey_manifest *manifest;
    struct covey_model *model;
    struct covey_cell *cell;
    size_t cells, tiled;
    uint32_t batch;
    float *input, *expected; /* of the tile run */
    struct covey_plan plan;
    struct covey_services services;
    struct holder holder[HOLDERS];
    struct covey_network_table networks[HOLDERS];
    size_t fetched;
    _Atomic uint64_t used_bytes;
    /* the last event */
    covey_err err;
    covey_handle pieces[COVEY_PLAN_DEVICES_MAX + 1];
};

static struct covey_node_id id_of(unsigned d)
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
        w->plan.device[d] = id_of(d);
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

static covey_err open_assignment(struct world *w, unsigned d, uint32_t version, uint64_t limit,
                                 struct covey_assignment **out)
{
    const struct covey_fence fence = {{{3}}, 1, version};
    const struct covey_budget budget = {&w->used_bytes, limit, {{1}}};
    struct covey_node_id owner = id_of(0), self = id_of(d);
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

static covey_err open_holder(struct world *w, unsigned d, uint64_t limit)
{
    assert_int_equal(covey__tiling_new(&w->services, &w->holder[d].tiling), COVEY_OK);
    return open_assignment(w, d, 1, limit, &w->holder[d].assignment);
}

static void world_init(struct world *w, struct covey_graph *take_g, unsigned cells, uint32_t batch)
{
    *w = (struct world){.batch = batch};
    pack(w, take_g);
    make_plan(w, cells);
    run_whole(w);
    w->services = (struct covey_services){.user = w, .feed = feed};
    assert_int_equal(covey_loop_new(&w->services.loop), COVEY_OK);
    const struct covey_pool_config pool = {2, 0, COVEY_PACE_COMPUTE};
    assert_int_equal(covey__pool_new(w->services.loop, &pool, &w->services.compute), COVEY_OK);
    assert_int_equal(covey__handles_init(&w->services.handles), COVEY_OK);
    for (unsigned d = 0; d < HOLDERS; d++) {
        assert_int_equal(covey__network_table_init(&w->networks[d]), COVEY_OK);
    }
}

static void open_holders(struct world *w)
{
    for (unsigned d = 0; d < HOLDERS; d++) {
        assert_int_equal(open_holder(w, d, MEMORY), COVEY_OK);
    }
}

/* What was held for others is given back, to the byte. */
static void world_done(struct world *w)
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

static covey_handle put(struct world *w, const float *tensor, struct covey_plane_rows part)
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

static void begin(const struct world *w, unsigned d, uint8_t attempt,
                  const struct covey_tile_layout *layout, struct covey_tile_task *task)
{
    *task = (struct covey_tile_task){
        .attempt = attempt, .device = (uint8_t)d, .layout = layout, .plan = &w->plan};
}

static struct covey_action action_of(struct world *w, unsigned d,
                                     const struct covey_tile_task *task)
{
    return (struct covey_action){.type = COVEY_ACTION_TILE,
                                 .peer = w->holder[d].assignment->owner,
                                 .fence = w->holder[d].assignment->fence,
                                 .request = 9,
                                 .work = 4,
                                 .tile = task};
}

static void compute(struct world *w, unsigned d, const struct covey_tile_task *task)
{
    struct covey_action action = action_of(w, d, task);
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
        begin(w, d, attempt, layout, &task);
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
                put(w, w->input,
                    (struct covey_plane_rows){first->in_planes, first->in_rows, first->in_width,
                                              rows.begin, rows.end});
        }
        compute(w, d, &task);
        assert_int_equal(w->err, COVEY_OK);
        memcpy(pieces[s + 1][d], w->pieces, sizeof(w->pieces));
    }
}

/* The relative error of a request's tile run. */
static double run_tiles(struct world *w, uint8_t attempt, const struct covey_tile_layout *layout)
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

static struct covey_graph *vgg(uint64_t seed)
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

/* The plan's own rows, then a second attempt without device 1, by segments of one, two and three
 * cells, for batches of 1 to 5. */
static void test_holders_compute_the_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct world w;
        struct covey_tile_layout layout;
        static const uint32_t rate[COVEY_PLAN_DEVICES_MAX] = {3, 2, 1};
        world_init(&w, i % 2 == 0 ? vgg(4) : small_network(4), 1 + i / 2, i % 3 == 0 ? 1 : i);
        open_holders(&w);
        covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
        assert_true(run_tiles(&w, 0, &layout) < 1e-5);
        struct covey_plan_run shared = w.plan.run[0];
        assert_true(covey_plan_share(&shared, HOLDERS, 5, rate));
        covey_tile_layout_of(&shared, HOLDERS, &layout);
        assert_true(run_tiles(&w, 1, &layout) < 1e-5);
        world_done(&w);
    }
}

/* Rows that travel as halves are within what a half can say. */
static void test_halves_on_the_way(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    world_init(&w, vgg(6), 2, 1);
    w.plan.half = true;
    open_holders(&w);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    double error = run_tiles(&w, 0, &layout);
    assert_true(error > 1e-6 && error < 5e-3);
    world_done(&w);
}

/* What was dropped, and pieces that are not the layout's, fail; nothing is left of them. */
static void test_what_is_missing_fails(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_tile_task task;
    world_init(&w, vgg(7), 1, 1);
    open_holders(&w);
    const struct covey_cell *first = &w.cell[0];
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    struct covey_rows rows = covey_tile_need(&w.plan.run[0], &layout, 0, 0);
    struct covey_plane_rows part = {first->in_planes, first->in_rows, first->in_width, rows.begin,
                                    rows.end};
    begin(&w, 0, 0, &layout, &task);
    task.piece[COVEY_TILE_OWNER] = put(&w, w.input, part);
    compute(&w, 0, &task);
    assert_int_equal(w.err, COVEY_OK);
    for (unsigned d = 0; d <= COVEY_PLAN_DEVICES_MAX; d++) {
        covey_body_unref(covey__handles_take(&w.services.handles, w.pieces[d]));
    }
    struct covey_action drop = {.type = COVEY_ACTION_TILES_DROPPED,
                                .peer = w.holder[0].assignment->owner,
                                .fence = w.holder[0].assignment->fence,
                                .request = 9};
    covey__tiling_dropped(w.holder[0].tiling, &drop);
    begin(&w, 0, 0, &layout, &task);
    task.segment = 1;
    compute(&w, 0, &task); /* no rows of its own, none of its neighbours */
    assert_int_equal(w.err, COVEY_ERR_RANGE);
    begin(&w, 0, 0, &layout, &task);
    part.end--;
    task.piece[COVEY_TILE_OWNER] = put(&w, w.input, part);
    compute(&w, 0, &task);
    assert_int_equal(w.err, COVEY_ERR_MALFORMED);
    begin(&w, 1, 0, &layout, &task);
    task.device = 0; /* another's rows */
    compute(&w, 1, &task);
    assert_int_equal(w.err, COVEY_ERR_RANGE);
    world_done(&w);
}

/* Weights beyond what this device gives to others are refused, before any is fetched. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, vgg(8), 2, 1);
    assert_int_equal(open_holder(&w, 0, 1000), COVEY_ERR_LIMIT);
    assert_true(w.used_bytes < 1000);
    world_done(&w);
}

/* A new version of the plan with other rows fetches nothing again and holds no weights twice, and a
 * room is there before a request; it computes the same when the older one is gone. */
static void test_versions_share_weights(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    world_init(&w, vgg(10), 2, 1);
    open_holders(&w);
    uint64_t bytes = w.used_bytes, constants = 0;
    for (size_t i = 0; i < w.blobs; i++) {
        constants += w.blob[i].len;
    }
    size_t fetched = w.fetched;
    for (unsigned s = 0; s < w.plan.run[0].segments; s++) {
        w.plan.run[0].segment[s].rows[1]--;
    }
    for (unsigned d = 0; d < HOLDERS; d++) {
        struct covey_assignment *next = NULL;
        assert_int_equal(open_assignment(&w, d, 2, MEMORY, &next), COVEY_OK);
        covey__assignment_unref(w.holder[d].assignment);
        w.holder[d].assignment = next;
    }
    assert_int_equal(w.fetched, fetched);
    assert_true(w.used_bytes - bytes < constants / 4 && w.networks[0].first->room_count == 1);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    assert_true(run_tiles(&w, 0, &layout) < 1e-5);
    world_done(&w);
}

/* A version with more of the model's cells fetches only what is new. */
static void test_versions_fetch_what_is_new(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_assignment *first = NULL;
    world_init(&w, vgg(11), 1, 1);
    struct covey_plan whole = w.plan;
    w.plan.run[0].segments = 2;
    w.plan.run[0].cells = 2;
    size_t before = w.fetched;
    assert_int_equal(open_assignment(&w, 0, 1, MEMORY, &first), COVEY_OK);
    size_t some = w.fetched - before;
    w.plan = whole;
    open_holders(&w);
    size_t three = w.fetched - before;
    assert_true(three > HOLDERS * some);
    assert_int_equal(three % HOLDERS, 0); /* as much at the one as at each that has it all anew */
    covey__assignment_unref(first);
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    assert_true(run_tiles(&w, 0, &layout) < 1e-5);
    world_done(&w);
}

/* Keeps a thread of the pool busy until the test lets it go. */
struct busy {
    struct covey_task task;
    pthread_mutex_t *gate;
};

static void busy_work(struct covey_task *task, struct covey_scratch *scratch)
{
    (void)scratch;
    struct busy *b = (struct busy *)task;
    pthread_mutex_lock(b->gate);
    pthread_mutex_unlock(b->gate);
}

static void busy_done(struct covey_task *task)
{
    (void)task;
}

/* A tile that was dropped while it waited for a thread is not computed any more. */
static void test_dropped_tiles_are_not_computed(void **state)
{
    (void)state;
    struct world w;
    struct covey_tile_layout layout;
    struct covey_tile_task task;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct busy busy[2] = {{{.work = busy_work, .done = busy_done}, &gate},
                           {{.work = busy_work, .done = busy_done}, &gate}};
    world_init(&w, vgg(12), 1, 1);
    open_holders(&w);
    const struct covey_cell *c = &w.cell[0];
    covey_tile_layout_of(&w.plan.run[0], HOLDERS, &layout);
    struct covey_rows rows = covey_tile_need(&w.plan.run[0], &layout, 0, 0);
    begin(&w, 0, 0, &layout, &task);
    struct covey_plane_rows part = {c->in_planes, c->in_rows, c->in_width, rows.begin, rows.end};
    task.piece[COVEY_TILE_OWNER] = put(&w, w.input, part);
    struct covey_action action = action_of(&w, 0, &task);
    pthread_mutex_lock(&gate);
    covey__pool_submit(w.services.compute, &busy[0].task);
    covey__pool_submit(w.services.compute, &busy[1].task);
    covey__tiling_compute(w.holder[0].tiling, w.holder[0].assignment, &action);
    covey__tiling_dropped(w.holder[0].tiling, &action);
    pthread_mutex_unlock(&gate);
    covey_loop_run(w.services.loop);
    assert_int_equal(w.err, COVEY_ERR_CANCELLED);
    world_done(&w);
}

/* A plan whose rows are another model's is not taken for this one. */
static void test_plans_of_other_models_are_refused(void **state)
{
    (void)state;
    struct world w;
    struct covey_strips *strips = NULL;
    struct covey_node_id self = id_of(1), stranger = id_of(7);
    world_init(&w, vgg(9), 2, 1);
    assert_int_equal(open_holder(&w, 0, MEMORY), COVEY_OK);
    struct covey_network *n = w.holder[0].assignment->network;
    struct covey_plan_segment *s = &w.plan.run[0].segment[1];
    assert_int_equal(covey__strips_new(n, &w.plan, &stranger, &strips), COVEY_ERR_RANGE);
    s->map.in_row_bytes += 4;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    s->map.in_row_bytes -= 4;
    s->first_cell++;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    s->first_cell--;
    w.plan.run[0].segment[w.plan.run[0].segments - 1].cells += 9;
    assert_int_equal(covey__strips_new(n, &w.plan, &self, &strips), COVEY_ERR_RANGE);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holders_compute_the_whole),
        cmocka_unit_test(test_halves_on_the_way),
        cmocka_unit_test(test_what_is_missing_fails),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_versions_share_weights),
        cmocka_unit_test(test_versions_fetch_what_is_new),
        cmocka_unit_test(test_dropped_tiles_are_not_computed),
        cmocka_unit_test(test_plans_of_other_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
