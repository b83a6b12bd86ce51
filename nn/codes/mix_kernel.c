/* SPDX-License-Identifier: MIT */
#include "mix_kernel.h"

extern const struct covey__mix_kernel covey__mix_kernel_portable;

#if defined(__x86_64__)

extern const struct covey__mix_kernel covey__mix_kernel_avx2, covey__mix_kernel_avx512;

const struct covey__mix_kernel *covey__mix_kernel_of(enum covey__isa isa)
{
    if (isa > covey__cpu_isa()) {
        return NULL;
    }
    switch (isa) {
    case COVEY__ISA_PORTABLE:
        return &covey__mix_kernel_portable;
    case COVEY__ISA_NEON:
        return NULL;
    case COVEY__ISA_AVX2:
        return &covey__mix_kernel_avx2;
    case COVEY__ISA_AVX512:
        return &covey__mix_kernel_avx512;
    }
    return NULL;
}

#else

const struct covey__mix_kernel *covey__mix_kernel_of(enum covey__isa isa)
{
    return isa == COVEY__ISA_PORTABLE || isa == covey__cpu_isa() ? &covey__mix_kernel_portable
                                                                 : NULL;
}

#endif

const struct covey__mix_kernel *covey__mix_kernel(void)
{
    return covey__mix_kernel_of(covey__cpu_isa());
}
