/* SPDX-License-Identifier: MIT */
#include "gemm_kernel.h"

const struct covey__kernels *covey__kernels_of(enum covey__isa isa)
{
    switch (isa) {
    case COVEY__ISA_PORTABLE:
    case COVEY__ISA_NEON:
        return &covey__kernels_portable;
#if defined(__x86_64__)
    case COVEY__ISA_AVX2:
        return &covey__kernels_avx2;
    case COVEY__ISA_AVX512:
        return &covey__kernels_avx512;
#else
    case COVEY__ISA_AVX2:
    case COVEY__ISA_AVX512:
        break;
#endif
    }
    return NULL;
}
