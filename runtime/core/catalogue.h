/* SPDX-License-Identifier: MIT
 *
 * catalogue.h - the models that were added anywhere in the mesh, as a pure machine.
 *
 * An entry is signed by the device that added the model (label "covey model 1"), which must be of
 * full trust, and travels with that device's certificate. Of one model of one publisher the entry
 * with the highest sequence counts; a removed model stays as an entry that says so. New entries go
 * on to every channel that is up, all entries to one that comes up.
 */
#ifndef COVEY_CORE_CATALOGUE_H
#define COVEY_CORE_CATALOGUE_H

#include "covey/identity.h"
#include "covey/message_catalogue.h"
#include "covey/update.h"

enum {
    COVEY__CATALOGUE_MAX = 256,          /* entries */
    COVEY__CATALOGUE_PUBLISHER_MAX = 64, /* entries of one publisher */
    COVEY__CATALOGUE_PUBLISHERS = 64,
};

struct covey_catalogue;

size_t covey__catalogue_size(void);
void covey__catalogue_init(struct covey_catalogue *c, const struct covey_identity *identity);

/* This device adds or removes a model: publisher and sequence are filled in. Nothing happens when
 * its entry says so already. DENIED: not of full trust; LIMIT: too many models. */
covey_err covey__catalogue_publish(struct covey_catalogue *c,
                                   const struct covey_catalogue_model *model) COVEY_CHECK;
/* One message, of a peer or of one's own store. Entries that are not newer, not signed, or too many
 * are left out. Number of bad ones. */
unsigned covey__catalogue_message(struct covey_catalogue *c, struct covey_bytes bytes,
                                  uint64_t wall_s);
/* slot: the member's number, below COVEY_MEMBERS_MAX. */
void covey__catalogue_peer(struct covey_catalogue *c, uint16_t slot,
                           const struct covey_node_id *peer, bool up);
/* Tells peers, and session with ACTION_CATALOGUE when something changed. */
void covey__catalogue_tick(struct covey_catalogue *c, struct covey_update *out);

/* Entries, removed ones too. */
size_t covey__catalogue_count(const struct covey_catalogue *c);
void covey__catalogue_get(const struct covey_catalogue *c, size_t index,
                          struct covey_catalogue_model *out);
/* Entry `index` alone as a message: what is kept on disk. At most COVEY_CATALOGUE_MESSAGE_MAX. */
covey_err covey__catalogue_wire(const struct covey_catalogue *c, size_t index, struct covey_buf out,
                                size_t *out_len) COVEY_CHECK;

#endif /* COVEY_CORE_CATALOGUE_H */
