/* SPDX-License-Identifier: MIT
 *
 * tiles.h - which rows go from whom to whom in a tile run. Pure arithmetic.
 *
 * A layout says who makes which rows of each segment's output; it travels with START, so that any
 * request can be shared out anew. Source and destination COVEY_TILE_OWNER is the owner itself (the
 * run's input comes from it, the result goes to it); the owner may be a device of the plan too.
 */
#ifndef COVEY_TILES_H
#define COVEY_TILES_H

#include "covey/plan.h"

enum { COVEY_TILE_OWNER = COVEY_PLAN_DEVICES_MAX };

struct covey_tile_layout {
    uint8_t segments, devices;
    /* Device d makes rows [rows[s][d], rows[s][d + 1]) of segment s's output. */
    uint16_t rows[COVEY_TILE_SEGMENTS_MAX][COVEY_PLAN_DEVICES_MAX + 1];
};

struct covey_rows {
    uint16_t begin, end; /* begin == end: none */
};

/* a then b. */
struct covey_row_map covey_row_map_join(const struct covey_row_map *a,
                                        const struct covey_row_map *b);
struct covey_rows covey_row_map_need(const struct covey_row_map *map, struct covey_rows out);

void covey_tile_layout_of(const struct covey_plan_run *run, unsigned devices,
                          struct covey_tile_layout *out);
/* Of a run whose rows are made twice: who makes them the second time. A device gets the layout that
 * it is part of; to it the other is as if there were none. */
void covey_tile_layout_twin(const struct covey_plan_run *run, unsigned devices,
                            struct covey_tile_layout *out);
/* Ascending rows, from 0 to out_rows, as many segments as the run has: else RANGE. */
covey_err covey_tile_layout_check(const struct covey_tile_layout *layout,
                                  const struct covey_plan_run *run, unsigned devices) COVEY_CHECK;
/* Deterministic CBOR: [[u16, ...], ...], the first 0 of each row list left out. */
covey_err covey_tile_layout_encode(const struct covey_tile_layout *layout, struct covey_buf out,
                                   size_t *out_len) COVEY_CHECK;
covey_err covey_tile_layout_decode(struct covey_bytes in,
                                   struct covey_tile_layout *out) COVEY_CHECK;

/* Rows of segment s's output that device d makes. */
struct covey_rows covey_tile_made(const struct covey_tile_layout *layout, unsigned segment,
                                  unsigned device);
/* Rows of segment s's input that device d needs; of segment `segments` the owner needs all. */
struct covey_rows covey_tile_need(const struct covey_plan_run *run,
                                  const struct covey_tile_layout *layout, unsigned segment,
                                  unsigned device);
/* Rows of segment s's input that go from `from` to `to`: for segment 0 from is COVEY_TILE_OWNER,
 * for segment `segments` to is. */
struct covey_rows covey_tile_piece(const struct covey_plan_run *run,
                                   const struct covey_tile_layout *layout, unsigned segment,
                                   unsigned from, unsigned to);
/* Bytes of such a piece on the wire. */
size_t covey_tile_piece_bytes(const struct covey_plan_run *run, unsigned segment,
                              struct covey_rows rows, bool half);

/* A body that several devices give one another: each has one piece of it at first, in their order,
 * of whole 64 bytes but for the last. len 0: there is none for the device. */
struct covey_relay_piece {
    uint32_t from, len;
};
struct covey_relay_piece covey_relay_piece(uint32_t bytes, uint32_t devices, unsigned device);

#endif /* COVEY_TILES_H */
