/* SPDX-License-Identifier: MIT
 *
 * gemm_kernel_vec.h - vectors of floats under one set of names, for the instruction set whose
 * COVEY__VEC_* the including file defines. Each such file is compiled with flags of its own.
 */
#ifndef COVEY_NN_GEMM_KERNEL_VEC_H
#define COVEY_NN_GEMM_KERNEL_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define V_INLINE static inline __attribute__((always_inline, unused))

#if defined(__clang__)
#define V_UNROLL _Pragma("unroll")
#else
#define V_UNROLL _Pragma("GCC unroll 48")
#endif

#if defined(COVEY__VEC_AVX512)

#include <immintrin.h>

enum { VL = 16, VREGS = 32 };
typedef __m512 vec;

V_INLINE __mmask16 v_first(size_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

V_INLINE vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

V_INLINE void v_store(float *p, vec a)
{
    _mm512_storeu_ps(p, a);
}

/* The first n <= VL lanes; the others are 0. */
V_INLINE vec v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_first(n), p);
}

V_INLINE void v_store_n(float *p, vec a, size_t n)
{
    _mm512_mask_storeu_ps(p, v_first(n), a);
}

V_INLINE vec v_set(float a)
{
    return _mm512_set1_ps(a);
}

/* a b + c */
V_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* low <= a <= high, and a NaN stays one. */
V_INLINE vec v_clamp(vec a, vec low, vec high)
{
    return _mm512_min_ps(high, _mm512_max_ps(low, a));
}

#elif defined(COVEY__VEC_AVX2)

#include <immintrin.h>

enum { VL = 8, VREGS = 16 };
typedef __m256 vec;

V_INLINE __m256i v_first(size_t n)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - n));
}

V_INLINE vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

V_INLINE void v_store(float *p, vec a)
{
    _mm256_storeu_ps(p, a);
}

V_INLINE vec v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, v_first(n));
}

V_INLINE void v_store_n(float *p, vec a, size_t n)
{
    _mm256_maskstore_ps(p, v_first(n), a);
}

V_INLINE vec v_set(float a)
{
    return _mm256_set1_ps(a);
}

V_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

V_INLINE vec v_clamp(vec a, vec low, vec high)
{
    return _mm256_min_ps(high, _mm256_max_ps(low, a));
}

#else

#if defined(__aarch64__)

#include <arm_neon.h>

enum { VL = 4, VREGS = 32 };
typedef float32x4_t vec;

V_INLINE vec v_load(const float *p)
{
    return vld1q_f32(p);
}

V_INLINE void v_store(float *p, vec a)
{
    vst1q_f32(p, a);
}

V_INLINE vec v_set(float a)
{
    return vdupq_n_f32(a);
}

V_INLINE vec v_fma(vec a, vec b, vec c)
{
    return vfmaq_f32(c, a, b);
}

V_INLINE vec v_clamp(vec a, vec low, vec high)
{
    return vminq_f32(vmaxq_f32(a, low), high);
}

#else

enum { VL = 4, VREGS = 16 };
typedef float vec __attribute__((vector_size(16)));
typedef int32_t v_mask __attribute__((vector_size(16)));

V_INLINE vec v_load(const float *p)
{
    vec a;
    memcpy(&a, p, sizeof a);
    return a;
}

V_INLINE void v_store(float *p, vec a)
{
    memcpy(p, &a, sizeof a);
}

V_INLINE vec v_set(float a)
{
    return (vec){a, a, a, a};
}

V_INLINE vec v_fma(vec a, vec b, vec c)
{
#if defined(__arm__) && defined(__FP_FAST_FMAF)
    return (vec){__builtin_fmaf(a[0], b[0], c[0]), __builtin_fmaf(a[1], b[1], c[1]),
                 __builtin_fmaf(a[2], b[2], c[2]), __builtin_fmaf(a[3], b[3], c[3])};
#else
    return a * b + c;
#endif
}

V_INLINE vec v_select(v_mask m, vec a, vec b)
{
    return (vec)(((v_mask)a & m) | ((v_mask)b & ~m));
}

V_INLINE vec v_clamp(vec a, vec low, vec high)
{
    a = v_select(a < low, low, a);
    return v_select(a > high, high, a);
}

#endif

/* Not by memcpy(): that is a call, in front of which all vectors in registers are stored. */
V_INLINE vec v_load_n(const float *p, size_t n)
{
    if (n == VL) {
        return v_load(p);
    }
    vec a = {0.0f, 0.0f, 0.0f, 0.0f};
    if (n > 0) {
        a[0] = p[0];
    }
    if (n > 1) {
        a[1] = p[1];
    }
    if (n > 2) {
        a[2] = p[2];
    }
    return a;
}

V_INLINE void v_store_n(float *p, vec a, size_t n)
{
    if (n == VL) {
        v_store(p, a);
        return;
    }
    if (n > 0) {
        p[0] = a[0];
    }
    if (n > 1) {
        p[1] = a[1];
    }
    if (n > 2) {
        p[2] = a[2];
    }
}

#endif

/* VF numbers, loaded together, that vectors are multiplied with. */
#if defined(__aarch64__)

enum { VF = 4 };
typedef vec v_factors;

/* count: how many there are, known when compiling. */
V_INLINE v_factors v_load_factors(const float *p, const size_t count)
{
    if (count >= VF) {
        return vld1q_f32(p);
    }
    if (count == 1) {
        return vdupq_n_f32(p[0]);
    }
    const float32x2_t two = vld1_f32(p);
    return vcombine_f32(two, count == 3 ? vld1_dup_f32(p + 2) : two);
}

/* a[f] b + c; f is known when compiling. */
V_INLINE vec v_fma_factor(v_factors a, const size_t f, vec b, vec c)
{
    switch (f) {
    case 0:
        return vfmaq_laneq_f32(c, b, a, 0);
    case 1:
        return vfmaq_laneq_f32(c, b, a, 1);
    case 2:
        return vfmaq_laneq_f32(c, b, a, 2);
    default:
        return vfmaq_laneq_f32(c, b, a, 3);
    }
}

#else

enum { VF = 1 };
typedef vec v_factors;

V_INLINE v_factors v_load_factors(const float *p, const size_t count)
{
    (void)count;
    return v_set(*p);
}

V_INLINE vec v_fma_factor(v_factors a, const size_t f, vec b, vec c)
{
    (void)f;
    return v_fma(a, b, c);
}

#endif

#endif /* COVEY_NN_GEMM_KERNEL_VEC_H */
