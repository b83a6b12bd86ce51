/* SPDX-License-Identifier: MIT */
#include "rate.h"

#include <stdlib.h>

#include "covey/loop.h"
#include "covey/split.h"

enum { SIDE = 256, ROUNDS = 4 };

/* Equal devices must tell equal rates, or every plan differs by the noise of a measurement. */
static uint32_t round_to_power_of_two(uint64_t value)
{
    uint64_t power = 1;
    while (power < UINT32_MAX / 2 && value * 2 >= power * 3) {
        power *= 2;
    }
    return (uint32_t)power;
}

uint32_t covey__measure_mflops(void)
{
    struct covey_layer layer = {
        .kind = COVEY_LAYER_DENSE,
        .m = SIDE,
        .unit_rows = SIDE,
        .units = 1,
        .k = SIDE,
        .channels = SIDE,
        .height = 1,
        .width = 1,
        .kernel = {1, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
        .out_height = 1,
        .out_width = 1,
        .batch = SIDE,
    };
    float *room =
        calloc((size_t)3 * SIDE * SIDE + covey_layer_scratch_floats(&layer), sizeof(float));
    if (room == NULL) {
        return 1;
    }
    float *w = room, *x = w + SIDE * SIDE, *y = x + SIDE * SIDE, *scratch = y + SIDE * SIDE;
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start_ns = covey_clock_ns();
        covey_layer_compute(&layer, w, 1, x, scratch, y);
        uint64_t ns = covey_clock_ns() - start_ns;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    free(room);
    uint64_t flops = 2ull * SIDE * SIDE * SIDE;
    return round_to_power_of_two(flops * 1000 / (best_ns + 1));
}
