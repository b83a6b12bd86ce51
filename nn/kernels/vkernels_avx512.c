/* SPDX-License-Identifier: MIT */
#define VKERNELS_TABLE covey__vkernels_avx512
#include "vkernels.inc"
