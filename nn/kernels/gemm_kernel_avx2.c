/* SPDX-License-Identifier: MIT */
#define COVEY__VEC_AVX2
#include "gemm_kernel.inc"

const struct covey__kernels covey__kernels_avx2 = {
    .mr = MR,
    .lanes = VL,
    .extra = EXTRA,
    .strip = strip,
    .unroll = unroll,
    .split = split,
    .depthwise = depthwise,
    .wino_in = {wino_in_edge_4, wino_in_edge_6},
    .wino_out = {wino_out_edge_4, wino_out_edge_6},
    .merge = merge,
    .live_in = {wino_in_2x2, wino_in_2x4, wino_in_4x4},
    .live = {live_2x2, live_2x4, live_4x4},
    .live_out = {live_out_2x2, live_out_2x4, live_out_4x4},
    .live_store = live_store,
};
