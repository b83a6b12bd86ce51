/* SPDX-License-Identifier: MIT
 *
 * network_private.h - between network.c and network_models.c.
 */
#ifndef COVEY_SESSION_NETWORK_PRIVATE_H
#define COVEY_SESSION_NETWORK_PRIVATE_H

#include "network.h"

/* All of them, and idle rooms; none is out. */
void covey__network_free_models(struct covey_network *n);

#endif /* COVEY_SESSION_NETWORK_PRIVATE_H */
