/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../../nn/builder.h"
#include "assignment.h"
#include "covey/crypto.h"
#include "covey/wants.h"
#include "layers_codec.h"
#include "model_file.h"
#include "scratch.h"
#include "stored.h"
#include "version.h"

enum { MESSAGE_MAX = 16384 };

/* An owner with a model, and a holder with a folder of its own. */
struct world {
    char owner_dir[SCRATCH_PATH], holder_dir[SCRATCH_PATH];
    struct covey_store owner, holder;
    struct covey_model_file *file;
    struct covey_held_table table;
    _Atomic uint64_t used_bytes;
    uint8_t message[MESSAGE_MAX];
    struct covey_work_message assign; /* borrows message */
    size_t slots;
    uint16_t layer;
    struct covey_plan *plan; /* or NULL */
    uint32_t sources;        /* of each blob that it wants */
    struct covey_bytes holders;
};

static void load_model(struct world *w)
{
    struct covey_nn_error why = {{0}};
    struct covey_digest id;
    stored_network(&w->owner, small_network(7), &id);
    expect_ok(covey__model_file_load(&w->owner, &id, &w->file, &why), &why);
}

/* ASSIGN of the first `slots` units of one layer. */
static void make_message(struct world *w, size_t slots, uint32_t version)
{
    uint8_t layers[512], packed[64 * COVEY_WORK_SLOT_BYTES];
    const struct covey_layer *which[COVEY_LAYERS_MAX] = {NULL};
    size_t layers_len = 0, len = 0;
    which[w->layer] = covey_model_layer(w->file->model, w->layer);
    assert_true(slots <= covey_model_layer(w->file->model, w->layer)->units && slots <= 64);
    assert_int_equal(covey__layers_encode(which, w->layer + 1,
                                          (struct covey_buf){layers, sizeof(layers)}, &layers_len),
                     COVEY_OK);
    for (size_t i = 0; i < slots; i++) {
        uint8_t *p = packed + i * COVEY_WORK_SLOT_BYTES;
        covey_store16(p, w->layer);
        covey_store16(p + 2, (uint16_t)i);
        memcpy(p + 4, covey_manifest_unit(w->file->manifest, w->layer, i)->bytes, 32);
    }
    struct covey_work_message m = {.type = COVEY_WORK_ASSIGN};
    m.assign.fence = (struct covey_fence){{{1}}, 1, version};
    m.assign.layers = covey_bytes_of(layers, layers_len);
    m.assign.slots = covey_bytes_of(packed, slots * COVEY_WORK_SLOT_BYTES);
    m.assign.holders = w->holders;
    assert_int_equal(covey_work_encode(&m, (struct covey_buf){w->message, MESSAGE_MAX}, &len),
                     COVEY_OK);
    assert_int_equal(covey_work_decode(covey_bytes_of(w->message, len), &w->assign), COVEY_OK);
    w->slots = slots;
}

/* The first layer of this kind that has some units. */
static void choose_layer(struct world *w, enum covey_layer_kind kind)
{
    for (size_t i = covey_model_layers(w->file->model); i-- > 0;) {
        const struct covey_layer *l = covey_model_layer(w->file->model, i);
        w->layer = l->kind == kind && l->units >= 4 ? (uint16_t)i : w->layer;
    }
    const struct covey_layer *l = covey_model_layer(w->file->model, w->layer);
    assert_true(l->kind == kind && l->units >= 4);
    make_message(w, l->units, 1);
}

static void world_init(void **state, struct world *w, enum covey_layer_kind kind)
{
    assert_int_equal(covey_crypto_init(), COVEY_OK);
    memset(w, 0, sizeof(*w));
    scratch_folder(state, w->owner_dir);
    scratch_folder(state, w->holder_dir);
    assert_int_equal(covey__store_open(&w->owner, w->owner_dir), COVEY_OK);
    assert_int_equal(covey__store_open(&w->holder, w->holder_dir), COVEY_OK);
    assert_int_equal(covey__store_limit(&w->holder, 1u << 30), COVEY_OK);
    assert_int_equal(covey__held_table_init(&w->table), COVEY_OK);
    load_model(w);
    choose_layer(w, kind);
}

static void world_done(struct world *w)
{
    assert_int_equal(w->used_bytes, 0);
    covey__held_table_done(&w->table);
    covey__model_file_free(w->file);
    covey__store_close(&w->holder);
}

static struct covey_assignment *parse(struct world *w, uint64_t limit, covey_err expected)
{
    struct covey_node_id owner = {{1}};
    struct covey_assignment *a = covey__assignment_new(&owner, &w->assign.assign.fence);
    assert_non_null(a);
    a->table = &w->table;
    if (w->plan != NULL) {
        assert_int_equal(covey__assignment_plan(a, w->plan, 3), COVEY_OK);
    }
    assert_int_equal(covey__assignment_parse(a, &w->assign.assign, &w->used_bytes, limit),
                     expected);
    return a;
}

/* How many blobs it wants; at most `give` of them come. */
static size_t fetch(struct world *w, struct covey_assignment *a, size_t give)
{
    struct covey_bytes wants;
    assert_int_equal(covey__assignment_wants(a, &w->holder, &wants), COVEY_OK);
    size_t count = covey_wants_count(wants);
    for (size_t i = 0; i < count && i < give; i++) {
        struct covey_want want = covey_wants_get(wants, i);
        struct covey_body *body = NULL;
        assert_int_equal(want.sources, w->sources);
        assert_int_equal(covey__store_body(&w->owner, &want.digest, &body), COVEY_OK);
        assert_int_equal(body->len, want.len);
        body->data[want.len / 2] ^= 1; /* not what was wanted: refused */
        struct covey_bytes bytes = covey_bytes_of(body->data, body->len);
        assert_int_equal(covey__store_put(&w->holder, &want.digest, bytes), COVEY_ERR_AUTH);
        body->data[want.len / 2] ^= 1;
        assert_int_equal(covey__store_put(&w->holder, &want.digest, bytes), COVEY_OK);
        covey_body_unref(body);
    }
    free((void *)(uintptr_t)wants.ptr);
    return count;
}

/* The same input without zeros gives the same answer; cut short it gives none. */
static void compute_sparse(struct world *w, struct covey_assignment *a,
                           const struct covey_body *input, const struct covey_body *expected)
{
    const struct covey_plane_rows all = {1, 1, (uint32_t)(input->len / sizeof(float)), 0, 1};
    struct covey_scratch scratch = {0};
    struct covey_body *sparse = NULL, *got = NULL;
    assert_int_equal(covey__body_sparse(&all, (const float *)(const void *)input->data, &sparse),
                     COVEY_OK);
    assert_true(sparse->len < input->len);
    assert_true(covey__assignment_accepts(a, w->layer, sparse->len));
    assert_int_equal(covey__assignment_compute(a, w->layer, sparse, &scratch, &got), COVEY_OK);
    assert_int_equal(got->len, expected->len);
    assert_memory_equal(got->data, expected->data, got->len);
    covey_body_unref(got);
    got = NULL;
    sparse->len -= sizeof(float);
    assert_int_equal(covey__assignment_compute(a, w->layer, sparse, &scratch, &got),
                     COVEY_ERR_MALFORMED);
    assert_null(got);
    covey_body_unref(sparse);
    free(scratch.data);
}

/* Who asks with float16 is answered with it; these numbers have it exactly. */
static void compute_half(struct world *w, struct covey_assignment *a,
                         const struct covey_body *input, const struct covey_body *expected)
{
    struct covey_scratch scratch = {0};
    struct covey_body *half = NULL, *got = NULL, *want = NULL;
    assert_int_equal(covey__body_halve((const float *)(const void *)input->data,
                                       input->len / sizeof(float), &half),
                     COVEY_OK);
    assert_int_equal(covey__body_halve((const float *)(const void *)expected->data,
                                       expected->len / sizeof(float), &want),
                     COVEY_OK);
    assert_int_equal(covey__assignment_compute(a, w->layer, half, &scratch, &got), COVEY_OK);
    assert_int_equal(got->len, want->len);
    assert_memory_equal(got->data, want->data, want->len);
    covey_body_unref(got);
    covey_body_unref(want);
    covey_body_unref(half);
    free(scratch.data);
}

static void compute(struct world *w, struct covey_assignment *a, struct covey_body **out)
{
    const struct covey_layer *l = covey_model_layer(w->file->model, w->layer);
    struct covey_body *input = NULL;
    struct covey_scratch scratch = {0};
    size_t floats = covey_layer_input_floats(l);
    assert_int_equal(covey_body_new(floats * sizeof(float), &input), COVEY_OK);
    for (size_t i = 0; i < floats; i++) {
        ((float *)(void *)input->data)[i] = (float)(i % 7) - 3;
    }
    assert_true(covey__assignment_accepts(a, w->layer, input->len));
    assert_false(covey__assignment_accepts(a, w->layer, input->len + 4));
    assert_false(covey__assignment_accepts(a, w->layer + 1u, input->len));
    assert_int_equal(covey__assignment_compute(a, w->layer, input, &scratch, out), COVEY_OK);
    compute_sparse(w, a, input, *out);
    compute_half(w, a, input, *out);
    covey_body_unref(input);
    free(scratch.data);
}

/* A holder killed in the middle of fetching asks, when it is back, only for what had not come. */
static void test_what_came_before_a_kill_is_kept(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    struct covey_assignment *a = parse(&w, UINT64_MAX, COVEY_OK);
    assert_int_equal(fetch(&w, a, w.slots / 2), w.slots);
    covey__assignment_unref(a);
    covey__store_close(&w.holder);
    assert_int_equal(covey__store_open(&w.holder, w.holder_dir), COVEY_OK);
    assert_int_equal(covey__store_limit(&w.holder, 1u << 30), COVEY_OK);
    a = parse(&w, UINT64_MAX, COVEY_OK);
    assert_int_equal(fetch(&w, a, SIZE_MAX), w.slots - w.slots / 2);
    assert_int_equal(fetch(&w, a, 0), 0);
    assert_int_equal(covey__assignment_fill(a, &w.holder), COVEY_OK);
    covey__assignment_unref(a);
    world_done(&w);
}

/* Two versions with the same slots take the memory of one, give the same answers, and either may
 * go first. One with other slots has its own. */
static void test_versions_share_memory(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    struct covey_assignment *first = parse(&w, UINT64_MAX, COVEY_OK);
    fetch(&w, first, SIZE_MAX);
    assert_int_equal(fetch(&w, first, 0), 0);
    assert_int_equal(covey__assignment_fill(first, &w.holder), COVEY_OK);
    uint64_t bytes = w.used_bytes;
    assert_true(bytes > 0);
    make_message(&w, w.slots, 2);
    struct covey_assignment *second = parse(&w, bytes, COVEY_OK);
    assert_int_equal(w.used_bytes, bytes);
    assert_int_equal(fetch(&w, second, 0), 0);
    assert_int_equal(covey__assignment_fill(second, &w.holder), COVEY_OK);
    make_message(&w, w.slots / 2, 3);
    struct covey_assignment *third = parse(&w, bytes * 2, COVEY_OK);
    assert_true(w.used_bytes > bytes);
    covey__assignment_unref(third);
    struct covey_body *one = NULL, *two = NULL;
    compute(&w, first, &one);
    covey__assignment_unref(first);
    compute(&w, second, &two);
    assert_int_equal(one->len, two->len);
    assert_memory_equal(one->data, two->data, one->len);
    covey__assignment_unref(second);
    covey_body_unref(one);
    covey_body_unref(two);
    world_done(&w);
}

/* A dense layer's slots are held one by one: a version with some of them takes nothing more. */
static void test_dense_slots_are_shared_one_by_one(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_DENSE);
    struct covey_assignment *first = parse(&w, UINT64_MAX, COVEY_OK);
    fetch(&w, first, SIZE_MAX);
    assert_int_equal(fetch(&w, first, 0), 0);
    assert_int_equal(covey__assignment_fill(first, &w.holder), COVEY_OK);
    uint64_t bytes = w.used_bytes;
    make_message(&w, w.slots / 2, 2);
    struct covey_assignment *second = parse(&w, bytes, COVEY_OK);
    assert_int_equal(w.used_bytes, bytes);
    assert_int_equal(fetch(&w, second, 0), 0);
    assert_int_equal(covey__assignment_fill(second, &w.holder), COVEY_OK);
    struct covey_body *all = NULL, *some = NULL;
    compute(&w, first, &all);
    compute(&w, second, &some);
    assert_true(some->len < all->len);
    assert_memory_equal(all->data, some->data, some->len);
    covey__assignment_unref(first);
    assert_true(w.used_bytes < bytes);
    covey__assignment_unref(second);
    covey_body_unref(all);
    covey_body_unref(some);
    world_done(&w);
}

/* More than fits the memory for others is refused, and leaves nothing behind. */
static void test_memory_is_bounded(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    covey__assignment_unref(parse(&w, 100, COVEY_ERR_LIMIT));
    assert_int_equal(w.used_bytes, 0);
    struct covey_work_assign *assign = &w.assign.assign;
    assign->slots.len -= 1;
    covey__assignment_unref(parse(&w, UINT64_MAX, COVEY_ERR_MALFORMED));
    assign->slots.len = 0; /* nothing at all */
    covey__assignment_unref(parse(&w, UINT64_MAX, COVEY_ERR_MALFORMED));
    world_done(&w);
}

/* What a session can have is what others leave, whatever it has itself; what two of them have is
 * others' for both. */
static void test_room_is_what_others_leave(void **state)
{
    enum { SPARE = 100 };
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    struct covey_assignment *first = parse(&w, UINT64_MAX, COVEY_OK);
    uint64_t bytes = w.used_bytes;
    make_message(&w, w.slots / 2, 2);
    struct covey_assignment *own = parse(&w, bytes + SPARE, COVEY_ERR_LIMIT);
    assert_true(covey__assignment_room(own) == bytes + SPARE);
    w.assign.assign.fence.session.bytes[0]++;
    struct covey_assignment *other = parse(&w, bytes + SPARE, COVEY_ERR_LIMIT);
    assert_true(covey__assignment_room(other) == SPARE);
    covey__assignment_unref(other);
    make_message(&w, 2 * w.slots, 1);
    w.assign.assign.fence.session.bytes[0]++;
    other = parse(&w, bytes + SPARE, COVEY_OK);
    assert_true(covey__assignment_room(other) == SPARE);
    assert_true(covey__assignment_room(own) == SPARE);
    covey__assignment_unref(first);
    covey__assignment_unref(own);
    covey__assignment_unref(other);
    world_done(&w);
}

/* What came of what an assignment wants is known; no more than that fits a store that is full. */
static void test_what_is_stored_is_counted(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    uint64_t unit = covey_layer_unit_floats(covey_model_layer(w.file->model, w.layer)) * 4;
    struct covey_assignment *a = parse(&w, UINT64_MAX, COVEY_OK);
    assert_true(covey__assignment_stored(a) == 0);
    assert_int_equal(fetch(&w, a, w.slots / 2), w.slots);
    assert_true(covey__assignment_stored(a) == w.slots / 2 * unit);
    covey__assignment_unref(a);
    world_done(&w);
}

/* What an assignment wanted is not dropped while it lives, however little room there is. */
static void test_what_is_held_stays_on_disk(void **state)
{
    struct world w;
    uint8_t other[4096];
    world_init(state, &w, COVEY_LAYER_CONV);
    covey__store_close(&w.holder);
    struct covey_assignment *a = parse(&w, UINT64_MAX, COVEY_OK);
    uint64_t bytes = w.used_bytes;
    assert_int_equal(covey__store_limit(&w.holder, bytes + sizeof(other)), COVEY_OK);
    fetch(&w, a, SIZE_MAX);
    for (unsigned i = 0; i < 16; i++) {
        struct covey_digest digest;
        memset(other, (int)i, sizeof(other));
        covey_hash(&digest, covey_bytes_of(other, sizeof(other)));
        covey_err err = covey__store_put(&w.holder, &digest, covey_bytes_of(other, sizeof(other)));
        assert_int_equal(err, COVEY_OK);
    }
    for (size_t i = 0; i < w.slots; i++) {
        assert_true(covey__store_has(&w.holder, covey_manifest_unit(w.file->manifest, w.layer, i)));
    }
    covey__assignment_unref(a);
    world_done(&w);
}

/* Of a layer by rows all holders have all units: each is named as a source, but the owner, which is
 * one anyway, and nobody else. Where the plan splits the layer by filters, each has its own, and
 * none is. */
static void test_units_of_rows_have_many_sources(void **state)
{
    struct world w;
    world_init(state, &w, COVEY_LAYER_CONV);
    struct covey_plan plan = {.devices = 6, .parity = 1, .layers = (uint16_t)(w.layer + 1)};
    for (unsigned d = 0; d < plan.devices; d++) {
        plan.device[d].bytes[0] = (uint8_t)(d + 1);
    }
    plan.layer[w.layer] = (struct covey_plan_layer){
        .units = 3, .groups = 1, .slots = 4, .group_units = 3, .holder = {5, 0, 3, 2}};
    w.plan = &plan;
    covey__assignment_unref(parse(&w, UINT64_MAX, COVEY_OK));
    struct covey_assignment *a = parse(&w, UINT64_MAX, COVEY_OK);
    assert_int_equal(fetch(&w, a, 0), w.slots);
    covey__assignment_unref(a);
    plan.layer[w.layer].by_rows = true;
    a = parse(&w, UINT64_MAX, COVEY_OK);
    struct covey_bytes wants;
    assert_int_equal(covey__assignment_wants(a, &w.holder, &wants), COVEY_OK);
    const unsigned holder[] = {2, 3, 5};
    assert_int_equal(wants.ptr[0], 3);
    for (unsigned i = 0; i < 3; i++) {
        struct covey_node_id id = covey_wants_source(wants, i);
        assert_memory_equal(&id, &plan.device[holder[i]], sizeof(id));
    }
    free((void *)(uintptr_t)wants.ptr);
    w.sources = 7;
    assert_int_equal(fetch(&w, a, SIZE_MAX), w.slots);
    assert_int_equal(fetch(&w, a, 0), 0);
    assert_int_equal(covey__assignment_fill(a, &w.holder), COVEY_OK);
    covey__assignment_unref(a);
    world_done(&w);
}

/* Whoever had a unit under an older plan is a source of that unit, whatever the layer's kind, and
 * the owner, which is one anyway, is not named again. Devices of the plan keep their places before
 * those. */
static void test_units_have_their_older_holders(void **state)
{
    static const enum covey_layer_kind kinds[] = {COVEY_LAYER_CONV, COVEY_LAYER_DENSE};
    for (unsigned k = 0; k < 2; k++) {
        struct world w;
        uint8_t bytes[1 + 3 * 16 + 2 * COVEY_WORK_HAD_BYTES] = {3};
        world_init(state, &w, kinds[k]);
        bytes[1] = 1;       /* the owner */
        bytes[1 + 16] = 40; /* not in the plan */
        bytes[1 + 32] = 4;
        covey_work_had_put(bytes + 49, &(struct covey_work_had){w.layer, 1, 3});
        covey_work_had_put(bytes + 57, &(struct covey_work_had){w.layer, 3, 6});
        w.holders = covey_bytes_of(bytes, sizeof(bytes));
        make_message(&w, w.slots, 1);
        struct covey_plan plan = {.devices = 4, .parity = 1, .runs = 0};
        for (unsigned d = 0; d < plan.devices; d++) {
            plan.device[d].bytes[0] = (uint8_t)(d + 1);
        }
        plan.layers = (uint16_t)(w.layer + 2);
        plan.layer[w.layer + 1] = (struct covey_plan_layer){.units = 1,
                                                            .groups = 1,
                                                            .slots = 2,
                                                            .group_units = 1,
                                                            .by_rows = true,
                                                            .holder = {2, 3}};
        w.plan = k == 0 ? &plan : NULL;
        struct covey_assignment *a = parse(&w, UINT64_MAX, COVEY_OK);
        struct covey_bytes wants;
        assert_int_equal(covey__assignment_wants(a, &w.holder, &wants), COVEY_OK);
        assert_int_equal(covey_wants_count(wants), w.slots);
        /* Of the plan 3 and 4; else 40, then 4. */
        static const uint8_t listed[2][3] = {{3, 4, 40}, {40, 4}};
        assert_int_equal(wants.ptr[0], k == 0 ? 3 : 2);
        for (unsigned i = 0; i < wants.ptr[0]; i++) {
            assert_int_equal(covey_wants_source(wants, i).bytes[0], listed[k][i]);
        }
        for (size_t i = 0; i < w.slots; i++) {
            uint32_t stranger = k == 0 ? 4 : 1, four = 2;
            uint32_t right = i == 1 ? stranger : i == 3 ? stranger | four : 0;
            assert_int_equal(covey_wants_get(wants, i).sources, right);
        }
        free((void *)(uintptr_t)wants.ptr);
        covey__assignment_unref(a);
        world_done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_came_before_a_kill_is_kept),
        cmocka_unit_test(test_versions_share_memory),
        cmocka_unit_test(test_dense_slots_are_shared_one_by_one),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_room_is_what_others_leave),
        cmocka_unit_test(test_what_is_stored_is_counted),
        cmocka_unit_test(test_what_is_held_stays_on_disk),
        cmocka_unit_test(test_units_of_rows_have_many_sources),
        cmocka_unit_test(test_units_have_their_older_holders),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
