/* SPDX-License-Identifier: MIT */
#include "code_private.h"

#include "covey/field.h"
#include "field_math.h"

bool covey__span_add(struct covey__span *s, const float *row, bool keep)
{
    uint32_t p = covey_field_prime(0), pivot = s->n;
    for (uint32_t j = 0; j < s->n; j++) {
        s->spare[j] = covey__field_from_float(p, row[j]);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        const uint32_t *basis = s->basis + (size_t)i * s->n;
        uint32_t times = s->spare[i];
        if (times == 0) {
            continue;
        }
        if (basis[i] == 0) {
            pivot = i;
            break;
        }
        for (uint32_t j = i; j < s->n; j++) {
            uint32_t part = covey__field_multiply(p, times, basis[j]);
            s->spare[j] = covey__field_subtract(p, s->spare[j], part);
        }
    }
    if (pivot == s->n || !keep) {
        return pivot < s->n;
    }
    uint32_t scale = covey__field_inverse(p, s->spare[pivot]);
    uint32_t *added = s->basis + (size_t)pivot * s->n;
    for (uint32_t j = pivot; j < s->n; j++) {
        added[j] = covey__field_multiply(p, scale, s->spare[j]);
    }
    s->rank++;
    return true;
}
