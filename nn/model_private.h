/* SPDX-License-Identifier: MIT
 *
 * model_private.h - limits that the memory plan and the model share.
 */
#ifndef COVEY_NN_MODEL_PRIVATE_H
#define COVEY_NN_MODEL_PRIVATE_H

#include <stdint.h>

/* Values start on cache lines. */
enum { COVEY__ALIGN_FLOATS = 16 };

/* 4 GiB for one run, or what a pointer reaches: no device of ours has more to give. */
#define COVEY__MEMORY_FLOATS_MAX                                                                   \
    ((uint64_t)(SIZE_MAX / 8 < 0x40000000u ? SIZE_MAX / 8 : 0x40000000u))

#endif /* COVEY_NN_MODEL_PRIVATE_H */
