/* SPDX-License-Identifier: MIT */
#include "half.h"

#include "vkernels.h"

void covey__half_from_floats(const float *in, uint16_t *out, size_t count)
{
    covey__vkernels()->half_from_floats(in, out, count);
}

void covey__half_to_floats(const uint16_t *in, float *out, size_t count)
{
    covey__vkernels()->half_to_floats(in, out, count);
}
