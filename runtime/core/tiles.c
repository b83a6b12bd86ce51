/* SPDX-License-Identifier: MIT */
#include "covey/tiles.h"

#include "covey/cbor.h"

static const struct covey_rows none;

static uint16_t saturate(uint64_t v)
{
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

static uint16_t smaller(uint16_t a, uint16_t b)
{
    return a < b ? a : b;
}

static uint16_t larger(uint16_t a, uint16_t b)
{
    return a > b ? a : b;
}

/* Row x of b's output needs rows x sb - bb to x sb + ab between the two, and those need
 * (x sb - bb) sa - ba to (x sb + ab) sa + aa. Clipping between them would only need less. */
struct covey_row_map covey_row_map_join(const struct covey_row_map *a,
                                        const struct covey_row_map *b)
{
    return (struct covey_row_map){
        .in_rows = a->in_rows,
        .out_rows = b->out_rows,
        .stride = saturate((uint64_t)a->stride * b->stride),
        .before = saturate((uint64_t)b->before * a->stride + a->before),
        .after = saturate((uint64_t)b->after * a->stride + a->after),
        .in_row_bytes = a->in_row_bytes,
        .out_row_bytes = b->out_row_bytes,
    };
}

struct covey_rows covey_row_map_need(const struct covey_row_map *map, struct covey_rows out)
{
    if (out.begin >= out.end) {
        return none;
    }
    int64_t begin = (int64_t)out.begin * map->stride - map->before;
    int64_t end = (int64_t)(out.end - 1) * map->stride + map->after + 1;
    begin = begin < 0 ? 0 : begin;
    end = end > map->in_rows ? map->in_rows : end;
    if (begin >= end) {
        return none;
    }
    return (struct covey_rows){(uint16_t)begin, (uint16_t)end};
}

void covey_tile_layout_of(const struct covey_plan_run *run, unsigned devices,
                          struct covey_tile_layout *out)
{
    COVEY_ASSERT(devices <= COVEY_PLAN_DEVICES_MAX && run->segments <= COVEY_TILE_SEGMENTS_MAX);
    memset(out, 0, sizeof(*out));
    out->segments = run->segments;
    out->devices = (uint8_t)devices;
    for (unsigned s = 0; s < run->segments; s++) {
        memcpy(out->rows[s], run->segment[s].rows, (devices + 1) * sizeof(out->rows[s][0]));
    }
}

void covey_tile_layout_twin(const struct covey_plan_run *run, unsigned devices,
                            struct covey_tile_layout *out)
{
    COVEY_ASSERT(devices <= COVEY_PLAN_DEVICES_MAX && run->twice && run->segments == 1);
    memset(out, 0, sizeof(*out));
    out->segments = 1;
    out->devices = (uint8_t)devices;
    memcpy(out->rows[0], run->twin, (devices + 1) * sizeof(out->rows[0][0]));
}

static bool ascending(const struct covey_tile_layout *layout, unsigned segment)
{
    for (unsigned d = 0; d < layout->devices; d++) {
        if (layout->rows[segment][d] > layout->rows[segment][d + 1]) {
            return false;
        }
    }
    return layout->rows[segment][0] == 0;
}

covey_err covey_tile_layout_check(const struct covey_tile_layout *layout,
                                  const struct covey_plan_run *run, unsigned devices)
{
    if (layout->segments != run->segments || run->segments == 0 ||
        run->segments > COVEY_TILE_SEGMENTS_MAX || layout->devices != devices || devices == 0 ||
        devices > COVEY_PLAN_DEVICES_MAX) {
        return COVEY_ERR_RANGE;
    }
    for (unsigned s = 0; s < run->segments; s++) {
        if (!ascending(layout, s) || layout->rows[s][devices] != run->segment[s].map.out_rows) {
            return COVEY_ERR_RANGE;
        }
    }
    return COVEY_OK;
}

covey_err covey_tile_layout_encode(const struct covey_tile_layout *layout, struct covey_buf out,
                                   size_t *out_len)
{
    struct covey_cbor_writer w;
    if (layout->segments > COVEY_TILE_SEGMENTS_MAX || layout->devices > COVEY_PLAN_DEVICES_MAX) {
        return COVEY_ERR_RANGE;
    }
    covey_cbor_writer_init(&w, out);
    covey_cbor_put_array(&w, layout->segments);
    for (unsigned s = 0; s < layout->segments; s++) {
        covey_cbor_put_array(&w, layout->devices);
        for (unsigned d = 1; d <= layout->devices; d++) {
            covey_cbor_put_uint(&w, layout->rows[s][d]);
        }
    }
    return covey_cbor_writer_done(&w, out_len);
}

static void get_segment(struct covey_cbor_reader *r, unsigned s, struct covey_tile_layout *layout)
{
    size_t devices = covey_cbor_enter_array(r, COVEY_PLAN_DEVICES_MAX);
    if (s == 0) {
        layout->devices = (uint8_t)devices;
    }
    if (r->err == COVEY_OK && (devices == 0 || devices != layout->devices)) {
        r->err = COVEY_ERR_MALFORMED;
    }
    for (unsigned d = 1; d <= devices && r->err == COVEY_OK; d++) {
        layout->rows[s][d] = (uint16_t)covey_cbor_get_uint(r, UINT16_MAX);
    }
    covey_cbor_leave(r);
    if (r->err == COVEY_OK && !ascending(layout, s)) {
        r->err = COVEY_ERR_RANGE;
    }
}

covey_err covey_tile_layout_decode(struct covey_bytes in, struct covey_tile_layout *out)
{
    struct covey_cbor_reader r;
    struct covey_tile_layout layout = {0};
    covey_cbor_reader_init(&r, in);
    size_t segments = covey_cbor_enter_array(&r, COVEY_TILE_SEGMENTS_MAX);
    if (r.err == COVEY_OK && segments == 0) {
        r.err = COVEY_ERR_MALFORMED;
    }
    layout.segments = (uint8_t)segments;
    for (unsigned s = 0; s < segments && r.err == COVEY_OK; s++) {
        get_segment(&r, s, &layout);
    }
    covey_cbor_leave(&r);
    covey_err err = covey_cbor_reader_done(&r);
    if (err == COVEY_OK) {
        *out = layout;
    }
    return err;
}

struct covey_rows covey_tile_made(const struct covey_tile_layout *layout, unsigned segment,
                                  unsigned device)
{
    if (segment >= layout->segments || device >= layout->devices) {
        return none;
    }
    struct covey_rows rows = {layout->rows[segment][device], layout->rows[segment][device + 1]};
    return rows.begin < rows.end ? rows : none;
}

struct covey_rows covey_tile_need(const struct covey_plan_run *run,
                                  const struct covey_tile_layout *layout, unsigned segment,
                                  unsigned device)
{
    if (device == COVEY_TILE_OWNER) {
        bool result = segment > 0 && segment == run->segments;
        return result ? (struct covey_rows){0, run->segment[segment - 1].map.out_rows} : none;
    }
    if (segment >= run->segments) {
        return none;
    }
    return covey_row_map_need(&run->segment[segment].map, covey_tile_made(layout, segment, device));
}

struct covey_rows covey_tile_piece(const struct covey_plan_run *run,
                                   const struct covey_tile_layout *layout, unsigned segment,
                                   unsigned from, unsigned to)
{
    struct covey_rows need = covey_tile_need(run, layout, segment, to);
    if (segment == 0) {
        return from == COVEY_TILE_OWNER ? need : none;
    }
    struct covey_rows made = covey_tile_made(layout, segment - 1, from);
    struct covey_rows both = {larger(made.begin, need.begin), smaller(made.end, need.end)};
    return both.begin < both.end ? both : none;
}

size_t covey_tile_piece_bytes(const struct covey_plan_run *run, unsigned segment,
                              struct covey_rows rows, bool half)
{
    if (rows.begin >= rows.end || run->segments == 0 || segment > run->segments) {
        return 0;
    }
    const struct covey_row_map *map = &run->segment[segment > 0 ? segment - 1 : 0].map;
    uint64_t row = segment > 0 ? map->out_row_bytes : map->in_row_bytes;
    uint64_t bytes = (half ? row / 2 : row) * (uint64_t)(rows.end - rows.begin);
    return bytes > SIZE_MAX ? SIZE_MAX : (size_t)bytes;
}

struct covey_relay_piece covey_relay_piece(uint32_t bytes, uint32_t devices, unsigned device)
{
    enum { ALIGNED = 64 };
    uint32_t count = 0, before = 0;
    for (unsigned d = 0; d < COVEY_PLAN_DEVICES_MAX; d++) {
        count += devices >> d & 1;
        before += d < device ? devices >> d & 1 : 0;
    }
    if (device >= COVEY_PLAN_DEVICES_MAX || (devices >> device & 1) == 0) {
        return (struct covey_relay_piece){0, 0};
    }
    uint64_t each = ((uint64_t)bytes + count - 1) / count;
    each = (each + ALIGNED - 1) / ALIGNED * ALIGNED;
    uint64_t from = each * before < bytes ? each * before : bytes;
    uint64_t end = from + each < bytes ? from + each : bytes;
    return (struct covey_relay_piece){(uint32_t)from, (uint32_t)(end - from)};
}
