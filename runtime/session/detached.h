/* SPDX-License-Identifier: MIT
 *
 * detached.h - inputs whose answers are kept at this node until somebody fetches them: who asked
 * may go. All calls are on the loop.
 *
 * Work has a name of the asker's. The same work sent again under its name is not done twice: it is
 * the one that is there. Answers are in memory, bounded, and are dropped some minutes after the
 * last of them.
 */
#ifndef COVEY_SESSION_DETACHED_H
#define COVEY_SESSION_DETACHED_H

#include "owner.h"

struct covey_detached;

enum {
    COVEY__DETACHED_MAX = 16,
    COVEY__DETACHED_INPUTS = 65536, /* of one */
    COVEY__DETACHED_KEPT_MS = 10 * 60 * 1000,
};
#define COVEY__DETACHED_BYTES ((size_t)256 << 20) /* of all, inputs and answers */

struct covey_detached_config {
    const char *name;
    const char *model_name;
    struct covey_digest model;
    struct covey_control_infer options;
    struct covey_shape output;
    size_t input_floats, output_floats; /* of one */
};

covey_err covey__detached_new(struct covey_services *services, struct covey_owner *owner,
                              struct covey_detached **out) COVEY_CHECK;
void covey__detached_free(struct covey_detached *d);

/* inputs: whole ones, one behind another. EXISTS: other work has this name; BUSY: no room
 * before other work ends; LIMIT: none at all; RANGE. */
covey_err covey__detached_start(struct covey_detached *d,
                                const struct covey_detached_config *config,
                                struct covey_body *take_inputs) COVEY_CHECK;
void covey__detached_list(const struct covey_detached *d, struct covey_control_sessions *out);
/* All answers, those that are not there as NaNs: until the next call. NOT_FOUND. */
covey_err covey__detached_get(const struct covey_detached *d, const char *name,
                              struct covey_bytes *out) COVEY_CHECK;
/* Ends and forgets it. */
covey_err covey__detached_stop(struct covey_detached *d, const char *name) COVEY_CHECK;

#endif /* COVEY_SESSION_DETACHED_H */
