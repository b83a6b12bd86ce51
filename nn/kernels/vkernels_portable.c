/* SPDX-License-Identifier: MIT */
#define VKERNELS_TABLE covey__vkernels_portable
#include "vkernels.inc"
