/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "case.h"
#include "read_typed.h"
#include "read_why.h"

static void shape_text(const struct covey_shape *s, char *out, size_t room)
{
    size_t len = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < s->rank && len < room; i++) {
        int wrote = snprintf(out + len, room - len, i ? " %u" : "%u", (unsigned)s->dims[i]);
        len += wrote > 0 ? (size_t)wrote : 0;
    }
}

static bool same_kind(const struct covey_tensor *got, const struct covey_tensor *expected,
                      struct covey_nn_error *why)
{
    char a[96];
    char b[96];
    if (got->type != expected->type) {
        (void)covey__why(COVEY_OK, why, "type %s, expected %s", covey_type_name(got->type),
                         covey_type_name(expected->type));
        return false;
    }
    if (!covey_shape_equal(&got->shape, &expected->shape)) {
        shape_text(&got->shape, a, sizeof a);
        shape_text(&expected->shape, b, sizeof b);
        (void)covey__why(COVEY_OK, why, "shape [%s], expected [%s]", a, b);
        return false;
    }
    return true;
}

/* |got - expected| <= atol + rtol |expected|, as numpy.allclose. */
static bool close_enough(double got, double expected, double atol)
{
    const double rtol = 1e-3;
    if (isnan(expected) || isnan(got)) {
        return isnan(expected) && isnan(got);
    }
    if (isinf(expected) || isinf(got)) {
        return got == expected;
    }
    return fabs(got - expected) <= atol + rtol * fabs(expected);
}

bool case_close(const struct covey_tensor *got, const struct covey_tensor *expected, double atol,
                struct covey_nn_error *why)
{
    size_t count = 0;
    size_t size = covey_type_size(got->type);
    if (!same_kind(got, expected, why) || covey_shape_count(&got->shape, &count)) {
        return false;
    }
    bool exact = !covey_type_is_float(got->type);
    for (size_t i = 0; i < count; i++) {
        double a = covey_tensor_element(got, i);
        double b = covey_tensor_element(expected, i);
        const uint8_t *x = (const uint8_t *)got->data + i * size;
        const uint8_t *y = (const uint8_t *)expected->data + i * size;
        if (exact ? memcmp(x, y, size) != 0 : !close_enough(a, b, atol)) {
            (void)covey__why(COVEY_OK, why, "element %zu of %zu is %.9g, expected %.9g", i, count,
                             a, b);
            return false;
        }
    }
    return true;
}
