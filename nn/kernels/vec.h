/* SPDX-License-Identifier: MIT
 *
 * vec.h - vectors of floats, as wide as the file that includes this is compiled for.
 *
 * Only for the vkernels_*.c variants: 16 lanes with AVX-512, 8 with AVX2 and FMA, else 4 (which is
 * NEON on AArch64 and SSE2 on x86-64). All loads and stores take any alignment.
 */
#ifndef COVEY_NN_VEC_H
#define COVEY_NN_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__) && defined(__AVX512VL__)
#define VEC_AVX512 1
enum { W = 16 };
typedef float vf __attribute__((vector_size(64)));
typedef int32_t vi __attribute__((vector_size(64)));
#elif defined(__AVX2__) && defined(__FMA__)
#define VEC_AVX2 1
enum { W = 8 };
typedef float vf __attribute__((vector_size(32)));
typedef int32_t vi __attribute__((vector_size(32)));
#else
enum { W = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
#endif

#define VEC_INLINE static inline __attribute__((always_inline, unused))

VEC_INLINE vf vset(float x)
{
    return x - (vf){0};
}

VEC_INLINE vi vset_int(int32_t x)
{
    return x - (vi){0};
}

#if defined(__aarch64__)

/* memcpy() of a vector goes through the registers of integers there. */
VEC_INLINE vf vload(const float *p)
{
    return (vf)vld1q_f32(p);
}

VEC_INLINE void vstore(float *p, vf v)
{
    vst1q_f32(p, (float32x4_t)v);
}

#else

VEC_INLINE vf vload(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof(v));
    return v;
}

VEC_INLINE void vstore(float *p, vf v)
{
    memcpy(p, &v, sizeof(v));
}

#endif

/* a where the mask's lane is all ones, b where it is zero. */
VEC_INLINE vf vselect(vi mask, vf a, vf b)
{
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

#if defined(VEC_AVX512)

/* The first count lanes, count < W; the others are zero. */
VEC_INLINE vf vload_part(const float *p, size_t count)
{
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1u), p);
}

VEC_INLINE void vstore_part(float *p, vf v, size_t count)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1u), (__m512)v);
}

VEC_INLINE vf vfma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/* a > b ? a : b, so a NaN in b stays; likewise the minimum. */
VEC_INLINE vf vmax(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

VEC_INLINE vf vmin(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

VEC_INLINE vf vsqrt(vf a)
{
    return (vf)_mm512_sqrt_ps((__m512)a);
}

#elif defined(VEC_AVX2)

VEC_INLINE __m256i vpart_mask(size_t count)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(const void *)(ones + 8 - count));
}

VEC_INLINE vf vload_part(const float *p, size_t count)
{
    return (vf)_mm256_maskload_ps(p, vpart_mask(count));
}

VEC_INLINE void vstore_part(float *p, vf v, size_t count)
{
    _mm256_maskstore_ps(p, vpart_mask(count), (__m256)v);
}

VEC_INLINE vf vfma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

VEC_INLINE vf vmax(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

VEC_INLINE vf vmin(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

VEC_INLINE vf vsqrt(vf a)
{
    return (vf)_mm256_sqrt_ps((__m256)a);
}

#else

/* Without a loop, which the compiler makes a call of memcpy(). */
VEC_INLINE vf vload_part(const float *p, size_t count)
{
    vf v = {0};
    if (count > 0) {
        v[0] = p[0];
    }
    if (count > 1) {
        v[1] = p[1];
    }
    if (count > 2) {
        v[2] = p[2];
    }
    return v;
}

VEC_INLINE void vstore_part(float *p, vf v, size_t count)
{
    if (count > 0) {
        p[0] = v[0];
    }
    if (count > 1) {
        p[1] = v[1];
    }
    if (count > 2) {
        p[2] = v[2];
    }
}

VEC_INLINE vf vfma(vf a, vf b, vf c)
{
#if defined(__arm__) && defined(__FP_FAST_FMAF)
    for (size_t i = 0; i < W; i++) {
        c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    }
    return c;
#else
    return a * b + c;
#endif
}

VEC_INLINE vf vmax(vf a, vf b)
{
    return vselect(a > b, a, b);
}

VEC_INLINE vf vmin(vf a, vf b)
{
    return vselect(a < b, a, b);
}

VEC_INLINE vf vsqrt(vf a)
{
#if defined(__aarch64__)
    return (vf)vsqrtq_f32((float32x4_t)a);
#else
    for (size_t i = 0; i < W; i++) {
        a[i] = sqrtf(a[i]);
    }
    return a;
#endif
}

#endif

VEC_INLINE vf vabs(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}

/* The magnitude of a, the sign of b. */
VEC_INLINE vf vcopysign(vf a, vf b)
{
    return (vf)(((vi)a & 0x7fffffff) | ((vi)b & INT32_MIN));
}

/* The sum of the lanes, always in the same order: halves onto halves. */
VEC_INLINE float vsum(vf a)
{
    float lane[W];
    memcpy(lane, &a, sizeof(lane));
    for (size_t half = W / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) {
            lane[i] += lane[i + half];
        }
    }
    return lane[0];
}

VEC_INLINE float vmax_lanes(vf a)
{
    float best = a[0];
    for (size_t i = 1; i < W; i++) {
        best = best > a[i] ? best : a[i];
    }
    return best;
}

#endif /* COVEY_NN_VEC_H */
