/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "covey/cbor.h"
#include "covey/tiles.h"

enum { ROUNDS = 2000 };

struct random {
    uint64_t state;
};

static unsigned below(struct random *r, unsigned n)
{
    r->state = r->state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(r->state >> 33) % n;
}

static struct covey_row_map random_map(struct random *r, unsigned in_rows)
{
    struct covey_row_map map = {.in_rows = (uint16_t)in_rows,
                                .stride = (uint16_t)(1 + below(r, 3)),
                                .before = (uint16_t)below(r, 4),
                                .after = (uint16_t)below(r, 4)};
    unsigned out = in_rows / map.stride;
    map.out_rows = (uint16_t)(out > 0 ? out : 1);
    map.in_row_bytes = 4 * (1 + below(r, 100));
    map.out_row_bytes = 4 * (1 + below(r, 100));
    return map;
}

/* Some devices get no rows, some all. */
static void random_share(struct random *r, uint16_t *rows, unsigned devices, unsigned total)
{
    rows[0] = 0;
    for (unsigned d = 1; d < devices; d++) {
        unsigned more = below(r, 4) == 0 ? 0 : below(r, 2 * total / devices + 1);
        rows[d] = (uint16_t)(rows[d - 1] + more > total ? total : rows[d - 1] + more);
    }
    rows[devices] = (uint16_t)total;
}

static unsigned random_run(struct random *r, struct covey_plan_run *run)
{
    unsigned devices = 1 + below(r, 8);
    unsigned rows = 1 + below(r, 200);
    memset(run, 0, sizeof(*run));
    run->segments = (uint8_t)(1 + below(r, 6));
    for (unsigned s = 0; s < run->segments; s++) {
        struct covey_plan_segment *segment = &run->segment[s];
        segment->map = random_map(r, rows);
        if (s > 0) {
            segment->map.in_row_bytes = run->segment[s - 1].map.out_row_bytes;
        }
        rows = segment->map.out_rows;
        random_share(r, segment->rows, devices, rows);
    }
    return devices;
}

/* What a device needs comes to it exactly once, from those who made it, and nothing else comes. */
static void test_pieces_partition_the_need(void **state)
{
    (void)state;
    struct random r = {1};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct covey_plan_run run;
        struct covey_tile_layout layout;
        unsigned devices = random_run(&r, &run);
        covey_tile_layout_of(&run, devices, &layout);
        assert_int_equal(covey_tile_layout_check(&layout, &run, devices), COVEY_OK);
        for (unsigned s = 1; s <= run.segments; s++) {
            for (unsigned to = 0; to <= COVEY_TILE_OWNER; to++) {
                struct covey_rows need = covey_tile_need(&run, &layout, s, to);
                unsigned at = need.begin;
                for (unsigned from = 0; from < devices; from++) {
                    struct covey_rows piece = covey_tile_piece(&run, &layout, s, from, to);
                    assert_true(piece.begin == piece.end || piece.begin == at);
                    at = piece.begin == piece.end ? at : piece.end;
                }
                assert_int_equal(at, need.end);
            }
        }
    }
}

/* Only the owner gives to segment 0, and only it gets the result: all of it. */
static void test_owner_begins_and_ends(void **state)
{
    (void)state;
    struct random r = {2};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct covey_plan_run run;
        struct covey_tile_layout layout;
        unsigned devices = random_run(&r, &run);
        covey_tile_layout_of(&run, devices, &layout);
        const unsigned last = run.segments;
        for (unsigned d = 0; d < devices; d++) {
            struct covey_rows need = covey_tile_need(&run, &layout, 0, d);
            struct covey_rows piece = covey_tile_piece(&run, &layout, 0, COVEY_TILE_OWNER, d);
            assert_memory_equal(&need, &piece, sizeof(need));
            piece = covey_tile_piece(&run, &layout, 0, d, d);
            assert_int_equal(piece.begin, piece.end);
            piece = covey_tile_piece(&run, &layout, last, d, (d + 1) % devices);
            assert_int_equal(piece.begin, piece.end);
            piece = covey_tile_piece(&run, &layout, last, d, COVEY_TILE_OWNER);
            struct covey_rows made = covey_tile_made(&layout, last - 1, d);
            assert_int_equal(piece.end - piece.begin, made.end - made.begin);
        }
        struct covey_rows all = covey_tile_need(&run, &layout, last, COVEY_TILE_OWNER);
        assert_int_equal(all.begin, 0);
        assert_int_equal(all.end, run.segment[last - 1].map.out_rows);
    }
}

/* Each output row needs by the map of two cells at least what it needs cell by cell, and exactly
 * that where nothing is clipped. */
static void test_joined_maps_need_what_both_need(void **state)
{
    (void)state;
    struct random r = {3};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct covey_row_map a = random_map(&r, 1 + below(&r, 300));
        struct covey_row_map b = random_map(&r, a.out_rows);
        struct covey_row_map both = covey_row_map_join(&a, &b);
        struct covey_rows out = {(uint16_t)below(&r, b.out_rows), 0};
        out.end = (uint16_t)(out.begin + 1 + below(&r, (unsigned)(b.out_rows - out.begin)));
        struct covey_rows between = covey_row_map_need(&b, out);
        struct covey_rows step = covey_row_map_need(&a, between);
        struct covey_rows at_once = covey_row_map_need(&both, out);
        assert_int_equal(both.in_rows, a.in_rows);
        assert_int_equal(both.out_rows, b.out_rows);
        if (step.begin < step.end) {
            assert_true(at_once.begin <= step.begin && step.end <= at_once.end);
        }
        bool clipped = between.begin == 0 || between.end == a.out_rows;
        if (!clipped) {
            assert_memory_equal(&step, &at_once, sizeof(step));
        }
    }
}

/* Rows of maps at the edge of their numbers stay within the input. */
static void test_extreme_maps_are_clipped(void **state)
{
    (void)state;
    struct covey_row_map wide = {UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX, 4, 4};
    struct covey_row_map both = covey_row_map_join(&wide, &wide);
    assert_int_equal(both.stride, UINT16_MAX);
    assert_int_equal(both.before, UINT16_MAX);
    struct covey_rows all = covey_row_map_need(&both, (struct covey_rows){0, UINT16_MAX});
    assert_int_equal(all.begin, 0);
    assert_int_equal(all.end, UINT16_MAX);
    struct covey_rows out_of = covey_row_map_need(&both, (struct covey_rows){9, 10});
    assert_int_equal(out_of.begin, out_of.end);
    struct covey_rows nothing = covey_row_map_need(&both, (struct covey_rows){9, 9});
    assert_int_equal(nothing.begin, nothing.end);
}

/* A layout comes back as it was, within the bytes that a START has for it. */
static void test_layouts_round_trip(void **state)
{
    (void)state;
    struct random r = {4};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct covey_plan_run run;
        struct covey_tile_layout in, out;
        uint8_t bytes[COVEY_TILE_SEGMENTS_MAX * 128];
        size_t len = 0;
        unsigned devices = random_run(&r, &run);
        covey_tile_layout_of(&run, devices, &in);
        struct covey_buf buf = {bytes, sizeof(bytes)};
        assert_int_equal(covey_tile_layout_encode(&in, buf, &len), COVEY_OK);
        assert_int_equal(covey_tile_layout_decode(covey_bytes_of(bytes, len), &out), COVEY_OK);
        assert_memory_equal(&in, &out, sizeof(in));
        for (size_t cut = 0; cut < len; cut++) {
            struct covey_bytes some = covey_bytes_of(bytes, cut);
            assert_int_not_equal(covey_tile_layout_decode(some, &out), COVEY_OK);
        }
    }
}

static covey_err decode_of(const uint16_t *numbers, const uint8_t *lengths, unsigned lists)
{
    uint8_t bytes[16 * 1024];
    struct covey_cbor_writer w;
    struct covey_tile_layout out;
    size_t len = 0;
    covey_cbor_writer_init(&w, (struct covey_buf){bytes, sizeof(bytes)});
    covey_cbor_put_array(&w, lists);
    for (unsigned i = 0; i < lists; i++) {
        covey_cbor_put_array(&w, lengths[i]);
        for (unsigned k = 0; k < lengths[i]; k++) {
            covey_cbor_put_uint(&w, *numbers++);
        }
    }
    assert_int_equal(covey_cbor_writer_done(&w, &len), COVEY_OK);
    return covey_tile_layout_decode(covey_bytes_of(bytes, len), &out);
}

/* Lists of different lengths, none, too many, too long and descending ones are refused. */
static void test_hostile_layouts_are_refused(void **state)
{
    (void)state;
    static const uint16_t rising[40 * 40];
    static const uint16_t falling[] = {3, 2, 5, 5};
    uint8_t lengths[COVEY_TILE_SEGMENTS_MAX + 1];
    memset(lengths, COVEY_PLAN_DEVICES_MAX, sizeof(lengths));
    assert_int_equal(decode_of(rising, lengths, COVEY_TILE_SEGMENTS_MAX), COVEY_OK);
    assert_int_not_equal(decode_of(rising, lengths, COVEY_TILE_SEGMENTS_MAX + 1), COVEY_OK);
    assert_int_equal(decode_of(rising, lengths, 0), COVEY_ERR_MALFORMED);
    assert_int_not_equal(decode_of(rising, (const uint8_t[]){33}, 1), COVEY_OK);
    assert_int_equal(decode_of(rising, (const uint8_t[]){0}, 1), COVEY_ERR_MALFORMED);
    assert_int_equal(decode_of(rising, (const uint8_t[]){2, 3}, 2), COVEY_ERR_MALFORMED);
    assert_int_equal(decode_of(falling, (const uint8_t[]){2, 2}, 2), COVEY_ERR_RANGE);
}

/* A layout of other rows, devices or segments than the run's is not taken for it. */
static void test_layouts_of_other_runs_are_refused(void **state)
{
    (void)state;
    struct random r = {5};
    struct covey_plan_run run;
    struct covey_tile_layout good, bad;
    unsigned devices = random_run(&r, &run);
    while (devices < 3 || run.segment[0].rows[1] == 0) {
        devices = random_run(&r, &run);
    }
    covey_tile_layout_of(&run, devices, &good);
    assert_int_equal(covey_tile_layout_check(&good, &run, devices), COVEY_OK);
    assert_int_equal(covey_tile_layout_check(&good, &run, devices - 1), COVEY_ERR_RANGE);
    bad = good;
    bad.segments++;
    assert_int_equal(covey_tile_layout_check(&bad, &run, devices), COVEY_ERR_RANGE);
    bad = good;
    bad.rows[run.segments - 1][devices]++;
    assert_int_equal(covey_tile_layout_check(&bad, &run, devices), COVEY_ERR_RANGE);
    bad = good;
    bad.rows[0][0] = 1;
    assert_int_equal(covey_tile_layout_check(&bad, &run, devices), COVEY_ERR_RANGE);
    bad = good;
    bad.rows[0][1] = UINT16_MAX;
    assert_int_equal(covey_tile_layout_check(&bad, &run, devices), COVEY_ERR_RANGE);
}

/* A piece's bytes are its rows, as the one side makes them and the other reads them. */
static void test_pieces_have_their_bytes(void **state)
{
    (void)state;
    struct covey_plan_run run = {.segments = 2};
    run.segment[0].map = (struct covey_row_map){8, 8, 1, 1, 1, 40, 80};
    run.segment[1].map = (struct covey_row_map){8, 4, 2, 0, 1, 80, 12};
    struct covey_rows three = {2, 5};
    assert_int_equal(covey_tile_piece_bytes(&run, 0, three, false), 120);
    assert_int_equal(covey_tile_piece_bytes(&run, 1, three, false), 240);
    assert_int_equal(covey_tile_piece_bytes(&run, 2, three, false), 36);
    assert_int_equal(covey_tile_piece_bytes(&run, 1, three, true), 120);
    assert_int_equal(covey_tile_piece_bytes(&run, 3, three, false), 0);
    assert_int_equal(covey_tile_piece_bytes(&run, 1, (struct covey_rows){5, 5}, false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_partition_the_need),
        cmocka_unit_test(test_owner_begins_and_ends),
        cmocka_unit_test(test_joined_maps_need_what_both_need),
        cmocka_unit_test(test_extreme_maps_are_clipped),
        cmocka_unit_test(test_layouts_round_trip),
        cmocka_unit_test(test_hostile_layouts_are_refused),
        cmocka_unit_test(test_layouts_of_other_runs_are_refused),
        cmocka_unit_test(test_pieces_have_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
