/* SPDX-License-Identifier: MIT
 *
 * probe.h - measures what this device does in what time, for the plan: in rounds, most of them in
 * its first minute, its rates again and then PROBEs to one peer, small ones and large ones.
 */
#ifndef COVEY_SESSION_PROBE_H
#define COVEY_SESSION_PROBE_H

#include "services.h"

struct covey_probe;

/* rates: those of the start; told with EVENT_MEASURED when more is. */
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
