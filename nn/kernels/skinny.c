/* SPDX-License-Identifier: MIT */
#include "skinny.h"

#include "vkernels.h"

void covey__skinny_rows(const struct covey__skinny *s, size_t first, size_t last)
{
    covey__vkernels()->skinny_rows(s, first, last);
}
