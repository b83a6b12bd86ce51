/* SPDX-License-Identifier: MIT */
#include "covey/tiles.h"
#include "fuzz.h"

enum { OUT_MAX = 4096 };

/* What was decoded encodes to the same bytes, and its arithmetic stays within its rows. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct covey_tile_layout layout;
    struct covey_plan_run run = {.segments = 1};
    uint8_t bytes[OUT_MAX];
    size_t len = 0;
    if (covey_tile_layout_decode(covey_bytes_of(data, size), &layout) != COVEY_OK) {
        return 0;
    }
    struct covey_buf out = {bytes, sizeof(bytes)};
    covey_err err = covey_tile_layout_encode(&layout, out, &len);
    COVEY_ASSERT(err == COVEY_OK && len == size && memcmp(bytes, data, len) == 0);
    run.segments = layout.segments;
    for (unsigned s = 0; s < layout.segments; s++) {
        uint16_t rows = layout.rows[s][layout.devices];
        uint16_t before = s > 0 ? layout.rows[s - 1][layout.devices] : rows;
        run.segment[s].map = (struct covey_row_map){before, rows, 1, 1, 1, 4, 4};
    }
    err = covey_tile_layout_check(&layout, &run, layout.devices);
    COVEY_ASSERT(err == COVEY_OK);
    for (unsigned s = 0; s < layout.segments; s++) {
        for (unsigned d = 0; d < layout.devices; d++) {
            struct covey_rows need = covey_tile_need(&run, &layout, s, d);
            COVEY_ASSERT(need.begin <= need.end && need.end <= run.segment[s].map.in_rows);
        }
    }
    return 0;
}
