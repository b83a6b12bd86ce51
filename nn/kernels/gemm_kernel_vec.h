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
enum { VL = 4, VREGS = 32 };
#else
enum { VL = 4, VREGS = 16 };
#endif
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

V_INLINE vec v_load_n(const float *p, size_t n)
{
    vec a = {0.0f, 0.0f, 0.0f, 0.0f};
    memcpy(&a, p, n * sizeof *p);
    return a;
}

V_INLINE void v_store_n(float *p, vec a, size_t n)
{
    memcpy(p, &a, n * sizeof *p);
}

V_INLINE vec v_set(float a)
{
    return (vec){a, a, a, a};
}

V_INLINE vec v_fma(vec a, vec b, vec c)
{
    return a * b + c;
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

#endif /* COVEY_NN_GEMM_KERNEL_VEC_H */
