/* SPDX-License-Identifier: MIT
 *
 * field_math.h - numbers modulo a prime below 2^24, and how they are held as floats: of either
 * sign, at most half the prime, so that products of two are below 2^46.
 */
#ifndef COVEY_NN_FIELD_MATH_H
#define COVEY_NN_FIELD_MATH_H

#include <stdint.h>

static inline uint32_t covey__field_multiply(uint32_t p, uint32_t a, uint32_t b)
{
    return (uint32_t)((uint64_t)a * b % p);
}

static inline uint32_t covey__field_subtract(uint32_t p, uint32_t a, uint32_t b)
{
    return a >= b ? a - b : a + p - b;
}

/* a^(p - 2), Fermat; a is not 0. */
static inline uint32_t covey__field_inverse(uint32_t p, uint32_t a)
{
    uint32_t power = 1;
    for (uint32_t exponent = p - 2; exponent > 0; exponent >>= 1) {
        power = (exponent & 1) != 0 ? covey__field_multiply(p, power, a) : power;
        a = covey__field_multiply(p, a, a);
    }
    return power;
}

static inline float covey__field_to_float(uint32_t p, uint32_t a)
{
    return a > p / 2 ? -(float)(p - a) : (float)a;
}

/* f is an integer of at most p. */
static inline uint32_t covey__field_from_float(uint32_t p, float f)
{
    int32_t v = (int32_t)f;
    return v < 0 ? (uint32_t)(v + (int32_t)p) : (uint32_t)v;
}

#endif /* COVEY_NN_FIELD_MATH_H */
