/* SPDX-License-Identifier: MIT
 *
 * loop_internal.h - the libuv loop behind struct covey_loop, for this folder only.
 */
#ifndef COVEY_LOOP_INTERNAL_H
#define COVEY_LOOP_INTERNAL_H

#include <uv.h>

#include "covey/loop.h"
#include "shape.h"

uv_loop_t *covey__loop_uv(struct covey_loop *loop);
struct covey__shape *covey__loop_shape(struct covey_loop *loop);

#endif /* COVEY_LOOP_INTERNAL_H */
