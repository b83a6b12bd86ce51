/* SPDX-License-Identifier: MIT
 *
 * infer_detach.h - inputs gathered here, to be answered and kept by the node.
 */
#ifndef COVEY_CLI_INFER_DETACH_H
#define COVEY_CLI_INFER_DETACH_H

#include "infer_target.h"

/* Zeroed, then filled. */
struct covey__detach {
    float *inputs;
    size_t count, capacity; /* inputs of the model's size */
};

/* LIMIT: more than one message holds. */
covey_err covey__detach_add(struct covey__detach *d, const float *input, size_t floats) COVEY_CHECK;
/* Gives them to the node; says under which id, or what is wrong. id NULL: a new one. */
enum covey_exit covey__detach_send(const struct covey__cli *cli, struct covey__detach *d,
                                   struct covey__target *t, const char *id);
void covey__detach_done(struct covey__detach *d);

#endif /* COVEY_CLI_INFER_DETACH_H */
