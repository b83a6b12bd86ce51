/* SPDX-License-Identifier: MIT
 *
 * A network packed, stored, planned over D devices and assigned: whichever devices are missing, as
 * many as there are parities, the layers put together are those of one device, and whoever answers
 * wrongly is found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../nn/builder.h"
#include "assignment.h"
#include "covey/crypto.h"
#include "scratch.h"
#include "stored.h"
#include "version.h"

enum { DEVICES_MAX = 8 };

struct world {
    char dir[SCRATCH_PATH];
    struct covey_store store;
    struct covey_digest id;
    struct covey_model_file *whole; /* all of it in memory */
    struct covey_model_file *file;  /* the owner's: the same, or with weights left in the store */
    struct covey_plan plan;
    struct covey_coded *coded;
    struct covey_version *version;
    struct covey_assignment *assignment[DEVICES_MAX]; /* of all but device 0, the owner */
    _Atomic uint64_t used_bytes;
    bool by_rows; /* convolutions of floats are */
};

/* The network is gone then. */
static void put_network(void **state, struct world *w, struct covey_graph *take_g)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    scratch_folder(state, w->dir);
    assert_int_equal(covey__store_open(&w->store, w->dir), COVEY_OK);
    stored_network(&w->store, take_g, &w->id);
}

static void load_within(struct world *w, uint64_t memory_bytes, uint32_t batch)
{
    struct covey_nn_error why = {{0}};
    const struct covey_model_want whole = {.id = w->id, .bytes = UINT64_MAX, .batch = batch};
    const struct covey_model_want want = {.id = w->id, .bytes = memory_bytes, .batch = batch};
    expect_ok(covey__model_file_load_within(&w->store, &whole, &w->whole, &why), &why);
    expect_ok(covey__model_file_load_within(&w->store, &want, &w->file, &why), &why);
    assert_int_equal(covey__coded_new(w->file, &w->store, &w->coded), COVEY_OK);
}

static void pack_within(void **state, struct world *w, uint64_t memory_bytes, uint32_t batch)
{
    put_network(state, w, small_network(7));
    load_within(w, memory_bytes, batch);
}

static void pack_into_store(void **state, struct world *w)
{
    pack_within(state, w, UINT64_MAX, 1);
}

static void unpack(struct world *w)
{
    covey__coded_free(w->coded);
    covey__model_file_free(w->whole);
    covey__model_file_free(w->file);
}

static void plan_for(struct world *w, uint8_t devices, uint8_t parity)
{
    struct covey_plan_request *request = calloc(1, sizeof(*request));
    assert_non_null(request);
    request->layers = (uint16_t)covey_model_layers(w->file->model);
    request->cells = request->layers;
    request->coded_all = true;
    request->parity = parity;
    request->devices = devices;
    for (size_t i = 0; i < request->layers; i++) {
        const struct covey_layer *l = covey_model_layer(w->file->model, i);
        request->cell[i] = (struct covey_plan_cell){
            .first_layer = (uint16_t)i, .layers = 1, .whole.flops = 1000u * l->units};
        request->cost[i] = (struct covey_plan_cost){
            .cell = (uint16_t)i,
            .units = (uint16_t)l->units,
            .unit_bytes = (uint32_t)(covey_layer_unit_floats(l) * sizeof(float)),
            .input_bytes = (uint32_t)(covey_layer_input_floats(l) * sizeof(float)),
            .answer_bytes = (uint32_t)(covey_layer_answer_floats(l) * sizeof(float)),
            .unit.flops = 1000,
        };
        if (w->by_rows && l->kind == COVEY_LAYER_CONV && l->exact == 0) {
            request->cost[i].unit.flops = 1000000; /* and next to nothing by rows */
            request->cost[i].by_rows = (struct covey_plan_rows){
                .rows = (uint16_t)l->out_height,
                .in_rows = (uint16_t)l->height,
                .stride = (uint16_t)l->stride[0],
                .span = (uint16_t)((l->kernel[0] - 1) * l->dilation[0] + 1),
                .row.flops = 1};
        }
    }
    for (uint8_t i = 0; i < devices; i++) {
        request->device[i] = (struct covey_plan_device){
            .id = {{(uint8_t)(i + 1)}}, .mflops = 1000, .memory_bytes = 1u << 30, .owner = i == 0};
    }
    assert_int_equal(covey_plan_make(request, &w->plan), COVEY_OK);
    assert_int_equal(covey_plan_check(&w->plan, request), COVEY_OK);
    assert_int_equal(w->plan.layers, request->layers);
    free(request);
    struct covey_fence fence = {.epoch = 1, .version = 1};
    w->version = covey__version_new(&fence, &w->plan, w->file, w->coded);
    assert_non_null(w->version);
    assert_int_equal(covey__version_make(w->version, &w->plan.device[0]), COVEY_OK);
}

/* As the holder does on ASSIGN, with the owner's store: units and parities are in it. */
static void assign_to(struct world *w, uint8_t device)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    const struct covey_action action = {.device = device};
    assert_int_equal(covey__version_assign(w->version, &action, &bytes, &len), COVEY_OK);
    struct covey_work_message message;
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &message), COVEY_OK);
    assert_int_equal(message.type, COVEY_WORK_ASSIGN);
    struct covey_assignment *a = covey__assignment_new(&w->plan.device[0], &message.assign.fence);
    assert_non_null(a);
    assert_int_equal(covey__assignment_parse(a, &message.assign, &w->used_bytes, UINT64_MAX / 2),
                     COVEY_OK);
    struct covey_bytes wants;
    assert_int_equal(covey__assignment_wants(a, &w->store, &wants), COVEY_OK);
    assert_int_equal(wants.len, 0);
    assert_int_equal(covey__assignment_fill(a, &w->store), COVEY_OK);
    w->assignment[device] = a;
    free(bytes);
}

static void drop_plan(struct world *w)
{
    for (size_t i = 0; i < DEVICES_MAX; i++) {
        covey__assignment_unref(w->assignment[i]);
        w->assignment[i] = NULL;
    }
    covey__version_unref(w->version);
    w->version = NULL;
    assert_int_equal(w->used_bytes, 0);
}

static void tell_a_lie(bool exact, uint8_t number[4])
{
    float value;
    if (exact) {
        number[3] ^= 0x80;
        return;
    }
    memcpy(&value, number, sizeof(value));
    value += 1.0f;
    memcpy(number, &value, sizeof(value));
}

/* Nobody is accused; and whoever has one number wrong is, alone. */
static void expect_liars(struct world *w, size_t layer, const struct covey_body *input,
                         const struct covey_answers *answers, struct covey_scratch *scratch)
{
    uint32_t wrong = 0;
    assert_int_equal(covey__version_check(w->version, layer, input, answers, scratch, &wrong),
                     COVEY_OK);
    assert_int_equal(wrong, 0);
    for (unsigned d = 1; d < w->plan.devices; d++) {
        if (answers->device[d] == NULL) {
            continue;
        }
        uint8_t *number = answers->device[d]->data + answers->device[d]->len / 8 * 4;
        uint8_t right[4];
        memcpy(right, number, sizeof(right));
        tell_a_lie(covey_model_layer(w->file->model, layer)->exact != 0, number);
        assert_int_equal(covey__version_check(w->version, layer, input, answers, scratch, &wrong),
                         COVEY_OK);
        assert_int_equal(wrong, 1u << d);
        memcpy(number, right, sizeof(right));
    }
}

/* One layer with the devices in `lost` silent. */
static void run_layer(struct world *w, size_t layer, const float *input, uint32_t lost,
                      float *product, struct covey_scratch *scratch)
{
    const struct covey_layer *l = covey_model_layer(w->file->model, layer);
    struct covey_body *body = NULL;
    size_t bytes = covey_layer_input_floats(l) * sizeof(float);
    bool by_rows = w->plan.layer[layer].by_rows;
    assert_int_equal(covey_body_new(bytes, &body), COVEY_OK);
    memcpy(body->data, input, bytes);
    struct covey_answers answers = {0};
    if (by_rows) {
        assert_int_equal(covey__version_blocks(w->version, layer, input, answers.block), COVEY_OK);
        bytes = covey_layer_input_floats(&w->version->layer[layer].shape) * sizeof(float);
    }
    for (unsigned d = 0; d < w->plan.devices; d++) {
        if ((lost >> d & 1) != 0) {
            continue;
        }
        if (d == 0) {
            if (w->version->layer[layer].own != NULL) {
                _Atomic uint32_t stage = 7;
                struct covey_version_work work = {
                    .layer = layer, .input = body, .wanted = {&stage, 6}};
                memcpy(work.slots, w->version->layer[layer].own_slots, sizeof(work.slots));
                memcpy(work.block, answers.block, sizeof(work.block));
                assert_int_equal(
                    covey__version_compute(w->version, &work, scratch, &answers.device[0]),
                    COVEY_ERR_CANCELLED);
                work.wanted.mine = 7;
                assert_int_equal(
                    covey__version_compute(w->version, &work, scratch, &answers.device[0]),
                    COVEY_OK);
            }
        } else if (covey__assignment_accepts(w->assignment[d], (uint16_t)layer, bytes)) {
            const struct covey_body *given = by_rows ? answers.block[d] : body;
            assert_int_equal(given->len, bytes);
            assert_int_equal(covey__assignment_compute(w->assignment[d], (uint16_t)layer, given,
                                                       scratch, &answers.device[d]),
                             COVEY_OK);
        }
    }
    expect_liars(w, layer, body, &answers, scratch);
    assert_int_equal(covey__version_combine(w->version, layer, &answers, product), COVEY_OK);
    for (unsigned d = 0; d < w->plan.devices; d++) {
        covey_body_unref(answers.device[d]);
        covey_body_unref(answers.block[d]);
    }
    covey_body_unref(body);
}

/* All of a layer's slots at the owner. */
static void run_layer_here(struct world *w, size_t layer, const float *input, float *product,
                           struct covey_scratch *scratch)
{
    size_t bytes =
        covey_layer_input_floats(covey_model_layer(w->file->model, layer)) * sizeof(float);
    _Atomic uint32_t stage = 0;
    struct covey_body *body = NULL;
    struct covey_answers answers = {0};
    assert_int_equal(covey_body_new(bytes, &body), COVEY_OK);
    memcpy(body->data, input, bytes);
    for (unsigned s = 0; s < w->plan.layer[layer].slots; s++) {
        answers.local_slots[s / 64] |= UINT64_C(1) << (s % 64);
    }
    struct covey_version_work work = {.layer = layer, .input = body, .wanted = {&stage, 0}};
    memcpy(work.slots, answers.local_slots, sizeof(work.slots));
    if (w->plan.layer[layer].by_rows) {
        assert_int_equal(covey__version_blocks(w->version, layer, input, work.block), COVEY_OK);
    }
    assert_int_equal(covey__version_compute(w->version, &work, scratch, &answers.local), COVEY_OK);
    assert_int_equal(covey__version_combine(w->version, layer, &answers, product), COVEY_OK);
    covey_body_unref(answers.local);
    for (unsigned d = 0; d < w->plan.devices; d++) {
        covey_body_unref(work.block[d]);
    }
    covey_body_unref(body);
}

/* What run_with_loss() takes for lost besides sets of devices. */
enum { ALL_HERE = 1 << 30, STREAMED = 1 << 29 };

static void run_any(struct world *w, size_t layer, const float *input, uint32_t lost,
                    float *product, struct covey_scratch *scratch)
{
    if (lost == ALL_HERE) {
        run_layer_here(w, layer, input, product, scratch);
    } else if (lost == STREAMED) {
        assert_int_equal(covey__model_file_product(w->file, layer, input, scratch, product),
                         COVEY_OK);
    } else {
        run_layer(w, layer, input, lost, product, scratch);
    }
}

static double run_with_loss(struct world *w, uint32_t lost)
{
    struct covey_run *run = NULL;
    struct covey_scratch scratch = {0};
    size_t inputs, outputs;
    assert_int_equal(covey_shape_count(covey_model_input(w->file->model), &inputs), COVEY_OK);
    assert_int_equal(covey_shape_count(covey_model_output(w->file->model), &outputs), COVEY_OK);
    uint64_t seed = 11;
    float *x = random_floats(&seed, inputs);
    float *expected = calloc(outputs, sizeof(float));
    assert_int_equal(covey_run_new(w->whole->model, &run), COVEY_OK);
    covey_run_all(run, x, expected);
    covey_run_free(run);
    assert_int_equal(covey_run_new(w->file->model, &run), COVEY_OK);
    covey_run_start(run, (const void *const[]){x});
    size_t layer;
    const float *input;
    while (covey_run_next(run, &layer, &input)) {
        run_any(w, layer, input, lost, covey_run_answer(run), &scratch);
        covey_run_resume(run);
    }
    double error = relative_error(covey_run_result(run, 0), expected, outputs);
    covey_run_free(run);
    free(scratch.data);
    free(expected);
    free(x);
    return error;
}

static unsigned count_of(uint32_t mask)
{
    unsigned count = 0;
    for (; mask != 0; mask &= mask - 1) {
        count++;
    }
    return count;
}

/* The world is unpacked then. */
static void lose_each(struct world *w, uint8_t devices, uint8_t parity, double bound)
{
    plan_for(w, devices, parity);
    for (uint8_t d = 1; d < devices; d++) {
        assign_to(w, d);
    }
    for (uint32_t lost = 0; lost < 1u << devices; lost++) {
        double error = count_of(lost) <= parity ? run_with_loss(w, lost) : 0;
        if (!(error <= bound)) {
            fail_msg("%u devices, lost %#x: relative error %g", devices, lost, error);
        }
    }
    drop_plan(w);
    unpack(w);
}

static void survive_with(void **state, uint8_t devices, uint8_t parity, uint32_t batch,
                         double bound)
{
    struct world w = {0};
    pack_within(state, &w, UINT64_MAX, batch);
    assert_int_equal(covey_model_output(w.file->model)->dims[0], batch);
    lose_each(&w, devices, parity, bound);
}

static void survive(void **state, uint8_t devices, uint8_t parity, double bound)
{
    survive_with(state, devices, parity, 1, bound);
}

/* A batch's layers are matrices: what is lost of them is rebuilt for all inputs at once, and who
 * lies about one of them is found. */
static void test_batches_survive_losses(void **state)
{
    survive_with(state, 5, 1, 4, 1e-5);
    survive_with(state, 6, 2, 3, 1e-4);
}

/* Weights from the store serve a batch as well. */
static void test_batches_of_models_larger_than_memory(void **state)
{
    struct world w = {0};
    uint64_t seed = 6;
    struct covey_graph *g = graph_with_input(shape_of(2, 1, 64, 0, 0));
    uint16_t x = add_unary(g, COVEY_OP_RELU, add_dense(g, g->input[0], 64, 300, &seed));
    add_dense(g, x, 300, 40, &seed);
    put_network(state, &w, g);
    load_within(&w, 32000, 4);
    assert_true(w.file->sparse);
    plan_for(&w, 4, 1);
    for (uint8_t d = 1; d < 4; d++) {
        assign_to(&w, d);
    }
    assert_true(run_with_loss(&w, 2) < 1e-5);
    assert_true(run_with_loss(&w, ALL_HERE) < 1e-5);
    assert_true(run_with_loss(&w, STREAMED) < 1e-5);
    drop_plan(&w);
    unpack(&w);
}

/* Before weights are read, with a line that says why. */
static void test_bad_batches_are_refused(void **state)
{
    struct world w = {0};
    struct covey_nn_error why = {{0}};
    struct covey_graph *g = graph_with_input(shape_of(4, 1, 1, 1024, 1024));
    add_unary(g, COVEY_OP_RELU, g->input[0]);
    put_network(state, &w, g);
    struct covey_model_want want = {.id = w.id, .bytes = UINT64_MAX, .batch = 17};
    assert_int_equal(covey__model_file_load_within(&w.store, &want, &w.file, &why),
                     COVEY_ERR_LIMIT);
    assert_non_null(strstr(why.text, "at most 16 inputs"));
    want = (struct covey_model_want){.id = w.id, .bytes = 1 << 20, .batch = 16};
    assert_int_equal(covey__model_file_load_within(&w.store, &want, &w.file, &why),
                     COVEY_ERR_LIMIT);
    assert_non_null(strstr(why.text, "memory"));
    want.batch = COVEY_BATCH_MAX + 1;
    assert_int_equal(covey__model_file_load_within(&w.store, &want, &w.file, &why),
                     COVEY_ERR_LIMIT);
    g = graph_with_input(shape_of(2, 1, 8, 0, 0));
    struct covey_op_attrs a = attrs_default();
    a.axis = 0;
    add_op(g, COVEY_OP_SOFTMAX, &a, &g->input[0], 1);
    put_network(state, &w, g);
    want = (struct covey_model_want){.id = w.id, .bytes = UINT64_MAX, .batch = 2};
    assert_int_equal(covey__model_file_load_within(&w.store, &want, &w.file, &why),
                     COVEY_ERR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "at once"));
}

/* For every number of devices from 2 to 8 and every one of them lost, or none: the output is that
 * of a single device within rounding. */
static void test_split_survives_any_one_loss(void **state)
{
    for (uint8_t devices = 2; devices <= DEVICES_MAX; devices++) {
        survive(state, devices, 1, 1e-5);
    }
}

/* With r parities any r devices may be lost. */
static void test_split_survives_as_many_losses_as_parities(void **state)
{
    survive(state, 5, 0, 1e-5);
    survive(state, 6, 2, 1e-4);
    survive(state, 7, 3, 1e-4);
    survive(state, 7, 4, 1e-3);
}

/* Layers of integers are those of a single device bit for bit, whoever is lost; and liars are found
 * by a top bit, which is zero modulo 2^32 in every second multiple. */
static void test_integers_survive_exactly(void **state)
{
    struct world w = {0};
    for (uint8_t devices = 2; devices <= DEVICES_MAX; devices += 2) {
        put_network(state, &w, integer_network(7));
        load_within(&w, UINT64_MAX, 1);
        assert_int_equal(covey_model_layers(w.file->model), 4);
        lose_each(&w, devices, 1, 0);
    }
    put_network(state, &w, integer_network(8));
    load_within(&w, UINT64_MAX, 1);
    lose_each(&w, 3, 0, 0);
}

/* They have no units in the store: an owner of little memory keeps their bytes. */
static void test_integers_stay_with_small_owners(void **state)
{
    struct world w = {0};
    put_network(state, &w, integer_network(9));
    load_within(&w, 1, 1);
    assert_true(w.file->sparse);
    assert_int_equal(w.file->layer_stages, 0);
    lose_each(&w, 4, 1, 0);
}

/* An owner that cannot hold the weights makes the same parities and check vectors of what is in the
 * store, and computes whatever nobody else does. */
static void test_models_larger_than_memory(void **state)
{
    struct world w = {0};
    bool any = false;
    pack_within(state, &w, 1, 1);
    assert_true(w.file->sparse);
    assert_int_equal(w.file->layer_stages, covey_model_layers(w.file->model));
    for (size_t i = 0; i < w.file->layer_stages; i++) {
        const struct covey_layer *l = covey_model_layer(w.file->model, i);
        bool is_small =
            l->units * covey_layer_unit_floats(l) * sizeof(float) <= COVEY_MANIFEST_SMALL;
        uint16_t value = covey_model_layer_weights(w.file->model, i);
        assert_int_equal(covey_manifest_loaded(w.file->manifest, value), is_small);
        any = any || !is_small;
    }
    assert_true(any);
    plan_for(&w, 6, 2);
    for (uint8_t d = 1; d < 6; d++) {
        assign_to(&w, d);
    }
    for (uint32_t lost = 0; lost < 1u << 6; lost++) {
        assert_true(count_of(lost) > 2 || run_with_loss(&w, lost) < 1e-4);
    }
    assert_true(run_with_loss(&w, ALL_HERE) < 1e-5);
    assert_true(run_with_loss(&w, STREAMED) < 1e-5);
    drop_plan(&w);
    unpack(&w);
}

static unsigned layers_by_rows(const struct world *w)
{
    unsigned count = 0;
    for (size_t i = 0; i < w->plan.layers; i++) {
        count += w->plan.layer[i].by_rows;
    }
    return count;
}

/* Convolutions by rows: whoever is lost, up to the number of parities, of any number of devices, of
 * batches too, and whoever lies is found. */
static void test_rows_survive_losses(void **state)
{
    static const struct {
        uint8_t devices, parity, batch;
        double bound;
    } cases[] = {{3, 1, 1, 1e-5}, {3, 0, 1, 1e-5}, {4, 1, 1, 1e-5}, {8, 1, 1, 1e-5},
                 {6, 2, 1, 1e-4}, {7, 4, 1, 1e-3}, {5, 1, 3, 1e-5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world w = {.by_rows = true};
        pack_within(state, &w, UINT64_MAX, cases[i].batch);
        lose_each(&w, cases[i].devices, cases[i].parity, cases[i].bound);
        assert_true(layers_by_rows(&w) > 0);
    }
}

/* Blocks that nobody answers are computed by the owner, be the weights in its memory or not. */
static void test_rows_of_models_larger_than_memory(void **state)
{
    for (unsigned sparse = 0; sparse < 2; sparse++) {
        struct world w = {.by_rows = true};
        pack_within(state, &w, sparse == 1 ? 1 : UINT64_MAX, 1);
        assert_int_equal(w.file->sparse, sparse == 1);
        plan_for(&w, 5, 1);
        assert_true(layers_by_rows(&w) > 0);
        for (uint8_t d = 1; d < 5; d++) {
            assign_to(&w, d);
        }
        assert_true(run_with_loss(&w, 2) < 1e-5);
        assert_true(run_with_loss(&w, ALL_HERE) < 1e-5);
        drop_plan(&w);
        unpack(&w);
    }
}

/* A second version with the same groups makes neither parities nor secrets anew. */
static void test_versions_share_what_did_not_change(void **state)
{
    struct world w = {0};
    pack_into_store(state, &w);
    plan_for(&w, 5, 2);
    struct covey_fence fence = {.epoch = 1, .version = 2};
    struct covey_version *next = covey__version_new(&fence, &w.plan, w.file, w.coded);
    assert_non_null(next);
    assert_int_equal(covey__version_make(next, &w.plan.device[0]), COVEY_OK);
    for (size_t i = 0; i < w.plan.layers; i++) {
        assert_int_equal(next->layer[i].owns, w.version->layer[i].owns);
        for (size_t p = 0; p < next->layer[i].owns; p++) {
            assert_ptr_equal(next->layer[i].own[p], w.version->layer[i].own[p]);
        }
        for (unsigned d = 0; d < w.plan.devices; d++) {
            assert_ptr_equal(next->layer[i].secret[d], w.version->layer[i].secret[d]);
        }
    }
    covey__version_unref(next);
    drop_plan(&w);
    unpack(&w);
}

/* An assignment whose units do not fit the memory for others is refused and leaves no account. */
static void test_split_refuses_more_than_memory(void **state)
{
    struct world w = {0};
    pack_into_store(state, &w);
    plan_for(&w, 3, 1);
    uint8_t *bytes = NULL;
    size_t len = 0;
    const struct covey_action action = {.device = 1};
    assert_int_equal(covey__version_assign(w.version, &action, &bytes, &len), COVEY_OK);
    struct covey_work_message message;
    assert_int_equal(covey_work_decode(covey_bytes_of(bytes, len), &message), COVEY_OK);
    struct covey_assignment *a = covey__assignment_new(&w.plan.device[0], &message.assign.fence);
    assert_int_equal(covey__assignment_parse(a, &message.assign, &w.used_bytes, 1000),
                     COVEY_ERR_LIMIT);
    covey__assignment_unref(a);
    assert_int_equal(w.used_bytes, 0);
    free(bytes);
    drop_plan(&w);
    unpack(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_survives_any_one_loss),
        cmocka_unit_test(test_split_survives_as_many_losses_as_parities),
        cmocka_unit_test(test_integers_survive_exactly),
        cmocka_unit_test(test_integers_stay_with_small_owners),
        cmocka_unit_test(test_batches_survive_losses),
        cmocka_unit_test(test_batches_of_models_larger_than_memory),
        cmocka_unit_test(test_bad_batches_are_refused),
        cmocka_unit_test(test_models_larger_than_memory),
        cmocka_unit_test(test_rows_survive_losses),
        cmocka_unit_test(test_rows_of_models_larger_than_memory),
        cmocka_unit_test(test_versions_share_what_did_not_change),
        cmocka_unit_test(test_split_refuses_more_than_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
