/* SPDX-License-Identifier: MIT
 *
 * probe.h - measures what a message and a body cost this device, for the plan: some times in its
 * first minute PROBEs to one peer, small ones and then large ones.
 */
#ifndef COVEY_SESSION_PROBE_H
#define COVEY_SESSION_PROBE_H

#include "services.h"

struct covey_probe;

/* rates: what is known already; told with EVENT_MEASURED when more is. */
covey_err covey__probe_new(struct covey_services *services, const struct covey_rates *rates,
                           struct covey_probe **out) COVEY_CHECK;
void covey__probe_free(struct covey_probe *p);

void covey__probe_up(struct covey_probe *p, const struct covey_node_id *peer);
void covey__probe_down(struct covey_probe *p, const struct covey_node_id *peer);
/* Some times a second: starts what is due. */
void covey__probe_tick(struct covey_probe *p);
/* A PROBED came. */
void covey__probe_answered(struct covey_probe *p, const struct covey_node_id *peer,
                           uint32_t number);

#endif /* COVEY_SESSION_PROBE_H */
