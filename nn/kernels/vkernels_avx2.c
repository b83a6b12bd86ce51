/* SPDX-License-Identifier: MIT */
#define VKERNELS_TABLE covey__vkernels_avx2
#include "vkernels.inc"
