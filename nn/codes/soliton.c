/* SPDX-License-Identifier: MIT */
#include "code_private.h"

#include <math.h>
#include <string.h>

/* Of the robust soliton distribution (Luby 2002, definition 11). Solving what peeling leaves, not
 * peeling, decides how many answers of some ten blocks are needed: of all that was tried
 * (docs/coding.md) these need the fewest, with half the sums of one block or two. */
#define SOLITON_C 0.05
#define SOLITON_DELTA 0.01

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* rho(1) = 1 / n, rho(d) = 1 / (d (d - 1)), and tau(d) = R / (d n) below n / R, R ln(R / delta) / n
 * there, with R = c ln(n / delta) sqrt(n). */
static double weight_of(uint32_t n, uint32_t d, double r)
{
    double count = (double)n, rho = d == 1 ? 1 / count : 1 / ((double)d * (double)(d - 1));
    double spike = floor(count / r);
    spike = spike > count ? count : spike < 1 ? 1 : spike;
    if ((double)d < spike) {
        return rho + r / ((double)d * count);
    }
    double top = r / SOLITON_DELTA > 1 ? r * log(r / SOLITON_DELTA) / count : 0;
    return (double)d > spike ? rho : rho + top;
}

static uint32_t draw_degree(uint32_t n, uint64_t *state)
{
    double r = SOLITON_C * log((double)n / SOLITON_DELTA) * sqrt((double)n), total = 0;
    for (uint32_t d = 1; d <= n; d++) {
        total += weight_of(n, d, r);
    }
    double left = (double)(mix(state) >> 11) * 0x1p-53 * total;
    for (uint32_t d = 1; d < n; d++) {
        left -= weight_of(n, d, r);
        if (left < 0) {
            return d;
        }
    }
    return n;
}

void covey__code_draw(uint32_t n, uint64_t seed, uint32_t t, float *out)
{
    uint32_t block[COVEY_CODE_BLOCKS_MAX];
    uint64_t state = seed + (uint64_t)t * 0xd1342543de82ef95u;
    (void)mix(&state);
    uint32_t degree = draw_degree(n, &state);
    memset(out, 0, n * sizeof(float));
    for (uint32_t j = 0; j < n; j++) {
        block[j] = j;
    }
    for (uint32_t i = 0; i < degree; i++) {
        uint64_t bits = mix(&state);
        uint32_t j = i + (uint32_t)((bits >> 32) % (n - i)), chosen = block[j];
        /* Fisher-Yates */
        block[j] = block[i];
        out[chosen] = (bits & 1) != 0 ? 1.0f : -1.0f;
    }
}
