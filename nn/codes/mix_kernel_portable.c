/* SPDX-License-Identifier: MIT */
#define MIX_KERNEL covey__mix_kernel_portable
#include "mix_kernel.inc"
