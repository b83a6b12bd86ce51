/* SPDX-License-Identifier: MIT
 *
 * stored.h - a network packed into a store, as a model that was added is.
 */
#ifndef COVEY_TEST_STORED_H
#define COVEY_TEST_STORED_H

#include "covey/graph.h"
#include "store.h"

/* Asserts that it can be. The network is gone then. */
void stored_network(const struct covey_store *store, struct covey_graph *take_g,
                    struct covey_digest *out_id);

#endif /* COVEY_TEST_STORED_H */
