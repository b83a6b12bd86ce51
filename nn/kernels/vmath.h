/* SPDX-License-Identifier: MIT
 *
 * vmath.h - exp, log, tanh, erf and what follows from them, for the vectors of vec.h.
 *
 * Within about 2 units in the last place where nothing else is said. NaN gives NaN, infinities
 * what the C functions give; errno and exception flags mean nothing.
 */
#ifndef COVEY_NN_VMATH_H
#define COVEY_NN_VMATH_H

#include "vec.h"

#define VMATH_LN2_HIGH 0.693359375f
#define VMATH_LN2_LOW (-2.12194440e-4f)

/* x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) = 1 + r + r^2 p(r). */
struct vmath_reduced {
    vf n, r, tail; /* tail: r + r^2 p(r) */
};

VEC_INLINE struct vmath_reduced vexp_reduce(vf x)
{
    struct vmath_reduced e;
    /* Adding 1.5 * 2^23 leaves no bits for a fraction. */
    vf magic = vset(12582912.0f);
    e.n = vfma(x, vset(1.44269504088896341f), magic) - magic;
    e.r = vfma(e.n, vset(-VMATH_LN2_HIGH), x);
    e.r = vfma(e.n, vset(-VMATH_LN2_LOW), e.r);
    vf p = vset(1.9875691500e-4f); /* Cephes expf */
    p = vfma(p, e.r, vset(1.3981999507e-3f));
    p = vfma(p, e.r, vset(8.3334519073e-3f));
    p = vfma(p, e.r, vset(4.1665795894e-2f));
    p = vfma(p, e.r, vset(1.6666665459e-1f));
    p = vfma(p, e.r, vset(5.0000001201e-1f));
    e.tail = vfma(p * e.r, e.r, e.r);
    return e;
}

/* 2^n for n in [-126, 127]. */
VEC_INLINE vf vpow2(vi n)
{
    return (vf)((n + 127) << 23);
}

VEC_INLINE vf vexp(vf x)
{
    /* Beyond these the result is 0 or infinity anyway; NaN stays. */
    x = vmin(vset(89.0f), vmax(vset(-104.0f), x));
    struct vmath_reduced e = vexp_reduce(x);
    vi n = __builtin_convertvector(e.n, vi);
    vi half = n >> 1; /* in two steps, for results below the normal range */
    return (e.tail + 1.0f) * vpow2(half) * vpow2(n - half);
}

/* exp(x) - 1 for x <= 0, exact near 0: 2^n (e^r - 1) + (2^n - 1). */
VEC_INLINE vf vexpm1_negative(vf x)
{
    x = vmax(vset(-30.0f), x);
    struct vmath_reduced e = vexp_reduce(x);
    vf scale = vpow2(__builtin_convertvector(e.n, vi));
    return vfma(e.tail, scale, scale - 1.0f);
}

/* x = 2^n (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1]; log(1 + f) after Cephes logf. */
VEC_INLINE vf vlog(vf x)
{
    vi small = x < 1.17549435e-38f; /* below the normal range; also 0 and negative */
    vf scaled = vselect(small, x * 8388608.0f, x);
    vi bits = (vi)scaled;
    vi n = ((bits >> 23) & 0xff) - 126;
    vf m = (vf)((bits & 0x007fffff) | 0x3f000000); /* [0.5, 1) */
    vi low = m < 0.707106781186547524f;
    vf f = vselect(low, m + m, m) - 1.0f;
    n = n + low - (small & 23);
    vf z = f * f;
    vf p = vset(7.0376836292e-2f);
    p = vfma(p, f, vset(-1.1514610310e-1f));
    p = vfma(p, f, vset(1.1676998740e-1f));
    p = vfma(p, f, vset(-1.2420140846e-1f));
    p = vfma(p, f, vset(1.4249322787e-1f));
    p = vfma(p, f, vset(-1.6668057665e-1f));
    p = vfma(p, f, vset(2.0000714765e-1f));
    p = vfma(p, f, vset(-2.4999993993e-1f));
    p = vfma(p, f, vset(3.3333331174e-1f));
    vf e = __builtin_convertvector(n, vf);
    vf y = vfma(e, vset(VMATH_LN2_LOW), p * f * z);
    y = f + vfma(z, vset(-0.5f), y);
    y = vfma(e, vset(VMATH_LN2_HIGH), y);
    y = vselect(x < INFINITY, y, x); /* infinity, NaN */
    y = vselect(x == 0.0f, vset(-INFINITY), y);
    return vselect(x < 0.0f, vset(NAN), y);
}

/* log(1 + x) for x in [0, 1]: what 1 + x rounds away is put back to first order. */
VEC_INLINE vf vlog1p_unit(vf x)
{
    vf w = x + 1.0f;
    return vlog(w) + (x - (w - 1.0f)) / w;
}

/* 1 / (1 + e^-x) */
VEC_INLINE vf vsigmoid(vf x)
{
    return 1.0f / (vexp(-x) + 1.0f);
}

/* |x| < 0.625: x + x^3 p(x^2) after Cephes tanhf; else 1 - 2 / (e^2|x| + 1). */
VEC_INLINE vf vtanh(vf x)
{
    vf z = x * x;
    vf p = vset(-5.70498872745e-3f);
    p = vfma(p, z, vset(2.06390887954e-2f));
    p = vfma(p, z, vset(-5.37397155531e-2f));
    p = vfma(p, z, vset(1.33314422036e-1f));
    p = vfma(p, z, vset(-3.33332819422e-1f));
    vf small = vfma(p * z, x, x);
    vf magnitude = vabs(x);
    vf large = 1.0f - 2.0f / (vexp(magnitude + magnitude) + 1.0f);
    return vselect(magnitude < 0.625f, small, vcopysign(large, x));
}

/* 2 / sqrt(pi) times the integral of e^-t^2 from 0 to x. Minimax polynomials: in x^2 near 0, in
 * the exponent of 1 - e^q(|x|) elsewhere. */
VEC_INLINE vf verf(vf x)
{
    vf t = vmin(vset(4.0f), vabs(x)); /* erf(4) rounds to 1 */
    vf s = t * t;
    vf q = vfma(vset(-1.72853470e-5f), t, vset(3.83197126e-4f));
    q = vfma(q, s, vfma(vset(-3.88396438e-3f), t, vset(2.42546219e-2f)));
    q = vfma(q, t, vset(-1.06777877e-1f));
    q = vfma(q, t, vset(-6.34846687e-1f));
    q = vfma(q, t, vset(-1.28717512e-1f));
    q = vfma(q, t, -t);
    vf large = 1.0f - vexp(q);
    vf p = vset(-5.96761703e-4f);
    p = vfma(p, s, vset(4.99119423e-3f));
    p = vfma(p, s, vset(-2.67681349e-2f));
    p = vfma(p, s, vset(1.12819925e-1f));
    p = vfma(p, s, vset(-3.76125336e-1f));
    p = vfma(p, s, vset(1.28379166e-1f));
    vf small = vfma(p, x, x);
    vf y = vselect(t > 0.927734375f, vcopysign(large, x), small);
    return vselect(x == x, y, x);
}

#endif /* COVEY_NN_VMATH_H */
