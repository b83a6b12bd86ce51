/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "covey/cbor.h"
#include "covey/message_control.h"

/* Bytes from a string literal, which may hold zeros. */
#define BYTES(literal) covey_bytes_of(literal, sizeof(literal) - 1)

enum { OUT_MAX = 256 * 1024 };

static const enum covey_control_type types[] = {
    COVEY_CONTROL_STATUS,
    COVEY_CONTROL_BLOB_HAVE,
    COVEY_CONTROL_BLOB_PUT,
    COVEY_CONTROL_MODEL_PUT,
    COVEY_CONTROL_MODEL_LIST,
    COVEY_CONTROL_INFER,
    COVEY_CONTROL_PLAN,
    COVEY_CONTROL_LAB,
    COVEY_CONTROL_DONE,
    COVEY_CONTROL_ERROR,
    COVEY_CONTROL_STATUS_REPLY,
    COVEY_CONTROL_BLOB_HAVE_REPLY,
    COVEY_CONTROL_MODEL_LIST_REPLY,
    COVEY_CONTROL_INFER_REPLY,
    COVEY_CONTROL_PLAN_REPLY,
    COVEY_CONTROL_MODEL_GET,
    COVEY_CONTROL_BLOB_GET,
    COVEY_CONTROL_MODEL_REMOVE,
    COVEY_CONTROL_MODEL_GET_REPLY,
    COVEY_CONTROL_BLOB_GET_REPLY,
    COVEY_CONTROL_DETACH,
    COVEY_CONTROL_SESSIONS,
    COVEY_CONTROL_SESSION_GET,
    COVEY_CONTROL_SESSION_STOP,
    COVEY_CONTROL_SESSIONS_REPLY,
    COVEY_CONTROL_SESSION_GET_REPLY,
    COVEY_CONTROL_TRAIN,
    COVEY_CONTROL_TRAIN_WATCH,
    COVEY_CONTROL_PRODUCT,
    COVEY_CONTROL_TRAIN_PROGRESS,
    COVEY_CONTROL_PRODUCT_REPLY,
};
enum { TYPES = sizeof(types) / sizeof(types[0]) };

struct fixture {
    struct covey_control in, out;
    uint8_t bytes[OUT_MAX];
    uint8_t again[OUT_MAX];
    uint8_t holders[COVEY_LAYER_SLOTS_MAX];
};

/* The longest name, without the final zero. */
static void long_text(char *out, size_t cap)
{
    memset(out, 'x', cap - 1);
    out[cap - 1] = 0;
}

static void fill_member(struct covey_control_member *m, unsigned i)
{
    memset(m->id.bytes, (int)i, sizeof(m->id.bytes));
    long_text(m->name, sizeof(m->name));
    long_text(m->address, sizeof(m->address));
    m->tier = 2;
    m->trust = 1;
    m->state = 0xff;
    m->rtt_us = m->mflops = UINT32_MAX;
    m->memory_bytes = UINT64_MAX;
    m->self = i == 0;
    m->channel = i != 0;
    m->lied = i == 1;
}

static void fill_plan(struct covey_control_plan *p)
{
    p->half = true;
    p->predicted_us = UINT32_MAX;
    p->local_us = 123456;
    p->devices = COVEY_PLAN_DEVICES_MAX;
    for (unsigned d = 0; d < p->devices; d++) {
        p->device[d] = (struct covey_control_plan_device){
            .weights_bytes = UINT64_MAX, .received_bytes = UINT64_MAX - 1, .sent_bytes = d};
    }
    p->layer_count = COVEY_LAYERS_MAX;
    p->runs = COVEY_TILE_RUNS_MAX;
    p->run_us[1] = UINT32_MAX;
    p->segment_count = COVEY_CONTROL_SEGMENTS_MAX;
    for (unsigned i = 0; i < p->segment_count; i++) {
        struct covey_control_plan_segment *s = &p->segment[i];
        *s = (struct covey_control_plan_segment){.run = (uint8_t)(i % p->runs),
                                                 .first_cell = COVEY_CELLS_MAX - 1,
                                                 .cells = COVEY_CELLS_MAX,
                                                 .moved_bytes = UINT64_MAX,
                                                 .predicted_us = UINT32_MAX};
        for (unsigned d = 1; d <= p->devices; d++) {
            s->rows[d] = (uint16_t)(UINT16_MAX - p->devices + d);
        }
    }
}

/* As much of everything as there may be. */
static void fill(struct fixture *f)
{
    struct covey_control *c = &f->in;
    c->id = c->wait_ms = UINT32_MAX;
    memset(c->digest.bytes, 7, sizeof(c->digest.bytes));
    long_text(c->infer.model, sizeof(c->infer.model));
    c->infer.devices = 9;
    c->infer.parity = 1;
    c->infer.trace = true;
    c->infer.half = true;
    c->infer.exact = true;
    c->infer.check_all = true;
    c->infer.timeout_ms = 12345;
    c->infer.batch = COVEY_BATCH_MAX;
    c->lab.delay_ms = UINT32_MAX;
    c->lab.lie_percent = 100;
    c->lab.latency = (struct covey_latency){.kind = COVEY_LATENCY_EXPONENTIAL,
                                            .a_us = UINT32_MAX,
                                            .b_us = UINT32_MAX - 1,
                                            .device = UINT32_MAX - 2,
                                            .seed = UINT64_MAX};
    c->error.code = COVEY_ERR_NOT_FOUND;
    long_text(c->error.text, sizeof(c->error.text));
    c->status.has_coordinator = true;
    c->status.term = c->status.fetched_owner = c->status.fetched_others = UINT64_MAX;
    c->status.member_count = COVEY_MEMBERS_MAX;
    for (unsigned i = 0; i < COVEY_MEMBERS_MAX; i++) {
        fill_member(&c->status.member[i], i);
    }
    c->models.count = COVEY_CONTROL_MODELS_MAX;
    for (unsigned i = 0; i < COVEY_CONTROL_MODELS_MAX; i++) {
        struct covey_control_model *m = &c->models.model[i];
        long_text(m->name, sizeof(m->name));
        m->input_rank = m->output_rank = COVEY_RANK_MAX;
        m->input[COVEY_RANK_MAX - 1] = UINT32_MAX;
        long_text(m->publisher, sizeof(m->publisher));
        m->here = true;
    }
    long_text(c->name, sizeof(c->name));
    c->sessions.count = COVEY_CONTROL_SESSIONS_MAX;
    for (unsigned i = 0; i < COVEY_CONTROL_SESSIONS_MAX; i++) {
        struct covey_control_session *s = &c->sessions.session[i];
        long_text(s->name, sizeof(s->name));
        long_text(s->model, sizeof(s->model));
        s->output_rank = COVEY_RANK_MAX;
        s->total = s->median_us = UINT32_MAX;
        s->custody.kept = COVEY_CONTROL_KEPT_STOPPED;
        memset(&s->custody.id, 0xab, sizeof(s->custody.id));
        s->custody.epoch = UINT32_MAX;
        long_text(s->custody.owner, sizeof(s->custody.owner));
        s->custody.checkpoint = UINT64_MAX;
        s->custody.keepers = s->custody.held = COVEY_CUSTODIANS_MAX;
        s->custody.recoverable = true;
    }
    c->result.checked = true;
    c->result.liar_count = COVEY_CONTROL_LIARS_MAX;
    memset(c->result.liar, 0xab, sizeof(c->result.liar));
    c->result.output_rank = COVEY_RANK_MAX;
    c->result.layer_count = COVEY_LAYERS_MAX;
    fill_plan(&c->plan);
    memset(f->holders, COVEY_PLAN_DEVICES_MAX - 1, sizeof(f->holders));
    for (unsigned i = 0; i < COVEY_LAYERS_MAX; i++) {
        long_text(c->result.layer[i].name, sizeof(c->result.layer[i].name));
        long_text(c->plan.layer[i].name, sizeof(c->plan.layer[i].name));
        c->plan.layer[i].mode = COVEY_CONTROL_CODED;
        c->plan.layer[i].cell = COVEY_CELLS_MAX - 1;
        c->plan.layer[i].predicted_us = UINT32_MAX;
        c->plan.layer[i].slots = COVEY_LAYER_SLOTS_MAX;
        c->plan.layer[i].holder = covey_bytes_of(f->holders, sizeof(f->holders));
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return -1;
    }
    fill(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static size_t encode(struct fixture *f, enum covey_control_type type)
{
    size_t len = 0;
    f->in.type = type;
    struct covey_buf out = {f->bytes, sizeof(f->bytes)};
    assert_int_equal(covey_control_encode(&f->in, out, &len), COVEY_OK);
    return len;
}

/* Every type, with the most it can hold, fits a frame's header and comes back as it was. */
static void test_largest_messages_come_back(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TYPES; i++) {
        size_t again = 0;
        size_t len = encode(f, types[i]);
        assert_true(len <= COVEY_CONTROL_FRAME_HEADER_MAX);
        assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
        assert_int_equal(f->out.type, types[i]);
        assert_int_equal(f->out.id, f->in.id);
        struct covey_buf out = {f->again, sizeof(f->again)};
        assert_int_equal(covey_control_encode(&f->out, out, &again), COVEY_OK);
        assert_int_equal(again, len);
        assert_memory_equal(f->again, f->bytes, len);
    }
}

/* Fields land where they came from: two that are swapped would encode the same. */
static void test_fields_keep_their_places(void **state)
{
    struct fixture *f = *state;
    struct covey_control_result *r = &f->in.result;
    r->elapsed_us = 1;
    r->devices = 2;
    r->recovered_dead = 3;
    r->recovered_late = 4;
    r->plan_version = 5;
    r->predicted_us = 6;
    size_t len = encode(f, COVEY_CONTROL_INFER_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    assert_int_equal(f->out.result.elapsed_us, 1);
    assert_int_equal(f->out.result.devices, 2);
    assert_int_equal(f->out.result.recovered_dead, 3);
    assert_int_equal(f->out.result.recovered_late, 4);
    assert_int_equal(f->out.result.plan_version, 5);
    assert_int_equal(f->out.result.predicted_us, 6);
    assert_true(f->out.result.checked);
    assert_memory_equal(f->out.result.liar, f->in.result.liar, sizeof(f->in.result.liar));
    len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    assert_true(f->out.plan.half);
    assert_int_equal(f->out.plan.predicted_us, UINT32_MAX);
    assert_int_equal(f->out.plan.local_us, 123456);
    assert_int_equal(f->out.plan.device[7].received_bytes, UINT64_MAX - 1);
    assert_int_equal(f->out.plan.device[7].sent_bytes, 7);
    assert_int_equal(f->out.plan.layer[1].mode, COVEY_CONTROL_CODED);
    assert_int_equal(f->out.plan.run_us[1], UINT32_MAX);
    assert_int_equal(f->out.plan.segment[3].run, 3);
    assert_memory_equal(f->out.plan.segment[3].rows, f->in.plan.segment[3].rows,
                        sizeof(f->in.plan.segment[3].rows));
    len = encode(f, COVEY_CONTROL_INFER);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    assert_string_equal(f->out.infer.model, f->in.infer.model);
    assert_int_equal(f->out.infer.devices, 9);
    assert_int_equal(f->out.infer.parity, 1);
    assert_true(f->out.infer.trace);
    assert_true(f->out.infer.half);
    assert_true(f->out.infer.exact);
    assert_true(f->out.infer.check_all);
    assert_false(f->out.infer.coded_all);
    assert_int_equal(f->out.infer.timeout_ms, 12345);
    assert_int_equal(f->out.infer.batch, COVEY_BATCH_MAX);
    len = encode(f, COVEY_CONTROL_LAB);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    assert_int_equal(f->out.lab.delay_ms, UINT32_MAX);
    assert_int_equal(f->out.lab.lie_percent, 100);
    assert_int_equal(f->out.lab.latency.kind, COVEY_LATENCY_EXPONENTIAL);
    assert_int_equal(f->out.lab.latency.a_us, UINT32_MAX);
    assert_int_equal(f->out.lab.latency.b_us, UINT32_MAX - 1);
    assert_int_equal(f->out.lab.latency.device, UINT32_MAX - 2);
    assert_int_equal(f->out.lab.latency.seed, UINT64_MAX);
    f->in.lab.lie_percent = 101;
    len = encode(f, COVEY_CONTROL_LAB);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_ERR_RANGE);
    f->in.infer.batch = COVEY_BATCH_MAX + 1;
    len = encode(f, COVEY_CONTROL_INFER);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_ERR_RANGE);
}

/* A message that ends anywhere before its end is refused and has no type. */
static void test_every_truncation_is_refused(void **state)
{
    struct fixture *f = *state;
    f->in.status.member_count = 2;
    f->in.models.count = 2;
    f->in.result.layer_count = 2;
    f->in.plan.layer_count = 2;
    f->in.plan.segment_count = 2;
    for (size_t i = 0; i < TYPES; i++) {
        size_t len = encode(f, types[i]);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *copy = malloc(cut > 0 ? cut : 1); /* of exact size: a read too far is seen */
            assert_non_null(copy);
            memcpy(copy, f->bytes, cut);
            f->out.type = COVEY_CONTROL_DONE;
            assert_int_not_equal(covey_control_decode(covey_bytes_of(copy, cut), &f->out),
                                 COVEY_OK);
            assert_int_equal(f->out.type, COVEY_CONTROL_NONE);
            free(copy);
        }
    }
}

/* Unknown types are refused as such, so that an old node can say so; unknown keys are passed over.
 */
static void test_unknown_types_and_keys(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(covey_control_decode(BYTES("\xa2\x00\x17\x01\x01"), &f->out),
                     COVEY_ERR_UNSUPPORTED);
    assert_int_equal(covey_control_decode(BYTES("\xa2\x00\x00\x01\x01"), &f->out),
                     COVEY_ERR_UNSUPPORTED);
    assert_int_equal(covey_control_decode(BYTES("\xa3\x00\x01\x01\x05\x09\x81\x60"), &f->out),
                     COVEY_OK);
    assert_int_equal(f->out.type, COVEY_CONTROL_STATUS);
    assert_int_equal(f->out.id, 5);
}

/* A message without its id or its part, or with a part where none belongs, is malformed. */
static void test_parts_are_those_of_the_type(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(covey_control_decode(BYTES("\xa1\x00\x01"), &f->out), COVEY_ERR_MALFORMED);
    assert_int_equal(covey_control_decode(BYTES("\xa2\x00\x06\x01\x01"), &f->out),
                     COVEY_ERR_MALFORMED);
    assert_int_equal(covey_control_decode(BYTES("\xa3\x00\x01\x01\x01\x02\x80"), &f->out),
                     COVEY_ERR_MALFORMED);
    assert_int_equal(covey_control_decode(BYTES("\xa0"), &f->out), COVEY_ERR_MALFORMED);
}

/* A holder that is no device of the plan is refused: readers look devices up by it. */
static void test_holders_are_devices_of_the_plan(void **state)
{
    struct fixture *f = *state;
    f->in.plan.devices = 3;
    f->in.plan.segment_count = 0;
    f->holders[5] = 3;
    size_t len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_ERR_RANGE);
    memset(f->holders, 2, sizeof(f->holders));
    len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    assert_int_equal(f->out.plan.layer[0].slots, COVEY_LAYER_SLOTS_MAX);
}

/* Rows of a segment that go backwards, or a segment of a run that is not there, are refused. */
static void test_segments_are_checked(void **state)
{
    struct fixture *f = *state;
    f->in.plan.segment[2].rows[5] = 0;
    size_t len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_ERR_RANGE);
    f->in.plan.segment[2].rows[5] = f->in.plan.segment[2].rows[4];
    len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_OK);
    f->in.plan.runs = 1;
    len = encode(f, COVEY_CONTROL_PLAN_REPLY);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out), COVEY_ERR_RANGE);
}

/* More models than a list may hold are refused by the count, before the first is read. */
static void test_counts_are_bounded(void **state)
{
    struct fixture *f = *state;
    static const uint8_t head[] = {0xa3, 0x00, 0x18, 0x44, 0x01, 0x01, 0x02, 0x99, 0x01, 0x01};
    memset(f->bytes, 0x80, sizeof(f->bytes)); /* empty arrays: there would be enough of them */
    memcpy(f->bytes, head, sizeof(head));
    struct covey_bytes many = covey_bytes_of(f->bytes, sizeof(head) + COVEY_CONTROL_MODELS_MAX + 1);
    assert_int_equal(covey_control_decode(many, &f->out), COVEY_ERR_LIMIT);
}

/* Text goes to a terminal: an escape character is refused. */
static void test_text_has_no_control_characters(void **state)
{
    struct fixture *f = *state;
    f->in.error.text[3] = '\x1b';
    size_t len = encode(f, COVEY_CONTROL_ERROR);
    assert_int_equal(covey_control_decode(covey_bytes_of(f->bytes, len), &f->out),
                     COVEY_ERR_MALFORMED);
}

/* A buffer one byte too small is SPACE, and the length that is counted without one is enough. */
static void test_encode_says_space(void **state)
{
    struct fixture *f = *state;
    size_t len = encode(f, COVEY_CONTROL_STATUS_REPLY), counted = 0, unused = 0;
    struct covey_buf none = {NULL, 0};
    assert_int_equal(covey_control_encode(&f->in, none, &counted), COVEY_OK);
    assert_int_equal(counted, len);
    struct covey_buf small = {f->bytes, len - 1};
    assert_int_equal(covey_control_encode(&f->in, small, &unused), COVEY_ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_largest_messages_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields_keep_their_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_truncation_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_types_and_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_are_those_of_the_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_holders_are_devices_of_the_plan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_segments_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_has_no_control_characters, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encode_says_space, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
