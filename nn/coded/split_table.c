/* SPDX-License-Identifier: MIT */
#include "covey/split.h"

/* Coefficients are multiples of 1 / UNIT: the same floats everywhere. */
enum { UNIT = 256 };

/* Rows 1 to 3, found by tests/nn/search_split.c. Part of what nodes agree on: never changed. */
static const int16_t table[COVEY_PARITY_MAX - 1][COVEY_GROUP_UNITS_MAX] = {
    {154, -139, 449, 279, -402, -269, 40, -495, 390, -53, 30, -389, 159, 299, -246, 381},
    {-114, 248, 205, -104, 66, -202, 422, -306, -500, -257, 593, -23, 409, 132, -222, 19},
    {506, 446, 89, -702, -550, -150, -600, 287, 148, -322, 361, 221, 21, -112, 77, 342},
};

covey_err covey_split_coefficient(unsigned t, unsigned j, float *out)
{
    if (t >= COVEY_PARITY_MAX || j >= COVEY_GROUP_UNITS_MAX) {
        return COVEY_ERR_RANGE;
    }
    *out = t == 0 ? 1.0f : (float)table[t - 1][j] / UNIT;
    return COVEY_OK;
}
