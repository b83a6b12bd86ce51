/* SPDX-License-Identifier: MIT
 *
 * cpu.h - which vector instructions this processor has, found at run time.
 */
#ifndef COVEY_NN_CPU_H
#define COVEY_NN_CPU_H

/* AVX2 means AVX2 with FMA; AVX512 means F, BW, DQ and VL. NEON is what every AArch64 has; the
 * portable kernels, written with vector extensions, are its kernels. */
enum covey__isa { COVEY__ISA_PORTABLE, COVEY__ISA_NEON, COVEY__ISA_AVX2, COVEY__ISA_AVX512 };

enum covey__isa covey__cpu_isa(void);
const char *covey__cpu_isa_name(enum covey__isa isa);

#endif /* COVEY_NN_CPU_H */
