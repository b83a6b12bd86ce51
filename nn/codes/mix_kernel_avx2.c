/* SPDX-License-Identifier: MIT */
#define MIX_KERNEL covey__mix_kernel_avx2
#include "mix_kernel.inc"
