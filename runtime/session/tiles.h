/* SPDX-License-Identifier: MIT
 *
 * tiles.h - the holder's side of tile runs: takes core's tiles to the compute pool, and keeps what
 * a strip made until its next segment. Calls are on the loop.
 */
#ifndef COVEY_SESSION_TILES_H
#define COVEY_SESSION_TILES_H

#include "assignment.h"
#include "services.h"

struct covey_tiling;

covey_err covey__tiling_new(struct covey_services *services, struct covey_tiling **out) COVEY_CHECK;
/* After the pools have stopped, before assignments end. */
void covey__tiling_free(struct covey_tiling *t);

/* Action TILE, of an assignment that is ready; NULL: there is none. */
void covey__tiling_compute(struct covey_tiling *t, struct covey_assignment *a,
                           const struct covey_action *action);
/* Action TILES_DROPPED: what runs for the request ends, and keeps nothing. */
void covey__tiling_dropped(struct covey_tiling *t, const struct covey_action *action);

#endif /* COVEY_SESSION_TILES_H */
