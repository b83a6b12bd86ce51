/* SPDX-License-Identifier: MIT */
#include "cpu.h"

#if defined(__x86_64__)

enum covey__isa covey__cpu_isa(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return COVEY__ISA_AVX512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return COVEY__ISA_AVX2;
    }
    return COVEY__ISA_PORTABLE;
}

#elif defined(__aarch64__)

enum covey__isa covey__cpu_isa(void)
{
    return COVEY__ISA_NEON;
}

#else

enum covey__isa covey__cpu_isa(void)
{
    return COVEY__ISA_PORTABLE;
}

#endif

const char *covey__cpu_isa_name(enum covey__isa isa)
{
    switch (isa) {
    case COVEY__ISA_PORTABLE:
        return "portable";
    case COVEY__ISA_NEON:
        return "NEON";
    case COVEY__ISA_AVX2:
        return "AVX2";
    case COVEY__ISA_AVX512:
        return "AVX-512";
    }
    return "portable";
}
