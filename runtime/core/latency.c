/* SPDX-License-Identifier: MIT */
#include "covey/latency.h"

#include <math.h>

#define US_PER_MS 1000.0

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Uniform in (0, 1): 53 bits, and half of the last one. */
static double uniform(uint64_t z)
{
    return ((double)(z >> 11) + 0.5) * 0x1p-53;
}

/* Of mean 0 and deviation 1 (Marsaglia's polar method, 1964). */
static double normal(uint64_t z)
{
    double x = 0, square = 0;
    do {
        z = mix(z);
        x = 2 * uniform(z) - 1;
        z = mix(z);
        double y = 2 * uniform(z) - 1;
        square = x * x + y * y;
    } while (square >= 1 || square == 0);
    return x * sqrt(-2 * log(square) / square);
}

double covey_latency_draw(const struct covey_latency *law, uint64_t round)
{
    uint64_t z = mix(mix(mix(law->seed) ^ law->device) ^ round);
    double a = law->a_us / US_PER_MS, b = law->b_us / US_PER_MS;
    switch (law->kind) {
    case COVEY_LATENCY_UNIFORM:
        return a + (b - a) * uniform(z);
    case COVEY_LATENCY_NORMAL:
        return fmax(0, a + b * normal(z));
    case COVEY_LATENCY_EXPONENTIAL:
        /* x = -mean ln u */
        return -a * log(uniform(z));
    case COVEY_LATENCY_NONE:
        break;
    }
    return 0;
}
