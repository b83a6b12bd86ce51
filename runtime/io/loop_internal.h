/* SPDX-License-Identifier: MIT
 *
 * loop_internal.h - the libuv loop behind struct covey_loop, for this folder only.
 */
#ifndef COVEY_LOOP_INTERNAL_H
#define COVEY_LOOP_INTERNAL_H

#include <uv.h>

#include "covey/loop.h"
#include "shape.h"

/* fn(user) runs each time before the loop waits, in no particular order; while linked it belongs to
 * the loop. */
struct covey__before_wait {
    struct covey__before_wait *next;
    covey_loop_fn fn;
    void *user;
};

void covey__loop_before_wait(struct covey_loop *loop, struct covey__before_wait *hook);
void covey__loop_forget(struct covey_loop *loop, struct covey__before_wait *hook);
uv_loop_t *covey__loop_uv(struct covey_loop *loop);
struct covey__shape *covey__loop_shape(struct covey_loop *loop);

#endif /* COVEY_LOOP_INTERNAL_H */
