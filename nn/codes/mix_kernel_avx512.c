/* SPDX-License-Identifier: MIT */
#define MIX_KERNEL covey__mix_kernel_avx512
#include "mix_kernel.inc"
