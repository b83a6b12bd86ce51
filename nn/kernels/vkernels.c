/* SPDX-License-Identifier: MIT */
#include "vkernels.h"

extern const struct covey__vkernels covey__vkernels_portable;

#if defined(__x86_64__)

extern const struct covey__vkernels covey__vkernels_avx2, covey__vkernels_avx512;

const struct covey__vkernels *covey__vkernels_of(enum covey__isa isa)
{
    if (isa > covey__cpu_isa()) {
        return NULL;
    }
    switch (isa) {
    case COVEY__ISA_PORTABLE:
        return &covey__vkernels_portable;
    case COVEY__ISA_NEON:
        return NULL;
    case COVEY__ISA_AVX2:
        return &covey__vkernels_avx2;
    case COVEY__ISA_AVX512:
        return &covey__vkernels_avx512;
    }
    return NULL;
}

#else

const struct covey__vkernels *covey__vkernels_of(enum covey__isa isa)
{
    return isa == COVEY__ISA_PORTABLE || isa == covey__cpu_isa() ? &covey__vkernels_portable : NULL;
}

#endif

const struct covey__vkernels *covey__vkernels(void)
{
    return covey__vkernels_of(covey__cpu_isa());
}
