/* SPDX-License-Identifier: MIT */
#define COVEY__VEC_PORTABLE
#include "gemm_kernel.inc"

const struct covey__kernels covey__kernels_portable = {
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
};
